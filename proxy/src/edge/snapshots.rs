//! When snapshots are made: as soon as the owner's tick is complete, or when the owner has been silent for too long.

use bytes::Bytes;
use prost::Message as _;
use protocol::datagram::DatagramSealer;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};
use protocol::message::{client, subscription};

use super::Edge;
use super::effect::{DatagramSink, EdgeEffect};
use super::input::SessionHandle;
use super::session::Transport;
use super::sight::SNAPSHOTS_IN_FLIGHT_MAX;

impl Edge {
    /// A region's tick is complete: its players get their snapshot.
    pub(super) fn tick_end(
        &mut self,
        node: NodeNumber,
        end: &subscription::TickEnd,
        now_ms: u64,
        sink: &mut dyn DatagramSink,
    ) {
        let region = RegionNumber(end.region);
        if !self.servers.serves(node, region, RegionEpoch(end.region_epoch)) {
            self.effects.push(EdgeEffect::Refused("tick_end_not_serving"));
            return;
        }
        self.views.ticked(
            region,
            RegionEpoch(end.region_epoch),
            end.tick,
            end.server_time_ms,
        );
        let handles: Vec<SessionHandle> = self
            .sessions
            .iter()
            .filter(|(_, session)| {
                session
                    .route
                    .playing()
                    .is_some_and(|owner| owner.region == region && owner.node == node)
            })
            .map(|(key, _)| SessionHandle(key))
            .collect();
        for handle in handles {
            self.compose(handle, now_ms, sink);
        }
    }

    /// Suspended players, and those whose owner's tick end is late, are served all the same.
    pub(super) fn compose_overdue(&mut self, now_ms: u64, sink: &mut dyn DatagramSink) {
        let late_ms = self.tick_period_ms * 3 / 2;
        let handles: Vec<SessionHandle> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.sight.centre.is_some())
            .filter(|(_, session)| now_ms.saturating_sub(session.composed_at_ms) >= late_ms)
            .map(|(key, _)| SessionHandle(key))
            .collect();
        for handle in handles {
            self.compose(handle, now_ms, sink);
        }
    }

    fn compose(&mut self, handle: SessionHandle, now_ms: u64, sink: &mut dyn DatagramSink) {
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let since_ms = now_ms.saturating_sub(session.composed_at_ms);
        // It is gone, or drowning: it gets one in eight.
        let is_deaf = session.sight.unacknowledged() > SNAPSHOTS_IN_FLIGHT_MAX;
        let least_ms = if is_deaf { 8 * self.tick_period_ms } else { 0 };
        if since_ms < least_ms.max(session.pace_ms) {
            return;
        }
        let by_datagram = session.transport == Transport::Udp && session.path.road().is_some();
        self.scratch.clear();
        if by_datagram {
            DatagramSealer::begin(&mut self.scratch);
        }
        let plain_bytes_max = session.path.plain_bytes_max();
        self.composer.compose(
            session,
            &mut self.views,
            &self.grid,
            plain_bytes_max,
            now_ms,
            &mut self.scratch,
        );
        if by_datagram {
            session.path.seal_and_send(&mut self.scratch, now_ms, sink);
        } else if let Ok(snapshot) = client::Snapshot::decode(Bytes::copy_from_slice(&self.scratch)) {
            self.effects.push(EdgeEffect::ToClient(handle, snapshot.into()));
        }
    }
}
