//! The bare swarm: a datagram out and one in for every player, on sockets of their own with a system call for each, or
//! on shared ones in batches.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use anyhow::ensure;
use net::udp::BatchSocket;
use protocol::limits::DATAGRAM_BYTES_MAX;

use super::Load;
use crate::bare_socket::{BareSocket, Moved};
use crate::clocks::thread_cpu_ns;

/// Where the players' sockets are bound.
const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// All players.
pub(super) struct SwarmSide {
    input_bytes: usize,
    buffer: Vec<u8>,
    sockets: Sockets,
}

enum Sockets {
    /// By portion, one for each player.
    Own(Vec<Vec<UdpSocket>>),
    Shared(Shared),
}

struct Shared {
    edge: SocketAddr,
    sockets: Vec<(BareSocket, SocketAddr)>,
    /// Players of each portion.
    portions: Vec<usize>,
}

impl SwarmSide {
    /// The players of a load, in portions of so many.
    pub(super) fn new(load: &Load, edge: SocketAddr, portion: usize) -> anyhow::Result<Self> {
        let players = load.players as usize;
        let portions = (0..players)
            .step_by(portion)
            .map(|first| portion.min(players - first));
        let sockets = if load.sockets == 0 {
            let own = portions.map(|count| (0..count).map(|_| own_socket(edge)).collect());
            Sockets::Own(own.collect::<anyhow::Result<_>>()?)
        } else {
            let sockets = (0..load.sockets).map(|_| {
                let socket = BatchSocket::bind(ANY_PORT.into())?;
                let address = socket.local_addr()?;
                Ok((BareSocket::new(Arc::new(socket)), address))
            });
            Sockets::Shared(Shared {
                edge,
                sockets: sockets.collect::<anyhow::Result<_>>()?,
                portions: portions.collect(),
            })
        };
        Ok(Self {
            input_bytes: usize::from(load.input_bytes),
            buffer: vec![7; DATAGRAM_BYTES_MAX],
            sockets,
        })
    }

    /// The addresses of each portion's players, in order.
    pub(super) fn addresses(&self) -> anyhow::Result<Vec<Vec<SocketAddr>>> {
        match &self.sockets {
            Sockets::Own(portions) => {
                let addresses = |sockets: &Vec<UdpSocket>| {
                    sockets
                        .iter()
                        .map(|socket| Ok(socket.local_addr()?))
                        .collect::<anyhow::Result<_>>()
                };
                portions.iter().map(addresses).collect()
            }
            Sockets::Shared(shared) => Ok((0..shared.portions.len())
                .map(|portion| shared.addresses(portion))
                .collect()),
        }
    }

    /// Sends an input of every player of a portion.
    pub(super) fn send(&mut self, portion: usize) -> anyhow::Result<Moved> {
        match &mut self.sockets {
            Sockets::Own(portions) => {
                let input = self.buffer.get(..self.input_bytes).unwrap_or_default();
                each(portions.get(portion), |socket| {
                    ensure!(socket.send(input)? == input.len(), "an input was cut short");
                    Ok(1)
                })
            }
            Sockets::Shared(shared) => shared.send(portion, self.input_bytes),
        }
    }

    /// Receives what came for the players of a portion.
    pub(super) fn receive(&mut self, portion: usize) -> anyhow::Result<Moved> {
        match &mut self.sockets {
            Sockets::Own(portions) => {
                let buffer = &mut self.buffer;
                each(portions.get(portion), |socket| match socket.recv(buffer) {
                    Ok(_) => Ok(1),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
                    Err(error) => Err(error.into()),
                })
            }
            Sockets::Shared(shared) => shared.receive(portion),
        }
    }
}

impl Shared {
    /// Players of a portion whose datagrams go over the socket of this index: they are dealt out in turn.
    fn share(&self, portion: usize, socket: usize) -> usize {
        let players = self.portions.get(portion).copied().unwrap_or(0);
        let sockets = self.sockets.len();
        players / sockets + usize::from(socket < players % sockets)
    }

    fn addresses(&self, portion: usize) -> Vec<SocketAddr> {
        let sockets = self.sockets.iter().enumerate();
        sockets
            .flat_map(|(index, (_, address))| std::iter::repeat_n(*address, self.share(portion, index)))
            .collect()
    }

    fn send(&mut self, portion: usize, input_bytes: usize) -> anyhow::Result<Moved> {
        let mut moved = Moved::default();
        for index in 0..self.sockets.len() {
            let (to, sizes) = (
                vec![self.edge; self.share(portion, index)],
                vec![input_bytes; self.share(portion, index)],
            );
            if let Some((socket, _)) = self.sockets.get_mut(index) {
                moved += socket.send(&to, &sizes)?;
            }
        }
        Ok(moved)
    }

    fn receive(&mut self, portion: usize) -> anyhow::Result<Moved> {
        let mut moved = Moved::default();
        for index in 0..self.sockets.len() {
            let awaits = self.share(portion, index) > 0;
            if let Some((socket, _)) = self.sockets.get_mut(index).filter(|_| awaits) {
                moved += socket.receive()?;
            }
        }
        Ok(moved)
    }
}

fn own_socket(edge: SocketAddr) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind(ANY_PORT)?;
    socket.connect(edge)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// One system call on each socket; `call` says how many datagrams it moved.
fn each(
    sockets: Option<&Vec<UdpSocket>>,
    mut call: impl FnMut(&UdpSocket) -> anyhow::Result<usize>,
) -> anyhow::Result<Moved> {
    let mut moved = Moved::default();
    let before = thread_cpu_ns();
    for socket in sockets.into_iter().flatten() {
        moved.datagrams += call(socket)?;
        moved.calls += 1;
    }
    moved.cpu_ns = thread_cpu_ns() - before;
    Ok(moved)
}
