//! What all players of a lane have yet to hear of is more than its link takes at once.

use bytes::Bytes;
use game::{Ctx, Entered, Reliability};
use net::link_core::LinkRoom as WaitingRoom;
use protocol::geometry::Position;
use protocol::ids::UserId;
use protocol::limits::EVENT_BYTES_MAX;
use protocol::message::player::EventAck;

use super::drain::join_in;
use super::*;

const USERS: u64 = 10;
const EVENTS: u64 = 10;
const EVENT_BYTES: usize = 1000;
/// A sixth of all.
const WAITING_BYTES: usize = 16 * 1024;

/// What is told to whom.
#[derive(Clone, Copy)]
struct Tale {
    /// Regions side by side, in which the users come in turn.
    regions: usize,
    users: u64,
    event_bytes: usize,
    waiting_bytes: usize,
}

const LONG_TALE: Tale = Tale {
    regions: 1,
    users: USERS,
    event_bytes: EVENT_BYTES,
    waiting_bytes: WAITING_BYTES,
};

impl Tale {
    fn region_of(self, user: u64) -> u32 {
        1 + (user % self.regions as u64) as u32
    }
}

/// A game with much to say to whoever comes.
struct Herald(Tale);

impl GameLogic for Herald {
    fn spawn_point(&self, _: &game::World, user: UserId) -> Position {
        let x = 64.0 * self.0.region_of(user.0) as f32 - 32.0;
        Position { x, y: 32.0 }
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn entered(&mut self, ctx: &mut dyn Ctx, player: Entered<'_>) {
        for _ in 0..EVENTS {
            let body = Bytes::from(vec![7; self.0.event_bytes]);
            ctx.tell(player.user, body, Reliability::Durable);
        }
    }
}

/// Players whose proxy has lost its link, and with it all that they were to hear of.
fn unheard(tale: Tale) -> Scene {
    let mut scene = Scene::playing(row(&vec!["a"; tale.regions]), move || Box::new(Herald(tale)));
    scene.proxy_up(7, 1);
    join_all(&mut scene, tale);
    scene.pass(2_000);
    scene.world.close(LinkId(7), Code::Generic, scene.now);
    scene.settle();
    scene.wanted.clear();
    scene.taken.clear();
    scene
}

fn join_all(scene: &mut Scene, tale: Tale) {
    for user in 1..=tale.users {
        join_in(scene, user, RegionNumber(tale.region_of(user)));
    }
}

fn lane_up(scene: &mut Scene, tale: Tale) -> ProxyEnd {
    let core = LinkCore::new(Clear::default(), scene.life(), scene.now).with_room(WaitingRoom {
        waiting_bytes: tale.waiting_bytes,
        ..WaitingRoom::default()
    });
    scene.world.proxy_up(LinkId(7), arriving(2), core, scene.now);
    scene.settle();
    LinkCore::new(Clear::default(), scene.life(), scene.now)
}

/// Joins all by a new lane, which takes their owner's word in one go.
fn come_back(scene: &mut Scene, tale: Tale) -> ProxyEnd {
    let mut proxy = lane_up(scene, tale);
    join_all(scene, tale);
    let mut heard = scene.hears(7, &mut proxy);
    // Ticks in which nobody is behind yet.
    scene.pass(100);
    heard.extend(scene.hears(7, &mut proxy));
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

/// All that is told within so many ticks, by user.
fn told_in(scene: &mut Scene, proxy: &mut ProxyEnd, ticks: usize) -> BTreeMap<u64, Vec<u64>> {
    let mut by_user = BTreeMap::new();
    for _ in 0..ticks {
        scene.pass(50);
        told(&scene.hears(7, proxy), &mut by_user);
    }
    by_user
}

/// The link goes on, and everybody hears of everything, once and in order.
fn assert_all_is_told(scene: &mut Scene, proxy: &mut ProxyEnd, tale: Tale) {
    let ticks = 2 * tale.users * EVENTS;
    let by_user = told_in(scene, proxy, ticks as usize);
    assert_eq!(scene.ended(), []);
    assert_eq!(by_user.len() as u64, tale.users, "{by_user:?}");
    for (user, numbers) in by_user {
        let first = numbers[0];
        let all: Vec<u64> = (first..first + EVENTS).collect();
        assert_eq!(numbers, all, "user {user}: each once, in order");
    }
}

#[test]
fn a_lane_that_comes_up_is_told_by_and_by_what_does_not_fit_into_it_at_once() {
    let mut scene = unheard(LONG_TALE);
    let mut proxy = come_back(&mut scene, LONG_TALE);
    assert_all_is_told(&mut scene, &mut proxy, LONG_TALE);
}

#[test]
fn who_takes_nothing_is_told_no_more_than_half_of_what_it_may_keep_waiting() {
    let mut scene = unheard(LONG_TALE);
    let mut proxy = come_back(&mut scene, LONG_TALE);
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

#[test]
fn an_event_that_is_longer_than_what_is_spare_goes_when_little_waits() {
    let tale = Tale {
        users: 1,
        event_bytes: EVENT_BYTES_MAX,
        waiting_bytes: 2 * EVENT_BYTES_MAX,
        ..LONG_TALE
    };
    let mut scene = unheard(tale);
    let mut proxy = come_back(&mut scene, tale);
    assert_all_is_told(&mut scene, &mut proxy, tale);
}

#[test]
fn an_event_that_is_longer_than_the_credit_goes_unless_there_is_none() {
    let tale = Tale {
        event_bytes: EVENT_BYTES_MAX,
        ..LONG_TALE
    };
    let mut scene = unheard(tale);
    scene.world.set_credit(0);
    let mut proxy = come_back(&mut scene, tale);
    assert_eq!(told_in(&mut scene, &mut proxy, 20), BTreeMap::new());
    scene.world.set_credit(EVENT_BYTES_MAX / 8);
    assert_all_is_told(&mut scene, &mut proxy, tale);
}

#[test]
fn regions_that_are_all_asked_at_once_tell_a_lane_no_more_together_than_it_takes() {
    let tale = Tale {
        regions: 8,
        users: 2 * USERS,
        ..LONG_TALE
    };
    let mut scene = unheard(tale);
    let mut proxy = come_back(&mut scene, tale);
    assert_all_is_told(&mut scene, &mut proxy, tale);
}
