//! How large things are after a round, and whether they grow from one third of the rounds to the next.

use std::fmt;
use std::fs;

use anyhow::Context as _;

use crate::live::LiveCluster;

/// Memory may differ by a tenth and so much, MiB: what an allocator keeps goes up and down.
const MEMORY_SLACK_MIB: f64 = 8.0;
/// Descriptors come and go with connections that have not timed out yet.
const DESCRIPTORS_SLACK: f64 = 16.0;
/// Guests who left are forgotten after their ticket, so that a store is full only after a while; then it may still differ by so much.
const STORE_SLACK_MIB: f64 = 4.0;
/// With fewer rounds the thirds say nothing.
const ROUNDS_MIN: usize = 9;

/// After one round.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    /// Resident memory of each witness, MiB.
    memory_mib: Vec<(String, f64)>,
    /// Open descriptors of each witness.
    descriptors: Vec<(String, f64)>,
    /// The store with its log, MiB.
    store_mib: f64,
    /// Rows of players.
    players: f64,
}

impl Sizes {
    pub(super) fn take(cluster: &mut LiveCluster, witnesses: &[&str]) -> anyhow::Result<Self> {
        let (mut memory_mib, mut descriptors) = (Vec::new(), Vec::new());
        for name in witnesses {
            let pid = cluster.pid(name)?;
            memory_mib.push(((*name).to_owned(), resident_mib(pid)?));
            let open = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
            descriptors.push(((*name).to_owned(), open as f64));
        }
        let store = cluster.store_file()?;
        let mut bytes = 0;
        for end in ["", "-wal"] {
            let mut file = store.clone().into_os_string();
            file.push(end);
            bytes += fs::metadata(file).map_or(0, |file| file.len());
        }
        let report = ::store::sqlite::backup::check(&store).context("the store is not sound")?;
        Ok(Self {
            memory_mib,
            descriptors,
            store_mib: bytes as f64 / f64::from(1 << 20),
            players: report.players as f64,
        })
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((name, mib), (_, open)) in self.memory_mib.iter().zip(&self.descriptors) {
            write!(f, "{name} {mib:.0} MiB {open:.0} files, ")?;
        }
        write!(f, "store {:.1} MiB {:.0} players", self.store_mib, self.players)
    }
}

fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    Ok(kib.with_context(|| format!("process {pid} tells no memory"))? / 1024.0)
}

/// After all rounds so far.
#[derive(Debug, Default)]
pub(super) struct Trend(Vec<Sizes>);

/// One thing in the middle and at the end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grown {
    pub(super) name: String,
    pub(super) what: String,
    pub(super) unit: &'static str,
    pub(super) middle: f64,
    pub(super) last: f64,
    /// What the last may be at most.
    most: f64,
}

impl Trend {
    pub(super) fn push(&mut self, sizes: Sizes) {
        self.0.push(sizes);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Everything, beside what it was in the middle third.
    pub(super) fn grown(&self) -> Vec<Grown> {
        let Some(first) = self.0.first() else {
            return Vec::new();
        };
        let mut grown = Vec::new();
        for (place, (name, _)) in first.memory_mib.iter().enumerate() {
            let memory = |sizes: &Sizes| sizes.memory_mib.get(place).map_or(0.0, |(_, mib)| *mib);
            let open = |sizes: &Sizes| sizes.descriptors.get(place).map_or(0.0, |(_, open)| *open);
            grown.push(self.thirds(&format!("{name}-memory"), "MiB", memory, (1.1, MEMORY_SLACK_MIB)));
            grown.push(self.thirds(
                &format!("{name}-files"),
                "descriptors",
                open,
                (1.0, DESCRIPTORS_SLACK),
            ));
        }
        grown.push(self.thirds("store", "MiB", |sizes| sizes.store_mib, (1.25, STORE_SLACK_MIB)));
        grown.push(self.thirds("players", "rows", |sizes| sizes.players, (f64::INFINITY, 0.0)));
        grown
    }

    fn thirds(
        &self,
        name: &str,
        unit: &'static str,
        of: impl Fn(&Sizes) -> f64,
        (times, more): (f64, f64),
    ) -> Grown {
        let third = self.0.len() / 3;
        let most = |rounds: &[Sizes]| rounds.iter().map(&of).fold(0.0, f64::max);
        let (before, last) = self.0.split_at(self.0.len() - third);
        let middle = most(before.get(third..).unwrap_or_default());
        Grown {
            name: name.to_owned(),
            what: format!("{unit} of {name}"),
            unit,
            middle,
            last: most(last),
            most: middle * times + more,
        }
    }

    /// What has grown beyond what it may, in words.
    pub(super) fn complaints(&self) -> Vec<String> {
        if self.len() < ROUNDS_MIN {
            return vec![format!(
                "{} rounds say nothing about growth: at least {ROUNDS_MIN} are needed",
                self.len()
            )];
        }
        let grown = self.grown().into_iter().filter(|grown| grown.last > grown.most);
        let told = grown.map(|grown| {
            let Grown {
                name,
                unit,
                middle,
                last,
                most,
                ..
            } = grown;
            format!("{name} has grown from {middle:.1} to {last:.1} {unit}, and at most {most:.1} are fine")
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(memory: f64, files: f64, store: f64) -> Sizes {
        Sizes {
            memory_mib: vec![("gs-c".to_owned(), memory)],
            descriptors: vec![("gs-c".to_owned(), files)],
            store_mib: store,
            players: 1.0,
        }
    }

    fn trend(of: impl Fn(f64) -> Sizes) -> Trend {
        Trend((0..12).map(|round| of(f64::from(round))).collect())
    }

    #[test]
    fn what_goes_up_and_down_is_flat_and_what_only_goes_up_is_told() {
        let flat = trend(|round| sizes(40.0 + round % 3.0, 30.0 + round % 2.0, 2.0));
        assert_eq!(flat.complaints(), Vec::<String>::new());
        let warm = trend(|round| sizes(40.0 + 40.0 * round.min(4.0), 30.0, 2.0));
        assert_eq!(
            warm.complaints(),
            Vec::<String>::new(),
            "it is warm by the middle"
        );
        let told =
            trend(|round| sizes(40.0 + 8.0 * round, 30.0 + 10.0 * round, 2.0 + 3.0 * round)).complaints();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told[0].starts_with("gs-c-memory has grown from 96.0 to 128.0 MiB"),
            "{told:?}"
        );
    }

    #[test]
    fn a_few_rounds_are_no_verdict() {
        let few = Trend((0..8).map(|_| sizes(40.0, 30.0, 2.0)).collect());
        assert_eq!(few.complaints().len(), 1);
    }
}
