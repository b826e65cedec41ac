//! Sizes of a small world, against sums worked out by hand.

use protocol::geometry::Position;

use super::*;

/// Two servers with a half each of 8 × 4 cells of 32 units, two proxies of one and three shards.
fn halves() -> Topology {
    let text = r#"
[world]
name = "halves"
size = [256, 128]
cell_size = 32
view_rings = 1
border_cells = 1
tick_hz = 20
handover_margin = 1.0
[[server]]
name = "west"
number = 1
peer = "127.0.0.1:1001"
proxy = "127.0.0.1:1002"
[[server]]
name = "east"
number = 2
peer = "127.0.0.1:1003"
proxy = "127.0.0.1:1004"
[[proxy]]
name = "edge-1"
number = 101
tcp = "127.0.0.1:2001"
udp = "127.0.0.1:2002"
http = "127.0.0.1:2003"
[[proxy]]
name = "edge-2"
number = 102
tcp = "127.0.0.1:2011"
udp = "127.0.0.1:2012"
http = "127.0.0.1:2013"
shards = 3
[grid]
columns = 2
rows = 1
servers = ["west", "east"]
"#;
    crate::parse("halves.toml", text).unwrap()
}

/// One of everything.
fn ones() -> UnitCosts {
    let mut text = "machine = \"made up\"\n".to_owned();
    for line in UnitCosts::default().to_toml().lines().skip(1) {
        text += &format!("{} = 1\n", line.split(' ').next().unwrap());
    }
    UnitCosts::parse(&text).unwrap()
}

fn load(players: u32) -> Load {
    Load {
        players,
        spread: Spread::default(),
        speed: 2.0,
        durable_hz: 0.5,
        network: 1e9,
    }
}

/// Bytes per second on a lane of a world of two proxies, beside cells and own states, when there is something to say in each tick:
/// 20 frames with two messages of 18 bytes, and two heartbeats.
const OF_LANE: f64 = 20.0 * (73.0 + 18.0 + 18.0) + 2.0 * 156.0;
/// The other way, beside inputs.
const OF_LANE_BACK: f64 = 2.0 * 112.0;
/// From one game server to another: 20 frames with one message, and heartbeats on both links.
const OF_PEER: f64 = 20.0 * (73.0 + 18.0) + 4.0 * 156.0;

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * other.abs().max(1.0)
}

#[test]
fn players_see_those_in_the_cells_around_them() {
    // One in each of the 32 cells: nine in the middle, six at an edge, four at a corner.
    let size = Size::predict(&halves(), &load(32), &ones());
    let seen = (12.0 * 9.0 + 16.0 * 6.0 + 4.0 * 4.0) / 32.0 * 31.0 / 32.0;
    assert!(near(size.visible[0], seen), "{:?}", size.visible);
    assert!(near(size.visible[1], 9.0 * 31.0 / 32.0), "{:?}", size.visible);
}

#[test]
fn crossings_are_those_of_walkers_in_all_directions() {
    // 32 players in 256 × 128 units at 2 units per second over a border of 128: density × speed × length ÷ π in each direction.
    let size = Size::predict(&halves(), &load(32), &ones());
    let each_way = 32.0 / (256.0 * 128.0) * 2.0 * 128.0 / std::f64::consts::PI;
    assert!(near(size.store.crossings, 2.0 * each_way), "{:?}", size.store);
    assert_eq!((size.store.durable, size.store.soft), (16.0, 32.0));
    assert!(near(size.store.rows(), 48.0 + 2.0 * each_way));
}

#[test]
fn cells_go_to_the_proxies_whose_players_see_them_and_to_the_neighbour_at_the_border() {
    let mut units = ones();
    units.own_state_bytes = 0.0;
    let size = Size::predict(&halves(), &load(3_200), &units);
    let bytes = |from: &str, to: &str| {
        let of = |pair: &&PairSize| pair.names == [from, to];
        size.pairs.iter().find(of).unwrap().bytes
    };
    // A hundred in each cell: all are seen from all shards, and changed in each tick.
    let cell = 101.0 * 20.0;
    let lane = 16.0 * cell + OF_LANE;
    assert!(near(bytes("west", "edge-1"), lane), "{:?}", size.pairs);
    assert!(near(bytes("west", "edge-2"), 3.0 * lane), "three shards");
    let strip = 4.0 * cell + OF_PEER + size.store.crossings / 2.0;
    assert!(near(bytes("west", "east"), strip), "a strip of four cells");
    let inputs = 800.0 * 20.0 + 3.0 * OF_LANE_BACK;
    assert!(near(bytes("edge-2", "east"), inputs), "inputs of its half");
    assert_eq!(size.links, [1, 8]);
    let alone = Size::predict(&halves(), &load(1), &units);
    let to = |proxy: &str| {
        alone
            .pairs
            .iter()
            .find(|pair| pair.names == ["west", proxy])
            .unwrap()
            .bytes
    };
    assert!(
        to("edge-1") < cell + OF_LANE,
        "who sees nothing of a cell is not sent it"
    );
}

#[test]
fn links_carry_heads_of_frames_and_messages_heartbeats_and_handovers_beside() {
    let mut units = ones();
    (units.cell_bytes, units.entity_bytes) = (0.0, 0.0);
    (units.own_state_bytes, units.input_link_bytes) = (0.0, 0.0);
    units.crossing_bytes = 500.0;
    let bytes = |players: u32, from: &str, to: &str| {
        let size = Size::predict(&halves(), &load(players), &units);
        let pair = size.pairs.iter().find(|pair| pair.names == [from, to]);
        (pair.unwrap().bytes, size.store.crossings)
    };
    // Nobody plays: heartbeats alone, on a lane one each way, between servers on two links.
    assert_eq!(bytes(0, "west", "edge-1").0, 2.0 * 156.0);
    assert_eq!(bytes(0, "west", "edge-2").0, 3.0 * 2.0 * 156.0);
    assert_eq!(bytes(0, "edge-2", "west").0, 3.0 * 2.0 * 112.0);
    assert_eq!(bytes(0, "west", "east").0, 2.0 * 2.0 * 156.0);
    // Many do: a frame in each tick with a message of cells in it, to a proxy another one that the tick is over.
    assert!(near(bytes(3_200, "west", "edge-1").0, OF_LANE));
    let (both, crossings) = bytes(3_200, "west", "east");
    assert!(near(both, OF_PEER + crossings * 500.0 / 2.0), "{both}");
    assert_eq!(bytes(3_200, "edge-1", "east").0, OF_LANE_BACK);
    // Few do: half of 32 stand in the west, a sixth of these at each shard of the second proxy, and one in each cell of the strip.
    let is_any = |players: f64| 1.0 - (-players).exp();
    let lane = is_any(16.0 / 6.0) * (73.0 + 18.0 + 18.0) * 20.0 + 2.0 * 156.0;
    assert!(near(bytes(32, "west", "edge-2").0, 3.0 * lane));
    let (both, crossings) = bytes(32, "east", "west");
    let strip = is_any(4.0) * (73.0 + 18.0) * 20.0 + 4.0 * 156.0;
    assert!(near(both, strip + crossings * 500.0 / 2.0), "{both}");
}

#[test]
fn cores_are_added_up_from_players_sights_crossings_and_bytes() {
    let units = ones();
    let size = Size::predict(&halves(), &load(32), &units);
    let [west, edge] = [&size.servers[0], &size.proxies[1]];
    let link = |node: &NodeSize, players: f64| {
        let own = if node.number.0 > 100 { players * 20.0 } else { 0.0 };
        (node.bytes_in + node.bytes_out - 2.0 * own - size.visible[0].min(1.0) * own) / 1024.0
    };
    let us = 16.0 * 20.0 + size.store.crossings / 2.0 + link(west, 0.0);
    assert!(near(west.cores, 1.0 + us / 1e6), "{west:?}");
    // A snapshot has room for one.
    let us = 16.0 * 20.0 * 2.0 + link(edge, 16.0);
    assert!(near(edge.cores, 1.0 + us / 1e6), "{edge:?}");
    assert_eq!((edge.players, edge.cores_max, west.cores_max), (16.0, 3.0, 1.0));
}

#[test]
fn those_who_gather_fill_the_place_where_they_do() {
    let at = Position { x: 40.0, y: 40.0 };
    let spread = Spread {
        gathered: 0.5,
        at: vec![Gathering { at, radius: 0.0 }],
    };
    let size = Size::predict(&halves(), &Load { spread, ..load(640) }, &ones());
    assert!(near(size.servers[0].players, 320.0 + 160.0), "{:?}", size.servers);
    assert!(size.visible[1] > 320.0, "{:?}", size.visible);
    let nowhere = Spread {
        gathered: 0.5,
        at: Vec::new(),
    };
    let even = Size::predict(
        &halves(),
        &Load {
            spread: nowhere,
            ..load(640)
        },
        &ones(),
    );
    assert_eq!(even.servers[0].players, even.servers[1].players);
}

#[test]
fn the_first_to_be_full_is_named_with_the_players_that_fill_it() {
    let mut units = ones();
    (units.server_cores, units.proxy_cores) = (0.0, 0.0);
    (units.server_us, units.rows_max) = (100.0, 1e9);
    let (what, players) = Size::first_full(&halves(), &load(1), &units).unwrap();
    assert_eq!(what, "world thread of west");
    // 1 s ÷ 20 Hz ÷ 100 µs are 500 players of each server, less what links take.
    assert!((980..=1_000).contains(&players), "{players}");
    units.rows_max = 10.0;
    let (what, players) = Size::first_full(&halves(), &load(1), &units).unwrap();
    assert_eq!((what.as_str(), players), ("the store", 6));
}

#[test]
fn a_table_of_costs_is_read_whole_or_not_at_all() {
    let costs = UnitCosts::default();
    assert_eq!(UnitCosts::parse(&costs.to_toml()), Ok(costs.clone()));
    for (line, broken) in [
        ("proxy_us =", "proxy_us = -1.0\n"),
        ("rows_max =", ""),
        ("cell_bytes =", "cell_bytes = nan\n"),
    ] {
        let text = costs.to_toml();
        let was = text.lines().find(|one| one.starts_with(line)).unwrap();
        let error = UnitCosts::parse(&text.replace(&format!("{was}\n"), broken)).unwrap_err();
        assert!(error.to_string().contains(line.trim_end_matches(" =")), "{error}");
    }
    assert!(matches!(UnitCosts::parse("]"), Err(UnitsError::Text(_))));
}

#[test]
fn the_report_names_everything() {
    let text = Size::predict(&halves(), &load(1_000), &UnitCosts::default()).to_string();
    for part in [
        "1000 players",
        "2 game servers",
        "west  500 players",
        "edge-2  500 players",
        "of 3 cores",
        "links: 1 between",
        "rows/s",
        "fullest:",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}
