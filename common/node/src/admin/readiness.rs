//! Whether a node takes work: named checks, each with a figure, asked when somebody asks. Ready is what a load balancer
//! may send players into, so a check that cannot say that it is well says what is missing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a check comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Well,
    /// Worth telling, and the node takes work all the same.
    Noted,
    /// The node takes no work.
    Missing,
}

/// One check's outcome, with its figure in words; empty when the name says it all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// How it comes out.
    pub verdict: Verdict,
    /// How much, how many, or why not.
    pub figure: String,
}

impl Check {
    /// As it should be.
    pub fn well(figure: impl Into<String>) -> Self {
        Self::new(Verdict::Well, figure)
    }

    /// Worth telling.
    pub fn noted(figure: impl Into<String>) -> Self {
        Self::new(Verdict::Noted, figure)
    }

    /// The node takes no work because of it.
    pub fn missing(figure: impl Into<String>) -> Self {
        Self::new(Verdict::Missing, figure)
    }

    /// As it should be, or the node takes no work because of it.
    pub fn needed(is_well: bool, figure: impl Into<String>) -> Self {
        match is_well {
            true => Self::well(figure),
            false => Self::missing(figure),
        }
    }

    /// Of something that may be full: from four fifths of `max` on worth telling, and from nineteen twentieths on the node
    /// takes no work. `unit` is how figures are told.
    pub fn filled(now: u64, max: u64, unit: impl Fn(u64) -> String) -> Self {
        let figure = format!("{} of {}", unit(now), unit(max));
        let hundredths = u128::from(now) * 100 / u128::from(max.max(1));
        match hundredths {
            0..80 => Self::well(figure),
            80..95 => Self::noted(figure),
            _ => Self::missing(figure),
        }
    }

    fn new(verdict: Verdict, figure: impl Into<String>) -> Self {
        Self {
            verdict,
            figure: figure.into(),
        }
    }
}

type Source = Arc<dyn Fn() -> Check + Send + Sync>;

/// The checks of a node, by name. Starts with one that is missing: `starting`.
#[derive(Clone)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, Source>>>);

impl Default for Readiness {
    fn default() -> Self {
        let readiness = Self(Arc::default());
        readiness.set(STARTING, Check::missing(""));
        readiness
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&self.report()).finish()
    }
}

const STARTING: &str = "starting";

impl Readiness {
    /// A check whose outcome is told, and stays until it is told anew.
    pub fn set(&self, name: impl Into<String>, check: Check) {
        self.ask(name, move || check.clone());
    }

    /// A check whose outcome is asked for whenever somebody wants to know. `source` must not wait.
    pub fn ask(&self, name: impl Into<String>, source: impl Fn() -> Check + Send + Sync + 'static) {
        self.lock().insert(name.into(), Arc::new(source));
    }

    /// There is no such check any more.
    pub fn clear(&self, name: &str) {
        self.lock().remove(name);
    }

    /// The node is starting, and this is what it does just now.
    pub fn starting(&self, what: &str) {
        self.set(STARTING, Check::missing(what));
    }

    /// The node has started.
    pub fn started(&self) {
        self.clear(STARTING);
    }

    /// Every check as it comes out now.
    #[must_use]
    pub fn report(&self) -> ReadyReport {
        // Asked without the lock: a source may take its time, or set a check.
        let sources: Vec<(String, Source)> =
            self.lock().iter().map(|(n, s)| (n.clone(), s.clone())).collect();
        ReadyReport(
            sources
                .into_iter()
                .map(|(name, source)| (name, source()))
                .collect(),
        )
    }

    /// What is missing, as sentences.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        self.report().missing()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Source>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All checks of one moment, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadyReport(Vec<(String, Check)>);

impl ReadyReport {
    /// One more check.
    pub fn add(&mut self, name: impl Into<String>, check: Check) {
        self.0.push((name.into(), check));
    }

    /// Each with its name, in order.
    pub(super) fn checks(&self) -> &[(String, Check)] {
        &self.0
    }

    /// The names of all checks, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.0.iter().any(|(_, check)| check.verdict == Verdict::Missing)
    }

    /// What is missing, as sentences.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.sentences(Verdict::Missing)
    }

    /// What is worth a note, as sentences.
    #[must_use]
    pub fn noted(&self) -> Vec<String> {
        self.sentences(Verdict::Noted)
    }

    /// What is missing, or `ready`, and then what is worth a note: a line each.
    #[must_use]
    pub fn brief(&self) -> String {
        let missing = self.missing();
        let ready = missing.is_empty().then(|| "ready".to_owned());
        let lines: Vec<String> = ready.into_iter().chain(missing).chain(self.noted()).collect();
        lines.join("\n") + "\n"
    }

    /// Every check with its figure, and whether all are well: a line each.
    #[must_use]
    pub fn verbose(&self) -> String {
        let mut text = String::new();
        for (name, check) in &self.0 {
            let mark = match check.verdict {
                Verdict::Well => "[+]",
                Verdict::Noted => "[!]",
                Verdict::Missing => "[-]",
            };
            text += &format!("{mark} {}\n", sentence(name, check));
        }
        text + if self.is_ready() { "ready\n" } else { "not ready\n" }
    }

    fn sentences(&self, verdict: Verdict) -> Vec<String> {
        let of_it = self.0.iter().filter(|(_, check)| check.verdict == verdict);
        of_it.map(|(name, check)| sentence(name, check)).collect()
    }
}

fn sentence(name: &str, check: &Check) -> String {
    match check.figure.is_empty() {
        true => name.to_owned(),
        false => format!("{name}: {}", check.figure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_node_is_starting_from_the_first_moment_and_ready_when_nothing_is_missing() {
        let readiness = Readiness::default();
        assert_eq!(readiness.report().brief(), "starting\n");
        readiness.starting("opening the store");
        assert_eq!(readiness.reasons(), ["starting: opening the store"]);
        readiness.started();
        assert_eq!(readiness.report().brief(), "ready\n");
        assert_eq!(readiness.report().verbose(), "ready\n");
    }

    #[test]
    fn checks_are_asked_anew_each_time_and_a_note_keeps_nobody_out() {
        let readiness = Readiness::default();
        readiness.started();
        let links = Arc::new(AtomicUsize::new(0));
        let up = Arc::clone(&links);
        readiness.ask("links", move || match up.load(Ordering::Relaxed) {
            0 => Check::missing("no game server is linked"),
            1 => Check::noted("1 of 2; gs-b is down"),
            _ => Check::well("2 of 2"),
        });
        readiness.set("store", Check::well("answers"));
        assert_eq!(readiness.report().brief(), "links: no game server is linked\n");
        assert!(!readiness.report().is_ready());
        links.store(1, Ordering::Relaxed);
        assert_eq!(readiness.report().brief(), "ready\nlinks: 1 of 2; gs-b is down\n");
        assert!(readiness.report().is_ready());
        assert_eq!(
            readiness.report().verbose(),
            "[!] links: 1 of 2; gs-b is down\n[+] store: answers\nready\n"
        );
        links.store(2, Ordering::Relaxed);
        assert_eq!(readiness.report().brief(), "ready\n");
    }
}
