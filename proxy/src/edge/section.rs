//! The cells of a snapshot where all that the player lacks fits in, as it mostly does. Players of one home cell mostly lack
//! the same, so what is made for one is copied for the others.

use protocol::cell::SnapshotWriter;
use protocol::geometry::CellIndex;
use protocol::ids::RegionEpoch;
use protocol::limits::{SNAPSHOT_CELLS_MAX, SNAPSHOT_REGIONS_MAX};
use protocol::message::client::RegionView;

use super::map::FastMap;
use super::sight::{Sight, SightCell, refresh_of};
use super::views::CellViews;

/// Bytes of one region in a snapshot's head, at most.
pub(super) const REGION_BYTES_MAX: usize = 40;
/// A section that nobody has used for so long is forgotten, milliseconds.
const KEPT_MS: u64 = 1_000;

/// What players who get a section must have of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Whatever it is: nothing is known of the cell.
    Anything,
    /// A refresh is due, so it does not matter.
    Due,
    /// This state of this service of the region.
    State(RegionEpoch, Option<u32>),
}

/// What they get of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brings {
    Nothing,
    /// The whole cell in this state of this service.
    Keyframe(RegionEpoch, u32),
    /// From one state to another.
    Deltas(u32, u32),
}

/// One cell in view.
#[derive(Clone, Copy, Debug)]
struct Part {
    cell: CellIndex,
    refresh: u64,
    needs: Needs,
    brings: Brings,
}

impl Part {
    fn suits(&self, seen: &SightCell) -> bool {
        let is_due = self.refresh > seen.refreshed;
        seen.cell == self.cell
            && match self.needs {
                Needs::Anything => true,
                Needs::Due => is_due,
                Needs::State(epoch, had) => !is_due && seen.epoch == epoch && seen.sent == had,
            }
    }
}

/// The cells of one snapshot, encoded, and the regions that its head has to name.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// The views that it was made from, and when, milliseconds; `None`: it did not fit.
    made: Option<(u64, u64)>,
    parts: Vec<Part>,
    pub(super) cells: Vec<u8>,
    pub(super) count: usize,
    pub(super) regions: Vec<RegionView>,
}

impl Section {
    fn suits(&self, sight: &Sight, of: (u64, u64)) -> bool {
        self.made == Some(of)
            && self.parts.len() == sight.cells.len()
            && self
                .parts
                .iter()
                .zip(&sight.cells)
                .all(|(part, seen)| part.suits(seen))
    }

    fn bytes(&self) -> usize {
        self.cells.len() + self.regions.len() * REGION_BYTES_MAX
    }

    /// Makes it for a player who has what `sight` says; `None` as soon as that exceeds `room` bytes.
    fn make(&mut self, sight: &Sight, views: &mut CellViews, room: usize, now_ms: u64) -> Option<()> {
        self.made = None;
        self.parts.clear();
        self.cells.clear();
        self.regions.clear();
        self.count = 0;
        for seen in &sight.cells {
            let part = self.bring(seen, views, room, now_ms)?;
            self.parts.push(part);
            let is_over = self.count > SNAPSHOT_CELLS_MAX || self.regions.len() > SNAPSHOT_REGIONS_MAX;
            if is_over || self.bytes() > room {
                return None;
            }
        }
        self.made = Some((views.version(), now_ms));
        Some(())
    }

    fn bring(&mut self, seen: &SightCell, views: &mut CellViews, room: usize, now_ms: u64) -> Option<Part> {
        let refresh = refresh_of(seen.cell, now_ms);
        let mut part = Part {
            cell: seen.cell,
            refresh,
            needs: Needs::Anything,
            brings: Brings::Nothing,
        };
        let Some((view, encoder)) = views.open(seen.cell) else {
            return Some(part);
        };
        let (Some(seq), region, epoch) = (view.seq(), view.region, view.epoch) else {
            return Some(part);
        };
        let is_due = refresh > seen.refreshed;
        // What was had of an earlier service is worth nothing.
        let had = seen.sent.filter(|_| seen.epoch == epoch);
        part.needs = if is_due {
            Needs::Due
        } else {
            Needs::State(seen.epoch, seen.sent)
        };
        if had == Some(seq) && !is_due {
            return Some(part);
        }
        let base = had.filter(|had| *had < seq && !is_due);
        if let Some((base, deltas)) = base.and_then(|base| Some((base, view.deltas_since(base)?))) {
            for delta in deltas {
                SnapshotWriter::put_cell(&mut self.cells, delta);
                self.count += 1;
            }
            part.brings = Brings::Deltas(base, seq);
        } else {
            let keyframe = view.keyframe(seen.cell, seq, encoder);
            if keyframe.len() > room {
                return None;
            }
            SnapshotWriter::put_cell(&mut self.cells, &keyframe);
            self.count += 1;
            part.brings = Brings::Keyframe(epoch, seq);
        }
        if !self.regions.iter().any(|named| named.region == region.0) {
            self.regions.extend(views.region(region));
        }
        Some(part)
    }

    /// Notes what the player will have when the snapshot with the current number arrives.
    pub(super) fn note(&self, sight: &mut Sight, now_ms: u64) {
        for (index, part) in self.parts.iter().enumerate() {
            match part.brings {
                Brings::Nothing => {}
                Brings::Keyframe(epoch, seq) => sight.sent_whole(index, epoch, seq, now_ms),
                Brings::Deltas(base, seq) => sight.sent(index, Some(base), seq),
            }
        }
        sight.nothing_was_left_out();
    }
}

/// The newest section of each home cell.
#[derive(Debug, Default)]
pub(super) struct Sections {
    by_home: FastMap<CellIndex, Section>,
}

impl Sections {
    /// The section for a player of this home cell; `None` when what it lacks exceeds `room` bytes.
    pub(super) fn of(
        &mut self,
        home: CellIndex,
        sight: &Sight,
        views: &mut CellViews,
        room: usize,
        now_ms: u64,
    ) -> Option<&Section> {
        let section = self.by_home.entry(home).or_default();
        if !section.suits(sight, (views.version(), now_ms)) {
            section.make(sight, views, room, now_ms)?;
        }
        (section.bytes() <= room).then_some(section)
    }

    /// Forgets the sections of cells where nobody is any more.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        let is_kept = |section: &Section| {
            section
                .made
                .is_some_and(|(_, made_ms)| now_ms.saturating_sub(made_ms) < KEPT_MS)
        };
        self.by_home.retain(|_, section| is_kept(section));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
