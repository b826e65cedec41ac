//! Many seeds over several threads. Seeds are begun in order and each that is begun is finished, so what was swept is one
//! range without gaps, whatever the threads did and whenever the sweep was stopped.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use faultpoint::Hits;

use crate::cluster::{Outcome, run};
use crate::matrix::Coverage;
use crate::options::Options;
use crate::overflow::Overflow;
use crate::own_game::OwnGame;
use crate::scenario::{Scenario, Scenarios};

/// Seeds that broke something and are named; beyond that they are only counted.
const NAMED_MAX: usize = 1_000;

/// What is to be swept.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// What they are about.
    pub scenarios: Scenarios,
    /// The game; `None`: the demo.
    pub game: Option<Arc<OwnGame>>,
    /// How many at a time.
    pub jobs: usize,
    /// Whether to go on after a seed that breaks something.
    pub keep_going: bool,
}

/// A seed that broke something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenSeed {
    /// Which.
    pub seed: u64,
    /// What, in one line.
    pub what: String,
    /// The command line that repeats it.
    pub command: String,
}

/// A seed under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningSeed {
    /// Which.
    pub seed: u64,
    /// For how long.
    pub since: Duration,
    /// The command line that repeats it.
    pub command: String,
}

/// What a sweep has come to.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// Seeds that were run to their end.
    pub done: u64,
    /// How many of them broke something.
    pub broken: u64,
    /// The first of those, in the order in which they were found.
    pub broken_seeds: Vec<BrokenSeed>,
    /// What was hit by what at which step.
    pub coverage: Coverage,
    /// How often each rule for what finds no room came into play.
    pub overflow: Overflow,
    /// Events of all runs.
    pub events: u64,
    /// Completed handovers of all runs.
    pub crossings: u64,
    /// Regions that a topology, which was pushed, gave to other servers.
    pub moves: u64,
    /// Creatures that came over a border.
    pub roamed: u64,
    /// How often somebody was hidden, or shown again.
    pub veiled: u64,
    /// How often somebody heard that something was given.
    pub gives: u64,
    /// Which faults the cores had to deal with; counted in debug builds.
    pub hits: Hits,
    /// How many seeds were about what.
    pub scenarios: BTreeMap<Scenario, u64>,
    /// Seeds under way.
    pub running: Vec<RunningSeed>,
}

impl Swept {
    pub(crate) fn add(&mut self, options: &Options, outcome: Result<Outcome, String>) {
        self.done += 1;
        *self.scenarios.entry(options.scenario).or_default() += 1;
        let broken = match outcome {
            Ok(outcome) => {
                self.coverage.add(&outcome.coverage);
                self.overflow += outcome.overflow;
                self.events += outcome.events;
                self.crossings += outcome.crossings;
                self.moves += outcome.moves;
                self.roamed += outcome.roamed;
                self.veiled += outcome.veiled;
                self.gives += outcome.gives;
                self.hits += outcome.hits;
                outcome.broken
            }
            Err(error) => Some(error),
        };
        let Some(what) = broken else { return };
        self.broken += 1;
        if self.broken_seeds.len() < NAMED_MAX {
            self.broken_seeds.push(BrokenSeed {
                seed: options.seed,
                what: what.lines().next().unwrap_or_default().to_owned(),
                command: options.command(),
            });
        }
    }
}

#[derive(Debug)]
struct State {
    next: u64,
    end: u64,
    keep_going: bool,
    running: BTreeMap<u64, Instant>,
    threads: usize,
    swept: Swept,
}

#[derive(Debug)]
struct Shared {
    scenarios: Scenarios,
    game: Option<Arc<OwnGame>>,
    state: Mutex<State>,
    /// A thread has ended.
    ended: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn options(&self, seed: u64) -> Options {
        Options::drawn(self.scenarios, seed).playing(self.game.clone())
    }

    fn begin(&self) -> Option<u64> {
        let mut state = self.state();
        let seed = state.next;
        if seed >= state.end {
            return None;
        }
        state.next += 1;
        state.running.insert(seed, Instant::now());
        Some(seed)
    }

    fn finish(&self, options: &Options, outcome: Result<Outcome, String>) {
        let mut state = self.state();
        state.running.remove(&options.seed);
        state.swept.add(options, outcome);
        if state.swept.broken > 0 && !state.keep_going {
            state.end = state.next;
        }
    }

    fn work(&self) {
        while let Some(seed) = self.begin() {
            let options = self.options(seed);
            self.finish(&options, run(&options));
        }
        self.state().threads -= 1;
        self.ended.notify_all();
    }
}

/// A sweep under way. Its threads go on when this is dropped, until the process ends.
#[derive(Debug)]
pub struct RunningSweep(Arc<Shared>);

impl Sweep {
    /// Begins.
    ///
    /// # Errors
    /// When there are no such seeds, or no threads to be had.
    pub fn start(&self) -> Result<RunningSweep, String> {
        let end = self.from.checked_add(self.seeds);
        let end = end.ok_or("seeds go up to 2^64 - 1: begin with a lower one, or take fewer")?;
        let jobs = self.jobs.max(1);
        let state = State {
            next: self.from,
            end,
            keep_going: self.keep_going,
            running: BTreeMap::new(),
            threads: jobs,
            swept: Swept::default(),
        };
        let shared = Arc::new(Shared {
            scenarios: self.scenarios,
            game: self.game.clone(),
            state: Mutex::new(state),
            ended: Condvar::new(),
        });
        for job in 0..jobs {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("sweep-{job}"))
                .spawn(move || shared.work())
                .map_err(|error| {
                    format!("cannot start thread {job} of {jobs}: {error}; take fewer --jobs")
                })?;
        }
        Ok(RunningSweep(shared))
    }
}

impl RunningSweep {
    /// Waits until all is done, at most so long. Whether all is done.
    #[must_use]
    pub fn wait(&self, at_most: Duration) -> bool {
        let waited = self
            .0
            .ended
            .wait_timeout_while(self.0.state(), at_most, |state| state.threads > 0);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.threads == 0
    }

    /// Begins no further seed. What is under way goes on to its end.
    pub fn stop(&self) {
        let mut state = self.0.state();
        state.end = state.next;
    }

    /// What it has come to by now.
    #[must_use]
    pub fn so_far(&self) -> Swept {
        let state = self.0.state();
        let running = state.running.iter().map(|(seed, since)| RunningSeed {
            seed: *seed,
            since: since.elapsed(),
            command: self.0.options(*seed).command(),
        });
        Swept {
            running: running.collect(),
            ..state.swept.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swept(sweep: &Sweep) -> Swept {
        let running = sweep.start().unwrap();
        while !running.wait(Duration::from_secs(60)) {}
        running.so_far()
    }

    #[test]
    fn a_sweep_comes_to_the_same_with_any_number_of_threads() {
        let sweep = |jobs| {
            swept(&Sweep {
                from: 40,
                seeds: 9,
                scenarios: Scenarios::Drawn,
                game: None,
                jobs,
                keep_going: true,
            })
        };
        let (one, three) = (sweep(1), sweep(3));
        assert_eq!((one.done, one.broken, one.running.len()), (9, 0, 0));
        assert_eq!(
            (one.events, one.crossings, &one.coverage, one.overflow),
            (three.events, three.crossings, &three.coverage, three.overflow)
        );
    }

    #[test]
    fn a_sweep_that_is_stopped_finishes_what_it_has_begun_and_leaves_no_gap() {
        let running = Sweep {
            from: 0,
            seeds: u64::MAX,
            scenarios: Scenarios::Only(Scenario::Storm),
            game: None,
            jobs: 2,
            keep_going: true,
        };
        let running = running.start().unwrap();
        while running.so_far().done < 3 {
            assert!(!running.wait(Duration::from_millis(5)), "there is no end to it");
        }
        running.stop();
        while !running.wait(Duration::from_secs(60)) {}
        assert_eq!(running.so_far().done, running.0.state().next);
    }

    #[test]
    fn broken_seeds_are_named_with_what_repeats_them_and_end_the_sweep() {
        let mut total = Swept::default();
        let churn = Options::of(Scenario::Churn, 7);
        total.add(&churn, Err("first line\nsecond".to_owned()));
        total.add(&Options::of_seed(8), Err("other".to_owned()));
        assert_eq!(
            total.scenarios,
            BTreeMap::from([(Scenario::Churn, 1), (Scenario::Storm, 1)])
        );
        assert_eq!((total.done, total.broken), (2, 2));
        let first = &total.broken_seeds[0];
        assert_eq!((first.seed, first.what.as_str()), (7, "first line"));
        let replay = "run --seed 7 --scenario churn ";
        assert!(first.command.contains(replay), "{}", first.command);
        let shared = Shared {
            scenarios: Scenarios::Drawn,
            game: None,
            state: Mutex::new(State {
                next: 3,
                end: 10,
                keep_going: false,
                running: BTreeMap::new(),
                threads: 1,
                swept: Swept::default(),
            }),
            ended: Condvar::new(),
        };
        assert_eq!(shared.begin(), Some(3));
        shared.finish(&Options::of_seed(3), Err("broken".to_owned()));
        assert_eq!(shared.begin(), None);
    }

    #[test]
    fn seeds_that_there_are_not_are_refused() {
        let sweep = Sweep {
            from: u64::MAX,
            seeds: 2,
            scenarios: Scenarios::Drawn,
            game: None,
            jobs: 1,
            keep_going: false,
        };
        assert!(sweep.start().unwrap_err().contains("begin with a lower one"));
    }
}
