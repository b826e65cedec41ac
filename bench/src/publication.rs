//! What it costs to deliver sealed region updates: one publisher of 64 regions, four subscribers of 16 each, over the
//! real links, beside the same bytes over bare TCP, written and read in portions of the same size.
//!
//! A closed loop: the next round goes out when all but two rounds have arrived, so that both sides are always busy. All CPU of the process counts: publisher, subscribers, kernel.

mod bare;
mod links;

use anyhow::ensure;
use bytes::Bytes;
use protocol::message::family::{BatchMessage as _, ServerToProxy};
use protocol::message::subscription::CellUpdates;

use crate::clocks::process_cpu_ns;
use crate::figure::{Figure, publish};
use crate::machine::Others;
use crate::pairs::Pairs;
use bare::BareStreams;
use links::Links;

/// Subscribers, each of another quarter of the regions.
const SUBSCRIBERS: usize = 4;
/// Regions of each.
const REGIONS_EACH: usize = 16;
/// Updates of each region in a round.
const UPDATES_PER_REGION: usize = 16;
/// Bytes of one update's cell.
const CELL_BYTES: usize = 256;
/// Updates of all regions in a round.
const ROUND: u64 = (SUBSCRIBERS * REGIONS_EACH * UPDATES_PER_REGION) as u64;
/// Updates that may be under way.
const WINDOW: u64 = 2 * ROUND;
/// Rounds of one sample.
const SAMPLE_ROUNDS: u64 = 400;
const WARM_UP_ROUNDS: u64 = 50;

/// One round for one subscriber.
fn round() -> Vec<ServerToProxy> {
    let update = |region: usize| CellUpdates {
        region: region as u32 + 1,
        region_epoch: 1 << 48 | 7,
        tick: 100_000,
        server_time_ms: 1_700_000_000_000,
        cells: vec![Bytes::from_static(&[7; CELL_BYTES])],
    };
    let regions = (0..REGIONS_EACH).flat_map(|region| std::iter::repeat_n(region, UPDATES_PER_REGION));
    regions.map(|region| update(region).into()).collect()
}

/// Measures and publishes; `pairs` pairs.
pub(crate) fn run(pairs: usize) -> anyhow::Result<()> {
    let others = Others::watch();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let round = round();
    let round_bytes: usize = round.iter().map(ServerToProxy::encoded_len).sum();
    let mut links = runtime.block_on(Links::connect(SUBSCRIBERS))?;
    runtime.block_on(links.publish(&round, WARM_UP_ROUNDS))?;
    let mut bare = BareStreams::connect(SUBSCRIBERS)?;
    let mut frames_per_round = 0.0;
    let measured = Pairs::take(pairs, || {
        let (before, frames) = (process_cpu_ns(), links.frames());
        runtime.block_on(links.publish(&round, SAMPLE_ROUNDS))?;
        let sealed_ns = process_cpu_ns() - before;
        frames_per_round = (links.frames() - frames) as f64 / (SAMPLE_ROUNDS * SUBSCRIBERS as u64) as f64;
        ensure!(frames_per_round > 0.0, "the links delivered no frame");
        let portion = (round_bytes as f64 / frames_per_round) as usize;
        let before = process_cpu_ns();
        bare.publish(
            portion,
            round_bytes as u64 * SAMPLE_ROUNDS,
            2 * round_bytes as u64,
        )?;
        let bare_ns = process_cpu_ns() - before;
        let per_million = |ns: u64| ns as f64 / (SAMPLE_ROUNDS * ROUND) as f64 / 1e3;
        Ok((per_million(sealed_ns), per_million(bare_ns)))
    })?;
    let what = format!(
        "CPU of all processes per million sealed updates of {CELL_BYTES} B delivered, 64 regions to {SUBSCRIBERS} \
         subscribers of {REGIONS_EACH}; bare: the same bytes over TCP in portions of the same size"
    );
    let mut figure = Figure::paired("publication", what, "s", &measured);
    figure.peers.insert("NATS in the clear, batches of 64", 0.88);
    figure.peers.insert("NATS in the clear, batches of 512", 0.83);
    figure.detail("updates per frame", round.len() as f64 / frames_per_round);
    figure.detail(
        "bytes per update on the link",
        round_bytes as f64 / round.len() as f64,
    );
    publish("publication", vec![figure], &others)
}
