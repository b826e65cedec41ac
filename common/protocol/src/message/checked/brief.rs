//! Regions at a glance, for the map: how many are where, and nobody by name.

use super::error::CheckError;
use super::field;
use crate::geometry::{CellGrid, CellIndex, Layer};
use crate::ids::{RegionEpoch, RegionNumber, Tick};
use crate::limits::{BRIEF_CELLS_MAX, BRIEF_CROSSINGS_MAX, BRIEF_PERIOD_MS_MAX, BRIEF_PERIOD_MS_MIN};
use crate::message::subscription::{RegionBrief, WatchMap};

/// A region at a glance. Whether the sender serves it, and whether the cells are its own, is for the receiver to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBrief {
    /// The region.
    pub region: RegionNumber,
    /// The epoch of its service.
    pub region_epoch: RegionEpoch,
    /// Its tick.
    pub tick: Tick,
    /// Of the last ticks, half were at most so long, microseconds …
    pub tick_p50_us: u32,
    /// … and all but one in a hundred.
    pub tick_p99_us: u32,
    /// Players whom others may see.
    pub population: u32,
    /// How many of them are in each cell in which any are, ascending.
    pub cells: Vec<(CellIndex, u32)>,
    /// How many have walked into each other region since the service began, ascending.
    pub crossed: Vec<(RegionNumber, u64)>,
    /// Nothing happens there: it does not tick.
    pub asleep: bool,
}

impl CheckedBrief {
    /// Checks a brief against the grid of the world.
    ///
    /// # Errors
    /// The first field that breaks a limit or cannot be.
    pub fn check(message: &RegionBrief, grid: &CellGrid) -> Result<Self, CheckError> {
        field::count("cells", message.cells.len(), BRIEF_CELLS_MAX)?;
        field::count("crossed_to", message.crossed_to.len(), BRIEF_CROSSINGS_MAX)?;
        if message.counts.len() != message.cells.len() {
            return Err(CheckError::OutOfRange("counts"));
        }
        if message.crossed.len() != message.crossed_to.len() {
            return Err(CheckError::OutOfRange("crossed"));
        }
        ascending("cells", &message.cells)?;
        ascending("crossed_to", &message.crossed_to)?;
        let cells = message.cells.iter().zip(&message.counts);
        let cells = cells.map(|(cell, count)| match field::cell("cells", *cell, grid)? {
            cell if grid.layer(cell) == Some(Layer::Near) && *count > 0 => Ok((cell, *count)),
            _ => Err(CheckError::OutOfRange("cells")),
        });
        let crossed = message.crossed_to.iter().zip(&message.crossed);
        let crossed = crossed.map(|(to, count)| Ok((field::region_number("crossed_to", *to)?, *count)));
        Ok(Self {
            region: field::region_number("region", message.region)?,
            region_epoch: RegionEpoch(message.region_epoch),
            tick: Tick(message.tick),
            tick_p50_us: message.tick_p50_us,
            tick_p99_us: message.tick_p99_us,
            population: message.population,
            cells: cells.collect::<Result<_, _>>()?,
            crossed: crossed.collect::<Result<_, _>>()?,
            asleep: message.asleep,
        })
    }
}

fn ascending(field: &'static str, numbers: &[u32]) -> Result<(), CheckError> {
    let is_ascending = numbers
        .iter()
        .zip(numbers.iter().skip(1))
        .all(|(one, next)| one < next);
    is_ascending.then_some(()).ok_or(CheckError::OutOfRange(field))
}

/// How often whoever looks at the map is told of each region, milliseconds; `None`: not at all any more. A period outside of
/// what is allowed counts as the nearest one within.
#[must_use]
pub fn brief_period_ms(wish: &WatchMap) -> Option<u32> {
    wish.on
        .then(|| wish.period_ms.clamp(BRIEF_PERIOD_MS_MIN, BRIEF_PERIOD_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> CellGrid {
        CellGrid::new([128, 64], 32).unwrap()
    }

    fn brief() -> RegionBrief {
        RegionBrief {
            region: 2,
            region_epoch: 7,
            tick: 99,
            tick_p50_us: 800,
            tick_p99_us: 2_500,
            population: 12,
            cells: vec![2, 6],
            counts: vec![5, 7],
            crossed_to: vec![1, 3],
            crossed: vec![40, 2],
            asleep: false,
        }
    }

    #[test]
    fn ms_16_a_brief_names_cells_and_regions_once_in_order_with_a_count_each() {
        let checked = CheckedBrief::check(&brief(), &grid()).unwrap();
        assert_eq!(checked.cells, [(CellIndex(2), 5), (CellIndex(6), 7)]);
        assert_eq!(checked.crossed, [(RegionNumber(1), 40), (RegionNumber(3), 2)]);
        type Breaks = fn(&mut RegionBrief);
        let breaks: [(Breaks, &str); 11] = [
            (|brief| brief.region = 0, "region"),
            (|brief| brief.counts.truncate(1), "counts"),
            (|brief| brief.counts[1] = 0, "cells"),
            (|brief| brief.cells[1] = 2, "cells"),
            (|brief| brief.cells[1] = 1, "cells"),
            (|brief| brief.cells[1] = 8, "cells"),
            (|brief| brief.cells[1] = u32::MAX, "cells"),
            (|brief| brief.cells = vec![1; BRIEF_CELLS_MAX + 1], "cells"),
            (|brief| brief.crossed.truncate(1), "crossed"),
            (|brief| brief.crossed_to[0] = 0, "crossed_to"),
            (
                |brief| brief.crossed_to = vec![1; BRIEF_CROSSINGS_MAX + 1],
                "crossed_to",
            ),
        ];
        for (number, (break_it, field)) in breaks.into_iter().enumerate() {
            let mut broken = brief();
            break_it(&mut broken);
            let error = CheckedBrief::check(&broken, &grid()).unwrap_err();
            assert_eq!(error.field(), field, "the break {number}: {error}");
        }
    }

    #[test]
    fn ms_17_a_period_outside_of_what_is_allowed_counts_as_the_nearest_one() {
        let period = |on, period_ms| brief_period_ms(&WatchMap { on, period_ms });
        assert_eq!(period(false, 200), None);
        assert_eq!(period(true, 200), Some(200));
        assert_eq!(period(true, 0), Some(BRIEF_PERIOD_MS_MIN));
        assert_eq!(period(true, u32::MAX), Some(BRIEF_PERIOD_MS_MAX));
    }
}
