//! From a run that breaks something to a smaller one that breaks the same: faults, players and servers that it does not take are left out
//! one by one, as long as the same check still fails.

use protocol::ids::Lanes;

use crate::cluster::{faults_of, run};
use crate::options::{Options, Room};
use crate::scenario::Scenario;

/// Words of a failure that say which check it is; what follows tells of this one run.
const WORDS: usize = 6;
/// What a shorter storm is tried with, in tenths of it.
const SHORTER_TENTHS: [u64; 3] = [5, 7, 9];

/// The smallest run found.
#[derive(Clone, Debug)]
pub struct Minimised {
    /// The run.
    pub options: Options,
    /// What it breaks.
    pub what: String,
    /// Runs that were tried.
    pub runs: u32,
    /// Faults that are left, as text.
    pub faults: Vec<String>,
}

/// Which check a failure is of: its first words, without those that name a number.
fn check_of(what: &str) -> String {
    let words = what.lines().next().unwrap_or_default().split_whitespace();
    // The name of a property has a digit.
    let plain = words.enumerate().filter(|(index, word)| {
        *index == 0 || !word.contains(|letter: char| letter.is_ascii_digit() || "([{".contains(letter))
    });
    let plain: Vec<&str> = plain.map(|(_, word)| word).take(WORDS).collect();
    plain.join(" ")
}

/// Leaves out of a failing run what it does not take, in so many runs at most. `told` hears of each smaller one.
///
/// # Errors
/// The options make no run, or it breaks nothing.
pub fn minimise(
    options: &Options,
    runs_max: u32,
    told: &mut dyn FnMut(&Options),
) -> Result<Minimised, String> {
    let breaks = |options: &Options| run(options).ok().and_then(|outcome| outcome.broken);
    let what = run(options)?.broken.ok_or("this run breaks nothing")?;
    let mut search = Search {
        check: check_of(&what),
        what,
        best: options.clone(),
        runs: 1,
        runs_max,
        breaks: &breaks,
        told,
    };
    search.shrink(&|options| faults_of(options).map_or(0, |faults| faults.len() as u32));
    let left = faults_of(&search.best)?.into_iter().enumerate();
    let left = left.filter(|(place, _)| !search.best.skipped.contains(&(*place as u32)));
    Ok(Minimised {
        faults: left
            .map(|(place, fault)| format!("fault {place} {fault}"))
            .collect(),
        options: search.best,
        what: search.what,
        runs: search.runs,
    })
}

/// A search for a smaller run, whatever a run is.
struct Search<'a> {
    check: String,
    what: String,
    best: Options,
    runs: u32,
    runs_max: u32,
    breaks: &'a dyn Fn(&Options) -> Option<String>,
    told: &'a mut dyn FnMut(&Options),
}

impl Search<'_> {
    /// Goes round until nothing more can be left out. `planned`: how many faults a run has, skipped ones among them.
    fn shrink(&mut self, planned: &dyn Fn(&Options) -> u32) {
        loop {
            let before = self.best.clone();
            self.drop_faults(planned(&self.best));
            self.drop_ambushes();
            self.simplify();
            if self.best == before || self.runs >= self.runs_max {
                return;
            }
        }
    }

    /// Keeps a smaller run if it breaks the same.
    fn try_out(&mut self, smaller: Options) -> bool {
        if self.runs >= self.runs_max || smaller == self.best || smaller.check().is_err() {
            return false;
        }
        self.runs += 1;
        let broken = (self.breaks)(&smaller).filter(|what| check_of(what) == self.check);
        let Some(what) = broken else { return false };
        (self.told)(&smaller);
        (self.best, self.what) = (smaller, what);
        true
    }

    /// In halves, quarters and so on, down to single ones.
    fn drop_faults(&mut self, planned: u32) {
        let mut left: Vec<u32> = (0..planned)
            .filter(|place| !self.best.skipped.contains(place))
            .collect();
        let mut size = left.len();
        while size > 0 {
            let mut start = 0;
            while start < left.len() {
                let end = (start + size).min(left.len());
                let mut smaller = self.best.clone();
                smaller.skipped.extend(&left[start..end]);
                if self.try_out(smaller) {
                    left.drain(start..end);
                } else {
                    start = end;
                }
            }
            size /= 2;
        }
    }

    fn drop_ambushes(&mut self) {
        for index in (0..self.best.ambushes.len()).rev() {
            let mut smaller = self.best.clone();
            smaller.ambushes.remove(index);
            self.try_out(smaller);
        }
    }

    /// Fewer of everything, a quieter network and store, and a shorter storm.
    fn simplify(&mut self) {
        let plainer: [fn(&mut Options); 13] = [
            |it| it.scenario = Scenario::Storm,
            |it| it.gives = 0,
            |it| it.standbys = false,
            |it| it.servers = 2,
            |it| it.lanes = Lanes::ONE,
            |it| it.room = Room::Ample,
            |it| it.crafts = false,
            |it| it.sheep = false,
            |it| it.veils = false,
            |it| it.clocks = false,
            |it| it.store_permille = 0,
            |it| it.store_jitter_ms = 0,
            |it| it.jitter_ms = 0,
        ];
        for plainer in plainer {
            let mut smaller = self.best.clone();
            plainer(&mut smaller);
            self.try_out(smaller);
        }
        while self.best.players > 1 {
            let mut smaller = self.best.clone();
            smaller.players -= 1;
            if !self.try_out(smaller) {
                break;
            }
        }
        for tenths in SHORTER_TENTHS {
            let mut smaller = self.best.clone();
            smaller.storm_ms = smaller.storm_ms * tenths / 10;
            self.try_out(smaller);
        }
        let mut fewer = self.best.clone();
        fewer.faults = 0;
        self.try_out(fewer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_known_by_its_words_whatever_the_run() {
        let (one, other) = (
            "H1: regions 3 and 4 both have PlayerView { user: 5 }",
            "H1: regions 1 and 2 both have PlayerView { user: 7 }\n more",
        );
        assert_eq!(check_of(one), "H1: regions and both have PlayerView");
        assert_eq!(check_of(one), check_of(other));
        assert_ne!(check_of(one), check_of("H1: region 2 has a player ahead"));
    }

    #[test]
    fn only_what_a_failure_takes_is_left() {
        let breaks = |options: &Options| {
            let takes = [3, 17].iter().all(|place| !options.skipped.contains(place));
            let is_broken = takes && options.players >= 2 && options.servers == 4;
            is_broken.then(|| format!("H4: thing {} is gone", options.players))
        };
        let mut options = Options::of_seed(3);
        (options.players, options.servers, options.faults) = (4, 4, 20);
        let mut steps = 0;
        let mut search = Search {
            check: "H4: thing is gone".to_owned(),
            what: String::new(),
            best: options,
            runs: 0,
            runs_max: 500,
            breaks: &breaks,
            told: &mut |_| steps += 1,
        };
        search.shrink(&|_| 20);
        let (best, what, runs) = (search.best, search.what, search.runs);
        let left: Vec<u32> = (0..20).filter(|place| !best.skipped.contains(place)).collect();
        assert_eq!((left, best.players, best.servers), (vec![3, 17], 2, 4));
        assert!(best.ambushes.is_empty() && !best.standbys && !best.crafts && best.jitter_ms == 0);
        assert_eq!(what, "H4: thing 2 is gone");
        assert!(runs < 150 && steps > 5, "{runs} runs, {steps} steps");
    }
}
