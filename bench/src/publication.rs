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
use tokio::runtime::Runtime;

use crate::clocks::process_cpu_ns;
use crate::figure::{Figure, publish};
use crate::machine::Others;
use crate::pairs::Pairs;
use bare::BareStreams;
pub(crate) use bare::count_bytes;
use links::Links;

/// What is published to whom, for a reader.
pub(crate) const SCENE: &str = "64 regions to 4 subscribers of 16 each";
/// Subscribers, each of another quarter of the regions.
pub(crate) const SUBSCRIBERS: usize = 4;
/// Regions of each.
pub(crate) const REGIONS_EACH: usize = 16;
/// Updates of each region in a round.
pub(crate) const UPDATES_PER_REGION: usize = 16;
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

/// Publisher and subscribers over the real links, in this process.
pub(crate) struct Published {
    /// Keeps the dialers and the listener.
    _runtime: Runtime,
    links: Links,
    round: Vec<ServerToProxy>,
    frames_per_round: f64,
}

impl Published {
    /// Links them, and publishes until buffers have grown.
    pub(crate) fn connect() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let round = round();
        let mut links = runtime.block_on(Links::connect(SUBSCRIBERS))?;
        links.publish(&round, WARM_UP_ROUNDS)?;
        Ok(Self {
            _runtime: runtime,
            links,
            round,
            frames_per_round: 0.0,
        })
    }

    /// Seconds of CPU of the whole process per million updates delivered.
    pub(crate) fn sample(&mut self) -> anyhow::Result<f64> {
        let (before, frames) = (process_cpu_ns(), self.links.frames());
        self.links.publish(&self.round, SAMPLE_ROUNDS)?;
        let cpu_ns = process_cpu_ns() - before;
        let frames = (self.links.frames() - frames) as f64;
        self.frames_per_round = frames / (SAMPLE_ROUNDS * SUBSCRIBERS as u64) as f64;
        ensure!(frames > 0.0, "the links delivered no frame");
        Ok(per_million(cpu_ns))
    }

    /// What an update takes on a link before it is sealed, bytes.
    pub(crate) fn update_bytes(&self) -> usize {
        self.round_bytes() / self.round.len()
    }

    /// All updates of a round for one subscriber, bytes.
    fn round_bytes(&self) -> usize {
        self.round.iter().map(ServerToProxy::encoded_len).sum()
    }
}

/// Seconds per million updates of a sample.
fn per_million(cpu_ns: u64) -> f64 {
    cpu_ns as f64 / (SAMPLE_ROUNDS * ROUND) as f64 / 1e3
}

/// Measures and publishes; `pairs` pairs.
pub(crate) fn run(pairs: usize) -> anyhow::Result<()> {
    let others = Others::watch();
    let mut published = Published::connect()?;
    let round_bytes = published.round_bytes();
    let mut bare = BareStreams::connect(SUBSCRIBERS)?;
    let measured = Pairs::take(pairs, || {
        let sealed = published.sample()?;
        let portion = (round_bytes as f64 / published.frames_per_round) as usize;
        let before = process_cpu_ns();
        bare.publish(
            portion,
            round_bytes as u64 * SAMPLE_ROUNDS,
            2 * round_bytes as u64,
        )?;
        Ok((sealed, per_million(process_cpu_ns() - before)))
    })?;
    let what = format!(
        "CPU of all processes per million sealed updates of {CELL_BYTES} B delivered, {SCENE}; bare: the same bytes over TCP \
         in portions of the same size"
    );
    let mut figure = Figure::paired("publication", what, "s", &measured);
    figure.peers.insert("NATS in the clear, batches of 64", 0.88);
    figure.peers.insert("NATS in the clear, batches of 512", 0.83);
    figure.detail(
        "updates per frame",
        published.round.len() as f64 / published.frames_per_round,
    );
    figure.detail(
        "bytes per update on the link",
        round_bytes as f64 / published.round.len() as f64,
    );
    publish("publication", vec![figure], &others)
}
