//! What a proxy that stands still costs the players of another one: half of the players enter at each of two proxies, and
//! the second is stopped (SIGSTOP) while those of the first are measured. The game servers go on publishing to it until
//! its links are given up.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::Signal;

use crate::cluster::READY;
use crate::figure::Figure;
use crate::live::{LiveCluster, Role, Swarm, SwarmOptions};

/// Players at each proxy: few enough that the machine has time to spare.
const PLAYERS: u32 = 300;
/// Seconds of measuring; the second proxy stands still from the first moment on.
const SECONDS: u64 = 15;
/// The second proxy's players play until they are ended.
const ENDLESS_S: u64 = 600;
/// What the others' percentiles may grow by: nothing but the noise of two runs.
const GOAL: f64 = 1.1;

/// What becomes of the second proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Second {
    Plays,
    Frozen,
}

/// What the first proxy's players saw, and what the game servers took.
struct Seen {
    ack_p99_ms: f64,
    own_gap_p99_ms: f64,
    servers_percent: f64,
}

/// Measures both and sets them side by side.
pub(super) fn figures(program: &Path) -> anyhow::Result<Vec<Figure>> {
    let plays = run(program, Second::Plays)?;
    let frozen = run(program, Second::Frozen)?;
    let figure = |name: &str, text: &str, unit, of: fn(&Seen) -> f64| {
        let text = format!(
            "{text}, {PLAYERS} wandering players at one of two proxies while the other one, with as many, stands still; \
             bare: while it plays"
        );
        let mut figure = Figure::alone(name, text, unit, of(&frozen));
        figure.set_beside(of(&plays));
        figure.goal = Some(GOAL);
        figure
    };
    let mut ack = figure("peers-frozen-ack", "ack p99", "ms", |seen| seen.ack_p99_ms);
    // Not a figure: the players of the frozen proxy play no more, which saves more than a frozen proxy costs.
    ack.detail("game servers, % of a core", frozen.servers_percent);
    ack.detail("the same while it plays", plays.servers_percent);
    let gap = |seen: &Seen| seen.own_gap_p99_ms;
    Ok(vec![
        ack,
        figure("peers-frozen-own-gap", "own-state gap p99", "ms", gap),
    ])
}

fn run(program: &Path, second: Second) -> anyhow::Result<Seen> {
    let mut cluster = LiveCluster::start(program, None, READY)?;
    let proxies = cluster.names(Role::Proxy)?;
    let [first, other] = proxies.as_slice() else {
        anyhow::bail!("the cluster does not have two proxies");
    };
    let swarm = |cluster: &LiveCluster, proxy: &str, seconds| {
        let options = SwarmOptions {
            players: PLAYERS,
            behaviour: "wander".to_owned(),
            sockets: 0,
            more: Vec::new(),
        };
        Swarm::start(program, &cluster.join_file_of(proxy)?, &options, seconds)
    };
    let others = swarm(&cluster, other, ENDLESS_S)?;
    others.wait_for_measuring()?;
    let measured = swarm(&cluster, first, SECONDS)?;
    measured.wait_for_measuring()?;
    if second == Second::Frozen {
        cluster.signal(other, Signal::SIGSTOP)?;
    }
    let servers = cluster.processes(Role::GameServer)?;
    let look = servers.look()?;
    std::thread::sleep(Duration::from_secs(SECONDS));
    let usage = servers.since(&look)?;
    drop(others);
    // The count at the end wants to hear from everybody.
    cluster.signal(other, Signal::SIGCONT)?;
    let report = measured
        .report()
        .with_context(|| format!("the players of {first} did not report"))?;
    Ok(Seen {
        ack_p99_ms: report.number("ack_ms.p99")?,
        own_gap_p99_ms: report.number("own_state_gap_ms.p99")?,
        servers_percent: 100.0 * usage.cpu_s / usage.seconds,
    })
}
