//! Answers prepared once per topology, because they are asked per input and per tick: the region of each cell, and
//! the neighbours of each region.

use protocol::geometry::{CellGrid, CellIndex, Rect};
use protocol::ids::RegionNumber;

use super::{Region, WorldSpec};

/// The prepared answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    /// Index into the regions, by cell.
    by_cell: Vec<u16>,
    /// Index into the regions, by number, ascending.
    by_number: Vec<(RegionNumber, u16)>,
    /// Numbers of the neighbours, by index of the region, ascending.
    neighbours: Vec<Vec<RegionNumber>>,
    grid: CellGrid,
}

impl Table {
    pub(super) fn new(world: &WorldSpec, regions: &[Region]) -> Self {
        let grid = world.grid();
        let mut by_cell = vec![0; grid.len() as usize];
        for (index, region) in regions.iter().enumerate() {
            for cell in grid.within(region.rect) {
                by_cell[cell.0 as usize] = index as u16;
            }
        }
        let numbers = regions.iter().enumerate();
        let mut by_number: Vec<_> = numbers
            .map(|(index, region)| (region.number, index as u16))
            .collect();
        by_number.sort_unstable();
        let neighbours = regions
            .iter()
            .map(|region| neighbours_of(world, regions, region))
            .collect();
        Self {
            by_cell,
            by_number,
            neighbours,
            grid,
        }
    }

    pub(super) fn grid(&self) -> CellGrid {
        self.grid
    }

    pub(super) fn region_index(&self, cell: CellIndex) -> Option<usize> {
        self.by_cell.get(cell.0 as usize).map(|&index| usize::from(index))
    }

    pub(super) fn index_of(&self, region: RegionNumber) -> Option<usize> {
        let found = self
            .by_number
            .binary_search_by_key(&region, |&(number, _)| number)
            .ok()?;
        Some(usize::from(self.by_number[found].1))
    }

    pub(super) fn neighbours(&self, region_index: usize) -> &[RegionNumber] {
        self.neighbours.get(region_index).map_or(&[], Vec::as_slice)
    }
}

fn neighbours_of(world: &WorldSpec, regions: &[Region], region: &Region) -> Vec<RegionNumber> {
    let reach = widened(world, region.rect);
    let mut found: Vec<_> = regions
        .iter()
        .filter(|other| other.number != region.number && common(reach, other.rect).is_some())
        .map(|other| other.number)
        .collect();
    found.sort_unstable();
    found
}

/// The rectangle with a border strip around it, inside the world.
pub(super) fn widened(world: &WorldSpec, rect: Rect) -> Rect {
    let strip = world.border_cells.saturating_mul(world.cell_size);
    Rect {
        min: rect.min.map(|edge| edge.saturating_sub(strip)),
        max: [0, 1].map(|axis| rect.max[axis].saturating_add(strip).min(world.size[axis])),
    }
}

/// What two rectangles have in common; `None` when that is nothing.
pub(crate) fn common(a: Rect, b: Rect) -> Option<Rect> {
    let min = [0, 1].map(|axis| a.min[axis].max(b.min[axis]));
    let max = [0, 1].map(|axis| a.max[axis].min(b.max[axis]));
    (min[0] < max[0] && min[1] < max[1]).then_some(Rect { min, max })
}
