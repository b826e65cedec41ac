//! Hours of play, not of speed: players come and go in rounds while nodes are killed and frozen beside them. The nodes that nothing
//! is done to have to be as large at the end as in the middle, and so has the store; every round has its oracle.

mod sizes;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use nix::sys::signal::Signal;
use program::{note, say};

use crate::figure::{Figure, publish};
use crate::live::{LiveCluster, ProgramOptions, Swarm, SwarmOptions};
use crate::machine::Others;
use sizes::{Sizes, Trend};

/// How long nodes may take to become ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the swarm plays before something happens.
const REST: Duration = Duration::from_secs(5);
/// How long a proxy is frozen: its players have given it up by then.
const FROZEN: Duration = Duration::from_secs(6);
/// Nothing is done to these, so they see all that comes and goes.
const WITNESSES: [&str; 3] = ["gs-c", "gs-d", "edge-2"];

/// What is tried.
#[derive(Clone, Debug, Args)]
pub(crate) struct SoakOptions {
    #[command(flatten)]
    program: ProgramOptions,
    /// How long, minutes
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    minutes: u16,
    /// Players of each round; all of them are new
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    players: u32,
    /// How long a round plays, seconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(20..=3600))]
    round: u16,
}

/// What happens in a round.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Nothing,
    KillServer(&'static str),
    KillProxy,
    FreezeProxy,
}

/// In this order, again and again.
const BLOWS: [Blow; 5] = [
    Blow::Nothing,
    Blow::KillServer("gs-a"),
    Blow::KillProxy,
    Blow::KillServer("gs-b"),
    Blow::FreezeProxy,
];

impl Blow {
    /// What the swarm is told to expect.
    fn faults(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::KillServer(_) => "servers",
            Self::KillProxy | Self::FreezeProxy => "proxies",
        }
    }

    fn strike(self, cluster: &mut LiveCluster) -> anyhow::Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::KillServer(name) => {
                cluster.kill(name)?;
                cluster.restart(name)
            }
            Self::KillProxy => {
                cluster.kill("edge-1")?;
                cluster.restart("edge-1")
            }
            Self::FreezeProxy => {
                cluster.signal("edge-1", Signal::SIGSTOP)?;
                thread::sleep(FROZEN);
                cluster.signal("edge-1", Signal::SIGCONT)
            }
        }
    }
}

/// Plays for so long, publishes, and fails if anything was lost or has grown.
pub(crate) fn run(options: &SoakOptions) -> anyhow::Result<()> {
    let others = Others::watch();
    let program = options.program.path()?;
    let mut cluster = LiveCluster::start(&program, None, PATIENCE)?;
    let until = Instant::now() + Duration::from_secs(60 * u64::from(options.minutes));
    let (mut trend, mut wrong) = (Trend::default(), Vec::new());
    for round in 1.. {
        let blow = BLOWS[round % BLOWS.len()];
        let verdict = play(&program, &mut cluster, blow, options)?;
        if verdict != "ok" {
            wrong.push(format!("round {round} ({blow:?}): {verdict}"));
        }
        let sizes = Sizes::take(&mut cluster, &WITNESSES)?;
        say(format_args!("round {round:>4}, {blow:?}: {verdict}; {sizes}"));
        trend.push(sizes);
        if Instant::now() >= until {
            break;
        }
    }
    publish("soak", figures(&trend), &others)?;
    wrong.extend(trend.complaints());
    for what in &wrong {
        note(what);
    }
    ensure!(wrong.is_empty(), "{} things are wrong", wrong.len());
    Ok(())
}

/// One round: new players come, something happens, everybody is counted and leaves. The swarm's verdict.
fn play(
    program: &Path,
    cluster: &mut LiveCluster,
    blow: Blow,
    options: &SoakOptions,
) -> anyhow::Result<String> {
    let swarm_options = SwarmOptions {
        players: options.players,
        behaviour: "wander".to_owned(),
        sockets: 0,
        more: vec![format!("--faults={}", blow.faults())],
    };
    let seconds = u64::from(options.round);
    let swarm = Swarm::start(program, cluster.join_file()?, &swarm_options, seconds)?;
    swarm.wait_for_measuring()?;
    thread::sleep(REST);
    blow.strike(cluster)
        .with_context(|| format!("{blow:?} could not be done"))?;
    let report = swarm.report()?;
    for incident in report.incidents().take(3) {
        note(incident);
    }
    Ok(report.verdict().to_owned())
}

/// The last third of the rounds beside the middle one.
fn figures(trend: &Trend) -> Vec<Figure> {
    let grown = trend.grown();
    let figures = grown.into_iter().map(|grown| {
        let what = format!(
            "the most {} of the last third of {} rounds; bare: of the middle third",
            grown.what,
            trend.len()
        );
        let mut figure = Figure::alone(&format!("soak-{}", grown.name), what, grown.unit, grown.last);
        figure.set_beside(grown.middle);
        figure
    });
    figures.collect()
}
