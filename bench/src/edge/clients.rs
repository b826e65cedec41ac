//! The players' side: one socket each, inputs sealed for real, snapshots opened and acknowledged for real. Not measured.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use net::udp::{BatchSocket, RecvBatch};
use prost::Message as _;
use protocol::datagram::{BIND_PAYLOAD, ConnectionId, DatagramKind, DatagramOpener, DatagramSealer};
use protocol::keys::DatagramSecret;
use protocol::message::client::{Input, Snapshot, UpdateKind};

/// One player's client.
struct Client {
    socket: BatchSocket,
    opener: DatagramOpener,
    sealer: DatagramSealer,
    number: u64,
    newest_first: [Bytes; 3],
    ack: u32,
    mask: u32,
    challenge: Option<Vec<u8>>,
    sent: Vec<u8>,
}

/// What the clients received in one tick.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    pub(super) to: Vec<SocketAddr>,
    pub(super) sizes: Vec<usize>,
    pub(super) cells: usize,
    pub(super) keyframes: usize,
    pub(super) keyframe_bytes: usize,
    pub(super) delta_bytes: usize,
}

impl Arrivals {
    fn note(&mut self, snapshot: &Snapshot) {
        self.cells += snapshot.cells.len();
        for cell in &snapshot.cells {
            let bytes = cell.encoded_len();
            if cell.kind() == UpdateKind::Keyframe {
                self.keyframes += 1;
                self.keyframe_bytes += bytes;
            } else {
                self.delta_bytes += bytes;
            }
        }
    }
}

/// All of them.
pub(super) struct Clients {
    clients: Vec<Client>,
    received: RecvBatch,
}

impl Clients {
    pub(super) fn new() -> Self {
        Self {
            clients: Vec::new(),
            received: RecvBatch::default(),
        }
    }

    /// One more client, with its side of the session's keys.
    pub(super) fn add(
        &mut self,
        proxy: SocketAddr,
        cid: ConnectionId,
        (to_proxy, to_client): (DatagramSecret, DatagramSecret),
        now_ms: u64,
    ) -> anyhow::Result<()> {
        let socket = BatchSocket::bind_plain(SocketAddr::new(proxy.ip(), 0)).context("a client's socket")?;
        socket.connect(proxy)?;
        self.clients.push(Client {
            socket,
            opener: DatagramOpener::new(to_client, cid, now_ms),
            sealer: DatagramSealer::new(to_proxy, cid, now_ms),
            number: 0,
            newest_first: Default::default(),
            ack: 0,
            mask: 0,
            challenge: None,
            sent: Vec::new(),
        });
        Ok(())
    }

    /// Every client says where it is.
    pub(super) fn bind(&mut self, now_ms: u64) -> anyhow::Result<()> {
        self.clients
            .iter_mut()
            .try_for_each(|client| client.send(DatagramKind::Bind, &BIND_PAYLOAD, now_ms))
    }

    /// Every client answers the challenge it got.
    pub(super) fn respond(&mut self, now_ms: u64) -> anyhow::Result<()> {
        for client in &mut self.clients {
            let token = client.challenge.take().context("a client got no challenge")?;
            client.send(DatagramKind::Response, &token, now_ms)?;
        }
        Ok(())
    }

    /// Every client sends its next input.
    pub(super) fn send_inputs(
        &mut self,
        mut input_of: impl FnMut(usize) -> demo::Input,
        now_ms: u64,
    ) -> anyhow::Result<()> {
        for (number, client) in self.clients.iter_mut().enumerate() {
            client.input(input_of(number), now_ms)?;
        }
        Ok(())
    }

    /// Every client sends the bytes of its last datagram again: for the baseline, which does not open them.
    pub(super) fn send_again(&self) -> anyhow::Result<()> {
        for client in &self.clients {
            deliver(&client.socket, &client.sent)?;
        }
        Ok(())
    }

    /// Takes what has arrived.
    pub(super) fn receive(&mut self, now_ms: u64) -> anyhow::Result<Arrivals> {
        let mut arrivals = Arrivals::default();
        for client in &mut self.clients {
            let here = client.socket.local_addr()?;
            while client.socket.recv_batch(&mut self.received)? > 0 {
                for (_, datagram) in self.received.datagrams_mut() {
                    arrivals.to.push(here);
                    arrivals.sizes.push(datagram.len());
                    if let Some(snapshot) = client.take(datagram, now_ms)? {
                        arrivals.note(&snapshot);
                    }
                }
            }
        }
        Ok(arrivals)
    }

    /// Throws away what has arrived; how much it was.
    pub(super) fn discard(&mut self) -> anyhow::Result<usize> {
        let mut count = 0;
        for client in &self.clients {
            loop {
                match client.socket.recv_batch(&mut self.received)? {
                    0 => break,
                    more => count += more,
                }
            }
        }
        Ok(count)
    }
}

impl Client {
    fn input(&mut self, input: demo::Input, now_ms: u64) -> anyhow::Result<()> {
        self.number += 1;
        self.newest_first.rotate_right(1);
        self.newest_first[0] = Bytes::copy_from_slice(&input.encode());
        let message = Input {
            number: self.number,
            inputs: self.newest_first.to_vec(),
            snapshot_ack: self.ack,
            snapshot_mask: self.mask,
            sent_at_ms: now_ms as u32,
            pace_ms: 0,
        };
        self.send(DatagramKind::Data, &message.encode_to_vec(), now_ms)
    }

    fn send(&mut self, kind: DatagramKind, plain: &[u8], now_ms: u64) -> anyhow::Result<()> {
        self.sent.clear();
        self.sealer.seal_onto(kind, plain, &mut self.sent, now_ms)?;
        deliver(&self.socket, &self.sent)
    }

    /// Opens a datagram; the snapshot, if it is one.
    fn take(&mut self, datagram: &mut [u8], now_ms: u64) -> anyhow::Result<Option<Snapshot>> {
        let opened = self.opener.open(datagram, now_ms)?;
        match opened.kind {
            DatagramKind::Challenge => self.challenge = Some(opened.plain.to_vec()),
            DatagramKind::Data => {
                let snapshot = Snapshot::decode(opened.plain)?;
                self.acknowledge(snapshot.number);
                return Ok(Some(snapshot));
            }
            DatagramKind::Bind | DatagramKind::Response => bail!("the proxy speaks as a client"),
        }
        Ok(None)
    }

    fn acknowledge(&mut self, number: u32) {
        let newer = number.saturating_sub(self.ack);
        if newer > 0 {
            let before = if self.ack > 0 { self.mask << 1 | 1 } else { 0 };
            self.mask = before.checked_shl(newer - 1).unwrap_or(0);
            self.ack = number;
        }
    }
}

fn deliver(socket: &BatchSocket, datagram: &[u8]) -> anyhow::Result<()> {
    if !socket.send(datagram)? {
        bail!("the proxy's socket buffer is too small for this benchmark");
    }
    Ok(())
}
