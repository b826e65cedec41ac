//! The demo game in a playground: what the kit can do, and that rules meet the real thing in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use demo::{
    Command, DemoGame, DemoSettings, Event, Input, KIND_CREATURE, KIND_GEM, OwnState, ReportOutcome,
    parse_gem,
};
use game::{CommandKind, Game as _, Position, UserId};
use game_testing::Playground;

const EAST: Input = Input {
    heading: 0,
    speed: 255,
};

fn game(creatures: u32) -> DemoGame {
    DemoGame::new(DemoSettings { creatures })
}

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

/// Somebody collects the gem that lies nearest to the border, and stays there.
fn with_a_gem(ground: &mut Playground) -> (UserId, u64) {
    let things = ground.things(Playground::LEFT);
    let gems = things.iter().filter(|thing| thing.kind == u16::from(KIND_GEM));
    let gem = gems.max_by(|a, b| a.at.x.total_cmp(&b.at.x)).unwrap();
    let id = parse_gem(&gem.state).unwrap();
    let ann = ground.join_at("ann", gem.at);
    let number = ground.command(
        ann,
        CommandKind::Durable,
        &Command::Collect { thing: id }.encode(),
    );
    assert!(ground.run_until(1_000, |ground| ground.is_applied(ann, number)));
    (ann, id)
}

fn events(ground: &mut Playground, user: UserId) -> Vec<Event> {
    let bodies = ground.take_events(user);
    bodies.iter().map(|body| Event::parse(body).unwrap()).collect()
}

#[test]
fn a_player_walks_across_the_border_and_commands_go_along() {
    let mut ground = Playground::two(game(0));
    let ann = ground.join_at("ann", at(126.0, 64.0));
    assert_eq!(ground.region_of(ann), Some(Playground::LEFT));
    ground.input(ann, &EAST.encode());
    let mut numbers = Vec::new();
    while ground.region_of(ann) != Some(Playground::RIGHT) {
        numbers.push(ground.command(ann, CommandKind::Soft, &Command::Emote(1).encode()));
        ground.tick();
        assert!(ground.now_ms() < 5_000, "she is still on the left");
    }
    ground.run_ms(500);
    assert!(numbers.iter().all(|number| ground.is_applied(ann, *number)));
    let own = OwnState::parse(&ground.own_state(ann)).unwrap();
    assert_eq!(own.region, Playground::RIGHT);
    assert_eq!(Some(own.at), ground.position(ann));
}

#[test]
fn what_is_collected_is_held_and_outlasts_a_crash() {
    let mut ground = Playground::one(game(3));
    let before = ground.on_ground(Playground::LEFT).len();
    let (ann, gem) = with_a_gem(&mut ground);
    assert_eq!(events(&mut ground, ann), [Event::Collected { thing: gem }]);
    assert_eq!(ground.holdings(ann), [gem]);
    ground.crash(Playground::LEFT);
    assert!(ground.run_until(5_000, |ground| ground.region_of(ann).is_some()));
    ground.run_ms(500);
    assert_eq!(ground.holdings(ann), [gem]);
    assert_eq!(ground.on_ground(Playground::LEFT).len(), before - 1);
    let things = ground.things(Playground::LEFT);
    let creatures = things
        .iter()
        .filter(|thing| thing.kind == u16::from(KIND_CREATURE));
    assert_eq!(creatures.count(), 3);
    let own = OwnState::parse(&ground.own_state(ann)).unwrap();
    assert_eq!(own.things, 1, "and the client is told so");
}

#[test]
fn a_holding_is_given_across_the_border() {
    let mut ground = Playground::two(game(0));
    let (ann, gem) = with_a_gem(&mut ground);
    let here = ground.position(ann).unwrap();
    let bob = ground.join_at("bob", at(129.0, here.y));
    // Near enough to give, and not across.
    ground.input(ann, &EAST.encode());
    let near = |ground: &Playground| ground.position(ann).is_some_and(|at| at.x > 126.0);
    assert!(ground.run_until(10_000, near));
    ground.input(ann, &Input::default().encode());
    ground.run_ms(200);
    assert_eq!(ground.region_of(ann), Some(Playground::LEFT));
    ground.command(
        ann,
        CommandKind::Durable,
        &Command::Give { thing: gem, to: bob }.encode(),
    );
    assert!(ground.run_until(2_000, |ground| ground.holdings(bob) == [gem]));
    ground.run_ms(500);
    assert!(ground.holdings(ann).is_empty());
    assert_eq!(events(&mut ground, bob), [Event::Received { thing: gem }]);
}

#[test]
fn who_leaves_is_gone_and_a_new_user_starts_where_the_rules_say() {
    let mut ground = Playground::one(game(0));
    let ann = ground.join("ann");
    assert!(ground.position(ann).is_some());
    ground.leave(ann);
    ground.run_ms(1_000);
    assert_eq!(ground.region_of(ann), None);
    assert!(
        ground
            .things(Playground::LEFT)
            .iter()
            .all(|thing| thing.id.0 != ann.0)
    );
}

#[test]
fn creatures_come_and_go_when_the_settings_are_read_anew_and_a_crash_brings_back_as_many() {
    let mut ground = Playground::two(game(2));
    let creatures = |ground: &Playground| {
        [Playground::LEFT, Playground::RIGHT].map(|region| {
            let things = ground.things(region).into_iter();
            things
                .filter(|thing| thing.kind == u16::from(KIND_CREATURE))
                .count()
        })
    };
    assert_eq!(creatures(&ground), [2, 2]);
    for count in [5, 1] {
        ground.reload(game(count as u32));
        ground.run_ms(200);
        assert_eq!(creatures(&ground), [count, count]);
    }
    ground.crash(Playground::LEFT);
    assert_eq!(creatures(&ground), [1, 1]);
}

#[test]
fn who_is_muted_collects_and_walks_on_and_is_heard_by_nobody_until_it_is_over() {
    let mut ground = Playground::two(game(0));
    let ann = ground.join_at("ann", at(126.0, 64.0));
    let (bob, eve) = (
        ground.join_at("bob", at(125.0, 64.0)),
        ground.join_at("eve", at(130.0, 64.0)),
    );
    let said = |text: &str| Command::Say(text.to_owned()).encode();
    // Until each sees the other over the border.
    ground.run_ms(500);
    ground.mute(ann, 2_000);
    let until_ms = ground.clock_ms() + 2_000;
    let number = ground.command(ann, CommandKind::Soft, &said("spam"));
    ground.command(ann, CommandKind::Soft, &Command::Emote(1).encode());
    ground.command(bob, CommandKind::Soft, &said("hello"));
    ground.run_ms(500);
    let heard = events(&mut ground, ann);
    let reason = demo::Refusal::Muted { until_ms };
    assert!(
        heard.contains(&Event::Refused {
            command: number.0,
            reason
        }),
        "{heard:?}"
    );
    assert_eq!(heard.len(), 3, "refused twice, and others are heard: {heard:?}");
    for other in [bob, eve] {
        let heard = events(&mut ground, other);
        assert!(
            matches!(&heard[..], [Event::Said { text, .. }] if text == "hello"),
            "{heard:?}"
        );
    }
    // Beyond the border as well.
    ground.input(ann, &EAST.encode());
    assert!(ground.run_until(1_000, |ground| ground.region_of(ann) == Some(Playground::RIGHT)));
    ground.command(ann, CommandKind::Soft, &said("spam"));
    ground.run_ms(200);
    assert!(matches!(events(&mut ground, ann)[..], [Event::Refused { .. }]));
    assert_eq!(events(&mut ground, eve), []);
    ground.run_ms(1_500);
    ground.command(ann, CommandKind::Soft, &said("hello"));
    ground.run_ms(200);
    assert!(matches!(&events(&mut ground, eve)[..], [Event::Said { text, .. }] if text == "hello"));
}

#[test]
fn who_is_reported_was_heard_or_is_near_and_what_was_said_goes_along() {
    let mut ground = Playground::two(game(0));
    let ann = ground.join_at("ann", at(120.0, 64.0));
    let (bob, eve) = (
        ground.join_at("bob", at(130.0, 64.0)),
        ground.join_at("eve", at(250.0, 64.0)),
    );
    let say = |text: &str| Command::Say(text.to_owned()).encode();
    let report = |user| {
        Command::Report {
            user,
            why: "spam".to_owned(),
        }
        .encode()
    };
    ground.run_ms(500);
    ground.command(bob, CommandKind::Soft, &say("buy gems"));
    ground.command(ann, CommandKind::Soft, &say("no"));
    ground.run_ms(300);
    events(&mut ground, ann);
    let far = ground.command(ann, CommandKind::Soft, &report(eve));
    ground.command(ann, CommandKind::Soft, &report(bob));
    ground.run_ms(300);
    let reported = |user, outcome| Event::Reported { user, outcome };
    let refused = Event::Refused {
        command: far.0,
        reason: demo::Refusal::TooFar,
    };
    let heard = events(&mut ground, ann);
    assert!(
        heard.contains(&refused) && heard.contains(&reported(bob, ReportOutcome::Kept)),
        "{heard:?}"
    );
    // Another one at once is one too many.
    ground.command(ann, CommandKind::Soft, &report(bob));
    ground.run_ms(300);
    assert_eq!(events(&mut ground, ann), [reported(bob, ReportOutcome::TooMany)]);
    let reports = ground.reports();
    let [kept] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert_eq!((kept.by, kept.about, kept.why.as_str()), (ann, bob, "spam"));
    let lines: Vec<&str> = kept.lines.lines().collect();
    assert!(
        lines.contains(&"bob (user 2): buy gems") && lines.contains(&"ann (user 1): no"),
        "{lines:?}"
    );
}
