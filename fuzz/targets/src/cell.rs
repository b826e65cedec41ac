//! Cell updates and snapshots: what is accepted applies to a state, and the state's keyframe restores it.

use protocol::cell::{CellEncoder, CellState, DecodedCell, ParsedSnapshot, PositionForm, UpdateKind};
use protocol::geometry::CellGrid;

const NARROW: CellGrid = CellGrid {
    cell_size: 32,
    columns: 32,
    rows: 32,
};
const WIDE: CellGrid = CellGrid {
    cell_size: 256,
    columns: 4,
    rows: 4,
};

/// One encoded `CellUpdate`, in both forms of positions.
pub(crate) fn cell(data: &[u8]) {
    for grid in [NARROW, WIDE] {
        if let Ok(update) = DecodedCell::parse(data, &grid) {
            apply(&update, &grid);
        }
    }
}

fn apply(update: &DecodedCell, grid: &CellGrid) {
    let mut state = CellState::default();
    let applied = state.apply(update);
    assert_eq!(
        applied.is_err(),
        update.kind == UpdateKind::Delta,
        "nothing was held before"
    );
    let mut encoder = CellEncoder::new(PositionForm::of(grid));
    if update.kind == UpdateKind::Keyframe {
        let keyframe = state.encode_keyframe(update.cell, &mut encoder);
        assert_eq!(DecodedCell::parse(&keyframe, grid).as_ref(), Ok(update));
    }
}

/// A whole `Snapshot`.
pub(crate) fn snapshot(data: &[u8]) {
    if let Ok(snapshot) = ParsedSnapshot::parse(data, &NARROW) {
        assert!(snapshot.head.cells.is_empty());
        for cell in &snapshot.cells {
            apply(cell, &NARROW);
        }
    }
}
