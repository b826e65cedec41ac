//! How long players wait when something dies under them: a game server that another one replaces, one that comes back to its file, the
//! database. Real processes on this machine, the swarm's oracle beside them.

mod commits;
mod scene;

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::figure::{Figure, publish};
use crate::live::{ProgramOptions, SwarmReport};
use crate::machine::Others;
use scene::Scene;

/// Half of the players play again after so long, milliseconds.
const MEDIAN_GOAL_MS: f64 = 700.0;
/// Of a hundred players all but one play again after so long, milliseconds.
const P99_GOAL_MS: f64 = 2_000.0;
/// A server that is frozen past its lease, milliseconds.
const FROZEN_GOAL_MS: f64 = 5_000.0;

/// Half of a dead proxy's players play again elsewhere after so long, milliseconds.
const PROXY_MEDIAN_GOAL_MS: f64 = 500.0;
/// All but one in a hundred of them, milliseconds.
const PROXY_P99_GOAL_MS: f64 = 1_500.0;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Event {
    /// A game server is killed (SIGKILL), and another one takes its region over; on PostgreSQL
    Kill,
    /// A game server is frozen past its lease and goes on later (SIGSTOP, SIGCONT); on PostgreSQL
    Freeze,
    /// A game server is killed and started again at once; on SQLite
    Restart,
    /// PostgreSQL is away for ten seconds
    Away,
    /// PostgreSQL's primary is killed and its synchronous standby promoted
    Promote,
    /// A proxy is killed (SIGKILL), and its players go to the other one
    KillProxy,
    /// A proxy is frozen and goes on later (SIGSTOP, SIGCONT)
    FreezeProxy,
}

impl Event {
    /// Whether it happens to a proxy.
    fn is_of_proxy(self) -> bool {
        matches!(self, Self::KillProxy | Self::FreezeProxy)
    }
}

/// What is measured.
#[derive(Clone, Debug, Args)]
pub(crate) struct TakeoverOptions {
    #[command(flatten)]
    program: ProgramOptions,
    /// What happens
    #[arg(long, value_enum, default_value_t = Event::Kill)]
    event: Event,
    /// How often it happens; a database is promoted once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    times: u16,
    /// Players
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    players: u32,
    /// From one time to the next, seconds
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(8..=600))]
    every: u16,
}

/// Measures and publishes.
pub(crate) fn run(options: &TakeoverOptions) -> anyhow::Result<()> {
    let others = Others::watch();
    let event = options.event;
    let times = if event == Event::Promote { 1 } else { options.times };
    let every = Duration::from_secs(options.every.into());
    let mut scene = Scene::start(
        &options.program.path()?,
        event,
        options.players,
        every * u32::from(times),
    )?;
    for time in 0..times {
        scene.happen(time, every)?;
    }
    let commits = scene.longest_without_commit();
    let report = scene.end()?;
    for incident in report.incidents() {
        program::note(incident);
    }
    let word = event
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned());
    let figures = Figures {
        event,
        word: &word,
        players: options.players,
        times,
        report: &report,
    };
    publish(&format!("takeover-{word}"), figures.all(commits)?, &others)
}

/// From what the swarm says to what is published.
struct Figures<'a> {
    event: Event,
    word: &'a str,
    players: u32,
    times: u16,
    report: &'a SwarmReport,
}

impl Figures<'_> {
    fn all(&self, without_commit: Option<Duration>) -> anyhow::Result<Vec<Figure>> {
        let mut figures = match self.event {
            Event::Kill => self.gaps(MEDIAN_GOAL_MS, P99_GOAL_MS)?,
            Event::Restart => self.gaps(P99_GOAL_MS, P99_GOAL_MS)?,
            Event::Freeze | Event::FreezeProxy => self.gaps(FROZEN_GOAL_MS, FROZEN_GOAL_MS)?,
            Event::KillProxy => self.gaps(PROXY_MEDIAN_GOAL_MS, PROXY_P99_GOAL_MS)?,
            Event::Away | Event::Promote => Vec::new(),
        };
        if let Some(longest) = without_commit {
            let text = "longest time in which nothing was written to the database";
            figures.push(self.figure("no-commit", text, "s", longest.as_secs_f64()));
        }
        let text = "longest time between two own states of any player";
        let longest = self.report.number("own_state_gap_ms.max")?;
        let mut figure = self.figure("own-gap", text, "ms", longest);
        for path in [
            "own_state_gap_ms.p99",
            "ack_ms.p99",
            "commands.durable.applied",
            "commands.durable.lost",
            "commands.durable.duplicated",
            "commands.soft.lost",
            "continuity.bodies_lost",
            "continuity.connections_lost",
            "continuity.identities_changed",
            "continuity.stalls",
            "disconnects",
            "resumes",
        ] {
            figure.detail(path, self.report.number(path)?);
        }
        figure.detail("verdict ok", f64::from(u8::from(self.report.verdict() == "ok")));
        figures.push(figure);
        Ok(figures)
    }

    /// How long the players of what died waited, over all of them and all times.
    fn gaps(&self, median_goal_ms: f64, p99_goal_ms: f64) -> anyhow::Result<Vec<Figure>> {
        let (gap, whose) = if self.event.is_of_proxy() {
            ("resume_gap_ms", "who goes to another proxy")
        } else {
            ("takeover_gap_ms", "whose region goes to another server")
        };
        let mut figures = Vec::new();
        for (name, text, goal) in [
            ("p50", "median", median_goal_ms),
            ("p99", "99th percentile", p99_goal_ms),
        ] {
            let text = format!("{text} of how long a player waits {whose}");
            let mut figure = self.figure(name, &text, "ms", self.report.number(&format!("{gap}.{name}"))?);
            figure.goal = Some(goal);
            figure.detail("longest, ms", self.report.number(&format!("{gap}.max"))?);
            figures.push(figure);
        }
        Ok(figures)
    }

    fn figure(&self, what: &str, text: &str, unit: &'static str, value: f64) -> Figure {
        let (players, times, word) = (self.players, self.times, self.word);
        let sentence =
            format!("{text}; {word}, {times} times, {players} players, everything on this machine");
        Figure::alone(&format!("takeover-{word}-{what}"), sentence, unit, value)
    }
}
