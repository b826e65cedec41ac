//! The bare edge: one thread that receives whatever waits and answers each player of the portion with a snapshot's bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Context as _;
use net::udp::BatchSocket;

use crate::bare_socket::{BareSocket, Moved};

/// The handle of the edge's thread, which ends with it.
pub(super) struct EdgeSide {
    portions: Sender<usize>,
    answers: Receiver<anyhow::Result<Moved>>,
}

impl EdgeSide {
    /// Starts the thread; `addresses` are those of each portion's players.
    pub(super) fn spawn(
        socket: Arc<BatchSocket>,
        addresses: Vec<Vec<SocketAddr>>,
        snapshot_bytes: usize,
    ) -> anyhow::Result<Self> {
        let (portions, to_answer) = channel();
        let (answered, answers) = channel();
        std::thread::Builder::new()
            .name("bare-edge".to_owned())
            .spawn(move || {
                let mut socket = BareSocket::new(socket);
                while let Ok(portion) = to_answer.recv() {
                    let to = addresses.get(portion).map_or(&[][..], Vec::as_slice);
                    let moved = answer(&mut socket, to, snapshot_bytes);
                    if answered.send(moved).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { portions, answers })
    }

    /// Receives the inputs of a portion and answers them; what both took.
    pub(super) fn answer(&self, portion: usize) -> anyhow::Result<Moved> {
        self.portions
            .send(portion)
            .ok()
            .context("the bare edge has ended")?;
        self.answers.recv().context("the bare edge has ended")?
    }
}

fn answer(socket: &mut BareSocket, to: &[SocketAddr], snapshot_bytes: usize) -> anyhow::Result<Moved> {
    let mut moved = socket.receive()?;
    moved += socket.send(to, &vec![snapshot_bytes; to.len()])?;
    Ok(moved)
}
