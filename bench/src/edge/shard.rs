//! The measured side: one edge shard on a thread of its own, with the calls that a proxy's shard thread makes. It works
//! in steps that are asked for, so that its CPU clock counts nothing else and a profile of the thread shows nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Context as _;
use net::entropy::OsEntropy;
use net::link_core::{Clear, LinkCore, LinkLife, LinkTime};
use net::udp::{BatchSocket, RecvBatch, SendBatch, SendReport};
use protocol::frame::PeerClock;
use protocol::message::family::{ProxyToServer, ServerToProxy};
use protocol::node_handshake::LinkTerms;
use proxy::edge::{DatagramSink, Edge, EdgeEffect, EdgeInput};

use super::laps::{Lap, Laps};
use crate::bare_socket::BareSocket;
use crate::clocks::thread_cpu_ns;

/// Datagrams collected before they are sent, as a proxy's shard does: so that they are still in the cache.
const SEND_EARLY: usize = 64;
/// How often a shard moves time between two ticks of the world: every 20 ms.
const CORE_TICKS: u64 = 3;

/// One step of the shard's work.
pub(super) enum Job {
    /// Receive what waits at the socket.
    Sweep { now_ms: u64 },
    /// Take what servers said, then move time, and send what comes of it.
    Hear { inputs: Vec<EdgeInput>, now_ms: u64 },
    /// The kernel's part of a sweep alone.
    SweepBare,
    /// The kernel's part of sending alone: these sizes to these addresses.
    SendBare { to: Vec<SocketAddr>, sizes: Vec<usize> },
    /// Measure the parts of a step from now on; that disturbs the whole a little.
    TakeLaps,
}

/// What a step ended in.
#[derive(Default)]
pub(super) struct Done {
    /// CPU of the step, nanoseconds.
    pub(super) cpu_ns: u64,
    pub(super) laps: Laps,
    pub(super) datagrams_in: usize,
    pub(super) sent: SendReport,
    /// Messages for the game server, in frames of its lane.
    pub(super) to_server: Vec<u8>,
    /// Everything else that the core wants done.
    pub(super) effects: Vec<EdgeEffect>,
}

/// The other side's handle of the shard's thread.
pub(super) struct ShardHandle {
    jobs: Sender<Job>,
    done: Receiver<anyhow::Result<Done>>,
}

impl ShardHandle {
    /// Starts the thread; it ends with the handle.
    pub(super) fn spawn(edge: Edge, socket: Arc<BatchSocket>) -> anyhow::Result<Self> {
        let (jobs, to_do) = channel();
        let (finished, done) = channel();
        std::thread::Builder::new()
            .name("edge-shard".to_owned())
            .spawn(move || {
                let mut shard = Shard::new(edge, socket);
                while let Ok(job) = to_do.recv() {
                    let done = shard.run(job);
                    let failed = done.is_err();
                    if finished.send(done).is_err() || failed {
                        return;
                    }
                }
            })?;
        Ok(Self { jobs, done })
    }

    /// Has a step done and waits for it.
    pub(super) fn run(&self, job: Job) -> anyhow::Result<Done> {
        self.jobs.send(job).ok().context("the shard has ended")?;
        self.done.recv().context("the shard has ended")?
    }
}

/// The arena of the batched send, as the core's sink.
struct SocketSink<'a> {
    batch: &'a mut SendBatch,
    socket: &'a BatchSocket,
    report: &'a mut SendReport,
    laps: &'a mut Laps,
    lap: Lap,
}

impl DatagramSink for SocketSink<'_> {
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.batch.push(to, datagram);
        if self.batch.len() >= SEND_EARLY {
            self.laps.end(self.lap);
            *self.report += self.batch.flush(self.socket);
            self.laps.end(Lap::Send);
        }
    }
}

/// A link that nothing ends.
fn life() -> LinkLife {
    LinkLife {
        terms: LinkTerms::default(),
        peer_clock: PeerClock { wall_ms: 0, at_ms: 0 },
        until_wall_ms: i64::MAX,
    }
}

struct Shard {
    edge: Edge,
    socket: Arc<BatchSocket>,
    received: RecvBatch,
    outgoing: SendBatch,
    /// The shard's lane, without its seal.
    to_server: LinkCore<ServerToProxy, ProxyToServer, Clear>,
    effects: Vec<EdgeEffect>,
    laps: Laps,
    bare: BareSocket,
}

impl Shard {
    fn new(edge: Edge, socket: Arc<BatchSocket>) -> Self {
        Self {
            edge,
            bare: BareSocket::new(Arc::clone(&socket)),
            socket,
            received: RecvBatch::default(),
            outgoing: SendBatch::default(),
            to_server: LinkCore::new(Clear::default(), life(), LinkTime::default()),
            effects: Vec::new(),
            laps: Laps::default(),
        }
    }

    fn run(&mut self, job: Job) -> anyhow::Result<Done> {
        let mut done = Done::default();
        match job {
            Job::Sweep { now_ms } => self.step(&mut done, |shard, done| shard.sweep(now_ms, done)),
            Job::Hear { inputs, now_ms } => {
                self.step(&mut done, |shard, done| shard.hear(inputs, now_ms, done));
            }
            Job::SweepBare => {
                let received = self.bare.receive()?;
                (done.datagrams_in, done.cpu_ns) = (received.datagrams, received.cpu_ns);
            }
            Job::SendBare { to, sizes } => done.cpu_ns = self.bare.send(&to, &sizes)?.cpu_ns,
            Job::TakeLaps => self.laps.switch_on(),
        }
        Ok(done)
    }

    fn step(&mut self, done: &mut Done, work: impl FnOnce(&mut Self, &mut Done)) {
        let before = thread_cpu_ns();
        self.laps.start();
        work(self, done);
        done.sent += self.outgoing.flush(&self.socket);
        self.laps.end(Lap::Send);
        self.carry_out(done);
        done.cpu_ns = thread_cpu_ns() - before;
        done.laps = self.laps.take();
        while !self.to_server.is_drained() {
            self.to_server.flush(LinkTime::default());
            done.to_server.extend_from_slice(self.to_server.unsent());
            self.to_server.wrote(self.to_server.unsent().len());
        }
    }

    fn sweep(&mut self, now_ms: u64, done: &mut Done) {
        while let Ok(count) = self.socket.recv_batch(&mut self.received) {
            self.laps.end(Lap::Receive);
            if count == 0 {
                break;
            }
            done.datagrams_in += count;
            let mut sink = SocketSink {
                batch: &mut self.outgoing,
                socket: &self.socket,
                report: &mut done.sent,
                laps: &mut self.laps,
                lap: Lap::Input,
            };
            for (from, datagram) in self.received.datagrams_mut() {
                self.edge
                    .handle_datagram(from, datagram, now_ms, &mut OsEntropy, &mut sink);
            }
            self.laps.end(Lap::Input);
        }
    }

    fn hear(&mut self, inputs: Vec<EdgeInput>, now_ms: u64, done: &mut Done) {
        let mut sink = SocketSink {
            batch: &mut self.outgoing,
            socket: &self.socket,
            report: &mut done.sent,
            laps: &mut self.laps,
            lap: Lap::Compose,
        };
        for input in inputs {
            let lap = match &input {
                EdgeInput::FromServer(..) => Lap::Outputs,
                EdgeInput::Cells(..) => Lap::Cells,
                _ => Lap::Compose,
            };
            self.edge.handle(input, now_ms, &mut sink);
            sink.laps.end(lap);
        }
        for _ in 0..CORE_TICKS {
            self.edge.tick(now_ms, &mut sink);
        }
        self.laps.end(Lap::Time);
    }

    fn carry_out(&mut self, done: &mut Done) {
        self.edge.take_effects(&mut self.effects);
        for effect in self.effects.drain(..) {
            match effect {
                EdgeEffect::ToServer(_, message) => {
                    self.to_server.push(&message);
                }
                other => done.effects.push(other),
            }
        }
        self.laps.end(Lap::Link);
    }
}
