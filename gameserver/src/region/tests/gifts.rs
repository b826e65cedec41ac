//! News of a gift: who hears that what a user holds has changed, wherever the user has gone meanwhile.

use protocol::ids::{NodeNumber, OwnerEpoch, RegionNumber, UserId};
use protocol::message::effect::Refresh;
use protocol::message::family::ServerToServer;
use store::simulated::Fault;
use store::{Belongings, Holder, Holding, StoreReply, StoreRequest};

use super::super::forwardings::Whereabouts;
use super::super::*;
use super::bot::Bot;
use super::scene::*;

fn is_load(request: &StoreRequest) -> bool {
    matches!(request, StoreRequest::LoadPlayer { .. })
}

/// Somebody has changed what the user holds, says a server that saw the user in this region.
fn refresh(to: RegionNumber, user: UserId) -> RegionInput {
    let refresh = Refresh {
        from_region: 4,
        to_region: to.0,
        user: user.0,
        owner_epoch: 0,
    };
    RegionInput::FromPeer(NodeNumber(4), refresh.into())
}

#[test]
fn news_of_a_gift_go_in_no_circle_between_regions_that_a_player_went_to_and_fro() {
    for servers in [[1, 1, 4, 4], [1, 2, 3, 4]] {
        let mut scene = Scene::new(servers);
        let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
        bot.walk(&mut scene, 0, 255);
        bot.live(&mut scene, 1_000);
        assert_eq!(scene.assert_owned_once(bot.user), B);
        bot.walk(&mut scene, 128, 255);
        scene.fault = Some((
            |request| matches!(request, StoreRequest::PassPlayers { .. }),
            Fault::Slow(200),
        ));
        while scene.regions[&B].status().frozen == 0 {
            bot.live(&mut scene, 50);
        }
        // It is joined where it comes back to, and the store is slow to say that it may.
        scene.fault = Some((is_load, Fault::Slow(400)));
        scene.input(A, RegionInput::Join(PROXY, join(5, 1, 2)));
        scene.settle();
        scene.run(250);
        let state = |region| &scene.regions[&region].state;
        let remembers = |region| state(region).forwardings.get(bot.user).map(|at| at.region);
        assert_eq!(
            (remembers(A), remembers(B)),
            (Some(B), Some(A)),
            "each remembers the other"
        );
        assert!(state(A).joins.has(bot.user) && !state(A).arrivals.expects(bot.user));
        scene.said.clear();
        for region in [A, B] {
            scene.input(region, refresh(region, bot.user));
            scene.settle();
        }
        let said = scene
            .said
            .iter()
            .filter(|message| matches!(message, ServerToServer::Refresh(_)));
        assert_eq!(
            said.count(),
            1,
            "on {servers:?}: from where it went to where it is"
        );
        scene.run(400);
        assert_eq!(scene.assert_owned_once(bot.user), A);
    }
}

#[test]
fn holdings_are_read_again_when_they_change_while_a_join_reads_them() {
    let mut scene = Scene::four();
    let user = Bot::join(&mut scene, 5, 60.0, 40.0).user;
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.settle();
    let now = scene.now;
    let region = scene.regions.get_mut(&A).unwrap();
    region.handle(RegionInput::Join(PROXY, join(5, 1, 1)), now);
    let mut reads = 0;
    loop {
        let stored = |effect| match effect {
            RegionEffect::Store(ticket, request) => Some((ticket, request)),
            _ => None,
        };
        let Some((ticket, request)) = region.take_effects().into_iter().find_map(stored) else {
            break;
        };
        let answer = scene.store.apply(&request);
        if matches!(request, StoreRequest::HoldingsOf { .. }) {
            reads += 1;
            if reads == 1 {
                region.handle(refresh(A, user), now);
            }
        }
        region.handle(RegionInput::Store(ticket, answer), now);
    }
    assert!(region.state.players.contains_key(&user));
    assert_eq!(reads, 2);
}

#[test]
fn news_of_a_gift_go_where_the_player_was_seen_and_where_it_went() {
    let mut scene = Scene::new([1, 2, 3, 4]);
    let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
    bot.walk(&mut scene, 0, 255);
    bot.live(&mut scene, 1_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
    for (seen_in, told) in [(RegionNumber(3), vec![B, RegionNumber(3)]), (B, vec![B])] {
        scene.said.clear();
        let region = scene.regions.get_mut(&A).unwrap();
        region.state.tell_receiver(bot.user, OwnerEpoch(0), Some(seen_in));
        scene.settle();
        let refreshes = scene.said.iter().filter_map(|message| match message {
            ServerToServer::Refresh(refresh) => Some(RegionNumber(refresh.to_region)),
            _ => None,
        });
        assert_eq!(refreshes.collect::<Vec<_>>(), told, "seen in {seen_in}");
    }
}

#[test]
fn news_of_a_gift_follow_a_region_that_went_to_another_server_with_the_player() {
    let mut scene = Scene::new([1, 2, 3, 4]);
    let user = UserId(5);
    let now_ms = scene.now.mono_ms;
    let region = scene.regions.get_mut(&A).unwrap();
    let former = NodeNumber(9);
    let there = Whereabouts {
        node: former,
        region: B,
        owner_epoch: OwnerEpoch(7),
    };
    region.state.forwardings.put(user, there, now_ms);
    let _ = region.take_effects();
    region.state.tell_receiver(user, OwnerEpoch(0), Some(B));
    let told = region
        .take_effects()
        .into_iter()
        .filter_map(|effect| match effect {
            RegionEffect::ToServer(node, ServerToServer::Refresh(_)) => Some(node),
            _ => None,
        });
    assert_eq!(told.collect::<Vec<_>>(), [former, NodeNumber(2)]);
}

/// The store answers in any order, and what it says of before a gift takes nothing away that came with it.
#[test]
fn an_answer_that_another_one_has_overtaken_says_nothing() {
    let mut scene = Scene::four();
    let user = Bot::join(&mut scene, 5, 60.0, 40.0).user;
    let now = scene.now;
    let region = scene.regions.get_mut(&A).unwrap();
    let mut ask = || {
        region.handle(refresh(A, user), now);
        let effects = region.take_effects().into_iter();
        let mut tickets = effects.filter_map(|effect| match effect {
            RegionEffect::Store(ticket, StoreRequest::HoldingsOf { .. }) => Some(ticket),
            _ => None,
        });
        tickets.next().unwrap()
    };
    let (older, newer) = (ask(), ask());
    let gift = Holding {
        id: 99,
        kind: 7,
        holder: Holder::User(user),
        payload: bytes::Bytes::new(),
    };
    for (ticket, holdings) in [(newer, vec![gift]), (older, vec![])] {
        let has = Belongings {
            holdings,
            offer_ends_ms: None,
        };
        region.handle(RegionInput::Store(ticket, Ok(StoreReply::Belongings(has))), now);
    }
    assert_eq!(scene.player(A, user).holdings.to_vec(), [99]);
}

#[test]
fn news_of_a_gift_reach_the_owner_also_from_where_the_player_is_waited_for() {
    let mut scene = Scene::new([1, 2, 3, 4]);
    let mut bot = Bot::join(&mut scene, 5, 130.0, 40.0);
    bot.walk(&mut scene, 128, 255);
    scene.fault = Some((
        |request| matches!(request, StoreRequest::PassPlayers { .. }),
        Fault::Slow(400),
    ));
    while scene.regions[&B].status().frozen == 0 {
        bot.live(&mut scene, 50);
    }
    scene.said.clear();
    let region = scene.regions.get_mut(&A).unwrap();
    assert!(region.state.arrivals.expects(bot.user));
    region.state.tell_receiver(bot.user, OwnerEpoch(0), Some(B));
    scene.settle();
    let told =
        |message: &ServerToServer| matches!(message, ServerToServer::Refresh(it) if it.to_region == B.0);
    assert!(scene.said.iter().any(told));
}
