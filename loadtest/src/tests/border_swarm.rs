//! A thousand bots at the borders of a made-up world, without servers: whether their plan brings each of them to give
//! something to somebody across a border. Orders and answers take their time, and what is out of reach by then is refused.

use std::collections::{BTreeMap, VecDeque};

use client::WorldShape;
use demo::{Command, Event, Input, KIND_GEM, KIND_PLAYER, REACH, Refusal, encode_gem, encode_player};
use game::bot::{Behaviour, BotCommand, Givers, Moment, Own, Plan, Purse, Seen, View, Walk, Wish};
use protocol::geometry::{CellGrid, Position};
use protocol::ids::{CommandNumber, EntityId, RegionNumber, UserId};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::args::Pattern;
use crate::cadence::Cadence;
use crate::places::{Places, Servers, distance, point};
use crate::walk::Walker;

const SIZE: u32 = 1_024;
const CELL: u32 = 32;
const TICK_US: u64 = 50_000;
const TICKS_PER_S: u64 = 20;
/// From an order to its effect, and from there to the answer: the two ticks that a loaded cluster takes.
const WAY_TICKS: u64 = 2;

struct Player {
    at: Position,
    walker: Walker,
    behaviour: Box<dyn Behaviour>,
    cadence: Cadence,
    purse: Purse,
    rng: StdRng,
    orders: u64,
    /// What others see of it.
    shown: Vec<u8>,
}

/// Something under way, and when it arrives.
enum Post {
    Order(usize, u64, Command),
    Event(usize, Event),
}

struct Vale {
    players: Vec<Player>,
    gems: BTreeMap<u64, Position>,
    places: Places,
    givers: Givers,
    post: VecDeque<(u64, Post)>,
    tick: u64,
}

fn cell(at: Position) -> (i32, i32) {
    ((at.x / CELL as f32) as i32, (at.y / CELL as f32) as i32)
}

fn region(at: Position) -> RegionNumber {
    let half = SIZE as f32 / 2.0;
    RegionNumber(u32::from(at.x < half) + 2 * u32::from(at.y < half))
}

fn sees(a: Position, b: Position) -> bool {
    let (a, b) = (cell(a), cell(b));
    a.0.abs_diff(b.0) <= 1 && a.1.abs_diff(b.1) <= 1
}

fn user(place: usize) -> UserId {
    UserId(place as u64)
}

const NOBODY: Plan = Plan {
    seed: 0,
    command_every_us: 0,
};

/// What somebody there sees.
struct Eyes<'a> {
    vale: &'a Vale,
    at: Position,
}

impl View for Eyes<'_> {
    fn each(&self, show: &mut dyn FnMut(&Seen<'_>)) {
        let mut show = |id: u64, kind: u8, at: Position, state: &[u8]| {
            if sees(self.at, at) {
                show(&Seen {
                    id: EntityId(id),
                    kind: kind.into(),
                    at,
                    region: region(at),
                    state,
                });
            }
        };
        for (place, player) in self.vale.players.iter().enumerate() {
            show(place as u64, KIND_PLAYER, player.at, &player.shown);
        }
        for (gem, at) in &self.vale.gems {
            show(u64::MAX - gem, KIND_GEM, *at, &encode_gem(*gem));
        }
    }
}

impl Vale {
    /// Bots come in anywhere; a gem lies in each cell.
    fn new(players: usize, command_every_us: u64, seed: u64) -> Self {
        let grid = CellGrid::new([SIZE, SIZE], CELL).unwrap();
        let mut rng = StdRng::seed_from_u64(seed);
        let half = SIZE / CELL / 2;
        let quarter = |cell: u32| 1 + (cell % (2 * half)) / half + cell / (2 * half) / half * 2;
        let shape = WorldShape {
            grid,
            view_rings: 1,
            far_rings: 0,
            tick_hz: TICKS_PER_S as u32,
            regions: (0..grid.len()).map(quarter).collect(),
        };
        let places = Places::find(&shape, &Servers::new());
        let gems = (0..grid.len()).map(|index| {
            let origin = grid.origin(protocol::geometry::CellIndex(index));
            let mut within = || rng.random_range(2.0..CELL as f32 - 2.0);
            (u64::from(index), point(origin.x + within(), origin.y + within()))
        });
        let gems = gems.collect();
        let players = (0..players as u64).map(|place| {
            let mut own = StdRng::seed_from_u64(seed << 32 | place);
            let mut anywhere = || own.random_range(1.0..SIZE as f32 - 1.0);
            let at = point(anywhere(), anywhere());
            Player {
                at,
                walker: Walker::new(Pattern::Border, at, &places, &mut own),
                behaviour: demo::BOTS(&Plan {
                    seed: seed << 32 | place,
                    command_every_us,
                }),
                cadence: Cadence::new(command_every_us, 0, &mut own),
                purse: Purse::default(),
                rng: own,
                orders: 0,
                shown: encode_player(user(place as usize), ""),
            }
        });
        let players: Vec<Player> = players.collect();
        Self {
            givers: (0..players.len()).map(|place| (user(place), 0)).collect(),
            players,
            gems,
            places,
            post: VecDeque::new(),
            tick: 0,
        }
    }

    fn play(&mut self, seconds: u64) {
        for _ in 0..seconds * TICKS_PER_S {
            self.tick += 1;
            while let Some((_, post)) = self.post.pop_front_if(|(tick, _)| *tick <= self.tick) {
                match post {
                    Post::Order(place, number, order) => self.apply(place, number, &order),
                    Post::Event(place, event) => self.tell(place, &event),
                }
            }
            for place in 0..self.players.len() {
                self.step(place);
            }
        }
    }

    fn step(&mut self, place: usize) {
        let now_us = self.tick * TICK_US;
        let player = &mut self.players[place];
        let errand = match player.behaviour.wish(now_us) {
            Some(Wish::Fetch(there)) => Some(there),
            Some(Wish::Meet(company)) => {
                player.walker.approach(company);
                None
            }
            None => None,
        };
        let walk = player
            .walker
            .steer(player.at, errand, &self.places, now_us, &mut player.rng);
        let (east, south) = match walk {
            Walk::Stand => (0.0, 0.0),
            Walk::Towards { from, to } => Input::towards(from, to).velocity(),
        };
        let hz = TICKS_PER_S as f32;
        player.at = point(player.at.x + east / hz, player.at.y + south / hz);
        if player.cadence.is_due(now_us) {
            self.order(place, now_us);
        }
    }

    fn order(&mut self, place: usize, now_us: u64) {
        let mut behaviour = std::mem::replace(&mut self.players[place].behaviour, demo::BOTS(&NOBODY));
        let player = &self.players[place];
        let own = Own {
            entity: EntityId(place as u64),
            at: player.at,
            region: region(player.at),
            is_moving: true,
        };
        let order = behaviour.command(&Moment {
            now_us,
            own,
            view: &Eyes {
                vale: self,
                at: player.at,
            },
            purse: &player.purse,
            givers: &self.givers,
        });
        let player = &mut self.players[place];
        player.behaviour = behaviour;
        let Some(BotCommand { body, offer, .. }) = order else {
            return player.cadence.ask_again(now_us);
        };
        player.cadence.ordered(now_us);
        player.orders += 1;
        if let Some(offer) = offer {
            player.purse.offer(CommandNumber(player.orders), offer);
        }
        let post = Post::Order(place, player.orders, Command::parse(&body).unwrap());
        self.post.push_back((self.tick + WAY_TICKS, post));
    }

    fn apply(&mut self, place: usize, command: u64, order: &Command) {
        let at = self.players[place].at;
        let refused = |reason| Event::Refused { command, reason };
        match *order {
            Command::Collect { thing: gem } => {
                let near = self
                    .gems
                    .get(&gem)
                    .is_some_and(|lies| distance(*lies, at) <= REACH);
                let taken = near.then(|| self.gems.remove(&gem)).flatten();
                let answer = taken.map_or(refused(Refusal::NoSuchGem), |_| Event::Collected { thing: gem });
                self.answer(place, answer);
            }
            Command::Give { thing: gem, to } => {
                let receiver = to.0 as usize;
                if distance(self.players[receiver].at, at) <= REACH {
                    self.answer(place, Event::Given { thing: gem, to });
                    self.answer(receiver, Event::Received { thing: gem });
                } else {
                    self.answer(place, refused(Refusal::TooFar));
                }
            }
            Command::Say(_) | Command::Emote(_) | Command::Report { .. } => {}
        }
    }

    fn answer(&mut self, place: usize, event: Event) {
        self.post
            .push_back((self.tick + WAY_TICKS, Post::Event(place, event)));
    }

    fn tell(&mut self, place: usize, event: &Event) {
        let player = &mut self.players[place];
        let news = player.behaviour.event(&event.encode());
        if news.is_some_and(|news| player.purse.handle(news)) {
            *self.givers.entry(user(place)).or_default() += 1;
        }
    }

    /// Measuring begins, as in a run.
    fn measure(&mut self) {
        self.givers.values_mut().for_each(|given| *given = 0);
        self.players
            .iter_mut()
            .for_each(|player| player.purse.begin_measuring());
    }

    fn least_given_across(&self) -> u32 {
        let given = self.players.iter().map(|player| player.purse.gives_across);
        given.min().unwrap_or_default()
    }
}

#[test]
fn every_bot_of_a_border_swarm_gives_across_a_border_within_a_minute() {
    for seed in [1, 2, 3] {
        let mut vale = Vale::new(1_000, 5_000_000, seed);
        vale.play(90);
        let home = vale.players.iter().filter(|player| player.walker.is_home());
        assert_eq!(home.count(), 1_000, "seed {seed}");
        vale.measure();
        vale.play(60);
        assert!(vale.least_given_across() >= 1, "seed {seed}");
        let purses = vale.players.iter().map(|player| &player.purse);
        assert_eq!(
            purses.map(|purse| purse.contradictions).sum::<u32>(),
            0,
            "seed {seed}"
        );
    }
}
