//! Where the player's own entity is now, before its server says so: what the server said last, and the walk since then.
//!
//! A server moves a player each tick by the newest input it has, so an own state of tick T tells where the player was when
//! the inputs sent until some moment had taken effect. How long before T that moment was is learned from the acknowledged
//! inputs and smoothed: neither inputs nor snapshots that come unevenly make an even walk uneven. What is left between a
//! prediction and the next one fades away instead of being jumped over.

use std::collections::VecDeque;

use protocol::geometry::Position;
use protocol::ids::OwnerEpoch;

/// Walks that are kept for the way back to an own state.
const WALKS_MAX: usize = 128;
/// Share of a new measurement in the smoothed one.
const SMOOTHING: f64 = 0.08;
/// What a measurement may differ by and be believed, milliseconds; and of how many in a row that differ by more all but the
/// last are not.
const FAR_MS: f64 = 60.0;
const FAR_MAX: u32 = 12;
/// Time in which a difference shrinks to a third, milliseconds.
const FADE_MS: f32 = 110.0;
/// A difference that is not faded but jumped over, units: whoever is that far off was carried there.
const JUMP_UNITS: f32 = 6.0;
/// The longest walk that is foretold, milliseconds: after that the server counts as gone, and the player stands still.
const FORETOLD_MS_MAX: u64 = 1_000;

#[derive(Clone, Copy, Debug)]
struct Walk {
    number: u64,
    at_ms: u64,
    /// Units per second, east and south.
    velocity: (f32, f32),
}

/// What a server said of the player, and what is needed to go on from there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnSighting {
    /// Where it was.
    pub at: Position,
    /// The newest input that had taken effect.
    pub input_ack: u64,
    /// The server's tick.
    pub tick: u64,
    /// The epoch of the owner: ticks of another one count from another beginning.
    pub owner_epoch: OwnerEpoch,
}

#[derive(Clone, Copy, Debug)]
struct Base {
    at: Position,
    /// The moment, on this client's clock, whose inputs it holds.
    of_ms: f64,
    heard_ms: u64,
}

/// The player's own entity, foretold.
#[derive(Debug)]
pub struct Prediction {
    size: (f32, f32),
    tick_ms: f64,
    walks: VecDeque<Walk>,
    base: Option<Base>,
    owner_epoch: OwnerEpoch,
    /// Of the newest own state.
    input_ack: u64,
    /// Tick times less send times of the inputs in them, smoothed, milliseconds.
    lag_ms: Option<f64>,
    /// Measurements in a row that were far from it.
    far_off: u32,
    /// What the drawn place differs by from the foretold one, and when it did.
    offset: (f32, f32),
    offset_at_ms: u64,
    error_units: f32,
}

impl Prediction {
    /// Of a player in a world of this size, units, whose servers tick so often.
    #[must_use]
    pub fn new(size: [u32; 2], tick_hz: u32) -> Self {
        Self {
            size: (size[0] as f32, size[1] as f32),
            tick_ms: 1_000.0 / f64::from(tick_hz.max(1)),
            walks: VecDeque::new(),
            base: None,
            owner_epoch: OwnerEpoch(0),
            input_ack: 0,
            lag_ms: None,
            far_off: 0,
            offset: (0.0, 0.0),
            offset_at_ms: 0,
            error_units: 0.0,
        }
    }

    /// An input was sent; from now on the player walks so, units per second to the east and to the south.
    pub fn walks(&mut self, number: u64, velocity: (f32, f32), now_ms: u64) {
        if self.walks.len() >= WALKS_MAX {
            self.walks.pop_front();
        }
        self.walks.push_back(Walk {
            number,
            at_ms: now_ms,
            velocity,
        });
    }

    /// The server said where the player was.
    pub fn reconcile(&mut self, seen: OwnSighting, now_ms: u64) {
        let drawn = self.position_at(now_ms);
        if seen.owner_epoch != self.owner_epoch {
            self.owner_epoch = seen.owner_epoch;
            self.lag_ms = None;
        }
        let tick_ms = seen.tick as f64 * self.tick_ms;
        // One that it had before already says nothing of how long inputs take: it has waited for the next one.
        let is_fresh = seen.input_ack > self.input_ack;
        self.input_ack = seen.input_ack;
        let sent = self.walks.iter().rev().find(|walk| walk.number == seen.input_ack);
        if let Some(sent) = sent.filter(|_| is_fresh || self.lag_ms.is_none()) {
            self.measure(tick_ms - sent.at_ms as f64);
        }
        // An input takes effect in the tick after it came, so its tick holds one tick of it.
        let of_ms = self
            .lag_ms
            .map_or(now_ms as f64, |lag_ms| tick_ms - lag_ms + self.tick_ms);
        self.base = Some(Base {
            at: seen.at,
            of_ms: of_ms.min(now_ms as f64),
            heard_ms: now_ms,
        });
        // Those from the acknowledged one on are still needed, and the one in force at that moment.
        let is_past = |next: &Walk| next.number <= seen.input_ack && (next.at_ms as f64) < of_ms;
        while self.walks.get(1).is_some_and(is_past) {
            self.walks.pop_front();
        }
        if let (Some(drawn), Some(foretold)) = (drawn, self.foretold_at(now_ms)) {
            let offset = (drawn.x - foretold.x, drawn.y - foretold.y);
            let far = offset.0.hypot(offset.1);
            self.error_units = far;
            self.offset = if far > JUMP_UNITS { (0.0, 0.0) } else { offset };
            self.offset_at_ms = now_ms;
        }
    }

    /// Where to draw the player; `None` before the server has said where it is.
    #[must_use]
    pub fn position_at(&self, now_ms: u64) -> Option<Position> {
        let foretold = self.foretold_at(now_ms)?;
        let left = (-(now_ms.saturating_sub(self.offset_at_ms) as f32) / FADE_MS).exp();
        Some(Position {
            x: foretold.x + self.offset.0 * left,
            y: foretold.y + self.offset.1 * left,
        })
    }

    /// How far off the newest own state found the drawn player, units.
    #[must_use]
    pub fn error_units(&self) -> f32 {
        self.error_units
    }

    /// Takes a measurement of the lag. A single one may be far off, where inputs were held up on their way; when several are,
    /// the network has changed.
    fn measure(&mut self, lag_ms: f64) {
        let known = *self.lag_ms.get_or_insert(lag_ms);
        let off_ms = lag_ms - known;
        self.far_off = if off_ms.abs() < FAR_MS {
            0
        } else {
            self.far_off + 1
        };
        self.lag_ms = Some(if self.far_off > FAR_MAX {
            lag_ms
        } else {
            known + off_ms.clamp(-FAR_MS, FAR_MS) * SMOOTHING
        });
    }

    fn foretold_at(&self, now_ms: u64) -> Option<Position> {
        let base = self.base?;
        let until_ms = now_ms.min(base.heard_ms.saturating_add(FORETOLD_MS_MAX)) as f64;
        let mut at = base.at;
        let ends = self.walks.iter().skip(1).map(|next| next.at_ms as f64);
        for (walk, end_ms) in self.walks.iter().zip(ends.chain([f64::INFINITY])) {
            let from_ms = (walk.at_ms as f64).max(base.of_ms);
            let seconds = ((end_ms.min(until_ms) - from_ms) / 1_000.0).max(0.0) as f32;
            at.x = (at.x + walk.velocity.0 * seconds).clamp(0.0, self.size.0);
            at.y = (at.y + walk.velocity.1 * seconds).clamp(0.0, self.size.1);
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that ticks each 50 ms by the newest input that has come, and a client that draws sixty times a second.
    struct Scene {
        prediction: Prediction,
        server: Position,
        tick: u64,
        epoch: u64,
        now_ms: u64,
        number: u64,
        velocity: (f32, f32),
        /// Inputs on their way: when they arrive, their number and their velocity.
        up: VecDeque<(u64, u64, (f32, f32))>,
        /// Own states on their way.
        down: VecDeque<(u64, OwnSighting)>,
        in_force: (u64, (f32, f32)),
        drawn: Vec<Position>,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                prediction: Prediction::new([1_000, 1_000], 20),
                server: Position { x: 100.0, y: 100.0 },
                tick: 500,
                epoch: 1,
                now_ms: 10_000,
                number: 0,
                velocity: (0.0, 0.0),
                up: VecDeque::new(),
                down: VecDeque::new(),
                in_force: (0, (0.0, 0.0)),
                drawn: Vec::new(),
            }
        }

        /// Walks on for so long; each message takes `delay_ms` of its number, in order.
        fn run(&mut self, ms: u64, delay_ms: impl Fn(u64) -> u64) {
            for _ in 0..ms {
                self.now_ms += 1;
                if self.now_ms.is_multiple_of(50) {
                    self.number += 1;
                    self.prediction.walks(self.number, self.velocity, self.now_ms);
                    let due = self.now_ms + delay_ms(self.number);
                    let due = self.up.back().map_or(due, |(last, ..)| due.max(*last));
                    self.up.push_back((due, self.number, self.velocity));
                }
                if self.now_ms % 50 == 23 {
                    self.server_ticks(delay_ms(self.tick));
                }
                while self.down.front().is_some_and(|(due, _)| *due <= self.now_ms) {
                    let seen = self.down.pop_front().unwrap().1;
                    self.prediction.reconcile(seen, self.now_ms);
                }
                if self.now_ms.is_multiple_of(16) {
                    self.drawn.extend(self.prediction.position_at(self.now_ms));
                }
            }
        }

        fn server_ticks(&mut self, delay_ms: u64) {
            self.tick += 1;
            while self.up.front().is_some_and(|(due, ..)| *due <= self.now_ms) {
                let (_, number, velocity) = self.up.pop_front().unwrap();
                self.in_force = (number, velocity);
            }
            self.server.x += self.in_force.1.0 / 20.0;
            self.server.y += self.in_force.1.1 / 20.0;
            let seen = OwnSighting {
                at: self.server,
                input_ack: self.in_force.0,
                tick: self.tick,
                owner_epoch: OwnerEpoch(self.epoch),
            };
            let due = self.now_ms + delay_ms;
            let due = self.down.back().map_or(due, |(last, _)| due.max(*last));
            self.down.push_back((due, seen));
        }

        /// The longest and the shortest step between two pictures of what was drawn since.
        fn steps(&mut self) -> (f32, f32) {
            let far = |two: &[Position]| two[0].distance_squared(two[1]).sqrt();
            let steps: Vec<f32> = self.drawn.windows(2).map(far).collect();
            self.drawn.clear();
            let longest = steps.iter().copied().fold(0.0, f32::max);
            (longest, steps.iter().copied().fold(f32::MAX, f32::min))
        }
    }

    /// Units between two pictures of somebody who walks evenly.
    const STEP: f32 = 6.0 * 0.016;

    #[test]
    fn an_even_walk_is_drawn_evenly_however_far_the_server_is() {
        for delay_ms in [1, 40, 150] {
            let mut scene = Scene::new();
            scene.velocity = (6.0, 0.0);
            scene.run(3_000, |_| delay_ms);
            scene.steps();
            scene.run(2_000, |_| delay_ms);
            let (longest, shortest) = scene.steps();
            assert!(
                longest < STEP * 1.05 && shortest > STEP * 0.95,
                "{delay_ms} ms: {shortest} to {longest}"
            );
            assert!(scene.prediction.error_units() < 0.02);
        }
    }

    #[test]
    fn uneven_weather_makes_uneven_steps_of_less_than_half_a_unit() {
        let mut scene = Scene::new();
        scene.velocity = (0.0, 6.0);
        let weather = |number: u64| 75 + number * 7_919 % 51 + u64::from(number.is_multiple_of(20)) * 350;
        scene.run(3_000, weather);
        let mut worst = 0.0_f32;
        for _ in 0..200 {
            scene.run(50, weather);
            worst = worst.max(scene.prediction.error_units());
        }
        assert!(worst < 0.5, "{worst} units off");
    }

    #[test]
    fn a_turn_shows_at_once_and_the_server_agrees_later() {
        let mut scene = Scene::new();
        scene.velocity = (6.0, 0.0);
        scene.run(3_000, |_| 100);
        scene.velocity = (0.0, 0.0);
        scene.run(100, |_| 100);
        let stopped = scene.prediction.position_at(scene.now_ms).unwrap();
        scene.run(1_500, |_| 100);
        let agreed = scene.prediction.position_at(scene.now_ms).unwrap();
        assert!(
            stopped.distance_squared(agreed).sqrt() < 0.45,
            "{stopped:?} and then {agreed:?}"
        );
        assert!(agreed.distance_squared(scene.server).sqrt() < 0.01);
    }

    #[test]
    fn a_border_is_crossed_without_a_jump_though_ticks_count_anew() {
        let mut scene = Scene::new();
        scene.velocity = (6.0, 0.0);
        scene.run(3_000, |_| 30);
        scene.steps();
        (scene.tick, scene.epoch) = (77_000, 2);
        scene.run(1_000, |_| 30);
        let (longest, shortest) = scene.steps();
        assert!(
            longest < STEP * 1.6 && shortest > STEP * 0.4,
            "{shortest} to {longest}"
        );
    }

    #[test]
    fn who_is_carried_far_away_is_there_at_once_and_who_hears_nothing_stands() {
        let mut scene = Scene::new();
        scene.run(500, |_| 10);
        scene.server.x = 400.0;
        scene.run(100, |_| 10);
        assert_eq!(scene.prediction.position_at(scene.now_ms).unwrap().x, 400.0);
        scene.velocity = (6.0, 0.0);
        scene.run(3_000, |_| 10);
        let before = scene.prediction.position_at(scene.now_ms).unwrap();
        let later = scene.prediction.position_at(scene.now_ms + 60_000).unwrap();
        assert!(
            (later.x - before.x - 6.0).abs() < 0.6,
            "a second's walk: {before:?} to {later:?}"
        );
    }
}
