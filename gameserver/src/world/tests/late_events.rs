//! What all players of a lane have yet to hear of is more than its link takes at once.

use bytes::Bytes;
use game::{Ctx, Entered, Reliability};
use net::link_core::LinkRoom as WaitingRoom;
use protocol::geometry::Position;
use protocol::ids::UserId;
use protocol::message::player::EventAck;

use super::drain::join;
use super::*;

const USERS: u64 = 10;
const EVENTS: u64 = 10;
const EVENT_BYTES: usize = 1000;
/// A sixth of all.
const WAITING_BYTES: usize = 16 * 1024;

/// A game with much to say to whoever comes.
struct Herald;

impl GameLogic for Herald {
    fn spawn_point(&self, _: &game::World, _: UserId) -> Position {
        Position { x: 32.0, y: 32.0 }
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn entered(&mut self, ctx: &mut dyn Ctx, player: Entered<'_>) {
        for _ in 0..EVENTS {
            let body = Bytes::from_static(&[7; EVENT_BYTES]);
            ctx.tell(player.user, body, Reliability::Durable);
        }
    }
}

/// Players whose proxy has lost its link, and with it all that they were to hear of.
fn unheard() -> Scene {
    let mut scene = Scene::playing(row(&["a"]), || Box::new(Herald));
    lane_up(&mut scene, 1);
    (1..=USERS).for_each(|user| join(&mut scene, user));
    scene.pass(2_000);
    scene.world.close(LinkId(7), Code::Generic, scene.now);
    scene.settle();
    scene.wanted.clear();
    scene.taken.clear();
    scene
}

fn lane_up(scene: &mut Scene, start: u64) -> ProxyEnd {
    let core = LinkCore::new(Clear::default(), scene.life(), scene.now).with_room(WaitingRoom {
        waiting_bytes: WAITING_BYTES,
        ..WaitingRoom::default()
    });
    scene.world.proxy_up(LinkId(7), arriving(start), core, scene.now);
    scene.settle();
    LinkCore::new(Clear::default(), scene.life(), scene.now)
}

/// Joins all by a new lane, which takes their owner's word in one go.
fn come_back(scene: &mut Scene) -> ProxyEnd {
    let mut proxy = lane_up(scene, 2);
    (1..=USERS).for_each(|user| join(scene, user));
    let heard = scene.hears(7, &mut proxy);
    let joined = heard.iter().filter_map(|message| match message {
        ServerToProxy::Joined(joined) => Some(joined.clone()),
        _ => None,
    });
    for joined in joined {
        let ack = EventAck {
            user: joined.user,
            owner_epoch: joined.owner_epoch,
            number: 0,
            session_generation: 1,
        };
        proxy.push(&ack.into());
    }
    proxy.flush(scene.now);
    let bytes = proxy.unsent().to_vec();
    proxy.wrote(bytes.len());
    scene.world.receive(LinkId(7), &bytes, scene.now);
    scene.settle();
    proxy
}

/// The numbers that each player was told, in order.
fn told(heard: &[ServerToProxy], by_user: &mut BTreeMap<u64, Vec<u64>>) {
    for message in heard {
        if let ServerToProxy::Event(event) = message {
            by_user.entry(event.user).or_default().push(event.number);
        }
    }
}

#[test]
fn a_lane_that_comes_up_is_told_by_and_by_what_does_not_fit_into_it_at_once() {
    let mut scene = unheard();
    let mut proxy = come_back(&mut scene);
    let mut by_user = BTreeMap::new();
    for _ in 0..40 {
        scene.pass(50);
        told(&scene.hears(7, &mut proxy), &mut by_user);
    }
    assert_eq!(scene.ended(), []);
    assert_eq!(by_user.len() as u64, USERS);
    for (user, numbers) in by_user {
        let first = numbers[0];
        let all: Vec<u64> = (first..first + EVENTS).collect();
        assert_eq!(numbers, all, "user {user}: each once, in order");
    }
}

#[test]
fn who_takes_nothing_is_told_no_more_than_half_of_what_it_may_keep_waiting() {
    let mut scene = unheard();
    let mut proxy = come_back(&mut scene);
    scene.is_stuck = true;
    scene.pass(2_000);
    let waiting = scene.world.link_reports()[0].1.sight.waiting_bytes;
    assert_eq!(scene.ended(), []);
    assert!(
        waiting > 4 * EVENT_BYTES && waiting < 3 * WAITING_BYTES / 4,
        "{waiting}"
    );
    scene.is_stuck = false;
    scene.pass(2_000);
    let mut by_user = BTreeMap::new();
    told(&scene.hears(7, &mut proxy), &mut by_user);
    assert_eq!(
        by_user.values().map(Vec::len).sum::<usize>() as u64,
        USERS * EVENTS
    );
}
