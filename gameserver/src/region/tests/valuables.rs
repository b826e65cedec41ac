//! Gems: collected and given exactly once, over crashes, doubts and borders.

use protocol::demo::{Command, Event, Refusal};
use protocol::ids::UserId;
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
    let Ok(StoreReply::Holdings(held)) = scene.store.apply(&StoreRequest::HoldingsOf { user }) else {
        panic!()
    };
    held.iter().map(|holding| holding.id).collect()
}

fn assert_conserved(scene: &mut Scene) {
    let Ok(StoreReply::Holdings(all)) = scene.store.apply(&StoreRequest::AllHoldings { after: None }) else {
        panic!()
    };
    assert_eq!(all.len(), 64, "a gem in each cell");
    let on_ground: usize = scene
        .regions
        .values()
        .map(|region| region.status().gems.len())
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
    bot.command(&mut scene, &Command::Collect { gem });
    bot.command(&mut scene, &Command::Emote(1));
    bot.live(&mut scene, 200);
    assert_eq!(
        (bot.acked, bot.events.len()),
        (0, 0),
        "nothing is said before it is durable"
    );
    bot.live(&mut scene, 300);
    assert_eq!(bot.acked, 2);
    assert_eq!(bot.events[0], Event::Collected { gem });
    assert_eq!(held_by(&mut scene, bot.user), [gem]);
    bot.command(&mut scene, &Command::Collect { gem });
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
        bot.command(&mut scene, &Command::Collect { gem });
        bot.live(&mut scene, 150);
        assert_eq!(bot.acked, 0, "{fault:?}");
        bot.live(&mut scene, 1_000);
        assert_eq!(
            (bot.acked, bot.events.as_slice()),
            (1, [Event::Collected { gem }].as_slice()),
            "{fault:?}"
        );
        assert_eq!(scene.player(A, bot.user).chain_hash, bot.chain);
        assert_conserved(&mut scene);
    }
}

#[test]
fn what_was_told_as_durable_survives_a_crash_and_is_told_again_until_acknowledged() {
    let mut scene = Scene::four();
    let (mut bot, gem) = beside_a_gem(&mut scene);
    bot.command(&mut scene, &Command::Collect { gem });
    bot.live(&mut scene, 100);
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.settle();
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
    };
    scene.input(A, RegionInput::FromProxy(PROXY, ack.into()));
    scene.settle();
    assert_eq!(scene.take_heard(event), [(1, Event::Collected { gem })]);
    assert_eq!(scene.player(A, bot.user).holdings, [gem]);
    assert_conserved(&mut scene);
}

#[test]
fn a_gem_is_given_to_somebody_beyond_the_border() {
    for lost in [0, 1] {
        let mut scene = Scene::four();
        let (mut giver, gem) = beside_a_gem(&mut scene);
        giver.command(&mut scene, &Command::Collect { gem });
        giver.live(&mut scene, 100);
        scene.place(A, giver.user, 126.5, 40.0);
        let mut receiver = Bot::join(&mut scene, 6, 130.0, 40.0);
        scene.run(100);
        // A lost Refresh is made up for when the receiver is read again: here by a crossing.
        scene.lose.insert(0x71, lost);
        giver.command(
            &mut scene,
            &Command::Give {
                gem,
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
        receiver.listen(&mut scene);
        assert_eq!(
            giver.events.last(),
            Some(&Event::Given {
                gem,
                to: receiver.user
            })
        );
        assert_eq!(receiver.events, [Event::Received { gem }], "{lost} lost");
        assert_eq!(held_by(&mut scene, receiver.user), [gem]);
        assert_conserved(&mut scene);
    }
}

#[test]
fn a_gem_given_while_the_receiver_crosses_arrives_too() {
    let mut scene = Scene::four();
    let (mut giver, gem) = beside_a_gem(&mut scene);
    giver.command(&mut scene, &Command::Collect { gem });
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
            gem,
            to: receiver.user,
        },
    );
    giver.live(&mut scene, 1_000);
    receiver.listen(&mut scene);
    receiver.acknowledge(&mut scene);
    receiver.listen(&mut scene);
    assert_eq!(scene.assert_owned_once(receiver.user), B);
    assert_eq!(receiver.events, [Event::Received { gem }]);
    assert_eq!(held_by(&mut scene, receiver.user), [gem]);
    assert_conserved(&mut scene);
}
