//! The world's plane: positions, rectangles, and the grid of cells that publication and views are made of.

use std::fmt;

/// A place in the world, in units; x grows to the east, y to the south.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    /// Units from the western edge.
    pub x: f32,
    /// Units from the northern edge.
    pub y: f32,
}

impl Position {
    /// Square of the distance to `other`, units².
    #[must_use]
    pub fn distance_squared(self, other: Self) -> f32 {
        let (dx, dy) = (self.x - other.x, self.y - other.y);
        dx * dx + dy * dy
    }
}

/// A rectangle of the world in whole units: `min` inside, `max` outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// West and north edge.
    pub min: [u32; 2],
    /// East and south edge.
    pub max: [u32; 2],
}

impl Rect {
    /// Whether the position lies in the rectangle.
    #[must_use]
    pub fn contains(&self, at: Position) -> bool {
        at.x >= self.min[0] as f32
            && at.y >= self.min[1] as f32
            && at.x < self.max[0] as f32
            && at.y < self.max[1] as f32
    }

    /// Units from the position to the nearest point of the rectangle (Chebyshev); 0 inside.
    #[must_use]
    pub fn distance(&self, at: Position) -> f32 {
        let axis = |value: f32, min: u32, max: u32| (min as f32 - value).max(value - max as f32).max(0.0);
        axis(at.x, self.min[0], self.max[0]).max(axis(at.y, self.min[1], self.max[1]))
    }

    /// The position moved to the nearest point that lies at least `margin` units inside.
    #[must_use]
    pub fn clamp(&self, at: Position, margin: f32) -> Position {
        let axis = |value: f32, min: u32, max: u32| {
            let (low, high) = (min as f32 + margin, max as f32 - margin);
            value.min(high).max(low.min(high))
        };
        Position {
            x: axis(at.x, self.min[0], self.max[0]),
            y: axis(at.y, self.min[1], self.max[1]),
        }
    }
}

/// One cell of the world's grid, counted in rows from the north-west corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellIndex(pub u32);

impl fmt::Display for CellIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The layers of the grid: each cell is there once in each of them, and holds who is shown so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Who is seen from near: the cells that have an index below the number of cells.
    #[default]
    Near,
    /// Who is seen from afar as well.
    Far,
    /// Whom other servers see, and of clients one at most.
    Unseen,
}

impl Layer {
    /// All of them, in the order of their indices.
    pub const ALL: [Self; 3] = [Self::Near, Self::Far, Self::Unseen];
}

/// The world cut into square cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellGrid {
    /// Edge of a cell, units.
    pub cell_size: u32,
    /// Cells from west to east.
    pub columns: u32,
    /// Cells from north to south.
    pub rows: u32,
}

impl CellGrid {
    /// The grid of a world of `size` units; `None` unless both edges are multiples of `cell_size` and the number of
    /// cells fits in 32 bits.
    #[must_use]
    pub fn new(size: [u32; 2], cell_size: u32) -> Option<Self> {
        let columns = size[0].checked_div(cell_size)?;
        let rows = size[1].checked_div(cell_size)?;
        let exact = columns.checked_mul(cell_size)? == size[0] && rows.checked_mul(cell_size)? == size[1];
        let cells = columns.checked_mul(rows)?;
        (exact && cells > 0).then_some(Self {
            cell_size,
            columns,
            rows,
        })
    }

    /// Number of cells in one layer.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.columns.saturating_mul(self.rows)
    }

    /// Never: a grid has at least one cell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the cell is one of this grid, in its first layer.
    #[must_use]
    pub fn holds(&self, cell: CellIndex) -> bool {
        cell.0 < self.len()
    }

    /// The layer of a cell; `None` for one that is in none.
    #[must_use]
    pub fn layer(&self, cell: CellIndex) -> Option<Layer> {
        let layer = cell.0.checked_div(self.len())?;
        Layer::ALL.get(layer as usize).copied()
    }

    /// The same cell in the first layer.
    #[must_use]
    pub fn ground(&self, cell: CellIndex) -> CellIndex {
        if self.holds(cell) {
            return cell;
        }
        CellIndex(cell.0.checked_rem(self.len()).unwrap_or(0))
    }

    /// The same cell in another layer.
    #[must_use]
    pub fn on(&self, cell: CellIndex, layer: Layer) -> CellIndex {
        let below = self.len().saturating_mul(layer as u32);
        CellIndex(self.ground(cell).0.saturating_add(below))
    }

    /// The cell under a position; positions outside the world count to the nearest cell.
    #[must_use]
    pub fn cell_at(&self, at: Position) -> CellIndex {
        // `as` from float saturates and turns NaN into 0: outside and nonsense both land on the rim.
        let column = ((at.x / self.cell_size as f32) as u32).min(self.columns.saturating_sub(1));
        let row = ((at.y / self.cell_size as f32) as u32).min(self.rows.saturating_sub(1));
        self.cell(column, row)
    }

    /// The cell in this column and row, which must be inside the grid.
    #[must_use]
    pub fn cell(&self, column: u32, row: u32) -> CellIndex {
        CellIndex(row.saturating_mul(self.columns).saturating_add(column))
    }

    /// Column and row of a cell, of whichever layer.
    #[must_use]
    pub fn column_row(&self, cell: CellIndex) -> (u32, u32) {
        let (cell, columns) = (self.ground(cell), self.columns.max(1));
        (
            cell.0.checked_rem(columns).unwrap_or(0),
            cell.0.checked_div(columns).unwrap_or(0),
        )
    }

    /// North-west corner of a cell.
    #[must_use]
    pub fn origin(&self, cell: CellIndex) -> Position {
        let (column, row) = self.column_row(cell);
        Position {
            x: column.saturating_mul(self.cell_size) as f32,
            y: row.saturating_mul(self.cell_size) as f32,
        }
    }

    /// The cell and the `rings` rings of cells around it, row by row, without what lies outside the world.
    pub fn around(&self, cell: CellIndex, rings: u32) -> impl Iterator<Item = CellIndex> + use<> {
        let grid = *self;
        let (column, row) = self.column_row(cell);
        let span = |at: u32, end: u32| {
            at.saturating_sub(rings)..=at.saturating_add(rings).min(end.saturating_sub(1))
        };
        let columns = span(column, self.columns);
        span(row, self.rows).flat_map(move |row| columns.clone().map(move |column| grid.cell(column, row)))
    }

    /// All cells of a rectangle whose edges are multiples of the cell size, row by row.
    pub fn within(&self, rect: Rect) -> impl Iterator<Item = CellIndex> + use<> {
        let grid = *self;
        let size = self.cell_size.max(1);
        let span = |axis: usize, end: u32| {
            let first = rect
                .min
                .get(axis)
                .copied()
                .unwrap_or(0)
                .checked_div(size)
                .unwrap_or(0);
            let last = rect.max.get(axis).copied().unwrap_or(0).div_ceil(size).min(end);
            first..last
        };
        let columns = span(0, self.columns);
        span(1, self.rows).flat_map(move |row| columns.clone().map(move |column| grid.cell(column, row)))
    }

    /// Rings between two cells: 0 for the same, 1 for neighbours and diagonals.
    #[must_use]
    pub fn rings_between(&self, a: CellIndex, b: CellIndex) -> u32 {
        let ((ac, ar), (bc, br)) = (self.column_row(a), self.column_row(b));
        ac.abs_diff(bc).max(ar.abs_diff(br))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> CellGrid {
        CellGrid::new([128, 96], 32).unwrap()
    }

    #[test]
    fn a_grid_needs_whole_cells() {
        assert_eq!(
            grid(),
            CellGrid {
                cell_size: 32,
                columns: 4,
                rows: 3
            }
        );
        assert_eq!(CellGrid::new([100, 96], 32), None);
        assert_eq!(CellGrid::new([96, 96], 0), None);
        assert_eq!(CellGrid::new([0, 96], 32), None);
        assert_eq!(CellGrid::new([1 << 31, 1 << 31], 1), None);
    }

    #[test]
    fn positions_outside_and_nonsense_count_to_the_rim() {
        let cell = |x, y| grid().cell_at(Position { x, y }).0;
        assert_eq!(cell(0.0, 0.0), 0);
        assert_eq!(cell(31.9, 32.0), 4);
        assert_eq!(cell(-5.0, -0.1), 0);
        assert_eq!(cell(1e9, 95.9), 11);
        assert_eq!(cell(f32::NAN, f32::INFINITY), 8);
    }

    #[test]
    fn rings_stop_at_the_edge_of_the_world() {
        let around: Vec<u32> = grid().around(CellIndex(0), 1).map(|cell| cell.0).collect();
        assert_eq!(around, [0, 1, 4, 5]);
        assert_eq!(grid().around(CellIndex(5), 1).count(), 9);
        assert_eq!(grid().around(CellIndex(5), 9).count(), 12);
        assert_eq!(grid().rings_between(CellIndex(0), CellIndex(11)), 3);
    }

    #[test]
    fn each_cell_is_in_every_layer_at_the_same_place() {
        let (grid, cell) = (grid(), CellIndex(7));
        let layers = Layer::ALL.map(|layer| grid.on(cell, layer));
        assert_eq!(layers, [7, 19, 31].map(CellIndex));
        for (cell, layer) in layers.into_iter().zip(Layer::ALL) {
            assert_eq!(grid.layer(cell), Some(layer));
            assert_eq!((grid.ground(cell), grid.column_row(cell)), (CellIndex(7), (3, 1)));
            assert_eq!(grid.on(cell, Layer::Far), CellIndex(19));
            assert_eq!(grid.rings_between(cell, CellIndex(0)), 3);
        }
        assert_eq!(
            (grid.layer(CellIndex(35)), grid.layer(CellIndex(36))),
            (Some(Layer::Unseen), None)
        );
    }

    #[test]
    fn a_rectangle_holds_its_own_cells() {
        let cells: Vec<u32> = grid()
            .within(Rect {
                min: [64, 0],
                max: [128, 64],
            })
            .map(|cell| cell.0)
            .collect();
        assert_eq!(cells, [2, 3, 6, 7]);
    }

    #[test]
    fn distance_and_clamp_agree_on_what_inside_means() {
        let rect = Rect {
            min: [32, 32],
            max: [64, 64],
        };
        assert_eq!(rect.distance(Position { x: 40.0, y: 40.0 }), 0.0);
        assert_eq!(rect.distance(Position { x: 30.0, y: 70.0 }), 6.0);
        assert_eq!(
            rect.clamp(Position { x: 30.0, y: 70.0 }, 1.0),
            Position { x: 33.0, y: 63.0 }
        );
        assert!(!rect.contains(Position { x: 64.0, y: 40.0 }));
    }
}
