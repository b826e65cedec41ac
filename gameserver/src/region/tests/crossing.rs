//! Handovers, with everything that can happen to their messages.

use std::sync::Arc;

use game::Ctx as _;
use protocol::ids::{NodeNumber, OwnerEpoch, RegionNumber, UserId};
use protocol::message::family::{ServerToProxy, ServerToServer};
use protocol::message::handover::{Passenger, Prepare};
use protocol::message::player::{Leave, LeaveReason};

use super::super::*;
use super::bot::Bot;
use super::scene::*;

const PREPARE: u8 = 0x60;
const PREPARED: u8 = 0x61;
const COMMIT: u8 = 0x63;
const DONE: u8 = 0x64;
const EAST: u8 = 0;
const WEST: u8 = 128;

/// A player just inside the border of A, about to walk into B.
fn at_the_border(scene: &mut Scene) -> Bot {
    Bot::join(scene, 5, 126.0, 40.0)
}

#[test]
fn a_player_walks_from_region_to_region_and_is_never_in_both_or_in_none() {
    for servers in [[1, 2, 3, 4], [1, 1, 2, 2]] {
        let mut scene = Scene::new(servers);
        let mut bot = at_the_border(&mut scene);
        let epoch = bot.epoch;
        bot.walk(&mut scene, EAST, 255);
        for _ in 0..30 {
            bot.live(&mut scene, 50);
            assert_eq!(scene.active(bot.user).len(), 1, "on {servers:?}");
        }
        assert_eq!(scene.assert_owned_once(bot.user), B);
        assert_eq!(bot.epoch, epoch.next().unwrap(), "the bot was told");
        let (_, _, at) = scene.active(bot.user)[0];
        assert!((at.x - 135.0).abs() < 0.7, "and kept walking: {at:?}");
        bot.walk(&mut scene, WEST, 255);
        bot.live(&mut scene, 2_000);
        assert_eq!(scene.assert_owned_once(bot.user), A, "and back");
        assert_eq!(bot.input_ack, 2);
        bot.live(&mut scene, 31_000);
        for region in scene.regions.values() {
            let status = region.status();
            assert_eq!(
                (status.handovers, status.store_waiting),
                (0, 0),
                "nothing is left behind"
            );
            assert!(region.state.forwardings.is_empty());
        }
    }
}

#[test]
fn whoever_walks_faster_than_regions_are_wide_passes_through_every_one_of_them() {
    // Six units in a tick, through regions of one.
    let thin = world([1, 2, 3, 4]).to_toml();
    let thin = thin
        .replace("size = [256, 256]", "size = [8, 8]")
        .replace("cell_size = 32", "cell_size = 1")
        .replace("tick_hz = 20", "tick_hz = 1")
        .replace("handover_margin = 1.0", "handover_margin = 0.25")
        .replace("columns = 2\nrows = 2", "columns = 4\nrows = 1")
        .replace("size = [8, 8]", "size = [4, 8]");
    let mut scene = Scene::of(Arc::new(topology::parse("thin.toml", &thin).unwrap()));
    // Somebody whose first place is in the second region.
    let place = |user: u64| scene.spawn_point(UserId(user));
    let user = (1..).find(|user| scene.topology.region_at(place(*user)).number == B);
    let mut bot = Bot::join(&mut scene, user.unwrap(), 1.5, 4.5);
    bot.walk(&mut scene, EAST, 255);
    let mut passed = vec![B];
    for _ in 0..20 {
        bot.live(&mut scene, 50);
        if let [(region, ..)] = scene.active(bot.user)[..]
            && !passed.contains(&region)
        {
            passed.push(region);
        }
    }
    assert_eq!(passed, [2, 3, 4].map(RegionNumber));
    assert_eq!(scene.assert_owned_once(bot.user), RegionNumber(4));
}

#[test]
fn any_one_message_may_be_lost_or_doubled_at_any_step() {
    for family in [PREPARE, PREPARED, COMMIT, DONE] {
        for lost in [1, 3] {
            let mut scene = Scene::four();
            let mut bot = at_the_border(&mut scene);
            scene.lose.insert(family, lost);
            bot.walk(&mut scene, EAST, 255);
            bot.live(&mut scene, 4_000);
            assert_eq!(
                scene.assert_owned_once(bot.user),
                B,
                "{lost} of {family:#04x} lost"
            );
            assert_eq!(scene.regions[&A].status().handovers, 0);
        }
        let mut scene = Scene::four();
        let mut bot = at_the_border(&mut scene);
        scene.double.insert(family);
        bot.walk(&mut scene, EAST, 255);
        bot.live(&mut scene, 1_500);
        bot.walk(&mut scene, WEST, 255);
        bot.live(&mut scene, 2_000);
        assert_eq!(scene.assert_owned_once(bot.user), A, "{family:#04x} doubled");
    }
}

#[test]
fn without_an_answer_the_player_goes_on_inside_after_a_quarter_of_a_second() {
    let mut scene = Scene::four();
    let mut bot = at_the_border(&mut scene);
    scene.lose.insert(PREPARE, 1_000);
    bot.walk(&mut scene, EAST, 255);
    let mut frozen = 0;
    for _ in 0..60 {
        bot.live(&mut scene, 50);
        frozen += scene.regions[&A].status().frozen;
        assert_eq!(scene.active(bot.user)[0].0, A);
    }
    assert!(
        frozen > 5 && scene.counted["handover_timeout"] >= 2,
        "frozen {frozen} ticks"
    );
    // Turning round while frozen: the input is dropped, the next one after the abort counts.
    while scene.regions[&A].status().frozen == 0 {
        bot.live(&mut scene, 50);
    }
    bot.walk(&mut scene, WEST, 255);
    bot.live(&mut scene, 300);
    bot.walk(&mut scene, WEST, 255);
    bot.live(&mut scene, 1_000);
    let (region, epoch, at) = scene.active(bot.user)[0];
    assert!(
        region == A && epoch == bot.epoch && at.x < 126.0,
        "walked home: {at:?}"
    );
}

#[test]
fn where_nobody_serves_the_other_side_players_are_held_and_their_commands_go_on() {
    let mut scene = Scene::four();
    let mut bot = at_the_border(&mut scene);
    scene.stop(B);
    bot.walk(&mut scene, EAST, 255);
    bot.live(&mut scene, 1_500);
    bot.command(&mut scene, &demo::Command::Collect { thing: 1 });
    bot.live(&mut scene, 100);
    let (region, _, at) = scene.active(bot.user)[0];
    assert!(region == A && at.x <= 129.0, "held: {at:?}");
    assert_eq!(bot.acked, 1);
    scene.start(B);
    scene.link_all();
    bot.live(&mut scene, 1_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
}

#[test]
fn commands_issued_all_the_way_are_applied_exactly_once_in_order() {
    let mut scene = Scene::four();
    let mut bot = at_the_border(&mut scene);
    for round in 0..80_u8 {
        let heading = if round / 20 % 2 == 0 { EAST } else { WEST };
        bot.walk(&mut scene, heading, 255);
        bot.command(&mut scene, &demo::Command::Emote(round));
        bot.live(&mut scene, 50);
    }
    bot.live(&mut scene, 500);
    let region = scene.assert_owned_once(bot.user);
    assert!(bot.epoch.0 & 0xff >= 3, "crossed to and fro");
    assert_eq!(scene.player(region, bot.user).commands.chain_hash(), bot.chain);
    assert_eq!((bot.acked, bot.unacked.len()), (80, 0));
}

#[test]
fn a_target_that_restarts_at_any_step_loses_nobody() {
    for family in [PREPARE, PREPARED, COMMIT, DONE] {
        let mut scene = Scene::four();
        let mut bot = at_the_border(&mut scene);
        scene.lose.insert(family, 1);
        bot.walk(&mut scene, EAST, 255);
        while !scene
            .said
            .iter()
            .any(|message| protocol::message::family::BatchMessage::family(message) == family)
        {
            scene.tick();
        }
        scene.stop(B);
        scene.start(B);
        scene.link_all();
        bot.live(&mut scene, 3_000);
        // The proxy joins its players again at whoever the row names.
        let owner = scene.row(bot.user).region;
        scene.input(owner, RegionInput::Join(PROXY, join(5, 1, 1)));
        scene.settle();
        scene.assert_owned_once(bot.user);
    }
}

#[test]
fn a_source_that_restarts_at_any_step_loses_nobody() {
    for family in [PREPARE, PREPARED, COMMIT, DONE] {
        let mut scene = Scene::four();
        let mut bot = at_the_border(&mut scene);
        scene.lose.insert(family, 1);
        bot.walk(&mut scene, EAST, 255);
        while !scene
            .said
            .iter()
            .any(|message| protocol::message::family::BatchMessage::family(message) == family)
        {
            scene.tick();
        }
        scene.stop(A);
        scene.start(A);
        scene.link_all();
        bot.live(&mut scene, 3_000);
        let owner = scene.row(bot.user).region;
        scene.input(owner, RegionInput::Join(PROXY, join(5, 1, 1)));
        scene.settle();
        scene.assert_owned_once(bot.user);
    }
}

#[test]
fn four_regions_meet_at_a_corner() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 124.0, 124.0);
    let mut seen = std::collections::BTreeSet::new();
    for heading in [32_u8, 160, 0, 64, 128, 192, 32, 192, 128, 64] {
        bot.walk(&mut scene, heading, 255);
        bot.live(&mut scene, 1_700);
        assert_eq!(scene.active(bot.user).len(), 1);
        seen.insert(scene.active(bot.user)[0].0);
    }
    bot.walk(&mut scene, 0, 0);
    bot.live(&mut scene, 1_000);
    scene.assert_owned_once(bot.user);
    assert!(seen.len() >= 3, "{seen:?}");
}

#[test]
fn two_players_cross_both_ways_at_once() {
    let mut scene = Scene::four();
    let mut east = Bot::join(&mut scene, 5, 126.0, 40.0);
    let mut west = Bot::join(&mut scene, 6, 130.0, 40.0);
    east.walk(&mut scene, EAST, 255);
    west.walk(&mut scene, WEST, 255);
    for _ in 0..30 {
        scene.tick();
        assert_eq!(
            (scene.active(east.user).len(), scene.active(west.user).len()),
            (1, 1)
        );
    }
    east.listen(&mut scene);
    west.listen(&mut scene);
    assert_eq!(
        (
            scene.assert_owned_once(east.user),
            scene.assert_owned_once(west.user)
        ),
        (B, A)
    );
}

#[test]
fn a_group_crosses_in_one_step() {
    let mut scene = Scene::four();
    let mut rider = at_the_border(&mut scene);
    let mount = Bot::join(&mut scene, 6, 125.5, 40.0);
    let gone = UserId(99);
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    state.travel_with(rider.user, &[gone, mount.user, rider.user, mount.user]);
    rider.walk(&mut scene, EAST, 255);
    rider.live(&mut scene, 1_000);
    assert_eq!(
        (
            scene.assert_owned_once(rider.user),
            scene.assert_owned_once(mount.user)
        ),
        (B, B)
    );
    let prepares = scene.said.iter().filter_map(|message| match message {
        ServerToServer::Prepare(prepare) => Some(prepare.passengers.len()),
        _ => None,
    });
    assert_eq!(prepares.collect::<Vec<_>>().last(), Some(&2));
}

#[test]
fn a_logout_while_frozen_is_done_by_whoever_has_the_player_then() {
    let mut scene = Scene::four();
    let mut bot = at_the_border(&mut scene);
    scene.lose.insert(PREPARE, 1_000);
    bot.walk(&mut scene, EAST, 255);
    while scene.regions[&A].status().frozen == 0 {
        scene.tick();
    }
    assert_eq!(
        scene.regions[&A].status().unsaved,
        1,
        "it may come to nothing yet"
    );
    let session = Some(scene.player(A, bot.user).session_key());
    let leave = Leave {
        user: 5,
        session,
        reason: LeaveReason::Logout as i32,
    };
    scene.proxy_says(bot.node, PROXY, leave);
    scene.run(500);
    assert!(scene.active(bot.user).is_empty());
    assert_eq!(scene.row(bot.user).owner, None);
    assert_eq!(scene.regions[&A].status().departed, 1);
}

#[test]
fn a_player_whose_proxy_dies_on_the_way_waits_linkdead_at_the_target() {
    let mut scene = Scene::four();
    let mut bot = at_the_border(&mut scene);
    scene.lose.insert(COMMIT, 1);
    bot.walk(&mut scene, EAST, 255);
    while scene.active(bot.user).iter().any(|(region, ..)| *region == A) {
        scene.tick();
    }
    for region in [A, B] {
        scene.input(region, RegionInput::ProxyDown(PROXY));
    }
    scene.run(1_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
    assert!(scene.player(B, bot.user).linkdead_since_ms.is_some());
    scene.heard.clear();
    scene.input(B, RegionInput::Join(OTHER_PROXY, join(5, 1, 2)));
    scene.settle();
    assert_eq!(scene.take_heard(joined).len(), 1);
    assert_eq!(scene.player(B, bot.user).bound.lane, Some(OTHER_PROXY));
}

#[test]
fn whoever_asks_after_a_crossing_hears_where_the_player_is() {
    let mut scene = Scene::four();
    let mut bot = at_the_border(&mut scene);
    let (node, epoch) = (bot.node, bot.epoch);
    bot.walk(&mut scene, EAST, 255);
    bot.live(&mut scene, 1_000);
    scene.heard.clear();
    (bot.node, bot.epoch) = (node, epoch);
    bot.walk(&mut scene, EAST, 255);
    let elsewhere = scene.take_heard(|message| match message {
        ServerToProxy::Elsewhere(elsewhere) => Some((elsewhere.node, elsewhere.owner_epoch)),
        _ => None,
    });
    assert_eq!(elsewhere, [(2, epoch.next().unwrap().0)]);
}

#[test]
fn a_late_commit_brings_nobody_back_who_has_logged_out() {
    let mut scene = Scene::four();
    let mut bot = at_the_border(&mut scene);
    scene.lose.insert(DONE, 6);
    bot.walk(&mut scene, EAST, 255);
    bot.live(&mut scene, 700);
    let leave = Leave {
        user: 5,
        session: Some(scene.player(B, bot.user).session_key()),
        reason: LeaveReason::Logout as i32,
    };
    scene.proxy_says(bot.node, PROXY, leave);
    scene.run(100);
    assert_eq!(scene.row(bot.user).owner, None);
    scene.run(3_000);
    assert!(scene.active(bot.user).is_empty());
    assert_eq!(
        scene.regions[&A].status().handovers,
        0,
        "the source was told all the same"
    );
}

fn prepare(scene: &Scene, from: RegionNumber, epoch: OwnerEpoch) -> Prepare {
    Prepare {
        from_region: from.0,
        from_region_epoch: scene.regions[&from].epoch().0,
        to_region: B.0,
        to_region_epoch: scene.regions[&B].epoch().0,
        attempt: 77,
        passengers: vec![Passenger {
            user: 5,
            owner_epoch: epoch.0,
            version: 1_000,
            state: None,
            home_cell: 4,
        }],
        ..Prepare::default()
    }
}

#[test]
fn nobody_moves_a_player_whose_row_does_not_say_so() {
    let mut scene = Scene::four();
    let bot = at_the_border(&mut scene);
    let from_c = RegionNumber(3);
    let claim = OwnerEpoch(bot.epoch.0 + 500);
    let forged = prepare(&scene, A, claim);
    scene.input(B, RegionInput::FromPeer(NodeNumber(3), forged.into()));
    scene.settle();
    assert_eq!(
        scene.counted["peer_not_listed"], 1,
        "it speaks for a region that it does not serve"
    );
    let claimed = prepare(&scene, from_c, claim);
    scene.input(B, RegionInput::FromPeer(NodeNumber(3), claimed.into()));
    let commit = protocol::message::handover::Commit {
        from_region: 3,
        to_region: B.0,
        attempt: 77,
        claims: vec![protocol::message::handover::Claim {
            user: 5,
            owner_epoch: claim.0,
            version: 1_000,
        }],
    };
    scene.input(B, RegionInput::FromPeer(NodeNumber(3), commit.into()));
    scene.run(12_000);
    assert_eq!(
        scene.assert_owned_once(bot.user),
        A,
        "a shadow never promotes itself"
    );
    assert_eq!(scene.regions[&B].status().handovers, 0, "and is forgotten");
    let stale = Prepare {
        from_region_epoch: 1,
        ..prepare(&scene, A, claim)
    };
    scene.input(B, RegionInput::FromPeer(NodeNumber(1), stale.into()));
    scene.settle();
    assert_eq!(scene.counted["peer_stale_epoch"], 1);
}

#[test]
fn neighbours_see_each_other_over_the_border_until_the_link_has_been_gone_for_long() {
    let mut scene = Scene::four();
    let mut bot = at_the_border(&mut scene);
    bot.live(&mut scene, 100);
    let seen = |scene: &Scene| {
        let mut seen = Vec::new();
        let at = protocol::geometry::Position { x: 130.0, y: 40.0 };
        let state = &scene.regions[&B].state;
        game::Ctx::nearby(state, at, 10.0, &mut |entity| {
            if entity.kind == 1 {
                seen.push(entity.place);
            }
        });
        seen
    };
    assert_eq!(seen(&scene), [game::Place::Ghost(A)]);
    scene.input(B, RegionInput::PeerDown(NodeNumber(1)));
    for _ in 0..20 {
        let now = Now {
            mono_ms: scene.now.mono_ms + 4_000,
            ..scene.now
        };
        scene
            .regions
            .get_mut(&B)
            .unwrap()
            .tick(now, &mut NoClock, &mut NoLimit);
    }
    assert_eq!(seen(&scene).len(), 1, "it stands still for a while");
    let now = Now {
        mono_ms: scene.now.mono_ms + 5_001,
        ..scene.now
    };
    scene
        .regions
        .get_mut(&B)
        .unwrap()
        .tick(now, &mut NoClock, &mut NoLimit);
    assert!(seen(&scene).is_empty());
    assert_eq!(scene.active(UserId(5)).len(), 1);
}
