//! Where a bot walks: home first, then as its pattern says. Pure: position and time in, the way to go out.

use std::f32::consts::TAU;

use game::bot::Walk;
use protocol::geometry::Position;
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::args::Pattern;
use crate::places::{Crossing, Places, distance, point};

/// How far way-points lie from home, units.
const WANDER_REACH: f32 = 64.0;
/// How far a border is crossed to each side, units: six in the mean, and never alike, so that no two bots stay on the
/// same side for good.
const BORDER_REACH: std::ops::Range<f32> = 4.0..8.0;
/// How far along the border a bot goes from home to meet somebody, units.
const BORDER_ROAM: f32 = 64.0;
/// Radius of the circle round a corner, units.
const CORNER_RADIUS: f32 = 6.0;
/// How far a star's points lie apart from its middle, units.
const STAR_RADIUS: f32 = 40.0;
/// Coming together and parting take so long each, microseconds.
const STAR_HALF_US: u64 = 10_000_000;
/// So near to a point counts as there, units.
const THERE: f32 = 1.0;
/// So near to the rim of the world one can get, units; what lies beyond is never reached.
const RIM: f32 = 1.0 / 64.0;
/// A crowd keeps so far from the edge of its cell, units; in small cells a quarter of them.
const CROWD_MARGIN: f32 = 2.0;

/// What a bot does at home.
#[derive(Clone, Debug)]
enum Course {
    Wander,
    Border { crossing: Crossing, reach: f32 },
    Corner { angle: f32 },
    Crowd { origin: Position, size: f32 },
    Star { outer: Position },
}

/// A bot's legs.
#[derive(Clone, Debug)]
pub(crate) struct Walker {
    course: Course,
    home: Position,
    target: Position,
    at_home: bool,
}

impl Walker {
    /// A walker that came in at `spawn`. In a world without the place that its pattern needs it wanders.
    pub(crate) fn new(pattern: Pattern, spawn: Position, places: &Places, rng: &mut StdRng) -> Self {
        let (course, home) = match pattern {
            Pattern::Wander | Pattern::Trader => (Course::Wander, spawn),
            Pattern::Border => match places.nearest_crossing(spawn) {
                Some(crossing) => (
                    Course::Border {
                        crossing,
                        reach: BORDER_REACH.start,
                    },
                    crossing.at,
                ),
                None => (Course::Wander, spawn),
            },
            Pattern::Corner => match places.nearest_corner(spawn) {
                Some(corner) => {
                    let angle = rng.random_range(0.0..TAU);
                    (Course::Corner { angle }, corner)
                }
                None => (Course::Wander, spawn),
            },
            Pattern::Crowd => {
                let (origin, size) = places.crowd_cell();
                let home = in_cell(origin, size, rng);
                (Course::Crowd { origin, size }, home)
            }
            Pattern::Star => {
                let middle = places.middle();
                let angle = rng.random_range(0.0..TAU);
                let outer = places.inside(on_circle(middle, STAR_RADIUS, angle), 2.0);
                (Course::Star { outer }, middle)
            }
        };
        let target = match &course {
            Course::Star { outer } => *outer,
            Course::Corner { angle } => on_circle(home, CORNER_RADIUS, *angle),
            _ => home,
        };
        let target = places.inside(target, RIM);
        Self {
            at_home: matches!(course, Course::Wander),
            course,
            home,
            target,
        }
    }

    /// Whether the bot has arrived where its pattern begins.
    pub(crate) fn is_home(&self) -> bool {
        self.at_home
    }

    #[cfg(test)]
    pub(crate) fn target(&self) -> Position {
        self.target
    }

    /// Where to now. An errand comes before everything else.
    pub(crate) fn steer(
        &mut self,
        at: Position,
        errand: Option<Position>,
        places: &Places,
        now_us: u64,
        rng: &mut StdRng,
    ) -> Walk {
        if let Some(errand) = errand {
            return towards(at, errand);
        }
        if !self.at_home {
            if distance(at, self.target) > THERE {
                return towards(at, self.target);
            }
            self.at_home = true;
        }
        self.choose(at, places, now_us, rng);
        self.target = places.inside(self.target, RIM);
        if distance(at, self.target) <= THERE / 2.0 {
            return Walk::Stand;
        }
        towards(at, self.target)
    }

    /// Somebody is wanted, and the next one is over there: a bot at a border goes half the way along it, as the other may
    /// do, and never far from home, so that bots stay spread along the borders.
    pub(crate) fn approach(&mut self, there: Position) {
        let Course::Border { crossing, .. } = &mut self.course else {
            return;
        };
        if !self.at_home {
            return;
        }
        let (home, along) = (self.home, point(crossing.normal.y, crossing.normal.x));
        let from_home = |at: Position| (at.x - home.x) * along.x + (at.y - home.y) * along.y;
        let half_way = (from_home(crossing.at) + from_home(there)) / 2.0;
        let half_way = half_way.clamp(-BORDER_ROAM, BORDER_ROAM);
        crossing.at = point(home.x + along.x * half_way, home.y + along.y * half_way);
    }

    fn choose(&mut self, at: Position, places: &Places, now_us: u64, rng: &mut StdRng) {
        let there = distance(at, self.target) <= THERE;
        match &mut self.course {
            Course::Wander if there => {
                let reach = rng.random_range(0.0..WANDER_REACH);
                let to = on_circle(self.home, reach, rng.random_range(0.0..TAU));
                self.target = places.inside(to, 2.0);
            }
            Course::Crowd { origin, size } if there => {
                self.target = in_cell(*origin, *size, rng);
            }
            Course::Border { crossing, reach } => {
                let across =
                    (at.x - crossing.at.x) * crossing.normal.x + (at.y - crossing.at.y) * crossing.normal.y;
                // The world may end before the turn.
                let at_rim = distance(at, self.target) <= THERE / 2.0;
                if across * reach.signum() >= reach.abs() || at_rim {
                    *reach = -rng.random_range(BORDER_REACH).copysign(*reach);
                }
                // The target lies beyond the turn, so that the bot arrives there at full speed.
                let beyond = *reach + 4.0_f32.copysign(*reach);
                self.target = point(
                    crossing.at.x + crossing.normal.x * beyond,
                    crossing.at.y + crossing.normal.y * beyond,
                );
            }
            Course::Corner { angle } if there => {
                *angle = (*angle + TAU / 8.0) % TAU;
                self.target = on_circle(self.home, CORNER_RADIUS, *angle);
            }
            Course::Star { outer } => {
                let comes = (now_us / STAR_HALF_US).is_multiple_of(2);
                self.target = if comes { self.home } else { *outer };
            }
            Course::Wander | Course::Crowd { .. } | Course::Corner { .. } => {}
        }
    }
}

fn towards(from: Position, to: Position) -> Walk {
    Walk::Towards { from, to }
}

/// Anywhere in a cell but at its edges.
fn in_cell(origin: Position, size: f32, rng: &mut StdRng) -> Position {
    let margin = CROWD_MARGIN.min(size / 4.0);
    let mut within = || rng.random_range(margin..size - margin);
    point(origin.x + within(), origin.y + within())
}

fn on_circle(centre: Position, radius: f32, angle: f32) -> Position {
    point(centre.x + radius * angle.cos(), centre.y + radius * angle.sin())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::Servers;
    use crate::places::tests::quarters;
    use crate::tests::toy::stepped;
    use rand::SeedableRng as _;

    const TICK_US: u64 = 50_000;

    struct Way {
        walker: Walker,
        places: Places,
        rng: StdRng,
        at: Position,
        now_us: u64,
    }

    impl Way {
        fn new(pattern: Pattern, at: Position) -> Self {
            let places = Places::find(&quarters(), &Servers::new());
            let mut rng = StdRng::seed_from_u64(7);
            Self {
                walker: Walker::new(pattern, at, &places, &mut rng),
                places,
                rng,
                at,
                now_us: 0,
            }
        }

        /// One tick of the world.
        fn step(&mut self) -> Position {
            let walk = self
                .walker
                .steer(self.at, None, &self.places, self.now_us, &mut self.rng);
            self.at = stepped(self.at, walk, 20);
            self.now_us += TICK_US;
            self.at
        }

        fn go_home(&mut self) {
            for _ in 0..2_000 {
                self.step();
                if self.walker.is_home() {
                    return;
                }
            }
            panic!("the bot does not find home from {:?}", self.at);
        }
    }

    #[test]
    fn a_border_walker_crosses_about_every_two_seconds() {
        let mut walk = Way::new(Pattern::Border, point(20.0, 20.0));
        walk.go_home();
        let mut crossings = 0;
        for _ in 0..20 * 60 {
            let before = walk.at.x;
            let now = walk.step().x;
            crossings += u32::from((before < 64.0) != (now < 64.0));
        }
        assert!((25..=35).contains(&crossings), "{crossings} in a minute");
        assert!(
            (walk.at.y - 20.0).abs() < 2.0,
            "it stays at its place along the border"
        );
    }

    #[test]
    fn a_border_walker_who_is_alone_goes_half_the_way_along_the_border() {
        let mut walk = Way::new(Pattern::Border, point(20.0, 20.0));
        walk.walker.approach(point(70.0, 40.0));
        walk.go_home();
        assert!((walk.at.y - 20.0).abs() < 2.0, "home comes first");
        walk.walker.approach(point(70.0, 40.0));
        let mut crossings = 0;
        for _ in 0..20 * 10 {
            let before = walk.at.x;
            crossings += u32::from((before < 64.0) != (walk.step().x < 64.0));
        }
        assert!((walk.at.y - 30.0).abs() < 2.0 && crossings >= 3, "{:?}", walk.at);
    }

    #[test]
    fn a_corner_walker_visits_all_four_regions() {
        let mut walk = Way::new(Pattern::Corner, point(30.0, 90.0));
        walk.go_home();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..20 * 12 {
            let at = walk.step();
            seen.insert((at.x < 64.0, at.y < 64.0));
            assert!(distance(at, point(64.0, 64.0)) < CORNER_RADIUS + 2.0);
        }
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn a_crowd_stays_within_one_cell() {
        let mut walk = Way::new(Pattern::Crowd, point(120.0, 120.0));
        walk.go_home();
        for _ in 0..20 * 60 {
            let at = walk.step();
            assert!(
                (32.0..64.0).contains(&at.x) && (32.0..64.0).contains(&at.y),
                "{at:?}"
            );
        }
    }

    #[test]
    fn a_wanderer_moves_within_reach_of_home_and_inside_the_world() {
        let mut walk = Way::new(Pattern::Wander, point(5.0, 5.0));
        assert!(walk.walker.is_home());
        let mut farthest = 0.0_f32;
        for _ in 0..20 * 120 {
            let at = walk.step();
            farthest = farthest.max(distance(at, point(5.0, 5.0)));
            assert!(at.x > 0.0 && at.y > 0.0);
        }
        assert!((20.0..WANDER_REACH * 1.5).contains(&farthest), "{farthest}");
    }

    #[test]
    fn a_star_comes_together_and_parts() {
        let mut walk = Way::new(Pattern::Star, point(20.0, 64.0));
        walk.go_home();
        let middle = point(64.0, 64.0);
        let distances: Vec<f32> = (0..20 * 40).map(|_| distance(walk.step(), middle)).collect();
        assert!(distances.iter().any(|at| *at < 2.0));
        assert!(distances.iter().skip(200).any(|at| *at > STAR_RADIUS - 2.0));
    }

    #[test]
    fn an_errand_comes_first() {
        let mut walk = Way::new(Pattern::Wander, point(64.0, 64.0));
        let errand = point(64.0, 100.0);
        let to = walk
            .walker
            .steer(walk.at, Some(errand), &walk.places, 0, &mut walk.rng);
        assert_eq!(to, towards(walk.at, errand));
    }
}
