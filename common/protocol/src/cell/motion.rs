//! Where an entity is inside its cell and how it moves, in the few bytes that are sent twenty times a second.

use crate::geometry::{CellGrid, CellIndex, Position};
use crate::wire::{Reader, Truncated};

/// Steps of a position per unit.
pub const POINTS_PER_UNIT: f32 = 64.0;
/// The largest cell whose positions fit, with as much overhang on each side, units.
pub const CELL_SIZE_MAX: u32 = 256;
/// The largest cell that the narrow form fits, with 16 units of overhang on each side, units.
const NARROW_CELL_SIZE_MAX: u32 = 32;
/// What the narrow form adds, so that −16 units become 0.
const NARROW_OFFSET: i32 = 16 * 64;
const NARROW_MAX: i32 = (1 << 12) - 1;

/// How many bytes a position takes: fixed by the grid, so that no update has to say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionForm {
    /// Cells of at most 32 units: 12 bits per axis in 3 bytes, −16 to +47.98 units.
    Narrow,
    /// Larger cells: two i16 in 4 bytes, −512 to +511.98 units.
    Wide,
}

impl PositionForm {
    /// The form that everybody in a world with this grid uses.
    #[must_use]
    pub const fn of(grid: &CellGrid) -> Self {
        if grid.cell_size <= NARROW_CELL_SIZE_MAX {
            Self::Narrow
        } else {
            Self::Wide
        }
    }

    /// Bytes of one position.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Narrow => 3,
            Self::Wide => 4,
        }
    }

    /// Appends a position; what lies outside the form's range is moved to its rim.
    pub(super) fn put(self, at: CellPoint, out: &mut Vec<u8>) {
        match self {
            Self::Narrow => {
                let packed = narrow(at.x) | narrow(at.y) << 12;
                let [low, middle, high, _] = packed.to_le_bytes();
                out.extend_from_slice(&[low, middle, high]);
            }
            Self::Wide => {
                out.extend_from_slice(&at.x.to_le_bytes());
                out.extend_from_slice(&at.y.to_le_bytes());
            }
        }
    }

    pub(super) fn parse(self, reader: &mut Reader<'_>) -> Result<CellPoint, Truncated> {
        match self {
            Self::Narrow => {
                let [low, middle, high] = reader.array()?;
                let packed = u32::from_le_bytes([low, middle, high, 0]);
                Ok(CellPoint {
                    x: from_narrow(packed & 0xfff),
                    y: from_narrow(packed >> 12),
                })
            }
            Self::Wide => Ok(CellPoint {
                x: reader.u16()? as i16,
                y: reader.u16()? as i16,
            }),
        }
    }
}

fn narrow(axis: i16) -> u32 {
    i32::from(axis).saturating_add(NARROW_OFFSET).clamp(0, NARROW_MAX) as u32
}

fn from_narrow(bits: u32) -> i16 {
    (bits as i32).saturating_sub(NARROW_OFFSET) as i16
}

/// A place relative to the north-west corner of a cell, in 1/64 unit; may overhang the cell on every side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellPoint {
    /// 1/64 units to the east of the corner.
    pub x: i16,
    /// 1/64 units to the south of the corner.
    pub y: i16,
}

impl CellPoint {
    /// The nearest point to a position; positions out of range land on the rim of it.
    #[must_use]
    pub fn of(at: Position, cell: CellIndex, grid: &CellGrid) -> Self {
        let origin = grid.origin(cell);
        // `as` from float saturates and turns NaN into 0.
        let axis = |value: f32, origin: f32| ((value - origin) * POINTS_PER_UNIT).round() as i16;
        Self {
            x: axis(at.x, origin.x),
            y: axis(at.y, origin.y),
        }
    }

    /// The position in the world.
    #[must_use]
    pub fn position(self, cell: CellIndex, grid: &CellGrid) -> Position {
        let origin = grid.origin(cell);
        Position {
            x: origin.x + f32::from(self.x) / POINTS_PER_UNIT,
            y: origin.y + f32::from(self.y) / POINTS_PER_UNIT,
        }
    }

    /// Square of the distance to `other`, in (1/64 unit)².
    #[must_use]
    pub fn distance_squared(self, other: Self) -> u64 {
        let square = |a: i16, b: i16| u64::from(a.abs_diff(b)).saturating_pow(2);
        square(self.x, other.x).saturating_add(square(self.y, other.y))
    }
}

/// Place, heading and speed of an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Motion {
    /// Relative to the cell.
    pub at: CellPoint,
    /// 1/256 of a turn.
    pub heading: u8,
    /// 1/4 unit per second.
    pub speed: u8,
}

/// Conversions of headings between the wire and radians.
pub mod heading {
    use std::f32::consts::TAU;

    /// The nearest 1/256 of a turn; any finite angle will do.
    #[must_use]
    pub fn from_radians(radians: f32) -> u8 {
        ((radians / TAU).rem_euclid(1.0) * 256.0).round() as u16 as u8
    }

    /// Radians, 0 to 2π.
    #[must_use]
    pub fn radians(heading: u8) -> f32 {
        f32::from(heading) / 256.0 * TAU
    }
}

/// Conversions of speeds between the wire and units per second.
pub mod speed {
    /// The nearest 1/4 unit per second, at most 63.75 units per second.
    #[must_use]
    pub fn from_units(units_per_s: f32) -> u8 {
        (units_per_s * 4.0).round() as u8
    }

    /// Units per second.
    #[must_use]
    pub fn units(speed: u8) -> f32 {
        f32::from(speed) / 4.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_the_grid_and_both_ends_of_its_range_survive() {
        let form = |cell_size| PositionForm::of(&CellGrid::new([1024, 1024], cell_size).unwrap());
        assert_eq!(form(32), PositionForm::Narrow);
        assert_eq!(form(64), PositionForm::Wide);
        for (form, low, high) in [
            (PositionForm::Narrow, -1024, 3071),
            (PositionForm::Wide, i16::MIN, i16::MAX),
        ] {
            for (x, y) in [(low, high), (high, low), (0, -1)] {
                let mut bytes = Vec::new();
                form.put(CellPoint { x, y }, &mut bytes);
                assert_eq!(bytes.len(), form.bytes());
                assert_eq!(form.parse(&mut Reader::new(&bytes)), Ok(CellPoint { x, y }));
            }
        }
        let mut bytes = Vec::new();
        PositionForm::Narrow.put(CellPoint { x: -2000, y: 9000 }, &mut bytes);
        let rim = CellPoint { x: -1024, y: 3071 };
        assert_eq!(PositionForm::Narrow.parse(&mut Reader::new(&bytes)), Ok(rim));
    }

    #[test]
    fn positions_round_trip_to_a_64th_in_the_largest_cells_too() {
        for cell_size in [16, 32, 256] {
            let grid = CellGrid::new([1024, 1024], cell_size).unwrap();
            let at = Position { x: 700.3, y: 511.99 };
            let cell = grid.cell_at(at);
            let back = CellPoint::of(at, cell, &grid).position(cell, &grid);
            assert!(back.distance_squared(at).sqrt() <= 0.0121, "{back:?}");
        }
        let grid = CellGrid::new([1024, 1024], 32).unwrap();
        let far = Position { x: f32::NAN, y: 1e9 };
        assert_eq!(
            CellPoint::of(far, CellIndex(0), &grid),
            CellPoint { x: 0, y: i16::MAX }
        );
    }

    #[test]
    fn headings_wrap_and_speeds_saturate() {
        assert_eq!(heading::from_radians(-std::f32::consts::FRAC_PI_2), 192);
        assert_eq!(heading::from_radians(std::f32::consts::TAU * 0.999), 0);
        assert_eq!(speed::from_units(6.0), 24);
        assert_eq!(speed::from_units(1e9), 255);
        assert_eq!(speed::units(24), 6.0);
    }
}
