//! One edge shard's thread: owns the socket, the core and the client queues. Its loop, in order of priority: datagrams
//! (a budget of them), what waits in the inbox, time, and then everything that came of it, in batches.
//!
//! With few sessions it wakes for each arrival; with many it looks at its socket on a cadence, because waking for each
//! packet costs more than handling it. With none it sleeps.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use net::clock::Monotonic;
use net::entropy::OsEntropy;
use net::udp::{BatchSocket, RecvBatch, SendBatch, SendReport, Waker};
use node::life::{Ended, Pulse};

use super::inbox::{Inbox, ShardInput};
use super::shard_effects::ShardEffects;
use super::shard_handle::ShardGauges;
use crate::edge::{DatagramSink, Edge, EdgeEffect, EdgeInput};

/// Full receives of one sweep: after that the inbox gets its turn.
const RECEIVES_MAX: usize = 16;
/// Datagrams collected before they are sent, so that they are still in the cache.
const SEND_EARLY: usize = 64;
/// Time moves at least this often while there are sessions, milliseconds.
const TICK_MS: u64 = 20;
/// … and this often while there are none, milliseconds.
const IDLE_MS: u64 = 1_000;
/// Up to so many sessions each arrival is handled at once.
const FEW_SESSIONS: usize = 8;
/// Between two looks at the gauges, milliseconds.
const GAUGES_MS: u64 = 250;

/// What a thread is made of.
pub(super) struct ShardThread {
    pub(super) edge: Edge,
    pub(super) socket: BatchSocket,
    pub(super) waker: Waker,
    pub(super) inbox: Arc<Inbox>,
    pub(super) effects: ShardEffects,
    pub(super) gauges: Arc<ShardGauges>,
    pub(super) clock: Monotonic,
    pub(super) sweep_us: u64,
}

impl ShardThread {
    /// Runs until the inbox is stopped.
    pub(super) fn run(self, pulse: &Pulse) -> Ended {
        Running::new(self).run(pulse)
    }
}

/// Collects datagrams and sends them 64 at a time.
struct SocketSink<'a> {
    batch: &'a mut SendBatch,
    socket: &'a BatchSocket,
    report: &'a mut SendReport,
}

impl DatagramSink for SocketSink<'_> {
    fn send(&mut self, to: std::net::SocketAddr, datagram: &[u8]) {
        self.batch.push(to, datagram);
        if self.batch.len() >= SEND_EARLY {
            *self.report += self.batch.flush(self.socket);
        }
    }
}

/// Metrics handles, looked up once.
struct Meters {
    received: metrics::Counter,
    sent: metrics::Counter,
    dropped: metrics::Counter,
    sweep: metrics::Histogram,
}

/// The thread at work: its parts, and buffers used over and over.
struct Running {
    parts: ShardThread,
    receive: RecvBatch,
    send: SendBatch,
    report: SendReport,
    inputs: Vec<ShardInput>,
    done: Vec<EdgeEffect>,
    entropy: OsEntropy,
    meters: Meters,
    swept_us: u64,
    ticked_ms: u64,
    gauged_ms: u64,
}

impl Running {
    fn new(parts: ShardThread) -> Self {
        Self {
            parts,
            receive: RecvBatch::default(),
            send: SendBatch::default(),
            report: SendReport::default(),
            inputs: Vec::new(),
            done: Vec::new(),
            entropy: OsEntropy,
            meters: Meters {
                received: metrics::counter!("regionmesh_proxy_datagrams_total", "direction" => "in"),
                sent: metrics::counter!("regionmesh_proxy_datagrams_total", "direction" => "out"),
                dropped: metrics::counter!("regionmesh_proxy_datagrams_dropped_total"),
                sweep: metrics::histogram!("regionmesh_proxy_sweep_seconds"),
            },
            swept_us: 0,
            ticked_ms: 0,
            gauged_ms: 0,
        }
    }

    fn run(mut self, pulse: &Pulse) -> Ended {
        pulse.begin_work();
        while self.sweep() {
            pulse.begin_wait();
            if let Err(error) = self.wait() {
                tracing::error!(%error, "a shard cannot wait on its socket");
                std::thread::sleep(Duration::from_millis(TICK_MS));
            }
            pulse.begin_work();
        }
        self.parts.gauges.set_sessions(0);
        self.parts.gauges.set_standing(0, 0);
        Ended::AsAsked
    }

    /// Sleeps until there is something to do.
    fn wait(&mut self) -> io::Result<()> {
        let sessions = self.parts.edge.sessions();
        let now_us = self.parts.clock.now_us();
        if sessions > FEW_SESSIONS {
            let rest_us = (self.swept_us + self.parts.sweep_us).saturating_sub(now_us);
            std::thread::sleep(Duration::from_micros(rest_us));
        }
        let every_ms = if sessions > 0 { TICK_MS } else { IDLE_MS };
        let due_ms = (self.ticked_ms + every_ms).saturating_sub(now_us / 1000);
        let timeout = Duration::from_millis(due_ms.max(1));
        self.parts.socket.wait(&self.parts.waker, Some(timeout))?;
        Ok(())
    }

    /// One round. `false`: the shard was told to stop, and has done what it had.
    fn sweep(&mut self) -> bool {
        self.swept_us = self.parts.clock.now_us();
        let now_ms = self.swept_us / 1000;
        self.receive(now_ms);
        let goes_on = self.take_inputs(now_ms);
        self.move_time(now_ms);
        self.report += self.send.flush(&self.parts.socket);
        self.parts.edge.take_effects(&mut self.done);
        self.parts.effects.execute(&mut self.done, now_ms);
        self.note(now_ms);
        goes_on
    }

    fn receive(&mut self, now_ms: u64) {
        let Self {
            parts,
            receive,
            send,
            report,
            entropy,
            ..
        } = self;
        let socket = &parts.socket;
        let mut sink = SocketSink {
            batch: send,
            socket,
            report,
        };
        for _ in 0..RECEIVES_MAX {
            let count = match socket.recv_batch(receive) {
                Ok(count) => count,
                Err(error) => return tracing::error!(%error, "a shard cannot receive"),
            };
            for (from, datagram) in receive.datagrams_mut() {
                parts
                    .edge
                    .handle_datagram(from, datagram, now_ms, entropy, &mut sink);
            }
            self.meters.received.increment(count as u64);
            if count < net::udp::BATCH_DATAGRAMS {
                return;
            }
        }
    }

    fn take_inputs(&mut self, now_ms: u64) -> bool {
        let Self {
            parts,
            send,
            report,
            inputs,
            ..
        } = self;
        let goes_on = parts.inbox.take(inputs);
        let mut sink = SocketSink {
            batch: send,
            socket: &parts.socket,
            report,
        };
        for input in inputs.drain(..) {
            let input = match input {
                ShardInput::Edge(input) => input,
                ShardInput::Arrival(arrival) => EdgeInput::Admit(parts.effects.arrive(arrival)),
                #[cfg(feature = "fault-injection")]
                #[expect(clippy::panic, reason = "what it is for")]
                ShardInput::Panic => panic!("told to"),
            };
            if let EdgeInput::ClientGone(session) = &input {
                parts.effects.gone(*session);
            }
            parts.edge.handle(input, now_ms, &mut sink);
        }
        goes_on
    }

    fn move_time(&mut self, now_ms: u64) {
        let Self {
            parts, send, report, ..
        } = self;
        let every_ms = if parts.edge.sessions() > 0 {
            TICK_MS
        } else {
            IDLE_MS
        };
        if now_ms >= self.ticked_ms + every_ms {
            self.ticked_ms = now_ms;
            let mut sink = SocketSink {
                batch: send,
                socket: &parts.socket,
                report,
            };
            parts.edge.tick(now_ms, &mut sink);
        }
    }

    fn note(&mut self, now_ms: u64) {
        let report = std::mem::take(&mut self.report);
        if report != SendReport::default() {
            self.meters.sent.increment(report.sent);
            self.meters
                .dropped
                .increment(report.dropped_full + report.dropped_refused);
        }
        let spent_us = self.parts.clock.now_us().saturating_sub(self.swept_us);
        self.meters.sweep.record(spent_us as f64 / 1e6);
        let (edge, gauges) = (&self.parts.edge, &self.parts.gauges);
        gauges.set_sessions(edge.sessions());
        // These two look at every session.
        if now_ms >= self.gauged_ms + GAUGES_MS {
            self.gauged_ms = now_ms;
            gauges.set_standing(edge.playing(), edge.suspended());
        }
    }
}
