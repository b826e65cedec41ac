//! NATS with one publisher and as many subscribers as the publication over links has, spoken raw and pipelined, so that no
//! client library's cost is charged to it; its subscribers count bytes and look at nothing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::program::{Peers, Running, free_tcp};
use crate::clocks::process_cpu_ns;
use crate::live::fresh_folder;
use crate::publication::{REGIONS_EACH, SUBSCRIBERS, UPDATES_PER_REGION, count_bytes};

/// Rounds of one sample.
const SAMPLE_ROUNDS: u64 = 400;
const WARM_UP_ROUNDS: u64 = 50;
/// Rounds that may be under way.
const WINDOW_ROUNDS: u64 = 2;
/// Bytes of one write of the publisher: about what a link's frame holds.
const WRITE_BYTES: usize = 96 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);
const HELLO: &[u8] =
    b"CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"raw\",\
                       \"version\":\"0\",\"protocol\":0}\r\nPING\r\n";

/// Whether one more subscriber of everything stands beside the others and never reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frozen {
    Nobody,
    One,
}

/// The server and everybody connected to it.
pub(super) struct Nats {
    publisher: TcpStream,
    /// What a round is on the wire.
    round: Vec<u8>,
    /// What the subscribers receive of a round.
    delivered_per_round: u64,
    received: Arc<AtomicU64>,
    published: u64,
    server: Running,
    address: SocketAddr,
    frozen: Frozen,
}

impl Nats {
    /// Starts a server; updates are of so many bytes each.
    pub(super) fn start(peers: &Peers, update_bytes: usize, frozen: Frozen) -> anyhow::Result<Self> {
        let address = free_tcp()?;
        let folder = fresh_folder(&std::env::temp_dir())?;
        let mut command = Command::new(&peers.nats);
        command
            .args(["-a", &address.ip().to_string(), "-p", &address.port().to_string()])
            .current_dir(&folder);
        let mut server = Running::start(&mut command, folder)?;
        server.wait_for_port(address)?;
        let received = Arc::new(AtomicU64::new(0));
        for subscriber in 0..SUBSCRIBERS {
            let first = subscriber * REGIONS_EACH;
            let stream = subscribe(address, first..first + REGIONS_EACH)?;
            let (received, publisher) = (Arc::clone(&received), std::thread::current());
            // Pings are bytes as well: a round seems complete a few of them early, which is nothing in millions.
            std::thread::Builder::new()
                .name("nats-reader".to_owned())
                .spawn(move || count_bytes(stream, &received, &publisher))?;
        }
        let mut nats = Self {
            publisher: connect(address)?,
            round: round(update_bytes),
            delivered_per_round: delivered_per_round(update_bytes),
            received,
            published: 0,
            server,
            address,
            frozen,
        };
        nats.publish(WARM_UP_ROUNDS)?;
        Ok(nats)
    }

    /// Seconds of CPU of all processes per million updates delivered.
    pub(super) fn sample(&mut self) -> anyhow::Result<f64> {
        let server = self.server.processes();
        // The system takes in for it what fits its buffer, as for a stopped process; NATS cuts it when more than 64 MiB
        // or 10 s have piled up, so each sample has a new one.
        let _frozen = match self.frozen {
            Frozen::Nobody => None,
            Frozen::One => Some(subscribe(self.address, 0..SUBSCRIBERS * REGIONS_EACH)?),
        };
        let (look, before) = (server.look()?, process_cpu_ns());
        self.publish(SAMPLE_ROUNDS)?;
        let own_s = (process_cpu_ns() - before) as f64 / 1e9;
        let server_s = server.since(&look)?.cpu_s;
        let updates = SAMPLE_ROUNDS as f64 * (SUBSCRIBERS * REGIONS_EACH * UPDATES_PER_REGION) as f64;
        Ok((own_s + server_s) * 1e6 / updates)
    }

    fn publish(&mut self, rounds: u64) -> anyhow::Result<()> {
        for _ in 0..rounds {
            self.wait_for((self.published + 1).saturating_sub(WINDOW_ROUNDS))?;
            for portion in self.round.chunks(WRITE_BYTES) {
                self.publisher.write_all(portion)?;
            }
            self.published += 1;
        }
        self.wait_for(self.published)
    }

    fn wait_for(&mut self, rounds: u64) -> anyhow::Result<()> {
        let since = Instant::now();
        while self.received.load(Ordering::Acquire) < rounds * self.delivered_per_round {
            self.server.check()?;
            ensure!(since.elapsed() < PATIENCE, "NATS lost updates");
            std::thread::park_timeout(Duration::from_secs(1));
        }
        Ok(())
    }
}

/// All updates of a round as the publisher writes them: each region's together, as its tick would.
fn round(update_bytes: usize) -> Vec<u8> {
    let (mut wire, payload) = (Vec::new(), vec![7; update_bytes]);
    for region in 0..SUBSCRIBERS * REGIONS_EACH {
        for _ in 0..UPDATES_PER_REGION {
            wire.extend_from_slice(format!("PUB {} {update_bytes}\r\n", subject(region)).as_bytes());
            wire.extend_from_slice(&payload);
            wire.extend_from_slice(b"\r\n");
        }
    }
    wire
}

/// What arrives of a round at all subscribers that read: every message is as long as every other.
fn delivered_per_round(update_bytes: usize) -> u64 {
    let head = format!("MSG {} {} {update_bytes}\r\n", subject(0), subscription(0));
    let message = head.len() + update_bytes + 2;
    (message * SUBSCRIBERS * REGIONS_EACH * UPDATES_PER_REGION) as u64
}

fn subject(region: usize) -> String {
    format!("region.{region:03}")
}

/// Three digits, so that messages are equally long.
fn subscription(region: usize) -> usize {
    region + 100
}

fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(HELLO)?;
    await_pong(&mut stream)?;
    Ok(stream)
}

fn subscribe(address: SocketAddr, regions: std::ops::Range<usize>) -> anyhow::Result<TcpStream> {
    let mut stream = connect(address)?;
    let mut wishes = String::new();
    for region in regions {
        wishes += &format!("SUB {} {}\r\n", subject(region), subscription(region));
    }
    wishes += "PING\r\n";
    stream.write_all(wishes.as_bytes())?;
    await_pong(&mut stream)?;
    Ok(stream)
}

/// Reads up to the answer to a ping: whatever was asked before has been done then.
fn await_pong(stream: &mut TcpStream) -> anyhow::Result<()> {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    while !said.ends_with(b"PONG\r\n") {
        let count = stream.read(&mut buffer).context("NATS does not answer")?;
        if count == 0 {
            bail!("NATS closes: {}", String::from_utf8_lossy(&said));
        }
        said.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The publisher's round and what is awaited of it agree: each message is told once, with its subscription.
    #[test]
    fn what_is_awaited_is_what_a_server_would_make_of_a_round() {
        let (mut delivered, wire) = (0, String::from_utf8(round(283)).unwrap());
        let (mut lines, mut messages) = (wire.split("\r\n"), 0);
        while let Some(head) = lines.next().filter(|head| !head.is_empty()) {
            let region = head.split(' ').nth(1).unwrap();
            let number: usize = region.strip_prefix("region.").unwrap().parse().unwrap();
            let told = head.replace(region, &format!("{region} {}", subscription(number)));
            // "MSG" is as long as "PUB".
            delivered += told.len() + 2 + lines.next().unwrap().len() + 2;
            messages += 1;
        }
        assert_eq!(messages, SUBSCRIBERS * REGIONS_EACH * UPDATES_PER_REGION);
        assert_eq!(delivered_per_round(283), delivered as u64);
    }
}
