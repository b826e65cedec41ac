//! The whole cluster in thousands of storms: every property after every event, every cell of the matrix
//! message × fault × step hit, equal seeds equal to the last bit.

#![allow(clippy::print_stdout)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use simulation::{Coverage, Options, Outcome, Overflow, run, run_with_lines};

const SEEDS: u64 = 3_000;
/// Events that a failure shows.
const LINES: usize = 200;

#[allow(clippy::unwrap_used, reason = "a test")]
fn run_well(options: &Options) -> Outcome {
    let outcome = run(options).unwrap();
    let story = || run_with_lines(options, LINES).unwrap().to_string();
    assert!(outcome.broken.is_none(), "{}", story());
    outcome
}

#[test]
fn every_property_holds_in_every_storm_and_every_cell_of_the_matrix_is_hit() {
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let total = Mutex::new((Coverage::default(), 0, 0, Overflow::default(), 0, 0));
    let threads = thread::available_parallelism()
        .map_or(2, std::num::NonZero::get)
        .min(4);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        return;
                    }
                    let outcome = run_well(&Options::of_seed(seed));
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    total.0.add(&outcome.coverage);
                    total.1 += outcome.events;
                    total.2 += outcome.crossings;
                    total.3 += outcome.overflow;
                    total.4 += outcome.moves;
                    total.5 += outcome.roamed;
                }
            });
        }
    });
    let (coverage, events, crossings, overflow, moves, roamed) = total.into_inner().unwrap();
    println!("{coverage}");
    println!(
        "{SEEDS} seeds, {events} events, {crossings} crossings, {moves} regions moved, {roamed} creatures over borders, {:.1} seeds/s",
        SEEDS as f64 / began.elapsed().as_secs_f64()
    );
    assert_eq!(coverage.missing(), [], "cells of the matrix that no seed hits");
    assert!(crossings > 5 * SEEDS, "players hardly cross borders");
    assert!(roamed > 2 * SEEDS, "creatures hardly cross borders: {roamed}");
    assert!(moves > SEEDS / 10, "topologies hardly move regions: {moves}");
    println!("{overflow:?}");
    for (rule, count) in overflow.by_name() {
        assert!(count > 0, "no storm brings it about: {rule}");
    }
}

#[test]
fn equal_seeds_are_equal_to_the_last_bit() {
    let mut hashes = std::collections::BTreeSet::new();
    for seed in (0..SEEDS).step_by(37) {
        let options = Options::of_seed(seed);
        let (once, again) = (run_well(&options), run_well(&options));
        assert_eq!(once, again, "seed {seed}");
        hashes.insert(once.hash);
    }
    assert_eq!(hashes.len() as u64, SEEDS.div_ceil(37), "different seeds differ");
}

/// Runs that once broke something, as they are printed on failure, so that they stay what they were.
const PINNED: &[&str] = &[
    // A join overtook an arrival: `Moved` was lost, the proxy joined while the row was being read, and a second
    // activation left it trusting an epoch that was gone.
    "--seed 392 --servers 4 --standbys off --players 3 --storm-ms 7793 --calm-ms 5000 --faults 0 --jitter-ms 30 --store-jitter-ms 250 --store-permille 20 --ambush moved:lost:1",
    // Durable events repeated after `Joined` were refused while the proxy still asked the store, and never said again.
    "--seed 36 --servers 4 --standbys off --players 2 --storm-ms 6298 --calm-ms 5000 --faults 0 --jitter-ms 120 --store-jitter-ms 250 --store-permille 20 --ambush command:sender-dies-before:4",
    // After a logout, what one region remembered of a crossing sent the proxy in a circle within one server.
    "--seed 169 --servers 2 --standbys off --players 2 --storm-ms 8982 --calm-ms 5000 --faults 4 --jitter-ms 30 --store-jitter-ms 10 --store-permille 0 --ambush join:late:0",
    // The target of a committed handover died and came back: the proxy trusted its row, and nobody was asked to take it.
    "--seed 277 --servers 2 --standbys off --players 2 --storm-ms 6365 --calm-ms 5000 --faults 4 --jitter-ms 5 --store-jitter-ms 60 --store-permille 0 --ambush done:sender-dies-after:2",
    // A release without an answer was taken for one that was not written: the next login played on what the store then
    // gave away, and its first command was counted and lost.
    "--seed 1027 --servers 2 --standbys off --players 4 --storm-ms 6866 --calm-ms 5000 --faults 1 --jitter-ms 5 --store-jitter-ms 10 --store-permille 0 --ambush store-release:unknown-late:0",
    // An input of the earlier login waited for its tick while the next one began: its number made all new ones look old.
    "--seed 842 --servers 4 --standbys off --players 4 --storm-ms 7834 --calm-ms 5000 --faults 2 --jitter-ms 120 --store-jitter-ms 250 --store-permille 0 --ambush store-reclaim:unknown-lost:0 --ambush store-pass:unknown-lost:0",
    // A dead service's commit took a gem after the next service had read what lies there, which showed it for ever.
    "--seed 59 --servers 4 --standbys off --players 4 --storm-ms 8483 --calm-ms 5000 --faults 12 --jitter-ms 5 --store-jitter-ms 250 --store-permille 0 --ambush done:lost:0 --ambush done:lost:1 --ambush done:lost:2",
    // A player without a connection began again after a refused commit, and its own proxy was told that somebody else had come.
    "--seed 2995 --servers 4 --standbys on --lanes 1 --players 4 --storm-ms 10378 --calm-ms 5000 --faults 4 --jitter-ms 0 --store-jitter-ms 250 --store-permille 0 --room narrow --crafts on --ambush event:cut-after:2",
    // Rules panicked while a commit that lays something down was on its way, and read the ground before it was there.
    "--seed 1678 --servers 2 --standbys off --lanes 1 --players 3 --storm-ms 6861 --calm-ms 5000 --faults 0 --jitter-ms 5 --store-jitter-ms 250 --store-permille 0 --room ample --crafts on --sheep on",
    // A join was repeated while its player began again after a panic: it had left before what was acknowledged then, and made a gap.
    "--seed 751 --servers 2 --standbys on --lanes 2 --players 3 --storm-ms 11946 --calm-ms 5000 --faults 0 --jitter-ms 30 --store-jitter-ms 250 --store-permille 80 --room ample --crafts on --sheep on --ambush joined:receiver-dies-after:1",
    // What a region had laid was read before its commit was answered, and swept away: the answer showed it again, for ever.
    "--seed 88 --servers 4 --standbys on --lanes 1 --players 2 --storm-ms 9501 --calm-ms 5000 --faults 5 --jitter-ms 30 --store-jitter-ms 10 --store-permille 80 --room ample --crafts on --sheep on --ambush refuse:lost:0",
];

#[test]
fn what_once_broke_stays_mended() {
    for line in PINNED {
        // The first were before rules made and destroyed anything, and all before anything roamed.
        let since = if line.contains("--crafts") {
            ""
        } else {
            " --crafts off"
        };
        let sheep = if line.contains("--sheep") {
            ""
        } else {
            " --sheep off"
        };
        run_well(&format!("{line}{since}{sheep}").parse().unwrap());
    }
}
