//! What the store costs under a thousand players at borders: four game servers' batches against one file, each with the
//! threads of its own, beside the same statements on one bare connection.
//!
//! An open loop at a fixed pace, as servers ask at each tick: what is measured is the CPU of a second, not a throughput.

mod bare;
#[cfg(feature = "postgres")]
pub(crate) mod databases;
mod servers;

use std::time::Duration;

use crate::clocks::process_cpu_ns;
use crate::figure::{Figure, publish};
use crate::machine::Others;
use crate::pairs::Pairs;
use bare::BareFile;
use servers::{Latencies, Servers};

/// Game servers, each with a store of its own on the one file.
const SERVERS: u16 = 4;
/// Players of each.
const PLAYERS: u64 = 250;
/// Ticks of a second.
const TICK_HZ: u32 = 20;
/// Handovers of each server and tick: every player crosses about every two seconds.
const PASSES: u64 = 6;
/// Rows read at each tick by who expects or doubts somebody.
const LOADS: u64 = 12;
/// Lists of holdings read.
const HOLDINGS: u64 = 12;
/// Durable commands.
const COMMITS: u64 = 2;
/// Soft saves: everybody's once a second, in a tick of their own.
const SAVES: u64 = PLAYERS;
/// Bytes of a player's state.
const STATE_BYTES: usize = 300;
/// Seconds of one sample.
const SAMPLE_S: u32 = 5;

/// Requests of a server in a second, rows of saves counted one by one.
const REQUESTS_PER_S: u64 = (PASSES + LOADS + HOLDINGS + COMMITS) * TICK_HZ as u64 + SAVES;

/// Measures and publishes; `pairs` pairs.
pub(crate) fn run(pairs: usize) -> anyhow::Result<()> {
    let others = Others::watch();
    let folder = tempfile::tempdir_in(".")?;
    let mut servers = Servers::start(&folder.path().join("store.sqlite"))?;
    let mut bare = BareFile::new(&folder.path().join("bare.sqlite"))?;
    servers.play(1)?;
    let mut latencies = Latencies::default();
    let measured = Pairs::take(pairs, || {
        let before = process_cpu_ns();
        latencies = servers.play(SAMPLE_S)?;
        let store_ns = process_cpu_ns() - before;
        let before = process_cpu_ns();
        bare.play(SAMPLE_S)?;
        let bare_ns = process_cpu_ns() - before;
        let percent = |ns: u64| ns as f64 / f64::from(SAMPLE_S) / 1e7;
        Ok((percent(store_ns), percent(bare_ns)))
    })?;
    let requests = REQUESTS_PER_S * u64::from(SERVERS);
    let what = format!(
        "CPU of the store at {requests} requests a second from {SERVERS} servers, soft saves counted by rows; bare: the \
         same statements on one connection, in the same transactions"
    );
    let mut figure = Figure::paired("store", what, "percent of a core", &measured);
    let per_request = measured.figure() * 1e4 / requests as f64;
    figure.detail("per request, us of CPU", per_request);
    for (kind, [p50, p99, worst]) in latencies.summary() {
        figure.detail(format!("{kind}, p50 ms"), p50);
        figure.detail(format!("{kind}, p99 ms"), p99);
        figure.detail(format!("{kind}, worst ms"), worst);
    }
    publish("store", vec![figure], &others)
}

/// How long a tick is.
fn period() -> Duration {
    Duration::from_secs(1) / TICK_HZ
}
