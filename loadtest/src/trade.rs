//! What a bot orders: it says things, collects gems and gives them away, across a border if it can.

use std::collections::BTreeMap;

use client::{CommandClass, World};
use gems::{Command, KIND_GEM, KIND_PLAYER, OwnState, REACH, parse_gem, parse_player};
use protocol::geometry::Position;
use protocol::ids::UserId;
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::places::distance;
use crate::purse::{Offer, Purse};

/// Both sides move until the order arrives: what is to be reached must be nearer than allowed by so much, units.
const REACH_SPARE: f32 = 1.5;
/// How far a bot goes out of its way for a gem, units.
const DETOUR: f32 = 24.0;
/// After so long a bot gives up walking to a gem, microseconds.
const DETOUR_US_MAX: u64 = 8_000_000;
/// Who holds a gem and meets nobody looks again so soon, microseconds.
const LOOK_AGAIN_US: u64 = 200_000;
/// How long a gem is kept for somebody before something is said instead, as a part of the time between two commands.
const PATIENCE: f64 = 0.6;

/// Somebody in view.
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
    /// People out of reach, and where they are.
    pub(crate) far: Vec<(Neighbour, Position)>,
    pub(crate) gems: Vec<(u64, Position, f32)>,
}

impl Surroundings {
    /// Looks around. People count as far as one sees, gems within a detour.
    pub(crate) fn survey(world: &World, own: &OwnState) -> Self {
        let mut seen = Self::default();
        for entity in world.entities().filter(|entity| entity.id != own.entity) {
            let away = distance(entity.at, own.at);
            if entity.kind == u16::from(KIND_GEM) {
                if let Ok(gem) = parse_gem(&entity.state) {
                    seen.add_gem(gem, entity.at, own.at);
                }
            } else if entity.kind == u16::from(KIND_PLAYER)
                && let Ok((user, _)) = parse_player(&entity.state)
            {
                let region = world.shape().regions.get(entity.cell.0 as usize);
                let somebody = Neighbour {
                    user,
                    across: region.is_some_and(|region| *region != own.region.0),
                    distance: away,
                };
                seen.add(somebody, entity.at);
            }
        }
        seen
    }

    /// Somebody stands at `at`.
    pub(crate) fn add(&mut self, somebody: Neighbour, at: Position) {
        if somebody.distance <= REACH - REACH_SPARE {
            self.near.push(somebody);
        } else {
            self.far.push((somebody, at));
        }
    }

    /// A gem lies at `lies`; it counts if it is worth the way from `at`.
    pub(crate) fn add_gem(&mut self, gem: u64, lies: Position, at: Position) {
        let away = distance(lies, at);
        if away <= DETOUR {
            self.gems.push((gem, lies, away));
        }
    }

    /// To whom within reach a gem goes: to who has given least, so that everybody comes to give; among these to the
    /// nearest, who will not have left. Across a border, unless the giver has done that and somebody here has not.
    fn receiver(&self, givers: &Givers, purse: &Purse) -> Option<Neighbour> {
        let may = |given: u32, somebody: &Neighbour| somebody.across || given == 0 && purse.gives_across > 0;
        self.least(givers, may)
    }

    /// To whom it goes when nobody of these has come for long: to anybody, but what is meant for somebody across a border
    /// is kept while such people are in sight.
    fn second_best(&self, givers: &Givers, purse: &Purse) -> Option<Neighbour> {
        let far = self.far.iter().map(|(somebody, _)| somebody);
        let at_border = self.near.iter().chain(far).any(|somebody| somebody.across);
        self.least(givers, |_, _| purse.gives_across > 0 || !at_border)
    }

    fn least(&self, givers: &Givers, may: impl Fn(u32, &Neighbour) -> bool) -> Option<Neighbour> {
        let near = self.near.iter();
        let ours = near.filter_map(|somebody| Some((*givers.get(&somebody.user)?, *somebody)));
        let first =
            ours.filter(|(given, somebody)| may(*given, somebody))
                .min_by(|(given_a, a), (given_b, b)| {
                    let order = given_a.cmp(given_b).then(b.across.cmp(&a.across));
                    order.then(a.distance.total_cmp(&b.distance))
                });
        first.map(|(_, somebody)| somebody)
    }

    /// Where the nearest of the swarm beyond reach stands, told to who has still to give something away: with a gem when
    /// nobody of it is within reach, without one when there is none to collect, as somebody may have one to give.
    fn company(&self, givers: &Givers, purse: &Purse) -> Option<Position> {
        let ours = |somebody: &Neighbour| givers.contains_key(&somebody.user);
        let has_all = match purse.spare() {
            Some(_) => self.near.iter().any(ours),
            None => !self.gems.is_empty(),
        };
        if has_all || purse.gives_across > 0 {
            return None;
        }
        let far = self.far.iter().filter(|(somebody, _)| ours(somebody));
        let nearest = far.min_by(|a, b| a.0.distance.total_cmp(&b.0.distance));
        nearest.map(|(_, at)| *at)
    }
}

/// How often each bot of the swarm has given across a border: those who have given least are given to first.
pub(crate) type Givers = BTreeMap<UserId, u32>;

/// When a bot orders something, and what.
#[derive(Clone, Debug)]
pub(crate) struct Trader {
    every_us: u64,
    next_us: u64,
    waiting_since_us: Option<u64>,
    ordered: u64,
    errand: Option<(u64, Position, u64)>,
    company: Option<Position>,
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
            company: None,
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

    /// Where the next of the swarm is, told once to who has still to give something away and has nobody within reach.
    pub(crate) fn take_company(&mut self) -> Option<Position> {
        self.company.take()
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
        self.company = seen.company(givers, purse);
        let order = match purse.spare() {
            Some(gem) => self.give(gem, seen, purse, givers, now_us)?,
            None => self.collect_or_talk(seen, now_us, rng)?,
        };
        self.waiting_since_us = None;
        self.ordered += 1;
        // From when it should have been, not from when it was.
        let behind = now_us.saturating_sub(self.next_us) >= self.every_us;
        self.next_us = if behind { now_us } else { self.next_us } + self.every_us;
        Some(order)
    }

    fn give(
        &mut self,
        gem: u64,
        seen: &Surroundings,
        purse: &Purse,
        givers: &Givers,
        now_us: u64,
    ) -> Option<Order> {
        let since = *self.waiting_since_us.get_or_insert(now_us);
        let patience_us = (self.every_us as f64 * PATIENCE) as u64;
        let to = match seen.receiver(givers, purse) {
            Some(neighbour) => neighbour,
            None if now_us.saturating_sub(since) < patience_us => {
                self.next_us = now_us + LOOK_AGAIN_US;
                return None;
            }
            None => match seen.second_best(givers, purse) {
                Some(neighbour) => neighbour,
                // Nobody came: something is said instead.
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
    /// What it offers, if it gives something.
    pub(crate) fn offer(&self) -> Option<Offer> {
        let across = self.across;
        match self.command {
            Command::Give { gem, .. } => Some(Offer { gem, across }),
            _ => None,
        }
    }

    pub(crate) fn class(&self) -> CommandClass {
        match self.command.is_durable() {
            true => CommandClass::Durable,
            false => CommandClass::Soft,
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
    use gems::Event;
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
            ..Surroundings::default()
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
        let somebody_here = || vec![neighbour(1, false)];
        let in_sight = (neighbour(2, true), Position { x: 20.0, y: 0.0 });
        let to_user_1 =
            |order: Option<Order>| matches!(order.unwrap().command, Command::Give { to: UserId(1), .. });
        for (far, given_before, goes_to_user_1) in [
            (vec![], 0, true),
            (vec![in_sight], 0, false),
            (vec![in_sight], 3, true),
        ] {
            let (mut trader, mut rng) = trader();
            let seen = Surroundings {
                near: somebody_here(),
                far,
                ..Surroundings::default()
            };
            let givers = Givers::from([(UserId(1), 1)]);
            let mut purse = purse(77);
            purse.gives_across = given_before;
            assert_eq!(trader.decide(&seen, &purse, &givers, 0, &mut rng), None);
            assert!(trader.is_due(LOOK_AGAIN_US));
            let order = trader.decide(&seen, &purse, &givers, 3 * SECOND_US, &mut rng);
            assert_eq!(to_user_1(order), goes_to_user_1);
        }
    }

    #[test]
    fn who_has_given_helps_those_here_who_have_not() {
        let (mut trader, mut rng) = trader();
        let seen = Surroundings {
            near: vec![neighbour(1, false), neighbour(2, true)],
            ..Surroundings::default()
        };
        let givers = Givers::from([(UserId(1), 0), (UserId(2), 1)]);
        let mut purse = purse(77);
        for (given, receiver) in [(0, 2), (1, 1)] {
            purse.gives_across = given;
            let now_us = u64::from(given) * 10 * SECOND_US;
            let order = trader.decide(&seen, &purse, &givers, now_us, &mut rng).unwrap();
            let to = UserId(receiver);
            assert_eq!(order.command, Command::Give { gem: 77, to });
        }
    }

    #[test]
    fn who_is_alone_and_has_not_given_yet_is_told_where_the_next_of_the_swarm_is() {
        let (mut trader, mut rng) = trader();
        let at = |x| Position { x, y: 0.0 };
        let mut seen = Surroundings::default();
        for (user, x) in [(9, 12.0), (3, 20.0), (1, 40.0)] {
            let distance = x;
            let somebody = Neighbour {
                distance,
                ..neighbour(user, true)
            };
            seen.add(somebody, at(x));
        }
        let givers = Givers::from([(UserId(1), 0), (UserId(3), 0)]);
        let mut purse = purse(77);
        trader.decide(&seen, &purse, &givers, 0, &mut rng);
        assert_eq!(
            trader.take_company(),
            Some(at(20.0)),
            "user 9 is none of the swarm"
        );
        assert_eq!(trader.take_company(), None);
        purse.gives_across = 1;
        trader.decide(&seen, &purse, &givers, SECOND_US, &mut rng);
        assert_eq!(trader.take_company(), None);
    }

    #[test]
    fn an_offered_gem_is_not_offered_again_until_it_was_refused() {
        let (mut trader, mut rng) = trader();
        let seen = Surroundings {
            near: vec![neighbour(2, true)],
            ..Surroundings::default()
        };
        let givers = Givers::from([(UserId(2), 0)]);
        let mut purse = purse(77);
        let order = trader.decide(&seen, &purse, &givers, 0, &mut rng).unwrap();
        purse.offer(5, order.offer().unwrap());
        assert_eq!(purse.spare(), None);
        purse.handle(&Event::Refused {
            command: 5,
            reason: gems::Refusal::TooFar,
        });
        assert_eq!(purse.spare(), Some(77));
        purse.offer(6, order.offer().unwrap());
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
        let mut seen = Surroundings::default();
        seen.add_gem(7, at, Position { x: 0.0, y: 0.0 });
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
}
