//! Accepts clients that speak sealed frames from their first byte on.

use std::net::SocketAddr;
use std::sync::Arc;

use net::accept_errors::{AcceptErrors, Trouble};
use net::panics::guest;
use net::sealed_stream::RawStream;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::client_context::ClientContext;
use super::client_door;
use super::door_keeper::DoorKeeper;
use super::handshake_permits::HandshakePermit;

/// Serves clients until the drain. The clients' tasks go on in `peers`.
pub(super) async fn accept_clients(
    context: Arc<ClientContext>,
    listener: TcpListener,
    mut door: DoorKeeper,
    mut errors: AcceptErrors,
    peers: TaskTracker,
) {
    let (clock, drain) = (context.clock, context.drain.clone());
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (io, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Trouble::Lasting(pause) = errors.note(&error, clock.now_ms()) {
                    tokio::time::sleep(pause).await;
                }
                continue;
            }
        };
        // Closed at once rather than kept waiting: a client tries again, a flood finds nothing to hold on to.
        match door.admit(address.ip(), clock.now_ms()) {
            Ok(permit) => drop(peers.spawn(serve(Arc::clone(&context), io, address, permit))),
            Err(label) => context.refusals.count(label),
        }
    }
}

async fn serve(context: Arc<ClientContext>, io: TcpStream, from: SocketAddr, permit: HandshakePermit) {
    // One that is gone already needs nothing.
    if let Ok(stream) = RawStream::new(io, context.clock) {
        guest("client", client_door::let_in(&context, stream, from, permit)).await;
    }
}
