//! Lanes to game servers: who is believed, who is asked for what, and what happens when one breaks.

use super::*;
use protocol::limits::{COMMAND_BYTES_MAX, COMMAND_WINDOW};
use protocol::message::subscription::{CellUpdates, Serving, TickEnd, Unsubscribe};

#[test]
fn what_a_round_produced_for_one_server_leaves_as_one_frame() {
    let mut scene = Scene::served();
    let clients: Vec<ClientId> = (1..=5).map(|user| scene.playing(user)).collect();
    scene.heard_by(A);
    let before = scene.servers[&A].core.counts().frames[0];
    for id in &clients {
        scene.client_says(*id, &[input(1)]);
    }
    scene.round();
    let inputs = scene.heard_by(A);
    assert!(
        inputs
            .iter()
            .all(|message| matches!(message, ProxyToServer::Inputs(_)))
    );
    assert_eq!(inputs.len(), 5);
    assert_eq!(scene.servers[&A].core.counts().frames[0], before + 1);
}

#[test]
fn a_server_is_believed_once_the_store_says_the_same() {
    let mut scene = Scene::new();
    scene.link(A);
    scene.announce(A, WEST, REGION_EPOCH);
    let claim = store::Serving {
        node: A,
        region: WEST,
        region_epoch: RegionEpoch(REGION_EPOCH),
    };
    assert_eq!(scene.questions, [Question::Service(claim)]);
    let cells = CellUpdates {
        region: WEST.0,
        region_epoch: REGION_EPOCH,
        ..CellUpdates::default()
    };
    let end = TickEnd {
        region: WEST.0,
        region_epoch: REGION_EPOCH,
        ..TickEnd::default()
    };
    scene.says(A, cells.clone());
    scene.says(A, end);
    assert_eq!(scene.counted, ["cells_not_serving", "tick_end_not_serving"]);
    scene.counted.clear();
    scene.serve(A, WEST, REGION_EPOCH);
    scene.says(A, cells);
    scene.says(A, end);
    assert_eq!(scene.counted, [""; 0]);
    scene.announce(A, EAST, REGION_EPOCH);
    assert_eq!(scene.counted, ["serving_denied"]);
}

#[test]
fn cells_of_who_does_not_serve_are_not_even_decoded() {
    let mut scene = Scene::served();
    let junk = |region_epoch| CellUpdates {
        region: WEST.0,
        region_epoch,
        cells: vec![Bytes::from_static(&[0xff])],
        ..CellUpdates::default()
    };
    for (node, region_epoch, label) in [
        (A, REGION_EPOCH, "cell_malformed"),
        (B, REGION_EPOCH, "cells_not_serving"),
        (A, REGION_EPOCH - 1, "cells_not_serving"),
        (A, REGION_EPOCH + 1, "cells_not_serving"),
    ] {
        scene.says(node, junk(region_epoch));
        assert_eq!(
            std::mem::take(&mut scene.counted),
            [label],
            "{node:?} {region_epoch}"
        );
    }
}

#[test]
fn players_join_again_over_a_newer_link_and_the_older_ones_end_does_not_hold_them_up() {
    let mut scene = Scene::served();
    let id = scene.playing(1);
    scene.link(A);
    assert_eq!(scene.links_ended, [(A, DownReason::Closed(Code::DuplicateLink))]);
    assert_eq!(
        scene.shard.edge().suspended(),
        1,
        "what the older link carried may be lost"
    );
    scene.owned_by_a(1, 7);
    let heard = scene.heard_by(A);
    assert!(matches!(heard[..], [ProxyToServer::Join(_)]), "{heard:?}");
    scene.joined(1);
    scene.pass(1_000);
    assert_eq!(scene.shard.edge().suspended(), 0);
    scene.heard_by(A);
    scene.client_says(id, &[input(1)]);
    scene.round();
    assert!(matches!(scene.heard_by(A)[..], [ProxyToServer::Inputs(_)]));
}

#[test]
fn cells_in_view_are_asked_for_in_one_message_and_again_by_a_new_link_or_epoch() {
    let mut scene = Scene::served();
    scene.playing(1);
    let all = vec![0, 1, 2, 8, 9, 10, 16, 17, 18];
    assert_eq!(scene.subscribed(A), [(REGION_EPOCH, all.clone())]);

    scene.link(A);
    assert_eq!(scene.links_ended, [(A, DownReason::Closed(Code::DuplicateLink))]);
    assert_eq!(scene.subscribed(A), [], "it has not said what it serves");
    scene.announce(A, WEST, REGION_EPOCH);
    assert_eq!(scene.subscribed(A), [(REGION_EPOCH, all.clone())]);
    assert!(
        !scene.questions.iter().any(|q| matches!(q, Question::Service(_))),
        "the store has said so before"
    );

    scene.serve(A, WEST, REGION_EPOCH + 1);
    assert_eq!(scene.subscribed(A), [(REGION_EPOCH + 1, all)]);
}

#[test]
fn cells_that_nobody_sees_any_more_are_given_up() {
    let mut scene = Scene::served();
    let id = scene.playing(1);
    scene.shard.client_broke(id, scene.now, &mut scene.datagrams);
    scene.pass(1_000);
    scene.heard_by(A);
    scene.pass(4_000);
    let given_up = scene.heard_by(A).into_iter().find_map(|message| match message {
        ProxyToServer::Unsubscribe(Unsubscribe { cells, .. }) => Some(cells.len()),
        _ => None,
    });
    assert_eq!(given_up, Some(9));
    scene.link(A);
    scene.announce(A, WEST, REGION_EPOCH);
    assert_eq!(scene.subscribed(A), []);
}

#[test]
fn a_region_that_nobody_serves_yet_is_asked_for_when_somebody_does() {
    let mut scene = Scene::new();
    scene.link(A);
    scene.serve(A, WEST, REGION_EPOCH);
    // Next to the border: three of nine cells are in the east.
    scene.playing(1);
    let output = player::Output {
        user: 1,
        owner_epoch: 7,
        tick: 10,
        input_ack: 0,
        home_cell: 11,
        own: Bytes::new(),
        discontinuity: 0,
        cells: Vec::new(),
    };
    scene.says(A, output);
    scene.link(B);
    assert_eq!(scene.subscribed(B), []);
    scene.serve(B, EAST, 5);
    assert_eq!(scene.subscribed(B), [(5, vec![4, 12, 20])]);
}

#[test]
fn a_message_for_another_lanes_user_is_refused() {
    let lanes = Lanes::new(2).unwrap();
    let mut scene = Scene::of(Lane::new(1).unwrap(), lanes);
    scene.link(A);
    scene.serve(A, WEST, REGION_EPOCH);
    // Of two lanes, user 1 has the second and user 2 the first.
    let id = scene.playing(1);
    scene.says(A, event(1, 1, 10));
    assert!(matches!(
        scene.clients[&id].heard.last(),
        Some(ProxyToClient::Event(_))
    ));
    let unknown = player::Here {
        user: 2,
        session: Some(key(1)),
        ..player::Here::default()
    };
    scene.heard_by(A);
    scene.says(A, unknown);
    assert_eq!(scene.count_of("wrong_lane"), 1);
    assert_eq!(
        scene.heard_by(A),
        [],
        "nobody leaves for whom another shard may have"
    );
}

#[test]
fn a_lane_that_breaks_suspends_its_players_until_it_is_back() {
    let mut scene = Scene::served();
    let id = scene.playing(1);
    let link = scene.servers[&A].id;
    scene.shard.link_broke(link, "eof");
    assert_eq!(
        scene.shard.due_us(scene.now),
        scene.now.mono_us,
        "the end is told at once"
    );
    scene.round();
    assert_eq!(scene.links_ended, [(A, DownReason::Broken("eof"))]);
    assert_eq!(
        (scene.shard.edge().sessions(), scene.shard.edge().suspended()),
        (1, 1)
    );
    let told = scene.clients[&id].heard.last();
    let recovering = u32::from(Code::WorldRecovering.number());
    assert!(matches!(told, Some(ProxyToClient::Notice(notice)) if notice.code == recovering));

    scene.link(A);
    scene.announce(A, WEST, REGION_EPOCH);
    scene.owned_by_a(1, 7);
    let joins = scene.heard_by(A);
    assert!(
        joins
            .iter()
            .any(|message| matches!(message, ProxyToServer::Join(_))),
        "{joins:?}"
    );
}

#[test]
fn a_silent_server_is_dead_and_heartbeats_keep_one_alive() {
    let mut scene = Scene::served();
    scene.servers.get_mut(&B).unwrap().is_silent = true;
    scene.pass(5_000);
    assert_eq!(scene.links_ended, [(B, DownReason::Dead)]);
    let now = scene.now;
    let lives = scene.servers.get_mut(&A).unwrap().core.tick(now);
    assert!(
        lives.is_ok(),
        "the shard lets its servers hear that it lives, too"
    );
}

#[test]
fn what_no_server_says_ends_its_lane() {
    let mut scene = Scene::served();
    let id = scene.servers[&A].id;
    let mut bytes = Vec::new();
    Clear::default()
        .seal(FrameType::Batch, scene.now, &mut bytes, |out| {
            out.extend([0x50, 1, 0]);
        })
        .unwrap();
    scene
        .shard
        .from_server(id, &bytes, scene.now, &mut scene.datagrams);
    scene.round();
    assert_eq!(scene.links_ended, [(A, DownReason::Broken("family_denied"))]);
}

#[test]
fn a_server_left_in_peace_hears_who_left_before_the_goodbye() {
    let mut scene = Scene::served();
    scene.playing(1);
    scene.heard_by(A);
    scene
        .shard
        .close_clients(Code::Draining, scene.now, &mut scene.datagrams);
    scene.shard.settle(scene.now, &mut scene.datagrams);
    scene.shard.close_links(Code::Draining, scene.now);
    scene.shard.settle(scene.now, &mut scene.datagrams);
    let mut effects = Vec::new();
    scene.shard.take_effects(&mut effects);
    let last = effects.into_iter().find_map(|effect| match effect {
        ShardEffect::LinkEnded(_, A, _, bytes) => Some(bytes),
        _ => None,
    });
    let core = &mut scene.servers.get_mut(&A).unwrap().core;
    core.receive(&last.unwrap());
    let mut left = 0;
    let end = loop {
        match core.next(scene.now) {
            Ok(Some(Received::Message(ProxyToServer::Leave(_)))) => left += 1,
            Ok(_) => {}
            Err(reason) => break reason,
        }
    };
    assert_eq!((left, end), (1, DownReason::ClosedByPeer(Code::Draining)));
}

#[test]
fn a_repeated_confirmation_is_no_news_and_a_lie_about_a_region_changes_nothing() {
    let mut scene = Scene::served();
    scene.says(
        B,
        Serving {
            region: WEST.0,
            region_epoch: u64::MAX,
            ..Serving::default()
        },
    );
    assert_eq!(scene.count_of("serving_denied"), 1);
    assert_eq!(
        scene.shard.edge().server_of(WEST),
        Some((A, RegionEpoch(REGION_EPOCH)))
    );
}

/// As `TOPOLOGY`, and B may serve the west as well.
const STANDBY: &str = r#"
[[region]]
name = "west"
number = 1
min = [0, 0]
max = [128, 128]
server = "a"
standby = ["b"]

[[region]]
name = "east"
number = 2
min = [128, 0]
max = [256, 128]
server = "b"
"#;

#[test]
fn whoever_a_newer_topology_lists_for_a_region_may_serve_it_at_once() {
    let mut scene = Scene::served();
    let claim = Serving {
        region: WEST.0,
        region_epoch: REGION_EPOCH + 1,
        ..Serving::default()
    };
    scene.says(B, claim);
    assert_eq!((scene.count_of("serving_denied"), scene.questions.len()), (1, 0));
    let (before, _) = TOPOLOGY.split_once("[grid]").unwrap();
    let newer = topology::parse("newer.toml", &[before, STANDBY].concat());
    let newer = Arc::new(newer.unwrap_or_else(|mistakes| panic!("{mistakes}")));
    let listing = Arc::new(Listing::new(newer));
    scene.shard.handle_listing(Arc::clone(&listing));
    scene.round();
    assert_eq!(
        (scene.count_of("serving_denied"), scene.questions.len()),
        (1, 1),
        "what it said before that was known is asked about"
    );
    scene.shard.handle_listing(listing);
    scene.round();
    assert_eq!(scene.questions.len(), 1, "once");
}

/// Commands that fill a client's window, each as long as it may be.
fn window() -> Vec<ClientToProxy> {
    let numbers = 1..=COMMAND_WINDOW as u64;
    let commands = numbers.map(|number| client::Command {
        number,
        class: player::CommandClass::Soft.into(),
        body: vec![1; COMMAND_BYTES_MAX].into(),
    });
    commands.map(ClientToProxy::from).collect()
}

#[test]
fn a_command_that_the_rest_of_a_links_room_does_not_hold_is_repeated_later() {
    let mut scene = Scene::served();
    let id = scene.playing(1);
    let command = |number, bytes| client::Command {
        number,
        class: player::CommandClass::Soft.into(),
        body: vec![1; bytes].into(),
    };
    let open = [command(1, 100), command(2, COMMAND_BYTES_MAX)].map(ClientToProxy::from);
    scene.client_says(id, &open);
    // An owner that has neither, by a link that takes the longer one alone.
    let room = LinkRoom {
        waiting_bytes: COMMAND_BYTES_MAX + 80,
        ..LinkRoom::default()
    };
    scene.link_with_room(A, room);
    scene.serve(A, WEST, REGION_EPOCH);
    scene.owned_by_a(1, 7);
    scene.joined(1);
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.extend(scene.heard_by(A).into_iter().filter_map(|message| match message {
            ProxyToServer::Command(command) => Some(command.number),
            _ => None,
        }));
        let ack = player::CommandAck {
            user: 1,
            owner_epoch: 7,
            number: heard.last().copied().unwrap_or(0),
            session_generation: 4,
        };
        scene.says(A, ack);
        scene.says(B, Heartbeat::default());
        scene.wait(1_000);
    }
    assert_eq!(
        scene.links_ended.len(),
        1,
        "only the link before: {:?}",
        scene.links_ended
    );
    assert!(scene.count_of("command_repeated_later") > 0);
    heard.dedup();
    assert_eq!(heard, [1, 2]);
}

#[test]
fn open_commands_of_many_never_end_the_link_to_their_owner_and_all_arrive() {
    const USERS: u64 = 20;
    let mut scene = Scene::served();
    for user in 1..=USERS {
        let id = scene.playing(user);
        for part in window().chunks(4) {
            scene.client_says(id, part);
        }
    }
    // An owner that has nothing of all that, by a link that takes a quarter of it.
    let room = LinkRoom {
        waiting_bytes: USERS as usize * COMMAND_WINDOW * COMMAND_BYTES_MAX / 4,
        ..LinkRoom::default()
    };
    scene.link_with_room(A, room);
    scene.serve(A, WEST, REGION_EPOCH);
    for user in 1..=USERS {
        scene.owned_by_a(user, 7);
        scene.joined(user);
    }
    scene.heard_by(A);
    let mut acked: BTreeMap<u64, u64> = (1..=USERS).map(|user| (user, 0)).collect();
    let mut most = 0;
    for _ in 0..20 {
        scene.wait(1_000);
        let heard = scene.heard_by(A);
        most = most.max(heard.len());
        for message in heard {
            if let ProxyToServer::Command(command) = message {
                let last = acked.get_mut(&command.user).unwrap();
                *last += u64::from(command.number == *last + 1);
            }
        }
        for (&user, &number) in &acked {
            let ack = player::CommandAck {
                user,
                owner_epoch: 7,
                number,
                session_generation: 4,
            };
            scene.says(A, ack);
        }
        scene.says(B, Heartbeat::default());
    }
    let ended = &scene.links_ended;
    assert_eq!(ended.len(), 1, "only the link before: {ended:?}");
    assert!(
        acked.values().all(|number| *number == COMMAND_WINDOW as u64),
        "{acked:?}"
    );
    assert!(most > COMMAND_WINDOW, "{most}");
    assert!(scene.count_of("command_repeated_later") > 0);
}
