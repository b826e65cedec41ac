//! Established software beside ours, in the same run and with the same bytes: nginx's UDP relay beside the proxies of a
//! cluster, NATS beside the publication over links, and a frozen subscriber beside others in both. They speak in the
//! clear and know nothing of sessions, cells or budgets; ours seals every byte.

mod frozen;
mod nats;
mod nginx;
mod program;

use std::time::Duration;

use clap::Args;

use crate::cluster::{Part, Played, READY, SystemCalls};
use crate::figure::{Figure, publish};
use crate::live::{LiveCluster, ProgramOptions, SwarmOptions, Usage};
use crate::machine::Others;
use crate::pairs::Pairs;
use crate::publication::{self, Published};
use nats::{Frozen, Nats};
use nginx::Relay;
use program::Peers;

/// What is measured.
#[derive(Clone, Debug, Args)]
pub(crate) struct PeersOptions {
    #[command(flatten)]
    program: ProgramOptions,
    /// Players of the cluster, and clients of the relay
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=4000))]
    players: u32,
    /// Seconds of measuring of the cluster and of the relay
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..=100))]
    seconds: u16,
    /// Pairs of publication and NATS; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
}

/// Measures and publishes.
pub(crate) fn run(options: &PeersOptions) -> anyhow::Result<()> {
    let peers = Peers::find()?;
    let program = options.program.path()?;
    let others = Others::watch();
    let mut figures = relay(&peers, &program, options)?;
    figures.extend(publication(&peers, usize::from(options.pairs))?);
    figures.extend(frozen::figures(&program)?);
    publish("peers", figures, &others)
}

/// A client's message through the proxies of a cluster, and through nginx.
fn relay(peers: &Peers, program: &std::path::Path, options: &PeersOptions) -> anyhow::Result<Vec<Figure>> {
    let swarm = SwarmOptions {
        players: options.players,
        behaviour: "wander".to_owned(),
        sockets: 0,
        more: Vec::new(),
    };
    let mut cluster = LiveCluster::start(program, None, READY)?;
    let seconds = u64::from(options.seconds);
    let played = Played::take(program, &mut cluster, &swarm, seconds, SystemCalls::Left)?;
    drop(cluster);
    let load = played.load(&swarm)?;
    let relayed = Relay::start(peers, &load)?.measure(Duration::from_secs(seconds))?;
    // A player tick is two messages of a client.
    let proxies = |count: fn(&Usage) -> f64| -> anyhow::Result<f64> {
        Ok(played.per_player_tick(Part::Proxies, count)? / 2.0)
    };
    let text = format!(
        "CPU of both proxies per message of one of {} wandering players, input or snapshot, sealed; bare: nginx relays \
         datagrams of the same sizes at the same rates in the clear",
        options.players
    );
    let mut cpu = Figure::alone("peers-relay-cpu", text, "us", proxies(|usage| usage.cpu_s * 1e6)?);
    cpu.set_beside(relayed.cpu_us);
    cpu.goal = Some(1.0);
    cpu.detail("input, bytes", f64::from(load.input_bytes));
    cpu.detail("snapshot, bytes", f64::from(load.snapshot_bytes));
    cpu.detail("relayed of what was sent, share", relayed.share);
    let text = "voluntary context switches of both proxies per message; bare: of nginx".to_owned();
    let mut wakeups = Figure::alone(
        "peers-relay-wakeups",
        text,
        "switches",
        proxies(|usage| usage.wakeups as f64)?,
    );
    wakeups.set_beside(relayed.wakeups);
    Ok(vec![cpu, wakeups])
}

/// An update through our links, and the same bytes through NATS.
fn publication(peers: &Peers, pairs: usize) -> anyhow::Result<Vec<Figure>> {
    let mut ours = Published::connect()?;
    let update_bytes = ours.update_bytes();
    let mut nats = Nats::start(peers, update_bytes, Frozen::Nobody)?;
    let mut with_frozen = Nats::start(peers, update_bytes, Frozen::One)?;
    let mut frozen = Pairs::default();
    let measured = Pairs::take(pairs, || {
        let sealed = ours.sample()?;
        let clear = nats.sample()?;
        frozen.push(with_frozen.sample()?, clear);
        Ok((sealed, clear))
    })?;
    let text = format!(
        "CPU of all processes per million sealed updates delivered, {}; bare: the same bytes through NATS in the clear",
        publication::SCENE
    );
    let mut ours = Figure::paired("peers-publication", text, "s", &measured);
    ours.goal = Some(1.0);
    let text = "CPU of all processes per million updates that NATS delivers while one more subscriber of everything \
                stands still; bare: without it"
        .to_owned();
    let frozen = Figure::paired("peers-frozen-nats", text, "s", &frozen);
    Ok(vec![ours, frozen])
}
