//! Checks of `[world]`: ranges, and a size that is a whole number of cells, not too many of them.

use protocol::geometry::CellGrid;

use super::values::{check_name, in_range};
use crate::Code;
use crate::diagnostic::{At, Diagnostic};
use crate::limits::{
    BORDER_CELLS_MAX, CELL_SIZE_MAX, CELLS_IN_VIEW_MAX, CELLS_MAX, TICK_HZ_MAX, VIEW_RINGS_MAX,
    WORLD_EDGE_MAX,
};
use crate::raw::RawWorld;

pub(super) fn check(world: &RawWorld, mistakes: &mut Vec<Diagnostic>) {
    check_name(world.name.as_ref(), mistakes);
    in_range(
        "cell_size",
        world.cell_size.as_ref(),
        1..=CELL_SIZE_MAX,
        Code::OutOfRange,
        mistakes,
    );
    in_range(
        "view_rings",
        world.view_rings.as_ref(),
        1..=VIEW_RINGS_MAX,
        Code::OutOfRange,
        mistakes,
    );
    in_range(
        "border_cells",
        world.border_cells.as_ref(),
        1..=BORDER_CELLS_MAX,
        Code::OutOfRange,
        mistakes,
    );
    in_range(
        "tick_hz",
        world.tick_hz.as_ref(),
        1..=TICK_HZ_MAX,
        Code::TickRate,
        mistakes,
    );
    mistakes.extend(far_rings(world));
    mistakes.extend(size(world));
    mistakes.extend(margin(world));
}

/// The cells of the world, when its size and cell size are sound.
pub(super) fn cells(world: &RawWorld) -> Option<CellGrid> {
    let (size, cell_size) = (world.size.as_ref()?.value, world.cell_size.as_ref()?.value);
    let sound = size.iter().all(|&edge| edge <= WORLD_EDGE_MAX) && cell_size <= CELL_SIZE_MAX;
    CellGrid::new(size, cell_size).filter(|grid| sound && grid.len() <= CELLS_MAX)
}

/// The cell size, when it is in its range.
pub(super) fn sound_cell_size(world: &RawWorld) -> Option<&At<u32>> {
    world
        .cell_size
        .as_ref()
        .filter(|cell| (1..=CELL_SIZE_MAX).contains(&cell.value))
}

fn size(world: &RawWorld) -> Option<Diagnostic> {
    let size = world.size.as_ref()?;
    let [width, height] = size.value;
    if width == 0 || height == 0 {
        let empty = Diagnostic::new(
            Code::EmptyWorld,
            format!("a world of {width} × {height} units is empty"),
        );
        return Some(
            empty
                .at(&size.span, "no room")
                .help("write the width and height of the world in units"),
        );
    }
    if width.max(height) > WORLD_EDGE_MAX {
        let message = format!("`size` must be at most {WORLD_EDGE_MAX} units each way");
        let help = "divide all lengths of the game by a common factor";
        return Some(
            Diagnostic::new(Code::OutOfRange, message)
                .at(&size.span, "too large")
                .help(help),
        );
    }
    let cell_size = sound_cell_size(world)?;
    let [columns, rows] = size.value.map(|edge| u64::from(edge / cell_size.value));
    if columns * rows > u64::from(CELLS_MAX) {
        let message = format!("{} cells, at most {CELLS_MAX}", columns * rows);
        return Some(
            Diagnostic::new(Code::TooManyCells, message)
                .at(&size.span, format!("{columns} × {rows} cells"))
                .at(&cell_size.span, "of this size")
                .help("take larger cells or a smaller world"),
        );
    }
    CellGrid::new(size.value, cell_size.value)
        .is_none()
        .then(|| off_grid(size, cell_size))
}

fn off_grid(size: &At<[u32; 2]>, cell_size: &At<u32>) -> Diagnostic {
    let whole = size
        .value
        .map(|edge| edge.div_ceil(cell_size.value) * cell_size.value);
    let message = format!(
        "the world's size is not a multiple of the cell size {}",
        cell_size.value
    );
    Diagnostic::new(Code::WorldOffGrid, message)
        .at(&size.span, "not a whole number of cells")
        .at(&cell_size.span, "the cell size")
        .help(format!(
            "write size = [{}, {}], or another cell size",
            whole[0], whole[1]
        ))
}

/// Whoever is seen from afar is seen further than all others, and a snapshot carries so many cells.
fn far_rings(world: &RawWorld) -> Option<Diagnostic> {
    let (near, far) = (world.view_rings.as_ref()?, world.far_rings.as_ref()?);
    if !(1..=VIEW_RINGS_MAX).contains(&near.value) {
        return None;
    }
    let cells = |rings: u32| (2 * rings + 1).pow(2);
    let fits = |rings: &u32| cells(*rings) + cells(near.value) <= CELLS_IN_VIEW_MAX;
    let rings = near.value + 1..=VIEW_RINGS_MAX;
    if rings.contains(&far.value) && fits(&far.value) {
        return None;
    }
    let help = match rings.rev().find(fits) {
        Some(most) => format!(
            "write a number from {} to {most}, or leave it out",
            near.value + 1
        ),
        None => "leave it out: all that players see is seen from far".to_owned(),
    };
    let message = format!(
        "with `view_rings = {}` there is no `far_rings = {}`",
        near.value, far.value
    );
    let mistake = Diagnostic::new(Code::OutOfRange, message).at(&far.span, "out of range");
    Some(
        mistake
            .at(&near.span, "the rings in which all else is seen")
            .help(help),
    )
}

fn margin(world: &RawWorld) -> Option<Diagnostic> {
    let margin = world.handover_margin.as_ref()?;
    let most = f64::from(sound_cell_size(world)?.value) / 2.0;
    let usable = margin.value >= 0.0 && margin.value < most;
    (!usable).then(|| {
        let message = format!("`handover_margin` must be at least 0 and less than half a cell, {most}");
        Diagnostic::new(Code::HandoverMargin, message)
            .at(&margin.span, "out of range")
            .help("1.0 suits most worlds: far enough that nobody flickers between two servers")
    })
}
