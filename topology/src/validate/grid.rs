//! The regions of the file: those written down, or those a `[grid]` stands for.

use protocol::geometry::CellGrid;

use super::values::{in_range, too_many};
use crate::Code;
use crate::diagnostic::{At, Diagnostic};
use crate::limits::REGIONS_MAX;
use crate::raw::{RawGrid, RawRegion, RawTopology};

/// The regions; none when it is unclear what they are, which is then noted.
pub(super) fn regions(
    raw: &RawTopology,
    cells: Option<CellGrid>,
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<RawRegion> {
    match (&raw.grid, raw.regions.first()) {
        (None, None) => {
            let missing = "neither [[region]] nor [grid]: the world is not divided";
            let help = "add [[region]] tables, or a [grid] with columns, rows and servers";
            mistakes.push(
                Diagnostic::new(Code::NoRegion, missing)
                    .at(&(0..0), "")
                    .help(help),
            );
        }
        (Some(grid), Some(region)) => mistakes.push(
            Diagnostic::new(
                Code::GridAndRegions,
                "both [grid] and [[region]] divide the world",
            )
            .at(&grid.header, "divides the whole world")
            .at(&region.header, "nothing left for this region")
            .help("keep one of the two"),
        ),
        (None, Some(first)) => {
            mistakes.extend(too_many("regions", raw.regions.len(), REGIONS_MAX, &first.header));
            if raw.regions.len() <= REGIONS_MAX {
                return raw.regions.clone();
            }
        }
        (Some(grid), None) => return expand(grid, cells, mistakes).unwrap_or_default(),
    }
    Vec::new()
}

fn expand(grid: &RawGrid, cells: Option<CellGrid>, mistakes: &mut Vec<Diagnostic>) -> Option<Vec<RawRegion>> {
    let most = REGIONS_MAX as u32;
    in_range(
        "columns",
        grid.columns.as_ref(),
        1..=most,
        Code::OutOfRange,
        mistakes,
    );
    in_range("rows", grid.rows.as_ref(), 1..=most, Code::OutOfRange, mistakes);
    let (columns, rows, servers) = (
        grid.columns.as_ref()?,
        grid.rows.as_ref()?,
        grid.servers.as_ref()?,
    );
    if columns.value == 0 || rows.value == 0 {
        return None;
    }
    let count = u64::from(columns.value) * u64::from(rows.value);
    if let Some(mistake) = too_many("regions", count as usize, REGIONS_MAX, &columns.span) {
        mistakes.push(mistake.at(&rows.span, "columns × rows"));
        return None;
    }
    if servers.value.len() as u64 != count {
        mistakes.push(
            Diagnostic::new(
                Code::GridServers,
                format!("{count} regions in the grid, but {} names of servers", servers.value.len()),
            )
            .at(&servers.span, format!("{} names", servers.value.len()))
            .at(&columns.span, format!("{} × {} regions", columns.value, rows.value))
            .help("name the server of each region, row by row from the north-west; a name may stand more than once"),
        );
        return None;
    }
    let cells = cells?;
    fine_enough("columns", columns, cells.columns, mistakes)?;
    fine_enough("rows", rows, cells.rows, mistakes)?;
    let cut = |index: u32, parts: u32, whole: u32| {
        (u64::from(index) * u64::from(whole) / u64::from(parts)) as u32 * cells.cell_size
    };
    let region = |(index, server): (usize, &At<String>)| {
        let (column, row) = (index as u32 % columns.value, index as u32 / columns.value);
        let corner = |column, row| {
            [
                cut(column, columns.value, cells.columns),
                cut(row, rows.value, cells.rows),
            ]
        };
        RawRegion {
            header: grid.header.clone(),
            name: Some(At::new(format!("r{row}c{column}"), grid.header.clone())),
            number: Some(At::new(index as u32 + 1, grid.header.clone())),
            min: Some(At::new(corner(column, row), columns.span.clone())),
            max: Some(At::new(corner(column + 1, row + 1), rows.span.clone())),
            server: Some(server.clone()),
            standby: Vec::new(),
        }
    };
    Some(servers.value.iter().enumerate().map(region).collect())
}

fn fine_enough(key: &str, parts: &At<u32>, cells: u32, mistakes: &mut Vec<Diagnostic>) -> Option<()> {
    if parts.value <= cells {
        return Some(());
    }
    mistakes.push(
        Diagnostic::new(
            Code::GridTooFine,
            format!("{} {key}, but the world has {cells} cells that way", parts.value),
        )
        .at(&parts.span, "more than there are cells")
        .help(format!("write at most {cells}, or take smaller cells")),
    );
    None
}
