//! Where players stand: how many in each cell, and how many of the others each of them sees.

use protocol::geometry::{CellGrid, CellIndex, Position};

use super::Load;
use crate::Topology;

/// Where players stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// The part of them that gathers, from 0 to 1; the others are spread evenly over the world.
    pub gathered: f64,
    /// Where they gather, as many at each place. Nobody does without one.
    pub at: Vec<Gathering>,
}

/// A place where players gather.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gathering {
    /// Its middle.
    pub at: Position,
    /// How far around they stand, units: evenly over the cells whose middles are as near, at least over the one that it lies in.
    pub radius: f32,
}

/// Players by cell.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    pub(super) grid: CellGrid,
    rings: u32,
    by_cell: Vec<f64>,
    /// Sums over all cells that lie up and left, with a row and a column of zeros before them: any rectangle is four of them.
    sums: Vec<f64>,
    players: f64,
}

impl Crowd {
    pub(super) fn new(topology: &Topology, load: &Load) -> Self {
        let grid = topology.world().grid();
        let players = f64::from(load.players);
        let gathered = if load.spread.at.is_empty() {
            0.0
        } else {
            load.spread.gathered.clamp(0.0, 1.0)
        };
        let cells = f64::from(grid.len().max(1));
        let mut by_cell = vec![players * (1.0 - gathered) / cells; grid.len() as usize];
        for place in &load.spread.at {
            let around = cells_around(grid, *place);
            let each = players * gathered / load.spread.at.len() as f64 / around.len() as f64;
            for cell in around {
                by_cell[cell.0 as usize] += each;
            }
        }
        let sums = sums(grid, &by_cell);
        Self {
            grid,
            rings: topology.world().view_rings,
            by_cell,
            sums,
            players,
        }
    }

    /// Players in a cell.
    pub(super) fn of(&self, cell: CellIndex) -> f64 {
        self.by_cell[cell.0 as usize]
    }

    /// Players who see a cell: those in it and in the rings around it.
    pub(super) fn viewers(&self, cell: CellIndex) -> f64 {
        let (column, row) = self.grid.column_row(cell);
        let width = self.grid.columns as usize + 1;
        let span = |at: u32, end: u32| {
            let first = at.saturating_sub(self.rings) as usize;
            (first, (at + self.rings + 1).min(end) as usize)
        };
        let ((left, right), (top, bottom)) = (span(column, self.grid.columns), span(row, self.grid.rows));
        let sum = |column: usize, row: usize| self.sums[row * width + column];
        (sum(right, bottom) - sum(left, bottom) - sum(right, top) + sum(left, top)).max(0.0)
    }

    /// Others that somebody in this cell sees.
    pub(super) fn visible(&self, cell: CellIndex) -> f64 {
        // Of the players who see a cell one is the one who looks.
        self.viewers(cell) * (1.0 - 1.0 / self.players.max(1.0))
    }

    pub(super) fn visible_mean_and_most(&self) -> [f64; 2] {
        let cells = (0..self.grid.len()).map(CellIndex);
        let seen = cells.map(|cell| (self.of(cell), self.visible(cell)));
        let (mut sum, mut most) = (0.0, 0.0_f64);
        for (players, visible) in seen {
            sum += players * visible;
            most = most.max(visible);
        }
        [sum / self.players.max(1.0), most]
    }
}

fn cells_around(grid: CellGrid, place: Gathering) -> Vec<CellIndex> {
    let half = grid.cell_size as f32 / 2.0;
    let is_near = |cell: &CellIndex| {
        let Position { x, y } = grid.origin(*cell);
        let middle = Position {
            x: x + half,
            y: y + half,
        };
        middle.distance_squared(place.at) <= place.radius * place.radius
    };
    let near: Vec<_> = (0..grid.len()).map(CellIndex).filter(is_near).collect();
    if near.is_empty() {
        return vec![grid.cell_at(place.at)];
    }
    near
}

fn sums(grid: CellGrid, by_cell: &[f64]) -> Vec<f64> {
    let (columns, rows) = (grid.columns as usize, grid.rows as usize);
    let width = columns + 1;
    let mut sums = vec![0.0; width * (rows + 1)];
    for row in 0..rows {
        let mut line = 0.0;
        for column in 0..columns {
            line += by_cell[row * columns + column];
            sums[(row + 1) * width + column + 1] = sums[row * width + column + 1] + line;
        }
    }
    sums
}
