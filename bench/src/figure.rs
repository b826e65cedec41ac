//! One measured figure: printed for people, and written as JSON for whoever compares runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use program::say;
use serde::Serialize;

use crate::machine::{Machine, Others, commit};
use crate::pairs::Pairs;

/// A figure, beside its baseline where there is one. Lower is better for every ratio.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    /// What was measured, in a sentence.
    pub(crate) what: String,
    /// `None` when it could not be measured; `reason` says why.
    pub(crate) figure: Option<f64>,
    pub(crate) reason: Option<String>,
    pub(crate) unit: &'static str,
    /// The same thing bare, in the same unit and the same run; `None` when there is nothing bare to set beside it.
    pub(crate) baseline: Option<f64>,
    pub(crate) ratio: Option<f64>,
    /// The ratio aimed at, or without a baseline the figure itself; `None` where there is no goal yet.
    pub(crate) goal: Option<f64>,
    /// What other systems need for the same on this class of machine; never measured in this run.
    pub(crate) peers: BTreeMap<&'static str, f64>,
    /// Lowest and highest sample of the figure.
    pub(crate) spread: Option<(f64, f64)>,
    /// More of the same run: where the figure comes from.
    pub(crate) details: BTreeMap<String, f64>,
    /// Share of the machine that other processes used meanwhile, 0 to 1.
    pub(crate) others: f64,
    pub(crate) machine: Machine,
    pub(crate) commit: String,
    pub(crate) command: String,
    /// Unix seconds.
    pub(crate) measured_at: u64,
}

impl Figure {
    /// From interleaved samples of a figure and its baseline.
    pub(crate) fn paired(name: &str, what: String, unit: &'static str, pairs: &Pairs) -> Self {
        Self {
            spread: Some(pairs.spread()),
            baseline: Some(pairs.baseline()),
            ratio: Some(pairs.ratio()),
            ..Self::alone(name, what, unit, pairs.figure())
        }
    }

    /// A figure with nothing bare beside it.
    pub(crate) fn alone(name: &str, what: String, unit: &'static str, figure: f64) -> Self {
        let arguments = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        Self {
            name: name.to_owned(),
            what,
            figure: Some(figure),
            reason: None,
            unit,
            baseline: None,
            ratio: None,
            goal: None,
            peers: BTreeMap::new(),
            spread: None,
            details: BTreeMap::new(),
            others: 0.0,
            machine: Machine::this(),
            commit: commit(),
            command: format!("cargo run --profile dist -p bench -- {arguments}"),
            measured_at: net::clock::wall_ms() / 1000,
        }
    }

    /// Sets the same thing bare beside it.
    pub(crate) fn set_beside(&mut self, baseline: f64) {
        self.baseline = Some(baseline);
        self.ratio = self.figure.map(|figure| figure / baseline);
    }

    /// There is no number, for this reason.
    pub(crate) fn not_measured(&mut self, reason: &str) {
        (self.figure, self.ratio) = (None, None);
        self.reason = Some(reason.to_owned());
    }

    pub(crate) fn detail(&mut self, what: impl Into<String>, value: f64) {
        self.details.insert(what.into(), value);
    }

    fn print(&self) {
        say(format_args!("{}: {}", self.name, self.what));
        let spread = self
            .spread
            .map_or_else(String::new, |(low, high)| format!(" [{low:.3} .. {high:.3}]"));
        let goal = self
            .goal
            .map_or_else(String::new, |goal| format!(", goal {goal:.3}"));
        match (self.figure, self.baseline.zip(self.ratio)) {
            (None, _) => say(format_args!(
                "  not measured: {}",
                self.reason.as_deref().unwrap_or("no reason")
            )),
            (Some(figure), None) => say(format_args!("  {figure:.3} {}{spread}{goal}", self.unit)),
            (Some(figure), Some((baseline, ratio))) => say(format_args!(
                "  {figure:.3} {unit}{spread}; bare {baseline:.3} {unit}, ratio {ratio:.2}{goal}",
                unit = self.unit
            )),
        }
        for (peer, value) in &self.peers {
            say(format_args!(
                "  for reference, not of this run: {peer} {value:.3} {}",
                self.unit
            ));
        }
        for (what, value) in &self.details {
            say(format_args!("    {what:<44} {value:>12.3}"));
        }
    }
}

/// Prints the figures of one benchmark and writes them into the build directory: one as an object, several as a list.
pub(crate) fn publish(name: &str, mut figures: Vec<Figure>, others: &Others) -> anyhow::Result<()> {
    let share = others.share();
    for figure in &mut figures {
        figure.others = share;
        figure.print();
    }
    say(format_args!(
        "others used {:.0} % of the machine meanwhile",
        share * 100.0
    ));
    let directory = directory();
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let path = directory.join(format!("{name}.json"));
    let json = match figures.as_slice() {
        [figure] => serde_json::to_vec_pretty(figure)?,
        several => serde_json::to_vec_pretty(several)?,
    };
    std::fs::write(&path, json).with_context(|| format!("cannot write {}", path.display()))?;
    say(path.display());
    Ok(())
}

pub(crate) fn directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        PathBuf::from,
    );
    target.join("bench")
}
