//! What a player sees beside those who are near: who shows itself from afar, and who shows itself to it alone.

use protocol::cell::ParsedSnapshot;
use protocol::geometry::Layer;

use super::*;

/// Home of the player: second column, second row of an 8 × 4 grid.
const HOME: CellIndex = CellIndex(9);
const WOLF: u64 = 9_000;

fn far_seeing() -> Table {
    let mut table = Table::of(&TOPOLOGY.replace("view_rings = 1", "view_rings = 1\nfar_rings = 2"));
    for (node, region) in [(A, WEST), (B, EAST)] {
        table.server_starts(node, region, REGION_EPOCH);
    }
    table.take();
    table
}

fn cell(table: &Table, of: CellIndex, layer: Layer, seq: u32, id: Option<u64>) -> Bytes {
    let grid = table.topology.world().grid();
    let (cell, mut encoder) = (grid.on(of, layer), table.encoder());
    if let Some(id) = id {
        let entity = table.entity(id, cell, grid.origin(cell));
        encoder.put_add(0, &entity).unwrap();
    }
    encoder.finish_keyframe(cell, seq)
}

fn parsed(table: &Table) -> ParsedSnapshot {
    let grid = table.topology.world().grid();
    ParsedSnapshot::check(table.snapshot().unwrap().clone(), &grid).unwrap()
}

/// In which cells the newest snapshot shows the wolf, or says anything at all.
fn shown(table: &Table) -> (Vec<u32>, Vec<u32>) {
    let cells = parsed(table).cells;
    let with_wolf = cells
        .iter()
        .filter(|cell| cell.adds.iter().any(|add| add.entity.id.0 == WOLF));
    (
        with_wolf.map(|cell| cell.cell.0).collect(),
        cells.iter().map(|cell| cell.cell.0).collect(),
    )
}

#[test]
fn cells_of_the_far_layer_are_watched_in_more_rings_and_shown_like_others() {
    let mut table = far_seeing();
    let handle = table.admit(1);
    table.attach(handle, 1);
    let world = table.take().into_iter().find_map(|effect| match effect {
        EdgeEffect::ToClient(_, ProxyToClient::World(world)) => Some(world),
        _ => None,
    });
    assert_eq!(world.unwrap().far_rings, 2);
    table.server(A, joined(1, WEST, 7, HOME.0));
    let watched = table.take().into_iter().filter_map(|effect| match effect {
        EdgeEffect::Watch(cell) => Some(cell),
        _ => None,
    });
    let grid = table.topology.world().grid();
    let near = grid.around(HOME, 1);
    let far = grid.around(HOME, 2).map(|cell| grid.on(cell, Layer::Far));
    assert_eq!(watched.collect::<Vec<_>>(), near.chain(far).collect::<Vec<_>>());
    table.answer(Some(A), WEST, 7);
    table.server(A, output(7, HOME.0, b"own"));
    // Two columns to the east, where nobody is seen from near.
    let afar = CellIndex(11);
    let cells = vec![
        cell(&table, afar, Layer::Far, 1, Some(WOLF)),
        cell(&table, HOME, Layer::Near, 1, None),
        cell(&table, afar, Layer::Near, 1, Some(WOLF + 1)),
    ];
    table.cells(A, WEST, 1, cells);
    table.tick_end(A, WEST, 1);
    let far = grid.on(afar, Layer::Far).0;
    assert_eq!(shown(&table), (vec![far], vec![HOME.0, far]));
}

#[test]
fn whom_a_player_alone_sees_goes_first_in_each_of_its_snapshots_as_long_as_its_owner_says_so() {
    let mut table = far_seeing();
    table.playing(7, HOME.0);
    let own = |table: &Table, epoch, wolf: bool| {
        let cells = wolf.then(|| cell(table, HOME, Layer::Unseen, 5, Some(WOLF)));
        player::Output {
            cells: cells.into_iter().collect(),
            ..output(epoch, HOME.0, b"own")
        }
    };
    let unseen = table.topology.world().grid().on(HOME, Layer::Unseen).0;
    for tick in 1..=4_u32 {
        let said = own(&table, 7, true);
        table.server(A, said);
        let update = cell(&table, HOME, Layer::Near, tick, None);
        table.cells(A, WEST, u64::from(tick), vec![update]);
        table.now_ms += 50;
        table.tick_end(A, WEST, u64::from(tick));
        assert_eq!(
            shown(&table),
            (vec![unseen], vec![unseen, HOME.0]),
            "in tick {tick}"
        );
    }
    let said = own(&table, 7, false);
    table.server(A, said);
    table.now_ms += 50;
    table.tick_end(A, WEST, 5);
    assert!(shown(&table).0.is_empty());
    // A former owner's word is none of the next one's.
    let said = own(&table, 7, true);
    table.server(A, said);
    table.server(A, moved(7, B, EAST, 8));
    table.server(B, here(EAST, 8, HOME.0));
    table.now_ms += 50;
    table.tick_end(A, WEST, 6);
    assert!(shown(&table).0.is_empty());
}

#[test]
fn an_output_shows_nothing_but_whole_cells_of_the_unseen_layer() {
    let mut table = far_seeing();
    table.playing(7, HOME.0);
    for layer in [Layer::Near, Layer::Far] {
        let wrong = player::Output {
            cells: vec![cell(&table, HOME, layer, 5, Some(WOLF))],
            ..output(7, HOME.0, b"own")
        };
        table.take();
        table.server(A, wrong);
        let refused = table.take().into_iter().find_map(|effect| match effect {
            EdgeEffect::Refused(label) => Some(label),
            _ => None,
        });
        assert_eq!(refused, Some("output_malformed"));
    }
}

#[test]
fn whom_a_player_alone_sees_leaves_room_for_what_all_see() {
    let mut table = far_seeing();
    let handle = table.playing(7, HOME.0);
    let grid = table.topology.world().grid();
    let near: Vec<CellIndex> = grid.around(HOME, 1).collect();
    // As much as an output holds, in every tick.
    let unseen = grid.on(HOME, Layer::Unseen);
    let mut encoder = table.encoder();
    for slot in 0..16 {
        let entity = table.entity(WOLF + u64::from(slot), unseen, grid.origin(unseen));
        encoder.put_add(slot, &entity).unwrap();
    }
    let only = encoder.finish_keyframe(unseen, 5);
    let mut ticks_since = vec![0_u32; near.len()];
    for tick in 1..=200_u32 {
        let said = player::Output {
            cells: vec![only.clone()],
            ..output(7, HOME.0, b"own")
        };
        table.server(A, said);
        let cells = near
            .iter()
            .map(|of| cell(&table, *of, Layer::Near, tick, Some(u64::from(of.0))));
        let cells = cells.collect();
        table.cells(A, WEST, u64::from(tick), cells);
        table.now_ms += 50;
        table.tick_end(A, WEST, u64::from(tick));
        let snapshot = parsed(&table);
        let ack = client::Input {
            snapshot_ack: snapshot.head.number,
            snapshot_mask: u32::MAX,
            ..input(u64::from(tick))
        };
        table.client(handle, ack);
        table.effects.clear();
        assert_eq!(snapshot.cells[0].adds.len(), 16, "in tick {tick}");
        for (of, since) in near.iter().zip(&mut ticks_since) {
            let shown = snapshot.cells.iter().any(|shown| shown.cell == *of);
            *since = if shown { 0 } else { *since + 1 };
            assert!(
                *since <= 3,
                "cell {of} was not shown for {since} ticks, in tick {tick}"
            );
        }
    }
}
