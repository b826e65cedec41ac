//! A region: one rectangle of the world, simulated. Pure: inputs come in by [`Region::handle`], time by
//! [`Region::tick`], effects go out by [`Region::take_effects`]; it never waits and knows no socket, clock or file.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod allowance;
mod asked;
mod asking;
mod asks;
mod calling;
mod cells;
mod commands;
mod context;
mod creature_rows;
mod creatures;
mod effect;
mod entity;
mod event_lanes;
#[cfg(feature = "fault-injection")]
mod faults;
mod forwardings;
mod ground;
mod ground_writes;
mod handover;
mod heat;
mod history;
mod holdings;
mod input;
mod inspect;
mod joining;
mod joins;
mod keeping;
mod kept;
mod leaving;
mod letters;
mod neighbourhood;
mod news;
mod observation;
mod observed;
mod operators;
mod outgoing;
mod panics;
mod peers;
mod persistence;
mod persistent;
mod player;
mod player_timers;
mod publication;
mod questions;
mod recalling;
mod reload;
mod reporters;
mod reporting;
mod residents;
mod rest;
mod roaming;
mod rules;
mod seeding;
mod sending_events;
mod soft_round;
mod sound;
mod state;
mod status;
#[cfg(feature = "fault-injection")]
mod tampering;
mod telling;
#[cfg(test)]
mod tests;
mod timers;
mod valuables;
mod waiting_inputs;
mod words;

use game::Entered;
use protocol::Code;
use protocol::ids::{LiveLane, NodeNumber, RegionEpoch, RegionNumber};
use store::{PlayerRow, StoreError, StoreReply};

use crate::join_check::VerifiedJoin;
use crate::proxy_lanes::ArrivingLane;

use asked::Asked;
use calling::Callback;
pub use calling::{Call, Calling, Commanded};
pub use effect::{RegionEffect, StoreTicket};
pub use event_lanes::EVENT_ROOM_BYTES_MAX;
#[cfg(feature = "fault-injection")]
pub use faults::Fault;
#[cfg(feature = "broken-rules")]
pub use handover::rule::HandoverRule;
pub use heat::Heat;
pub use input::{Answer, Now, RegionInput};
pub use inspect::{PlayerView, Whereabouts};
use joining::Spawn;
pub use observation::Observation;
pub use publication::{CREDIT_BYTES, NoLimit, Overflow, Room, Subscriber};
pub use reload::{MakeRules, Reload};
pub use rest::Rest;
use rules::Rules;
pub use state::RegionConfig;
use state::{Notice, RegionState};
pub use status::RegionStatus;

/// Tells how long the phases of a tick take; the region itself reads no clock.
pub trait PhaseClock {
    /// Microseconds since any fixed moment.
    fn now_us(&mut self) -> u64;
}

/// For those who don't want to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoClock;

impl PhaseClock for NoClock {
    fn now_us(&mut self) -> u64 {
        0
    }
}

/// The phases of a tick, in order.
pub const PHASES: [&str; 7] = [
    "inputs", "logic", "borders", "encode", "players", "publish", "store",
];

/// What the game hears at once: of what it does then, of what it does upon that, and so on, so often.
const ECHOES_MAX: usize = 8;

/// One region and its game.
pub struct Region {
    state: RegionState,
    rules: Rules,
    phases_us: [u64; PHASES.len()],
}

/// The topology does not let the node serve the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the topology does not list node {node} for region {region}")]
pub struct NotListed {
    /// Who would.
    pub node: NodeNumber,
    /// What.
    pub region: RegionNumber,
}

impl Region {
    /// Starts to serve a region at an epoch that the store has issued. The first effects ask the store what lies there.
    ///
    /// # Errors
    /// `NotListed`.
    pub fn new(config: RegionConfig, make: MakeRules) -> Result<Self, NotListed> {
        let (node, region) = (config.node, config.number);
        let calling = config.calling.clone();
        let state = RegionState::new(config).ok_or(NotListed { node, region })?;
        let mut region = Self {
            state,
            rules: Rules::new(make, calling),
            phases_us: [0; PHASES.len()],
        };
        region.state.notices.push_back(Notice::Served);
        region.state.read_creatures();
        region.seed();
        region.state.read_kept();
        region.see_to_panic();
        Ok(region)
    }

    /// The region's number.
    #[must_use]
    pub fn number(&self) -> RegionNumber {
        self.state.config.number
    }

    /// The epoch it is served at.
    #[must_use]
    pub fn epoch(&self) -> RegionEpoch {
        self.state.config.epoch
    }

    /// Takes something in, between ticks.
    pub fn handle(&mut self, input: RegionInput, now: Now) {
        self.state.set_time(now);
        match input {
            RegionInput::ProxyUp(arriving) => self.state.proxy_up(arriving),
            RegionInput::ProxyDown(lane) => self.state.proxy_down(lane),
            RegionInput::FromProxy(lane, message) => self.state.proxy_says(lane, message),
            RegionInput::Join(lane, join) => self.join(lane, join, None),
            RegionInput::ForwardedJoin(lane, join, row) => self.join(lane, join, Some(row)),
            RegionInput::OwnRegions(regions) => self.state.own_regions = regions,
            RegionInput::Listed(listing) => self.state.listed(listing),
            RegionInput::PeerUp(node) => self.state.peer_up(node),
            RegionInput::PeerDown(node) => self.state.peer_down(node),
            RegionInput::FromPeer(node, message) => self.state.peer_says(node, message),
            RegionInput::Store(ticket, answer) => self.store_answer(ticket, answer),
            RegionInput::Answered(ask, answer) => self.state.pool_answered(ask, answer),
            RegionInput::Fallen(holdings) => self.state.fallen(holdings),
            RegionInput::Drain => {
                self.state.drain();
                self.state.keeping.drain();
            }
            RegionInput::Reloaded(reload) => {
                self.rules.make_by(reload.make_rules());
                self.state.notices.push_back(Notice::Reloaded(reload));
            }
            RegionInput::Muted(mutes) => self.state.mutes = mutes,
            RegionInput::GoOn => self.state.draining = false,
        }
        self.tell_logic();
        self.see_to_panic();
    }

    /// Moves the world on by one tick, and tells of it as far as there is room.
    pub fn tick(&mut self, now: Now, clock: &mut dyn PhaseClock, room: &mut dyn Room) {
        #[cfg(feature = "fault-injection")]
        self.state.panic_if_told();
        self.state.set_time(now);
        self.state.tick.0 += 1;
        let tick_us = self.state.config.topology.world().tick_us();
        let tick = self.state.tick.0;
        let left_out = self.state.timers.wake_up(tick, tick_us, now.mono_ms);
        if left_out > 0 {
            self.state.creatures.come_nearer(left_out, tick);
        }
        let mut at_us = clock.now_us();
        for phase in 0..PHASES.len() {
            self.phase(phase, room);
            self.see_to_panic();
            let end_us = clock.now_us();
            self.phases_us[phase] = end_us.saturating_sub(at_us);
            at_us = end_us;
        }
        debug_assert!(self.state.is_sound(), "a player is in no two states");
    }

    /// An operator says something to the rules: their answer, or why there is none.
    ///
    /// # Errors
    /// In words for the operator.
    pub fn operate(&mut self, command: &str, now: Now) -> Result<String, String> {
        self.state.set_time(now);
        if !self.state.creature_rows.is_loaded() {
            return Err("its creatures are being read from the store; say it again in a moment".to_owned());
        }
        let answer = self.rules.call(Callback::Operator, |logic| {
            logic.operator(&mut self.state, command)
        });
        self.tell_logic();
        self.see_to_panic();
        answer.unwrap_or_else(|| {
            Err("the rules panicked, or stand still since they did; the log says more".to_owned())
        })
    }

    /// What is to be done outside, in order.
    #[must_use]
    pub fn take_effects(&mut self) -> Vec<RegionEffect> {
        self.state.out.take()
    }

    /// How often each rule for subscribers that cannot take everything came into play.
    #[must_use]
    pub fn overflow(&self) -> Overflow {
        self.state.publication.overflow()
    }

    /// How the region is.
    #[must_use]
    pub fn status(&self) -> RegionStatus {
        RegionStatus {
            phases_us: PHASES.into_iter().zip(self.phases_us).collect(),
            ..self.state.status()
        }
    }

    fn phase(&mut self, phase: usize, room: &mut dyn Room) {
        let (state, rules) = (&mut self.state, &mut self.rules);
        // Before the rules hear of anything, or are asked, all are here who live here.
        if matches!(phase, 0..=2 | 4) && !state.creature_rows.is_loaded() {
            return;
        }
        match phase {
            0 => {
                state.take_inputs(rules);
                state.take_commands(rules);
            }
            1 => self.run_logic(),
            2 => {
                state.notice_teleports();
                state.notice_crossings();
                state.notice_roaming();
                state.send_letters();
                self.tell_logic();
            }
            3 => {
                state.cells.encode(&mut state.entities);
                if rules.call(Callback::KeepsHistory, |logic| logic.keeps_history()) == Some(true) {
                    let ticks = state.config.topology.world().tick_hz as usize;
                    state.history.keep(state.tick, ticks, state.entities.iter());
                }
            }
            4 => state.own_states(rules, room),
            5 => state.publish(room),
            _ => {
                let follows_world =
                    rules.call(Callback::FollowsWorldState, |logic| logic.follows_world_state());
                state.keep_time(follows_world == Some(true));
            }
        }
    }

    fn run_logic(&mut self) {
        self.state.tell_answers(&mut self.rules);
        let tick = self.state.tick.0;
        while let Some(tokens) = self.state.timers.take_due(tick) {
            for token in tokens {
                self.rules
                    .call(Callback::Timer, |logic| logic.timer(&mut self.state, token));
            }
        }
        self.state.run_creature_timers(&mut self.rules);
        self.state.take_player_timers();
        self.tell_logic();
        self.rules
            .call(Callback::Tick, |logic| logic.tick(&mut self.state));
        self.tell_logic();
    }

    /// Lets the game hear of what happened. What it does then may be more to hear of; what goes on and on waits for the
    /// next tick, or two entities that repay each other every blow would hold up all regions for ever.
    fn tell_logic(&mut self) {
        for _ in 0..ECHOES_MAX {
            if self.state.notices.is_empty() || !self.state.creature_rows.is_loaded() {
                return;
            }
            for notice in std::mem::take(&mut self.state.notices) {
                self.tell_logic_of(notice);
            }
        }
    }

    fn tell_logic_of(&mut self, notice: Notice) {
        let state = &mut self.state;
        self.rules.call(notice.callback(), |logic| match notice {
            Notice::Served => logic.served(state),
            Notice::LiesHere(holding) => {
                if let Some(entity) = logic.lies_here(state, &holding)
                    && !state.ground.show(holding.id, entity)
                {
                    // Taken before it was shown.
                    game::Ctx::despawn(state, entity);
                }
            }
            Notice::Recalled => logic.recalled(state),
            Notice::Reloaded(reload) => reload.apply(logic, state),
            Notice::Entered(user) => enter(state, logic, user),
            Notice::Renamed(user) => rename(state, logic, user),
            Notice::Left(user, entity) => logic.left(state, user, entity),
            Notice::Received(user, holding) => logic.received(state, user, holding),
            Notice::Lost(user, holding) => logic.lost(state, user, holding),
            Notice::Undone(user) => logic.undone(state, user),
            Notice::Came(creature) => logic.came(state, creature),
            Notice::Went(creature) => logic.went(state, creature),
            Notice::PlayerTimer(user, token) => logic.player_timer(state, user, token),
            Notice::TeleportFailed(user, reason) => logic.teleport_failed(state, user, reason),
            Notice::Reported(by, about, outcome) => logic.reported(state, by, about, outcome),
            Notice::Effect { source, target, body } => logic.effect(state, source, target, &body),
            Notice::Told(from, body) => logic.told(state, from, &body),
        });
    }

    /// `known`: the user's row, or that there is none, when somebody has read it already.
    fn join(&mut self, lane: LiveLane, join: VerifiedJoin, known: Option<Option<Box<PlayerRow>>>) {
        if !self.state.may_speak(lane, join.user) {
            return;
        }
        let world = &self.state.config.world;
        let spawn = self.rules.call(Callback::SpawnPoint, |logic| Spawn {
            at: logic.spawn_point(world, join.user),
            kind: logic.kind_of_player(),
        });
        match spawn {
            Some(spawn) => self.state.join(lane, join, spawn, known),
            None => self.state.refuse_join(lane, &join, Code::Busy),
        }
    }

    fn store_answer(&mut self, ticket: StoreTicket, answer: Result<StoreReply, StoreError>) {
        let state = &mut self.state;
        let Some(asked) = state.out.answered(ticket) else {
            return state.count("store_answer_unknown");
        };
        match asked {
            Asked::Seed => self.seeded(&answer),
            Asked::Service(region) => {
                let now_ms = state.now.mono_ms;
                let out = &mut state.out;
                state.neighbourhood.service_answer(region, &answer, now_ms, out);
                state.creature_rows.look_soon();
                state.end_who_was_made_before(region);
            }
            Asked::Creatures(round) => state.creatures_answer(round, answer),
            Asked::Arrivals(round) => state.arrivals_answer(round, answer),
            Asked::CreatureWrite => state.creatures_written(answer),
            Asked::Birth(region) => state.birth_answer(region, &answer),
            Asked::Reached(user) => state.reached_answer(user, answer),
            Asked::Destination(region) => state.destination_answer(region, &answer),
            Asked::Ground => state.ground_answer(answer),
            Asked::Join(user) => state.join_answer(user, answer),
            Asked::JoinHoldings(user) => state.join_holdings(user, answer),
            Asked::SoftTurn => state.soft_turn_answer(&answer),
            Asked::Saves(users) => state.saves_answer(&users, answer),
            Asked::Commits(users) => state.commits_answer(&users, answer),
            Asked::GroundCommit => state.ground_commit_answer(&answer),
            Asked::Kept(of) => state.kept_answer(of, answer),
            Asked::KeptWritten(of) => state.kept_written_answer(of, &answer),
            Asked::Overdue(user) => state.overdue_answer(user),
            Asked::Release(user, epoch) => state.release_answer(user, epoch, &answer),
            Asked::Pass(attempt) => state.pass_answer(attempt, answer),
            Asked::Doubt(attempt, user) | Asked::Reclaim(attempt, user) => {
                state.doubt_answer(attempt, user, answer);
            }
            Asked::Arrival(user) => state.arrival_answer(user, answer),
            Asked::ArrivalHoldings(user, question) => state.arrival_holdings(user, question, answer),
            Asked::Report(by, about) => state.report_answer(by, about, &answer),
            Asked::Refresh(user, steps, read) => state.refresh_answer(user, steps, read, answer),
        }
    }
}

fn enter(state: &mut RegionState, logic: &mut dyn game::GameLogic, user: protocol::ids::UserId) {
    let Some(player) = state.players.get(&user) else {
        return;
    };
    let Some(entity) = state.entities.get(player.key) else {
        return;
    };
    let (name, game, heading, speed) = (
        player.name.clone(),
        player.game.clone(),
        entity.heading,
        entity.speed,
    );
    let entered = Entered {
        user,
        entity: player.entity,
        name: &name,
        heading,
        speed,
        game: &game,
    };
    logic.entered(state, entered);
}

fn rename(state: &mut RegionState, logic: &mut dyn game::GameLogic, user: protocol::ids::UserId) {
    if let Some(player) = state.players.get(&user) {
        let (entity, name) = (player.entity, player.name.clone());
        logic.renamed(state, user, entity, &name);
    }
}

impl RegionState {
    fn proxy_up(&mut self, arriving: ArrivingLane) {
        match self.proxies.come_up(arriving) {
            Ok(ended) => {
                for lane in ended {
                    self.lane_gone(lane);
                }
                self.publication.events.up(arriving.lane.at);
                self.announce(Subscriber::Lane(arriving.lane.at));
            }
            Err(refused) => self.count(refused.label()),
        }
    }

    fn proxy_down(&mut self, lane: LiveLane) {
        if self.proxies.go_down(lane) {
            self.lane_gone(lane);
        }
    }

    /// It is so late. Wall clocks may be set back; the one that rules see stands still then.
    fn set_time(&mut self, now: Now) {
        self.now = now;
        self.clock_ms = self.clock_ms.max(now.wall_ms);
    }

    /// What is done once per tick, whatever happened.
    fn keep_time(&mut self, follows_world: bool) {
        self.write_down();
        self.write_kept(follows_world);
        self.repeat_questions();
        self.keep_departures();
        self.keep_arrivals();
        self.neighbourhood.fade(self.now.mono_ms);
        self.look_at_births();
        self.look_at_arrivals();
        self.tell_observed();
        self.refresh_at_rim();
    }
}
