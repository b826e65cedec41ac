//! Where in the world there is something to do: borders between servers, and corners where regions meet.

use std::collections::{BTreeMap, BTreeSet};

use client::WorldShape;
use protocol::geometry::Position;

/// Edges of a border so near to its end or to a corner are left to other behaviours, units.
const ENDS: f32 = 10.0;

/// Which game server serves which region, as far as is known.
pub(crate) type Servers = BTreeMap<u32, String>;

/// A place on a border: half the way between two regions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Crossing {
    /// On the border itself.
    pub(crate) at: Position,
    /// Across it, one unit long.
    pub(crate) normal: Position,
}

/// A stretch of border, one cell long or longer.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    from: Position,
    to: Position,
    /// East for a border that runs from north to south.
    normal: Position,
}

/// The borders and corners of a world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    borders: Vec<Stretch>,
    corners: Vec<Position>,
    regions: BTreeSet<u32>,
    size: Position,
    cell_size: f32,
    /// Length of a tick, microseconds.
    tick_us: u64,
}

impl Places {
    /// Finds them. Regions of which it is not known who serves them count as served by different servers.
    pub(crate) fn find(shape: &WorldShape, servers: &Servers) -> Self {
        let grid = shape.grid;
        let region = |column: u32, row: u32| {
            let cell = grid.cell(column, row);
            shape.regions.get(cell.0 as usize).copied().unwrap_or_default()
        };
        let apart =
            |a: u32, b: u32| a != b && (servers.get(&a) != servers.get(&b) || !servers.contains_key(&a));
        let size = grid.cell_size as f32;
        let mut places = Self {
            size: point(grid.columns as f32 * size, grid.rows as f32 * size),
            cell_size: size,
            tick_us: 1_000_000 / u64::from(shape.tick_hz.max(1)),
            regions: shape
                .regions
                .iter()
                .copied()
                .filter(|region| *region != 0)
                .collect(),
            ..Self::default()
        };
        for row in 0..grid.rows {
            for column in 0..grid.columns {
                let (x, y) = (column as f32 * size, row as f32 * size);
                if column > 0 && apart(region(column - 1, row), region(column, row)) {
                    places.add(point(x, y), point(x, y + size), point(1.0, 0.0));
                }
                if row > 0 && apart(region(column, row - 1), region(column, row)) {
                    places.add(point(x, y), point(x + size, y), point(0.0, 1.0));
                }
                if column > 0 && row > 0 {
                    let mut around = vec![
                        region(column - 1, row - 1),
                        region(column, row - 1),
                        region(column - 1, row),
                        region(column, row),
                    ];
                    around.sort_unstable();
                    around.dedup();
                    if around.len() == 4 {
                        places.corners.push(point(x, y));
                    }
                }
            }
        }
        places.shorten();
        places
    }

    /// Length of a tick, microseconds.
    pub(crate) fn tick_us(&self) -> u64 {
        self.tick_us
    }

    /// All regions of the world.
    pub(crate) fn regions(&self) -> BTreeSet<u32> {
        self.regions.clone()
    }

    /// Joins a stretch to the one that ends where it begins.
    fn add(&mut self, from: Position, to: Position, normal: Position) {
        let before = self
            .borders
            .iter_mut()
            .find(|stretch| stretch.to == from && stretch.normal == normal);
        match before {
            Some(stretch) => stretch.to = to,
            None => self.borders.push(Stretch { from, to, normal }),
        }
    }

    /// Cuts stretches at corners and keeps away from all ends.
    fn shorten(&mut self) {
        let mut cut = Vec::new();
        for stretch in self.borders.drain(..) {
            let mut ends = vec![stretch.from, stretch.to];
            ends.extend(self.corners.iter().filter(|corner| stretch.holds(**corner)));
            ends.sort_by(|a, b| (a.x + a.y).total_cmp(&(b.x + b.y)));
            ends.dedup();
            for pair in ends.windows(2) {
                let (from, to) = (pair[0], pair[1]);
                let long = (to.x - from.x) + (to.y - from.y);
                let end = ENDS.min(long / 4.0);
                let along = point(stretch.normal.y * end, stretch.normal.x * end);
                cut.push(Stretch {
                    from: point(from.x + along.x, from.y + along.y),
                    to: point(to.x - along.x, to.y - along.y),
                    normal: stretch.normal,
                });
            }
        }
        self.borders = cut;
    }

    /// The nearest place on a border; `None` in a world without borders.
    pub(crate) fn nearest_crossing(&self, from: Position) -> Option<Crossing> {
        let nearest = |stretch: &Stretch| Crossing {
            at: point(
                from.x.clamp(stretch.from.x, stretch.to.x),
                from.y.clamp(stretch.from.y, stretch.to.y),
            ),
            normal: stretch.normal,
        };
        self.borders
            .iter()
            .map(nearest)
            .min_by(|a, b| distance(a.at, from).total_cmp(&distance(b.at, from)))
    }

    /// The nearest corner of four regions.
    pub(crate) fn nearest_corner(&self, from: Position) -> Option<Position> {
        let corners = self.corners.iter().copied();
        corners.min_by(|a, b| distance(*a, from).total_cmp(&distance(*b, from)))
    }

    /// The cell in which a crowd meets: in the middle of the north-western quarter, away from borders of a usual grid.
    pub(crate) fn crowd_cell(&self) -> (Position, f32) {
        let snap = |at: f32| (at / 4.0 / self.cell_size).floor() * self.cell_size;
        (point(snap(self.size.x), snap(self.size.y)), self.cell_size)
    }

    /// The middle of the world.
    pub(crate) fn middle(&self) -> Position {
        point(self.size.x / 2.0, self.size.y / 2.0)
    }

    /// The nearest position inside the world, at least `margin` from its rim.
    pub(crate) fn inside(&self, at: Position, margin: f32) -> Position {
        let within = |at: f32, size: f32| at.clamp(margin.min(size / 2.0), (size - margin).max(size / 2.0));
        point(within(at.x, self.size.x), within(at.y, self.size.y))
    }
}

impl Stretch {
    fn holds(&self, at: Position) -> bool {
        (self.from.x..=self.to.x).contains(&at.x) && (self.from.y..=self.to.y).contains(&at.y)
    }
}

pub(crate) fn point(x: f32, y: f32) -> Position {
    Position { x, y }
}

pub(crate) fn distance(a: Position, b: Position) -> f32 {
    a.distance_squared(b).sqrt()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use protocol::geometry::CellGrid;

    /// Two by two regions of two by two cells.
    pub(crate) fn quarters() -> WorldShape {
        let grid = CellGrid::new([128, 128], 32).unwrap();
        let regions = (0..16).map(|cell| {
            let (column, row) = (cell % 4, cell / 4);
            1 + column / 2 + row / 2 * 2
        });
        WorldShape {
            grid,
            view_rings: 1,
            far_rings: 0,
            tick_hz: 20,
            regions: regions.collect(),
        }
    }

    fn servers(names: [&str; 4]) -> Servers {
        let named = names.iter().enumerate();
        named
            .map(|(at, name)| (at as u32 + 1, (*name).to_owned()))
            .collect()
    }

    #[test]
    fn borders_run_between_servers_and_keep_away_from_the_corner() {
        let places = Places::find(&quarters(), &servers(["a", "b", "c", "d"]));
        assert_eq!(places.borders.len(), 4);
        assert_eq!(places.nearest_corner(point(0.0, 0.0)), Some(point(64.0, 64.0)));
        let crossing = places.nearest_crossing(point(50.0, 20.0)).unwrap();
        assert_eq!(
            (crossing.at, crossing.normal),
            (point(64.0, 20.0), point(1.0, 0.0))
        );
        let near_the_corner = places.nearest_crossing(point(63.0, 62.0)).unwrap();
        assert_eq!(distance(near_the_corner.at, point(64.0, 64.0)), ENDS);
    }

    #[test]
    fn a_border_within_one_server_does_not_count() {
        let places = Places::find(&quarters(), &servers(["a", "a", "b", "b"]));
        let crossing = places.nearest_crossing(point(62.0, 10.0)).unwrap();
        assert_eq!(crossing.normal, point(0.0, 1.0));
        let lonely = Places::find(&quarters(), &servers(["a"; 4]));
        assert_eq!(lonely.nearest_crossing(point(0.0, 0.0)), None);
    }

    #[test]
    fn without_names_every_region_counts_as_another_servers() {
        let places = Places::find(&quarters(), &Servers::new());
        assert_eq!(places.borders.len(), 4);
        assert_eq!(places.crowd_cell(), (point(32.0, 32.0), 32.0));
        assert_eq!(places.inside(point(-9.0, 200.0), 2.0), point(2.0, 126.0));
    }
}
