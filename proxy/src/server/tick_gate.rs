//! When a region's tick counts as complete at this proxy: its outputs and cells have all arrived, or five milliseconds
//! have passed. Per-user messages and cells travel in different classes, so the tick's end may overtake an output. Pure.

use std::collections::{BTreeMap, VecDeque};

use protocol::ids::RegionNumber;
use protocol::message::subscription::TickEnd;

/// How long a tick's end waits for what it counts, milliseconds.
const WAIT_MS: u64 = 5;
/// Ticks of one region that are counted at a time.
const TICKS_MAX: usize = 8;

#[derive(Debug, Default)]
struct Arrived {
    tick: u64,
    outputs: u32,
    cells: u32,
}

#[derive(Debug, Default)]
struct RegionGate {
    arrived: VecDeque<Arrived>,
    waiting: VecDeque<(TickEnd, u64)>,
}

impl RegionGate {
    fn of_tick(&mut self, tick: u64) -> &mut Arrived {
        let at = self.arrived.iter().position(|arrived| arrived.tick == tick);
        let at = at.unwrap_or_else(|| {
            if self.arrived.len() == TICKS_MAX {
                self.arrived.pop_front();
            }
            self.arrived.push_back(Arrived {
                tick,
                ..Arrived::default()
            });
            self.arrived.len() - 1
        });
        &mut self.arrived[at]
    }

    fn is_complete(&self, end: &TickEnd) -> bool {
        let arrived = self.arrived.iter().find(|arrived| arrived.tick == end.tick);
        let (outputs, cells) = arrived.map_or((0, 0), |arrived| (arrived.outputs, arrived.cells));
        outputs >= end.outputs && cells >= end.cells
    }
}

/// The gate of one link.
#[derive(Debug, Default)]
pub(super) struct TickGate {
    regions: BTreeMap<RegionNumber, RegionGate>,
}

impl TickGate {
    /// An output of this tick arrived.
    pub(super) fn handle_output(&mut self, region: RegionNumber, tick: u64) {
        self.regions.entry(region).or_default().of_tick(tick).outputs += 1;
    }

    /// Cells of this tick arrived.
    pub(super) fn handle_cells(&mut self, region: RegionNumber, tick: u64, cells: usize) {
        let arrived = self.regions.entry(region).or_default().of_tick(tick);
        arrived.cells = arrived
            .cells
            .saturating_add(u32::try_from(cells).unwrap_or(u32::MAX));
    }

    /// The end of a tick arrived; [`take_ready`](Self::take_ready) says when it counts.
    pub(super) fn handle_end(&mut self, end: TickEnd, now_ms: u64) {
        let gate = self.regions.entry(RegionNumber(end.region)).or_default();
        if gate.waiting.len() == TICKS_MAX {
            gate.waiting.pop_front();
        }
        gate.waiting.push_back((end, now_ms + WAIT_MS));
    }

    /// Moves the ends that count by now into `out`, in order within each region.
    pub(super) fn take_ready(&mut self, now_ms: u64, out: &mut Vec<TickEnd>) {
        for gate in self.regions.values_mut() {
            while let Some((end, due_ms)) = gate.waiting.front() {
                if *due_ms > now_ms && !gate.is_complete(end) {
                    break;
                }
                out.extend(gate.waiting.pop_front().map(|(end, _)| end));
            }
        }
    }

    /// When the next end counts, however little has arrived.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let fronts = self.regions.values().filter_map(|gate| gate.waiting.front());
        fronts.map(|(_, due_ms)| *due_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEST: RegionNumber = RegionNumber(1);
    const EAST: RegionNumber = RegionNumber(2);

    fn end(region: RegionNumber, tick: u64, outputs: u32, cells: u32) -> TickEnd {
        TickEnd {
            region: region.0,
            tick,
            outputs,
            cells,
            ..TickEnd::default()
        }
    }

    fn ready(gate: &mut TickGate, now_ms: u64) -> Vec<(u32, u64)> {
        let mut out = Vec::new();
        gate.take_ready(now_ms, &mut out);
        out.iter().map(|end| (end.region, end.tick)).collect()
    }

    #[test]
    fn a_tick_ends_when_everything_it_counts_is_there() {
        let mut gate = TickGate::default();
        gate.handle_output(WEST, 7);
        gate.handle_cells(WEST, 7, 3);
        gate.handle_end(end(WEST, 7, 2, 3), 100);
        assert_eq!(ready(&mut gate, 101), []);
        gate.handle_output(EAST, 7);
        gate.handle_output(WEST, 8);
        assert_eq!(ready(&mut gate, 101), [], "another region's, another tick's");
        gate.handle_output(WEST, 7);
        assert_eq!(ready(&mut gate, 101), [(1, 7)]);
        assert_eq!(gate.due_ms(), None);
    }

    #[test]
    fn it_waits_five_milliseconds_and_no_longer_for_what_was_lost() {
        let mut gate = TickGate::default();
        gate.handle_end(end(WEST, 7, 1, 0), 100);
        gate.handle_end(end(EAST, 9, 0, 0), 100);
        assert_eq!(
            ready(&mut gate, 104),
            [(2, 9)],
            "one region does not hold up another"
        );
        assert_eq!(gate.due_ms(), Some(105));
        assert_eq!(ready(&mut gate, 105), [(1, 7)]);
    }

    #[test]
    fn ends_stay_in_order_and_memory_stays_small() {
        let mut gate = TickGate::default();
        gate.handle_end(end(WEST, 1, 1, 0), 0);
        gate.handle_end(end(WEST, 2, 0, 0), 1);
        assert_eq!(ready(&mut gate, 2), []);
        assert_eq!(ready(&mut gate, 5), [(1, 1), (1, 2)]);
        for tick in 0..100 {
            gate.handle_output(WEST, tick);
            gate.handle_end(end(WEST, tick, 2, 0), 10);
        }
        assert_eq!(gate.regions[&WEST].arrived.len(), TICKS_MAX);
        assert_eq!(gate.regions[&WEST].waiting.len(), TICKS_MAX);
    }
}
