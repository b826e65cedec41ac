//! Checks of all regions together: no place owned twice, none owned by nobody, and a way from each to each.

use protocol::geometry::{CellGrid, CellIndex, Rect};

use super::rect;
use crate::Code;
use crate::diagnostic::{At, Diagnostic};
use crate::limits::MISTAKES_NOTED_MAX;
use crate::model::common;
use crate::raw::RawRegion;

/// A region with a rectangle worth comparing.
struct Piece<'a> {
    raw: &'a RawRegion,
    rect: Rect,
}

impl Piece<'_> {
    fn name(&self) -> &str {
        self.raw.name.as_ref().map_or("?", |name| &name.value)
    }

    fn corner(&self) -> Option<&At<[u32; 2]>> {
        self.raw.min.as_ref()
    }
}

pub(super) fn check(regions: &[RawRegion], cells: Option<CellGrid>, mistakes: &mut Vec<Diagnostic>) {
    let pieces: Vec<_> = regions
        .iter()
        .filter_map(|raw| rect(raw).map(|rect| Piece { raw, rect }))
        .filter(|piece| piece.rect.min[0] < piece.rect.max[0] && piece.rect.min[1] < piece.rect.max[1])
        .collect();
    overlaps(&pieces, mistakes);
    unreachable(&pieces, mistakes);
    // A region without a sound rectangle leaves a hole that is not a mistake of its own.
    if let Some(cells) = cells.filter(|_| !pieces.is_empty() && pieces.len() == regions.len()) {
        gaps(&pieces, cells, mistakes);
    }
}

fn overlaps(pieces: &[Piece<'_>], mistakes: &mut Vec<Diagnostic>) {
    for (index, piece) in pieces.iter().enumerate() {
        for earlier in &pieces[..index] {
            let Some(shared) = common(piece.rect, earlier.rect) else {
                continue;
            };
            if mistakes.len() >= MISTAKES_NOTED_MAX {
                return;
            }
            let (Some(here), Some(there)) = (piece.corner(), earlier.corner()) else {
                continue;
            };
            let message = format!(
                "regions {} and {} overlap in {}",
                earlier.name(),
                piece.name(),
                written(shared)
            );
            mistakes.push(
                Diagnostic::new(Code::Overlap, message)
                    .at(&here.span, format!("{} is {}", piece.name(), written(piece.rect)))
                    .at(
                        &there.span,
                        format!("{} is {}", earlier.name(), written(earlier.rect)),
                    )
                    .help("each place has exactly one owner: move an edge of one of them"),
            );
        }
    }
}

fn gaps(pieces: &[Piece<'_>], cells: CellGrid, mistakes: &mut Vec<Diagnostic>) {
    let mut covered = vec![false; cells.len() as usize];
    for piece in pieces {
        cells
            .within(piece.rect)
            .for_each(|cell| covered[cell.0 as usize] = true);
    }
    let mut next = 0;
    while let Some(found) = covered[next..].iter().position(|covered| !covered) {
        next += found;
        let gap = gap_at(&covered, cells, CellIndex(next as u32));
        cells.within(gap).for_each(|cell| covered[cell.0 as usize] = true);
        let help = format!(
            "add a [[region]] with min = {:?}, max = {:?}, or extend one over it",
            gap.min, gap.max
        );
        let message = format!("no region covers {}", written(gap));
        let near = pieces
            .iter()
            .find(|piece| touches(piece.rect, gap))
            .or(pieces.first());
        let diagnostic = Diagnostic::new(Code::Gap, message);
        mistakes.push(match near.and_then(|piece| Some((piece, piece.corner()?))) {
            Some((piece, corner)) => diagnostic
                .at(
                    &corner.span,
                    format!("beside {}, which is {}", piece.name(), written(piece.rect)),
                )
                .help(help),
            None => diagnostic.help(help),
        });
    }
}

/// The uncovered rectangle that begins at this cell: as wide as it can be, then as high.
fn gap_at(covered: &[bool], cells: CellGrid, from: CellIndex) -> Rect {
    let free = |column, row| !covered[cells.cell(column, row).0 as usize];
    let (left, top) = cells.column_row(from);
    let right = (left..cells.columns)
        .find(|&column| !free(column, top))
        .unwrap_or(cells.columns);
    let whole = |row| (left..right).all(|column| free(column, row));
    let bottom = (top..cells.rows).find(|&row| !whole(row)).unwrap_or(cells.rows);
    Rect {
        min: [left, top].map(|cell| cell * cells.cell_size),
        max: [right, bottom].map(|cell| cell * cells.cell_size),
    }
}

fn unreachable(pieces: &[Piece<'_>], mistakes: &mut Vec<Diagnostic>) {
    let mut part_of = vec![usize::MAX; pieces.len()];
    let mut areas = Vec::new();
    for start in 0..pieces.len() {
        if part_of[start] == usize::MAX {
            areas.push(flood(pieces, start, areas.len(), &mut part_of));
        }
    }
    // The first of the largest parts is the mainland.
    let most = areas.iter().copied().max().unwrap_or(0);
    let Some(mainland) = areas.iter().position(|&area| area == most) else {
        return;
    };
    let cut_off = pieces.iter().zip(&part_of).filter(|&(_, &part)| part != mainland);
    for (piece, _) in cut_off {
        let message = format!("nobody can walk to region {}", piece.name());
        let span = piece
            .raw
            .name
            .as_ref()
            .map_or(&piece.raw.header, |name| &name.span);
        mistakes.push(
            Diagnostic::new(Code::RegionUnreachable, message)
                .at(
                    span,
                    format!(
                        "{} shares no edge with the larger part of the world",
                        written(piece.rect)
                    ),
                )
                .help("connect it by a region that shares an edge with both"),
        );
    }
}

/// Marks every piece that can be walked to from `start`; their area in units².
fn flood(pieces: &[Piece<'_>], start: usize, part: usize, part_of: &mut [usize]) -> u64 {
    let mut area = 0;
    let mut open = vec![start];
    part_of[start] = part;
    while let Some(at) = open.pop() {
        let here = pieces[at].rect;
        area += u64::from(here.max[0] - here.min[0]) * u64::from(here.max[1] - here.min[1]);
        for (other, piece) in pieces.iter().enumerate() {
            if part_of[other] == usize::MAX && touches(here, piece.rect) {
                part_of[other] = part;
                open.push(other);
            }
        }
    }
    area
}

/// Whether two rectangles share an edge, or more than that.
fn touches(a: Rect, b: Rect) -> bool {
    let overlap = |axis: usize| {
        a.max[axis]
            .min(b.max[axis])
            .checked_sub(a.min[axis].max(b.min[axis]))
    };
    match (overlap(0), overlap(1)) {
        (Some(x), Some(y)) => x > 0 || y > 0,
        _ => false,
    }
}

fn written(rect: Rect) -> String {
    format!("{:?} to {:?}", rect.min, rect.max)
}
