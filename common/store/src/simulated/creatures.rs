//! Creatures: which region each is in, as whoever serves that writes it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use protocol::ids::{EntityId, OwnerEpoch, RegionEpoch, RegionNumber, StateVersion};

use crate::StoreReply;
use crate::creature::{BIRTH_EPOCH, CreatureChange, CreatureOutcome, CreatureRow, CreaturesWanted};
use crate::limits::CREATURES_READ_MAX;
use crate::row::Serving;

/// All of a world.
#[derive(Clone, Debug, Default)]
pub(super) struct Creatures {
    /// By id, in the order in which databases have them.
    rows: BTreeMap<i64, CreatureRow>,
    /// How far those of each region were written by its service.
    written: BTreeMap<RegionNumber, (RegionEpoch, StateVersion)>,
}

fn key(creature: EntityId) -> i64 {
    creature.0.cast_signed()
}

impl Creatures {
    pub(super) fn places(&self) -> impl Iterator<Item = RegionNumber> {
        self.rows.values().map(|row| row.region)
    }

    fn at(
        &mut self,
        creature: EntityId,
        region: RegionNumber,
        epoch: OwnerEpoch,
    ) -> Option<&mut CreatureRow> {
        let row = self.rows.get_mut(&key(creature))?;
        (row.region == region && row.epoch == epoch).then_some(row)
    }
}

impl Creatures {
    pub(super) fn rows(&self) -> impl Iterator<Item = &CreatureRow> {
        self.rows.values()
    }

    pub(super) fn read(
        &self,
        region: RegionNumber,
        wanted: CreaturesWanted,
        after: Option<EntityId>,
    ) -> StoreReply {
        let is_wanted = |row: &&CreatureRow| {
            row.region == region
                && (wanted == CreaturesWanted::All || row.is_arriving)
                && after.is_none_or(|after| key(row.creature) > key(after))
        };
        let rows = self.rows.values().filter(is_wanted);
        StoreReply::Creatures(rows.take(CREATURES_READ_MAX).cloned().collect())
    }

    /// `serves`: whether a service is the current one; `any_version`: it need not be newer than the one before.
    pub(super) fn write(
        &mut self,
        serves: impl Fn(Serving) -> bool,
        any_version: bool,
        serving: Serving,
        version: StateVersion,
        changes: &[CreatureChange],
    ) -> StoreReply {
        if !serves(serving) {
            return StoreReply::CreaturesWritten(CreatureOutcome::Fenced);
        }
        let written = (serving.region_epoch, version);
        let before = self.written.get(&serving.region).copied();
        if before.is_none_or(|before| before < written) || any_version {
            self.written.insert(serving.region, written);
            for change in changes {
                self.change(&serves, serving, change);
            }
        } else if before != Some(written) {
            return StoreReply::CreaturesWritten(CreatureOutcome::Older);
        }
        let staying = changes.iter().filter_map(|change| match change {
            CreatureChange::Pass { creature, epoch, .. } => {
                self.at(*creature, serving.region, *epoch)?;
                Some(*creature)
            }
            _ => None,
        });
        let staying = staying.collect();
        StoreReply::CreaturesWritten(CreatureOutcome::Applied { staying })
    }

    fn change(&mut self, serves: impl Fn(Serving) -> bool, serving: Serving, change: &CreatureChange) {
        match change {
            CreatureChange::Bear { creature, body } => {
                self.rows.entry(key(*creature)).or_insert(CreatureRow {
                    creature: *creature,
                    region: serving.region,
                    epoch: BIRTH_EPOCH,
                    is_arriving: false,
                    body: body.clone(),
                });
            }
            CreatureChange::Save {
                creature,
                epoch,
                body,
            } => {
                if let Some(row) = self.at(*creature, serving.region, *epoch) {
                    (row.is_arriving, row.body) = (false, body.clone());
                }
            }
            CreatureChange::Pass {
                creature,
                epoch,
                to,
                body,
            } => {
                let is_served = serves(*to);
                let row = self.at(*creature, serving.region, *epoch);
                if let Some(row) = row.filter(|_| is_served)
                    && let Ok(next) = epoch.next()
                {
                    (row.region, row.epoch) = (to.region, next);
                    (row.is_arriving, row.body) = (true, body.clone());
                }
            }
            CreatureChange::End { creature, epoch } => {
                if self.at(*creature, serving.region, *epoch).is_some() {
                    self.rows.remove(&key(*creature));
                }
            }
        }
    }
}
