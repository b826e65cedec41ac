//! The sockets of the world thread: what leaves by them, and how they are closed.

use std::collections::BTreeMap;

use net::link::{LinkId, LinkLease};
use net::link_core::Sealed;
use net::stream_socket::StreamSocket;
use net::udp::Interest;
use protocol::ids::{NodeNumber, TopologyVersion};
use protocol::node_handshake::VerifiedPeer;

use super::super::world_mailbox::Door;
use super::Running;
use crate::world::{Moment, World};

/// One link's socket, and what is known of its peer.
pub(super) struct Socket {
    pub(super) socket: StreamSocket,
    pub(super) peer: VerifiedPeer,
    pub(super) door: Door,
    pub(super) interest: Interest,
    /// The topology that it has in force, as it says.
    pub(super) announced: TopologyVersion,
    pub(super) _lease: LinkLease,
}

/// A stream with last words on it.
pub(super) struct Leaving {
    pub(super) socket: StreamSocket,
    pub(super) bytes: Vec<u8>,
    pub(super) until_us: u64,
}

impl Running {
    /// What a sweep or a tick produced for one peer leaves as one frame in one write.
    pub(super) fn write(&mut self) {
        let now = self.now();
        let is_sweeping = self.is_sweeping();
        let (world, poller) = (&mut self.parts.world, &self.parts.poller);
        let mut broken = Vec::new();
        for (id, link) in &mut self.sockets {
            if let Err(label) = write_link(world, *id, &mut link.socket, now) {
                broken.push((*id, label));
            }
            let reads = link.door != Door::Proxies || !is_sweeping;
            let interest = match (reads, world.unsent(*id).is_empty()) {
                (true, true) => Interest::Read,
                (true, false) => Interest::ReadAndWrite,
                (false, true) => Interest::Nothing,
                (false, false) => Interest::Write,
            };
            if interest != link.interest && poller.change(&link.socket, id.0, interest).is_ok() {
                link.interest = interest;
            }
        }
        for (id, label) in broken {
            self.parts.world.broke(id, label, now);
        }
    }

    /// Which topology each node at the other end has, as the one of its links says that is furthest behind.
    pub(super) fn announced(&self) -> BTreeMap<NodeNumber, TopologyVersion> {
        let mut all = BTreeMap::new();
        for socket in self.sockets.values() {
            let its = all.entry(socket.peer.number).or_insert(socket.announced);
            *its = socket.announced.min(*its);
        }
        all
    }

    /// Gives streams their last words, and closes them.
    pub(super) fn see_off(&mut self) {
        let now_us = self.parts.clock.now_us();
        self.leaving.retain_mut(|leaving| {
            let Ok(written) = leaving.socket.write(&leaving.bytes) else {
                return false;
            };
            leaving.bytes.drain(..written);
            let goes_on = !leaving.bytes.is_empty() && now_us < leaving.until_us;
            if !goes_on {
                let _ = leaving.socket.finish();
            }
            goes_on
        });
    }
}

/// Seals and writes until nothing waits or the kernel takes no more.
fn write_link(
    world: &mut World<Sealed>,
    id: LinkId,
    socket: &mut StreamSocket,
    now: Moment,
) -> Result<(), &'static str> {
    loop {
        world.flush(id, now);
        let unsent = world.unsent(id);
        if unsent.is_empty() {
            return Ok(());
        }
        let written = socket.write(unsent)?;
        if written == 0 {
            return Ok(());
        }
        world.wrote(id, written);
    }
}
