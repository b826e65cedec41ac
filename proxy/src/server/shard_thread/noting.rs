//! What a shard's thread tells of how it does, for whoever looks.

use super::Running;
use crate::server::shard_handle::LaneReport;
use crate::shard::Moment;

/// Between two looks at the gauges, microseconds.
const GAUGES_US: u64 = 250_000;

impl Running {
    pub(super) fn tell_lanes(&self) {
        self.gauges.set_lanes(
            self.shard
                .link_sights()
                .map(|(_, node, sight)| LaneReport { node, sight }),
        );
    }

    pub(super) fn note(&mut self, now: Moment) {
        let spent_us = self.clock.now_us().saturating_sub(now.mono_us);
        self.meters.round(spent_us);
        self.gauges.set_sessions(self.shard.edge().sessions());
        // These look at every session.
        if now.mono_us >= self.gauged_us + GAUGES_US {
            self.gauged_us = now.mono_us;
            let edge = self.shard.edge();
            self.gauges
                .set_standing(edge.playing(), edge.suspended(), edge.watched());
            self.gauges.set_regions_served(edge.regions_served());
            self.gauges.set_waiting(edge.waiting(now.mono_us / 1000));
            self.tell_lanes();
            for (id, _, sight) in self.shard.link_sights() {
                self.peers.note(id, &sight.counts);
            }
        }
    }
}
