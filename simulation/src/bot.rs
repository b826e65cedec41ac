//! A player's device: the client core as it ships, and somebody who walks across borders, talks, collects and gives.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use client::core::{ClientEvent, Core};
use demo::{self, Command, Input};
use game::bot::Walk;
use protocol::geometry::Position;
use protocol::identity::ClientKey;
use protocol::ids::{EntityId, OwnerEpoch, UserId};
use protocol::message::player::CommandClass;
use protocol::ticket::Ticket;

use crate::dice::Dice;
use crate::own_bot::OwnBot;
use crate::scenario::Scenario;
use crate::sights;
use crate::world::{MIDDLE, SIZE};

/// How far from the corner of all regions one goes who gives, units: all are within reach of each other.
const BANK: f32 = 2.4;
/// Who has less picks up what lies there.
const FUNDS: usize = 10;
/// How far from the corner one circles it, units: beyond the margin of a handover.
const ORBIT: f32 = 2.2;

/// Where a device stands with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Tries again at this time, microseconds.
    Away(u64),
    Connecting,
    Online,
    /// Superseded by another device of the user, for good.
    Retired,
}

/// What somebody does all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    Wander,
    PingPong,
    Corner,
    /// Around the corner of all regions, on and on.
    Orbit,
    /// Close to that corner and to all others, giving whatever there is.
    Bank,
}

impl Habit {
    /// What everybody does in a scenario; `None`: to each what its dice say.
    pub(crate) fn of(scenario: Scenario) -> Option<Self> {
        match scenario {
            Scenario::Bank => Some(Self::Bank),
            Scenario::CornerOrbit => Some(Self::Orbit),
            _ => None,
        }
    }
}

/// What a device learnt that the checks want to know.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum News {
    Acked(u64),
    InputAck {
        ack: u64,
        epoch: OwnerEpoch,
    },
    Event(demo::Event),
    /// It was told that it has this now.
    Has(u64),
    /// It sees somebody who is to be hidden from it.
    Unshown(EntityId),
    /// It was told the same news twice on one connection.
    Twice(Bytes),
}

pub(crate) struct Bot {
    pub(crate) user: UserId,
    pub(crate) key: ClientKey,
    pub(crate) core: Core,
    pub(crate) session: Option<(Ticket, Bytes)>,
    pub(crate) attach_no: u32,
    pub(crate) conn: Option<usize>,
    pub(crate) presence: Presence,
    /// It does not come back before.
    pub(crate) stays_away_until_us: u64,
    /// Which proxy it tries next.
    pub(crate) proxy: usize,
    pub(crate) uses_datagrams: bool,
    pub(crate) entity: Option<EntityId>,
    pub(crate) epoch: OwnerEpoch,
    pub(crate) snapshot_at_ms: u64,
    /// When its own state was new last.
    pub(crate) own_at_ms: u64,
    pub(crate) held: BTreeSet<u64>,
    /// News of regions: on one connection each is said once.
    pub(crate) told: BTreeSet<(Option<usize>, Bytes)>,
    pub(crate) held_shown: u16,
    /// Where a game of its own is played.
    pub(crate) own_bot: Option<OwnBot>,
    habit: Habit,
    at: Option<Position>,
    target: Position,
    /// Holdings asked for, so that one is not asked for again and again.
    asked: BTreeMap<u64, u64>,
    /// What it has given away without having heard what came of it.
    given: BTreeSet<u64>,
    dice: Dice,
}

impl Bot {
    pub(crate) fn new(user: UserId, habit: Option<Habit>, mut dice: Dice) -> Self {
        let mut seed = [0; 32];
        protocol::Entropy::fill(&mut dice, &mut seed);
        Self {
            user,
            key: ClientKey::from_seed(&seed),
            core: Core::default(),
            session: None,
            attach_no: 0,
            conn: None,
            presence: Presence::Away(dice.between(300_000, 900_000)),
            proxy: dice.index(2),
            uses_datagrams: dice.permille(700),
            entity: None,
            epoch: OwnerEpoch(0),
            snapshot_at_ms: 0,
            own_at_ms: 0,
            held: BTreeSet::new(),
            told: BTreeSet::new(),
            held_shown: 0,
            own_bot: None,
            habit: habit.unwrap_or([Habit::Wander, Habit::PingPong, Habit::Corner][dice.index(3)]),
            stays_away_until_us: 0,
            given: BTreeSet::new(),
            at: None,
            target: Position { x: MIDDLE, y: MIDDLE },
            asked: BTreeMap::new(),
            dice,
        }
    }

    pub(crate) fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// A new login: numbers start again.
    pub(crate) fn begin_session(&mut self) {
        self.core = Core::default();
        self.asked.clear();
        self.given.clear();
        self.at = None;
        if let Some(own) = &mut self.own_bot {
            own.begin_session();
        }
    }

    /// Says where to go; stands still when told so.
    pub(crate) fn walk(&mut self, goes: Goes, now_ms: u64) {
        let walk = self.next_walk(goes, now_ms);
        let input = match &mut self.own_bot {
            Some(own) => own.input(walk),
            None => match walk {
                Walk::Stand => Bytes::copy_from_slice(&Input::default().encode()),
                Walk::Towards { from, to } => Bytes::copy_from_slice(&Input::towards(from, to).encode()),
            },
        };
        self.core.send_input(input, now_ms);
    }

    fn next_walk(&mut self, goes: Goes, now_ms: u64) -> Walk {
        let Some(at) = self.at else {
            return Walk::Stand;
        };
        if at.distance_squared(self.target) < 0.5 {
            self.choose();
        }
        if let Some(wanted) = self.own_bot.as_mut().and_then(|own| own.wants_to(now_ms * 1000)) {
            self.target = wanted;
        }
        match goes {
            Goes::On => Walk::Towards {
                from: at,
                to: self.target,
            },
            Goes::Nowhere => Walk::Stand,
        }
    }

    fn choose(&mut self) {
        let near =
            |dice: &mut Dice, from: f32, reach: f32| (from + dice.unit(-reach, reach)).clamp(1.0, SIZE - 1.0);
        let at = self.at.unwrap_or(self.target);
        let wanted = (self.held.len() < FUNDS)
            .then(|| self.nearest_thing(at))
            .flatten();
        let dice = &mut self.dice;
        self.target = match self.habit {
            Habit::Wander => Position {
                x: dice.unit(1.0, SIZE - 1.0),
                y: dice.unit(1.0, SIZE - 1.0),
            },
            Habit::PingPong => Position {
                x: if at.x < MIDDLE { MIDDLE + 2.5 } else { MIDDLE - 2.5 },
                y: near(dice, at.y, 4.0),
            },
            Habit::Corner => Position {
                x: near(dice, MIDDLE, 4.0),
                y: near(dice, MIDDLE, 4.0),
            },
            Habit::Orbit => next_quarter(at),
            Habit::Bank => wanted.unwrap_or(Position {
                x: near(dice, MIDDLE, BANK),
                y: near(dice, MIDDLE, BANK),
            }),
        };
    }

    /// Perhaps a command: what it is and how it goes out.
    pub(crate) fn wish(&mut self, now_ms: u64) -> Option<(CommandClass, Bytes)> {
        let is_due = self.gives_all() || self.dice.permille(90);
        if self.core.open_commands() >= 12 || !is_due {
            return None;
        }
        if let Some(own) = &mut self.own_bot {
            return own.command(self.core.world()?, now_ms * 1000);
        }
        let wish = match self.dice.below(5) {
            1.. if self.gives_all() => match self.give() {
                Some(give) => give,
                None => self.collect(now_ms)?,
            },
            0 => Command::Say(format!("{}", self.dice.below(1 << 32))),
            1 => Command::Emote(self.dice.below(256) as u8),
            2 => self.give()?,
            _ => self.collect(now_ms)?,
        };
        let class = if wish.is_durable() {
            CommandClass::Durable
        } else {
            CommandClass::Soft
        };
        Some((class, wish.encode()))
    }

    /// Whether it gives away all that it has, all the time.
    pub(crate) fn gives_all(&self) -> bool {
        self.habit == Habit::Bank
    }

    /// Something that lies there, in view.
    fn nearest_thing(&self, at: Position) -> Option<Position> {
        let lying = self.core.world().filter(|_| self.own_bot.is_none())?.entities();
        let lying = lying.filter(|entity| entity.kind == u16::from(demo::KIND_GEM));
        let nearest = lying.min_by(|a, b| {
            let far = |entity: &client::core::Entity| (entity.at.distance_squared(at), entity.id);
            far(a).partial_cmp(&far(b)).unwrap_or(std::cmp::Ordering::Equal)
        });
        nearest.map(|entity| entity.at)
    }

    fn collect(&mut self, now_ms: u64) -> Option<Command> {
        let at = self.at?;
        let world = self.core.world()?;
        let near = world.entities().filter(|entity| {
            entity.kind == u16::from(demo::KIND_GEM)
                && entity.at.distance_squared(at) < demo::REACH * demo::REACH
        });
        let near: Vec<u64> = near
            .filter_map(|entity| demo::parse_gem(&entity.state).ok())
            .filter(|thing| {
                self.asked
                    .get(thing)
                    .is_none_or(|asked_ms| now_ms > asked_ms + 1_000)
            })
            .collect();
        let thing = *near.get(self.dice.index(near.len()))?;
        self.asked.insert(thing, now_ms);
        Some(Command::Collect { thing })
    }

    fn give(&mut self) -> Option<Command> {
        let at = self.at?;
        let free: Vec<u64> = self.held.difference(&self.given).copied().collect();
        let thing = *free.get(self.dice.index(free.len()))?;
        let world = self.core.world()?;
        let near = world.entities().filter(|entity| {
            entity.kind == u16::from(demo::KIND_PLAYER)
                && entity.at.distance_squared(at) < demo::REACH * demo::REACH
        });
        let others: Vec<UserId> = near
            .filter_map(|entity| demo::parse_player(&entity.state).ok().map(|(user, _)| user))
            .filter(|user| *user != self.user)
            .collect();
        let to = *others.get(self.dice.index(others.len()))?;
        if self.gives_all() {
            self.given.insert(thing);
        }
        Some(Command::Give { thing, to })
    }

    /// What the core has to tell.
    pub(crate) fn hear(&mut self, now_ms: u64) -> Vec<News> {
        let mut news = Vec::new();
        while let Some(event) = self.core.next_event() {
            match event {
                ClientEvent::Playing {
                    entity, owner_epoch, ..
                } => {
                    self.entity = Some(entity);
                    self.epoch = owner_epoch;
                }
                ClientEvent::Snapshot(snapshot) => {
                    self.snapshot_at_ms = now_ms;
                    news.extend(self.unshown());
                    if snapshot.own_is_new {
                        self.own_at_ms = now_ms;
                    }
                    if let Some(at) = self.sees_itself(&snapshot.own) {
                        self.at = Some(at);
                        let (ack, epoch) = (snapshot.input_ack, snapshot.owner_epoch);
                        news.push(News::InputAck { ack, epoch });
                    }
                }
                ClientEvent::News { body, .. } if !self.told.insert((self.conn, body.clone())) => {
                    news.push(News::Twice(body));
                }
                ClientEvent::CommandAcked(number) => news.push(News::Acked(number.0)),
                ClientEvent::Event(_, body) => {
                    if let Some(own) = &mut self.own_bot {
                        news.extend(own.hears(body).map(News::Has));
                    } else if let Ok(event) = demo::Event::parse(&body) {
                        self.take(&event);
                        news.push(News::Event(event));
                    }
                }
                _ => {}
            }
        }
        news
    }

    fn sees_itself(&mut self, state: &Bytes) -> Option<Position> {
        if let Some(own) = &mut self.own_bot {
            return own.sees_itself(state);
        }
        let own = demo::OwnState::parse(state).ok()?;
        self.held_shown = own.things;
        Some(own.at)
    }

    fn unshown(&self) -> Option<News> {
        let mut seen = self.core.world().filter(|_| self.own_bot.is_none())?.entities();
        let is_hidden = |entity: &&client::core::Entity| {
            sights::KINDS.contains(&entity.kind) && !sights::may_see(self.user, entity.id)
        };
        seen.find(is_hidden).map(|entity| News::Unshown(entity.id))
    }

    fn take(&mut self, event: &demo::Event) {
        match event {
            demo::Event::Collected { thing } | demo::Event::Received { thing } => {
                self.held.insert(*thing);
            }
            demo::Event::Given { thing, .. } => {
                self.held.remove(thing);
                self.given.remove(thing);
            }
            // Whose thing it was is not said: all are tried again.
            demo::Event::Refused { .. } => self.given.clear(),
            demo::Event::Said { .. } | demo::Event::Emoted { .. } | demo::Event::Reported { .. } => {}
        }
    }
}

/// The middle of the quarter after the one that this is in, around the corner of all regions.
fn next_quarter(at: Position) -> Position {
    let (x, y) = match (at.x < MIDDLE, at.y < MIDDLE) {
        (true, true) => (ORBIT, -ORBIT),
        (false, true) => (ORBIT, ORBIT),
        (false, false) => (-ORBIT, ORBIT),
        (true, false) => (-ORBIT, -ORBIT),
    };
    Position {
        x: MIDDLE + x,
        y: MIDDLE + y,
    }
}

/// Whether a device walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goes {
    On,
    Nowhere,
}
