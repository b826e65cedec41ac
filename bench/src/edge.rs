//! What one player costs a proxy's shard per tick, one sealed input in and one sealed snapshot out, beside what the
//! kernel alone takes for the same datagrams.
//!
//! In lock step: all clients send, the shard sweeps, the region ticks, the shard composes and sends, all clients
//! receive. So both sides of the comparison work on full batches, and no wake-up and no neighbour enters the figure.

mod clients;
mod laps;
mod shard;
mod stage;

use protocol::datagram::{ConnectionId, DatagramKind, DatagramOpener, DatagramSealer};
use protocol::keys::{DatagramSecret, Direction, Prk};

use crate::clocks::thread_cpu_ns;
use crate::figure::{Figure, publish};
use crate::machine::Others;
use crate::pairs::Pairs;
use clients::Arrivals;
use laps::{Lap, Laps};
use stage::Stage;

/// Ticks before anything is measured: first keyframes and growing buffers.
const WARM_UP_TICKS: usize = 60;
/// Ticks of one sample: a whole number of keyframe periods (2 s).
const SAMPLE_TICKS: usize = 80;
/// The ratio to be reached.
const GOAL: f64 = 1.5;

/// What several ticks took and brought.
#[derive(Default)]
struct Sample {
    cpu_ns: u64,
    decode_ns: u64,
    region_ns: u64,
    laps: Laps,
    arrivals: Vec<Arrivals>,
}

impl Sample {
    fn player_ticks(&self) -> f64 {
        self.arrivals.iter().map(|tick| tick.sizes.len()).sum::<usize>() as f64
    }

    fn snapshot_bytes(&self) -> f64 {
        let bytes: usize = self.arrivals.iter().flat_map(|tick| &tick.sizes).sum();
        bytes as f64 / self.player_ticks()
    }

    /// A count of all arrivals, per snapshot.
    fn per_snapshot(&self, count: impl Fn(&Arrivals) -> usize) -> f64 {
        self.arrivals.iter().map(count).sum::<usize>() as f64 / self.player_ticks()
    }
}

/// Measures and publishes; `pairs` pairs at a shard of `players`.
pub(crate) fn run(players: usize, pairs: usize) -> anyhow::Result<()> {
    let others = Others::watch();
    let mut stage = Stage::set(players)?;
    sample(&mut stage, WARM_UP_TICKS)?;
    let mut last = Sample::default();
    let measured = Pairs::take(pairs, || {
        last = sample(&mut stage, SAMPLE_TICKS)?;
        let mut bare_ns = 0;
        for arrivals in &last.arrivals {
            bare_ns += stage.tick_bare(arrivals)?;
        }
        let player_ticks = last.player_ticks();
        Ok((
            last.cpu_ns as f64 / player_ticks / 1e3,
            bare_ns as f64 / player_ticks / 1e3,
        ))
    })?;
    let what = format!(
        "proxy CPU per player tick, {players} players at the shard, {} in the world, sealed both ways; bare: recvmmsg + \
         sendmmsg of the same sizes and counts",
        2 * players
    );
    let mut figure = Figure::paired(&name(players), what, "us", &measured);
    figure.goal = Some(GOAL);
    figure.detail("snapshot, bytes", last.snapshot_bytes());
    figure.detail("snapshot, cells", last.per_snapshot(|tick| tick.cells));
    figure.detail("snapshot, keyframes", last.per_snapshot(|tick| tick.keyframes));
    figure.detail(
        "snapshot, bytes of keyframes",
        last.per_snapshot(|tick| tick.keyframe_bytes),
    );
    figure.detail(
        "snapshot, bytes of deltas",
        last.per_snapshot(|tick| tick.delta_bytes),
    );
    figure.detail(
        "apart: region tick, us per player",
        last.region_ns as f64 / last.player_ticks() / 2e3,
    );
    figure.detail(
        "apart: link reader decodes cells, us",
        last.decode_ns as f64 / last.player_ticks() / 1e3,
    );
    stage.take_laps()?;
    let parts = sample(&mut stage, SAMPLE_TICKS)?;
    for (lap, part) in Lap::ALL {
        let us = parts.laps.spent_ns(lap) as f64 / parts.player_ticks() / 1e3;
        figure.detail(format!("part: {part}, us"), us);
    }
    let (open_us, seal_us) = crypto(last.snapshot_bytes() as usize)?;
    figure.detail("of which open alone, us", open_us);
    figure.detail("of which seal alone, us", seal_us);
    figure.detail("refused by the shard", stage.refused() as f64);
    publish(&figure.name.clone(), vec![figure], &others)
}

fn name(players: usize) -> String {
    format!("edge-{players}")
}

fn sample(stage: &mut Stage, ticks: usize) -> anyhow::Result<Sample> {
    let mut sample = Sample::default();
    for _ in 0..ticks {
        let ticked = stage.tick()?;
        sample.cpu_ns += ticked.cpu_ns;
        sample.decode_ns += ticked.decode_ns;
        sample.region_ns += ticked.region_ns;
        sample.laps += ticked.laps;
        sample.arrivals.push(ticked.arrivals);
    }
    Ok(sample)
}

/// What opening an input and sealing a snapshot take by themselves, microseconds.
fn crypto(snapshot_bytes: usize) -> anyhow::Result<(f64, f64)> {
    const ROUNDS: usize = 20_000;
    const INPUT_BYTES: usize = 30;
    let secret = || DatagramSecret::new(&Prk::extract(&[0; 32], b"bench"), Direction::InitiatorToResponder);
    let cid = ConnectionId([1; 8]);
    let (mut sealer, mut opener) = (
        DatagramSealer::new(secret(), cid, 0),
        DatagramOpener::new(secret(), cid, 0),
    );
    let mut inputs = vec![Vec::new(); ROUNDS];
    for input in &mut inputs {
        sealer.seal_onto(DatagramKind::Data, &[1; INPUT_BYTES], input, 0)?;
    }
    let before = thread_cpu_ns();
    for input in &mut inputs {
        opener.open(input, 0)?;
    }
    let open_ns = thread_cpu_ns() - before;
    let plain = vec![1; snapshot_bytes.saturating_sub(33)];
    let mut buffer = Vec::with_capacity(2 * snapshot_bytes);
    let before = thread_cpu_ns();
    for _ in 0..ROUNDS {
        buffer.clear();
        sealer.seal_onto(DatagramKind::Data, &plain, &mut buffer, 0)?;
    }
    let seal_ns = thread_cpu_ns() - before;
    Ok((
        open_ns as f64 / ROUNDS as f64 / 1e3,
        seal_ns as f64 / ROUNDS as f64 / 1e3,
    ))
}
