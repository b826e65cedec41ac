//! Holdings in memory: each is in one place, and a change happens only from where it is.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber, StateVersion, UserId};

use crate::StoreResult;
use crate::holding::{GroundChange, Holder, Holding, HoldingChange, TradeId};
use crate::limits::CENSUS_ROWS_MAX;
use crate::reply::{CommitOutcome, HoldingCount, StoreReply};
use crate::row::Serving;

/// All holdings of a world.
#[derive(Clone, Debug, Default)]
pub(super) struct Valuables {
    seeded: BTreeMap<RegionNumber, u64>,
    by_id: BTreeMap<u64, Holding>,
    trades: BTreeMap<TradeId, Trade>,
    /// How many of each kind were made and destroyed by each node; what worlds begin with is made by nobody, node 0.
    tallies: BTreeMap<(NodeNumber, u32), (u64, u64)>,
    /// How far the ground of each region was written by its service.
    ground: BTreeMap<RegionNumber, (RegionEpoch, StateVersion)>,
    /// What was there before each change since a commit began.
    before: Vec<Before>,
}

#[derive(Clone, Debug)]
enum Before {
    Holding(u64, Option<Holding>),
    Trade(TradeId, Option<Trade>),
    Tally((NodeNumber, u32), (u64, u64)),
}

/// A trade that is open. What is offered in it is where it is.
#[derive(Clone, Debug)]
pub(super) struct Trade {
    pub(super) from: UserId,
    pub(super) to: UserId,
    pub(super) wants: Vec<u64>,
    pub(super) until_ms: u64,
}

/// Whose commit it is.
pub(super) struct By {
    pub(super) node: NodeNumber,
    pub(super) user: UserId,
    /// The region on whose ground the user may lay something, and pick something up.
    pub(super) ground: Option<RegionNumber>,
    pub(super) now_ms: u64,
}

const NOBODY: NodeNumber = NodeNumber(0);

impl Valuables {
    pub(super) fn seed(&mut self, region: RegionNumber, seed: u64, holdings: &[Holding]) -> StoreResult {
        if let Some(done) = self.seeded.get(&region) {
            return Ok(StoreReply::Seeded(*done));
        }
        self.before.clear();
        self.seeded.insert(region, seed);
        for holding in holdings {
            if !self.by_id.contains_key(&holding.id) {
                self.tally(NOBODY, holding.kind).0 += 1;
                self.by_id.insert(holding.id, holding.clone());
            }
        }
        Ok(StoreReply::Seeded(seed))
    }

    fn tally(&mut self, node: NodeNumber, kind: u32) -> &mut (u64, u64) {
        let counts = self.tallies.entry((node, kind)).or_default();
        self.before.push(Before::Tally((node, kind), *counts));
        counts
    }

    /// Makes all changes of a commit, or none and says why.
    pub(super) fn change(
        &mut self,
        by: &By,
        changes: &[HoldingChange],
        has_row: impl Fn(UserId) -> bool,
    ) -> Result<(), CommitOutcome> {
        self.all_or_nothing(|all| {
            changes
                .iter()
                .try_for_each(|change| all.change_one(by, change, &has_row))
        })
    }

    fn all_or_nothing<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, CommitOutcome>,
    ) -> Result<T, CommitOutcome> {
        self.before.clear();
        let done = step(self);
        let before = std::mem::take(&mut self.before);
        if done.is_err() {
            before.into_iter().rev().for_each(|one| self.take_back(one));
        }
        done
    }

    fn take_back(&mut self, before: Before) {
        match before {
            Before::Holding(id, Some(holding)) => drop(self.by_id.insert(id, holding)),
            Before::Holding(id, None) => drop(self.by_id.remove(&id)),
            Before::Trade(id, Some(trade)) => drop(self.trades.insert(id, trade)),
            Before::Trade(id, None) => drop(self.trades.remove(&id)),
            Before::Tally(of, counts) => drop(self.tallies.insert(of, counts)),
        }
    }

    /// A holding is like this from now on, or is no more.
    pub(super) fn put(&mut self, id: u64, holding: Option<Holding>) {
        let before = match holding {
            Some(holding) => self.by_id.insert(id, holding),
            None => self.by_id.remove(&id),
        };
        self.before.push(Before::Holding(id, before));
    }

    /// A trade is open, or is not any more.
    pub(super) fn put_trade(&mut self, id: TradeId, trade: Option<Trade>) {
        let before = match trade {
            Some(trade) => self.trades.insert(id, trade),
            None => self.trades.remove(&id),
        };
        self.before.push(Before::Trade(id, before));
    }

    pub(super) fn holdings(&self) -> impl Iterator<Item = &Holding> {
        self.by_id.values()
    }

    pub(super) fn trades(&self) -> &BTreeMap<TradeId, Trade> {
        &self.trades
    }

    /// What lies on the ground of a region changes by the doing of whoever serves it.
    pub(super) fn change_ground(
        &mut self,
        serving: Serving,
        version: StateVersion,
        changes: &[GroundChange],
    ) -> CommitOutcome {
        let written = (serving.region_epoch, version);
        match self.ground.get(&serving.region) {
            Some(before) if *before == written => return CommitOutcome::Applied,
            Some(before) if *before > written => return CommitOutcome::Older,
            _ => {}
        }
        let done = self.all_or_nothing(|all| {
            changes
                .iter()
                .try_for_each(|change| all.change_ground_one(serving, change))
        });
        match done {
            Ok(()) => {
                self.ground.insert(serving.region, written);
                CommitOutcome::Applied
            }
            Err(refusal) => refusal,
        }
    }

    fn change_ground_one(&mut self, serving: Serving, change: &GroundChange) -> Result<(), CommitOutcome> {
        let region = serving.region;
        match change {
            GroundChange::Mint {
                holding,
                kind,
                payload,
                x,
                y,
            } => {
                let holder = Holder::Ground { region, x: *x, y: *y };
                self.mint(serving.node, *holding, (*kind, payload), holder)
            }
            GroundChange::Burn { holding } => {
                let lies = |holder| matches!(holder, Holder::Ground { region: at, .. } if at == region);
                self.burn(serving.node, *holding, lies)
            }
        }
    }

    fn change_one(
        &mut self,
        by: &By,
        change: &HoldingChange,
        has_row: impl Fn(UserId) -> bool,
    ) -> Result<(), CommitOutcome> {
        let mine = Holder::User(by.user);
        match change {
            HoldingChange::Take { region, .. } | HoldingChange::Drop { region, .. }
                if by.ground != Some(*region) =>
            {
                Err(CommitOutcome::FencedByEpoch)
            }
            HoldingChange::Take { holding, region } => {
                let lies = |holder| matches!(holder, Holder::Ground { region: at, .. } if at == *region);
                self.pass(*holding, lies, mine)
            }
            HoldingChange::Give { holding, to } => {
                self.is_at(*holding, |holder| holder == mine)?;
                if !has_row(*to) {
                    return Err(CommitOutcome::NoReceiver(*holding));
                }
                self.pass(*holding, |holder| holder == mine, Holder::User(*to))
            }
            HoldingChange::Drop {
                holding,
                region,
                x,
                y,
            } => {
                let to = Holder::Ground {
                    region: *region,
                    x: *x,
                    y: *y,
                };
                self.pass(*holding, |holder| holder == mine, to)
            }
            HoldingChange::Mint {
                holding,
                kind,
                payload,
            } => self.mint(by.node, *holding, (*kind, payload), mine),
            HoldingChange::Burn { holding } => self.burn(by.node, *holding, |holder| holder == mine),
            HoldingChange::Offer(offer) => self.offer(by, offer, has_row),
            HoldingChange::Accept { trade, from } => self.accept(by, *trade, *from),
            HoldingChange::Cancel { trade, from } => self.cancel(by, *trade, *from),
        }
    }

    fn is_at(&self, id: u64, from: impl Fn(Holder) -> bool) -> Result<(), CommitOutcome> {
        let holding = self.by_id.get(&id);
        let is_there = holding.is_some_and(|holding| from(holding.holder));
        is_there.then_some(()).ok_or(CommitOutcome::HolderMismatch(id))
    }

    /// From where it has to be to somewhere else.
    pub(super) fn pass(
        &mut self,
        id: u64,
        from: impl Fn(Holder) -> bool,
        to: Holder,
    ) -> Result<(), CommitOutcome> {
        self.is_at(id, from)?;
        if let Some(holding) = self.by_id.get(&id).cloned() {
            self.put(
                id,
                Some(Holding {
                    holder: to,
                    ..holding
                }),
            );
        }
        Ok(())
    }

    fn mint(
        &mut self,
        node: NodeNumber,
        id: u64,
        (kind, payload): (u32, &Bytes),
        holder: Holder,
    ) -> Result<(), CommitOutcome> {
        if self.by_id.contains_key(&id) {
            return Err(CommitOutcome::HolderMismatch(id));
        }
        let holding = Holding {
            id,
            kind,
            holder,
            payload: payload.clone(),
        };
        self.put(id, Some(holding));
        self.tally(node, kind).0 += 1;
        Ok(())
    }

    fn burn(
        &mut self,
        node: NodeNumber,
        id: u64,
        from: impl Fn(Holder) -> bool,
    ) -> Result<(), CommitOutcome> {
        self.is_at(id, from)?;
        let kind = self.by_id.get(&id).map(|holding| holding.kind);
        self.put(id, None);
        if let Some(kind) = kind {
            self.tally(node, kind).1 += 1;
        }
        Ok(())
    }

    /// Up to `room` of what a user holds falls to the ground.
    pub(super) fn fall(
        &mut self,
        user: UserId,
        (region, x, y): (RegionNumber, f32, f32),
        room: usize,
    ) -> Vec<Holding> {
        let held = self
            .by_id
            .values_mut()
            .filter(|holding| holding.holder == Holder::User(user));
        let fallen = held.take(room).map(|holding| {
            holding.holder = Holder::Ground { region, x, y };
            holding.clone()
        });
        fallen.collect()
    }

    pub(super) fn holds_any(&self, user: UserId) -> bool {
        self.by_id
            .values()
            .any(|holding| holding.holder == Holder::User(user))
    }

    pub(super) fn held_by(&self, user: UserId) -> Vec<Holding> {
        self.matching(|holder| holder == Holder::User(user))
    }

    pub(super) fn on_ground(&self, at: RegionNumber) -> StoreReply {
        StoreReply::Holdings(
            self.matching(|holder| matches!(holder, Holder::Ground { region, .. } if region == at)),
        )
    }

    /// The regions in which something lies.
    pub(super) fn places(&self) -> impl Iterator<Item = RegionNumber> {
        self.by_id.values().filter_map(|holding| match holding.holder {
            Holder::Ground { region, .. } => Some(region),
            Holder::User(_) | Holder::Trade(_) => None,
        })
    }

    /// What lies in `from` lies in another region from now on, where it is named; how many do.
    pub(super) fn pass_ground(&mut self, from: RegionNumber, named: &[(u64, RegionNumber)]) -> usize {
        let mut passed = 0;
        for (id, to) in named {
            if let Some(Holding {
                holder: Holder::Ground { region, .. },
                ..
            }) = self.by_id.get_mut(id)
                && *region == from
            {
                *region = *to;
                passed += 1;
            }
        }
        passed
    }

    fn matching(&self, wanted: impl Fn(Holder) -> bool) -> Vec<Holding> {
        let wanted = self.by_id.values().filter(|holding| wanted(holding.holder));
        wanted.cloned().collect()
    }

    pub(super) fn page(&self, after: Option<u64>) -> StoreReply {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.by_id.range((from, Bound::Unbounded)).take(CENSUS_ROWS_MAX);
        StoreReply::Holdings(page.map(|(_, holding)| holding.clone()).collect())
    }

    pub(super) fn counts(&self) -> StoreReply {
        let mut counts: BTreeMap<u32, HoldingCount> = BTreeMap::new();
        for holding in self.by_id.values() {
            let count = of_kind(&mut counts, holding.kind);
            match holding.holder {
                Holder::User(_) => count.held += 1,
                Holder::Ground { .. } => count.on_ground += 1,
                Holder::Trade(_) => count.in_trades += 1,
            }
        }
        for ((node, kind), (made, burned)) in &self.tallies {
            let count = of_kind(&mut counts, *kind);
            match *node == NOBODY {
                true => count.seeded += made,
                false => count.minted += made,
            }
            count.burned += burned;
        }
        counts.retain(|kind, count| *count != HoldingCount::none(*kind));
        StoreReply::HoldingCounts(counts.into_values().collect())
    }
}

fn of_kind(counts: &mut BTreeMap<u32, HoldingCount>, kind: u32) -> &mut HoldingCount {
    counts.entry(kind).or_insert(HoldingCount::none(kind))
}
