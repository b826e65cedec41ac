//! A thousand bots at the borders of a made-up world, without servers: whether their plan brings each of them to give
//! something to somebody across a border. Orders and answers take their time, and what is out of reach by then is refused.

use std::collections::{BTreeMap, VecDeque};

use client::WorldShape;
use gems::{Command, Event, Input, REACH, Refusal};
use protocol::geometry::{CellGrid, Position};
use protocol::ids::UserId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::args::Behaviour;
use crate::places::{Places, Servers, distance, point};
use crate::purse::Purse;
use crate::trade::{Givers, Neighbour, Order, Surroundings, Trader};
use crate::walk::Walker;

const SIZE: u32 = 1_024;
const CELL: u32 = 32;
const TICK_US: u64 = 50_000;
const TICKS_PER_S: u64 = 20;
/// From an order to its effect, and from there to the answer: the two ticks that a loaded cluster takes.
const WAY_TICKS: u64 = 2;

struct Player {
    at: Position,
    input: Input,
    walker: Walker,
    trader: Trader,
    purse: Purse,
    rng: StdRng,
    orders: u64,
}

/// Something under way, and when it arrives.
enum Post {
    Order(usize, u64, Order),
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

fn region(at: Position) -> (bool, bool) {
    let half = SIZE as f32 / 2.0;
    (at.x < half, at.y < half)
}

fn sees(a: Position, b: Position) -> bool {
    let (a, b) = (cell(a), cell(b));
    a.0.abs_diff(b.0) <= 1 && a.1.abs_diff(b.1) <= 1
}

fn user(place: usize) -> UserId {
    UserId(place as u64)
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
                input: Input::default(),
                walker: Walker::new(Behaviour::Border, at, &places, &mut own),
                trader: Trader::new(command_every_us, 0, &mut own),
                purse: Purse::default(),
                rng: own,
                orders: 0,
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
        if let Some(company) = player.trader.take_company() {
            player.walker.approach(company);
        }
        let errand = player.trader.errand(now_us);
        player.input = player
            .walker
            .steer(player.at, errand, &self.places, now_us, &mut player.rng);
        let (east, south) = player.input.velocity();
        let hz = TICKS_PER_S as f32;
        player.at = point(player.at.x + east / hz, player.at.y + south / hz);
        if player.trader.is_due(now_us) {
            self.order(place, now_us);
        }
    }

    fn order(&mut self, place: usize, now_us: u64) {
        let seen = self.survey(place);
        let player = &mut self.players[place];
        let order = player
            .trader
            .decide(&seen, &player.purse, &self.givers, now_us, &mut player.rng);
        if let Some(order) = order {
            player.orders += 1;
            if let Some(offer) = order.offer() {
                player.purse.offer(player.orders, offer);
            }
            let post = Post::Order(place, player.orders, order);
            self.post.push_back((self.tick + WAY_TICKS, post));
        }
    }

    fn survey(&self, place: usize) -> Surroundings {
        let mut seen = Surroundings::default();
        let at = self.players[place].at;
        for (other, player) in self.players.iter().enumerate() {
            if other != place && sees(at, player.at) {
                let somebody = Neighbour {
                    user: user(other),
                    across: region(player.at) != region(at),
                    distance: distance(player.at, at),
                };
                seen.add(somebody, player.at);
            }
        }
        let gems = self.gems.iter().filter(|(_, lies)| sees(at, **lies));
        for (gem, lies) in gems {
            seen.add_gem(*gem, *lies, at);
        }
        seen
    }

    fn apply(&mut self, place: usize, command: u64, order: &Order) {
        let at = self.players[place].at;
        let refused = |reason| Event::Refused { command, reason };
        match order.command {
            Command::Collect { gem } => {
                let near = self
                    .gems
                    .get(&gem)
                    .is_some_and(|lies| distance(*lies, at) <= REACH);
                let taken = near.then(|| self.gems.remove(&gem)).flatten();
                let answer = taken.map_or(refused(Refusal::NoSuchGem), |_| Event::Collected { gem });
                self.answer(place, answer);
            }
            Command::Give { gem, to } => {
                let receiver = to.0 as usize;
                if distance(self.players[receiver].at, at) <= REACH {
                    self.answer(place, Event::Given { gem, to });
                    self.answer(receiver, Event::Received { gem });
                } else {
                    self.answer(place, refused(Refusal::TooFar));
                }
            }
            Command::Say(_) | Command::Emote(_) => {}
        }
    }

    fn answer(&mut self, place: usize, event: Event) {
        self.post
            .push_back((self.tick + WAY_TICKS, Post::Event(place, event)));
    }

    fn tell(&mut self, place: usize, event: &Event) {
        if self.players[place].purse.handle(event) {
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
