//! One run of the swarm against a cluster, and what each part of the whole used meanwhile.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;

use crate::floor::Load;
use crate::live::{Counter, LiveCluster, Processes, Role, Swarm, SwarmOptions, SwarmReport, Usage};

/// Between the swarm's first moment of measuring and ours, and between ours and its last.
const MARGIN: Duration = Duration::from_millis(250);
/// How long system calls are counted, seconds.
const COUNTING_S: u64 = 5;
/// How long the counters may take to start and to end, seconds.
const COUNTER_START_S: u64 = 2;

/// A part of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Proxies,
    Servers,
    Swarm,
}

impl Part {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 3] = [Self::Proxies, Self::Servers, Self::Swarm];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Proxies => "proxy",
            Self::Servers => "gameserver",
            Self::Swarm => "swarm",
        }
    }
}

/// Whether system calls are counted as well, for some seconds behind the ones in which everything else is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SystemCalls {
    Counted,
    Left,
}

/// What one run brought.
pub(crate) struct Played {
    usage: [Usage; 3],
    /// System calls per second, or why they were not counted.
    calls_per_s: Result<[f64; 3], String>,
    pub(crate) report: SwarmReport,
}

impl Played {
    /// Has the bots play for so many seconds once all are home.
    pub(crate) fn take(
        program: &Path,
        cluster: &mut LiveCluster,
        options: &SwarmOptions,
        seconds: u64,
        calls: SystemCalls,
    ) -> anyhow::Result<Self> {
        Self::take_with(cluster, (program, options, seconds), calls, |_| Ok(()))
    }

    /// The same, with a look of one's own at the cluster when measuring begins and when it ends.
    pub(crate) fn take_with(
        cluster: &mut LiveCluster,
        (program, options, seconds): (&Path, &SwarmOptions, u64),
        calls: SystemCalls,
        mut look: impl FnMut(&LiveCluster) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let more = match calls {
            SystemCalls::Counted => COUNTING_S + COUNTER_START_S,
            SystemCalls::Left => 0,
        };
        let swarm = Swarm::start(program, cluster.join_file()?, options, seconds + more)?;
        let parts = [
            cluster.processes(Role::Proxy)?,
            cluster.processes(Role::GameServer)?,
            swarm.processes(),
        ];
        swarm.wait_for_measuring()?;
        std::thread::sleep(MARGIN);
        look(cluster)?;
        let looks = [parts[0].look()?, parts[1].look()?, parts[2].look()?];
        std::thread::sleep(Duration::from_secs(seconds).saturating_sub(2 * MARGIN));
        let usage = [
            parts[0].since(&looks[0])?,
            parts[1].since(&looks[1])?,
            parts[2].since(&looks[2])?,
        ];
        look(cluster)?;
        let calls_per_s = match calls {
            SystemCalls::Counted => count_calls(&parts).map_err(|error| format!("{error:#}")),
            SystemCalls::Left => Err("not asked for".to_owned()),
        };
        Ok(Self {
            usage,
            calls_per_s,
            report: swarm.report()?,
        })
    }

    /// System calls of a part per player tick, or why they were not counted.
    pub(crate) fn calls(&self, part: Part) -> anyhow::Result<f64> {
        match &self.calls_per_s {
            Ok(calls) => Ok(calls[part as usize] / self.report.player_ticks_hz()?),
            Err(reason) => bail!("{reason}"),
        }
    }

    /// What a part used while we looked.
    pub(crate) fn usage(&self, part: Part) -> Usage {
        self.usage[part as usize]
    }

    /// A part's share of something, per player tick: per input and snapshot of a player, really sent and received.
    pub(crate) fn per_player_tick(&self, part: Part, count: impl Fn(&Usage) -> f64) -> anyhow::Result<f64> {
        let usage = self.usage(part);
        Ok(count(&usage) / (self.report.player_ticks_hz()? * usage.seconds))
    }

    /// The same of all parts together.
    pub(crate) fn of_all(&self, count: impl Fn(&Usage) -> f64 + Copy) -> anyhow::Result<f64> {
        Part::ALL
            .into_iter()
            .map(|part| self.per_player_tick(part, count))
            .sum()
    }

    /// The same players and the same mean sizes, for whoever is to carry the same.
    pub(crate) fn load(&self, options: &SwarmOptions) -> anyhow::Result<Load> {
        let mean = |bytes: &str, count: &str| -> anyhow::Result<u16> {
            let mean = self.report.number(bytes)? / self.report.number(count)?.max(0.001);
            Ok(mean.round().clamp(1.0, 1200.0) as u16)
        };
        Ok(Load {
            players: options.players,
            sockets: options.sockets,
            input_bytes: mean("bytes_per_player_s.up", "input_hz")?,
            snapshot_bytes: mean("bytes_per_player_s.down", "snapshot_hz")?,
        })
    }
}

/// System calls of each part per second, in the order of [`Part::ALL`].
fn count_calls(parts: &[Processes; 3]) -> anyhow::Result<[f64; 3]> {
    let counters = [
        Counter::start(&parts[0], COUNTING_S)?,
        Counter::start(&parts[1], COUNTING_S)?,
        Counter::start(&parts[2], COUNTING_S)?,
    ];
    let [proxies, servers, bots] = counters.map(Counter::finish);
    Ok([proxies?, servers?, bots?].map(|calls| calls as f64 / COUNTING_S as f64))
}
