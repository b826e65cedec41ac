//! What one client has seen of each cell in its view, worked out from the acknowledgements that ride on its inputs.
//!
//! A client takes snapshots in the order of their numbers and acknowledges what it took. So the proxy can replay the
//! client's rule (a keyframe always applies, a delta only on `base_seq ≤ have < seq`) and know exactly what to repeat.

use std::collections::VecDeque;

use protocol::geometry::{CellIndex, Layer};
use protocol::ids::RegionEpoch;
use protocol::message::checked::SnapshotAck;
use topology::WorldSpec;

use super::rate::Bucket;

/// Snapshots in flight that are remembered, whatever number of cells they bring; what falls out counts as lost. A client
/// that leaves more of them unacknowledged is gone, or drowning: it gets few further ones. At 20 a second these are five
/// seconds, longer than any round trip that one can play with.
pub(super) const SNAPSHOTS_IN_FLIGHT_MAX: u32 = 100;

/// Each cell is shown whole about this often, milliseconds, at a phase of its own that all its viewers share: so they go on
/// lacking the same.
const REFRESH_MS: u64 = 2_000;

/// Leaves in `visible` the cells that one sees whose home cell this is, ascending: those of the far layer in more rings.
pub(super) fn cells_in_view(world: &WorldSpec, home: CellIndex, visible: &mut Vec<CellIndex>) {
    let grid = world.grid();
    visible.clear();
    visible.extend(grid.around(home, world.view_rings));
    if world.far_rings > 0 {
        let far = grid.around(home, world.far_rings);
        visible.extend(far.map(|cell| grid.on(cell, Layer::Far)));
    }
}

/// The number of the cell's last refresh.
pub(super) fn refresh_of(cell: CellIndex, now_ms: u64) -> u64 {
    let phase_ms = u64::from(cell.0.wrapping_mul(0x9e37_79b1) >> 16) % REFRESH_MS;
    (now_ms + phase_ms) / REFRESH_MS
}

/// One cell in view.
#[derive(Clone, Copy, Debug)]
pub(super) struct SightCell {
    pub(super) cell: CellIndex,
    /// The region epoch whose updates `have` and `sent` count.
    pub(super) epoch: RegionEpoch,
    /// The state the client is known to have.
    have: Option<u32>,
    /// The state the client will have when everything sent arrives; `None`: it needs a keyframe.
    pub(super) sent: Option<u32>,
    /// Losses of snapshots up to this number are repaired already.
    repaired_to: u32,
    /// The cell's refresh that the client has had; those that it needed anyway count.
    pub(super) refreshed: u64,
    /// Snapshots in a row that it had news for and no room in: the longer, the sooner its turn.
    pub(super) left_out: u32,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    number: u32,
    /// Where among the cells in view.
    index: u8,
    /// `None`: a keyframe.
    base: Option<u32>,
    seq: u32,
}

/// A client's view.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) centre: Option<CellIndex>,
    pub(super) cells: Vec<SightCell>,
    pub(super) bytes: Bucket,
    number: u32,
    acked: u32,
    flights: VecDeque<Flight>,
}

impl Sight {
    /// Sees nothing yet; `byte_rate` in bytes per second.
    pub(super) fn new(byte_rate: u32, now_ms: u64) -> Self {
        let bytes = Bucket::new(byte_rate, byte_rate / 5, now_ms);
        Self {
            centre: None,
            cells: Vec::new(),
            bytes,
            number: 0,
            acked: 0,
            flights: VecDeque::new(),
        }
    }

    /// Looks at other cells, given in ascending order. Returns those that came into view, and those that left: they are
    /// forgotten on both sides.
    pub(super) fn look(
        &mut self,
        centre: CellIndex,
        visible: &[CellIndex],
    ) -> (Vec<CellIndex>, Vec<CellIndex>) {
        let left: Vec<CellIndex> = self
            .cells
            .iter()
            .map(|seen| seen.cell)
            .filter(|cell| !visible.contains(cell))
            .collect();
        let before: Vec<CellIndex> = self.cells.iter().map(|seen| seen.cell).collect();
        self.cells.retain(|seen| visible.contains(&seen.cell));
        let entered: Vec<CellIndex> = visible
            .iter()
            .copied()
            .filter(|cell| !self.cells.iter().any(|seen| seen.cell == *cell))
            .collect();
        self.cells.extend(entered.iter().map(|&cell| SightCell {
            cell,
            epoch: RegionEpoch(0),
            have: None,
            sent: None,
            // What was sent before the cell came into view is forgotten on the other side as well.
            repaired_to: self.number,
            refreshed: 0,
            left_out: 0,
        }));
        self.cells.sort_unstable_by_key(|seen| seen.cell);
        self.follow_flights(&before);
        self.centre = Some(centre);
        (entered, left)
    }

    /// The cells in view have changed: what is in flight for those that stayed is in another place now.
    fn follow_flights(&mut self, before: &[CellIndex]) {
        let cells = &self.cells;
        self.flights.retain_mut(|flight| {
            let cell = before.get(usize::from(flight.index));
            let index = cell.and_then(|cell| cells.binary_search_by_key(cell, |seen| seen.cell).ok());
            index.map(|index| flight.index = index as u8).is_some()
        });
    }

    /// The number of the next snapshot.
    pub(super) fn next_number(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    /// Snapshots sent and not yet acknowledged.
    pub(super) fn unacknowledged(&self) -> u32 {
        self.number.wrapping_sub(self.acked)
    }

    /// Notes that the snapshot with the current number brings a cell from `base` (`None`: a keyframe) to `seq`.
    pub(super) fn sent(&mut self, index: usize, base: Option<u32>, seq: u32) {
        let Some(seen) = self.cells.get_mut(index) else {
            return;
        };
        seen.sent = Some(seq);
        let flight = Flight {
            number: self.number,
            index: index as u8,
            base,
            seq,
        };
        self.flights.push_back(flight);
        while let Some(oldest) = self
            .flights
            .pop_front_if(|oldest| self.number.saturating_sub(oldest.number) >= SNAPSHOTS_IN_FLIGHT_MAX)
        {
            self.settle(oldest, Arrival::Lost);
        }
    }

    /// Notes that the snapshot with the current number brings a whole cell in state `seq`, of this service of its region.
    pub(super) fn sent_whole(&mut self, index: usize, epoch: RegionEpoch, seq: u32, now_ms: u64) {
        if self.cells.get(index).is_some_and(|seen| seen.epoch != epoch) {
            self.restart(index, epoch);
        }
        if let Some(seen) = self.cells.get_mut(index) {
            // A refresh that is due within half a period can be spared.
            seen.refreshed = refresh_of(seen.cell, now_ms + REFRESH_MS / 2);
        }
        self.sent(index, None, seq);
    }

    /// The snapshot with the current number brings everything that there is.
    pub(super) fn nothing_was_left_out(&mut self) {
        for seen in &mut self.cells {
            seen.left_out = 0;
        }
    }

    /// Forgets what the client had of a cell: its region is served anew.
    pub(super) fn restart(&mut self, index: usize, epoch: RegionEpoch) {
        let number = self.number;
        let Some(seen) = self.cells.get_mut(index) else {
            return;
        };
        (seen.epoch, seen.have, seen.sent, seen.repaired_to) = (epoch, None, None, number);
        self.flights.retain(|flight| usize::from(flight.index) != index);
    }

    /// Takes an acknowledgement. What it does not name any more counts as lost.
    pub(super) fn acknowledge(&mut self, ack: SnapshotAck) {
        let newest = ack.latest;
        if newest <= self.acked || newest > self.number {
            return;
        }
        self.acked = newest;
        while let Some(flight) = self
            .flights
            .front()
            .copied()
            .filter(|flight| flight.number <= newest)
        {
            self.flights.pop_front();
            let arrived = ack.received(flight.number) == Some(true);
            self.settle(flight, if arrived { Arrival::Taken } else { Arrival::Lost });
        }
    }

    fn settle(&mut self, flight: Flight, arrival: Arrival) {
        let number = self.number;
        let Some(seen) = self.cells.get_mut(usize::from(flight.index)) else {
            return;
        };
        let applies = match (flight.base, seen.have) {
            (None, _) => true,
            (Some(base), Some(have)) => base <= have && have < flight.seq,
            (Some(_), None) => false,
        };
        if arrival == Arrival::Taken && applies {
            seen.have = Some(flight.seq);
        }
        let missing = seen.have.is_none_or(|have| have < flight.seq);
        if missing && flight.number > seen.repaired_to {
            seen.sent = seen.have;
            seen.repaired_to = number;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrival {
    Taken,
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(latest: u32, mask: u32) -> SnapshotAck {
        SnapshotAck { latest, mask }
    }

    fn sight() -> Sight {
        let mut sight = Sight::new(16_000, 0);
        sight.look(CellIndex(5), &[CellIndex(5)]);
        sight
    }

    fn send(sight: &mut Sight, base: Option<u32>, seq: u32) -> u32 {
        let number = sight.next_number();
        sight.sent(0, base, seq);
        number
    }

    #[test]
    fn what_arrives_is_known_and_nothing_is_repeated() {
        let mut sight = sight();
        send(&mut sight, None, 10);
        send(&mut sight, Some(10), 11);
        sight.acknowledge(ack(2, 0b1));
        assert_eq!((sight.cells[0].have, sight.cells[0].sent), (Some(11), Some(11)));
        assert_eq!(sight.unacknowledged(), 0);
    }

    #[test]
    fn a_lost_delta_is_repeated_once_with_all_that_was_built_on_it() {
        let mut sight = sight();
        send(&mut sight, None, 10);
        send(&mut sight, Some(10), 11);
        send(&mut sight, Some(11), 12);
        send(&mut sight, Some(12), 13);
        sight.acknowledge(ack(3, 0b10));
        assert_eq!(sight.cells[0].sent, Some(10), "2 was lost, 3 did not apply");
        send(&mut sight, Some(10), 14);
        sight.acknowledge(ack(4, 0b110));
        assert_eq!(
            sight.cells[0].sent,
            Some(14),
            "4 did not apply either, but that is repaired"
        );
        sight.acknowledge(ack(5, 0b1011));
        assert_eq!((sight.cells[0].have, sight.cells[0].sent), (Some(14), Some(14)));
    }

    #[test]
    fn a_long_round_trip_of_a_large_view_is_not_taken_for_loss() {
        // Two rings of cells that all change with each snapshot, and two seconds until an acknowledgement is back.
        let cells: Vec<CellIndex> = (0..25).map(CellIndex).collect();
        let mut sight = Sight::new(16_000, 0);
        sight.look(CellIndex(12), &cells);
        let (round_trip, mut repeated) = (40, 0);
        for seq in 1..=200 {
            let number = sight.next_number();
            for index in 0..cells.len() {
                let base = sight.cells[index].sent;
                repeated += usize::from(seq > 1 && base != Some(seq - 1));
                sight.sent(index, base, seq);
            }
            if number > round_trip {
                sight.acknowledge(ack(number - round_trip, u32::MAX));
            }
        }
        assert_eq!(repeated, 0);
    }

    #[test]
    fn what_a_silent_client_has_in_flight_is_bounded() {
        let cells: Vec<CellIndex> = (0..25).map(CellIndex).collect();
        let mut sight = Sight::new(16_000, 0);
        sight.look(CellIndex(12), &cells);
        for seq in 1..=1_000 {
            sight.next_number();
            for index in 0..cells.len() {
                let base = sight.cells[index].sent;
                sight.sent(index, base, seq);
            }
        }
        assert!(sight.flights.len() <= SNAPSHOTS_IN_FLIGHT_MAX as usize * cells.len());
        assert!(
            sight.cells.iter().all(|cell| cell.have.is_none()),
            "nothing was acknowledged"
        );
    }

    #[test]
    fn what_is_not_acknowledged_for_too_long_counts_as_lost() {
        let mut sight = Sight::new(16_000, 0);
        sight.look(CellIndex(5), &[CellIndex(5), CellIndex(6)]);
        send(&mut sight, None, 10);
        for seq in 1..=SNAPSHOTS_IN_FLIGHT_MAX {
            assert_eq!(sight.cells[0].sent, Some(10), "{seq}");
            sight.next_number();
            sight.sent(1, None, seq);
        }
        assert_eq!(sight.cells[0].sent, None);
    }

    #[test]
    fn what_was_sent_of_a_region_before_it_was_served_anew_is_forgotten() {
        let mut sight = sight();
        send(&mut sight, None, 10);
        sight.restart(0, RegionEpoch(2));
        sight.acknowledge(ack(1, 0));
        assert_eq!((sight.cells[0].have, sight.cells[0].sent), (None, None));
        send(&mut sight, None, 3);
        sight.acknowledge(ack(2, 0b1));
        assert_eq!((sight.cells[0].have, sight.cells[0].sent), (Some(3), Some(3)));
    }

    #[test]
    fn a_lost_repair_is_repaired_again() {
        let mut sight = sight();
        send(&mut sight, None, 10);
        send(&mut sight, Some(10), 11);
        send(&mut sight, Some(11), 12);
        sight.acknowledge(ack(3, 0b10));
        assert_eq!(sight.cells[0].sent, Some(10));
        send(&mut sight, Some(10), 12);
        send(&mut sight, Some(12), 13);
        sight.acknowledge(ack(5, 0b0110));
        assert_eq!(sight.cells[0].sent, Some(10));
    }

    #[test]
    fn acknowledgements_from_the_future_or_the_past_change_nothing() {
        let mut sight = sight();
        send(&mut sight, None, 10);
        sight.acknowledge(ack(7, u32::MAX));
        assert_eq!(sight.cells[0].have, None);
        sight.acknowledge(ack(1, 0));
        send(&mut sight, Some(10), 11);
        sight.acknowledge(ack(1, 0));
        assert_eq!(sight.cells[0].sent, Some(11));
        sight.acknowledge(ack(2, 0b1));
        sight.acknowledge(ack(1, 0));
        assert_eq!(sight.unacknowledged(), 0);
    }

    #[test]
    fn a_cell_that_left_the_view_comes_back_as_a_stranger() {
        let mut sight = sight();
        send(&mut sight, None, 10);
        let (entered, left) = sight.look(CellIndex(6), &[CellIndex(6)]);
        assert_eq!((entered, left), (vec![CellIndex(6)], vec![CellIndex(5)]));
        sight.look(CellIndex(5), &[CellIndex(5)]);
        sight.acknowledge(ack(1, 0));
        assert_eq!((sight.cells[0].have, sight.cells[0].sent), (None, None));
    }
}
