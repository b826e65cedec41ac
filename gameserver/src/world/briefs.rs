//! Who looks at the map, and what they are told: each region at a glance, a few times a second, while somebody looks. A proxy
//! that takes its link too slowly misses briefs; the next ones stand in their place.

use std::collections::BTreeMap;

use net::link_core::Sealing;
use protocol::ids::{ProxyLane, RegionNumber};
use protocol::limits::{BRIEF_CELLS_MAX, BRIEF_CROSSINGS_MAX};
use protocol::message::checked::brief_period_ms;
use protocol::message::family::ServerToProxy;
use protocol::message::subscription::{RegionBrief, WatchMap};

use super::slots::Slot;
use super::{Moment, World};

/// What may wait on a proxy's link for briefs to be put behind it, bytes: the game comes first.
const WAITING_BYTES_MAX: usize = 64 * 1024;
/// Regions that are told of in one round: a process may have thousands, and its ticks do not wait for the map.
const ROUND_REGIONS_MAX: usize = 256;

/// The lanes by which proxies ask for briefs.
#[derive(Debug, Default)]
pub(super) struct Briefs {
    /// How often each wants them, microseconds.
    watchers: BTreeMap<ProxyLane, u64>,
    due_us: u64,
    /// The region that was told of last.
    told_to: Option<RegionNumber>,
}

impl Briefs {
    fn watch(&mut self, lane: ProxyLane, wish: &WatchMap, now_us: u64) {
        match brief_period_ms(wish) {
            Some(period_ms) => {
                self.watchers.insert(lane, u64::from(period_ms) * 1000);
                self.due_us = now_us;
            }
            None => self.forget(lane),
        }
    }

    /// Nobody looks by this lane any more.
    pub(super) fn forget(&mut self, lane: ProxyLane) {
        self.watchers.remove(&lane);
    }

    /// When the next ones are due, microseconds; `None` while nobody looks.
    pub(super) fn due_us(&self) -> Option<u64> {
        (!self.watchers.is_empty()).then_some(self.due_us)
    }

    /// Whether they are due now. All who look are told as often as the most eager of them asks.
    fn take_due(&mut self, now_us: u64) -> bool {
        let Some(period_us) = self.watchers.values().min() else {
            return false;
        };
        if now_us < self.due_us {
            return false;
        }
        self.due_us = now_us + period_us;
        true
    }
}

impl<S: Sealing> World<S> {
    /// A proxy looks at the map from now on, or does no more.
    pub(super) fn watch_map(&mut self, lane: ProxyLane, wish: &WatchMap, now: Moment) {
        self.briefs.watch(lane, wish, now.mono_us);
    }

    /// Tells of regions, if it is time, as many as one round has room for: the next one goes on where this one ends.
    pub(super) fn tell_briefs(&mut self, now: Moment) {
        if !self.briefs.take_due(now.mono_us) {
            return;
        }
        let lanes: Vec<ProxyLane> = self.briefs.watchers.keys().copied().collect();
        let numbers = self.slots.numbers();
        let told = self.briefs.told_to;
        let first = told.map_or(0, |told| numbers.partition_point(|number| *number <= told));
        let (done, to_do) = numbers.split_at(first);
        for number in to_do.iter().chain(done).take(ROUND_REGIONS_MAX) {
            if !self.tell_brief(*number, &lanes) {
                return self.count("brief_no_room");
            }
            self.briefs.told_to = Some(*number);
        }
    }

    /// Whether any of them had room.
    fn tell_brief(&mut self, number: RegionNumber, lanes: &[ProxyLane]) -> bool {
        let Some(slot) = self.slots.get_mut(number) else {
            return true;
        };
        let mut brief: Option<ServerToProxy> = None;
        for lane in lanes {
            let core = self.links.lane_mut(*lane);
            if let Some(core) = core.filter(|core| core.waiting_bytes() <= WAITING_BYTES_MAX) {
                core.push(brief.get_or_insert_with(|| brief_of(slot).into()));
            }
        }
        brief.is_some()
    }
}

fn brief_of(slot: &Slot) -> RegionBrief {
    let (region, ticks) = (&slot.region, slot.ticks.summary());
    let mut heat = region.heat();
    if heat.cells.len() > BRIEF_CELLS_MAX {
        heat.cells.sort_by_key(|(cell, count)| (u32::MAX - count, *cell));
        heat.cells.truncate(BRIEF_CELLS_MAX);
        heat.cells.sort_unstable();
    }
    heat.crossed.truncate(BRIEF_CROSSINGS_MAX);
    RegionBrief {
        region: region.number().0,
        region_epoch: region.epoch().0,
        tick: heat.tick.0,
        tick_p50_us: ticks.p50,
        tick_p99_us: ticks.p99,
        population: heat.population,
        cells: heat.cells.iter().map(|(cell, _)| cell.0).collect(),
        counts: heat.cells.iter().map(|(_, count)| *count).collect(),
        crossed_to: heat.crossed.iter().map(|(to, _)| to.0).collect(),
        crossed: heat.crossed.iter().map(|(_, count)| *count).collect(),
        asleep: !slot.is_awake(),
    }
}
