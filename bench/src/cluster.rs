//! What a player tick costs in a whole cluster: four game servers and two proxies as real processes, the swarm beside
//! them, everything on this machine. Each role's CPU, wake-ups and system calls stand beside the bare floor of the same
//! run with the same number of players and datagrams of the same mean sizes.

mod find;
mod play;

use std::time::Duration;

use clap::Args;

use crate::figure::{Figure, publish};
use crate::floor::{Floor, Side};
use crate::live::{LiveCluster, ProgramOptions, SwarmOptions, Usage};
use crate::machine::Others;
pub(crate) use play::{Part, Played, SystemCalls};

/// How long the nodes may take to become ready.
pub(crate) const READY: Duration = Duration::from_secs(60);
/// Samples of the floor.
const FLOOR_SAMPLES: usize = 5;
/// Two ticks: what an acknowledgement may take at the 99th percentile, milliseconds.
const ACK_MS_MAX: f64 = 100.0;
/// Wake-ups of all processes per player tick that wanderers may cost.
const WAKEUPS_GOAL: f64 = 0.1;
/// A shard in the cluster may cost half as much again as in lock step, and that half as much again as the bare edge.
const PROXY_GOAL: f64 = 2.25;
/// Of the bare edge, as there is no bare game server.
const SERVER_WANDER_GOAL: f64 = 1.5;
const SERVER_BORDER_GOAL: f64 = 2.5;
/// Of the bare swarm.
const SWARM_GOAL: f64 = 2.0;

/// What is measured.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClusterOptions {
    #[command(flatten)]
    program: ProgramOptions,
    #[command(flatten)]
    swarm: SwarmOptions,
    /// Seconds of measuring, once all players are home
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=600))]
    seconds: u16,
    /// Looks for the number of players at which the 99th percentile of acknowledgements passes two ticks, beginning with
    /// --players
    #[arg(long)]
    find: bool,
}

/// Measures and publishes.
pub(crate) fn run(options: &ClusterOptions) -> anyhow::Result<()> {
    let program = options.program.path()?;
    let seconds = u64::from(options.seconds);
    if options.find {
        return find::run(&program, &options.swarm, seconds);
    }
    let others = Others::watch();
    let mut cluster = LiveCluster::start(&program, None, READY)?;
    let played = Played::take(
        &program,
        &mut cluster,
        &options.swarm,
        seconds,
        SystemCalls::Counted,
    )?;
    drop(cluster);
    let floor = Floor::measure(&played.load(&options.swarm)?, FLOOR_SAMPLES)?;
    let name = format!("cluster-{}-{}", options.swarm.behaviour, options.swarm.players);
    let figures = Figures {
        name: &name,
        options: &options.swarm,
        played: &played,
        floor: &floor,
    };
    publish(&name, figures.all()?, &others)
}

/// From what was measured to what is published.
struct Figures<'a> {
    name: &'a str,
    options: &'a SwarmOptions,
    played: &'a Played,
    floor: &'a Floor,
}

impl Figures<'_> {
    fn all(&self) -> anyhow::Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for part in Part::ALL {
            figures.push(self.cpu(part)?);
        }
        figures.push(self.cpu_of_all()?);
        for part in Part::ALL {
            figures.push(self.wakeups(part)?);
        }
        figures.push(self.wakeups_of_all()?);
        for part in Part::ALL {
            figures.push(self.calls(part));
        }
        figures.push(self.ack()?);
        figures.push(self.own_state_gap()?);
        figures.push(self.bytes()?);
        Ok(figures)
    }

    fn figure(&self, what: &str, text: &str, unit: &'static str, value: f64) -> Figure {
        let (players, behaviour) = (self.options.players, &self.options.behaviour);
        let sentence = format!("{text}; {players} players, {behaviour}, everything on this machine");
        Figure::alone(&format!("{}-{what}", self.name), sentence, unit, value)
    }

    /// What the floor says of a part; there is no bare game server, so it stands beside the bare edge.
    fn bare(&self, part: Part) -> &Side {
        match part {
            Part::Proxies | Part::Servers => &self.floor.edge,
            Part::Swarm => &self.floor.swarm,
        }
    }

    fn cpu(&self, part: Part) -> anyhow::Result<Figure> {
        let name = part.name();
        let us = self.played.per_player_tick(part, cpu_us)?;
        let text = format!("CPU of all {name} processes per player tick");
        let mut figure = self.figure(&format!("{name}-cpu"), &text, "us", us);
        figure.set_beside(self.bare(part).cpu_us.median());
        figure.goal = match (part, self.options.behaviour.as_str()) {
            (Part::Proxies, _) => Some(PROXY_GOAL),
            (Part::Swarm, _) => Some(SWARM_GOAL),
            (Part::Servers, "wander") => Some(SERVER_WANDER_GOAL),
            (Part::Servers, "border") => Some(SERVER_BORDER_GOAL),
            (Part::Servers, _) => None,
        };
        let usage = self.played.usage(part);
        figure.detail("cores kept busy", usage.cpu_s / usage.seconds);
        Ok(figure)
    }

    fn cpu_of_all(&self) -> anyhow::Result<Figure> {
        let us = self.played.of_all(cpu_us)?;
        let mut figure = self.figure("cpu", "CPU of all processes per player tick", "us", us);
        figure.set_beside(self.floor.edge.cpu_us.median() + self.floor.swarm.cpu_us.median());
        Ok(figure)
    }

    fn wakeups(&self, part: Part) -> anyhow::Result<Figure> {
        let (name, played) = (part.name(), &self.played);
        let text = format!("voluntary context switches of all {name} processes per player tick");
        let wakeups = played.per_player_tick(part, |usage| usage.wakeups as f64)?;
        let mut figure = self.figure(&format!("{name}-wakeups"), &text, "switches", wakeups);
        let preempted = played.per_player_tick(part, |usage| usage.preempted as f64)?;
        figure.detail("involuntary ones", preempted);
        Ok(figure)
    }

    fn wakeups_of_all(&self) -> anyhow::Result<Figure> {
        let wakeups = self.played.of_all(|usage| usage.wakeups as f64)?;
        let text = "voluntary context switches of all processes per player tick";
        let mut figure = self.figure("wakeups", text, "switches", wakeups);
        figure.goal = Some(WAKEUPS_GOAL);
        Ok(figure)
    }

    fn calls(&self, part: Part) -> Figure {
        let name = part.name();
        let text = format!("system calls of all {name} processes per player tick");
        let mut figure = self.figure(&format!("{name}-calls"), &text, "calls", 0.0);
        match self.played.calls(part) {
            Ok(calls) => figure.figure = Some(calls),
            Err(reason) => figure.not_measured(&format!("{reason:#}")),
        }
        figure.set_beside(self.bare(part).calls);
        figure
    }

    fn ack(&self) -> anyhow::Result<Figure> {
        let report = &self.played.report;
        let text = "99th percentile from when an input was due to its acknowledgement";
        let mut figure = self.figure("ack-p99", text, "ms", report.number("ack_ms.p99")?);
        figure.goal = Some(ACK_MS_MAX);
        for (what, path) in [
            ("p50, ms", "ack_ms.p50"),
            ("p99.9, ms", "ack_ms.p999"),
            ("swarm late p99, ms", "generator.late_ms_p99"),
            ("inputs per player and second", "input_hz"),
            ("snapshots per player and second", "snapshot_hz"),
            ("others in view, mean", "visible.mean"),
        ] {
            figure.detail(what, report.number(path)?);
        }
        // Nobody may be in view.
        if let Ok(age_ms) = report.number("nearest_age_ms.p99") {
            figure.detail("age of the nearest 32 p99, ms", age_ms);
        }
        figure.detail("verdict ok", f64::from(u8::from(report.verdict() == "ok")));
        Ok(figure)
    }

    fn own_state_gap(&self) -> anyhow::Result<Figure> {
        let report = &self.played.report;
        let text = "99th percentile between two own states";
        let value = report.number("own_state_gap_ms.p99")?;
        let mut figure = self.figure("own-gap-p99", text, "ms", value);
        figure.detail("longest, ms", report.number("own_state_gap_ms.max")?);
        // A crowd stands where nobody crosses.
        if let Ok(gap_ms) = report.number("crossing_gap_ms.p99") {
            figure.detail("at crossings p99, ms", gap_ms);
        }
        Ok(figure)
    }

    fn bytes(&self) -> anyhow::Result<Figure> {
        let report = &self.played.report;
        let down = report.number("bytes_per_player_s.down")?;
        let mut figure = self.figure("bytes-down", "bytes to a player per second", "B/s", down);
        figure.detail("from a player, B/s", report.number("bytes_per_player_s.up")?);
        Ok(figure)
    }
}

fn cpu_us(usage: &Usage) -> f64 {
    usage.cpu_s * 1e6
}
