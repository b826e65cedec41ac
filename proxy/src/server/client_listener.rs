//! Accepts clients. Handshakes never run in the accept loop: each is a task with a permit and a deadline, and there is a
//! fixed number of permits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client_context::ClientContext;
use super::client_peer;
use super::handshake_permits::{HandshakePermit, HandshakePermits};
use super::prefix::Network;
use crate::edge::rate::Bucket;

/// How long to leave the listener alone when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What limits the door.
#[derive(Clone, Debug)]
pub(super) struct DoorLimits {
    /// Connections per second.
    pub(super) accepts_per_s: u32,
    /// Handshakes under way at once.
    pub(super) handshakes_max: u32,
    /// Networks that may hold more than their share of those.
    pub(super) exempt: Vec<Network>,
}

/// Serves clients until `drain`. The clients' tasks go on in `peers`.
pub(super) async fn accept_clients(
    context: Arc<ClientContext>,
    listener: TcpListener,
    limits: DoorLimits,
    peers: TaskTracker,
    drain: CancellationToken,
) {
    let permits = HandshakePermits::new(limits.handshakes_max as usize, limits.exempt);
    let clock = context.clock;
    let mut accepts = Bucket::new(limits.accepts_per_s, limits.accepts_per_s, clock.now_ms());
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((io, address)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Closed at once rather than kept waiting: a client tries again, a flood finds nothing to hold on to.
        if !accepts.take(1, clock.now_ms()) {
            context.refusals.count("accept_rate");
            continue;
        }
        match permits.take(address.ip()) {
            Ok(permit) => drop(peers.spawn(serve(Arc::clone(&context), io, address, permit))),
            Err(label) => context.refusals.count(label),
        }
    }
}

async fn serve(context: Arc<ClientContext>, io: TcpStream, address: SocketAddr, permit: HandshakePermit) {
    client_peer::serve(&context, io, address, permit).await;
}
