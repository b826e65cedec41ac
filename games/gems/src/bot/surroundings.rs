//! What a bot sees of people and gems, and to whom a gem goes.

use game::bot::{Givers, Own, Purse, View};
use game::{Position, UserId};

use super::REACH_SPARE;
use crate::wire::{KIND_GEM, KIND_PLAYER, REACH, parse_gem, parse_player};

/// How far a bot goes out of its way for a gem, units.
const DETOUR: f32 = 24.0;

/// Somebody in view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Neighbour {
    pub(super) user: UserId,
    pub(super) across: bool,
    pub(super) distance: f32,
}

/// A gem worth the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lying {
    pub(super) gem: u64,
    pub(super) at: Position,
    pub(super) distance: f32,
}

/// What a bot sees of people and gems.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    pub(super) near: Vec<Neighbour>,
    /// People out of reach, and where they are.
    pub(super) far: Vec<(Neighbour, Position)>,
    pub(super) gems: Vec<Lying>,
}

impl Surroundings {
    /// Looks around. People count as far as one sees, gems within a detour.
    pub(super) fn survey(view: &dyn View, own: &Own) -> Self {
        let mut around = Self::default();
        view.each(&mut |seen| {
            if seen.id == own.entity {
                return;
            }
            let distance = seen.at.distance_squared(own.at).sqrt();
            if seen.kind == u16::from(KIND_GEM) {
                if let Ok(gem) = parse_gem(seen.state) {
                    around.add_gem(gem, seen.at, distance);
                }
            } else if seen.kind == u16::from(KIND_PLAYER)
                && let Ok((user, _)) = parse_player(seen.state)
            {
                let across = seen.region != own.region;
                let somebody = Neighbour {
                    user,
                    across,
                    distance,
                };
                around.add(somebody, seen.at);
            }
        });
        around
    }

    /// Somebody stands at `at`.
    pub(super) fn add(&mut self, somebody: Neighbour, at: Position) {
        if somebody.distance <= REACH - REACH_SPARE {
            self.near.push(somebody);
        } else {
            self.far.push((somebody, at));
        }
    }

    /// A gem lies at `at`; it counts if it is worth the way.
    pub(super) fn add_gem(&mut self, gem: u64, at: Position, distance: f32) {
        if distance <= DETOUR {
            self.gems.push(Lying { gem, at, distance });
        }
    }

    pub(super) fn nearest_gem(&self) -> Option<&Lying> {
        self.gems.iter().min_by(|a, b| a.distance.total_cmp(&b.distance))
    }

    /// To whom within reach a gem goes: to who has given least, so that everybody comes to give; among these to the
    /// nearest, who will not have left. Across a border, unless the giver has done that and somebody here has not.
    pub(super) fn receiver(&self, givers: &Givers, purse: &Purse) -> Option<Neighbour> {
        let may = |given: u32, somebody: &Neighbour| somebody.across || given == 0 && purse.gives_across > 0;
        self.least(givers, may)
    }

    /// To whom it goes when nobody of these has come for long: to anybody, but what is meant for somebody across a border
    /// is kept while such people are in sight.
    pub(super) fn second_best(&self, givers: &Givers, purse: &Purse) -> Option<Neighbour> {
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
    pub(super) fn company(&self, givers: &Givers, purse: &Purse) -> Option<Position> {
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
