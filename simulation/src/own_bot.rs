//! What somebody at a device makes of a game of its own, by what the game says of its bots.

use std::collections::BTreeMap;

use bytes::Bytes;
use client::core::World;
use game::bot::{Behaviour, Givers, HoldingNews, Moment, Offer, Own, Plan, Purse, Seen, View, Walk, Wish};
use game::{CommandKind, RegionNumber};
use protocol::geometry::Position;
use protocol::ids::{CommandNumber, UserId};
use protocol::message::player::CommandClass;

use crate::own_game::OwnGame;

/// Between two commands, as bots are told, microseconds: they are asked in one look of about eleven, twenty times a second.
const COMMAND_EVERY_US: u64 = 550_000;

/// One player of a game.
pub(crate) struct OwnBot {
    behaviour: Box<dyn Behaviour>,
    purse: Purse,
    givers: Givers,
    own: Option<Own>,
    /// Is offered by the command that goes out next.
    offer: Option<Offer>,
    state: Bytes,
    events: Vec<Bytes>,
}

struct Sight<'a>(&'a World);

impl View for Sight<'_> {
    fn each(&self, show: &mut dyn FnMut(&Seen<'_>)) {
        let shape = self.0.shape();
        for entity in self.0.entities() {
            let cell = shape.grid.ground(entity.cell);
            let region = shape.regions.get(cell.0 as usize).copied();
            show(&Seen {
                id: entity.id,
                kind: entity.kind,
                at: entity.at,
                region: RegionNumber(region.unwrap_or_default()),
                state: &entity.state,
            });
        }
    }
}

impl OwnBot {
    /// One of so many users, of whom each has the number after the one before it.
    pub(crate) fn new(game: &OwnGame, seed: u64, users: u16) -> Self {
        let plan = Plan {
            seed,
            command_every_us: COMMAND_EVERY_US,
        };
        let users = 1..=u64::from(users);
        Self {
            behaviour: (game.bots())(&plan),
            purse: Purse::default(),
            givers: users.map(|user| (UserId(user), 0)).collect::<BTreeMap<_, _>>(),
            own: None,
            offer: None,
            state: Bytes::new(),
            events: Vec::new(),
        }
    }

    /// A new login: what was offered before has gone through or not.
    pub(crate) fn begin_session(&mut self) {
        let held = std::mem::take(&mut self.purse);
        for holding in held.held() {
            self.purse.handle(HoldingNews::Collected(*holding));
        }
        (self.own, self.offer) = (None, None);
    }

    /// The own state that a snapshot brought: where the player is.
    pub(crate) fn sees_itself(&mut self, state: &Bytes) -> Option<Position> {
        let own = self.behaviour.own(state)?;
        self.own = Some(own);
        self.state = state.clone();
        Some(own.at)
    }

    /// Where it wants to go, if anywhere.
    pub(crate) fn wants_to(&mut self, now_us: u64) -> Option<Position> {
        self.behaviour.wish(now_us).map(|wish| match wish {
            Wish::Fetch(at) | Wish::Meet(at) => at,
        })
    }

    pub(crate) fn input(&mut self, walk: Walk) -> Bytes {
        let mut input = Vec::new();
        self.behaviour.input(walk, &mut input);
        input.into()
    }

    /// Perhaps a command.
    pub(crate) fn command(&mut self, world: &World, now_us: u64) -> Option<(CommandClass, Bytes)> {
        let command = self.behaviour.command(&Moment {
            now_us,
            own: self.own?,
            view: &Sight(world),
            purse: &self.purse,
            givers: &self.givers,
        })?;
        self.offer = command.offer;
        let class = match command.kind {
            CommandKind::Soft => CommandClass::Soft,
            CommandKind::Durable => CommandClass::Durable,
        };
        Some((class, command.body))
    }

    /// The command has gone out as this one.
    pub(crate) fn commanded(&mut self, number: CommandNumber) {
        if let Some(offer) = self.offer.take() {
            self.purse.offer(number, offer);
        }
    }

    /// An event of the game. Which holding it says that the bot has now.
    pub(crate) fn hears(&mut self, body: Bytes) -> Option<u64> {
        let news = self.behaviour.event(&body);
        self.events.push(body);
        let news = news?;
        self.purse.handle(news);
        match news {
            HoldingNews::Collected(holding) | HoldingNews::Received(holding) => Some(holding),
            HoldingNews::Given(_) | HoldingNews::Gone(_) | HoldingNews::Refused(_) => None,
        }
    }

    /// Its newest own state, and all the events that it was given.
    pub(crate) fn told(&self) -> (&Bytes, &[Bytes]) {
        (&self.state, &self.events)
    }
}
