//! What a client knows of the world: the cells of its view, and every entity in them by id.
//!
//! An entity may be seen twice for a moment, on both sides of a border. The sighting with the highest (owner epoch, tick)
//! is true, in whatever order they came; a removal counts only for an entity that is still in the cell it is removed from.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::FixedState;
use protocol::cell::{
    Applied, CellEntity, CellState, Change, DecodedCell, Gap, ParsedSnapshot, RemoveReason,
};
use protocol::geometry::{CellGrid, CellIndex, Layer};
use protocol::ids::EntityId;

use super::entity::{Entity, Leaving, When};

/// How long an entity that moved out of a cell is kept until it appears in the next one, milliseconds.
const MOVED_GRACE_MS: u64 = 500;
/// How long a cell counts as a crowd, of which only the nearest are shown, after they were, milliseconds.
const CROWD_LASTS_MS: u64 = 2_000;

/// The fixed shape of a world, as the proxy describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldShape {
    /// The world's cells.
    pub grid: CellGrid,
    /// Rings of cells around the home cell that are in view.
    pub view_rings: u32,
    /// Rings in which those are seen that show themselves from afar; 0: there are none.
    pub far_rings: u32,
    /// Ticks per second.
    pub tick_hz: u32,
    /// Region number of each cell, by index.
    pub regions: Vec<u32>,
}

impl WorldShape {
    /// Whether a client whose home cell this is sees that one. What it alone sees is no question of rings.
    fn sees(&self, home: CellIndex, cell: CellIndex) -> bool {
        let rings = match self.grid.layer(cell) {
            Some(Layer::Near) => self.view_rings,
            Some(Layer::Far) if self.far_rings > 0 => self.far_rings,
            Some(Layer::Far | Layer::Unseen) | None => return false,
        };
        self.grid.rings_between(cell, home) <= rings
    }
}

#[derive(Clone, Debug, Default)]
struct Cell {
    region_epoch: u64,
    state: CellState,
    /// When the whole state last moved on, milliseconds.
    whole_at_ms: u64,
    /// When a crowd's nearest last came, and when the time before, milliseconds.
    partial_at_ms: Option<u64>,
    partial_before_ms: Option<u64>,
}

/// Looked into once for everybody who moves. Its order depends on nothing but what was put in: equal seeds stay equal. Ids
/// are the cluster's own, so nobody can choose them to collide.
#[allow(clippy::disallowed_types, reason = "the hasher is fixed, so the order is too")]
type Entities = std::collections::HashMap<EntityId, Entity, FixedState>;

/// The world as this client sees it.
#[derive(Clone, Debug)]
pub struct World {
    shape: WorldShape,
    /// What is played, and the version of its rules.
    game: (String, u32),
    home: CellIndex,
    cells: BTreeMap<CellIndex, Cell>,
    entities: Entities,
    /// The player's own entity, and which of its jumps the view knows of.
    own: Option<EntityId>,
    discontinuity: Option<u64>,
    /// Whom this client alone sees, as the newest snapshot says.
    only: BTreeSet<EntityId>,
    /// When somebody may have to fade, milliseconds; most of the time nobody is about to.
    fades_at_ms: Option<u64>,
}

impl World {
    /// An empty view.
    #[must_use]
    pub fn new(shape: WorldShape) -> Self {
        Self {
            shape,
            game: Default::default(),
            home: CellIndex::default(),
            cells: BTreeMap::new(),
            entities: Entities::default(),
            own: None,
            discontinuity: None,
            only: BTreeSet::new(),
            fades_at_ms: None,
        }
    }

    /// The fixed shape of the world.
    #[must_use]
    pub fn shape(&self) -> &WorldShape {
        &self.shape
    }

    /// The game that is played, and the version of its rules; `None` when the proxy had not heard of it yet.
    #[must_use]
    pub fn game(&self) -> Option<(&str, u32)> {
        let (id, version) = &self.game;
        (!id.is_empty()).then_some((id, *version))
    }

    pub(super) fn set_game(&mut self, id: String, version: u32) {
        self.game = (id, version);
    }

    /// Everybody in view.
    pub fn entities(&self) -> impl ExactSizeIterator<Item = &Entity> {
        self.entities.values()
    }

    /// One entity, if it is in view.
    #[must_use]
    pub fn entity(&self, id: EntityId) -> Option<&Entity> {
        self.entities.get(&id)
    }

    /// Centre of the view.
    #[must_use]
    pub fn home(&self) -> CellIndex {
        self.home
    }

    /// Takes a snapshot; the caller has checked that it is the newest.
    pub(super) fn take(&mut self, snapshot: &ParsedSnapshot, now_ms: u64) {
        self.look(CellIndex(snapshot.head.home_cell));
        let grid = self.shape.grid;
        for updates in snapshot.cells.chunk_by(|one, next| one.cell == next.cell) {
            let Some(update) = updates.first() else { continue };
            let region = self.shape.regions.get(grid.ground(update.cell).0 as usize);
            let view = snapshot
                .head
                .regions
                .iter()
                .find(|view| Some(&view.region) == region);
            if let Some(view) = view.filter(|_| self.shape.sees(self.home, update.cell)) {
                self.take_cell(update.cell, updates, (view.region_epoch, view.tick), now_ms);
            }
        }
        self.take_only(&snapshot.cells, snapshot.head.tick, now_ms);
        self.notice_jump(snapshot.head.discontinuity, now_ms);
        self.fade(now_ms);
    }

    /// Which entity is the player's own.
    pub(super) fn set_own(&mut self, entity: EntityId) {
        self.own = Some(entity);
    }

    /// The player may have been put somewhere else than it walked to, as a snapshot of this moment says.
    fn notice_jump(&mut self, discontinuity: u64, now_ms: u64) {
        let before = self.discontinuity.replace(discontinuity);
        let own = self.own.and_then(|own| self.entities.get_mut(&own));
        if let Some(own) = own.filter(|_| before.is_some_and(|before| before != discontinuity)) {
            own.jump(now_ms);
        }
    }

    /// Takes whom this client alone sees, in the first cells of a snapshot: all of them, or they are seen no more.
    fn take_only(&mut self, cells: &[DecodedCell], tick: u64, now_ms: u64) {
        let grid = self.shape.grid;
        let is_unseen = |cell: CellIndex| grid.layer(cell) == Some(Layer::Unseen);
        let before = std::mem::take(&mut self.only);
        for cell in cells.iter().take_while(|cell| is_unseen(cell.cell)) {
            let sighting = self.sighting(cell.cell, tick, now_ms);
            for add in &cell.adds {
                sighting.see(&mut self.entities, &add.entity, News::Whole);
                self.only.insert(add.entity.id);
            }
        }
        for id in before.difference(&self.only) {
            // Others may see it now, and this client with them.
            if self.entities.get(id).is_some_and(|entity| is_unseen(entity.cell)) {
                self.entities.remove(id);
            }
        }
    }

    fn sighting(&self, cell: CellIndex, tick: u64, now_ms: u64) -> Sighting {
        let tick_ms = 1_000 / u64::from(self.shape.tick_hz.max(1));
        Sighting {
            grid: self.shape.grid,
            cell,
            when: When {
                tick,
                tick_ms,
                now_ms,
            },
        }
    }

    /// Drops what left the view, exactly when the proxy does.
    fn look(&mut self, home: CellIndex) {
        if home == self.home {
            return;
        }
        self.home = home;
        let (shape, only) = (&self.shape, &self.only);
        self.cells.retain(|cell, _| shape.sees(home, *cell));
        let is_seen = |id: &EntityId, entity: &Entity| shape.sees(home, entity.cell) || only.contains(id);
        self.entities.retain(|id, entity| is_seen(id, entity));
    }

    /// Takes what a snapshot says of one cell: one update, or several deltas that lead to now.
    fn take_cell(
        &mut self,
        index: CellIndex,
        updates: &[DecodedCell],
        (region_epoch, tick): (u64, u64),
        now_ms: u64,
    ) {
        let sighting = self.sighting(index, tick, now_ms);
        let (shape, home) = (&self.shape, self.home);
        let entities = &mut self.entities;
        let cell = self.cells.entry(index).or_default();
        if region_epoch < cell.region_epoch {
            return;
        }
        if region_epoch > cell.region_epoch {
            *cell = Cell {
                region_epoch,
                ..Cell::default()
            };
            entities.retain(|_, entity| entity.cell != index);
        }
        let fades_at_ms = &mut self.fades_at_ms;
        let mut tell = |change: Change<'_>| match change {
            Change::Added(seen) | Change::Changed(seen) => sighting.see(entities, seen, News::Whole),
            Change::Moved(seen) => sighting.see(entities, seen, News::Motion),
            Change::Removed { entity, reason } => {
                let next = match reason {
                    Some(RemoveReason::Moved { cell, .. }) if shape.sees(home, cell) => Some(cell),
                    _ => None,
                };
                if sighting.lose(entities, entity.id, next) {
                    fades_at_ms.get_or_insert(now_ms + MOVED_GRACE_MS);
                }
            }
        };
        // A gap changes nothing: the proxy sees from the acknowledgements what is missing and repeats it.
        let note = |cell: &mut Cell, applied: Result<Applied, Gap>| match applied {
            Ok(Applied::Advanced) => cell.whole_at_ms = now_ms,
            Ok(Applied::Partially) => cell.partial_before_ms = cell.partial_at_ms.replace(now_ms),
            Ok(Applied::Stale) | Err(_) => {}
        };
        if let [update] = updates {
            let applied = cell.state.apply_with(update, &mut tell);
            note(cell, applied);
        } else {
            // Those before the last are old news under the tick of now: only where they lead to is a sighting.
            let mut outcomes = BTreeMap::new();
            for update in updates {
                let applied = cell
                    .state
                    .apply_with(update, |change| Outcome::note(&mut outcomes, change));
                note(cell, applied);
            }
            outcomes.values().for_each(|outcome| tell(outcome.as_change()));
        }
        if cell.partial_at_ms == Some(now_ms) {
            self.fades_at_ms = Some(now_ms);
        }
    }

    /// Drops who moved away and did not appear again, and who a crowd's partial pictures no longer show.
    fn fade(&mut self, now_ms: u64) {
        if self.fades_at_ms.is_none_or(|at| now_ms < at) {
            return;
        }
        let crowds = |cell: &Cell| {
            let partial_ms = cell.partial_at_ms.map(|at| now_ms.saturating_sub(at));
            partial_ms.is_some_and(|ms| ms < CROWD_LASTS_MS)
        };
        let crowded = self.cells.values().any(crowds);
        let mut next_ms = crowded.then_some(now_ms);
        let cells = &self.cells;
        self.entities.retain(|_, entity| {
            let leaves = entity.leaves;
            let leaves_at_ms = leaves.map(|leaves| leaves.since_ms + MOVED_GRACE_MS);
            let left = leaves_at_ms.is_some_and(|at| now_ms >= at);
            let (index, since_ms) = leaves.map_or((entity.cell, entity.seen_at_ms), |leaves| {
                (leaves.to, leaves.since_ms)
            });
            // Whoever is not among the nearest of two pictures in a row is not near any more, wherever it was seen last.
            let is_unshown = |cell: &Cell| {
                let before_ms = cell.partial_before_ms.filter(|_| crowds(cell));
                before_ms.is_some_and(|before_ms| since_ms.max(cell.whole_at_ms) < before_ms)
            };
            let fades = left || crowded && cells.get(&index).is_some_and(is_unshown);
            if let Some(at_ms) = leaves_at_ms.filter(|_| !fades) {
                next_ms = Some(next_ms.map_or(at_ms, |next_ms| next_ms.min(at_ms)));
            }
            !fades
        });
        self.fades_at_ms = next_ms;
    }
}

/// What several updates of a cell come to for one entity.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Seen(CellEntity, News),
    Lost(CellEntity, Option<RemoveReason>),
}

impl Outcome {
    fn note(outcomes: &mut BTreeMap<EntityId, Self>, change: Change<'_>) {
        let (id, outcome) = match change {
            Change::Added(seen) | Change::Changed(seen) => (seen.id, Self::Seen(*seen, News::Whole)),
            Change::Moved(seen) => {
                let before = outcomes.get(&seen.id);
                let whole = matches!(before, Some(Self::Seen(_, News::Whole)));
                let news = if whole { News::Whole } else { News::Motion };
                (seen.id, Self::Seen(*seen, news))
            }
            Change::Removed { entity, reason } => (entity.id, Self::Lost(*entity, reason)),
        };
        outcomes.insert(id, outcome);
    }

    fn as_change(&self) -> Change<'_> {
        match self {
            Self::Seen(entity, News::Whole) => Change::Changed(entity),
            Self::Seen(entity, News::Motion) => Change::Moved(entity),
            Self::Lost(entity, reason) => Change::Removed {
                entity,
                reason: *reason,
            },
        }
    }
}

/// What a sighting says of somebody who was seen in this cell before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// Everything.
    Whole,
    /// Only where to, and how fast.
    Motion,
}

/// Where and when something is seen.
struct Sighting {
    grid: CellGrid,
    cell: CellIndex,
    when: When,
}

impl Sighting {
    fn see(&self, entities: &mut Entities, seen: &CellEntity, news: News) {
        let at = seen.motion.at.position(self.cell, &self.grid);
        match entities.get_mut(&seen.id) {
            Some(known) => {
                // Ticks of two regions count from different beginnings, but then the epochs differ as well.
                let newer = (seen.owner_epoch, self.when.tick) >= (known.owner_epoch, known.tick);
                if newer && news == News::Motion && known.cell == self.cell {
                    known.moved(seen, at, self.when);
                } else if newer {
                    known.update(seen, self.cell, at, self.when);
                }
            }
            None => {
                let entity = Entity::new(seen, self.cell, at, self.when);
                entities.insert(seen.id, entity);
            }
        }
    }

    /// `next`: a cell in view where it is to appear. Returns whether it is to fade unless it does.
    fn lose(&self, entities: &mut Entities, id: EntityId, next: Option<CellIndex>) -> bool {
        let Some(entity) = entities.get_mut(&id).filter(|entity| entity.cell == self.cell) else {
            return false;
        };
        if let Some(to) = next {
            let since_ms = self.when.now_ms;
            entity.leaves.get_or_insert(Leaving { to, since_ms });
        } else {
            entities.remove(&id);
        }
        next.is_some()
    }
}

#[cfg(test)]
mod tests;
