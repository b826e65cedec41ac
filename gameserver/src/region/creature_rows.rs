//! The store's side of creatures that outlive their process: one write under way, with a higher version each time and repeated until the
//! store has answered it; those that live here are read before the rules hear of anything; and those that come are looked for.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{EntityId, OwnerEpoch, StateVersion};
use store::{CreatureChange, CreatureRow};

use super::creatures::PERSISTENT_MAX;
use super::questions::AGAIN_MS;

/// How often it is looked who has come and was not told of, milliseconds …
const LOOK_EVERY_MS: u64 = 10_000;
/// … and by a region that sleeps.
const LOOK_ASLEEP_MS: u64 = 60_000;
/// Looks that neighbours ask for are so far apart at least, milliseconds.
const NUDGED_EVERY_MS: u64 = 100;

/// How far those who live here are known.
#[derive(Debug, Default)]
enum Load {
    /// Not at all.
    #[default]
    Wanted,
    /// The store is being asked; these it has told.
    Asked(Vec<CreatureRow>),
    Done,
}

/// All of one region.
#[derive(Debug, Default)]
pub(super) struct CreatureRows {
    version: StateVersion,
    under_way: Vec<CreatureChange>,
    /// Those that are no more, and of which the store is to be told.
    ends: BTreeMap<EntityId, OwnerEpoch>,
    /// How often everything began anew: answers of before are not heard.
    round: u64,
    load: Load,
    look_is_open: bool,
    looked_ms: u64,
    /// A look is wanted from then on, whether the region sleeps or not, milliseconds.
    wanted_ms: Option<u64>,
    /// For when a neighbour had one made last, milliseconds.
    nudged_ms: u64,
    /// Where the look goes on, and whether it is at everybody: decided when it begins at the start.
    after: Option<EntityId>,
    at_everybody: bool,
    /// Those that have gone since the look was asked for.
    gone: BTreeSet<EntityId>,
    /// Somebody found no room.
    has_left_out: bool,
    /// Those that nobody here can read, of whom it was told.
    unreadable: BTreeSet<EntityId>,
}

impl CreatureRows {
    /// Everything that was not asked of the store is given up, and what it has is wanted again.
    pub(super) fn begin_anew(&mut self) {
        self.round += 1;
        self.ends.clear();
        self.gone.clear();
        (self.load, self.look_is_open, self.after) = (Load::Wanted, false, None);
        self.has_left_out = false;
    }

    /// Whether all are here who live here.
    pub(super) fn is_loaded(&self) -> bool {
        matches!(self.load, Load::Done)
    }

    /// Begins to read those who live here, if that is wanted and nothing is under way that would change it.
    pub(super) fn begin_load(&mut self) -> Option<u64> {
        let begins = matches!(self.load, Load::Wanted) && self.under_way.is_empty();
        begins.then(|| {
            self.load = Load::Asked(Vec::new());
            self.round
        })
    }

    pub(super) fn is_of(&self, round: u64) -> bool {
        self.round == round
    }

    /// The store has told of these. All of them when there are no more; else after whom it is asked next.
    pub(super) fn told(
        &mut self,
        rows: Vec<CreatureRow>,
        is_last: bool,
        now_ms: u64,
    ) -> Result<Vec<CreatureRow>, Option<EntityId>> {
        let Load::Asked(all) = &mut self.load else {
            return Ok(Vec::new());
        };
        all.extend(rows);
        if !is_last && all.len() < PERSISTENT_MAX {
            return Err(all.last().map(|row| row.creature));
        }
        // For more there is no room, and their rows need none here.
        self.has_left_out |= !is_last;
        let all = std::mem::take(all);
        self.load = Load::Done;
        (self.wanted_ms, self.looked_ms) = (None, now_ms);
        Ok(all)
    }

    /// Whom the store has told of last.
    pub(super) fn told_last(&self) -> Option<EntityId> {
        match &self.load {
            Load::Asked(rows) => rows.last().map(|row| row.creature),
            Load::Wanted | Load::Done => None,
        }
    }

    /// Somebody may have come.
    pub(super) fn look_soon(&mut self) {
        self.wanted_ms = Some(0);
    }

    /// A neighbour says so: now, or a little later if it said so a moment ago.
    pub(super) fn nudge(&mut self, now_ms: u64) {
        let at_ms = now_ms.max(self.nudged_ms + NUDGED_EVERY_MS);
        if self.wanted_ms.is_none_or(|wanted_ms| at_ms < wanted_ms) {
            (self.wanted_ms, self.nudged_ms) = (Some(at_ms), at_ms);
        }
    }

    /// When a region that sleeps looks next, milliseconds.
    pub(super) fn look_asleep_ms(&self) -> u64 {
        let anyway_ms = self.looked_ms + LOOK_ASLEEP_MS;
        self.wanted_ms
            .map_or(anyway_ms, |wanted_ms| wanted_ms.min(anyway_ms))
    }

    /// Begins a look, if it is time: whether everybody is looked at, after whom, and in which round.
    pub(super) fn begin_look(&mut self, now_ms: u64) -> Option<(bool, Option<EntityId>, u64)> {
        let is_wanted = self.wanted_ms.is_some_and(|wanted_ms| wanted_ms <= now_ms);
        let is_time = is_wanted || self.looked_ms + LOOK_EVERY_MS <= now_ms;
        if !self.is_loaded() || self.look_is_open || !is_time {
            return None;
        }
        self.look_is_open = true;
        (self.wanted_ms, self.looked_ms) = (None, now_ms);
        self.gone.clear();
        if self.after.is_none() {
            // Whoever is left out from now on is found again.
            self.at_everybody = std::mem::take(&mut self.has_left_out);
        }
        Some((self.at_everybody, self.after, self.round))
    }

    /// It has failed, or ended; `after`: it goes on behind this one.
    pub(super) fn end_look(&mut self, after: Option<EntityId>, has_failed: bool, now_ms: u64) {
        self.look_is_open = false;
        if has_failed {
            self.wanted_ms = Some(now_ms + AGAIN_MS);
            // Those who were left out before it are still.
            self.has_left_out |= self.at_everybody;
            return;
        }
        self.after = after;
        if after.is_some() {
            self.look_soon();
        }
    }

    pub(super) fn leave_out(&mut self) {
        self.has_left_out = true;
    }

    /// Nobody here can read one; whether that is new.
    pub(super) fn is_newly_unreadable(&mut self, creature: EntityId) -> bool {
        self.unreadable.insert(creature)
    }

    /// Whether what the store has told of one is older than what has become of it here.
    pub(super) fn has_gone(&self, creature: EntityId) -> bool {
        let takes = |change: &CreatureChange| {
            change.creature() == creature
                && matches!(change, CreatureChange::End { .. } | CreatureChange::Pass { .. })
        };
        self.gone.contains(&creature) || self.ends.contains_key(&creature) || self.under_way.iter().any(takes)
    }

    /// One is no more that the store has, or may have.
    pub(super) fn end(&mut self, creature: EntityId, epoch: OwnerEpoch) {
        self.ends.insert(creature, epoch);
    }

    /// Whether the store is being told of its birth.
    pub(super) fn bears(&self, creature: EntityId) -> bool {
        let bears = |change: &CreatureChange| matches!(change, CreatureChange::Bear { creature: id, .. } if *id == creature);
        self.under_way.iter().any(bears)
    }

    /// Whether a request may be made now.
    pub(super) fn may_begin(&self) -> bool {
        self.is_loaded() && self.under_way.is_empty()
    }

    /// Takes so many ends at most that the store is to be told of.
    pub(super) fn take_ends(&mut self, most: usize) -> Vec<CreatureChange> {
        let mut ends = Vec::new();
        while ends.len() < most
            && let Some((creature, epoch)) = self.ends.pop_first()
        {
            ends.push(CreatureChange::End { creature, epoch });
        }
        ends
    }

    pub(super) fn begin(&mut self, changes: Vec<CreatureChange>) -> (StateVersion, Vec<CreatureChange>) {
        self.version = StateVersion(self.version.0.saturating_add(1));
        self.under_way = changes;
        self.again()
    }

    /// The request that is under way.
    pub(super) fn again(&self) -> (StateVersion, Vec<CreatureChange>) {
        (self.version, self.under_way.clone())
    }

    /// It is answered.
    pub(super) fn finish(&mut self) -> Vec<CreatureChange> {
        let done = std::mem::take(&mut self.under_way);
        let gone = done
            .iter()
            .filter(|change| matches!(change, CreatureChange::End { .. } | CreatureChange::Pass { .. }));
        self.gone.extend(gone.map(CreatureChange::creature));
        done
    }

    /// Changes that are under way, and ends that are to be told.
    pub(super) fn len(&self) -> usize {
        self.under_way.len() + self.ends.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use protocol::ids::RegionNumber;
    use store::limits::CREATURES_READ_MAX;

    fn loaded(now_ms: u64) -> CreatureRows {
        let mut rows = CreatureRows::default();
        assert_eq!(rows.begin_load(), Some(0));
        assert_eq!(rows.told(Vec::new(), true, now_ms), Ok(Vec::new()));
        rows
    }

    #[test]
    fn however_often_a_neighbour_says_that_somebody_came_looks_are_apart() {
        let mut rows = loaded(1_000);
        let mut looks = Vec::new();
        for now_ms in 2_000..2_400 {
            rows.nudge(now_ms);
            if rows.begin_look(now_ms).is_some() {
                rows.end_look(None, false, now_ms);
                looks.push(now_ms);
            }
        }
        assert_eq!(looks, [2_000, 2_100, 2_200, 2_300]);
        assert_eq!(
            rows.look_asleep_ms(),
            2_400,
            "what was said since the last one counts"
        );
    }

    #[test]
    fn no_more_rows_are_kept_than_there_is_room_for_and_the_others_are_looked_for() {
        let mut rows = CreatureRows::default();
        rows.begin_load();
        let mut ids = (1..).map(EntityId);
        let mut page = || {
            let rows = ids.by_ref().take(CREATURES_READ_MAX).map(|creature| CreatureRow {
                creature,
                region: RegionNumber(1),
                epoch: OwnerEpoch(1),
                is_arriving: false,
                body: Bytes::new(),
            });
            rows.collect::<Vec<_>>()
        };
        let mut known = 0;
        let loaded = loop {
            known += CREATURES_READ_MAX;
            match rows.told(page(), false, 1_000) {
                Ok(loaded) => break loaded.len(),
                Err(after) => assert_eq!(after, Some(EntityId(known as u64))),
            }
        };
        assert!((PERSISTENT_MAX..PERSISTENT_MAX + CREATURES_READ_MAX).contains(&loaded));
        assert!(rows.is_loaded());
        let (everybody, after, _) = rows.begin_look(1_000 + LOOK_EVERY_MS).unwrap();
        assert_eq!((everybody, after), (true, None));
    }

    #[test]
    fn a_look_that_failed_is_made_again_soon_also_by_who_sleeps() {
        let mut rows = loaded(1_000);
        assert_eq!(rows.look_asleep_ms(), 1_000 + LOOK_ASLEEP_MS);
        assert_eq!(rows.begin_look(11_000), Some((false, None, 0)));
        rows.end_look(None, true, 11_300);
        assert_eq!(rows.look_asleep_ms(), 11_300 + AGAIN_MS);
        assert_eq!(rows.begin_look(11_299 + AGAIN_MS), None);
        assert_eq!(rows.begin_look(11_300 + AGAIN_MS), Some((false, None, 0)));
        rows.end_look(None, false, 11_600);
        assert_eq!(rows.look_asleep_ms(), 11_300 + AGAIN_MS + LOOK_ASLEEP_MS);
    }
}
