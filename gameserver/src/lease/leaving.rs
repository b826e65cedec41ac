//! Regions that this process serves and that the topology in force gives to others: given to the first of those who is there, once
//! everybody who is linked knows that it may be there.

use std::collections::BTreeMap;

use protocol::ids::{NodeNumber, RegionNumber, TopologyVersion};

use store::{Serving, StoreReply, StoreRequest, StoreResult};

use super::{LeaseEffect, LeaseKeeper, LeaseQuestion};

/// A region that stayed is given again after so long, microseconds.
const AGAIN_US: u64 = 1_000_000;

/// How far a region is on its way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leaving {
    is_giving: bool,
    again_at_us: u64,
    /// How often it has stayed: each time it is another one's turn.
    stayed: usize,
}

impl LeaseKeeper {
    /// Which nodes are linked, and which topology each has announced.
    pub fn announced(&mut self, announced: BTreeMap<NodeNumber, TopologyVersion>) {
        self.announced = announced;
    }

    /// What came of [`LeaseEffect::Give`].
    pub fn gave(&mut self, region: RegionNumber, is_gone: bool, now_us: u64) {
        if let Some(watched) = self.regions.get_mut(&region) {
            watched.leaving.is_giving = false;
            watched.leaving.again_at_us = now_us + AGAIN_US;
            watched.leaving.stayed += usize::from(!is_gone);
        }
    }

    /// The regions that are served here and belong to others, each with those.
    pub fn leaving(&self) -> impl Iterator<Item = (RegionNumber, &[NodeNumber])> {
        let node = self.node;
        let leaving = self
            .regions
            .iter()
            .filter(move |(_, watched)| watched.served.is_some() && !watched.candidates.contains(&node));
        leaving.map(|(region, watched)| (*region, watched.candidates.as_slice()))
    }

    /// Nodes that are linked and have not taken the topology in force up.
    pub fn behind(&self) -> impl Iterator<Item = NodeNumber> {
        let is_behind = |(_, version): &(&NodeNumber, &TopologyVersion)| **version < self.version;
        let behind = self.announced.iter().filter(is_behind);
        behind.map(|(node, _)| *node)
    }

    /// Whether the topology in force lists this node for a region, or the one before does.
    pub(super) fn may_serve(&self, region: RegionNumber) -> bool {
        let watched = self.regions.get(&region);
        self.left.contains(&region) || watched.is_some_and(|watched| watched.candidates.contains(&self.node))
    }

    /// A region was given to this node after it had left it. Nothing of it is in the memory here.
    pub(super) fn pass_on(&mut self, region: RegionNumber, from: Serving) {
        let turn = self.regions.get(&region).map(|watched| {
            let turn = self.turn_of(&watched.candidates, watched.leaving.stayed);
            turn.filter(|_| self.behind().next().is_none())
        });
        if let Some(Some(to)) = turn {
            self.ask(
                LeaseQuestion::PassOn(region),
                StoreRequest::GiveRegion { from, to },
            );
        }
    }

    pub(super) fn passed_on(&mut self, region: RegionNumber, result: &StoreResult) {
        let is_gone = matches!(result, Ok(StoreReply::Serving(_)));
        if let Some(watched) = self.regions.get_mut(&region) {
            watched.leaving.stayed += usize::from(!is_gone);
        }
    }

    /// Of the servers that are there, the one whose turn it is.
    fn turn_of(&self, candidates: &[NodeNumber], turn: usize) -> Option<NodeNumber> {
        let there: Vec<NodeNumber> = candidates
            .iter()
            .copied()
            .filter(|node| self.announced.contains_key(node))
            .collect();
        there.get(turn.checked_rem(there.len())?).copied()
    }

    pub(super) fn give_away(&mut self, now_us: u64) {
        // A drain gives everything to somebody.
        if self.is_draining || self.lease.is_none() || self.behind().next().is_some() {
            return;
        }
        let due = |(region, candidates): (RegionNumber, &[NodeNumber])| {
            let leaving = self.regions.get(&region)?.leaving;
            let is_due = !leaving.is_giving && leaving.again_at_us <= now_us;
            let to = self.turn_of(candidates, leaving.stayed)?;
            is_due.then_some((region, to))
        };
        let due: Vec<_> = self.leaving().filter_map(due).collect();
        for (region, to) in due {
            if let Some(watched) = self.regions.get_mut(&region) {
                watched.leaving.is_giving = true;
                self.effects.push(LeaseEffect::Give(region, to));
            }
        }
    }
}
