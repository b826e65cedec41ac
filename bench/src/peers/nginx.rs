//! nginx as a UDP relay between as many clients as players and one backend that answers each of them at every tick.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use net::udp::{BatchSocket, RecvBatch, SendBatch};
use protocol::limits::DATAGRAM_BYTES_MAX;

use super::program::{Peers, Running, free_udp};
use crate::floor::Load;
use crate::live::fresh_folder;

/// Between two inputs of a client, and two answers of the backend.
const TICK: Duration = Duration::from_millis(50);
/// Clients take turns within a tick: one turn a millisecond.
const TURNS: usize = 50;
/// How often the backend reads.
const SWEEP: Duration = Duration::from_millis(4);
/// Until everybody is known and buffers have grown.
const WARM_UP: Duration = Duration::from_secs(3);
/// Less than this relayed of what was sent would be another load than the cluster's.
const RELAYED_MIN: f64 = 0.95;

/// What a message of a client cost nginx.
pub(super) struct Relayed {
    pub(super) cpu_us: f64,
    pub(super) wakeups: f64,
    /// Messages that arrived of those that were sent.
    pub(super) share: f64,
}

/// nginx with everybody around it.
pub(super) struct Relay {
    nginx: Running,
    clients: Vec<UdpSocket>,
    backend: Backend,
    input: Vec<u8>,
    buffer: Vec<u8>,
    sent: u64,
    received: u64,
}

impl Relay {
    /// Starts nginx and the backend, and connects a client for each player of the load.
    pub(super) fn start(peers: &Peers, load: &Load) -> anyhow::Result<Self> {
        let backend = Backend::start(usize::from(load.snapshot_bytes))?;
        let listen = free_udp()?;
        let folder = fresh_folder(&std::env::temp_dir())?;
        let config = folder.join("nginx.conf");
        std::fs::write(&config, configuration(peers, &folder, listen, backend.address))?;
        let mut command = Command::new(&peers.nginx);
        let errors = folder.join("error.log");
        command
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&config)
            .arg("-e")
            .arg(&errors);
        let nginx = Running::start(&mut command, folder)?;
        let client = |_| -> anyhow::Result<UdpSocket> {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(listen)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        Ok(Self {
            nginx,
            clients: (0..load.players).map(client).collect::<anyhow::Result<_>>()?,
            backend,
            input: vec![7; usize::from(load.input_bytes)],
            buffer: vec![0; DATAGRAM_BYTES_MAX],
            sent: 0,
            received: 0,
        })
    }

    /// Plays for so long; what a relayed message, input or snapshot, cost.
    pub(super) fn measure(mut self, time: Duration) -> anyhow::Result<Relayed> {
        self.play(WARM_UP)?;
        let known = self.backend.clients.load(Ordering::Relaxed);
        ensure!(
            known == self.clients.len() as u64,
            "nginx has let only {known} of {} clients through",
            self.clients.len()
        );
        let before = (self.messages_sent(), self.messages_relayed());
        let processes = self.nginx.processes();
        let look = processes.look()?;
        self.play(time)?;
        let usage = processes.since(&look)?;
        let sent = (self.messages_sent() - before.0) as f64;
        let relayed = (self.messages_relayed() - before.1) as f64;
        let share = relayed / sent;
        ensure!(
            share >= RELAYED_MIN,
            "nginx relayed only {share:.3} of what was sent"
        );
        Ok(Relayed {
            cpu_us: usage.cpu_s * 1e6 / relayed,
            wakeups: usage.wakeups as f64 / relayed,
            share,
        })
    }

    fn messages_sent(&self) -> u64 {
        self.sent + self.backend.sent.load(Ordering::Relaxed)
    }

    fn messages_relayed(&self) -> u64 {
        self.received + self.backend.received.load(Ordering::Relaxed)
    }

    /// Every client sends once a tick, in its turn, and half a tick later reads what has come.
    fn play(&mut self, time: Duration) -> anyhow::Result<()> {
        self.nginx.check()?;
        let began = Instant::now();
        let mut turn = 0_u32;
        while began.elapsed() < time {
            turn += 1;
            let due = began + TICK / TURNS as u32 * turn;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.send_turn(turn as usize % TURNS)?;
            self.receive_turn((turn as usize + TURNS / 2) % TURNS)?;
        }
        Ok(())
    }

    fn send_turn(&mut self, turn: usize) -> anyhow::Result<()> {
        for client in self.clients.iter().skip(turn).step_by(TURNS) {
            client.send(&self.input).context("a client cannot send")?;
            self.sent += 1;
        }
        Ok(())
    }

    fn receive_turn(&mut self, turn: usize) -> anyhow::Result<()> {
        for client in self.clients.iter().skip(turn).step_by(TURNS) {
            loop {
                match client.recv(&mut self.buffer) {
                    Ok(_) => self.received += 1,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

/// One worker that logs nothing and relays to one place, in the clear.
fn configuration(peers: &Peers, folder: &std::path::Path, listen: SocketAddr, backend: SocketAddr) -> String {
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\nworker_rlimit_nofile 16000;\n\
         pid {folder}/nginx.pid;\nerror_log {folder}/error.log crit;\nload_module {module};\n\
         events {{ worker_connections 8192; }}\n\
         stream {{\n  access_log off;\n  server {{ listen {listen} udp; proxy_pass {backend}; proxy_timeout 60s; }}\n}}\n",
        folder = folder.display(),
        module = peers.stream_module.display(),
    )
}

/// Who answers: a thread that reads in sweeps and sends a snapshot's bytes to everybody it knows at every tick.
struct Backend {
    address: SocketAddr,
    clients: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Backend {
    fn start(snapshot_bytes: usize) -> anyhow::Result<Self> {
        let socket = BatchSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let mut backend = Self {
            address: socket.local_addr()?,
            clients: Arc::default(),
            received: Arc::default(),
            sent: Arc::default(),
            stop: Arc::default(),
            thread: None,
        };
        let (clients, received) = (Arc::clone(&backend.clients), Arc::clone(&backend.received));
        let (sent, stop) = (Arc::clone(&backend.sent), Arc::clone(&backend.stop));
        let answer = move || {
            let (mut known, mut last_tick) = (BTreeSet::new(), Instant::now());
            let (mut incoming, mut outgoing) = (RecvBatch::default(), SendBatch::default());
            let snapshot = vec![7; snapshot_bytes];
            while !stop.load(Ordering::Relaxed) {
                while socket.recv_batch(&mut incoming)? > 0 {
                    for (from, _) in incoming.datagrams_mut() {
                        known.insert(from);
                        received.fetch_add(1, Ordering::Relaxed);
                    }
                }
                clients.store(known.len() as u64, Ordering::Relaxed);
                if last_tick.elapsed() >= TICK {
                    last_tick += TICK;
                    for &to in &known {
                        outgoing.push(to, &snapshot);
                    }
                    sent.fetch_add(outgoing.flush(&socket).sent, Ordering::Relaxed);
                }
                std::thread::sleep(SWEEP);
            }
            Ok(())
        };
        backend.thread = Some(
            std::thread::Builder::new()
                .name("relay-backend".to_owned())
                .spawn(answer)?,
        );
        Ok(backend)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            program::note(format_args!("the relay's backend ended early: {error}"));
        }
    }
}
