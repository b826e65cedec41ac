//! A subscriber with little room: late never means more bytes, nothing it missed stays missed, and nobody starves.

use std::collections::{BTreeMap, BTreeSet};

use game::Ctx as _;
use protocol::cell::{DecodedCell, UpdateKind};
use protocol::geometry::Position;
use protocol::ids::{NodeNumber, UserId};
use protocol::limits::{CELL_BYTES_MAX, CELL_ENTITIES_MAX, ENTITY_STATE_BYTES_MAX};
use protocol::message::family::{BatchMessage as _, ServerToProxy, ServerToServer};
use protocol::message::subscription::Subscribe;

use super::super::*;
use super::bot::Bot;
use super::scene::*;
use super::view::{View, subscribe};

/// Two seconds.
const TICKS: u64 = 40;
const LANE: Subscriber = Subscriber::Lane(PROXY.at);

/// A link that takes so many bytes per tick; the rest waits in its queue.
struct Link {
    credit_bytes: usize,
    per_tick_bytes: usize,
    queued_bytes: usize,
}

impl Link {
    fn new(credit_bytes: usize, per_tick_bytes: usize) -> Self {
        Self {
            credit_bytes,
            per_tick_bytes,
            queued_bytes: 0,
        }
    }

    /// One tick of the scene with the lane over this link; the bytes that the region said to it.
    fn tick(&mut self, scene: &mut Scene) -> usize {
        let room = self.credit_bytes.saturating_sub(self.queued_bytes);
        scene.room.0.insert(LANE, room);
        scene.tick();
        let said = said_bytes(scene);
        self.queued_bytes = (self.queued_bytes + said).saturating_sub(self.per_tick_bytes);
        said
    }
}

fn said_bytes(scene: &Scene) -> usize {
    let said = scene.heard.iter().map(|(_, _, message)| match message {
        ServerToProxy::TickEnd(_) => 0,
        message => message.encoded_len(),
    });
    said.sum()
}

/// Fills region A evenly.
fn populate(scene: &mut Scene, entities: usize, state_bytes: usize) {
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    for number in 0..entities {
        let at = Position {
            x: (number % 100) as f32 * 1.28 + 0.1,
            y: (number / 100) as f32 * 1.28 + 0.1,
        };
        state
            .spawn(9, at, &vec![number as u8; state_bytes])
            .expect("room for it");
    }
}

/// Every entity of region A takes a small step, to and fro.
fn everybody_moves(scene: &mut Scene) {
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    let step = if state.tick.0.is_multiple_of(2) {
        0.25
    } else {
        -0.25
    };
    let mut found = Vec::new();
    let middle = Position { x: 64.0, y: 64.0 };
    state.nearby(middle, 200.0, &mut |view| found.push((view.id, view.at)));
    for (id, at) in found {
        let to = Position {
            x: at.x + step,
            y: at.y,
        };
        state.walk(id, to, (step * 100.0) as u8, 5.0);
    }
}

#[test]
fn ten_thousand_entities_are_seen_within_two_seconds_by_a_proxy_that_reconnects() {
    let mut scene = Scene::four();
    populate(&mut scene, 10_000, ENTITY_STATE_BYTES_MAX);
    for round in 0..2 {
        subscribe(&mut scene);
        scene.heard.clear();
        let (mut view, mut link) = (View::default(), Link::new(CREDIT_BYTES, CREDIT_BYTES / 4));
        for tick in 0..TICKS {
            everybody_moves(&mut scene);
            let said = link.tick(&mut scene);
            assert!(
                said <= CREDIT_BYTES + 10_000 / 16 * 94,
                "{said} bytes in tick {tick} of {round}"
            );
            view.update(&mut scene);
        }
        assert_eq!(view.entities().filter(|(_, one)| one.kind == 9).count(), 10_000);
        assert!(view.is_whole(&mut scene));
        scene.input(A, RegionInput::ProxyDown(PROXY));
        scene.link_all();
    }
}

#[test]
fn a_cell_full_of_the_largest_entities_is_seen_by_a_proxy_and_by_a_peer() {
    let mut scene = Scene::four();
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    for number in 0..CELL_ENTITIES_MAX {
        // In the cell at the border to region B; gems that lie there count as well.
        let at = Position {
            x: 97.0 + (number % 64) as f32 * 0.48,
            y: 1.0 + (number / 64) as f32 * 0.48,
        };
        let bytes = [number as u8; ENTITY_STATE_BYTES_MAX];
        state.spawn(u16::MAX, at, &bytes);
    }
    let crowded = state.home_cell(Position { x: 100.0, y: 3.0 });
    subscribe(&mut scene);
    let mut view = View::default();
    for _ in 0..TICKS {
        everybody_moves(&mut scene);
        Link::new(CREDIT_BYTES, CREDIT_BYTES).tick(&mut scene);
        for (_, _, message) in &scene.heard {
            if let ServerToProxy::CellUpdates(updates) = message {
                let longest = updates.cells.iter().map(bytes::Bytes::len).max();
                assert!(longest <= Some(CELL_BYTES_MAX), "{longest:?}");
            }
        }
        view.update(&mut scene);
    }
    assert_eq!(view.0[&crowded].len(), CELL_ENTITIES_MAX);
    assert!(view.is_whole(&mut scene));
    let ghosts = scene.regions[&B]
        .state
        .neighbourhood
        .ghosts()
        .cell(A, crowded)
        .unwrap();
    assert_eq!(ghosts.len(), CELL_ENTITIES_MAX, "the peer sees all of them");
}

#[test]
fn a_lane_with_half_of_what_it_needs_stays_at_steady_bytes_and_recovers_within_two_seconds() {
    let mut scene = Scene::four();
    populate(&mut scene, 2_000, 8);
    subscribe(&mut scene);
    scene.tick();
    let mut view = View::default();
    view.update(&mut scene);
    let mut needed = 0;
    for _ in 0..TICKS {
        everybody_moves(&mut scene);
        scene.tick();
        needed = needed.max(said_bytes(&scene));
        view.update(&mut scene);
    }
    let mut link = Link::new(needed, needed / 2);
    let mut second = |scene: &mut Scene, view: &mut View| {
        let mut said = 0;
        for _ in 0..TICKS / 2 {
            everybody_moves(scene);
            said += link.tick(scene);
            assert!(link.queued_bytes <= needed, "{} bytes wait", link.queued_bytes);
            view.update(scene);
        }
        said
    };
    let first = second(&mut scene, &mut view);
    for number in 2..=6 {
        let said = second(&mut scene, &mut view);
        let steady = said <= needed / 2 * (TICKS / 2) as usize + needed && said <= first + needed;
        assert!(steady, "{said} bytes in second {number}, {first} in the first");
        assert!(
            said >= needed / 2 * (TICKS / 2) as usize * 7 / 10,
            "the link idles: {said} bytes"
        );
    }
    for _ in 0..TICKS {
        everybody_moves(&mut scene);
        Link::new(needed * 2, needed * 2).tick(&mut scene);
        view.update(&mut scene);
    }
    assert!(view.is_whole(&mut scene));
    assert_eq!(scene.regions[&A].status().cells_waiting, 0);
}

#[test]
fn own_states_go_first_and_take_turns_when_there_is_room_for_some() {
    let mut scene = Scene::four();
    let bots: Vec<_> = (1..=6)
        .map(|user| Bot::join(&mut scene, user, 20.0, 20.0 + user as f32))
        .collect();
    subscribe(&mut scene);
    scene.tick();
    scene.heard.clear();
    let mut heard: BTreeMap<UserId, u32> = BTreeMap::new();
    for _ in 0..TICKS {
        scene.room.0.insert(LANE, 250);
        everybody_moves(&mut scene);
        scene.tick();
        let tick = scene.regions[&A].status().tick;
        let outputs = scene.heard.iter().filter_map(|(_, _, message)| output(message));
        for output in outputs {
            assert_eq!(output.tick, tick, "the newest");
            *heard.entry(UserId(output.user)).or_default() += 1;
        }
        let end = scene
            .heard
            .iter()
            .rev()
            .find_map(|(_, _, message)| match message {
                ServerToProxy::TickEnd(end) if end.region == A.0 => Some((end.tick, end.outputs, end.cells)),
                _ => None,
            });
        assert_eq!(end, Some((tick, 0, 0)), "every tick ends");
        scene.heard.clear();
    }
    let (least, most) = (heard.values().min(), heard.values().max());
    assert_eq!(heard.len(), bots.len());
    assert!(
        least.zip(most).is_some_and(|(least, most)| most - least <= 1),
        "{heard:?}"
    );
    // None at all while nothing is taken, and then all of them at once.
    for (room, expected) in [(0, 0), (0, 0), (usize::MAX, bots.len())] {
        scene.room.0.insert(LANE, room);
        scene.tick();
        assert_eq!(scene.take_heard(output).len(), expected);
    }
}

#[test]
fn a_lane_that_nobody_has_said_anything_to_yet_is_asked_for_its_room_too() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    for (lane, room, expected) in [(OTHER_PROXY, 0, 0), (PROXY, usize::MAX, 1)] {
        scene.input(A, RegionInput::ProxyDown(lane));
        scene.link_all();
        scene.room.0.insert(Subscriber::Lane(lane.at), room);
        let attach_no = scene.player(A, bot.user).bound.attach_no.0 + 1;
        scene.input(A, RegionInput::Join(lane, join(5, 1, attach_no)));
        scene.settle();
        scene.heard.clear();
        scene.tick();
        assert_eq!(scene.take_heard(output).len(), expected);
    }
}

#[test]
fn who_is_gone_wants_nothing_any_more() {
    let mut scene = Scene::four();
    subscribe(&mut scene);
    let wanted = |scene: &Scene| scene.regions[&A].state.publication.subscriptions();
    let all = wanted(&scene);
    scene.input(A, RegionInput::PeerDown(NodeNumber(2)));
    let without_peer = wanted(&scene);
    scene.input(A, RegionInput::ProxyDown(PROXY));
    assert!(all > without_peer);
    assert_eq!(wanted(&scene) + 16, without_peer);
}

#[test]
fn a_first_keyframe_comes_over_a_lane_that_deltas_fill() {
    let mut scene = Scene::four();
    populate(&mut scene, 2_000, 8);
    subscribe(&mut scene);
    scene.tick();
    scene.heard.clear();
    everybody_moves(&mut scene);
    scene.tick();
    let needed = said_bytes(&scene);
    scene.heard.clear();
    // Four cells are wanted anew, and a quarter of what the deltas of the others take is there.
    let region = scene.topology.region(A).unwrap();
    let cells: Vec<u32> = scene
        .topology
        .world()
        .grid()
        .within(region.rect)
        .map(|cell| cell.0)
        .take(4)
        .collect();
    let wanted = Subscribe {
        region: A.0,
        region_epoch: scene.regions[&A].epoch().0,
        cells: cells.clone(),
    };
    scene.proxy_says(region.server, PROXY, wanted);
    let grid = scene.topology.world().grid();
    let (mut shown, mut link) = (BTreeSet::new(), Link::new(needed / 4, needed / 4));
    for _ in 0..2 * TICKS {
        everybody_moves(&mut scene);
        link.tick(&mut scene);
        for (_, _, message) in std::mem::take(&mut scene.heard) {
            let ServerToProxy::CellUpdates(updates) = message else {
                continue;
            };
            let updates = updates
                .cells
                .into_iter()
                .map(|bytes| DecodedCell::parse(&bytes, &grid).unwrap());
            shown.extend(
                updates
                    .filter(|update| update.kind == UpdateKind::Keyframe)
                    .map(|update| update.cell.0),
            );
        }
    }
    assert!(cells.iter().all(|cell| shown.contains(cell)), "{shown:?}");
}

#[test]
fn whatever_room_there_is_nothing_missed_stays_missed() {
    for seed in 1..=8 {
        let mut scene = Scene::four();
        scene.dice = seed;
        let mut bots: Vec<_> = (1..=8)
            .map(|user| Bot::join(&mut scene, user, 60.0, 50.0 + user as f32))
            .collect();
        subscribe(&mut scene);
        let mut view = View::default();
        for step in 0..150 {
            let pick = scene.roll() as usize % bots.len();
            let heading = scene.roll() as u8;
            bots[pick].walk(&mut scene, heading, 255);
            if step == 75 {
                // It loses what it had of some cells, as a viewer with a gap says.
                view.0.clear();
                subscribe(&mut scene);
            }
            let room = [0, 0, 60, 200, 700, usize::MAX][scene.roll() as usize % 6];
            scene.room.0.insert(LANE, room);
            scene.tick();
            view.update(&mut scene);
        }
        scene.room.0.clear();
        scene.tick();
        view.update(&mut scene);
        assert!(view.is_whole(&mut scene), "seed {seed}");
    }
}

#[test]
fn a_peer_that_comes_back_is_asked_for_its_strip_again() {
    let mut scene = Scene::four();
    scene.run(500);
    scene.said.clear();
    scene.input(B, RegionInput::PeerDown(NodeNumber(1)));
    scene.input(B, RegionInput::PeerUp(NodeNumber(1)));
    scene.settle();
    let is_asked =
        |message: &ServerToServer| matches!(message, ServerToServer::Subscribe(asked) if asked.region == A.0);
    assert!(scene.said.iter().any(is_asked), "{:?}", scene.said);
}
