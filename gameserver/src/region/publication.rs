//! Who gets which cells: every subscriber the same bytes, keyframes to those who are new or lost something. A subscriber
//! that cannot keep up costs nothing here: its link drops cells and it is marked for keyframes.

use bytes::Bytes;
use protocol::geometry::CellIndex;
use protocol::ids::{RegionNumber, Tick};
use protocol::limits::SUBSCRIPTION_CELLS_MAX;
use protocol::message::subscription::{CellUpdates, Serving, Subscribe, TickEnd, Unsubscribe};

use super::effect::RegionEffect;
use super::state::RegionState;
use super::subscribers::{Subscriber, Subscription, Wants};

/// Cells of one message, bytes: well below a frame.
const UPDATE_BYTES_MAX: usize = 128 * 1024;

impl RegionState {
    /// Tells a lane or a node that came up which region this is.
    pub(super) fn announce(&mut self, subscriber: Subscriber) {
        let serving = Serving {
            region: self.config.number.0,
            region_epoch: self.config.epoch.0,
        };
        self.effects.push(match subscriber {
            Subscriber::Lane(lane) => RegionEffect::ToProxy(lane, serving.into()),
            Subscriber::Server(node) => RegionEffect::ToServer(node, serving.into()),
        });
    }

    pub(super) fn subscribe(&mut self, by: Subscriber, message: &Subscribe) {
        let (region, epoch) = (message.region, message.region_epoch);
        if self.may_subscribe(region, epoch, message.cells.len()) {
            for &cell in &message.cells {
                match self.cells.local(CellIndex(cell)) {
                    Some(local) => self.publication.subscribe(by, local),
                    None => return self.count("subscribe_foreign_cell"),
                }
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, by: Subscriber, message: &Unsubscribe) {
        let (region, epoch) = (message.region, message.region_epoch);
        if self.may_subscribe(region, epoch, message.cells.len()) {
            for &cell in &message.cells {
                if let Some(local) = self.cells.local(CellIndex(cell)) {
                    self.publication.unsubscribe(by, local);
                }
            }
        }
    }

    fn may_subscribe(&mut self, region: u32, epoch: u64, cells: usize) -> bool {
        let refused = if RegionNumber(region) != self.config.number {
            "subscribe_foreign_region"
        } else if epoch != self.config.epoch.0 {
            "subscribe_stale_epoch"
        } else if cells > SUBSCRIPTION_CELLS_MAX {
            "subscribe_too_many_cells"
        } else {
            return true;
        };
        self.count(refused);
        false
    }

    /// The phase that sends: to each subscriber its changed cells and then the end of the tick.
    pub(super) fn publish(&mut self) {
        let mut subscribers = std::mem::take(&mut self.publication.subscribers);
        for (&to, subscription) in &mut subscribers {
            if subscription.subscribed > 0 || subscription.outputs > 0 {
                self.publish_to(to, subscription);
            }
            subscription.outputs = 0;
        }
        self.publication.subscribers = subscribers;
    }

    fn publish_to(&mut self, subscriber: Subscriber, subscription: &mut Subscription) {
        let mut cells = Vec::new();
        let mut bytes = 0;
        let mut sent = 0;
        for (local, delta) in self.cells.changed() {
            if subscription.wants[*local as usize] == Wants::Deltas {
                bytes += delta.len();
                cells.push(delta.clone());
            }
            if bytes > UPDATE_BYTES_MAX {
                sent += cells.len();
                let update = updates(
                    &self.config,
                    self.tick,
                    self.now.wall_ms,
                    std::mem::take(&mut cells),
                );
                self.effects.push(to(subscriber, update));
                bytes = 0;
            }
        }
        for local in std::mem::take(&mut subscription.keyframes) {
            subscription.wants[local as usize] = Wants::Deltas;
            let keyframe = self.cells.keyframe(local, &self.entities);
            bytes += keyframe.len();
            cells.push(keyframe);
            if bytes > UPDATE_BYTES_MAX {
                sent += cells.len();
                let update = updates(
                    &self.config,
                    self.tick,
                    self.now.wall_ms,
                    std::mem::take(&mut cells),
                );
                self.effects.push(to(subscriber, update));
                bytes = 0;
            }
        }
        sent += cells.len();
        if !cells.is_empty() {
            let update = updates(&self.config, self.tick, self.now.wall_ms, cells);
            self.effects.push(to(subscriber, update));
        }
        let end = TickEnd {
            region: self.config.number.0,
            region_epoch: self.config.epoch.0,
            tick: self.tick.0,
            server_time_ms: self.now.wall_ms,
            outputs: subscription.outputs,
            cells: sent as u32,
        };
        self.effects.push(match subscriber {
            Subscriber::Lane(lane) => RegionEffect::ToProxy(lane, end.into()),
            Subscriber::Server(node) => RegionEffect::ToServer(node, end.into()),
        });
    }
}

fn updates(
    config: &super::state::RegionConfig,
    tick: Tick,
    server_time_ms: u64,
    cells: Vec<Bytes>,
) -> CellUpdates {
    CellUpdates {
        region: config.number.0,
        region_epoch: config.epoch.0,
        tick: tick.0,
        server_time_ms,
        cells,
    }
}

fn to(subscriber: Subscriber, update: CellUpdates) -> RegionEffect {
    match subscriber {
        Subscriber::Lane(lane) => RegionEffect::ToProxy(lane, update.into()),
        Subscriber::Server(node) => RegionEffect::ToServer(node, update.into()),
    }
}
