//! Everything a shard's core wants done outside, in one closed enum. Datagrams leave through [`DatagramSink`].

use std::net::SocketAddr;

use protocol::Code;
use protocol::geometry::CellIndex;
use protocol::ids::{NodeNumber, OwnerEpoch, RegionNumber, SessionGeneration, UserId};
use protocol::message::family::{ProxyToClient, ProxyToServer};

use super::SessionHandle;

/// One thing to do outside.
#[derive(Debug, PartialEq)]
pub enum EdgeEffect {
    /// A session exists now under this handle.
    Admitted(UserId, SessionHandle, [u8; 8]),
    /// Send to a game server.
    ToServer(NodeNumber, ProxyToServer),
    /// Send to a client over TCP.
    ToClient(SessionHandle, ProxyToClient),
    /// Say why and close a client's connection; the session is gone already.
    CloseClient(SessionHandle, UserId, Code),
    /// The player has logged out: this login is over.
    LoggedOut(UserId, SessionGeneration),
    /// This shard needs the cell from now on (again: with a keyframe).
    Watch(CellIndex),
    /// This shard no longer needs the cell.
    Unwatch(CellIndex),
    /// Read the player's owner from the store; answer with [`EdgeInput::Owner`](super::EdgeInput::Owner). The epoch is the
    /// one that is trusted as the question is asked, 0 for none; it goes back with the answer.
    ReadOwner(UserId, OwnerEpoch),
    /// Read who holds a region, and how alive its lease is; answer with [`EdgeInput::Holder`](super::EdgeInput::Holder).
    ReadHolder(RegionNumber),
    /// Something was refused; counted under this label.
    Refused(&'static str),
}

/// A session of WebTransport at this proxy; numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrowserId(pub u64);

/// What carries a client's datagrams: where they come from, and where those to it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramRoad {
    /// The shard's socket, to and from this address.
    Udp(SocketAddr),
    /// A session of WebTransport. Who has it, and from where, is a matter of the thread that keeps it.
    Browser(BrowserId),
}

impl From<SocketAddr> for DatagramRoad {
    fn from(address: SocketAddr) -> Self {
        Self::Udp(address)
    }
}

/// Where datagrams to clients go: on a live proxy the arena of a batched send.
pub trait DatagramSink {
    /// Takes one whole datagram.
    fn send(&mut self, to: SocketAddr, datagram: &[u8]);

    /// Takes one for a browser. Where there are none, it is lost.
    fn send_to_browser(&mut self, _to: BrowserId, _datagram: &[u8]) {}
}

impl DatagramSink for Vec<(SocketAddr, Vec<u8>)> {
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.push((to, datagram.to_vec()));
    }
}
