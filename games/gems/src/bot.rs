//! What a bot of this game does: it says things, collects gems and gives them away, across a border if it can.

mod surroundings;

use game::CommandKind;
use game::bot::{
    Behaviour, BotCommand, Givers, HoldingNews, MakeBehaviour, Moment, Offer, Own, Plan, Purse, Walk, Wish,
};
use game::{CommandNumber, Position};

use crate::ground::mixed;
use crate::wire::{Command, Event, Input, KIND_GEM, OwnState, REACH};
use surroundings::Surroundings;

/// Both sides move until the order arrives: what is to be reached must be nearer than allowed by so much, units.
const REACH_SPARE: f32 = 1.5;
/// After so long a bot gives up walking to a gem, microseconds.
const DETOUR_US_MAX: u64 = 8_000_000;
/// How long a gem is kept for somebody before something is said instead, as a part of the time between two commands.
const PATIENCE: f64 = 0.6;

/// Makes the bots of this game.
pub const BOTS: MakeBehaviour = |plan| Box::new(Trader::new(plan));

/// A way to a gem.
#[derive(Clone, Copy, Debug)]
struct Errand {
    gem: u64,
    at: Position,
    until_us: u64,
}

/// What one bot does.
#[derive(Clone, Debug)]
struct Trader {
    seed: u64,
    patience_us: u64,
    waiting_since_us: Option<u64>,
    ordered: u64,
    errand: Option<Errand>,
    company: Option<Position>,
}

impl Behaviour for Trader {
    fn own(&mut self, state: &[u8]) -> Option<Own> {
        let own = OwnState::parse(state).ok()?;
        Some(Own {
            entity: own.entity,
            at: own.at,
            region: own.region,
            is_moving: own.walk.speed > 0,
        })
    }

    fn input(&mut self, walk: Walk, out: &mut Vec<u8>) {
        let input = match walk {
            Walk::Stand => Input::default(),
            Walk::Towards { from, to } => Input::towards(from, to),
        };
        out.extend_from_slice(&input.encode());
    }

    fn wish(&mut self, now_us: u64) -> Option<Wish> {
        if let Some(company) = self.company.take() {
            return Some(Wish::Meet(company));
        }
        let errand = self.errand.filter(|errand| now_us < errand.until_us);
        errand.map(|errand| Wish::Fetch(errand.at))
    }

    fn event(&mut self, body: &[u8]) -> Option<HoldingNews> {
        match Event::parse(body).ok()? {
            Event::Collected { thing: gem } => Some(HoldingNews::Collected(gem)),
            Event::Received { thing: gem } => Some(HoldingNews::Received(gem)),
            Event::Given { thing: gem, .. } => Some(HoldingNews::Given(gem)),
            Event::Refused { command, .. } => Some(HoldingNews::Refused(CommandNumber(command))),
            Event::Said { .. } | Event::Emoted { .. } | Event::Reported { .. } => None,
        }
    }

    fn command(&mut self, moment: &Moment<'_>) -> Option<BotCommand> {
        let seen = Surroundings::survey(moment.view, &moment.own);
        self.decide(&seen, moment.purse, moment.givers, moment.now_us)
    }

    fn is_scenery(&self, kind: u16) -> bool {
        kind == u16::from(KIND_GEM)
    }
}

impl Trader {
    fn new(plan: &Plan) -> Self {
        Self {
            seed: plan.seed,
            patience_us: (plan.command_every_us as f64 * PATIENCE) as u64,
            waiting_since_us: None,
            ordered: 0,
            errand: None,
            company: None,
        }
    }

    /// Decides what to order now; `None` to look again later.
    fn decide(
        &mut self,
        seen: &Surroundings,
        purse: &Purse,
        givers: &Givers,
        now_us: u64,
    ) -> Option<BotCommand> {
        // Where the next of the swarm is, for who has still to give something away and has nobody within reach.
        self.company = seen.company(givers, purse);
        let order = match purse.spare() {
            Some(gem) => self.give(gem, seen, purse, givers, now_us)?,
            None => self.collect_or_talk(seen, now_us)?,
        };
        self.waiting_since_us = None;
        self.ordered += 1;
        Some(order)
    }

    fn give(
        &mut self,
        gem: u64,
        seen: &Surroundings,
        purse: &Purse,
        givers: &Givers,
        now_us: u64,
    ) -> Option<BotCommand> {
        let since = *self.waiting_since_us.get_or_insert(now_us);
        let to = match seen.receiver(givers, purse) {
            Some(neighbour) => neighbour,
            None if now_us.saturating_sub(since) < self.patience_us => return None,
            None => match seen.second_best(givers, purse) {
                Some(neighbour) => neighbour,
                // Nobody came: something is said instead.
                None => return Some(self.talk()),
            },
        };
        let (holding, across) = (gem, to.across);
        Some(BotCommand {
            offer: Some(Offer { holding, across }),
            ..order(&Command::Give {
                thing: gem,
                to: to.user,
            })
        })
    }

    fn collect_or_talk(&mut self, seen: &Surroundings, now_us: u64) -> Option<BotCommand> {
        let errand = self.errand.take();
        if let Some(nearest) = seen.nearest_gem() {
            let errand = errand
                .filter(|errand| errand.gem == nearest.gem)
                .unwrap_or(Errand {
                    gem: nearest.gem,
                    at: nearest.at,
                    until_us: now_us + DETOUR_US_MAX,
                });
            let is_near = nearest.distance <= REACH - REACH_SPARE;
            if !is_near && now_us < errand.until_us {
                self.errand = Some(errand);
                return None;
            }
            return Some(order(&Command::Collect { thing: nearest.gem }));
        }
        // Every other order is durable, be it in vain: refusals are chained and stored like everything else.
        if self.ordered % 2 == 1 {
            let gem = mixed(self.seed ^ self.ordered) % u64::from(u32::MAX);
            return Some(order(&Command::Collect { thing: gem }));
        }
        Some(self.talk())
    }

    fn talk(&self) -> BotCommand {
        order(&match self.ordered % 4 {
            0 => Command::Say(format!("order {}", self.ordered)),
            _ => Command::Emote((self.ordered % 256) as u8),
        })
    }
}

fn order(command: &Command) -> BotCommand {
    BotCommand {
        kind: match command.is_durable() {
            true => CommandKind::Durable,
            false => CommandKind::Soft,
        },
        body: command.encode(),
        offer: None,
    }
}

#[cfg(test)]
mod tests;
