//! Checks of each region by itself: name, number, and a rectangle of whole cells inside the world.

use protocol::geometry::Rect;

use super::rect;
use super::values::{check_name, in_range, twice};
use super::world::sound_cell_size;
use crate::Code;
use crate::diagnostic::{At, Diagnostic};
use crate::limits::BORDER_CELLS_MAX;
use crate::raw::{RawRegion, RawWorld};

pub(super) fn check(regions: &[RawRegion], world: &RawWorld, mistakes: &mut Vec<Diagnostic>) {
    let names = || regions.iter().filter_map(|region| region.name.as_ref());
    let numbers = || regions.iter().filter_map(|region| region.number.as_ref());
    names().for_each(|name| check_name(Some(name), mistakes));
    twice(
        names(),
        Code::DuplicateName,
        "region name",
        "give each region a name of its own",
        mistakes,
    );
    for number in numbers() {
        in_range("number", Some(number), 1..=u32::MAX, Code::OutOfRange, mistakes);
    }
    let help = "give each region a number of its own";
    twice(
        numbers(),
        Code::DuplicateRegionNumber,
        "region number",
        help,
        mistakes,
    );
    for region in regions {
        check_rect(region, world, mistakes);
    }
}

fn check_rect(region: &RawRegion, world: &RawWorld, mistakes: &mut Vec<Diagnostic>) {
    let (Some(rect), Some(min), Some(max)) = (rect(region), &region.min, &region.max) else {
        return;
    };
    if rect.min[0] >= rect.max[0] || rect.min[1] >= rect.max[1] {
        mistakes.push(
            Diagnostic::new(Code::EmptyRegion, "the region is empty")
                .at(&max.span, "must be greater in both coordinates")
                .at(&min.span, "than this")
                .help("`min` is the north-west corner, `max` the south-east one"),
        );
        return;
    }
    mistakes.extend(world.size.as_ref().and_then(|size| outside(rect, size, max)));
    let Some(cell_size) = sound_cell_size(world) else {
        return;
    };
    for corner in [min, max] {
        mistakes.extend(off_grid(corner, cell_size));
    }
    mistakes.extend(
        world
            .border_cells
            .as_ref()
            .and_then(|border| thin(rect, cell_size, border, region)),
    );
}

fn outside(rect: Rect, size: &At<[u32; 2]>, max: &At<[u32; 2]>) -> Option<Diagnostic> {
    let [width, height] = size.value;
    if width == 0 || height == 0 {
        return None;
    }
    (rect.max[0] > width || rect.max[1] > height).then(|| {
        Diagnostic::new(Code::RegionOutside, "the region reaches outside the world")
            .at(&max.span, "outside")
            .at(&size.span, "the world ends here")
            .help(format!("`max` is at most [{width}, {height}]"))
    })
}

fn off_grid(corner: &At<[u32; 2]>, cell_size: &At<u32>) -> Option<Diagnostic> {
    let cell = cell_size.value;
    let whole = corner
        .value
        .map(|edge| edge.saturating_add(cell / 2) / cell * cell);
    (whole != corner.value).then(|| {
        Diagnostic::new(
            Code::RegionOffGrid,
            format!("the region's edge is not a multiple of the cell size {cell}"),
        )
        .at(&corner.span, "between two cells")
        .at(&cell_size.span, "the cell size")
        .help(format!(
            "the nearest corner of cells is [{}, {}]",
            whole[0], whole[1]
        ))
    })
}

fn thin(rect: Rect, cell_size: &At<u32>, border: &At<u32>, region: &RawRegion) -> Option<Diagnostic> {
    let sides = [0, 1].map(|axis| (rect.max[axis] - rect.min[axis]) / cell_size.value);
    let narrow = sides[0].min(sides[1]);
    let max = region.max.as_ref()?;
    (narrow < border.value && border.value <= BORDER_CELLS_MAX).then(|| {
        let message = format!(
            "the region is {narrow} cells thin, its border strip {} cells wide",
            border.value
        );
        Diagnostic::new(Code::RegionTooThin, message)
            .at(&max.span, format!("{} × {} cells", sides[0], sides[1]))
            .at(&border.span, "the strip that neighbours subscribe to")
            .help(format!(
                "make the region at least {} units wide and high, or lower `border_cells`",
                border.value * cell_size.value
            ))
    })
}
