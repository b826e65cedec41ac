//! Ghosts: the entities in the neighbours' border strips, as their own regions publish them. They are looked at and
//! never passed on: proxies subscribe to the neighbour itself.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use game::FixedMap;
use game::{EntityView, Place};
use protocol::cell::{Add, Applied, CellState, Change, DecodedCell, Gap, speed};
use protocol::geometry::{CellGrid, CellIndex, Layer, Position};
use protocol::ids::{EntityId, RegionEpoch, RegionNumber};
use protocol::visibility::Visibility;

/// What is seen of one neighbour.
#[derive(Debug, Default)]
struct Neighbour {
    epoch: RegionEpoch,
    /// The cells that were asked for. More of them may come, which another region of this node has asked for.
    strip: BTreeSet<CellIndex>,
    cells: BTreeMap<CellIndex, CellState>,
    /// When its ghosts go, milliseconds: its server is away.
    fades_at_ms: Option<u64>,
}

/// Where a ghost was seen last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sighting {
    region: RegionNumber,
    cell: CellIndex,
    slot: u16,
}

/// Everything seen of the neighbours.
#[derive(Debug, Default)]
pub(in crate::region) struct Ghosts {
    neighbours: BTreeMap<RegionNumber, Neighbour>,
    /// By entity, so that nobody has to look through all strips for one.
    sightings: FixedMap<EntityId, Sighting>,
}

impl Ghosts {
    /// The cells of a neighbour are asked for, from whoever serves it at this epoch.
    pub(super) fn watch(&mut self, region: RegionNumber, epoch: RegionEpoch, strip: &[CellIndex]) {
        let known = self.neighbours.get(&region);
        if known.is_some_and(|neighbour| neighbour.epoch != epoch) {
            self.forget(region);
        }
        let neighbour = self.neighbours.entry(region).or_default();
        neighbour.epoch = epoch;
        neighbour.fades_at_ms = None;
        neighbour.strip = strip.iter().copied().collect();
    }

    /// The server of these neighbours is away: their ghosts stand still, and fade at this time.
    pub(super) fn freeze(&mut self, fades_at_ms: u64, is_away: impl Fn(RegionNumber) -> bool) {
        for (region, neighbour) in &mut self.neighbours {
            if is_away(*region) {
                neighbour.fades_at_ms.get_or_insert(fades_at_ms);
            }
        }
    }

    /// Lets those go whose time has come.
    pub(super) fn fade(&mut self, now_ms: u64) {
        let due = |neighbour: &Neighbour| neighbour.fades_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        let neighbours = self.neighbours.iter_mut();
        let fading: Vec<RegionNumber> = neighbours
            .filter(|(_, neighbour)| due(neighbour))
            .map(|(region, neighbour)| {
                neighbour.fades_at_ms = None;
                *region
            })
            .collect();
        for region in fading {
            self.forget(region);
        }
    }

    /// Takes what a neighbour shows of a cell. Nothing happens without the neighbour, or of a cell that was not asked for.
    pub(super) fn apply(&mut self, region: RegionNumber, update: &DecodedCell) -> Result<(), Gap> {
        let neighbour = self.neighbours.get_mut(&region);
        let Some(neighbour) = neighbour.filter(|neighbour| neighbour.strip.contains(&update.cell)) else {
            return Ok(());
        };
        neighbour.fades_at_ms = None;
        let (cell, sightings) = (update.cell, &mut self.sightings);
        let state = neighbour.cells.entry(cell).or_default();
        let applied = state.apply_with(update, |change| {
            if let Change::Removed { entity, .. } = change
                && let Entry::Occupied(seen) = sightings.entry(entity.id)
                && (seen.get().region, seen.get().cell) == (region, cell)
            {
                seen.remove();
            }
        })?;
        if applied != Applied::Stale {
            let there = |add: &&Add| state.get(add.slot).is_some_and(|held| held.id == add.entity.id);
            for add in update.adds.iter().filter(there) {
                let slot = add.slot;
                sightings.insert(add.entity.id, Sighting { region, cell, slot });
            }
        }
        Ok(())
    }

    /// Nothing of this neighbour is seen any more.
    fn forget(&mut self, region: RegionNumber) {
        if let Some(neighbour) = self.neighbours.get_mut(&region) {
            neighbour.cells.clear();
        }
        self.sightings.retain(|_, seen| seen.region != region);
    }

    /// Calls `found` with each ghost within `radius` units.
    pub(in crate::region) fn nearby(
        &self,
        grid: &CellGrid,
        at: Position,
        radius: f32,
        found: &mut dyn FnMut(EntityView<'_>),
    ) {
        let reach = radius + grid.cell_size as f32;
        for (&region, neighbour) in &self.neighbours {
            for (&index, cell) in neighbour.cells.iter().filter(|(_, cell)| !cell.is_empty()) {
                let origin = grid.origin(index);
                if (origin.x - at.x).abs() > reach + radius || (origin.y - at.y).abs() > reach + radius {
                    continue;
                }
                let ghosts = cell
                    .entities()
                    .map(|(_, entity)| view(region, index, entity, grid));
                ghosts
                    .filter(|ghost| ghost.at.distance_squared(at) <= radius * radius)
                    .for_each(&mut *found);
            }
        }
    }

    pub(in crate::region) fn entity(&self, grid: &CellGrid, id: EntityId) -> Option<EntityView<'_>> {
        let seen = self.sightings.get(&id)?;
        let cell = self.neighbours.get(&seen.region)?.cells.get(&seen.cell)?;
        let entity = cell.get(seen.slot).filter(|entity| entity.id == id)?;
        Some(view(seen.region, seen.cell, entity, grid))
    }

    /// When the next ghosts fade, milliseconds.
    pub(in crate::region) fn fade_at_ms(&self) -> Option<u64> {
        self.neighbours
            .values()
            .filter_map(|neighbour| neighbour.fades_at_ms)
            .min()
    }

    /// What is seen of a neighbour's cell.
    #[cfg(test)]
    pub(in crate::region) fn cell(&self, region: RegionNumber, cell: CellIndex) -> Option<&CellState> {
        self.neighbours.get(&region)?.cells.get(&cell)
    }

    pub(in crate::region) fn len(&self) -> usize {
        let cells = self
            .neighbours
            .values()
            .flat_map(|neighbour| neighbour.cells.values());
        cells.map(CellState::len).sum()
    }
}

fn view<'a>(
    region: RegionNumber,
    cell: CellIndex,
    entity: &'a protocol::cell::CellEntity,
    grid: &CellGrid,
) -> EntityView<'a> {
    EntityView {
        id: entity.id,
        kind: entity.kind,
        at: entity.motion.at.position(cell, grid),
        heading: entity.motion.heading,
        speed: speed::units(entity.motion.speed),
        state: &entity.state,
        visibility: match grid.layer(cell) {
            Some(Layer::Near) => Visibility::Near,
            Some(Layer::Far) => Visibility::Far,
            // Or one of their users alone, which is theirs to know.
            Some(Layer::Unseen) | None => Visibility::Hidden,
        },
        place: Place::Ghost(region),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::cell::{CellEncoder, CellEntity, PositionForm};

    const WEST: RegionNumber = RegionNumber(1);

    fn shown(cell: CellIndex, id: u64) -> DecodedCell {
        let grid = CellGrid::new([128, 64], 32).unwrap();
        let mut encoder = CellEncoder::new(PositionForm::of(&grid));
        let entity = CellEntity {
            id: EntityId(id),
            kind: 1,
            owner_epoch: Default::default(),
            motion: Default::default(),
            state: Default::default(),
            jumped: false,
        };
        encoder.put_add(0, &entity).unwrap();
        DecodedCell::parse(&encoder.finish_keyframe(cell, 1), &grid).unwrap()
    }

    #[test]
    fn nothing_is_kept_but_what_was_asked_for() {
        let (asked, other) = (CellIndex(1), CellIndex(2));
        let mut ghosts = Ghosts::default();
        assert_eq!(ghosts.apply(WEST, &shown(asked, 7)), Ok(()));
        ghosts.watch(WEST, RegionEpoch(1), &[asked]);
        for cell in [asked, other] {
            assert_eq!(ghosts.apply(WEST, &shown(cell, u64::from(cell.0))), Ok(()));
        }
        assert_eq!(ghosts.len(), 1);
        assert!(ghosts.cell(WEST, asked).is_some() && ghosts.cell(WEST, other).is_none());
    }

    #[test]
    fn ghosts_stand_still_for_a_while_and_a_new_service_begins_without_any() {
        let mut ghosts = Ghosts::default();
        ghosts.watch(WEST, RegionEpoch(1), &[CellIndex(1)]);
        let show = |ghosts: &mut Ghosts| ghosts.apply(WEST, &shown(CellIndex(1), 7)).unwrap();
        show(&mut ghosts);
        ghosts.freeze(900, |region| region != WEST);
        assert_eq!(ghosts.fade_at_ms(), None);
        ghosts.freeze(900, |_| true);
        ghosts.freeze(1_500, |_| true);
        assert_eq!(ghosts.fade_at_ms(), Some(900));
        ghosts.fade(899);
        assert_eq!(ghosts.len(), 1);
        ghosts.fade(900);
        assert_eq!((ghosts.len(), ghosts.fade_at_ms()), (0, None));
        show(&mut ghosts);
        ghosts.freeze(900, |_| true);
        ghosts.watch(WEST, RegionEpoch(1), &[CellIndex(1)]);
        assert_eq!((ghosts.len(), ghosts.fade_at_ms()), (1, None), "it is back");
        ghosts.watch(WEST, RegionEpoch(2), &[CellIndex(1)]);
        assert_eq!(ghosts.len(), 0);
    }
}
