//! Who gets what of a tick: every subscriber the same bytes, one delta for all that it missed, and never more than it has
//! room for (`docs/design/publication.md`).

mod batches;
mod overflow;
mod own_states;
mod room;
mod subscriber;
pub(super) mod subscribers;
mod subscription;

use protocol::message::checked::CheckedSubscription;
use protocol::message::family::{ServerToProxy, ServerToServer};
use protocol::message::subscription::{CellUpdates, Serving, TickEnd};

use super::effect::RegionEffect;
use super::state::RegionState;
pub use overflow::Overflow;
pub use room::{CREDIT_BYTES, NoLimit, Room};
pub use subscriber::Subscriber;
use subscribers::Said;

impl RegionState {
    /// Tells a lane or a node that came up which region this is.
    pub(super) fn announce(&mut self, subscriber: Subscriber) {
        let serving = Serving {
            region: self.config.number.0,
            region_epoch: self.config.epoch.0,
            game: self.config.edition.id.to_owned(),
            game_version: self.config.edition.version,
            briefs: true,
        };
        self.out.push(say(subscriber, serving));
    }

    pub(super) fn subscribe(&mut self, by: Subscriber, to: &CheckedSubscription) {
        if self.may_subscribe(to) {
            for &cell in &to.cells {
                let is_for = |local: &u32| match by {
                    Subscriber::Lane(_) => self.cells.is_for_clients(*local),
                    Subscriber::Server(_) => true,
                };
                match self.cells.local(cell).filter(is_for) {
                    Some(local) => self.publication.subscribe(by, local),
                    None => return self.count("subscribe_foreign_cell"),
                }
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, by: Subscriber, from: &CheckedSubscription) {
        if self.may_subscribe(from) {
            for &cell in &from.cells {
                if let Some(local) = self.cells.local(cell) {
                    self.publication.unsubscribe(by, local);
                }
            }
        }
    }

    fn may_subscribe(&mut self, to: &CheckedSubscription) -> bool {
        let refused = if to.region != self.config.number {
            "subscribe_foreign_region"
        } else if to.region_epoch != self.config.epoch {
            "subscribe_stale_epoch"
        } else {
            return true;
        };
        self.count(refused);
        false
    }

    /// The phase that tells of the cells, and that the tick is over; before, of events that had to wait.
    pub(super) fn publish(&mut self, room: &mut dyn Room) {
        self.send_late_events(room);
        let (config, out) = (&self.config, &mut self.out);
        let (tick, wall_ms) = (self.tick.0, self.now.wall_ms);
        self.publication
            .publish(tick, &mut self.cells, &self.entities, |said| {
                out.push(match said {
                    Said::Cells(to, cells) => say(
                        to,
                        CellUpdates {
                            region: config.number.0,
                            region_epoch: config.epoch.0,
                            tick,
                            server_time_ms: wall_ms,
                            cells,
                        },
                    ),
                    // What it follows came in the same class, in order: there is nothing to count.
                    Said::End(lane) => {
                        let end = TickEnd {
                            region: config.number.0,
                            region_epoch: config.epoch.0,
                            tick,
                            server_time_ms: wall_ms,
                            outputs: 0,
                            cells: 0,
                        };
                        RegionEffect::ToProxy(lane, end.into())
                    }
                });
            });
    }
}

fn say(to: Subscriber, message: impl Into<ServerToProxy> + Into<ServerToServer>) -> RegionEffect {
    match to {
        Subscriber::Lane(lane) => RegionEffect::ToProxy(lane, message.into()),
        Subscriber::Server(node) => RegionEffect::ToServer(node, message.into()),
    }
}
