//! The cells this shard's players can see: the state of each, its last deltas, and a keyframe encoded at most once per
//! state for all who need it.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::cell::{
    Add, Applied, CellEncoder, CellEntity, CellPoint, CellState, Change, DecodedCell, PositionForm,
};
use protocol::geometry::{CellGrid, CellIndex};
use protocol::ids::{EntityId, NodeNumber, RegionEpoch, RegionNumber};
use protocol::message::client::{RegionView, UpdateKind};

use super::crowd::Crowd;
use super::deltas::RecentDeltas;
use super::map::FastMap;

/// How long a cell nobody sees any more is kept, for players who walk to and fro, milliseconds.
const LINGER_MS: u64 = 3_000;
/// At most this often a keyframe is asked for again, milliseconds.
const ASK_AGAIN_MS: u64 = 500;

/// What one region published in one tick, decoded.
#[derive(Debug)]
pub struct RegionCells {
    /// Who published it.
    pub node: NodeNumber,
    /// The region.
    pub region: RegionNumber,
    /// The epoch at which it is served.
    pub region_epoch: RegionEpoch,
    /// The tick.
    pub tick: u64,
    /// The server's wall clock, milliseconds.
    pub server_time_ms: u64,
    /// Each cell as it came, and decoded.
    pub cells: Vec<(Bytes, DecodedCell)>,
}

#[derive(Debug, Default)]
pub(super) struct CellView {
    pub(super) region: RegionNumber,
    pub(super) epoch: RegionEpoch,
    state: CellState,
    /// Where in the cell each entity is.
    slots: FastMap<EntityId, u16>,
    deltas: RecentDeltas,
    keyframe: Option<(u32, Bytes)>,
    crowd: Crowd,
    watchers: u32,
    unwatched_ms: u64,
    asked_ms: u64,
}

impl CellView {
    /// The newest state; `None` before the first keyframe.
    pub(super) fn seq(&self) -> Option<u32> {
        Some(self.state.seq()).filter(|seq| *seq > 0)
    }

    /// The deltas that lead from `have` to now, oldest first; `None` when some are forgotten.
    pub(super) fn deltas_since(&self, have: u32) -> Option<impl Iterator<Item = &[u8]> + Clone> {
        self.deltas.since(have)
    }

    /// The entity with this id, if it is in the cell.
    pub(super) fn entity(&self, id: EntityId) -> Option<&CellEntity> {
        let slot = self.slots.get(&id)?;
        self.state.get(*slot).filter(|entity| entity.id == id)
    }

    /// The newest state `seq` as a keyframe; encoded once for all who need it.
    pub(super) fn keyframe(&mut self, cell: CellIndex, seq: u32, encoder: &mut CellEncoder) -> Bytes {
        match &self.keyframe {
            Some((of, bytes)) if *of == seq => bytes.clone(),
            _ => {
                let bytes = self.state.encode_keyframe(cell, encoder);
                self.keyframe = Some((seq, bytes.clone()));
                bytes
            }
        }
    }

    fn forget(&mut self) {
        self.state = CellState::default();
        self.crowd = Crowd::default();
        self.slots.clear();
        self.deltas.clear();
        self.keyframe = None;
    }

    fn take(&mut self, bytes: &Bytes, decoded: &DecodedCell) -> Taken {
        let slots = &mut self.slots;
        let applied = self.state.apply_with(decoded, |change| {
            if let Change::Removed { entity, .. } = change {
                slots.remove(&entity.id);
            }
        });
        if matches!(applied, Ok(Applied::Advanced | Applied::Partially)) {
            let state = &self.state;
            let there = |add: &&Add| state.get(add.slot).is_some_and(|held| held.id == add.entity.id);
            let adds = decoded.adds.iter().filter(there);
            slots.extend(adds.map(|add| (add.entity.id, add.slot)));
        }
        match applied {
            Err(_) => return Taken::Gap,
            Ok(Applied::Stale | Applied::Partially) => return Taken::Nothing,
            Ok(Applied::Advanced) => {}
        }
        match decoded.kind {
            UpdateKind::Delta => self.deltas.push(decoded.base_seq, decoded.seq, bytes),
            UpdateKind::Keyframe => {
                if self.deltas.newest() != Some(decoded.seq) {
                    self.deltas.clear();
                }
            }
            UpdateKind::Partial => {}
        }
        Taken::Advanced
    }
}

#[derive(PartialEq, Eq)]
enum Taken {
    Advanced,
    Nothing,
    Gap,
}

/// What the cells of one region in view have in common.
#[derive(Clone, Copy, Debug, Default)]
struct RegionClock {
    epoch: RegionEpoch,
    tick: u64,
    server_time_ms: u64,
}

/// All cells in view of this shard.
pub(super) struct CellViews {
    cells: FastMap<CellIndex, CellView>,
    regions: BTreeMap<RegionNumber, RegionClock>,
    encoder: CellEncoder,
    version: u64,
}

impl CellViews {
    pub(super) fn new(grid: &CellGrid) -> Self {
        Self {
            cells: FastMap::default(),
            regions: BTreeMap::new(),
            encoder: CellEncoder::new(PositionForm::of(grid)),
            version: 0,
        }
    }

    /// The view of a cell; `None` when nobody here watches it.
    pub(super) fn get(&self, cell: CellIndex) -> Option<&CellView> {
        self.cells.get(&cell)
    }

    /// The view of a cell, and what makes its keyframes.
    pub(super) fn open(&mut self, cell: CellIndex) -> Option<(&mut CellView, &mut CellEncoder)> {
        Some((self.cells.get_mut(&cell)?, &mut self.encoder))
    }

    /// Another number whenever something in view has changed.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The newest state of a cell as a keyframe.
    pub(super) fn keyframe(&mut self, cell: CellIndex) -> Option<Bytes> {
        let (view, encoder) = self.open(cell)?;
        let seq = view.seq()?;
        Some(view.keyframe(cell, seq, encoder))
    }

    /// The entities of a crowded cell that are nearest to a point, as many as fit.
    pub(super) fn partial(&mut self, cell: CellIndex, near: CellPoint, bytes_max: usize) -> Option<Bytes> {
        let (CellView { state, crowd, .. }, encoder) = self.open(cell)?;
        crowd.encode_partial(state, cell, near, bytes_max, encoder)
    }

    /// What a snapshot says of a region.
    pub(super) fn region(&self, region: RegionNumber) -> Option<RegionView> {
        self.regions.get(&region).map(|clock| RegionView {
            region: region.0,
            region_epoch: clock.epoch.0,
            tick: clock.tick,
            server_time_ms: clock.server_time_ms,
        })
    }

    /// The cells that are subscribed to, in no particular order.
    pub(super) fn watched(&self) -> impl Iterator<Item = (CellIndex, RegionNumber)> {
        self.cells.iter().map(|(cell, view)| (*cell, view.region))
    }

    /// How many those are.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// A region's tick is complete, whether or not a cell in view changed.
    pub(super) fn ticked(
        &mut self,
        region: RegionNumber,
        epoch: RegionEpoch,
        tick: u64,
        server_time_ms: u64,
    ) {
        self.version += 1;
        let is_old = |clock: &RegionClock| epoch == clock.epoch && tick <= clock.tick;
        if !self.regions.get(&region).is_some_and(is_old) {
            let clock = RegionClock {
                epoch,
                tick,
                server_time_ms,
            };
            self.set_clock(region, clock);
        }
    }

    /// A snapshot says once for a region by which service its cells are. So what an earlier one has shown goes with the
    /// first word of the next, or clients would take old cells for new ones, and what comes then for older.
    fn set_clock(&mut self, region: RegionNumber, clock: RegionClock) {
        let before = self.regions.insert(region, clock);
        if before.is_none_or(|before| before.epoch == clock.epoch) {
            return;
        }
        let views = self.cells.values_mut();
        for view in views.filter(|view| view.region == region && view.epoch != clock.epoch) {
            view.forget();
            view.epoch = clock.epoch;
        }
    }

    /// One more session sees the cell. `true`: nobody did, it has to be subscribed.
    pub(super) fn watch(&mut self, cell: CellIndex, region: RegionNumber, now_ms: u64) -> bool {
        let new = !self.cells.contains_key(&cell);
        let view = self.cells.entry(cell).or_default();
        view.watchers += 1;
        if new {
            view.region = region;
            view.asked_ms = now_ms;
        }
        new
    }

    /// One session fewer sees the cell; it is kept a while in case one comes back.
    pub(super) fn unwatch(&mut self, cell: CellIndex, now_ms: u64) {
        if let Some(view) = self.cells.get_mut(&cell) {
            view.watchers = view.watchers.saturating_sub(1);
            view.unwatched_ms = now_ms;
        }
    }

    /// Drops the cells that nobody has seen for a while, and names them.
    pub(super) fn sweep(&mut self, now_ms: u64) -> Vec<CellIndex> {
        let over =
            |view: &CellView| view.watchers == 0 && now_ms.saturating_sub(view.unwatched_ms) >= LINGER_MS;
        let mut dropped: Vec<CellIndex> = self
            .cells
            .iter()
            .filter(|(_, view)| over(view))
            .map(|(cell, _)| *cell)
            .collect();
        dropped.sort_unstable();
        for cell in &dropped {
            self.cells.remove(cell);
            self.version += 1;
        }
        dropped
    }

    /// Takes what a region published; the caller has checked that the publisher serves it. Leaves in `ask` the cells that
    /// need a fresh keyframe.
    pub(super) fn take(&mut self, published: &RegionCells, now_ms: u64, ask: &mut Vec<CellIndex>) {
        let clock = RegionClock {
            epoch: published.region_epoch,
            tick: published.tick,
            server_time_ms: published.server_time_ms,
        };
        self.version += 1;
        self.set_clock(published.region, clock);
        for (bytes, decoded) in &published.cells {
            let Some(view) = self.cells.get_mut(&decoded.cell) else {
                continue;
            };
            if view.region != published.region {
                continue;
            }
            if view.epoch != published.region_epoch {
                view.forget();
                view.epoch = published.region_epoch;
            }
            if view.take(bytes, decoded) == Taken::Gap && now_ms.saturating_sub(view.asked_ms) >= ASK_AGAIN_MS
            {
                view.asked_ms = now_ms;
                ask.push(decoded.cell);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: RegionNumber = RegionNumber(1);
    const ONE: CellIndex = CellIndex(0);
    const OTHER: CellIndex = CellIndex(1);

    /// The keyframe of an empty cell that was published so often before.
    fn published(cell: CellIndex, epoch: u64, seq: u32) -> RegionCells {
        let grid = CellGrid::new([128, 64], 32).unwrap();
        let mut encoder = CellEncoder::new(PositionForm::of(&grid));
        let bytes = encoder.finish_keyframe(cell, seq);
        let decoded = DecodedCell::parse(&bytes, &grid).unwrap();
        RegionCells {
            node: NodeNumber(1),
            region: REGION,
            region_epoch: RegionEpoch(epoch),
            tick: 1,
            server_time_ms: 0,
            cells: vec![(bytes, decoded)],
        }
    }

    #[test]
    fn cells_of_an_earlier_service_are_not_shown_as_those_of_the_next() {
        let by_tick = |views: &mut CellViews| views.ticked(REGION, RegionEpoch(2), 1, 0);
        let by_cell = |views: &mut CellViews| views.take(&published(OTHER, 2, 3), 0, &mut Vec::new());
        for next in [by_tick as fn(&mut CellViews), by_cell] {
            let mut views = CellViews::new(&CellGrid::new([128, 64], 32).unwrap());
            for cell in [ONE, OTHER] {
                views.watch(cell, REGION, 0);
                views.take(&published(cell, 1, 90), 0, &mut Vec::new());
            }
            views.ticked(REGION, RegionEpoch(1), 2, 0);
            let seq = |views: &CellViews| views.get(ONE).and_then(CellView::seq);
            assert_eq!(seq(&views), Some(90));
            next(&mut views);
            let said = views.region(REGION).map(|said| said.region_epoch);
            assert_eq!((said, seq(&views)), (Some(2), None));
            views.take(&published(ONE, 2, 4), 0, &mut Vec::new());
            assert_eq!(seq(&views), Some(4));
        }
    }
}
