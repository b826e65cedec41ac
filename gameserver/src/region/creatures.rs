//! Creatures that roam: what a region keeps of them beside their entities. Who made each, what its rules keep with it, and
//! what they want of it later; all of it goes over a border with it, and nothing of it stays.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use protocol::ids::{EntityId, RegionEpoch, RegionNumber};
use protocol::limits::CREATURE_TIMERS_MAX;
use protocol::message::checked::Birth;

/// As many are in a region at most. Peers bring them, and not only honest ones.
pub(super) const CREATURES_MAX: usize = 16 * 1024;

/// One creature.
#[derive(Debug)]
pub(super) struct Creature {
    pub(super) birth: Birth,
    pub(super) memory: Bytes,
    /// Its timers in `Creatures::due`.
    timers: Vec<(u64, u64)>,
}

/// Those of one region.
#[derive(Debug, Default)]
pub(super) struct Creatures {
    all: BTreeMap<EntityId, Creature>,
    /// Timers, by tick and the order in which they were set: whose, and its token.
    due: BTreeMap<(u64, u64), (EntityId, u64)>,
    set: u64,
    /// When their births were looked at last, milliseconds.
    pub(super) looked_at_ms: u64,
}

impl Creatures {
    pub(super) fn has_room(&self) -> bool {
        self.all.len() < CREATURES_MAX
    }

    pub(super) fn insert(&mut self, id: EntityId, birth: Birth, memory: Bytes) {
        let timers = Vec::new();
        self.all.insert(
            id,
            Creature {
                birth,
                memory,
                timers,
            },
        );
    }

    /// Takes it out, with what was wanted of it later: due ticks and tokens, in order.
    pub(super) fn remove(&mut self, id: EntityId) -> Option<(Creature, Vec<(u64, u64)>)> {
        let creature = self.all.remove(&id)?;
        let mut keys = creature.timers.clone();
        keys.sort_unstable();
        let taken = keys.into_iter().filter_map(|key| {
            let (_, token) = self.due.remove(&key)?;
            Some((key.0, token))
        });
        let timers = taken.collect();
        Some((creature, timers))
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
        self.due.insert(key, (id, token));
        true
    }

    /// Takes the first timer that is due.
    pub(super) fn take_due(&mut self, tick: u64) -> Option<(EntityId, u64)> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= tick)?;
        let (key, (id, token)) = first.remove_entry();
        if let Some(creature) = self.all.get_mut(&id) {
            creature.timers.retain(|timer| *timer != key);
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

    /// The regions that made those who are here.
    pub(super) fn birth_regions(&self) -> BTreeSet<RegionNumber> {
        self.all.values().map(|creature| creature.birth.region).collect()
    }

    /// Those that an earlier service of a region made than this one.
    pub(super) fn made_before(&self, region: RegionNumber, epoch: RegionEpoch) -> Vec<EntityId> {
        let all = self.all.iter();
        let earlier = all
            .filter(|(_, creature)| creature.birth.region == region && creature.birth.region_epoch < epoch);
        earlier.map(|(id, _)| *id).collect()
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

    #[test]
    fn timers_are_due_in_order_and_go_where_their_creature_goes() {
        let (one, other) = (EntityId(1), EntityId(2));
        let mut creatures = Creatures::default();
        assert!(!creatures.set_timer(one, 5, 0), "it is not here");
        for id in [one, other] {
            creatures.insert(id, BIRTH, Bytes::new());
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
}
