//! Gems: collected and given exactly once, over crashes, doubts and borders.

use bytes::Bytes;
use demo::{Command, Event, Refusal};
use game::Reliability;
use protocol::ids::{EventNumber, UserId};
use protocol::message::family::ServerToProxy;
use protocol::message::player::EventAck;
use store::simulated::Fault;
use store::{Holder, StoreReply, StoreRequest};

use super::super::*;
use super::bot::Bot;
use super::scene::*;

fn is_commit(request: &StoreRequest) -> bool {
    matches!(request, StoreRequest::CommitDurable { .. })
}

/// A gem on the ground of region A, and a player beside it.
fn beside_a_gem(scene: &mut Scene) -> (Bot, u64) {
    let Ok(StoreReply::Holdings(gems)) = scene.store.apply(&StoreRequest::HoldingsOnGround { region: A })
    else {
        panic!()
    };
    let Holder::Ground { x, y, .. } = gems[0].holder else {
        panic!()
    };
    (Bot::join(scene, 5, x + 1.0, y), gems[0].id)
}

fn held_by(scene: &mut Scene, user: UserId) -> Vec<u64> {
    let Ok(StoreReply::Belongings(has)) = scene.store.apply(&StoreRequest::HoldingsOf { user }) else {
        panic!()
    };
    has.holdings.iter().map(|holding| holding.id).collect()
}

fn assert_conserved(scene: &mut Scene) {
    let Ok(StoreReply::Holdings(all)) = scene.store.apply(&StoreRequest::AllHoldings { after: None }) else {
        panic!()
    };
    assert_eq!(all.len(), 64, "a gem in each cell");
    let on_ground: usize = scene
        .regions
        .values()
        .map(|region| region.status().holdings.len())
        .sum();
    let held: usize = scene
        .regions
        .values()
        .flat_map(|region| region.state.players.values())
        .map(|player| player.holdings.len())
        .sum();
    assert_eq!(on_ground + held, 64, "memory and store agree");
}

#[test]
fn a_gem_is_collected_and_told_only_after_the_commit() {
    let mut scene = Scene::four();
    let (mut bot, gem) = beside_a_gem(&mut scene);
    scene.fault = Some((is_commit, Fault::Slow(300)));
    bot.command(&mut scene, &Command::Collect { thing: gem });
    bot.command(&mut scene, &Command::Emote(1));
    bot.live(&mut scene, 200);
    assert_eq!(
        (bot.acked, bot.events.len()),
        (0, 0),
        "nothing is said before it is durable"
    );
    bot.live(&mut scene, 300);
    assert_eq!(bot.acked, 2);
    assert_eq!(bot.events[0], Event::Collected { thing: gem });
    assert_eq!(held_by(&mut scene, bot.user), [gem]);
    bot.command(&mut scene, &Command::Collect { thing: gem });
    bot.live(&mut scene, 100);
    assert!(matches!(
        bot.events.last(),
        Some(Event::Refused {
            command: 3,
            reason: Refusal::NoSuchGem
        })
    ));
    assert_conserved(&mut scene);
}

#[test]
fn a_commit_without_an_answer_is_settled_by_asking_the_same_again() {
    for fault in [
        Fault::UnknownApplied,
        Fault::UnknownLost,
        Fault::UnknownLate(100),
        Fault::Unavailable,
    ] {
        let mut scene = Scene::four();
        let (mut bot, gem) = beside_a_gem(&mut scene);
        scene.fault = Some((is_commit, fault));
        bot.command(&mut scene, &Command::Collect { thing: gem });
        bot.live(&mut scene, 150);
        assert_eq!(bot.acked, 0, "{fault:?}");
        bot.live(&mut scene, 1_000);
        assert_eq!(
            (bot.acked, bot.events.as_slice()),
            (1, [Event::Collected { thing: gem }].as_slice()),
            "{fault:?}"
        );
        assert_eq!(scene.player(A, bot.user).commands.chain_hash(), bot.chain);
        assert_conserved(&mut scene);
    }
}

#[test]
fn what_was_told_as_durable_survives_a_crash_and_is_told_again_until_acknowledged() {
    let mut scene = Scene::four();
    let (mut bot, gem) = beside_a_gem(&mut scene);
    bot.command(&mut scene, &Command::Collect { thing: gem });
    bot.live(&mut scene, 100);
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.tick();
    scene.heard.clear();
    scene.input(A, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    assert_eq!(
        scene.take_heard(event),
        [],
        "the proxy would drop it until it has asked the store"
    );
    let ack = EventAck {
        user: bot.user.0,
        owner_epoch: scene.player(A, bot.user).epoch.0,
        number: 0,
        session_generation: bot.login,
    };
    scene.input(A, RegionInput::FromProxy(PROXY, ack.into()));
    scene.settle();
    assert_eq!(scene.take_heard(event), [(1, Event::Collected { thing: gem })]);
    assert_eq!(scene.player(A, bot.user).holdings, [gem]);
    assert_conserved(&mut scene);
}

#[test]
fn a_gem_is_given_to_somebody_beyond_the_border() {
    for lost in [0, 1] {
        let mut scene = Scene::four();
        let (mut giver, gem) = beside_a_gem(&mut scene);
        giver.command(&mut scene, &Command::Collect { thing: gem });
        giver.live(&mut scene, 100);
        scene.place(A, giver.user, 126.5, 40.0);
        let mut receiver = Bot::join(&mut scene, 6, 130.0, 40.0);
        scene.run(100);
        // A lost Refresh is made up for when the receiver is read again: here by a crossing.
        scene.lose.insert(0x71, lost);
        giver.command(
            &mut scene,
            &Command::Give {
                thing: gem,
                to: receiver.user,
            },
        );
        giver.live(&mut scene, 100);
        if lost == 1 {
            receiver.walk(&mut scene, 128, 255);
            receiver.live(&mut scene, 1_500);
            assert_eq!(scene.assert_owned_once(receiver.user), A);
        }
        receiver.listen(&mut scene);
        // A proxy that has not spoken at this epoch may not believe what it hears: nothing is told before.
        assert!(receiver.events.is_empty() || lost == 1);
        receiver.acknowledge(&mut scene);
        scene.run(100);
        receiver.listen(&mut scene);
        assert_eq!(
            giver.events.last(),
            Some(&Event::Given {
                thing: gem,
                to: receiver.user
            })
        );
        assert_eq!(receiver.events, [Event::Received { thing: gem }], "{lost} lost");
        assert_eq!(held_by(&mut scene, receiver.user), [gem]);
        assert_conserved(&mut scene);
    }
}

#[test]
fn a_gem_given_while_the_receiver_crosses_arrives_too() {
    let mut scene = Scene::four();
    let (mut giver, gem) = beside_a_gem(&mut scene);
    giver.command(&mut scene, &Command::Collect { thing: gem });
    giver.live(&mut scene, 100);
    scene.place(A, giver.user, 126.0, 40.0);
    let mut receiver = Bot::join(&mut scene, 6, 127.0, 40.0);
    scene.fault = Some((
        |request| matches!(request, StoreRequest::PassPlayers { .. }),
        Fault::Slow(300),
    ));
    receiver.walk(&mut scene, 0, 255);
    while scene.regions[&A].status().frozen == 0 {
        giver.live(&mut scene, 50);
    }
    giver.command(
        &mut scene,
        &Command::Give {
            thing: gem,
            to: receiver.user,
        },
    );
    giver.live(&mut scene, 1_000);
    receiver.listen(&mut scene);
    receiver.acknowledge(&mut scene);
    receiver.listen(&mut scene);
    assert_eq!(scene.assert_owned_once(receiver.user), B);
    assert_eq!(receiver.events, [Event::Received { thing: gem }]);
    assert_eq!(held_by(&mut scene, receiver.user), [gem]);
    assert_conserved(&mut scene);
}

/// Tells the user something durable that no command of its own has brought about.
fn tell(scene: &mut Scene, user: u64, body: &'static [u8]) {
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    game::Ctx::tell(
        state,
        UserId(user),
        Bytes::from_static(body),
        Reliability::Durable,
    );
    scene.settle();
}

fn told(message: &ServerToProxy) -> Option<(u64, Bytes)> {
    match message {
        ServerToProxy::Event(event) => Some((event.number, event.body.clone())),
        _ => None,
    }
}

/// A proxy that speaks at this epoch hears what there is to hear.
fn speak(scene: &mut Scene, user: u64) -> Vec<(u64, Bytes)> {
    let ack = EventAck {
        user,
        owner_epoch: scene.player(A, UserId(user)).epoch.0,
        number: 0,
        session_generation: scene.player(A, UserId(user)).bound.session_generation.0,
    };
    scene.input(A, RegionInput::FromProxy(PROXY, ack.into()));
    scene.settle();
    scene.take_heard(told)
}

fn crash_and_join(scene: &mut Scene, user: u64) {
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.tick();
    scene.input(A, RegionInput::Join(PROXY, join(user, 1, 1)));
    scene.settle();
}

#[test]
fn what_is_told_as_durable_outside_a_commit_is_told_once_the_store_has_it() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    speak(&mut scene, bot.user.0);
    tell(&mut scene, 5, b"kept");
    assert_eq!(
        scene.take_heard(told),
        [],
        "a crash now would take its number back"
    );
    scene.tick();
    assert_eq!(scene.take_heard(told), [(1, Bytes::from_static(b"kept"))]);
    crash_and_join(&mut scene, 5);
    assert_eq!(speak(&mut scene, 5), [(1, Bytes::from_static(b"kept"))]);
}

#[test]
fn no_number_of_an_event_is_used_again_after_a_crash() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    speak(&mut scene, bot.user.0);
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    game::Ctx::tell(state, bot.user, Bytes::from_static(b"said"), Reliability::Soft);
    scene.settle();
    assert_eq!(scene.take_heard(told), [(1, Bytes::from_static(b"said"))]);
    crash_and_join(&mut scene, 5);
    tell(&mut scene, 5, b"new");
    scene.tick();
    let [(number, body)] = speak(&mut scene, 5).try_into().unwrap();
    assert_eq!(body, Bytes::from_static(b"new"));
    assert!(number > 1, "the client has an event 1");
}

#[test]
fn what_was_said_softly_is_repeated_over_a_resume_with_no_number_left_out() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    speak(&mut scene, bot.user.0);
    let say = |scene: &mut Scene, body: &'static [u8]| {
        let state = &mut scene.regions.get_mut(&A).unwrap().state;
        game::Ctx::tell(state, UserId(5), Bytes::from_static(body), Reliability::Soft);
        scene.settle();
    };
    say(&mut scene, b"on the wire");
    scene.input(A, RegionInput::ProxyDown(PROXY));
    say(&mut scene, b"while away");
    scene.link_all();
    scene.tick();
    scene.heard.clear();
    scene.input(A, RegionInput::Join(PROXY, join(5, 1, 2)));
    scene.settle();
    let heard = speak(&mut scene, 5);
    let bodies = [
        Bytes::from_static(b"on the wire"),
        Bytes::from_static(b"while away"),
    ];
    assert_eq!(heard, [(1, bodies[0].clone()), (2, bodies[1].clone())]);
}

#[test]
fn what_the_client_has_acknowledged_is_never_told_again() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    speak(&mut scene, bot.user.0);
    for body in [b"one", b"two"] {
        tell(&mut scene, 5, body);
    }
    scene.tick();
    let two = (2, Bytes::from_static(b"two"));
    assert_eq!(scene.take_heard(told).last(), Some(&two));
    // Over a crash, once that is written …
    bot.acknowledge_up_to(&mut scene, 1);
    scene.run(3_000);
    crash_and_join(&mut scene, 5);
    assert_eq!(speak(&mut scene, 5), [two]);
    // … and by a join that says so.
    let again = VerifiedJoin {
        acked_event: EventNumber(2),
        ..join(5, 1, 2)
    };
    scene.input(A, RegionInput::Join(PROXY, again));
    scene.settle();
    assert_eq!(speak(&mut scene, 5), []);
}

#[test]
fn a_new_login_hears_nothing_of_what_the_former_was_told() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    speak(&mut scene, bot.user.0);
    tell(&mut scene, 5, b"before");
    scene.tick();
    scene.input(A, RegionInput::Join(PROXY, join(5, 2, 1)));
    scene.settle();
    scene.heard.clear();
    assert_eq!(speak(&mut scene, 5), []);
    tell(&mut scene, 5, b"after");
    scene.tick();
    assert_eq!(scene.take_heard(told), [(1, Bytes::from_static(b"after"))]);
}

#[test]
fn when_a_peer_comes_back_only_who_was_near_the_border_is_read_and_in_turn() {
    const PERIOD_TICKS: u64 = 80;
    let mut scene = Scene::four();
    for user in 1..=40 {
        Bot::join(&mut scene, user, 60.0, 40.0);
    }
    for player in scene.regions.get_mut(&A).unwrap().state.players.values_mut() {
        // Where some of them were spawned is near the border.
        (player.was_at_rim, player.knows_rim) = (false, false);
    }
    for user in 21..=40 {
        scene.place(A, UserId(user), 126.0, 40.0);
    }
    scene.tick();
    for user in 21..=40 {
        scene.place(A, UserId(user), 60.0, 40.0);
    }
    let reads = |scene: &mut Scene| {
        let region = scene.regions.get_mut(&A).unwrap();
        let of_user = |effect| match effect {
            RegionEffect::Store(_, StoreRequest::HoldingsOf { user }) => Some(user.0),
            _ => None,
        };
        region
            .take_effects()
            .into_iter()
            .filter_map(of_user)
            .collect::<Vec<_>>()
    };
    scene.run(PERIOD_TICKS * TICK_MS);
    scene.input(A, RegionInput::PeerDown(NodeNumber(2)));
    scene.input(A, RegionInput::PeerUp(NodeNumber(2)));
    assert_eq!(reads(&mut scene), [0_u64; 0], "nobody at once");
    let mut seen = Vec::new();
    for _ in 0..PERIOD_TICKS {
        scene.now.mono_ms += TICK_MS;
        let now = scene.now;
        scene
            .regions
            .get_mut(&A)
            .unwrap()
            .tick(now, &mut NoClock, &mut NoLimit);
        let read = reads(&mut scene);
        assert!(read.len() <= 1, "{read:?} in one tick");
        seen.extend(read);
    }
    seen.sort_unstable();
    assert_eq!(seen, (21..=40).collect::<Vec<_>>());
}
