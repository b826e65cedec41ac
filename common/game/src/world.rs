//! The world as all regions of it know it: the same on every server.

use protocol::geometry::{CellGrid, Rect};
use protocol::ids::RegionNumber;

/// The plan of the world.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    name: String,
    grid: CellGrid,
    tick_hz: u32,
    /// By number.
    regions: Vec<(RegionNumber, Rect)>,
}

impl World {
    /// A world of these cells, cut into regions.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        grid: CellGrid,
        tick_hz: u32,
        regions: impl IntoIterator<Item = (RegionNumber, Rect)>,
    ) -> Self {
        let mut regions: Vec<_> = regions.into_iter().collect();
        regions.sort_by_key(|(number, _)| *number);
        Self {
            name: name.into(),
            grid,
            tick_hz,
            regions,
        }
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Units from west to east and from north to south; the origin is 0,0.
    #[must_use]
    pub fn size(&self) -> [u32; 2] {
        let CellGrid {
            cell_size,
            columns,
            rows,
        } = self.grid;
        [columns, rows].map(|cells| cells.saturating_mul(cell_size))
    }

    /// The cells that it is published by; edges of regions lie on edges of cells.
    #[must_use]
    pub fn grid(&self) -> CellGrid {
        self.grid
    }

    /// Ticks of a region per second.
    #[must_use]
    pub fn tick_hz(&self) -> u32 {
        self.tick_hz
    }

    /// The part of the world that a region simulates.
    #[must_use]
    pub fn region(&self, number: RegionNumber) -> Option<Rect> {
        let at = self.regions.binary_search_by_key(&number, |(number, _)| *number);
        at.ok().and_then(|at| self.regions.get(at)).map(|(_, rect)| *rect)
    }

    /// The one with the lowest number: its rules alone write what is kept of the world.
    #[must_use]
    pub fn first_region(&self) -> Option<RegionNumber> {
        self.regions.first().map(|(number, _)| *number)
    }

    /// All regions, by number.
    pub fn regions(&self) -> impl ExactSizeIterator<Item = (RegionNumber, Rect)> + '_ {
        self.regions.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_found_by_number_in_whatever_order_they_came() {
        let rect = |west| Rect {
            min: [west, 0],
            max: [west + 32, 32],
        };
        let regions = [(RegionNumber(7), rect(32)), (RegionNumber(2), rect(0))];
        let grid = CellGrid::new([64, 32], 16).unwrap();
        let world = World::new("two", grid, 20, regions);
        assert_eq!(world.region(RegionNumber(7)), Some(rect(32)));
        assert_eq!(world.region(RegionNumber(2)), Some(rect(0)));
        assert_eq!(world.region(RegionNumber(3)), None);
        assert_eq!(world.size(), [64, 32]);
    }
}
