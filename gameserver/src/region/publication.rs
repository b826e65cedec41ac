//! Who gets which cells: every subscriber the same bytes, keyframes to those who are new or lost something. A subscriber
//! that cannot keep up costs nothing here: its link drops cells and it is marked for keyframes.

use bytes::Bytes;
use protocol::geometry::CellIndex;
use protocol::ids::{NodeNumber, RegionNumber, Tick};
use protocol::limits::SUBSCRIPTION_CELLS_MAX;
use protocol::message::subscription::{CellUpdates, Serving, Subscribe, TickEnd, Unsubscribe};

use super::effect::RegionEffect;
use super::state::RegionState;
use super::subscribers::{Role, Subscriber, Wants};

/// Cells of one message, bytes: well below a frame.
const UPDATE_BYTES_MAX: usize = 128 * 1024;

impl RegionState {
    /// Tells a node that came up which region this is.
    pub(super) fn announce(&mut self, role: Role, node: NodeNumber) {
        let serving = Serving {
            region: self.config.number.0,
            region_epoch: self.config.epoch.0,
        };
        match role {
            Role::Proxy => self.tell_proxy(node, serving),
            Role::Server => self.tell_server(node, serving),
        }
    }

    pub(super) fn subscribe(&mut self, role: Role, node: NodeNumber, message: &Subscribe) {
        let (region, epoch) = (message.region, message.region_epoch);
        if self.may_subscribe(region, epoch, message.cells.len()) {
            for &cell in &message.cells {
                match self.cells.local(CellIndex(cell)) {
                    Some(local) => self.publication.subscribe(role, node, local),
                    None => return self.count("subscribe_foreign_cell"),
                }
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, role: Role, node: NodeNumber, message: &Unsubscribe) {
        let (region, epoch) = (message.region, message.region_epoch);
        if self.may_subscribe(region, epoch, message.cells.len()) {
            for &cell in &message.cells {
                if let Some(local) = self.cells.local(CellIndex(cell)) {
                    self.publication.unsubscribe(role, node, local);
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
        for (&(role, node), subscriber) in &mut subscribers {
            if subscriber.subscribed > 0 || subscriber.outputs > 0 {
                self.publish_to(role, node, subscriber);
            }
            subscriber.outputs = 0;
        }
        self.publication.subscribers = subscribers;
    }

    fn publish_to(&mut self, role: Role, node: NodeNumber, subscriber: &mut Subscriber) {
        let mut cells = Vec::new();
        let mut bytes = 0;
        let mut sent = 0;
        for (local, delta) in self.cells.changed() {
            if subscriber.wants[*local as usize] == Wants::Deltas {
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
                self.effects.push(to(role, node, update));
                bytes = 0;
            }
        }
        for local in std::mem::take(&mut subscriber.keyframes) {
            subscriber.wants[local as usize] = Wants::Deltas;
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
                self.effects.push(to(role, node, update));
                bytes = 0;
            }
        }
        sent += cells.len();
        if !cells.is_empty() {
            let update = updates(&self.config, self.tick, self.now.wall_ms, cells);
            self.effects.push(to(role, node, update));
        }
        let end = TickEnd {
            region: self.config.number.0,
            region_epoch: self.config.epoch.0,
            tick: self.tick.0,
            server_time_ms: self.now.wall_ms,
            outputs: subscriber.outputs,
            cells: sent as u32,
        };
        match role {
            Role::Proxy => self.tell_proxy(node, end),
            Role::Server => self.tell_server(node, end),
        }
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

fn to(role: Role, node: NodeNumber, update: CellUpdates) -> RegionEffect {
    match role {
        Role::Proxy => RegionEffect::ToProxy(node, update.into()),
        Role::Server => RegionEffect::ToServer(node, update.into()),
    }
}
