//! Which cells are watched and what a snapshot is made of.

use protocol::cell::{CellState, ParsedSnapshot};
use protocol::message::client::UpdateKind;

use super::*;

/// Home of the player: second column, second row of an 8 × 4 grid.
const HOME: CellIndex = CellIndex(9);

fn keyframe(table: &Table, cell: CellIndex, seq: u32, entities: u64) -> Bytes {
    let mut encoder = table.encoder();
    let origin = table.topology.world().grid().origin(cell);
    for slot in 0..entities {
        let at = Position {
            x: origin.x + (slot % 32) as f32,
            y: origin.y + (slot / 32) as f32,
        };
        let entity = table.entity(1_000 * u64::from(cell.0) + slot, cell, at);
        encoder.put_add(slot as u16, &entity).unwrap();
    }
    encoder.finish_keyframe(cell, seq)
}

fn delta(table: &Table, cell: CellIndex, seq: u32, slot: u16, x: f32) -> Bytes {
    let mut encoder = table.encoder();
    let grid = table.topology.world().grid();
    let origin = grid.origin(cell);
    let at = CellPoint::of(
        Position {
            x: origin.x + x,
            y: origin.y,
        },
        cell,
        &grid,
    );
    encoder.put_move(slot, at, 0).unwrap();
    encoder.finish_delta(cell, seq - 1, seq)
}

fn parsed(table: &Table) -> ParsedSnapshot {
    let grid = table.topology.world().grid();
    ParsedSnapshot::check(table.snapshot().unwrap().clone(), &grid).unwrap()
}

fn acknowledge(table: &mut Table, handle: SessionHandle, number: u64, snapshot: u32, mask: u32) {
    let ack = client::Input {
        snapshot_ack: snapshot,
        snapshot_mask: mask,
        ..input(number)
    };
    table.client(handle, ack);
}

#[test]
fn a_player_watches_the_cells_around_its_home_and_unwatches_them_later() {
    let mut table = Table::new();
    let handle = table.admit(1);
    table.attach(handle, 1);
    table.take();
    table.server(A, joined(1, WEST, 7, HOME.0));
    let watched: Vec<u32> = table
        .take()
        .into_iter()
        .filter_map(|effect| match effect {
            EdgeEffect::Watch(cell) => Some(cell.0),
            _ => None,
        })
        .collect();
    assert_eq!(watched, [0, 1, 2, 8, 9, 10, 16, 17, 18]);
    table.answer(Some(A), WEST, 7);
    table.server(A, output(7, 10, b""));
    let watched = table
        .take()
        .into_iter()
        .filter(|effect| matches!(effect, EdgeEffect::Watch(_)))
        .count();
    assert_eq!(watched, 3);
    table.wait(2_900);
    assert!(
        !table
            .take()
            .iter()
            .any(|effect| matches!(effect, EdgeEffect::Unwatch(_)))
    );
    table.wait(1_100);
    let dropped = table
        .take()
        .into_iter()
        .filter(|effect| matches!(effect, EdgeEffect::Unwatch(_)))
        .count();
    assert_eq!(dropped, 3);
}

#[test]
fn a_snapshot_brings_a_keyframe_first_then_deltas_then_nothing_that_is_known() {
    let mut table = Table::new();
    table.playing(7, HOME.0);
    table.server(A, output(7, HOME.0, b"own"));
    let first = keyframe(&table, HOME, 1, 4);
    table.cells(A, WEST, 1, vec![first.clone()]);
    table.tick_end(A, WEST, 1);
    let snapshot = parsed(&table);
    assert_eq!(
        (snapshot.head.home_cell, snapshot.head.own.as_ref()),
        (HOME.0, b"own".as_slice())
    );
    assert_eq!(snapshot.head.regions[0].region_epoch, REGION_EPOCH);
    assert_eq!(snapshot.cells[0].kind, UpdateKind::Keyframe);

    let second = delta(&table, HOME, 2, 1, 5.0);
    table.cells(A, WEST, 2, vec![second]);
    table.tick_end(A, WEST, 2);
    let snapshot = parsed(&table);
    assert_eq!(
        (snapshot.cells.len(), snapshot.cells[0].kind),
        (1, UpdateKind::Delta)
    );

    table.tick_end(A, WEST, 3);
    assert!(parsed(&table).cells.is_empty());
}

#[test]
fn a_client_that_looks_away_is_sent_one_snapshot_a_second_and_each_again_when_it_looks() {
    let mut table = Table::new();
    let handle = table.playing(7, HOME.0);
    let mut tick = 0;
    let mut sent_in_3_s = |table: &mut Table, pace_ms| {
        let paced = client::Input {
            pace_ms,
            ..input(1 + tick)
        };
        table.client(handle, paced);
        table.effects.clear();
        for _ in 0..60 {
            tick += 1;
            table.now_ms += 50;
            table.tick_end(A, WEST, tick);
            let snapshot = table.snapshot().map(|snapshot| snapshot.number);
            if let Some(number) = snapshot {
                acknowledge_at(table, handle, (1 + tick, pace_ms), number);
            }
        }
        let effects = table.effects.iter();
        effects
            .filter(|effect| matches!(effect, EdgeEffect::ToClient(_, ProxyToClient::Snapshot(_))))
            .count()
    };
    assert_eq!(sent_in_3_s(&mut table, 0), 60);
    assert_eq!(sent_in_3_s(&mut table, 1_000), 3);
    assert_eq!(sent_in_3_s(&mut table, 0), 60);
    // No slower than a client takes for silence.
    assert!(sent_in_3_s(&mut table, u32::MAX) >= 1);
}

fn acknowledge_at(table: &mut Table, handle: SessionHandle, (number, pace_ms): (u64, u32), snapshot: u32) {
    let ack = client::Input {
        snapshot_ack: snapshot,
        snapshot_mask: u32::MAX,
        pace_ms,
        ..input(number)
    };
    table.client(handle, ack);
}

#[test]
fn what_was_lost_is_repeated_so_that_the_client_ends_with_the_same_cell() {
    let mut table = Table::new();
    let handle = table.playing(7, HOME.0);
    let grid = table.topology.world().grid();
    let mut client = CellState::default();
    let mut truth = CellState::default();
    let mut taken = Vec::new();
    for tick in 1..=60_u32 {
        let update = match tick {
            1 => keyframe(&table, HOME, 1, 4),
            _ => delta(&table, HOME, tick, (tick % 4) as u16, (tick % 30) as f32),
        };
        truth.apply(&DecodedCell::parse(&update, &grid).unwrap()).unwrap();
        table.cells(A, WEST, u64::from(tick), vec![update]);
        table.now_ms += 50;
        table.tick_end(A, WEST, u64::from(tick));
        let snapshot = parsed(&table);
        table.effects.clear();
        // One in three is lost, and three in a row at 30.
        if (tick % 3 == 0 || (30..33).contains(&tick)) && tick < 55 {
            continue;
        }
        for cell in &snapshot.cells {
            let _ = client.apply(cell);
        }
        let number = snapshot.head.number;
        let before = taken.iter().filter(|before| number - **before <= 32);
        let mask = before.fold(0, |bits, before| bits | 1_u32 << (number - before - 1));
        taken.push(number);
        acknowledge(&mut table, handle, u64::from(tick), number, mask);
    }
    assert_eq!(client.seq(), truth.seq());
    assert!(client.entities().eq(truth.entities()));
}

#[test]
fn deltas_from_before_a_keyframe_that_skipped_lead_nowhere() {
    let mut table = Table::new();
    table.playing(7, HOME.0);
    let updates = [
        keyframe(&table, HOME, 1, 4),
        delta(&table, HOME, 2, 0, 5.0),
        keyframe(&table, HOME, 6, 4),
        delta(&table, HOME, 7, 0, 6.0),
    ];
    for (tick, update) in (1..).zip(updates) {
        table.cells(A, WEST, tick, vec![update]);
    }
    let leads = |have| {
        let view = table.edge.views.get(HOME).unwrap();
        view.deltas_since(have).map(Iterator::count)
    };
    assert_eq!((leads(1), leads(2), leads(6)), (None, None, Some(1)));
}

#[test]
fn deltas_of_a_quiet_cell_keep_no_frame_in_memory() {
    let mut table = Table::new();
    table.playing(7, HOME.0);
    // A frame full of other cells, of which this one takes a few bytes: once a minute, eight times over.
    let mut frames = Vec::new();
    for minute in 1..=9_u32 {
        let update = match minute {
            1 => keyframe(&table, HOME, 1, 4),
            _ => delta(&table, HOME, minute, 1, minute as f32),
        };
        let mut frame = vec![0; 128 * 1024];
        frame[..update.len()].copy_from_slice(&update);
        let frame = Bytes::from(frame);
        table.cells(A, WEST, u64::from(minute), vec![frame.slice(..update.len())]);
        frames.push(frame);
        table.now_ms += 60_000;
    }
    let view = table.edge.views.get(HOME).unwrap();
    assert_eq!(view.deltas_since(1).map(Iterator::count), Some(8));
    let kept = frames.iter().filter(|frame| !frame.is_unique()).count();
    assert_eq!(kept, 0, "frames are kept in memory by a few bytes of each");
}

#[test]
fn a_region_served_anew_starts_with_a_keyframe() {
    // Its numbers begin again, and may be those that the client has.
    for seq_before in [40, 1] {
        served_anew_starts_with_a_keyframe(seq_before);
    }
}

fn served_anew_starts_with_a_keyframe(seq_before: u32) {
    let mut table = Table::new();
    table.playing(7, HOME.0);
    let first = keyframe(&table, HOME, seq_before, 4);
    table.cells(A, WEST, 1, vec![first]);
    table.tick_end(A, WEST, 1);
    let serving = subscription::Serving {
        region: WEST.0,
        region_epoch: REGION_EPOCH + 1,
        ..subscription::Serving::default()
    };
    table.give(EdgeInput::Serving(A, serving));
    let bytes = keyframe(&table, HOME, 1, 3);
    let grid = table.topology.world().grid();
    let decoded = DecodedCell::parse(&bytes, &grid).unwrap();
    table.give(EdgeInput::Cells(RegionCells {
        node: A,
        region: WEST,
        region_epoch: RegionEpoch(REGION_EPOCH + 1),
        tick: 1,
        server_time_ms: 0,
        cells: vec![(bytes, decoded)],
    }));
    table.wait(100);
    let snapshot = parsed(&table);
    assert_eq!(
        (snapshot.cells[0].kind, snapshot.cells[0].adds.len()),
        (UpdateKind::Keyframe, 3)
    );
}

#[test]
fn a_crowd_is_shown_from_the_nearest_on_within_the_datagram() {
    let mut table = Table::new();
    table.playing(7, HOME.0);
    let crowd = keyframe(&table, HOME, 1, 600);
    table.cells(A, WEST, 1, vec![crowd]);
    table.tick_end(A, WEST, 1);
    let snapshot = parsed(&table);
    assert_eq!(snapshot.cells[0].kind, UpdateKind::Partial);
    assert!(
        snapshot.cells[0].adds.len() >= 32,
        "{} entities",
        snapshot.cells[0].adds.len()
    );
    let bytes = prost::Message::encoded_len(table.snapshot().unwrap());
    assert!(
        bytes <= protocol::limits::DATAGRAM_BYTES_MAX - 33,
        "{bytes} bytes"
    );
}

#[test]
fn who_walks_beside_a_crowd_is_told_of_in_every_snapshot() {
    // More than the few bytes that a crowd's picture leaves because nobody else fits in.
    const BESIDE: u64 = 16;
    let mut table = Table::new();
    table.playing(7, HOME.0);
    let beside = CellIndex(HOME.0 + 1);
    let first = vec![
        keyframe(&table, HOME, 1, 600),
        keyframe(&table, beside, 1, BESIDE),
    ];
    table.cells(A, WEST, 1, first);
    let mut shown = Vec::new();
    for tick in 1..=40_u32 {
        if tick > 1 {
            let mut encoder = table.encoder();
            for slot in 0..BESIDE as u16 {
                let at = CellPoint {
                    x: (tick * 20) as i16,
                    y: (slot * 64) as i16,
                };
                encoder.put_move(slot, at, 0).unwrap();
            }
            let walked = encoder.finish_delta(beside, tick - 1, tick);
            let crowd = delta(&table, HOME, tick, 0, tick as f32 / 2.0);
            table.cells(A, WEST, u64::from(tick), vec![crowd, walked]);
        }
        table.now_ms += 50;
        table.tick_end(A, WEST, u64::from(tick));
        let snapshot = parsed(&table);
        let of = |cell: CellIndex| snapshot.cells.iter().find(|update| update.cell == cell);
        shown.push((of(HOME).map(|crowd| crowd.adds.len()), of(beside).is_some()));
    }
    // The first ones spend what the budget had saved up.
    for (nearest, is_told) in shown.split_off(10) {
        assert!(is_told, "beside the crowd");
        assert!(
            nearest.is_some_and(|nearest| nearest >= 32),
            "{nearest:?} of the crowd"
        );
    }
}

/// Regions of one cell each, and two rings of them in view.
#[test]
fn a_snapshot_names_no_more_regions_than_a_client_takes_and_all_of_them_are_seen_in_turn() {
    let servers = ["\"a\""; 25].join(", ");
    let text = TOPOLOGY
        .replace("size = [256, 128]", "size = [160, 160]")
        .replace("view_rings = 1", "view_rings = 2")
        .replace("columns = 2\nrows = 1", "columns = 5\nrows = 5")
        .replace("servers = [\"a\", \"b\"]", &format!("servers = [{servers}]"))
        .replace(
            "[[server]]\nname = \"b\"\nnumber = 2\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:0\"\n",
            "",
        );
    let mut table = Table::of(&text);
    for region in 1..=25 {
        table.server_starts(A, RegionNumber(region), REGION_EPOCH);
    }
    // In the second row: four of the five are in view.
    table.playing(7, 7);
    let mut seen = std::collections::BTreeSet::new();
    for tick in 1..=3_u32 {
        for cell in 0..25 {
            // Empty, so that bytes are not what runs out.
            let update = keyframe(&table, CellIndex(cell), tick, 0);
            table.cells(A, RegionNumber(cell + 1), u64::from(tick), vec![update]);
        }
        table.now_ms += 50;
        table.tick_end(A, WEST, u64::from(tick));
        // The client's own check, which refuses one that names more.
        let snapshot = parsed(&table);
        assert_eq!(snapshot.head.regions.len(), 16);
        seen.extend(snapshot.cells.iter().map(|cell| cell.cell.0));
    }
    assert_eq!(seen.len(), 20);
}

#[test]
fn the_byte_budget_holds_over_time_and_no_cell_starves() {
    for entities in [20, 50] {
        budget_holds_and_no_cell_starves(entities);
    }
}

fn budget_holds_and_no_cell_starves(entities: u64) {
    let mut table = Table::new();
    let handle = table.playing(7, HOME.0);
    let cells: Vec<CellIndex> = table.topology.world().grid().around(HOME, 1).collect();
    let (mut bytes, mut ticks_since) = (0, vec![0_u32; cells.len()]);
    for tick in 1..=200_u32 {
        let updates: Vec<Bytes> = cells
            .iter()
            .map(|cell| keyframe(&table, *cell, tick, entities))
            .collect();
        table.cells(A, WEST, u64::from(tick), updates);
        table.now_ms += 50;
        table.tick_end(A, WEST, u64::from(tick));
        bytes += prost::Message::encoded_len(table.snapshot().unwrap());
        let snapshot = parsed(&table);
        acknowledge(
            &mut table,
            handle,
            u64::from(tick),
            snapshot.head.number,
            u32::MAX,
        );
        table.effects.clear();
        for (cell, since) in cells.iter().zip(&mut ticks_since) {
            let mut of_cell = snapshot.cells.iter().filter(|shown| shown.cell == *cell);
            let whole = of_cell.any(|shown| shown.kind != UpdateKind::Partial);
            *since = if whole { 0 } else { *since + 1 };
            assert!(*since <= 20, "cell {cell} was not shown whole for {since} ticks");
        }
    }
    assert!(bytes <= 10 * 16 * 1024 + 4 * 1024, "{bytes} bytes in ten seconds");
}
