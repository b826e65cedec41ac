//! The store's side of creatures that outlive their process: one write under way, with a higher version each time and repeated until the
//! store has answered it; those that live here are read before the rules hear of anything; and those that come are looked for.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{EntityId, OwnerEpoch, StateVersion};
use store::{CreatureChange, CreatureRow};

use super::questions::AGAIN_MS;

/// How often it is looked who has come and was not told of, milliseconds …
const LOOK_EVERY_MS: u64 = 10_000;
/// … and by a region that sleeps.
const LOOK_ASLEEP_MS: u64 = 60_000;

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
    look_at_ms: u64,
    looked_ms: u64,
    /// Where the look goes on, and whether it is at everybody: decided when it begins at the start.
    after: Option<EntityId>,
    at_everybody: bool,
    /// Those that have gone since the look was asked for.
    gone: BTreeSet<EntityId>,
    /// Somebody found no room.
    has_left_out: bool,
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
        if !is_last {
            return Err(all.last().map(|row| row.creature));
        }
        let all = std::mem::take(all);
        self.load = Load::Done;
        (self.look_at_ms, self.looked_ms) = (now_ms + LOOK_EVERY_MS, now_ms);
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
        self.look_at_ms = 0;
    }

    /// When a region that sleeps looks next, milliseconds.
    pub(super) fn look_asleep_ms(&self) -> u64 {
        if self.look_at_ms == 0 {
            return 0;
        }
        self.looked_ms + LOOK_ASLEEP_MS
    }

    /// Begins a look, if it is time: whether everybody is looked at, after whom, and in which round.
    pub(super) fn begin_look(&mut self, now_ms: u64) -> Option<(bool, Option<EntityId>, u64)> {
        if !self.is_loaded() || self.look_is_open || now_ms < self.look_at_ms {
            return None;
        }
        self.look_is_open = true;
        (self.look_at_ms, self.looked_ms) = (now_ms + LOOK_EVERY_MS, now_ms);
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
            self.look_at_ms = now_ms + AGAIN_MS;
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
