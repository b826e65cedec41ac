//! Creatures that outlive servers: each row as it is written, and in which regions they are simulated then.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{EntityId, RegionNumber};
use store::CreatureRow;

use super::Checks;

/// What was seen of the rows.
#[derive(Debug, Default)]
pub(crate) struct SeenCreatures {
    there: BTreeMap<EntityId, CreatureRow>,
    gone: BTreeSet<EntityId>,
}

impl Checks {
    /// After a write: nobody is lost whom the rules did not end, nobody comes back, and an epoch stands for one region.
    /// `simulated`: who is active where, in regions that are served so.
    pub(crate) fn creatures<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a CreatureRow>,
        has_ended: impl Fn(EntityId) -> bool,
        simulated: &[(EntityId, RegionNumber)],
    ) {
        let now: BTreeMap<EntityId, CreatureRow> = rows.map(|row| (row.creature, row.clone())).collect();
        if let Some(wrong) = self.seen_creatures.wrong(&now, has_ended) {
            self.fail(wrong);
        }
        let before = std::mem::replace(&mut self.seen_creatures.there, now);
        let gone = before.into_keys();
        let there = &self.seen_creatures.there;
        let gone = gone.filter(|id| !there.contains_key(id));
        self.seen_creatures.gone.extend(gone.collect::<Vec<_>>());
        let mut seen = BTreeMap::new();
        for (creature, region) in simulated {
            if let Some(other) = seen.insert(*creature, *region) {
                self.fail(format!(
                    "H4: creature {creature} is simulated in regions {other} and {region}"
                ));
            }
        }
    }
}

impl SeenCreatures {
    fn wrong(
        &self,
        now: &BTreeMap<EntityId, CreatureRow>,
        has_ended: impl Fn(EntityId) -> bool,
    ) -> Option<String> {
        let lost = self
            .there
            .keys()
            .find(|id| !now.contains_key(id) && !has_ended(**id));
        let back = now.keys().find(|id| self.gone.contains(id));
        let moved = now.values().find(|row| {
            let before = self.there.get(&row.creature);
            before.is_some_and(|before| {
                row.epoch < before.epoch || (row.epoch == before.epoch) != (row.region == before.region)
            })
        });
        if let Some(lost) = lost {
            Some(format!("H4: creature {lost} is lost: {:?}", self.there.get(lost)))
        } else if let Some(back) = back {
            Some(format!("H4: creature {back} had ended: {:?}", now.get(back)))
        } else {
            moved.map(|row| {
                let before = self.there.get(&row.creature);
                format!("H1: a creature changes its region without its epoch: {before:?}, then {row:?}")
            })
        }
    }
}
