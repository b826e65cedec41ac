//! How far a sweep is, for who waits for it: on a terminal one line that is written over, elsewhere a line now and then.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use crate::sweep::Swept;

/// A first line comes after so long.
const FIRST: Duration = Duration::from_secs(1);
/// Between lines that are written over, and between lines of a log.
const BETWEEN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// A seed that takes so long is named: most take a few hundredths of a second.
const LONG: Duration = Duration::from_secs(30);

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Stays,
    IsWrittenOver,
}

/// What has been said of a sweep, and when to say more.
#[derive(Debug)]
pub struct Progress {
    seeds: u64,
    is_terminal: bool,
    due: Duration,
    is_line_open: bool,
    named: BTreeSet<u64>,
}

impl Progress {
    /// Of a sweep over so many seeds, told on the standard error stream.
    #[must_use]
    pub fn new(seeds: u64) -> Self {
        Self {
            seeds,
            is_terminal: io::stderr().is_terminal(),
            due: FIRST,
            is_line_open: false,
            named: BTreeSet::new(),
        }
    }

    /// Says how far the sweep is, if it is time to; and which seeds are not coming to an end.
    pub fn tell(&mut self, swept: &Swept, elapsed: Duration) {
        for long in self.long(swept) {
            self.write(&long, Line::Stays);
        }
        if elapsed >= self.due {
            let between = if self.is_terminal { BETWEEN.0 } else { BETWEEN.1 };
            self.due = elapsed + between;
            let how = if self.is_terminal {
                Line::IsWrittenOver
            } else {
                Line::Stays
            };
            self.write(&line(swept, self.seeds, elapsed), how);
        }
    }

    /// Ends a line that is written over, so that others may write.
    pub fn clear(&mut self) {
        if self.is_line_open {
            self.write("", Line::Stays);
        }
    }

    fn long(&mut self, swept: &Swept) -> Vec<String> {
        let long = swept.running.iter().filter(|running| running.since >= LONG);
        let news = long.filter(|running| self.named.insert(running.seed));
        news.map(|running| {
            let seconds = running.since.as_secs();
            let (seed, command) = (running.seed, &running.command);
            format!("seed {seed} has been running for {seconds} s: {command}")
        })
        .collect()
    }

    fn write(&mut self, text: &str, how: Line) {
        // Spaces hide what is left of a longer line before.
        let width = if self.is_line_open { 79 } else { 0 };
        match how {
            Line::Stays => program::note(format_args!("{text:width$}")),
            Line::IsWrittenOver => program::note_over(format_args!("{text:width$}")),
        }
        self.is_line_open = how == Line::IsWrittenOver;
    }
}

fn line(swept: &Swept, seeds: u64, elapsed: Duration) -> String {
    let per_s = swept.done as f64 / elapsed.as_secs_f64().max(0.001);
    let left = if swept.done == 0 {
        "time left unknown".to_owned()
    } else {
        let left_s = (seeds.saturating_sub(swept.done) as f64 / per_s).ceil();
        format!("{} left", time(left_s as u64))
    };
    format!(
        "{} of {seeds} seeds, {} broken, {per_s:.1} seeds/s, {left}",
        swept.done, swept.broken
    )
}

fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3_600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::sweep::RunningSeed;

    fn swept(done: u64) -> Swept {
        Swept {
            done,
            broken: 1,
            ..Swept::default()
        }
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_much_longer() {
        let line_of = |done, seconds| line(&swept(done), 1_000, Duration::from_secs(seconds));
        assert_eq!(
            line_of(200, 5),
            "200 of 1000 seeds, 1 broken, 40.0 seeds/s, 20 s left"
        );
        assert!(line_of(0, 5).ends_with("time left unknown"));
        assert_eq!(
            (time(119), time(121), time(7_201)),
            ("119 s".to_owned(), "3 min".to_owned(), "3 h".to_owned())
        );
    }

    fn running(seed: u64, seconds: u64) -> RunningSeed {
        RunningSeed {
            seed,
            since: Duration::from_secs(seconds),
            command: Options::of_seed(seed).command(),
        }
    }

    #[test]
    fn a_seed_that_does_not_end_is_named_once_with_what_repeats_it() {
        let mut progress = Progress::new(10);
        let with = |seconds| Swept {
            running: vec![running(7, seconds), running(8, 0)],
            ..Swept::default()
        };
        assert_eq!(progress.long(&with(29)), [""; 0]);
        let [named] = progress.long(&with(30)).try_into().unwrap();
        assert!(
            named.starts_with("seed 7 has been running for 30 s: cargo run"),
            "{named}"
        );
        assert_eq!(progress.long(&with(31)), [""; 0]);
    }
}
