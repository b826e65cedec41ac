//! What rules say to users anywhere, and to all.

use bytes::Bytes;
use game::Ctx as _;
use protocol::ids::{NodeNumber, UserId};
use protocol::limits::NEWS_BYTES_MAX;
use protocol::message::family::ServerToProxy;
use store::StoreRequest;
use store::simulated::Fault;

use super::super::*;
use super::bot::Bot;
use super::scene::*;

/// To whom it was said, by which region, and by which lane's proxy.
fn said(scene: &mut Scene) -> Vec<(Option<u64>, u32, NodeNumber)> {
    let heard = std::mem::take(&mut scene.heard).into_iter();
    let news = heard.filter_map(|(_, lane, message)| match message {
        ServerToProxy::Notify(news) => Some((Some(news.user), news.region, lane.node)),
        ServerToProxy::Announce(news) => Some((None, news.region, lane.node)),
        _ => None,
    });
    news.collect()
}

fn notify(scene: &mut Scene, from: RegionNumber, user: UserId) {
    let body = Bytes::from_static(b"psst");
    scene.regions.get_mut(&from).unwrap().state.notify(user, body);
    scene.settle();
}

#[test]
fn a_user_of_another_region_is_told_at_the_proxy_of_its_row_which_is_read_once() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 200.0, 40.0);
    assert_eq!(scene.assert_owned_once(bot.user), B);
    scene.run(200);
    let loads = scene.loads;
    said(&mut scene);
    for _ in 0..3 {
        notify(&mut scene, A, bot.user);
    }
    let told = (Some(5), A.0, PROXY.node());
    assert_eq!((said(&mut scene), scene.loads - loads), (vec![told; 3], 1));
    notify(&mut scene, B, bot.user);
    assert_eq!(
        (said(&mut scene), scene.loads - loads),
        (vec![(Some(5), B.0, PROXY.node())], 1)
    );
    scene.run(5_000);
    said(&mut scene);
    notify(&mut scene, A, bot.user);
    assert_eq!(
        (said(&mut scene).len(), scene.loads - loads),
        (1, 2),
        "it may be elsewhere by now"
    );
}

#[test]
fn whoever_is_unknown_or_not_reached_is_told_nothing() {
    let mut scene = Scene::four();
    notify(&mut scene, A, UserId(99));
    let bot = Bot::join(&mut scene, 5, 200.0, 40.0);
    scene.run(200);
    said(&mut scene);
    scene.input(A, RegionInput::ProxyDown(PROXY));
    notify(&mut scene, A, bot.user);
    assert_eq!(said(&mut scene), []);
    let is_load: fn(&StoreRequest) -> bool = |request| matches!(request, StoreRequest::LoadPlayer { .. });
    scene.fault = Some((is_load, Fault::Unavailable));
    notify(&mut scene, RegionNumber(3), bot.user);
    assert_eq!(said(&mut scene), [], "the store is away");
    notify(&mut scene, RegionNumber(3), bot.user);
    assert_eq!(said(&mut scene).len(), 1);
}

#[test]
fn all_are_told_by_each_lane_and_nobody_too_much() {
    let mut scene = Scene::four();
    scene.run(200);
    said(&mut scene);
    let rules = &mut scene.regions.get_mut(&A).unwrap().state;
    for _ in 0..9 {
        game::Ctx::announce(rules, Bytes::from_static(b"hear"));
    }
    for _ in 0..300 {
        rules.notify(UserId(5), Bytes::new());
    }
    game::Ctx::announce(rules, vec![0; NEWS_BYTES_MAX + 1].into());
    rules.notify(UserId(6), vec![0; NEWS_BYTES_MAX + 1].into());
    scene.settle();
    let lanes = [PROXY, OTHER_PROXY].map(|lane| (None, A.0, lane.node()));
    assert_eq!(said(&mut scene), lanes.repeat(4));
    let counted = |label| scene.counted.get(label).copied();
    // Five to all; of those to one user 8 wait for its row.
    assert_eq!(counted("news_too_many"), Some(5 + 300 - 8));
    assert_eq!(counted("news_too_long"), Some(2));
}
