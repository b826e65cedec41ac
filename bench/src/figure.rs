//! One measured figure: printed for people, and written as JSON for whoever compares runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::machine::{Machine, commit};
use crate::pairs::Pairs;

/// A figure beside its baseline. Lower is better.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    /// What was measured, in a sentence.
    pub(crate) what: String,
    pub(crate) figure: f64,
    pub(crate) unit: &'static str,
    pub(crate) baseline: f64,
    pub(crate) ratio: f64,
    /// The ratio aimed at; `None` where there is no goal yet.
    pub(crate) goal: Option<f64>,
    /// What other systems need for the same on this class of machine; never measured in this run.
    pub(crate) peers: BTreeMap<&'static str, f64>,
    /// Lowest and highest sample of the figure.
    pub(crate) spread: (f64, f64),
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
    pub(crate) fn new(name: &str, what: String, unit: &'static str, pairs: &Pairs) -> Self {
        let (figure, baseline, ratio) = (pairs.figure(), pairs.baseline(), pairs.ratio());
        Self {
            spread: pairs.spread(),
            baseline,
            ratio,
            ..Self::without_baseline(name, what, unit, figure)
        }
    }

    /// A figure that is a count, not a cost: there is nothing bare to set beside it.
    pub(crate) fn without_baseline(name: &str, what: String, unit: &'static str, figure: f64) -> Self {
        let arguments = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        Self {
            name: name.to_owned(),
            what,
            figure,
            unit,
            baseline: 0.0,
            ratio: 0.0,
            goal: None,
            peers: BTreeMap::new(),
            spread: (figure, figure),
            details: BTreeMap::new(),
            others: 0.0,
            machine: Machine::this(),
            commit: commit(),
            command: format!("cargo run --release -p bench -- {arguments}"),
            measured_at: net::clock::wall_ms() / 1000,
        }
    }

    pub(crate) fn detail(&mut self, what: impl Into<String>, value: f64) {
        self.details.insert(what.into(), value);
    }

    /// Prints the figure and writes it into the build directory.
    pub(crate) fn publish(&self) -> anyhow::Result<()> {
        let (low, high) = self.spread;
        println!("{}: {}", self.name, self.what);
        println!("  {:.3} {} [{low:.3} .. {high:.3}]", self.figure, self.unit);
        if self.baseline > 0.0 {
            let goal = self
                .goal
                .map_or_else(String::new, |goal| format!(", goal {goal}"));
            println!(
                "  bare {:.3} {}, ratio {:.2}{goal}",
                self.baseline, self.unit, self.ratio
            );
        }
        for (peer, value) in &self.peers {
            println!(
                "  for reference, not of this run: {peer} {value:.3} {}",
                self.unit
            );
        }
        for (what, value) in &self.details {
            println!("    {what:<44} {value:>12.3}");
        }
        println!(
            "  others used {:.0} % of the machine meanwhile",
            self.others * 100.0
        );
        let directory = directory();
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let path = directory.join(format!("{}.json", self.name));
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("  {}", path.display());
        Ok(())
    }
}

fn directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        PathBuf::from,
    );
    target.join("bench")
}
