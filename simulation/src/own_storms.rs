//! Storms as the tests of a game run them: a range of seeds on all cores, and of what breaks the whole story.

use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::cluster::{Outcome, run_with_lines};
use crate::options::Options;
use crate::options::STORM_RUN;
use crate::own_game::OwnGame;
use crate::scenario::Scenarios;
use crate::sweep::{Sweep, Swept};

/// A variable of the environment: other seeds, as `0..5000`.
pub const STORM_SEEDS: &str = "STORM_SEEDS";

/// Events that a failure shows.
const LINES: usize = 60;
/// A seed takes a fraction of a second: one that takes as long as this hangs.
const HANGS: Duration = Duration::from_secs(120);

/// Puts a game through these seeds. Each is a storm or another of the [scenarios](crate::Scenario), of two to six players; the same
/// seed is the same to the last bit. [`STORM_SEEDS`] in the environment has other seeds swept, and [`STORM_RUN`] one run repeated.
///
/// # Errors
/// What did not hold, with the last events before it and the line that repeats the run.
pub fn storms(game: &OwnGame, seeds: Range<u64>) -> Result<Swept, String> {
    let said = |name| std::env::var(name).ok();
    let game = Arc::new(game.clone());
    if let Some(line) = said(STORM_RUN) {
        let options = line.parse::<Options>()?.playing(Some(game));
        return repeat(&options).map(|outcome| {
            let mut swept = Swept::default();
            swept.add(&options, Ok(outcome));
            swept
        });
    }
    let seeds = said(STORM_SEEDS).map_or(Ok(seeds), |text| range(&text))?;
    sweep(game, seeds)
}

/// Reads `0..5000`.
fn range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..");
    let ends = ends.and_then(|(from, to)| Some(from.trim().parse().ok()?..to.trim().parse().ok()?));
    ends.ok_or_else(|| format!("{STORM_SEEDS}: `{text}` is no range as 0..5000"))
}

fn repeat(options: &Options) -> Result<Outcome, String> {
    let outcome = run_with_lines(options, LINES)?;
    match outcome.broken {
        None => Ok(outcome),
        Some(_) => Err(outcome.to_string()),
    }
}

fn sweep(game: Arc<OwnGame>, seeds: Range<u64>) -> Result<Swept, String> {
    let scenarios = Scenarios::Drawn;
    let sweep = Sweep {
        from: seeds.start,
        seeds: seeds.end.saturating_sub(seeds.start),
        scenarios,
        game: Some(Arc::clone(&game)),
        jobs: thread::available_parallelism().map_or(2, std::num::NonZero::get),
        keep_going: false,
    };
    let running = sweep.start()?;
    while !running.wait(Duration::from_secs(1)) {
        if let Some(hangs) = running.so_far().running.iter().find(|seed| seed.since > HANGS) {
            return Err(format!("no end after {:?}: {}", hangs.since, hangs.command));
        }
    }
    let swept = running.so_far();
    match swept.broken_seeds.first() {
        None => Ok(swept),
        Some(broken) => {
            repeat(&Options::drawn(scenarios, broken.seed).playing(Some(game)))?;
            Err(format!(
                "{}: {}, but not when it is repeated",
                broken.command, broken.what
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_as_ranges_are_written() {
        assert_eq!(range("5..5000"), Ok(5..5_000));
        for wrong in ["", "5", "5..", "a..b"] {
            assert!(
                range(wrong).unwrap_err().contains("is no range as 0..5000"),
                "{wrong}"
            );
        }
    }
}
