//! Whom a bot gives to, what it collects, how it waits.

use super::surroundings::Neighbour;
use super::*;
use game::UserId;

const SECOND_US: u64 = 1_000_000;

fn neighbour(user: u64, across: bool) -> Neighbour {
    Neighbour {
        user: UserId(user),
        across,
        distance: 3.0,
    }
}

fn trader() -> Trader {
    Trader::new(&Plan {
        seed: 1,
        command_every_us: 5 * SECOND_US,
    })
}

fn purse(gem: u64) -> Purse {
    let mut purse = Purse::default();
    purse.handle(HoldingNews::Collected(gem));
    purse
}

fn at(x: f32) -> Position {
    Position { x, y: 0.0 }
}

fn gives(order: Option<&BotCommand>) -> Option<(u64, u64, bool)> {
    let order = order?;
    match Command::parse(&order.body) {
        Ok(Command::Give { thing: gem, to }) => Some((gem, to.0, order.offer?.across)),
        _ => None,
    }
}

#[test]
fn a_gem_goes_across_the_border_to_who_has_given_least() {
    let seen = Surroundings {
        near: vec![
            neighbour(1, false),
            neighbour(2, true),
            neighbour(3, true),
            neighbour(9, true),
        ],
        ..Surroundings::default()
    };
    let givers = Givers::from([(UserId(1), 0), (UserId(2), 4), (UserId(3), 1)]);
    let order = trader().decide(&seen, &purse(77), &givers, 0);
    let given = gives(order.as_ref());
    assert_eq!(
        given,
        Some((77, 3, true)),
        "and user 9, who is none of the swarm, gets nothing"
    );
    assert_eq!(order.unwrap().kind, CommandKind::Durable);
}

#[test]
fn a_gem_waits_a_while_for_somebody_across_the_border() {
    let in_sight = (neighbour(2, true), at(20.0));
    for (far, given_before, goes_to_user_1) in [
        (vec![], 0, true),
        (vec![in_sight], 0, false),
        (vec![in_sight], 3, true),
    ] {
        let mut trader = trader();
        let seen = Surroundings {
            near: vec![neighbour(1, false)],
            far,
            ..Surroundings::default()
        };
        let givers = Givers::from([(UserId(1), 1)]);
        let mut purse = purse(77);
        purse.gives_across = given_before;
        assert_eq!(trader.decide(&seen, &purse, &givers, 0), None);
        let order = trader.decide(&seen, &purse, &givers, 3 * SECOND_US).unwrap();
        assert_eq!(
            gives(Some(&order)).is_some_and(|(_, to, _)| to == 1),
            goes_to_user_1
        );
    }
}

#[test]
fn who_has_given_helps_those_here_who_have_not() {
    let mut trader = trader();
    let seen = Surroundings {
        near: vec![neighbour(1, false), neighbour(2, true)],
        ..Surroundings::default()
    };
    let givers = Givers::from([(UserId(1), 0), (UserId(2), 1)]);
    let mut purse = purse(77);
    for (given, receiver) in [(0, 2), (1, 1)] {
        purse.gives_across = given;
        let order = trader.decide(&seen, &purse, &givers, 0);
        assert_eq!(gives(order.as_ref()).unwrap().1, receiver);
    }
}

#[test]
fn who_is_alone_and_has_not_given_yet_is_told_where_the_next_of_the_swarm_is() {
    let mut trader = trader();
    let mut seen = Surroundings::default();
    for (user, x) in [(9, 12.0), (3, 20.0), (1, 40.0)] {
        let somebody = Neighbour {
            distance: x,
            ..neighbour(user, true)
        };
        seen.add(somebody, at(x));
    }
    let givers = Givers::from([(UserId(1), 0), (UserId(3), 0)]);
    let mut purse = purse(77);
    trader.decide(&seen, &purse, &givers, 0);
    assert_eq!(
        trader.wish(0),
        Some(Wish::Meet(at(20.0))),
        "user 9 is none of the swarm"
    );
    assert_eq!(trader.wish(0), None);
    purse.gives_across = 1;
    trader.decide(&seen, &purse, &givers, SECOND_US);
    assert_eq!(trader.wish(SECOND_US), None);
}

#[test]
fn a_gem_in_sight_is_walked_to_and_collected() {
    let mut trader = trader();
    let mut seen = Surroundings::default();
    seen.add_gem(7, at(20.0), 20.0);
    let nobody = Givers::new();
    assert_eq!(trader.decide(&seen, &Purse::default(), &nobody, 0), None);
    assert_eq!(trader.wish(SECOND_US), Some(Wish::Fetch(at(20.0))));
    let collects = |order: Option<BotCommand>| {
        let order = order.unwrap();
        assert_eq!(Command::parse(&order.body), Ok(Command::Collect { thing: 7 }));
    };
    let mut patient = trader.clone();
    seen.gems[0].distance = 5.0;
    collects(trader.decide(&seen, &Purse::default(), &nobody, SECOND_US));
    assert_eq!(trader.wish(SECOND_US), None);
    seen.gems[0].distance = 20.0;
    assert_eq!(patient.wish(DETOUR_US_MAX), None, "one that is never reached");
    collects(patient.decide(&seen, &Purse::default(), &nobody, DETOUR_US_MAX));
}

#[test]
fn who_has_nothing_to_trade_orders_soft_and_durable_things_in_turn() {
    let mut trader = trader();
    let mut durable = 0;
    for order in 0..10 {
        let now_us = order * 5 * SECOND_US;
        let order = trader.decide(
            &Surroundings::default(),
            &Purse::default(),
            &Givers::new(),
            now_us,
        );
        durable += u32::from(order.unwrap().kind == CommandKind::Durable);
    }
    assert_eq!(durable, 5);
}

#[test]
fn own_states_events_and_walks_are_those_of_the_game() {
    let mut bot = BOTS(&Plan {
        seed: 1,
        command_every_us: 0,
    });
    let own = OwnState {
        at: at(3.0),
        walk: Input { heading: 1, speed: 2 },
        ..OwnState::default()
    };
    let mut bytes = Vec::new();
    own.encode(&mut bytes);
    let read = bot.own(&bytes).unwrap();
    assert!(read.is_moving && read.at == at(3.0));
    assert_eq!(bot.own(&bytes[1..]), None);
    let refused = Event::Refused {
        command: 5,
        reason: crate::Refusal::Taken,
    };
    let news = bot.event(&refused.encode());
    assert_eq!(news, Some(HoldingNews::Refused(CommandNumber(5))));
    let mut out = Vec::new();
    bot.input(Walk::Stand, &mut out);
    let (from, to) = (at(0.0), at(-9.0));
    bot.input(Walk::Towards { from, to }, &mut out);
    assert_eq!(out, [0, 0, 128, 255]);
    assert!(bot.is_scenery(u16::from(KIND_GEM)) && !bot.is_scenery(1));
}
