//! The regions of a world with their times: when each ticks next, how long its ticks took, and whether it sleeps.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::RegionNumber;

use super::recent_times::RecentTimes;
use super::tick_schedule::TickSchedule;
use crate::region::{Region, Rest};

/// One region and its times.
pub(super) struct Slot {
    pub(super) region: Region,
    schedule: TickSchedule,
    /// When it is in the queue, microseconds; none while it sleeps for good.
    due_us: Option<u64>,
    is_asleep: bool,
    /// It does not tick, whatever comes.
    is_held: bool,
    pub(super) ticks: RecentTimes,
    pub(super) late: RecentTimes,
    pub(super) store: RecentTimes,
    pub(super) skipped: u64,
}

impl Slot {
    pub(super) fn is_awake(&self) -> bool {
        !self.is_asleep
    }

    /// For how long its next tick has been due, microseconds.
    pub(super) fn overdue_us(&self, now_us: u64) -> u64 {
        self.due_us.map_or(0, |due_us| now_us.saturating_sub(due_us))
    }
}

/// All regions, and the order in which they tick.
pub(super) struct Slots {
    slots: BTreeMap<RegionNumber, Slot>,
    due: BTreeSet<(u64, RegionNumber)>,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            slots: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, region: Region, schedule: TickSchedule) {
        let number = region.number();
        let slot = Slot {
            region,
            schedule,
            due_us: None,
            is_asleep: false,
            is_held: false,
            ticks: RecentTimes::default(),
            late: RecentTimes::default(),
            store: RecentTimes::default(),
            skipped: 0,
        };
        self.slots.insert(number, slot);
        self.put(number, schedule.due_us());
    }

    pub(super) fn remove(&mut self, number: RegionNumber) -> Option<Region> {
        self.unput(number);
        self.slots.remove(&number).map(|slot| slot.region)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn has(&self, number: RegionNumber) -> bool {
        self.slots.contains_key(&number)
    }

    pub(super) fn get_mut(&mut self, number: RegionNumber) -> Option<&mut Slot> {
        self.slots.get_mut(&number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RegionNumber, &Slot)> {
        self.slots.iter().map(|(number, slot)| (*number, slot))
    }

    pub(super) fn numbers(&self) -> Vec<RegionNumber> {
        self.slots.keys().copied().collect()
    }

    /// The region that is to tick now.
    pub(super) fn next_due(&self, now_us: u64) -> Option<RegionNumber> {
        self.due
            .first()
            .filter(|(due_us, _)| *due_us <= now_us)
            .map(|(_, number)| *number)
    }

    /// When the next one is to tick, microseconds.
    pub(super) fn due_us(&self) -> Option<u64> {
        self.due.first().map(|(due_us, _)| *due_us)
    }

    /// How late a region's tick is, microseconds.
    pub(super) fn late_us(&self, number: RegionNumber, now_us: u64) -> u64 {
        self.slots.get(&number).map_or(0, |slot| slot.overdue_us(now_us))
    }

    /// A region has ticked, and took so long: when again, or whether it falls asleep. Ticks whose time is over are left
    /// out and counted.
    pub(super) fn ticked(&mut self, number: RegionNumber, length_us: u64, now_us: u64) -> u64 {
        let Some(slot) = self.slots.get_mut(&number) else {
            return 0;
        };
        slot.ticks.record(length_us);
        let mut skipped = 0;
        if slot.is_asleep {
            // It woke by itself, off its timetable.
            slot.schedule.resume(now_us);
        } else {
            skipped = slot.schedule.advance(now_us);
        }
        slot.skipped += skipped;
        let rest = slot.region.rest();
        slot.is_asleep = rest != Rest::Awake;
        self.plan(number, rest);
        skipped
    }

    /// Something came for a region: if it slept and that gives it something to do, it ticks at its next time.
    pub(super) fn came(&mut self, number: RegionNumber, now_us: u64) {
        let Some(slot) = self.slots.get_mut(&number).filter(|slot| slot.is_asleep) else {
            return;
        };
        slot.schedule.resume(now_us);
        let rest = slot.region.rest();
        slot.is_asleep = rest != Rest::Awake;
        self.plan(number, rest);
    }

    fn plan(&mut self, number: RegionNumber, rest: Rest) {
        self.unput(number);
        let Some(slot) = self.slots.get(&number) else {
            return;
        };
        let next_us = slot.schedule.due_us();
        match rest {
            Rest::Awake => self.put(number, next_us),
            Rest::Asleep {
                until_ms: Some(until_ms),
            } => self.put(number, next_us.max(until_ms * 1000)),
            Rest::Asleep { until_ms: None } => {}
        }
    }

    /// A region has to tick now, whatever its timetable says.
    pub(super) fn hurry(&mut self, number: RegionNumber, now_us: u64) {
        if self.has(number) {
            self.unput(number);
            self.put(number, now_us);
        }
    }

    /// A region stands still from now on.
    pub(super) fn hold(&mut self, number: RegionNumber) {
        self.unput(number);
        if let Some(slot) = self.slots.get_mut(&number) {
            slot.is_held = true;
        }
    }

    /// It goes on.
    pub(super) fn release(&mut self, number: RegionNumber, now_us: u64) {
        if let Some(slot) = self.slots.get_mut(&number) {
            slot.is_held = false;
            self.hurry(number, now_us);
        }
    }

    fn put(&mut self, number: RegionNumber, due_us: u64) {
        if let Some(slot) = self.slots.get_mut(&number).filter(|slot| !slot.is_held) {
            slot.due_us = Some(due_us);
            self.due.insert((due_us, number));
        }
    }

    fn unput(&mut self, number: RegionNumber) {
        if let Some(due_us) = self.slots.get_mut(&number).and_then(|slot| slot.due_us.take()) {
            self.due.remove(&(due_us, number));
        }
    }
}
