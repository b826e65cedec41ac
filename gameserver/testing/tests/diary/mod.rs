//! A game whose inputs say what its rules are to do, and whose players are told what came of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use game::{Ctx, Entered, EntityId, Game, GameInput, GameLogic, NoSettings, Position, UserId, World};
use game_testing::Playground;

/// The game.
pub(crate) struct Diary;

/// What each player here was told, one line each.
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
        self.0.insert(player.entity, (player.user, String::new()));
    }

    fn left(&mut self, _: &mut dyn Ctx, _: UserId, entity: EntityId) {
        self.0.remove(&entity);
    }

    fn input(&mut self, _: &mut dyn Ctx, entity: EntityId, input: GameInput<'_>) {
        let text = std::str::from_utf8(input.body).unwrap();
        let Some((_, page)) = self.0.get_mut(&entity) else {
            return;
        };
        if let Some(note) = text.strip_prefix("note ") {
            writeln!(page, "{}+{} {note}", input.number.0, input.missed).unwrap();
        }
    }

    fn own_state(&self, _: &dyn Ctx, _: UserId, entity: EntityId, out: &mut Vec<u8>) {
        if let Some((_, page)) = self.0.get(&entity) {
            out.extend(page.as_bytes());
        }
    }
}
