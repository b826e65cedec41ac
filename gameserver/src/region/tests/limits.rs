//! Proxies and peers that say more than they may: refused, counted, and nothing of it kept.

use bytes::Bytes;
use game::{Ctx as _, Reliability};
use prost::Message as _;
use protocol::Code;
use protocol::cell::{CellEncoder, CellEntity, PositionForm};
use protocol::geometry::{CellIndex, Position};
use protocol::ids::{EntityId, OwnerEpoch};
use protocol::limits::{
    COMMAND_BYTES_MAX, COMMAND_WINDOW, EFFECT_BYTES_MAX, EVENT_BYTES_MAX, HANDOVER_GROUP_MAX,
    INPUTS_REPEATED_MAX, NUMBER_MAX,
};
use protocol::message::effect::Effect;
use protocol::message::handover::{Passenger, PlayerState, Prepare};
use protocol::message::player::{Command, EventAck, Inputs, Leave, LeaveReason, SessionKey};
use protocol::message::subscription::{CellUpdates, Subscribe};
use store::{PlayerSave, StoreRequest};

use super::super::*;
use super::bot::Bot;
use super::scene::*;

fn counted(scene: &Scene, label: &str) -> usize {
    scene.counted.get(label).copied().unwrap_or(0)
}

fn command(bot: &Bot, number: u64, len: usize) -> Command {
    Command {
        user: bot.user.0,
        owner_epoch: bot.epoch.0,
        number,
        class: 0,
        body: Bytes::from(vec![0; len]),
        session_generation: bot.login,
    }
}

#[test]
fn commands_wait_in_a_bounded_queue_and_long_ones_do_not_wait_at_all() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    scene.proxy_says(bot.node, PROXY, command(&bot, 1, COMMAND_BYTES_MAX + 1));
    assert_eq!(counted(&scene, "command_malformed"), 1);
    for number in 1..=COMMAND_WINDOW as u64 + 10 {
        scene.proxy_says(bot.node, PROXY, command(&bot, number, 1));
    }
    assert_eq!(scene.player(A, bot.user).commands.len(), COMMAND_WINDOW);
}

#[test]
fn inputs_too_many_or_numbered_beyond_all_bounds_are_not_taken() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    let inputs = |number, repeated| Inputs {
        user: bot.user.0,
        owner_epoch: bot.epoch.0,
        number,
        inputs: vec![Bytes::from_static(b"xx"); repeated],
    };
    scene.proxy_says(bot.node, PROXY, inputs(1, INPUTS_REPEATED_MAX + 1));
    scene.proxy_says(bot.node, PROXY, inputs(NUMBER_MAX + 1, 1));
    scene.tick();
    assert_eq!(
        (
            counted(&scene, "inputs_malformed"),
            scene.player(A, bot.user).last_input
        ),
        (2, 0)
    );
    scene.proxy_says(bot.node, PROXY, inputs(1, INPUTS_REPEATED_MAX));
    scene.tick();
    assert_eq!(scene.player(A, bot.user).last_input, 1);
}

#[test]
fn a_leave_counts_only_from_the_proxy_that_the_player_is_bound_to() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    let leave = Leave {
        user: bot.user.0,
        session: Some(scene.player(A, bot.user).session_key()),
        reason: LeaveReason::Logout as i32,
    };
    scene.proxy_says(bot.node, OTHER_PROXY, leave.clone());
    assert!(!scene.player(A, bot.user).logout);
    assert_eq!(counted(&scene, "leave_not_bound"), 1);
    let older = SessionKey {
        attach_no: 0,
        ..scene.player(A, bot.user).session_key()
    };
    let late = Leave {
        session: Some(older),
        ..leave.clone()
    };
    scene.proxy_says(bot.node, OTHER_PROXY, late);
    assert_eq!(counted(&scene, "leave_late"), 1, "it has left that proxy");
    assert_eq!(counted(&scene, "leave_not_bound"), 1);
    scene.proxy_says(bot.node, PROXY, leave);
    assert!(scene.player(A, bot.user).logout);
}

#[test]
fn subscriptions_are_for_this_service_and_its_own_cells() {
    let mut scene = Scene::four();
    let epoch = scene.regions[&A].epoch().0;
    let subscribe = |region_epoch, cell: CellIndex| Subscribe {
        region: A.0,
        region_epoch,
        cells: vec![cell.0],
    };
    let cell_of = |scene: &Scene, region| {
        let cells = 0..scene.topology.world().grid().len();
        let mut of_region = cells
            .map(CellIndex)
            .filter(|cell| scene.topology.region_of_cell(*cell) == Some(region));
        of_region.next().unwrap()
    };
    let (own, foreign) = (cell_of(&scene, A), cell_of(&scene, B));
    let node = scene.topology.region(A).unwrap().server;
    scene.proxy_says(node, PROXY, subscribe(epoch - 1, own));
    assert_eq!(counted(&scene, "subscribe_stale_epoch"), 1);
    scene.proxy_says(node, PROXY, subscribe(epoch, foreign));
    assert_eq!(counted(&scene, "subscribe_foreign_cell"), 1);
}

#[test]
fn a_peer_publishes_cells_of_its_own_region_only() {
    let mut scene = Scene::four();
    let grid = scene.topology.world().grid();
    let mut encoder = CellEncoder::new(PositionForm::of(&grid));
    let somebody = CellEntity {
        id: EntityId(7),
        kind: 1,
        owner_epoch: OwnerEpoch(1),
        ..CellEntity::default()
    };
    encoder.put_add(0, &somebody).unwrap();
    let (a, b) = (scene.regions[&A].number(), scene.regions[&B].number());
    let foreign = (0..grid.len())
        .map(CellIndex)
        .find(|cell| scene.topology.region_of_cell(*cell) == Some(RegionNumber(3)))
        .unwrap();
    let updates = CellUpdates {
        region: b.0,
        region_epoch: scene.regions[&B].epoch().0,
        tick: 1,
        server_time_ms: 0,
        cells: vec![encoder.finish_keyframe(foreign, 1)],
    };
    let node = scene.topology.region(b).unwrap().server;
    scene.input(a, RegionInput::FromPeer(node, updates.into()));
    scene.settle();
    assert_eq!(counted(&scene, "cells_foreign"), 1);
}

#[test]
fn a_group_larger_than_allowed_is_refused() {
    let mut scene = Scene::four();
    let prepare = |scene: &Scene, size: usize| Prepare {
        from_region: B.0,
        from_region_epoch: scene.regions[&B].epoch().0,
        to_region: A.0,
        to_region_epoch: scene.regions[&A].epoch().0,
        attempt: size as u64,
        passengers: (1..=size as u64)
            .map(|user| Passenger {
                user,
                owner_epoch: 9,
                version: 1,
                state: None,
                home_cell: 0,
            })
            .collect(),
        ..Prepare::default()
    };
    let node = scene.topology.region(B).unwrap().server;
    for (size, expected) in [
        (HANDOVER_GROUP_MAX + 1, 0),
        (HANDOVER_GROUP_MAX, HANDOVER_GROUP_MAX),
    ] {
        let message = prepare(&scene, size);
        scene.input(A, RegionInput::FromPeer(node, message.into()));
        assert_eq!(scene.regions[&A].state.arrivals.len(), expected);
    }
}

#[test]
fn messages_for_strangers_take_bounded_room() {
    let mut scene = Scene::four();
    let node = scene.topology.region(A).unwrap().server;
    let early = |user, number| Command {
        user,
        owner_epoch: 9,
        number,
        class: 0,
        body: Bytes::from_static(b"x"),
        session_generation: 1,
    };
    for number in 1..=80 {
        scene.proxy_says(node, PROXY, early(1, number));
    }
    assert_eq!(
        counted(&scene, "early_refused"),
        16,
        "sixty-four of one player are kept"
    );
    for user in 2..=2_000 {
        scene.proxy_says(node, PROXY, early(user, 1));
    }
    assert_eq!(scene.regions[&A].state.arrivals.len(), 1_024);
    assert_eq!(counted(&scene, "early_full"), 2_000 - 1_024);
    scene.run(3_000);
    assert_eq!(scene.regions[&A].state.arrivals.len(), 0, "nobody came");
}

#[test]
fn a_join_older_than_the_row_is_superseded_though_nobody_has_the_player() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    scene.input(A, RegionInput::Join(PROXY, join(5, 2, 1)));
    scene.run(2_000);
    let leave = Leave {
        user: 5,
        session: Some(scene.player(A, bot.user).session_key()),
        reason: LeaveReason::Logout as i32,
    };
    scene.proxy_says(bot.node, PROXY, leave);
    scene.run(500);
    assert!(scene.active(bot.user).is_empty());
    scene.heard.clear();
    scene.input(A, RegionInput::Join(OTHER_PROXY, join(5, 1, 9)));
    scene.settle();
    assert_eq!(scene.take_heard(refused), [Code::Superseded.number()]);
}

#[test]
fn joins_beyond_the_room_for_them_are_told_to_come_again() {
    let mut scene = Scene::four();
    // Nothing is settled meanwhile: the store has answered nobody yet.
    for user in 1..=4_100 {
        scene.input(A, RegionInput::Join(PROXY, join(user, 1, 1)));
    }
    assert_eq!(scene.regions[&A].state.joins.len(), 4_096);
    scene.settle();
    let busy = scene.take_heard(refused);
    assert_eq!(busy, [Code::Busy.number(); 4]);
}

#[test]
fn an_acknowledgement_of_events_that_nobody_issued_is_refused() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    let ack = |number| EventAck {
        user: bot.user.0,
        owner_epoch: bot.epoch.0,
        number,
        session_generation: bot.login,
    };
    for (number, refused) in [(0, 0), (1, 1), (100, 2), (NUMBER_MAX, 3)] {
        scene.proxy_says(bot.node, PROXY, ack(number));
        assert_eq!(counted(&scene, "event_ack_unissued"), refused);
        assert_eq!(scene.player(A, bot.user).events.last(), 0);
    }
}

#[test]
fn a_command_of_an_unknown_class_is_refused() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    for class in [2, -1] {
        let command = Command {
            class,
            ..command(&bot, 1, 1)
        };
        scene.proxy_says(bot.node, PROXY, command);
    }
    assert_eq!(counted(&scene, "command_malformed"), 2);
    assert!(scene.player(A, bot.user).commands.is_empty());
}

#[test]
fn an_event_that_is_too_long_is_dropped_and_counted() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    for length in [EVENT_BYTES_MAX + 1, EVENT_BYTES_MAX] {
        state.tell(bot.user, vec![0; length].into(), Reliability::Soft);
    }
    scene.settle();
    assert_eq!(counted(&scene, "event_too_long"), 1);
    assert_eq!(
        scene.player(A, bot.user).events.last(),
        1,
        "the other one was taken"
    );
}

#[test]
fn an_effect_is_short_whoever_makes_it() {
    let mut scene = Scene::four();
    let long = || Bytes::from(vec![0; EFFECT_BYTES_MAX + 1]);
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    let somebody = state.spawn(9, Position { x: 20.0, y: 20.0 }, &[]).unwrap();
    state.effect(somebody, somebody, long());
    scene.settle();
    assert_eq!(counted(&scene, "effect_too_long"), 1);
    let effect = Effect {
        from_region: B.0,
        to_region: A.0,
        to_region_epoch: scene.regions[&A].epoch().0,
        target_entity: somebody.0,
        body: long(),
        ..Effect::default()
    };
    let node = scene.topology.region(B).unwrap().server;
    scene.input(A, RegionInput::FromPeer(node, effect.into()));
    scene.settle();
    assert_eq!(counted(&scene, "effect_malformed"), 1);
}

#[test]
fn a_row_that_breaks_a_limit_refuses_its_player_and_nobody_else() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    let other = Bot::join(&mut scene, 6, 21.0, 20.0);
    let mut row = scene.row(bot.user);
    let mut state = PlayerState::decode(row.body.state.clone()).unwrap();
    state.client_pub = Bytes::from_static(b"short");
    row.body.state = state.encode_to_vec().into();
    row.version.0 += 1;
    let save = StoreRequest::SavePlayers {
        owner: row.owner.unwrap(),
        saves: vec![PlayerSave {
            user: row.user,
            owner_epoch: row.owner_epoch,
            version: row.version,
            body: row.body,
        }],
    };
    scene.store.apply(&save).unwrap();
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.heard.clear();
    for user in [5, 6] {
        scene.input(A, RegionInput::Join(PROXY, join(user, 1, 1)));
    }
    scene.run(1_000);
    assert_eq!(counted(&scene, "activation_failed"), 1);
    assert_eq!(scene.take_heard(refused), [Code::Busy.number()]);
    assert_eq!(scene.assert_owned_once(other.user), A);
}
