//! The bytes of a cell update: golden vectors, the size goal, and what hostile bytes can do (docs/protocol.md, CE).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test says so")]

use bytes::Bytes;
use prost::Message as _;
use protocol::cell::{
    CellEncoder, CellEntity, CellError, CellPoint, DecodedCell, Motion, PositionForm, RemoveReason,
    StateBytes, UpdateKind,
};
use protocol::geometry::{CellGrid, CellIndex, Layer};
use protocol::ids::{EntityId, OwnerEpoch};
use protocol::limits::{CELL_BYTES_MAX, CELL_ENTITIES_MAX, ENTITY_STATE_BYTES_MAX};
use protocol::message::client::CellUpdate;

const CELL: CellIndex = CellIndex(1023);

fn grid() -> CellGrid {
    CellGrid::new([1024, 1024], 32).unwrap()
}

fn motion(x: i16, y: i16, heading: u8, speed: u8) -> Motion {
    Motion {
        at: CellPoint { x, y },
        heading,
        speed,
    }
}

fn entity(id: u64) -> CellEntity {
    CellEntity {
        id: EntityId(id),
        kind: 300,
        owner_epoch: OwnerEpoch::first(1),
        motion: motion(-64, 2047, 200, 24),
        state: StateBytes::try_from(b"hat".as_slice()).unwrap(),
        jumped: false,
    }
}

fn delta_with_all_columns() -> Bytes {
    let mut encoder = CellEncoder::new(PositionForm::Narrow);
    encoder.put_add(2, &entity(0x0102_0304_0506_0708)).unwrap();
    encoder.put_move(3, CellPoint { x: 0, y: 64 }, 9).unwrap();
    encoder.put_move_with_speed(4, &motion(1, 2, 3, 4)).unwrap();
    encoder
        .put_state(70, &StateBytes::try_from(b"x".as_slice()).unwrap())
        .unwrap();
    encoder.put_remove(0, RemoveReason::Gone).unwrap();
    let moved = RemoveReason::Moved {
        cell: CellIndex(5),
        epoch: OwnerEpoch::first(1),
    };
    encoder.put_remove(2, moved).unwrap();
    encoder.finish_delta(CELL, 8, 10)
}

#[test]
fn ce_14_the_longest_cell_keeps_the_stated_bytes() {
    let longest = CellEntity {
        id: EntityId(u64::MAX),
        kind: u16::MAX,
        owner_epoch: OwnerEpoch(u64::MAX),
        motion: motion(i16::MIN, i16::MAX, 255, 255),
        state: StateBytes::try_from([7; ENTITY_STATE_BYTES_MAX].as_slice()).unwrap(),
        jumped: false,
    };
    let moved = RemoveReason::Moved {
        cell: CellIndex(u32::MAX),
        epoch: OwnerEpoch(u64::MAX),
    };
    let mut encoder = CellEncoder::new(PositionForm::Wide);
    for slot in 0..CELL_ENTITIES_MAX as u16 {
        encoder.put_remove(slot, moved).unwrap();
        encoder.put_add(slot, &longest).unwrap();
    }
    let delta = encoder.finish_delta(CellIndex(u32::MAX), u32::MAX - 9, u32::MAX);
    // Slots in a row take one byte of the two, in both columns.
    let spared = 2 * CELL_ENTITIES_MAX + 64;
    assert!(
        (CELL_BYTES_MAX - spared..=CELL_BYTES_MAX).contains(&delta.len()),
        "{}",
        delta.len()
    );
    for slot in 0..CELL_ENTITIES_MAX as u16 {
        encoder.put_add(slot, &longest).unwrap();
    }
    let keyframe = encoder.finish_keyframe(CellIndex(u32::MAX), u32::MAX);
    assert!(keyframe.len() < delta.len());
}

#[test]
fn ce_26_whoever_was_put_somewhere_has_the_highest_bit_of_the_length_set() {
    let mut encoder = CellEncoder::new(PositionForm::Narrow);
    let jumped = CellEntity {
        jumped: true,
        ..entity(7)
    };
    encoder.put_add(0, &jumped).unwrap();
    let bytes = encoder.finish_keyframe(CELL, 1);
    assert_eq!(bytes[bytes.len() - 4..], [0x83, b'h', b'a', b't']);
    assert_eq!(
        DecodedCell::parse(&bytes, &grid()).unwrap().adds[0].entity,
        jumped
    );
}

#[test]
fn ce_27_cells_of_each_layer_have_these_numbers() {
    let grid = grid();
    for (layer, expected) in [(Layer::Near, 1023), (Layer::Far, 2047), (Layer::Unseen, 3071)] {
        let cell = grid.on(CELL, layer);
        assert_eq!(cell, CellIndex(expected));
        let bytes = CellEncoder::new(PositionForm::Narrow).finish_keyframe(cell, 1);
        assert_eq!(DecodedCell::parse(&bytes, &grid).unwrap().cell, cell);
    }
    let beyond = CellEncoder::new(PositionForm::Narrow).finish_keyframe(CellIndex(3072), 1);
    assert_eq!(
        DecodedCell::parse(&beyond, &grid),
        Err(CellError::UnknownCell(3072))
    );
}

#[test]
fn ce_1_a_delta_has_these_bytes() {
    let expected = concat!(
        "08ff07",
        "100a",
        "1808", // cell 1023, seq 10, from 8
        "2a17",
        "02",
        "0807060504030201",
        "ac02",
        "818004",
        "c0f3bf",
        "c8",
        "18",
        "03686174", // add
        "320b",
        "06",
        "000444",
        "09",
        "01",
        "012440",
        "03",
        "04", // moves
        "3a03",
        "460178", // state
        "4206",
        "00",
        "03",
        "05",
        "818004", // removes
    );
    assert_eq!(hex(&delta_with_all_columns()), expected);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn ce_1_protobuf_writes_the_same_bytes_and_they_decode_to_what_was_put() {
    let bytes = delta_with_all_columns();
    let update = CellUpdate::decode(bytes.clone()).unwrap();
    assert_eq!(update.encode_to_vec(), bytes);
    let decoded = DecodedCell::parse(&bytes, &grid()).unwrap();
    assert_eq!((decoded.cell, decoded.seq, decoded.base_seq), (CELL, 10, 8));
    assert_eq!(decoded.adds[0].slot, 2);
    assert_eq!(decoded.adds[0].entity, entity(0x0102_0304_0506_0708));
    let slots: Vec<(u16, Option<u8>)> = decoded.moves.iter().map(|m| (m.slot, m.speed)).collect();
    assert_eq!(slots, [(3, None), (4, Some(4))]);
    assert_eq!(decoded.moves[1].at, CellPoint { x: 1, y: 2 });
    assert_eq!(
        (decoded.states[0].slot, &*decoded.states[0].state),
        (70, b"x".as_slice())
    );
    assert_eq!(decoded.removes[0].reason, RemoveReason::Gone);
    let moved = RemoveReason::Moved {
        cell: CellIndex(5),
        epoch: OwnerEpoch::first(1),
    };
    assert_eq!((decoded.removes[1].slot, decoded.removes[1].reason), (2, moved));
}

/// Bytes inside a snapshot: tag and length come on top of the update itself.
fn bytes_in_snapshot(moving: u16, with_speed: u16) -> usize {
    let mut encoder = CellEncoder::new(PositionForm::Narrow);
    for slot in 0..moving {
        // Every other slot, as after some coming and going.
        if slot < with_speed {
            encoder
                .put_move_with_speed(slot * 2, &motion(2047, 2047, 255, 255))
                .unwrap();
        } else {
            encoder
                .put_move(slot * 2, CellPoint { x: 2047, y: 2047 }, 255)
                .unwrap();
        }
    }
    let update = encoder.finish_delta(CELL, (1 << 14) - 2, (1 << 14) - 1);
    protocol::cell::SnapshotWriter::cell_cost(update.len())
}

#[test]
fn ce_2_a_moving_entity_costs_at_most_eight_bytes_at_four_per_cell() {
    for moving in 4..60 {
        let bytes = bytes_in_snapshot(moving, moving / 2);
        assert!(bytes <= usize::from(moving) * 8, "{moving} moving: {bytes} bytes");
    }
    assert_eq!(bytes_in_snapshot(4, 0), 30);
}

#[test]
fn ce_3_larger_cells_use_the_wide_form_on_both_sides() {
    let grid = CellGrid::new([1024, 1024], 256).unwrap();
    let mut encoder = CellEncoder::new(PositionForm::of(&grid));
    let at = CellPoint {
        x: 256 * 64 + 640,
        y: -640,
    };
    encoder.put_move(0, at, 1).unwrap();
    let bytes = encoder.finish_delta(CellIndex(3), 1, 2);
    let decoded = DecodedCell::parse(&bytes, &grid).unwrap();
    assert_eq!(decoded.moves[0].at, at);
}

#[test]
fn ce_4_slots_out_of_order_are_refused_when_written() {
    let mut encoder = CellEncoder::new(PositionForm::Narrow);
    encoder.put_add(7, &entity(1)).unwrap();
    assert!(encoder.put_add(7, &entity(2)).is_err());
    assert!(encoder.put_add(6, &entity(2)).is_err());
    assert!(encoder.put_add(4096, &entity(2)).is_err());
    encoder.put_add(4095, &entity(2)).unwrap();
    let keyframe = encoder.finish_keyframe(CELL, 1);
    let decoded = DecodedCell::parse(&keyframe, &grid()).unwrap();
    assert_eq!(
        decoded.adds.iter().map(|add| add.slot).collect::<Vec<_>>(),
        [7, 4095]
    );
    assert!(encoder.is_empty());
}

fn refused(change: impl FnOnce(&mut CellUpdate)) -> CellError {
    let mut update = CellUpdate::decode(delta_with_all_columns()).unwrap();
    change(&mut update);
    DecodedCell::check(&update, &grid()).unwrap_err()
}

#[test]
fn ce_4_slots_too_high_are_refused_when_read() {
    let high = [0x80, 0x20, 0];
    assert_eq!(refused(|u| u.states = high.to_vec().into()), CellError::Slot);
    let repeated_to_the_end = [0xff, 0x1f, 0, 0, 0];
    assert_eq!(
        refused(|u| u.states = repeated_to_the_end.to_vec().into()),
        CellError::Slot
    );
}

#[test]
fn ce_5_sequences_that_lead_nowhere_are_refused() {
    let sequence = |base_seq, seq| CellError::Sequence { base_seq, seq };
    for (base_seq, seq) in [(0, 0), (0, 1), (10, 10), (11, 10), (5, 1)] {
        let refusal = refused(|u| (u.base_seq, u.seq) = (base_seq, seq));
        assert_eq!(refusal, sequence(base_seq, seq));
    }
    let keyframe = |u: &mut CellUpdate| {
        *u = CellUpdate {
            cell: 1,
            kind: UpdateKind::Keyframe as i32,
            base_seq: 3,
            seq: 4,
            ..CellUpdate::default()
        };
    };
    assert_eq!(refused(keyframe), sequence(3, 4));
}

#[test]
fn ce_6_unknown_kinds_cells_and_columns_are_refused() {
    assert_eq!(refused(|u| u.kind = 3), CellError::UnknownKind(3));
    assert_eq!(refused(|u| u.cell = 3072), CellError::UnknownCell(3072));
    assert_eq!(
        refused(|u| u.removes = vec![1, 0x80, 24, 0].into()),
        CellError::UnknownCell(3072)
    );
    for kind in [UpdateKind::Keyframe, UpdateKind::Partial] {
        let refusal = refused(|u| (u.kind, u.base_seq) = (kind as i32, 0));
        assert_eq!(refusal, CellError::ColumnDenied);
    }
}

#[test]
fn ce_7_states_are_at_most_64_bytes() {
    let mut column = vec![0, 64];
    column.resize(66, 7);
    let mut update = CellUpdate::decode(delta_with_all_columns()).unwrap();
    update.states = column.clone().into();
    assert_eq!(
        DecodedCell::check(&update, &grid()).unwrap().states[0]
            .state
            .len(),
        64
    );
    column[1] = 65;
    column.push(7);
    assert!(matches!(
        refused(|u| u.states = column.into()),
        CellError::State(_)
    ));
}

#[test]
fn ce_8_an_update_cut_anywhere_inside_a_column_is_refused_and_no_flip_panics() {
    let bytes = delta_with_all_columns();
    let whole = CellUpdate::decode(bytes.clone()).unwrap();
    for cut in 1..whole.adds.len() {
        assert_eq!(
            refused(|u| u.adds = u.adds.slice(..cut)),
            CellError::Truncated,
            "{cut}"
        );
    }
    for cut in [1, 2, 3, 4, 6, 7, 8, 9, 10] {
        assert_eq!(
            refused(|u| u.moves = u.moves.slice(..cut)),
            CellError::Truncated,
            "{cut}"
        );
    }
    for cut in 0..bytes.len() {
        let _ = DecodedCell::parse(&bytes[..cut], &grid());
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[cut] ^= 1 << bit;
            if let Ok(decoded) = DecodedCell::parse(&flipped, &grid()) {
                assert!(decoded.adds.windows(2).all(|pair| pair[0].slot < pair[1].slot));
                assert!(decoded.base_seq < decoded.seq && grid().layer(decoded.cell).is_some());
            }
        }
    }
}
