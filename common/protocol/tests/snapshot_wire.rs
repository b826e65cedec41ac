//! Snapshots: what is appended cell by cell equals what protobuf makes of the whole, and limits hold when it is read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test says so")]

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;
use protocol::cell::{
    CellDoesNotFit, ParsedSnapshot, SnapshotError, SnapshotHead, SnapshotWriter, parse_head,
};
use protocol::geometry::{CellGrid, CellIndex};
use protocol::limits::{OWN_STATE_BYTES_MAX, SNAPSHOT_CELLS_MAX, SNAPSHOT_REGIONS_MAX};
use protocol::message::client::{CellUpdate, RegionView, Snapshot};

fn grid() -> CellGrid {
    CellGrid::new([1024, 1024], 32).unwrap()
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..300_u64, any::<u64>()]
}

fn column() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

prop_compose! {
    fn any_cell()(cell in any::<u32>(), seq in any::<u32>(), base_seq in 0..9_u32, kind in 0..3, columns in [column(), column(), column(), column()]) -> CellUpdate {
        let [adds, moves, states, removes] = columns;
        CellUpdate { cell, seq, base_seq, kind, adds, moves, states, removes }
    }
}

prop_compose! {
    fn any_region()(region in any::<u32>(), region_epoch in number(), tick in number(), server_time_ms in number()) -> RegionView {
        RegionView { region, region_epoch, tick, server_time_ms }
    }
}

prop_compose! {
    fn any_snapshot()(
        numbers in [number(), number(), number(), number(), number(), number(), number(), number()],
        own in column(),
        regions in prop::collection::vec(any_region(), 0..5),
        cells in prop::collection::vec(any_cell(), 0..12),
    ) -> Snapshot {
        let [number, tick, input_ack, owner_epoch, echo_ms, echo_held_ms, home_cell, discontinuity] = numbers;
        Snapshot {
            number: number as u32, tick, input_ack, own, owner_epoch, regions,
            echo_ms: echo_ms as u32, echo_held_ms: echo_held_ms as u32, home_cell: home_cell as u32,
            discontinuity, cells,
        }
    }
}

fn head(snapshot: &Snapshot) -> SnapshotHead<'_> {
    SnapshotHead {
        number: snapshot.number,
        tick: snapshot.tick,
        input_ack: snapshot.input_ack,
        own: &snapshot.own,
        owner_epoch: snapshot.owner_epoch,
        regions: &snapshot.regions,
        echo_ms: snapshot.echo_ms,
        echo_held_ms: snapshot.echo_held_ms,
        home_cell: CellIndex(snapshot.home_cell),
        discontinuity: snapshot.discontinuity,
    }
}

proptest! {
    #[test]
    fn ce_20_appending_cells_equals_encoding_the_whole(snapshot in any_snapshot()) {
        let mut out = b"before".to_vec();
        let mut writer = SnapshotWriter::new(&mut out, &head(&snapshot), usize::MAX);
        for cell in &snapshot.cells {
            writer.append_cell(&cell.encode_to_vec()).unwrap();
        }
        prop_assert_eq!(&out[6..], snapshot.encode_to_vec());
        prop_assert_eq!(Snapshot::decode(&out[6..]).unwrap(), snapshot);
    }

    #[test]
    fn ce_23_a_head_that_is_read_alone_is_the_same_and_refused_for_the_same(snapshot in any_snapshot(), home_cell in 0..1_030_u32) {
        let bytes = Bytes::from(Snapshot { home_cell, ..snapshot }.encode_to_vec());
        let whole = ParsedSnapshot::parse(&bytes, &grid());
        match (parse_head(&bytes, &grid()), whole) {
            (Ok(head), Ok(whole)) => prop_assert_eq!(head, whole.head),
            (Ok(_), Err(error)) => prop_assert!(matches!(error, SnapshotError::Cell(_)), "{error}"),
            (Err(error), whole) => prop_assert_eq!(whole, Err(error)),
        }
    }

    #[test]
    fn ce_23_what_is_read_is_what_protobuf_reads(snapshot in any_snapshot(), home_cell in 0..1_030_u32) {
        let whole = Snapshot { home_cell, ..snapshot };
        let read = ParsedSnapshot::parse(&whole.encode_to_vec(), &grid());
        prop_assert_eq!(read, ParsedSnapshot::check(whole, &grid()));
    }

    #[test]
    fn ce_23_what_is_damaged_is_read_as_protobuf_reads_it_or_refused(
        snapshot in any_snapshot(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = Snapshot { cells: vec![], home_cell: 1, number: 1, ..snapshot }.encode_to_vec();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(read) = ParsedSnapshot::parse(&bytes, &grid()) {
            let by_protobuf = Snapshot::decode(&*bytes).unwrap();
            prop_assert_eq!(Ok(read), ParsedSnapshot::check(by_protobuf, &grid()));
        }
    }

    #[test]
    fn ce_24_cells_made_once_are_appended_as_they_would_be_one_by_one(snapshot in any_snapshot(), budget in 0..2000_usize) {
        let (mut cells, mut alone, mut copied) = (Vec::new(), Vec::new(), Vec::new());
        let mut one_by_one = SnapshotWriter::new(&mut alone, &head(&snapshot), budget);
        let mut all_fit = true;
        for cell in &snapshot.cells {
            let bytes = cell.encode_to_vec();
            SnapshotWriter::put_cell(&mut cells, &bytes);
            all_fit &= one_by_one.append_cell(&bytes).is_ok();
        }
        let left = one_by_one.cell_bytes_left();
        let mut at_once = SnapshotWriter::new(&mut copied, &head(&snapshot), budget);
        prop_assert_eq!(at_once.append_cells(&cells, snapshot.cells.len()).is_ok(), all_fit);
        if all_fit {
            prop_assert_eq!((at_once.cells(), at_once.cell_bytes_left()), (snapshot.cells.len(), left));
            prop_assert_eq!(alone, copied);
        }
    }

    #[test]
    fn ce_21_the_budget_is_kept_and_what_is_said_to_fit_fits(snapshot in any_snapshot(), budget in 0..2000_usize) {
        let mut out = Vec::new();
        let mut writer = SnapshotWriter::new(&mut out, &head(&snapshot), budget);
        for cell in &snapshot.cells {
            let bytes = cell.encode_to_vec();
            let fits = bytes.len() <= writer.cell_bytes_left();
            let appended = writer.append_cell(&bytes);
            prop_assert!(!fits || appended.is_ok());
        }
        let head_only = Snapshot { cells: vec![], ..snapshot }.encoded_len();
        prop_assert!(out.len() <= budget.max(head_only));
    }
}

#[test]
fn ce_22_a_snapshot_holds_a_limited_number_of_cells() {
    let mut out = Vec::new();
    let mut writer = SnapshotWriter::new(&mut out, &SnapshotHead::default(), usize::MAX);
    for _ in 0..SNAPSHOT_CELLS_MAX {
        writer.append_cell(&[0x10, 2]).unwrap();
    }
    assert_eq!(writer.append_cell(&[0x10, 2]), Err(CellDoesNotFit));
    assert_eq!(writer.cell_bytes_left(), 0);
    let parsed = ParsedSnapshot::parse(&out, &grid()).unwrap();
    assert_eq!(parsed.cells.len(), SNAPSHOT_CELLS_MAX);
    out.extend_from_slice(&[0x7a, 2, 0x10, 2]);
    assert_eq!(
        ParsedSnapshot::parse(&out, &grid()),
        Err(SnapshotError::TooManyCells)
    );
}

#[test]
fn ce_22_regions_and_own_state_are_limited() {
    let parse = |snapshot: Snapshot| ParsedSnapshot::parse(&snapshot.encode_to_vec(), &grid()).map(|_| ());
    let regions = |count| Snapshot {
        regions: vec![RegionView::default(); count],
        ..Snapshot::default()
    };
    assert_eq!(parse(regions(SNAPSHOT_REGIONS_MAX)), Ok(()));
    assert_eq!(
        parse(regions(SNAPSHOT_REGIONS_MAX + 1)),
        Err(SnapshotError::TooManyRegions)
    );
    let own = |count| Snapshot {
        own: vec![1; count].into(),
        ..Snapshot::default()
    };
    assert_eq!(parse(own(OWN_STATE_BYTES_MAX)), Ok(()));
    assert_eq!(
        parse(own(OWN_STATE_BYTES_MAX + 1)),
        Err(SnapshotError::OwnTooLong(OWN_STATE_BYTES_MAX + 1))
    );
}

#[test]
fn ce_23_bytes_that_are_no_snapshot_are_refused() {
    let parse = |bytes: &[u8]| ParsedSnapshot::parse(bytes, &grid());
    assert_eq!(parse(&[]).unwrap().cells.len(), 0);
    for bytes in [
        [0x7a, 5, 0].as_slice(),
        &[0x0b],
        &[0xff; 12],
        &[0x7a, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x09, 1],
    ] {
        assert_eq!(parse(bytes), Err(SnapshotError::Malformed), "{bytes:x?}");
    }
    assert_eq!(parse(&[0x48, 0x80, 8]), Err(SnapshotError::UnknownHome(1024)));
    assert!(matches!(parse(&[0x7a, 0]), Err(SnapshotError::Cell(_))));
    // A field of the future is passed over.
    assert!(parse(&[0xa5, 0x06, 1, 2, 3, 4]).is_ok());
}
