//! Holdings in memory: each is in one place, and a change happens only from where it is.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::ops::Bound;

use protocol::ids::{RegionNumber, UserId};

use crate::StoreResult;
use crate::holding::{Holder, Holding, HoldingChange};
use crate::limits::CENSUS_ROWS_MAX;
use crate::reply::{CommitOutcome, HoldingCount, StoreReply};

/// All holdings of a world.
#[derive(Clone, Debug, Default)]
pub(super) struct Valuables {
    seeded: BTreeMap<RegionNumber, u64>,
    by_id: BTreeMap<u64, Holding>,
}

impl Valuables {
    pub(super) fn seed(&mut self, region: RegionNumber, seed: u64, holdings: &[Holding]) -> StoreResult {
        if let Some(done) = self.seeded.get(&region) {
            return Ok(StoreReply::Seeded(*done));
        }
        self.seeded.insert(region, seed);
        for holding in holdings {
            self.by_id.entry(holding.id).or_insert(*holding);
        }
        Ok(StoreReply::Seeded(seed))
    }

    /// Makes all changes of `user`, or none and says why.
    pub(super) fn change(
        &mut self,
        user: UserId,
        changes: &[HoldingChange],
        has_row: impl Fn(UserId) -> bool,
    ) -> Result<(), CommitOutcome> {
        let before: Vec<Holding> = changes
            .iter()
            .filter_map(|change| self.by_id.get(&change.holding()).copied())
            .collect();
        let done = changes
            .iter()
            .try_for_each(|change| self.change_one(user, *change, &has_row));
        if done.is_err() {
            self.by_id
                .extend(before.into_iter().map(|holding| (holding.id, holding)));
        }
        done
    }

    fn change_one(
        &mut self,
        user: UserId,
        change: HoldingChange,
        has_row: impl Fn(UserId) -> bool,
    ) -> Result<(), CommitOutcome> {
        let id = change.holding();
        let holding = self.by_id.get_mut(&id).ok_or(CommitOutcome::HolderMismatch(id))?;
        let (is_there, holder) = match change {
            HoldingChange::Take { region, .. } => {
                let lies = matches!(holding.holder, Holder::Ground { region: at, .. } if at == region);
                (lies, Holder::User(user))
            }
            HoldingChange::Give { to, .. } => (holding.holder == Holder::User(user), Holder::User(to)),
            HoldingChange::Drop { region, x, y, .. } => (
                holding.holder == Holder::User(user),
                Holder::Ground { region, x, y },
            ),
        };
        if !is_there {
            return Err(CommitOutcome::HolderMismatch(id));
        }
        if let HoldingChange::Give { to, .. } = change
            && !has_row(to)
        {
            return Err(CommitOutcome::NoReceiver(id));
        }
        holding.holder = holder;
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
            *holding
        });
        fallen.collect()
    }

    pub(super) fn holds_any(&self, user: UserId) -> bool {
        self.by_id
            .values()
            .any(|holding| holding.holder == Holder::User(user))
    }

    pub(super) fn held_by(&self, user: UserId) -> StoreReply {
        self.matching(|holder| holder == Holder::User(user))
    }

    pub(super) fn on_ground(&self, at: RegionNumber) -> StoreReply {
        self.matching(|holder| matches!(holder, Holder::Ground { region, .. } if region == at))
    }

    /// The regions in which something lies.
    pub(super) fn places(&self) -> impl Iterator<Item = RegionNumber> {
        self.by_id.values().filter_map(|holding| match holding.holder {
            Holder::Ground { region, .. } => Some(region),
            Holder::User(_) => None,
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

    fn matching(&self, wanted: impl Fn(Holder) -> bool) -> StoreReply {
        StoreReply::Holdings(
            self.by_id
                .values()
                .filter(|holding| wanted(holding.holder))
                .copied()
                .collect(),
        )
    }

    pub(super) fn page(&self, after: Option<u64>) -> StoreReply {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.by_id.range((from, Bound::Unbounded)).take(CENSUS_ROWS_MAX);
        StoreReply::Holdings(page.map(|(_, holding)| *holding).collect())
    }

    pub(super) fn counts(&self) -> StoreReply {
        let mut counts: BTreeMap<u32, HoldingCount> = BTreeMap::new();
        for holding in self.by_id.values() {
            let kind = holding.kind;
            let count = counts.entry(kind).or_insert(HoldingCount {
                kind,
                held: 0,
                on_ground: 0,
            });
            match holding.holder {
                Holder::User(_) => count.held += 1,
                Holder::Ground { .. } => count.on_ground += 1,
            }
        }
        StoreReply::HoldingCounts(counts.into_values().collect())
    }
}
