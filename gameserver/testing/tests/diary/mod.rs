//! A game whose inputs say what its rules are to do, and whose players are told what came of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use game::{
    Ctx, Entered, EntityId, Game, GameInput, GameLogic, NoSettings, Position, TeleportFailed, UserId, World,
};
use game_testing::Playground;

/// The game.
pub(crate) struct Diary;

/// What each player here was told, line by line; it goes along as its soft state.
#[derive(Default)]
pub(crate) struct Pages(BTreeMap<EntityId, (UserId, String)>);

/// What the user's client was told, line by line.
pub(crate) fn lines(ground: &Playground, user: UserId) -> Vec<String> {
    let own = ground.own_state(user);
    std::str::from_utf8(&own)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

impl Pages {
    fn write(&mut self, ctx: &mut dyn Ctx, user: UserId, line: &str) {
        if let Some((_, page)) = self.0.values_mut().find(|(of, _)| *of == user) {
            writeln!(page, "{line}").unwrap();
            ctx.set_game_state(user, page.clone().into_bytes().into());
        }
    }
}

impl Game for Diary {
    const ID: &'static str = "diary";
    const VERSION: u32 = 1;
    type Settings = NoSettings;
    type Rules = Pages;

    fn new(_: NoSettings) -> Self {
        Self
    }

    fn rules(&self) -> Pages {
        Pages::default()
    }
}

impl GameLogic for Pages {
    fn spawn_point(&self, _: &World, _: UserId) -> Position {
        Position { x: 64.0, y: 64.0 }
    }

    fn kind_of_player(&self) -> u16 {
        1
    }

    fn entered(&mut self, _: &mut dyn Ctx, player: Entered<'_>) {
        let page = String::from_utf8(player.game.to_vec()).unwrap();
        self.0.insert(player.entity, (player.user, page));
    }

    fn left(&mut self, _: &mut dyn Ctx, _: UserId, entity: EntityId) {
        self.0.remove(&entity);
    }

    fn input(&mut self, ctx: &mut dyn Ctx, entity: EntityId, input: GameInput<'_>) {
        let text = std::str::from_utf8(input.body).unwrap();
        let Some((user, _)) = self.0.get(&entity) else {
            return;
        };
        let (user, words) = (*user, text.split(' ').collect::<Vec<_>>());
        match words[..] {
            ["note", what] => self.write(ctx, user, &format!("{}+{} {what}", input.number.0, input.missed)),
            ["go", x, y] => {
                let [x, y] = [x, y].map(|part| part.parse().unwrap());
                ctx.teleport(user, Position { x, y });
            }
            ["wait", ticks, token] => {
                assert!(ctx.after_for(user, ticks.parse().unwrap(), token.parse().unwrap()));
            }
            _ => panic!("{text} means nothing"),
        }
    }

    fn player_timer(&mut self, ctx: &mut dyn Ctx, user: UserId, token: u64) {
        self.write(ctx, user, &format!("{token} is over"));
    }

    fn teleport_failed(&mut self, ctx: &mut dyn Ctx, user: UserId, reason: TeleportFailed) {
        self.write(ctx, user, &reason.to_string());
    }

    fn own_state(&self, _: &dyn Ctx, _: UserId, entity: EntityId, out: &mut Vec<u8>) {
        if let Some((_, page)) = self.0.get(&entity) {
            out.extend(page.as_bytes());
        }
    }
}
