//! An authenticated connection on its way from the task that shook hands to the thread that owns it from then on.

use std::io;

use protocol::ids::{Lane, Lanes};
use protocol::node_handshake::{EstablishedNode, VerifiedPeer};
use tokio::sync::oneshot;

use super::context::LinkContext;
use super::handshake::Admitted;
use super::peer::LinkId;
use crate::link_core::{LinkLife, Sealed};
use crate::stream_socket::StreamSocket;

/// Everything that its new owner needs. The task that made it keeps nothing but the news of its end.
pub struct HandedLink {
    /// A number of its own.
    pub id: LinkId,
    /// The connection.
    pub socket: StreamSocket,
    /// Its keys, and bytes that came behind the handshake.
    pub sealing: Sealed,
    /// What the handshake agreed.
    pub life: LinkLife,
    /// Who is at the other end.
    pub peer: VerifiedPeer,
    /// Which of the links to it.
    pub lane: Lane,
    /// How many links it says that it has to us.
    pub lanes: Lanes,
    /// Whoever dialed learns that the link is over when this is dropped.
    pub lease: LinkLease,
}

/// Held by the owner of a link as long as it lasts.
#[derive(Debug)]
pub struct LinkLease {
    _ends: Option<oneshot::Sender<()>>,
}

impl LinkLease {
    /// A lease, and what resolves when it ends.
    #[must_use]
    pub fn new() -> (Self, oneshot::Receiver<()>) {
        let (lease, ended) = oneshot::channel();
        (Self { _ends: Some(lease) }, ended)
    }

    /// A lease that nobody waits for: the peer dialed.
    #[must_use]
    pub fn of_accepted() -> Self {
        Self { _ends: None }
    }
}

impl HandedLink {
    pub(super) fn new(context: &LinkContext, admitted: Admitted, lease: LinkLease) -> io::Result<Self> {
        let Admitted { stream, node } = admitted;
        let EstablishedNode {
            peer,
            sealer,
            opener,
            lane,
            terms,
            clock,
            ..
        } = *node;
        let (socket, decoder) = stream.into_parts()?;
        Ok(Self {
            id: context.next_id(),
            socket,
            sealing: Sealed::new(decoder, opener, sealer),
            life: LinkLife {
                terms,
                peer_clock: clock,
                until_wall_ms: peer.certificate.validity().until_ms,
            },
            lanes: peer.lanes,
            peer,
            lane,
            lease,
        })
    }
}
