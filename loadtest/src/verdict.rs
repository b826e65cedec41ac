//! What a run means: the conditions that hold for every run, and whose fault it is when one does not hold.

use serde::Serialize;

use crate::args::{Args, Faults};
use crate::nodes::NodeUse;
use crate::oracle::Findings;
use crate::threshold::{Comparison, Threshold};

/// Shorter runs say nothing about memory, seconds.
const MEMORY_RUN_S_MIN: f64 = 30.0;
/// Fewer snapshots per second and player than this are none.
const SNAPSHOT_HZ_MIN: f64 = 0.001;

/// What the run means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything holds.
    Ok,
    /// A threshold or the oracle is broken.
    Failed,
    /// The generator could not keep up: the numbers say nothing about the cluster.
    Invalid,
    /// A signal came before the time was up: the numbers are those of a part.
    Interrupted,
}

impl Verdict {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 99,
            Self::Invalid => 4,
            Self::Interrupted => 130,
        }
    }
}

/// What speaks against a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// It ended before its time was up.
    pub(crate) is_cut: bool,
    /// Some condition does not hold, or could not be looked into.
    pub(crate) is_broken: bool,
    /// Something was lost, doubled or in wrong hands.
    pub(crate) is_lossy: bool,
    /// The generator's inputs left late.
    pub(crate) is_late: bool,
}

impl Evidence {
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self { is_cut: true, .. } => Verdict::Interrupted,
            // What is lost is lost, however slow the generator was.
            Self { is_lossy: true, .. } => Verdict::Failed,
            Self { is_late: true, .. } => Verdict::Invalid,
            Self { is_broken: true, .. } => Verdict::Failed,
            Self { .. } => Verdict::Ok,
        }
    }
}

/// What must hold in every run, unless it is to be expected of what is done to the cluster on purpose.
pub(crate) fn conditions(
    args: &Args,
    seconds: f64,
    counted: Option<&Findings>,
    nodes: &[NodeUse],
) -> Vec<Threshold> {
    let mut names = continuity(args);
    if counted.is_some() {
        names.extend([
            "commands.durable.lost",
            "commands.durable.duplicated",
            "commands.durable.reordered",
            "commands.soft.duplicated",
            "commands.soft.reordered",
            "commands.unexplained",
            "holdings.lost",
            "holdings.doubled",
            "holdings.players_wrong",
            "holdings.contradictions",
            "population.entities_wrong",
        ]);
        if args.faults != Faults::Servers {
            names.push("commands.soft.lost");
        }
    }
    let mut conditions: Vec<Threshold> = names.iter().map(|name| Threshold::at_most(name, 0.0)).collect();
    // Who hears nothing finds nothing wrong.
    conditions.push(Threshold {
        comparison: Comparison::AtLeast,
        ..Threshold::at_most("snapshot_hz", SNAPSHOT_HZ_MIN)
    });
    if seconds >= MEMORY_RUN_S_MIN {
        let compared = nodes.iter().enumerate();
        for (place, _) in compared.filter(|(_, node)| node.memory_flat.is_some()) {
            conditions.push(Threshold {
                comparison: Comparison::Equal,
                ..Threshold::at_most(&format!("nodes.{place}.memory_flat"), 1.0)
            });
        }
    }
    conditions
}

/// Players are served without a break, as who they are, at the connection that they have.
fn continuity(args: &Args) -> Vec<&'static str> {
    let mut names = vec!["disconnects", "continuity.identities_changed"];
    if args.faults == Faults::None {
        names.extend(["continuity.stalls", "continuity.silent_regions"]);
    }
    if args.faults != Faults::Proxies {
        names.push("continuity.connections_lost");
    }
    if args.faults != Faults::Servers {
        names.push("continuity.bodies_lost");
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn only_its_own_lateness_is_the_generators_and_it_hides_no_loss() {
        let evidence = |is_broken, is_lossy, is_late| Evidence {
            is_broken,
            is_lossy,
            is_late,
            is_cut: false,
        };
        for (evidence, code) in [
            (evidence(false, false, false), 0),
            (evidence(true, false, false), 99),
            (evidence(true, true, true), 99),
            (evidence(true, false, true), 4),
            (evidence(false, false, true), 4),
        ] {
            assert_eq!(evidence.verdict().exit_code(), code, "{evidence:?}");
        }
    }

    #[test]
    fn an_interrupted_run_is_that_whatever_else_is_known_of_it() {
        for (is_broken, is_late) in [(false, false), (true, false), (false, true)] {
            let evidence = Evidence {
                is_cut: true,
                is_broken,
                is_late,
                ..Evidence::default()
            };
            assert_eq!(evidence.verdict(), Verdict::Interrupted);
        }
        assert_eq!(Verdict::Interrupted.exit_code(), 130);
    }

    #[test]
    fn what_is_done_on_purpose_is_no_finding_and_everything_else_is() {
        let names = |faults: &str| {
            let line = ["loadtest", "--join", "j", "--faults", faults];
            continuity(&Args::try_parse_from(line).unwrap())
        };
        assert_eq!(names("none").len(), 6);
        let proxies = names("proxies");
        assert!(proxies.contains(&"disconnects") && proxies.contains(&"continuity.bodies_lost"));
        assert!(!proxies.contains(&"continuity.connections_lost"));
        let servers = names("servers");
        assert!(servers.contains(&"continuity.connections_lost"));
        assert!(!servers.contains(&"continuity.bodies_lost") && !servers.contains(&"continuity.stalls"));
    }
}
