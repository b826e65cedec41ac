//! Clients' streams: attaching, rates, slow readers, tickets, goodbyes.

use super::*;
use protocol::identity::NodeKey;
use protocol::ids::ClusterId;
use protocol::message::client::{Logout, Ping};
use protocol::network::Network;
use store::sanction::Ending;

fn ping(sent_at_us: u64) -> ClientToProxy {
    Ping {
        sent_at_us,
        echo_us: 0,
    }
    .into()
}

#[test]
fn a_client_joins_once_its_attach_is_verified_and_what_it_said_behind_it_follows() {
    let mut scene = Scene::served();
    let id = scene.arrive(1, 1);
    assert!(matches!(scene.clients[&id].heard[..], [ProxyToClient::World(_)]));
    let command = client::Command {
        number: 1,
        class: 1,
        body: Bytes::from_static(b"dig"),
    };
    scene.client_says(id, &[attach(1).into(), command.into(), ping(9)]);
    scene.round();
    let asked = Question::Attach(id, Box::new((claims(1, START_MS), attach(1))));
    assert_eq!(scene.questions, [asked]);
    assert_eq!(scene.heard_by(A), []);
    let pinged = |scene: &Scene| matches!(scene.clients[&id].heard[1..], [ProxyToClient::Ping(_)]);
    assert!(
        pinged(&scene),
        "whoever waits is told that somebody is there, and no more"
    );

    scene
        .shard
        .attach_verified(id, AttachVerdict::Genuine, scene.now, &mut scene.datagrams);
    scene.round();
    assert!(matches!(scene.heard_by(A)[..], [ProxyToServer::Join(_)]));
    assert!(pinged(&scene));
    scene.joined(1);
    let playing = scene.clients[&id].heard.last();
    assert!(matches!(playing, Some(ProxyToClient::Playing(_))));
    let commands = |message: &ProxyToServer| matches!(message, ProxyToServer::Command(_));
    assert_eq!(scene.heard_by(A).iter().filter(|m| commands(m)).count(), 1);
}

#[test]
fn who_says_no_attach_in_time_or_anything_before_it_is_sent_away() {
    let mut scene = Scene::served();
    let (idle, hasty) = (scene.arrive(1, 1), scene.arrive(2, 1));
    scene.client_says(hasty, &[ping(1)]);
    scene.round();
    assert_eq!(
        (goodbye(&scene, hasty), goodbye(&scene, idle)),
        (Some(Code::Protocol), None)
    );
    scene.pass(6_000);
    assert_eq!(goodbye(&scene, idle), Some(Code::TimedOut));
    assert_eq!(
        (scene.count_of("before_attach"), scene.count_of("attach_late")),
        (1, 1)
    );
}

// SI-3: who comes back finds ticket and body still there, so it is told to.
#[test]
fn si_3_a_frame_that_does_not_end_is_a_time_out_and_no_breach() {
    let mut scene = Scene::served();
    let id = scene.playing(1);
    let mut bytes = Vec::new();
    let say = |out: &mut Vec<u8>| ping(1).encode(out);
    Clear::default()
        .seal(FrameType::Batch, scene.now, &mut bytes, say)
        .unwrap();
    bytes.pop();
    scene
        .shard
        .from_client(id, &bytes, scene.now, &mut scene.datagrams);
    scene.pass(12_000);
    assert_eq!(goodbye(&scene, id), Some(Code::TimedOut));
}

// SI-4
#[test]
fn si_4_a_shard_that_stood_still_turns_nobody_away() {
    let mut scene = Scene::served();
    let (idle, attaching) = (scene.playing(1), scene.arrive(2, 1));
    // The lid of the proxy's host is closed for an hour. Its lanes are lost, for they are judged by the other end too.
    scene.wait(3_600_000);
    scene.wait(1_000);
    assert_eq!((goodbye(&scene, idle), goodbye(&scene, attaching)), (None, None));
    scene.attach(attaching, 1);
    scene.client_says(idle, &[ping(1)]);
    scene.pass(9_000);
    assert_eq!(goodbye(&scene, idle), None);
    scene.pass(2_000);
    assert_eq!(
        goodbye(&scene, idle),
        Some(Code::TimedOut),
        "and then it is silent itself"
    );
}

#[test]
fn a_forged_attach_ends_its_client_and_a_late_verdict_nobody() {
    let mut scene = Scene::served();
    let (forger, late) = (scene.arrive(1, 1), scene.arrive(2, 1));
    for id in [forger, late] {
        scene.client_says(id, &[attach(1).into()]);
    }
    scene
        .shard
        .attach_verified(forger, AttachVerdict::Forged, scene.now, &mut scene.datagrams);
    scene.shard.client_broke(late, scene.now, &mut scene.datagrams);
    scene.round();
    assert_eq!(goodbye(&scene, forger), Some(Code::Protocol));
    assert_eq!(scene.counted, ["attach_signature"]);
    scene
        .shard
        .attach_verified(late, AttachVerdict::Genuine, scene.now, &mut scene.datagrams);
    scene.round();
    assert_eq!(scene.heard_by(A), []);
    assert_eq!(scene.shard.edge().sessions(), 0);
    assert!(scene.clients[&late].is_over && scene.clients[&late].closed.is_none());
}

#[test]
fn who_breaks_a_rule_is_told_which_and_the_owner_hears_that_it_is_gone() {
    let flood: Vec<ClientToProxy> = (0..401).map(ping).collect();
    let cases: [(&[ClientToProxy], Code, &str); 2] = [
        (&flood, Code::RateLimited, "client_rate"),
        (&[attach(9).into()], Code::Protocol, "attach_twice"),
    ];
    for (said, code, label) in cases {
        let mut scene = Scene::served();
        let id = scene.playing(1);
        scene.heard_by(A);
        scene.client_says(id, said);
        scene.round();
        assert_eq!(goodbye(&scene, id), Some(code));
        assert_eq!(scene.count_of(label), 1, "{:?}", scene.counted);
        let heard = scene.heard_by(A);
        assert!(
            heard.iter().any(|m| matches!(m, ProxyToServer::Leave(_))),
            "{heard:?}"
        );
    }
    let mut scene = Scene::served();
    let id = scene.playing(1);
    let mut bytes = Vec::new();
    let junk = |out: &mut Vec<u8>| out.extend([0x22, 0]);
    Clear::default()
        .seal(FrameType::Batch, scene.now, &mut bytes, junk)
        .unwrap();
    scene
        .shard
        .from_client(id, &bytes, scene.now, &mut scene.datagrams);
    scene.round();
    assert_eq!(
        (goodbye(&scene, id), scene.count_of("client_message")),
        (Some(Code::Protocol), 1)
    );
}

#[test]
fn a_slow_reader_loses_what_is_soft_and_then_its_connection_and_both_are_counted() {
    let mut scene = Scene::served();
    let id = scene.playing(1);
    scene.reading = Reading::No;
    let mut number = 0;
    while scene.count_of("client_slow") == 0 {
        number += 1;
        assert!(number < 1_000, "memory has a bound");
        scene.client_says(id, &[ping(number)]);
        scene.says(A, event(1, number, 1_000));
        scene.now.wall_ms += 10;
        scene.now.mono_us += 10_000;
    }
    assert!(scene.soft_dropped > 0);
    assert_eq!(goodbye(&scene, id), Some(Code::SlowConsumer));
    assert_eq!(scene.shard.edge().sessions(), 0);
    let heard = scene.heard_by(A);
    assert!(
        heard.iter().any(|m| matches!(m, ProxyToServer::Leave(_))),
        "the owner hears of it"
    );
}

#[test]
fn a_reader_that_comes_back_in_time_gets_every_event_in_order() {
    let mut scene = Scene::served();
    let id = scene.playing(1);
    scene.clients.get_mut(&id).unwrap().heard.clear();
    scene.reading = Reading::No;
    for number in 1..=100 {
        scene.says(A, event(1, number, 1_000));
    }
    scene.reading = Reading::Yes;
    scene.says(A, event(1, 101, 1));
    for _ in 0..20 {
        scene.round();
    }
    let numbers: Vec<u64> = scene.clients[&id]
        .heard
        .iter()
        .filter_map(|message| match message {
            ProxyToClient::Event(event) => Some(event.number),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, (1..=101).collect::<Vec<u64>>());
}

#[test]
fn the_newer_login_stays_and_the_older_is_told() {
    let mut scene = Scene::served();
    let (first, second) = (scene.arrive(1, 1), scene.arrive(1, 2));
    assert_eq!(goodbye(&scene, first), Some(Code::Superseded));
    let third = scene.arrive(1, 1);
    assert_eq!(goodbye(&scene, third), Some(Code::Superseded), "an older attach");
    assert_eq!(
        (goodbye(&scene, second), scene.shard.edge().sessions()),
        (None, 1)
    );
}

#[test]
fn a_ticket_is_renewed_once_in_the_middle_of_its_life() {
    let mut scene = Scene::served();
    let id = scene.playing(1);
    scene.questions.clear();
    let renewals = |scene: &Scene| {
        let asked = |q: &&Question| matches!(q, Question::Renewal(..));
        scene.questions.iter().filter(asked).count()
    };
    let pass = |scene: &mut Scene, ms: u64| {
        // A client that says nothing for ten seconds is gone.
        for _ in 0..ms / 5_000 {
            scene.client_says(id, &[ping(1)]);
            scene.pass(5_000);
        }
    };
    pass(&mut scene, TICKET_MS / 2 - 10_000);
    assert_eq!(renewals(&scene), 0);
    pass(&mut scene, 60_000);
    assert_eq!(renewals(&scene), 1);
    let Some(Question::Renewal(of, old, ..)) = scene
        .questions
        .iter()
        .find(|q| matches!(q, Question::Renewal(..)))
    else {
        panic!("{:?}", scene.questions);
    };
    assert_eq!((*of, &**old), (id, &claims(1, START_MS)));
    scene.shard.renew_later(id, scene.now);
    pass(&mut scene, 10_000);
    assert_eq!(renewals(&scene), 2, "nobody could say: it is asked again, once");
    let key = NodeKey::generate(&mut CountingEntropy(2));
    let ticket = claims(1, scene.now.wall_ms).issue(ClusterId([0; 16]), &key);
    let others = [SocketAddr::from(([127, 0, 0, 1], 9))];
    scene
        .shard
        .ticket_renewed(id, &ticket, &others, scene.now, &mut scene.datagrams);
    scene.round();
    let told = scene.clients[&id]
        .heard
        .iter()
        .rev()
        .find_map(|message| match message {
            ProxyToClient::TicketRenewal(renewal) => Some(renewal.clone()),
            _ => None,
        });
    let told = told.unwrap();
    assert_eq!(
        (&told.ticket[..], &told.proxies[..]),
        (&ticket.encode()[..], &["127.0.0.1:9".to_owned()][..])
    );
    pass(&mut scene, 60_000);
    assert_eq!(renewals(&scene), 2, "the new one is young");
}

#[test]
fn sessions_that_an_operator_has_ended_leave_the_world_at_once_and_are_told_why() {
    let mut scene = Scene::served();
    let (kicked, banned, stays) = (scene.playing(1), scene.playing(2), scene.playing(3));
    let generation = claims(1, START_MS).session_generation;
    let mut end = |whose: Ending, code: Code, reason: &str| {
        let goodbye = Close {
            reason: reason.to_owned(),
            ..code.into()
        };
        scene
            .shard
            .end_sessions(whose, &goodbye, scene.now, &mut scene.datagrams);
        scene.round();
    };
    let below = |user, below| Ending::User {
        user: UserId(user),
        below,
    };
    end(below(3, generation), Code::Kicked, "of an earlier login");
    end(
        below(1, SessionGeneration(generation.0 + 1)),
        Code::Kicked,
        "spam",
    );
    end(Ending::all_of(UserId(2)), Code::Banned, "");
    let told = |id: &ClientId| {
        scene.clients[id]
            .closed
            .clone()
            .map(|close| (close.code, close.reason))
    };
    assert_eq!(
        [kicked, banned, stays].each_ref().map(told),
        [
            Some((Code::Kicked, "spam".to_owned())),
            Some((Code::Banned, String::new())),
            None
        ]
    );
    let left: Vec<_> = scene
        .heard_by(A)
        .iter()
        .filter_map(|message| match message {
            ProxyToServer::Leave(leave) => Some((leave.user, leave.reason())),
            _ => None,
        })
        .collect();
    let logout = player::LeaveReason::Logout;
    assert_eq!(left, [(1, logout), (2, logout)]);
    let network = |text| Ending::Network(Network::parse(text).unwrap());
    for (whose, goes) in [
        (network("203.0.114.0/24"), false),
        (network("203.0.113.0/24"), true),
    ] {
        scene
            .shard
            .end_sessions(whose, &Code::Banned.into(), scene.now, &mut scene.datagrams);
        scene.round();
        assert_eq!(goodbye(&scene, stays).is_some(), goes);
    }
    assert_eq!(scene.shard.edge().sessions(), 0);
}

#[test]
fn a_draining_proxy_names_others_and_sends_away_who_stays() {
    let mut scene = Scene::served();
    let (stays, leaves) = (scene.playing(1), scene.playing(2));
    let others = vec![SocketAddr::from(([127, 0, 0, 1], 7))];
    scene.shard.drain(others.clone(), scene.now, &mut scene.datagrams);
    scene.round();
    let draining = u32::from(Code::Draining.number());
    for id in [stays, leaves] {
        let told = scene.clients[&id].heard.last();
        assert!(matches!(told, Some(ProxyToClient::Notice(notice)) if notice.code == draining));
    }
    scene.client_says(leaves, &[Logout {}.into()]);
    scene.round();
    assert_eq!(goodbye(&scene, leaves), Some(Code::Ok));
    scene
        .shard
        .close_clients(Code::Draining, scene.now, &mut scene.datagrams);
    scene.round();
    assert_eq!(goodbye(&scene, stays), Some(Code::Draining));
    assert_eq!(scene.clients[&stays].closed.as_ref().unwrap().proxies, others);
    assert_eq!(scene.shard.edge().sessions(), 0);
    assert_eq!(scene.counted, [""; 0], "nobody did anything wrong");
}
