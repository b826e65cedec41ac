//! What a bot orders: it says things, collects gems and gives them away, across a border if it can.

use std::collections::{BTreeMap, BTreeSet};

use client::{CommandClass, World};
use protocol::demo::{Command, Event, KIND_GEM, KIND_PLAYER, OwnState, REACH, parse_gem, parse_player};
use protocol::geometry::Position;
use protocol::ids::UserId;
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::places::distance;

/// Both sides move until the order arrives: what is to be reached must be nearer than allowed by so much, units.
const REACH_SPARE: f32 = 1.5;
/// How far a bot goes out of its way for a gem, units.
const DETOUR: f32 = 24.0;
/// After so long a bot gives up walking to a gem, microseconds.
const DETOUR_US_MAX: u64 = 8_000_000;
/// Who holds a gem and meets nobody looks again so soon, microseconds.
const LOOK_AGAIN_US: u64 = 200_000;
/// How long a gem is kept for somebody across a border, as a part of the time between two commands.
const PATIENCE: f64 = 0.6;

/// Somebody within reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Neighbour {
    pub(crate) user: UserId,
    pub(crate) across: bool,
    pub(crate) distance: f32,
}

/// What a bot sees of people and gems.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    pub(crate) near: Vec<Neighbour>,
    pub(crate) gems: Vec<(u64, Position, f32)>,
}

impl Surroundings {
    /// Looks around. People count within reach, gems within a detour.
    pub(crate) fn survey(world: &World, own: &OwnState) -> Self {
        let mut seen = Self::default();
        for entity in world.entities() {
            let away = distance(entity.at, own.at);
            if entity.id == own.entity || away > DETOUR {
                continue;
            }
            if entity.kind == u16::from(KIND_GEM) {
                if let Ok(gem) = parse_gem(&entity.state) {
                    seen.gems.push((gem, entity.at, away));
                }
            } else if entity.kind == u16::from(KIND_PLAYER)
                && away <= REACH - REACH_SPARE
                && let Ok((user, _)) = parse_player(&entity.state)
            {
                let region = world.shape().regions.get(entity.cell.0 as usize);
                seen.near.push(Neighbour {
                    user,
                    across: region.is_some_and(|region| *region != own.region.0),
                    distance: away,
                });
            }
        }
        seen
    }
}

/// How often each bot of the swarm has given across a border: those who have given least are given to first.
pub(crate) type Givers = BTreeMap<UserId, u32>;

/// Gems as confirmed by events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Purse {
    held: BTreeSet<u64>,
    offered: BTreeMap<u64, Offer>,
    /// Gives that were confirmed, and those of them across a border.
    pub(crate) gives: u32,
    pub(crate) gives_across: u32,
    pub(crate) collected: u32,
    pub(crate) received: u32,
    pub(crate) refused: u32,
    /// Events that cannot be: a gem that came twice, or went without having been there.
    pub(crate) contradictions: u32,
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    gem: u64,
    across: bool,
}

impl Purse {
    /// What the bot holds as far as it was told.
    pub(crate) fn held(&self) -> &BTreeSet<u64> {
        &self.held
    }

    /// A gem that is not on its way to somebody.
    fn spare(&self) -> Option<u64> {
        let offered = |gem: &u64| self.offered.values().any(|offer| offer.gem == *gem);
        self.held.iter().copied().find(|gem| !offered(gem))
    }

    /// Notes what the event says. Returns whether something was given across a border.
    pub(crate) fn handle(&mut self, event: &Event) -> bool {
        match event {
            Event::Collected { gem } => {
                self.collected += 1;
                self.gain(*gem);
            }
            Event::Received { gem, .. } => {
                self.received += 1;
                self.gain(*gem);
            }
            Event::Given { gem, .. } => {
                self.gives += 1;
                self.contradictions += u32::from(!self.held.remove(gem));
                let number = self.offered.iter().find(|(_, offer)| offer.gem == *gem);
                let number = number.map(|(number, _)| *number);
                let offer = number.and_then(|number| self.offered.remove(&number));
                let across = offer.is_some_and(|offer| offer.across);
                self.gives_across += u32::from(across);
                return across;
            }
            Event::Refused { command, .. } => {
                self.refused += 1;
                self.offered.remove(command);
            }
            Event::Said { .. } | Event::Emoted { .. } => {}
        }
        false
    }

    fn gain(&mut self, gem: u64) {
        self.contradictions += u32::from(!self.held.insert(gem));
    }
}

/// When a bot orders something, and what.
#[derive(Clone, Debug)]
pub(crate) struct Trader {
    every_us: u64,
    next_us: u64,
    waiting_since_us: Option<u64>,
    ordered: u64,
    errand: Option<(u64, Position, u64)>,
}

/// An order, and whether it reaches across a border.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) command: Command,
    across: bool,
}

impl Trader {
    /// Orders something every `every_us`, beginning within that time; never if it is 0.
    pub(crate) fn new(every_us: u64, now_us: u64, rng: &mut StdRng) -> Self {
        let first = if every_us == 0 {
            0
        } else {
            rng.random_range(0..every_us)
        };
        Self {
            every_us,
            next_us: now_us + first,
            waiting_since_us: None,
            ordered: 0,
            errand: None,
        }
    }

    /// Whether it is time to look around.
    pub(crate) fn is_due(&self, now_us: u64) -> bool {
        self.every_us > 0 && now_us >= self.next_us
    }

    /// Where to go for a gem.
    pub(crate) fn errand(&mut self, now_us: u64) -> Option<Position> {
        let (_, at, until_us) = self.errand?;
        if now_us >= until_us {
            self.errand = None;
        }
        self.errand.map(|_| at)
    }

    /// Decides what to order now; `None` to look again later.
    pub(crate) fn decide(
        &mut self,
        seen: &Surroundings,
        purse: &Purse,
        givers: &Givers,
        now_us: u64,
        rng: &mut StdRng,
    ) -> Option<Order> {
        let order = match purse.spare() {
            Some(gem) => self.give(gem, seen, givers, now_us)?,
            None => self.collect_or_talk(seen, now_us, rng)?,
        };
        self.waiting_since_us = None;
        self.ordered += 1;
        // From when it should have been, not from when it was.
        let behind = now_us.saturating_sub(self.next_us) >= self.every_us;
        self.next_us = if behind { now_us } else { self.next_us } + self.every_us;
        Some(order)
    }

    fn give(&mut self, gem: u64, seen: &Surroundings, givers: &Givers, now_us: u64) -> Option<Order> {
        let given = |neighbour: &&Neighbour| givers.get(&neighbour.user).copied();
        let ours = || seen.near.iter().filter(|neighbour| given(neighbour).is_some());
        let across = ours().filter(|neighbour| neighbour.across).min_by_key(given);
        let since = *self.waiting_since_us.get_or_insert(now_us);
        let patience_us = (self.every_us as f64 * PATIENCE) as u64;
        let to = match across {
            Some(neighbour) => neighbour,
            None if now_us.saturating_sub(since) < patience_us => {
                self.next_us = now_us + LOOK_AGAIN_US;
                return None;
            }
            // Nobody came: to somebody here, or something is said instead.
            None => match ours().min_by_key(given) {
                Some(neighbour) => neighbour,
                None => return Some(self.talk()),
            },
        };
        Some(Order {
            command: Command::Give { gem, to: to.user },
            across: to.across,
        })
    }

    fn collect_or_talk(&mut self, seen: &Surroundings, now_us: u64, rng: &mut StdRng) -> Option<Order> {
        let nearest = seen.gems.iter().min_by(|a, b| a.2.total_cmp(&b.2));
        if let Some((gem, at, away)) = nearest {
            let reached = *away <= REACH - REACH_SPARE;
            let gave_up =
                matches!(self.errand, Some((wanted, _, until_us)) if wanted == *gem && now_us >= until_us);
            if !reached && !gave_up {
                let until_us = match self.errand {
                    Some((wanted, _, until_us)) if wanted == *gem => until_us,
                    _ => now_us + DETOUR_US_MAX,
                };
                self.errand = Some((*gem, *at, until_us));
                self.next_us = now_us + LOOK_AGAIN_US;
                return None;
            }
            self.errand = None;
            return Some(Order {
                command: Command::Collect { gem: *gem },
                across: false,
            });
        }
        self.errand = None;
        // Every other order is durable, be it in vain: refusals are chained and stored like everything else.
        if self.ordered % 2 == 1 {
            let gem = rng.random_range(0..u64::from(u32::MAX));
            return Some(Order {
                command: Command::Collect { gem },
                across: false,
            });
        }
        Some(self.talk())
    }

    fn talk(&self) -> Order {
        let command = match self.ordered % 4 {
            0 => Command::Say(format!("order {}", self.ordered)),
            _ => Command::Emote((self.ordered % 256) as u8),
        };
        Order {
            command,
            across: false,
        }
    }
}

impl Order {
    pub(crate) fn class(&self) -> CommandClass {
        match self.command.is_durable() {
            true => CommandClass::Durable,
            false => CommandClass::Soft,
        }
    }
}

impl Purse {
    /// Notes what was ordered under which number.
    pub(crate) fn ordered(&mut self, number: u64, order: &Order) {
        if let Command::Give { gem, .. } = order.command {
            let across = order.across;
            self.offered.insert(number, Offer { gem, across });
        }
    }
}

#[cfg(test)]
impl Order {
    pub(crate) fn say(text: &str) -> Self {
        let command = Command::Say(text.to_owned());
        Self {
            command,
            across: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    const SECOND_US: u64 = 1_000_000;

    fn neighbour(user: u64, across: bool) -> Neighbour {
        Neighbour {
            user: UserId(user),
            across,
            distance: 3.0,
        }
    }

    fn trader() -> (Trader, StdRng) {
        let mut rng = StdRng::seed_from_u64(1);
        let mut trader = Trader::new(5 * SECOND_US, 0, &mut rng);
        trader.next_us = 0;
        (trader, rng)
    }

    fn purse(gem: u64) -> Purse {
        let mut purse = Purse::default();
        purse.handle(&Event::Collected { gem });
        purse
    }

    #[test]
    fn a_gem_goes_across_the_border_to_who_has_given_least() {
        let (mut trader, mut rng) = trader();
        let seen = Surroundings {
            near: vec![
                neighbour(1, false),
                neighbour(2, true),
                neighbour(3, true),
                neighbour(9, true),
            ],
            gems: Vec::new(),
        };
        let givers = Givers::from([(UserId(1), 0), (UserId(2), 4), (UserId(3), 1)]);
        let order = trader.decide(&seen, &purse(77), &givers, 0, &mut rng).unwrap();
        let to = UserId(3);
        assert_eq!(order.command, Command::Give { gem: 77, to });
        assert!(order.across, "and user 9, who is none of the swarm, gets nothing");
        assert!(!trader.is_due(4 * SECOND_US) && trader.is_due(5 * SECOND_US));
    }

    #[test]
    fn a_gem_waits_a_while_for_somebody_across_the_border() {
        let (mut trader, mut rng) = trader();
        let seen = Surroundings {
            near: vec![neighbour(1, false)],
            gems: Vec::new(),
        };
        let givers = Givers::from([(UserId(1), 0)]);
        assert_eq!(trader.decide(&seen, &purse(77), &givers, 0, &mut rng), None);
        assert!(trader.is_due(LOOK_AGAIN_US));
        let order = trader
            .decide(&seen, &purse(77), &givers, 3 * SECOND_US, &mut rng)
            .unwrap();
        assert!(matches!(order.command, Command::Give { to: UserId(1), .. }) && !order.across);
    }

    #[test]
    fn an_offered_gem_is_not_offered_again_until_it_was_refused() {
        let (mut trader, mut rng) = trader();
        let seen = Surroundings {
            near: vec![neighbour(2, true)],
            gems: Vec::new(),
        };
        let givers = Givers::from([(UserId(2), 0)]);
        let mut purse = purse(77);
        let order = trader.decide(&seen, &purse, &givers, 0, &mut rng).unwrap();
        purse.ordered(5, &order);
        assert_eq!(purse.spare(), None);
        purse.handle(&Event::Refused {
            command: 5,
            reason: protocol::demo::Refusal::TooFar,
        });
        assert_eq!(purse.spare(), Some(77));
        purse.ordered(6, &order);
        assert!(purse.handle(&Event::Given {
            gem: 77,
            to: UserId(2)
        }));
        assert_eq!(
            (purse.gives_across, purse.held().len(), purse.contradictions),
            (1, 0, 0)
        );
    }

    #[test]
    fn a_gem_in_sight_is_walked_to_and_collected() {
        let (mut trader, mut rng) = trader();
        let at = Position { x: 20.0, y: 0.0 };
        let mut seen = Surroundings {
            near: Vec::new(),
            gems: vec![(7, at, 20.0)],
        };
        let nobody = Givers::new();
        assert_eq!(
            trader.decide(&seen, &Purse::default(), &nobody, 0, &mut rng),
            None
        );
        assert_eq!(trader.errand(SECOND_US), Some(at));
        seen.gems[0].2 = 5.0;
        let order = trader.decide(&seen, &Purse::default(), &nobody, SECOND_US, &mut rng);
        assert_eq!(order.unwrap().command, Command::Collect { gem: 7 });
        assert_eq!(trader.errand(SECOND_US), None);
    }

    #[test]
    fn who_has_nothing_to_trade_orders_soft_and_durable_things_in_turn() {
        let (mut trader, mut rng) = trader();
        let mut durable = 0;
        for order in 0..10 {
            let seen = Surroundings::default();
            let now_us = order * 5 * SECOND_US;
            assert!(trader.is_due(now_us));
            let order = trader.decide(&seen, &Purse::default(), &Givers::new(), now_us, &mut rng);
            durable += u32::from(order.unwrap().command.is_durable());
        }
        assert_eq!(durable, 5);
    }

    #[test]
    fn a_gem_that_comes_twice_is_a_contradiction() {
        let mut purse = purse(7);
        purse.handle(&Event::Received {
            gem: 7,
            from: UserId(1),
        });
        assert_eq!(purse.contradictions, 1);
        purse.handle(&Event::Given {
            gem: 8,
            to: UserId(1),
        });
        assert_eq!(purse.contradictions, 2);
    }
}
