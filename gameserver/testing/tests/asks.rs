//! Rules that ask their game something, and show operators what they know, in a playground.

#![allow(clippy::unwrap_used, clippy::panic)]

use game::bytes::Bytes;
use game::{
    AskFailed, Ctx, Entered, Game, GameLogic, LogLevel, NoSettings, Position, Reliability, UserId, World,
};
use game_testing::Playground;

/// A game that knows how long a name is, and none of Ben's.
struct Names;

impl Game for Names {
    const ID: &'static str = "names";
    const VERSION: u32 = 1;
    type Settings = NoSettings;
    type Rules = Rules;

    fn new(_: NoSettings) -> Self {
        Self
    }

    fn rules(&self) -> Rules {
        Rules::default()
    }

    fn answer(&self, name: &[u8]) -> Vec<u8> {
        assert!(name != b"ben", "nobody knows him");
        vec![name.len() as u8]
    }
}

#[derive(Default)]
struct Rules {
    asked: Vec<(u64, UserId)>,
}

impl GameLogic for Rules {
    fn spawn_point(&self, _: &World, _: UserId) -> Position {
        Position { x: 60.0, y: 60.0 }
    }

    fn kind_of_player(&self) -> u16 {
        1
    }

    fn entered(&mut self, ctx: &mut dyn Ctx, player: Entered<'_>) {
        let name = Bytes::copy_from_slice(player.name.as_bytes());
        self.asked.push((ctx.ask(Some(player.entity), name), player.user));
        ctx.count_up("entered", 1);
        ctx.notify(UserId(1), Bytes::from(format!("{} is here", player.name)));
        ctx.announce(Bytes::from_static(b"one more"));
        ctx.gauge("waiting", self.asked.len() as f64);
    }

    fn answered(&mut self, ctx: &mut dyn Ctx, ask: u64, answer: Result<&[u8], AskFailed>) {
        let asked = self.asked.iter().find(|(number, _)| *number == ask);
        let user = asked.map(|(_, user)| *user).unwrap();
        match answer {
            Ok(answer) => ctx.tell(user, Bytes::copy_from_slice(answer), Reliability::Soft),
            Err(failed) => ctx.log(LogLevel::Warn, &format!("user {user}: {failed}")),
        }
        self.asked.retain(|(number, _)| *number != ask);
        ctx.gauge("waiting", self.asked.len() as f64);
    }
}

#[test]
fn what_rules_ask_is_answered_in_a_later_tick_and_a_panic_costs_one_answer() {
    let mut ground = Playground::one(Names);
    let [ann, ben] = ["ann", "ben"].map(|name| ground.join(name));
    assert_eq!(ground.take_events(ann), Vec::<Bytes>::new(), "not at once");
    ground.run_ms(200);
    assert_eq!(ground.take_events(ann), [Bytes::from_static(&[3])]);
    assert_eq!(ground.take_events(ben), Vec::<Bytes>::new());
    assert_eq!(
        ground.take_log(),
        [format!("user {ben}: {}", AskFailed::Panicked)]
    );
    assert_eq!(ground.counted("entered"), 2);
    assert_eq!(ground.gauge(Playground::LEFT, "waiting"), Some(0.0));
}

#[test]
fn a_user_beyond_the_border_is_told_something_and_everybody_hears_what_all_are_to_hear() {
    let mut ground = Playground::two(Names);
    let ann = ground.join_at("ann", Position { x: 60.0, y: 60.0 });
    ground.run_ms(200);
    ground.take_news(ann);
    let ben = ground.join_at("ben", Position { x: 200.0, y: 60.0 });
    ground.run_ms(200);
    let from = Playground::RIGHT;
    let [here, more] = ["ben is here", "one more"].map(|text| (from, Bytes::from(text)));
    let mut told = ground.take_news(ann);
    told.sort();
    assert_eq!(told, [here, more.clone()]);
    assert_eq!(ground.take_news(ben), [more]);
}
