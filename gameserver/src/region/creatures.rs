//! Creatures that roam: what a region keeps of them beside their entities. Who made each, what its rules keep with it, and
//! what they want of it later; all of it goes over a border with it, and nothing of it stays.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use protocol::ids::{EntityId, RegionEpoch, RegionNumber};
use protocol::limits::CREATURE_TIMERS_MAX;
use protocol::message::checked::Birth;

use super::kept::{Kept, Stage};

/// As many are in a region at most. Peers bring them, and not only honest ones.
pub(super) const CREATURES_MAX: usize = 16 * 1024;

/// Of those at most so many may have come from beyond the border, so that the region's own rules have room …
const FOREIGN_MAX: usize = CREATURES_MAX / 4 * 3;
/// … and so many from one neighbour.
const OF_ONE_NEIGHBOUR_MAX: usize = CREATURES_MAX / 4;
/// Of those that have a row as many are in a region at most; others that come wait in the store.
pub(super) const PERSISTENT_MAX: usize = game::limits::CREATURES_PERSISTENT_MAX;
/// Births of which the store is asked at a time.
const ASKED_MAX: usize = 8;

/// One creature.
#[derive(Debug)]
pub(super) struct Creature {
    pub(super) life: Life,
    pub(super) memory: Bytes,
    /// Its timers in `Creatures::due`.
    timers: Vec<(u64, u64)>,
    /// How often they have changed.
    timer_steps: u64,
}

/// For how long one lives.
#[derive(Debug)]
pub(super) enum Life {
    /// As long as the service that made it.
    Ephemeral {
        birth: Birth,
        /// The neighbour that sent it; `None`: it was made here.
        from: Option<RegionNumber>,
    },
    /// For good: it has a row.
    Persistent(Kept),
}

impl Creature {
    /// Of one that has a row.
    pub(super) fn kept(&self) -> Option<&Kept> {
        match &self.life {
            Life::Persistent(kept) => Some(kept),
            Life::Ephemeral { .. } => None,
        }
    }

    fn kept_mut(&mut self) -> Option<&mut Kept> {
        match &mut self.life {
            Life::Persistent(kept) => Some(kept),
            Life::Ephemeral { .. } => None,
        }
    }

    /// Who made one that has no row.
    pub(super) fn born(&self) -> Option<Birth> {
        match self.life {
            Life::Ephemeral { birth, .. } => Some(birth),
            Life::Persistent(_) => None,
        }
    }

    pub(super) fn timer_steps(&self) -> u64 {
        self.timer_steps
    }
}

/// In which order those that have a row are written.
#[derive(Debug, Default)]
struct Turns {
    /// So many wait to be born.
    unborn: usize,
    /// Those of whom the store is to be told now.
    owed: BTreeSet<EntityId>,
    /// The last of them that had its turn, so that each has one.
    owed_last: EntityId,
    /// All others, by when it was last looked whether they have changed, milliseconds.
    resting: BTreeSet<(u64, EntityId)>,
}

impl Turns {
    fn is_owed(kept: &Kept) -> bool {
        kept.is_owed || !kept.is_written()
    }

    fn note(&mut self, id: EntityId, kept: &Kept) {
        self.unborn += usize::from(matches!(kept.stage, Stage::Unborn));
        if Self::is_owed(kept) {
            self.owed.insert(id);
        } else {
            self.resting.insert((kept.looked_ms, id));
        }
    }

    /// `kept`: as it was noted.
    fn forget(&mut self, id: EntityId, kept: &Kept) {
        self.unborn -= usize::from(matches!(kept.stage, Stage::Unborn));
        if Self::is_owed(kept) {
            self.owed.remove(&id);
        } else {
            self.resting.remove(&(kept.looked_ms, id));
        }
    }
}

/// Those of one region.
#[derive(Debug, Default)]
pub(super) struct Creatures {
    all: BTreeMap<EntityId, Creature>,
    /// Those of them that have a row.
    kept: BTreeSet<EntityId>,
    turns: Turns,
    /// Timers, by tick and the order in which they were set: whose, and its token.
    due: BTreeMap<(u64, u64), (EntityId, u64)>,
    set: u64,
    /// How many each neighbour has sent of those who are here.
    sent: BTreeMap<RegionNumber, usize>,
    /// Regions of which the store is asked whether they are served anew.
    asked: BTreeSet<RegionNumber>,
    /// The last one that was asked of, so that each has its turn.
    asked_last: RegionNumber,
    /// When their births were looked at last, milliseconds.
    pub(super) looked_at_ms: u64,
}

impl Creatures {
    pub(super) fn has_room(&self) -> bool {
        self.all.len() < CREATURES_MAX
    }

    /// Whether one more may come from a neighbour.
    pub(super) fn takes_from(&self, region: RegionNumber) -> bool {
        let sent = self.sent.get(&region).copied().unwrap_or(0);
        sent < OF_ONE_NEIGHBOUR_MAX && self.sent.values().sum::<usize>() < FOREIGN_MAX
    }

    /// Whether one more that has a row may be here.
    pub(super) fn has_room_to_keep(&self) -> bool {
        self.has_room() && self.kept.len() < PERSISTENT_MAX
    }

    pub(super) fn insert(&mut self, id: EntityId, life: Life, memory: Bytes) {
        self.remove(id);
        match &life {
            Life::Ephemeral { from, .. } => {
                if let Some(from) = from {
                    *self.sent.entry(*from).or_default() += 1;
                }
            }
            Life::Persistent(kept) => {
                self.kept.insert(id);
                self.turns.note(id, kept);
            }
        }
        let creature = Creature {
            life,
            memory,
            timers: Vec::new(),
            timer_steps: 0,
        };
        self.all.insert(id, creature);
    }

    /// Takes it out, with what was wanted of it later: due ticks and tokens, in order.
    pub(super) fn remove(&mut self, id: EntityId) -> Option<(Creature, Vec<(u64, u64)>)> {
        let timers = self.take_timers(id);
        let creature = self.all.remove(&id)?;
        if let Some(kept) = creature.kept() {
            self.kept.remove(&id);
            self.turns.forget(id, kept);
        }
        if let Life::Ephemeral { from: Some(from), .. } = &creature.life
            && let Some(sent) = self.sent.get_mut(from)
        {
            *sent -= 1;
        }
        Some((creature, timers))
    }

    /// Takes what was wanted of one later: due ticks and tokens, in order.
    pub(super) fn take_timers(&mut self, id: EntityId) -> Vec<(u64, u64)> {
        let Some(creature) = self.all.get_mut(&id) else {
            return Vec::new();
        };
        let mut keys = std::mem::take(&mut creature.timers);
        keys.sort_unstable();
        let taken = keys.into_iter().filter_map(|key| {
            let (_, token) = self.due.remove(&key)?;
            Some((key.0, token))
        });
        taken.collect()
    }

    /// What is wanted of one later: due ticks and tokens, in order.
    pub(super) fn timers(&self, id: EntityId) -> Vec<(u64, u64)> {
        let keys = self.all.get(&id).map(|creature| creature.timers.clone());
        let mut keys = keys.unwrap_or_default();
        keys.sort_unstable();
        let token = |key: (u64, u64)| self.due.get(&key).map(|(_, token)| (key.0, *token));
        keys.into_iter().filter_map(token).collect()
    }

    pub(super) fn has(&self, id: EntityId) -> bool {
        self.all.contains_key(&id)
    }

    pub(super) fn get(&self, id: EntityId) -> Option<&Creature> {
        self.all.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: EntityId) -> Option<&mut Creature> {
        self.all.get_mut(&id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = EntityId> {
        self.all.keys().copied()
    }

    /// Those that have a row.
    pub(super) fn kept(&self) -> impl ExactSizeIterator<Item = EntityId> {
        self.kept.iter().copied()
    }

    /// Changes what is known of the row of one; its turn follows from it.
    pub(super) fn change_kept<T>(&mut self, id: EntityId, change: impl FnOnce(&mut Kept) -> T) -> Option<T> {
        let kept = self.all.get_mut(&id)?.kept_mut()?;
        self.turns.forget(id, kept);
        let changed = change(kept);
        self.turns.note(id, kept);
        Some(changed)
    }

    /// How many wait to be born.
    pub(super) fn unborn(&self) -> usize {
        self.turns.unborn
    }

    /// Of how many the store is to be told now.
    pub(super) fn owed(&self) -> usize {
        self.turns.owed.len()
    }

    /// So many of them at most, each in its turn.
    pub(super) fn next_owed(&mut self, most: usize) -> Vec<EntityId> {
        let (owed, last) = (&self.turns.owed, self.turns.owed_last);
        let after = (Bound::Excluded(last), Bound::Unbounded);
        let in_turn = owed.range(after).chain(owed.range(..=last));
        let next: Vec<EntityId> = in_turn.take(most).copied().collect();
        self.turns.owed_last = next.last().copied().unwrap_or(last);
        next
    }

    /// When that one of the others was looked at that was not looked at for longest, milliseconds.
    pub(super) fn looked_first_ms(&self) -> Option<u64> {
        self.turns.resting.first().map(|(looked_ms, _)| *looked_ms)
    }

    /// That one, if it was looked at then or before; it is looked at now.
    pub(super) fn look_at_next(&mut self, then_ms: u64, now_ms: u64) -> Option<EntityId> {
        let first = self.turns.resting.first().copied();
        let (_, id) = first.filter(|(looked_ms, _)| *looked_ms <= then_ms)?;
        self.change_kept(id, |kept| kept.looked_ms = now_ms)?;
        Some(id)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether it could be set.
    pub(super) fn set_timer(&mut self, id: EntityId, tick: u64, token: u64) -> bool {
        let Some(creature) = self.all.get_mut(&id) else {
            return false;
        };
        if creature.timers.len() >= CREATURE_TIMERS_MAX {
            return false;
        }
        let key = (tick, self.set);
        self.set += 1;
        creature.timers.push(key);
        creature.timer_steps += 1;
        self.due.insert(key, (id, token));
        true
    }

    /// Takes the first timer that is due.
    pub(super) fn take_due(&mut self, tick: u64) -> Option<(EntityId, u64)> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= tick)?;
        let (key, (id, token)) = first.remove_entry();
        if let Some(creature) = self.all.get_mut(&id) {
            creature.timers.retain(|timer| *timer != key);
            creature.timer_steps += 1;
        }
        Some((id, token))
    }

    /// When the first timer is due.
    pub(super) fn first_tick(&self) -> Option<u64> {
        self.due.first_key_value().map(|((tick, _), _)| *tick)
    }

    /// So many ticks before this one were left out: timers have come nearer by them.
    pub(super) fn come_nearer(&mut self, left_out: u64, tick: u64) {
        let sooner = |(due, order): (u64, u64)| (due.saturating_sub(left_out).max(tick), order);
        let due = std::mem::take(&mut self.due).into_iter();
        self.due = due.map(|(key, timer)| (sooner(key), timer)).collect();
        for creature in self.all.values_mut() {
            for timer in &mut creature.timers {
                *timer = sooner(*timer);
            }
        }
    }

    /// The regions that made those who are here, each with the highest epoch that one of them names.
    pub(super) fn births(&self) -> BTreeMap<RegionNumber, RegionEpoch> {
        let mut births = BTreeMap::new();
        for Birth {
            region, region_epoch, ..
        } in self.all.values().filter_map(Creature::born)
        {
            let highest = births.entry(region).or_insert(region_epoch);
            *highest = region_epoch.max(*highest);
        }
        births
    }

    /// Those of these regions of which the store is to be asked now: a handful, none twice, each in its turn.
    pub(super) fn next_to_ask(&mut self, regions: &BTreeSet<RegionNumber>) -> Vec<RegionNumber> {
        let after = (Bound::Excluded(self.asked_last), Bound::Unbounded);
        let in_turn = regions.range(after).chain(regions.range(..=self.asked_last));
        let free = in_turn.filter(|region| !self.asked.contains(region)).copied();
        let room = ASKED_MAX.saturating_sub(self.asked.len());
        let now: Vec<RegionNumber> = free.take(room).collect();
        self.asked.extend(now.iter().copied());
        self.asked_last = now.last().copied().unwrap_or(self.asked_last);
        now
    }

    /// The store has answered of this region, or not.
    pub(super) fn answered(&mut self, region: RegionNumber) {
        self.asked.remove(&region);
    }

    /// Those that a region made in services of these epochs.
    pub(super) fn made_by(
        &self,
        region: RegionNumber,
        is_over: impl Fn(RegionEpoch) -> bool,
    ) -> Vec<EntityId> {
        let all = self.all.iter();
        let is_ended = |birth: Birth| birth.region == region && is_over(birth.region_epoch);
        let ended = all.filter(|(_, creature)| creature.born().is_some_and(is_ended));
        ended.map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIRTH: Birth = Birth {
        region: RegionNumber(1),
        region_epoch: RegionEpoch(5),
        round: 0,
    };

    fn ephemeral(from: Option<RegionNumber>) -> Life {
        Life::Ephemeral { birth: BIRTH, from }
    }

    #[test]
    fn timers_are_due_in_order_and_go_where_their_creature_goes() {
        let (one, other) = (EntityId(1), EntityId(2));
        let mut creatures = Creatures::default();
        assert!(!creatures.set_timer(one, 5, 0), "it is not here");
        for id in [one, other] {
            creatures.insert(id, ephemeral(None), Bytes::new());
        }
        for (id, tick, token) in [(one, 9, 1), (other, 7, 2), (one, 7, 3), (one, 20, 4)] {
            assert!(creatures.set_timer(id, tick, token));
        }
        assert_eq!(creatures.take_due(6), None);
        assert_eq!(creatures.take_due(7), Some((other, 2)));
        assert_eq!(creatures.take_due(7), Some((one, 3)));
        creatures.come_nearer(3, 8);
        assert_eq!(creatures.first_tick(), Some(8));
        let (_, timers) = creatures.remove(one).unwrap();
        assert_eq!(timers, [(8, 1), (17, 4)]);
        assert_eq!((creatures.first_tick(), creatures.take_due(99)), (None, None));
        for token in 0..CREATURE_TIMERS_MAX as u64 {
            assert!(creatures.set_timer(other, 50, token));
        }
        assert!(!creatures.set_timer(other, 50, 99));
        assert!(creatures.take_due(50).is_some() && creatures.set_timer(other, 50, 99));
    }

    #[test]
    fn neighbours_fill_a_quarter_each_and_three_together_and_leave_room_for_the_regions_own() {
        let mut creatures = Creatures::default();
        let mut ids = (1..).map(EntityId);
        for neighbour in [2, 3, 4, 5].map(RegionNumber) {
            while creatures.takes_from(neighbour) {
                creatures.insert(ids.next().unwrap(), ephemeral(Some(neighbour)), Bytes::new());
            }
        }
        assert_eq!(creatures.len(), FOREIGN_MAX, "and none of the fourth");
        assert!(creatures.has_room());
        creatures.remove(EntityId(1));
        assert!(creatures.takes_from(RegionNumber(2)) && !creatures.takes_from(RegionNumber(3)));
    }

    #[test]
    fn whoever_is_owed_has_its_turn_and_others_are_looked_at_who_was_not_for_longest() {
        let mut creatures = Creatures::default();
        for id in (1..=5).map(EntityId) {
            creatures.insert(id, Life::Persistent(Kept::unborn()), Bytes::new());
        }
        assert_eq!((creatures.unborn(), creatures.owed()), (5, 5));
        assert_eq!(creatures.next_owed(3), [1, 2, 3].map(EntityId));
        assert_eq!(creatures.next_owed(3), [4, 5, 1].map(EntityId));
        assert_eq!(creatures.looked_first_ms(), None);
        for (id, looked_ms) in [(2, 30), (3, 10), (4, 20)] {
            creatures.change_kept(EntityId(id), |kept| {
                (kept.stage, kept.looked_ms) = (Stage::Here, looked_ms);
            });
        }
        creatures.remove(EntityId(1));
        assert_eq!((creatures.unborn(), creatures.owed()), (1, 1));
        assert_eq!(creatures.next_owed(3), [EntityId(5)]);
        creatures.change_kept(EntityId(4), |kept| kept.is_owed = true);
        assert_eq!(creatures.look_at_next(9, 40), None);
        assert_eq!(creatures.look_at_next(10, 40), Some(EntityId(3)));
        assert_eq!(creatures.looked_first_ms(), Some(30));
        creatures.remove(EntityId(2));
        assert_eq!(creatures.look_at_next(40, 50), Some(EntityId(3)));
    }

    #[test]
    fn the_store_is_asked_of_a_handful_of_regions_each_in_its_turn_and_none_twice() {
        let regions: BTreeSet<_> = (1..=20).map(RegionNumber).collect();
        let mut creatures = Creatures::default();
        let first = creatures.next_to_ask(&regions);
        assert_eq!(first, (1..=8).map(RegionNumber).collect::<Vec<_>>());
        assert_eq!(creatures.next_to_ask(&regions), []);
        for region in &first[1..] {
            creatures.answered(*region);
        }
        let next = creatures.next_to_ask(&regions);
        assert_eq!(next, (9..=15).map(RegionNumber).collect::<Vec<_>>());
        for region in &next {
            creatures.answered(*region);
        }
        let rest = creatures.next_to_ask(&regions);
        assert_eq!(
            rest[..6],
            [16, 17, 18, 19, 20, 2].map(RegionNumber),
            "the first is still open"
        );
    }
}
