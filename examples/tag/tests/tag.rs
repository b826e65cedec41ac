//! The game, played by scripted players in the regions that play it for real.

use std::collections::BTreeMap;

use game::{Game, Position, UserId};
use regionmesh::testing::Playground;
use tag::{CAUGHT, FREE, Own, Tag, TagSettings, towards};

fn game() -> Tag {
    Tag::new(Default::default())
}

fn own(play: &Playground, user: UserId) -> Own {
    Own::parse(&play.own_state(user)).unwrap()
}

/// Lets a player run to a place, or after somebody, for so long at most.
fn run(
    play: &mut Playground,
    user: UserId,
    ms: u64,
    to: impl Fn(&Playground) -> Position,
    until: impl Fn(&Playground) -> bool,
) {
    for _ in 0..ms / 50 {
        if until(play) {
            break;
        }
        let input = towards(own(play, user).at, to(play));
        play.input(user, &input);
        play.run_ms(50);
    }
    play.input(user, &[0, 0]);
    play.run_ms(50);
}

#[test]
fn one_is_it_and_whom_it_touches_is_it() {
    let mut play = Playground::one(game());
    let [ann, ben] = ["ann", "ben"].map(|name| play.join(name));
    play.run_ms(500);
    assert!(own(&play, ann).is_it != own(&play, ben).is_it, "one of the two is it");
    let (it, other) = if own(&play, ann).is_it { (ann, ben) } else { (ben, ann) };
    run(&mut play, it, 10_000, |play| own(play, other).at, |play| own(play, other).is_it);
    assert_eq!((own(&play, it).is_it, own(&play, it).score), (false, 1));
    assert!(own(&play, other).is_it);
    assert_eq!((play.counted("tags"), play.gauge(Playground::LEFT, "sheep")), (1, Some(4.0)));
    assert_eq!(play.holdings(it).len(), 1, "a point is a thing");
    let (from, to) = (own(&play, it).at, own(&play, other).at);
    assert!(from.distance_squared(to) > 60.0 * 60.0, "who is caught is put into a corner: {from:?}, {to:?}");
    let events = play.take_events(it);
    assert_eq!(events.iter().map(|event| event[0]).collect::<Vec<_>>(), [CAUGHT, FREE]);
    // Its score outlasts a crash of the server, and the other one is still it.
    let far = Position { x: 20.0, y: 20.0 };
    run(&mut play, it, 3_000, |_| far, |_| false);
    play.crash(Playground::LEFT);
    play.run_ms(3_000);
    assert_eq!((own(&play, it).score, own(&play, other).is_it), (1, true));
}

#[test]
fn who_is_it_catches_over_a_border() {
    let mut play = Playground::two(game());
    let [ann, ben] = ["ann", "ben"].map(|name| play.join(name));
    play.run_ms(500);
    let place = |x, y| Position { x, y };
    let is_at = |user, to: Position| move |play: &Playground| own(play, user).at.distance_squared(to) < 0.1;
    for (user, to) in [(ann, place(100.0, 60.0)), (ben, place(120.0, 80.0))] {
        run(&mut play, user, 10_000, |_| to, is_at(user, to));
    }
    let (it, other) = if own(&play, ann).is_it { (ann, ben) } else { (ben, ann) };
    assert!(own(&play, it).is_it && !own(&play, other).is_it);
    // The one that is not it flees over the border, and is caught from this side.
    let beyond = place(129.5, 30.0);
    run(&mut play, other, 20_000, |_| beyond, is_at(other, beyond));
    play.run_ms(2_000);
    assert_eq!(play.region_of(other), Some(Playground::RIGHT));
    let touched = move |play: &Playground| own(play, other).is_it;
    run(&mut play, it, 20_000, |_| place(128.2, 30.0), touched);
    assert!(own(&play, other).is_it, "touched over the border");
    // From the right it is put into the corner on the left.
    assert!(play.run_until(2_000, |play| play.region_of(other) == Some(Playground::LEFT)));
    play.run_ms(100);
    assert_eq!(own(&play, other).at, place(2.0, 126.0));
    assert_eq!(own(&play, it).score, 1);
}

#[test]
fn a_sheep_goes_over_the_border_and_comes_back_and_its_wool_grows_all_the_while() {
    let sheep = TagSettings { sheep: 1 };
    let mut play = Playground::two(Tag::new(sheep));
    let wool = |play: &Playground, region, id| {
        let things = play.things(region);
        things.iter().find(|thing| thing.id == id).map(|thing| thing.state[0])
    };
    assert!(play.run_until(1_000, |play| !play.things(Playground::LEFT).is_empty()));
    let ours = play.things(Playground::LEFT)[0].id;
    let mut grown = 0;
    for region in [Playground::RIGHT, Playground::LEFT] {
        assert!(play.run_until(3_600_000, |play| wool(play, region, ours).is_some()), "it stays away");
        let wool_then = wool(&play, region, ours).unwrap();
        assert!(wool_then >= grown, "what it had it brings along");
        let grows = |play: &Playground| wool(play, region, ours).is_some_and(|now| now > wool_then);
        assert!(play.run_until(60_000, grows), "its timer has gone with it");
        grown = wool_then + 1;
    }
}

#[test]
fn sheep_outlive_their_server_and_no_others_are_made() {
    let mut play = Playground::one(game());
    let flock = |play: &Playground| {
        let things = play.things(Playground::LEFT).into_iter();
        things.map(|thing| (thing.id, thing.state[0])).collect::<BTreeMap<_, _>>()
    };
    play.run_ms(60_000);
    let before = flock(&play);
    assert_eq!(before.len(), 4);
    assert!(before.values().all(|wool| *wool > 1), "{before:?}");
    // What is not older than five seconds may be lost.
    play.run_ms(6_000);
    play.crash(Playground::LEFT);
    play.run_ms(3_000);
    let after = flock(&play);
    assert!(after.keys().eq(before.keys()), "{before:?}, {after:?}");
    assert!(after.iter().all(|(sheep, wool)| *wool >= before[sheep]), "{before:?}, {after:?}");
    let grows = |play: &Playground| flock(play).iter().all(|(sheep, wool)| *wool > after[sheep]);
    assert!(play.run_until(60_000, grows), "their timers go on");
}
