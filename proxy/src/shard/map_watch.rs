//! What the map is made of: while somebody looks at it, game servers are asked for a brief of each region, and what they say of
//! their own is passed on. The first lane alone asks.

use std::collections::BTreeSet;

use net::link::LinkId;
use net::link_core::Sealing;
use protocol::ids::NodeNumber;
use protocol::message::checked::CheckedBrief;
use protocol::message::subscription::{RegionBrief, WatchMap};

use super::Shard;
use super::effect::ShardEffect;

/// Whether somebody looks, and who can be asked.
#[derive(Debug, Default)]
pub(super) struct MapWatch {
    /// Between two briefs of a region, milliseconds; `None` while nobody looks.
    period_ms: Option<u32>,
    /// Lanes to servers that tell briefs.
    tells: BTreeSet<LinkId>,
}

impl MapWatch {
    fn wish(&self) -> WatchMap {
        WatchMap {
            on: self.period_ms.is_some(),
            period_ms: self.period_ms.unwrap_or(0),
        }
    }

    pub(super) fn forget(&mut self, id: LinkId) {
        self.tells.remove(&id);
    }
}

impl<S: Sealing> Shard<S> {
    /// Somebody looks at the map from now on, to be told so often, or nobody does any more.
    pub fn watch_map(&mut self, period_ms: Option<u32>) {
        if self.map.period_ms == period_ms {
            return;
        }
        self.map.period_ms = period_ms;
        let wish = self.map.wish();
        for id in &self.map.tells {
            if let Some(core) = self.links.get_mut(*id) {
                core.push(&wish.into());
            }
        }
    }

    /// A server has said on this lane that it tells briefs to whoever asks.
    pub(super) fn tells_briefs(&mut self, id: LinkId) {
        if self.map.tells.insert(id) && self.map.period_ms.is_some() {
            let wish = self.map.wish();
            if let Some(core) = self.links.get_mut(id) {
                core.push(&wish.into());
            }
        }
    }

    /// A brief is believed of a region that its sender serves, and of that region's cells.
    pub(super) fn brief(&mut self, node: NodeNumber, brief: &RegionBrief) {
        let Ok(brief) = CheckedBrief::check(brief, &self.topology.world().grid()) else {
            return self.count("brief_malformed");
        };
        if self.edge.server_of(brief.region) != Some((node, brief.region_epoch)) {
            return self.count("brief_not_serving");
        }
        let is_own = |cell| self.topology.region_of_cell(cell) == Some(brief.region);
        if !brief.cells.iter().all(|(cell, _)| is_own(*cell)) {
            return self.count("brief_foreign_cell");
        }
        // What is under way when the last one looks away.
        if self.map.period_ms.is_some() {
            self.effects.push(ShardEffect::Brief(node, Box::new(brief)));
        }
    }
}
