//! The process of a game server as far as the simulation needs one: it passes bytes and time to its world, and carries
//! out what the world wants.

use gameserver::join_check::{self, JoinError};
use gameserver::region::{Answer, CREDIT_BYTES, NoClock, Region};
use gameserver::world::{Moment, QuestionId, WorkId, World, WorldEffect};
use net::link_core::Clear;
use protocol::ids::{EntityId, NodeNumber, RegionNumber};
use protocol::message::player::Join;
use store::StoreResult;

use super::event::{Asker, Event};
use super::state::{Cluster, Phase, Server};
use crate::links::{Link, Throttle};
use crate::recorder::PANICKED;
use crate::world::{CLUSTER, uuid_of};

/// Credits of a tick while a link is stuck, bytes: nothing; a few own states; a few deltas; most of what a tick says.
const STUCK_BYTES: [usize; 4] = [0, 200, 600, 2_000];
/// Ticks of one portion at most; less than this when the thread runs out of time.
const PORTION_MAX: usize = 4;
/// After the storm, players are hidden and shown for so long, microseconds: who hides last is not seen for long.
const VEILS_US: u64 = 3_500_000;

impl Cluster {
    /// Something happens in a world that is up; then everything that comes of it.
    pub(super) fn with_world(&mut self, node: NodeNumber, act: impl FnOnce(&mut World<Clear>, Moment)) {
        let now = self.moment_of(node);
        let server = self
            .servers
            .get_mut(&node)
            .filter(|server| server.phase == Phase::Up);
        if let Some(world) = server.and_then(|server| server.world.as_mut()) {
            act(world, now);
            self.after_world(node);
        }
    }

    /// Regions tick whose time has come, as many in one go as the dice say.
    pub(super) fn tick(&mut self, node: NodeNumber, life: u32) {
        let Some(server) = self.servers.get_mut(&node).filter(|server| server.life == life) else {
            return;
        };
        server.tick_at_us = None;
        let (credit, portion) = (self.credit(node), 1 + self.dice.index(PORTION_MAX));
        self.with_world(node, |world, now| {
            world.set_credit(credit);
            world.tick_links(now);
            let ticks = std::iter::from_fn(|| world.tick_region(now, &mut NoClock));
            ticks.take(portion).for_each(drop);
        });
    }

    /// What each subscriber of a server takes in a tick: plenty, but little while one of its links is throttled.
    fn credit(&mut self, node: NodeNumber) -> usize {
        let now_us = self.now_us();
        let is_throttled = |link: &&Link| link.listener == node && link.throttled_until_us > now_us;
        match self.links.iter().find(is_throttled).map(|link| link.throttle) {
            Some(Throttle::Thin(bytes)) => bytes,
            Some(Throttle::Shut | Throttle::Stuck) => STUCK_BYTES[self.dice.index(STUCK_BYTES.len())],
            None => CREDIT_BYTES,
        }
    }

    pub(super) fn world_answered(
        &mut self,
        node: NodeNumber,
        life: u32,
        id: QuestionId,
        result: StoreResult,
    ) {
        if self.servers.get(&node).is_some_and(|server| server.life == life) {
            self.with_world(node, |world, now| world.store_answer(id, result, now));
        }
    }

    /// The game has answered what rules asked.
    pub(super) fn worked(&mut self, node: NodeNumber, life: u32, work: WorkId, answer: Answer) {
        if self.servers.get(&node).is_some_and(|server| server.life == life) {
            self.with_world(node, |world, now| world.worked(work, answer, now));
        }
    }

    /// What a world wants is done, what it said leaves, and what must hold is looked at.
    pub(super) fn after_world(&mut self, node: NodeNumber) {
        let mut effects = Vec::new();
        loop {
            let world = self
                .servers
                .get_mut(&node)
                .and_then(|server| server.world.as_mut());
            let Some(world) = world else { return };
            world.take_effects(&mut effects);
            self.note_applied(node);
            if effects.is_empty() {
                break;
            }
            for effect in effects.drain(..) {
                self.world_effect(node, effect);
            }
        }
        self.check_regions(node);
        self.flush_world(node);
        self.plan_tick(node);
    }

    fn note_applied(&mut self, node: NodeNumber) {
        if !self.is_storm() {
            self.record.calm();
        }
        if self.now_us() > self.storm_end_us() + VEILS_US {
            self.record.still();
        }
        for applied in self.record.take() {
            let player = self
                .servers
                .get(&node)
                .into_iter()
                .flat_map(Server::regions)
                .find_map(|region| region.player(applied.user));
            let generation = player.map(|player| player.binding.session_generation);
            self.checks.applied(&applied, generation);
        }
    }

    fn world_effect(&mut self, node: NodeNumber, effect: WorldEffect) {
        match effect {
            WorldEffect::Ask(question, request) => {
                let life = self.servers.get(&node).map_or(0, |server| server.life);
                let asker = Asker::World {
                    server: node,
                    life,
                    question,
                };
                self.ask(asker, request);
            }
            WorldEffect::Verify(link, join) => self.verify(node, link, &join),
            WorldEffect::Beat(link, heartbeat) => {
                self.with_world_quietly(node, |world| world.beat(link, heartbeat));
            }
            // All servers of a run are neighbours.
            WorldEffect::Heard(..) | WorldEffect::Observed(..) | WorldEffect::Link(_) => {}
            WorldEffect::Gave(region, outcome) => self.gave(node, region, outcome.is_ok()),
            WorldEffect::Topology(..) => self.checks.fail("nobody has another topology".to_owned()),
            WorldEffect::LinkEnded(link, reason, _) => self.link_ended(node, link, reason),
            WorldEffect::Superseded(region, epoch) => self.superseded(node, region, epoch),
            WorldEffect::RulesPanicked(region, said, _) if said == PANICKED => {
                self.checks.memory_lost_in(region, node);
            }
            WorldEffect::RulesPanicked(region, said, _) => {
                self.checks
                    .fail(format!("the rules of region {region} panicked: {said}"));
            }
            WorldEffect::Work(work, request) => {
                // The pool's threads run here, each at its own pace.
                let life = self.servers.get(&node).map_or(0, |server| server.life);
                let answer = match &self.options.game {
                    Some(game) => Ok(game.answer(&request).into()),
                    None => crate::flock::answer(&request),
                };
                let at_us = self.now_us() + self.dice.between(1_000, 400_000);
                self.schedule.at(at_us, Event::Worked(node, life, work, answer));
            }
            WorldEffect::Unreadable(_, text) => self.checks.fail(format!("all play one game: {text}")),
            WorldEffect::Count(label) => {
                let now_us = self.now_us();
                self.trace
                    .line(now_us, || format!("  server {node} counts {label}"));
                if label == "regions_in_circle" {
                    self.checks
                        .fail(format!("regions of server {node} answer each other for ever"));
                }
                *self.counts.entry(label).or_default() += 1;
            }
        }
    }

    fn with_world_quietly(&mut self, node: NodeNumber, act: impl FnOnce(&mut World<Clear>)) {
        if let Some(world) = self
            .servers
            .get_mut(&node)
            .and_then(|server| server.world.as_mut())
        {
            act(world);
        }
    }

    fn verify(&mut self, node: NodeNumber, link: net::link::LinkId, join: &Join) {
        let Some(proxy) = self.link_of(link).map(|number| self.links[number.0].dialer) else {
            return;
        };
        let (now, keys, clock) = (self.moment_of(node), &self.keys, self.clock_of(node));
        let verdict = join_check::verify(join, uuid_of(proxy), CLUSTER, |uuid| keys.issuer(uuid), clock);
        match &verdict {
            Ok(_) => {}
            Err(JoinError::Ticket(error)) => drop(self.refusal(*error)),
            Err(error) => self.checks.fail(format!("an honest join is refused: {error}")),
        }
        self.with_world_quietly(node, |world| world.join_verified(link, join, verdict, now));
    }

    /// The world is looked at by itself when something in it is due.
    fn plan_tick(&mut self, node: NodeNumber) {
        let now = self.moment_of(node);
        let Some(server) = self.servers.get_mut(&node) else {
            return;
        };
        let due_us = server.world.as_ref().and_then(|world| world.due_us(now));
        let Some(due_us) = due_us.map(|due_us| due_us.max(now.mono_us)) else {
            return;
        };
        if server.tick_at_us.is_none_or(|planned_us| due_us < planned_us) {
            server.tick_at_us = Some(due_us);
            let life = server.life;
            self.schedule.at(due_us, Event::Tick(node, life));
        }
    }

    /// H1: at most one region has a player at an epoch, the one that the row names, and nobody is ahead of the row.
    fn check_regions(&mut self, node: NodeNumber) {
        let mut regions = self.servers.get(&node).into_iter().flat_map(Server::regions);
        let wrong = regions.find_map(|region| self.wrong_in(node, region));
        if let Some(wrong) = wrong.or_else(|| self.creature_twice(node)) {
            self.checks.fail(wrong);
        }
    }

    fn wrong_in(&self, node: NodeNumber, region: &Region) -> Option<String> {
        let number = region.number();
        let mut wrong = None;
        for player in region.players() {
            let row = self.checks.row(player.user);
            if row.is_none_or(|row| row.owner_epoch < player.epoch) {
                wrong = Some(format!(
                    "H1: region {number} has a player ahead of its row: {player:?}, {row:?}"
                ));
            }
            let is_anothers = |row: &&store::PlayerRow| {
                row.owner_epoch == player.epoch && (row.owner != Some(node) || row.region != number)
            };
            if let Some(row) = row.filter(is_anothers).filter(|_| player.is_active) {
                wrong = Some(format!(
                    "H1: region {number} simulates a player that is not its own: {player:?}, {row:?}"
                ));
            }
            let others = self.servers.iter();
            let others = others.flat_map(|(its, server)| server.regions().map(move |other| (*its, other)));
            for (its, other) in others.filter(|(its, other)| (*its, other.number()) != (node, number)) {
                let twin = other.player(player.user);
                if twin.as_ref().is_some_and(|twin| twin.epoch == player.epoch) {
                    wrong = Some(format!(
                        "H1: regions {number} and {} both have {player:?}",
                        other.number()
                    ));
                } else if player.is_active
                    && twin.as_ref().is_some_and(|twin| twin.is_active)
                    && self.is_current(node, region)
                    && self.is_current(its, other)
                {
                    wrong = Some(format!(
                        "H4: regions {number} and {} simulate {player:?} and {twin:?}",
                        other.number()
                    ));
                }
            }
        }
        wrong
    }

    /// A creature that ends with its service is in one region; one that has a row is simulated in one of those that are served so.
    fn creature_twice(&self, node: NodeNumber) -> Option<String> {
        let here = || self.servers.get(&node).into_iter().flat_map(Server::regions);
        let current = here().filter(|region| self.is_current(node, region));
        let born_here = placed(here().flat_map(born));
        let simulated_here = placed(current.flat_map(simulated));
        let others = self.servers.iter().filter(|(its, _)| **its != node);
        let mut others = others.flat_map(|(its, server)| server.regions().map(move |other| (*its, other)));
        let twice = twice(&born_here).or_else(|| twice(&simulated_here));
        let twice = twice.or_else(|| {
            others.find_map(|(its, other)| {
                let made_twice = in_both(&born_here, born(other));
                made_twice.or_else(|| {
                    let simulated = simulated(other).filter(|_| self.is_current(its, other));
                    in_both(&simulated_here, simulated)
                })
            })
        });
        twice.map(|(creature, here, there)| {
            format!("H4: creature {creature} is in regions {here} and {there}")
        })
    }
}

/// A creature, and the region that has it.
type Placed = (EntityId, RegionNumber);

/// Creatures of the region that end with their service.
fn born(region: &Region) -> impl Iterator<Item = Placed> {
    let number = region.number();
    region.births().map(move |(creature, ..)| (creature, number))
}

/// Creatures that it simulates and that have a row.
fn simulated(region: &Region) -> impl Iterator<Item = Placed> {
    let number = region.number();
    let active = region.persistent().filter(|(.., is_active)| *is_active);
    active.map(move |(creature, ..)| (creature, number))
}

/// Ascending.
fn placed(creatures: impl Iterator<Item = Placed>) -> Vec<Placed> {
    let mut placed: Vec<Placed> = creatures.collect();
    placed.sort_unstable();
    placed
}

/// Somebody who is in two regions of those, and in which.
fn twice(placed: &[Placed]) -> Option<(EntityId, RegionNumber, RegionNumber)> {
    let mut pairs = placed.windows(2);
    pairs.find_map(|pair| (pair[0].0 == pair[1].0).then_some((pair[0].0, pair[0].1, pair[1].1)))
}

/// Somebody of `others` who is in a region of `here` as well, and in which.
fn in_both(
    here: &[Placed],
    mut others: impl Iterator<Item = Placed>,
) -> Option<(EntityId, RegionNumber, RegionNumber)> {
    if here.is_empty() {
        return None;
    }
    others.find_map(|(creature, there)| {
        let place = here.binary_search_by_key(&creature, |(id, _)| *id).ok()?;
        Some((creature, here[place].1, there))
    })
}
