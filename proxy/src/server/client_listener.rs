//! Accepts clients that speak sealed frames from their first byte on.

use std::net::SocketAddr;
use std::sync::Arc;

use net::accept_errors::{AcceptErrors, Trouble};
use net::panics::guest;
use net::sealed_stream::RawStream;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::arrivals::{Arrivals, Secrecy};
use super::client_context::ClientContext;
use super::client_door;
use super::handshake_permits::HandshakePermit;

/// Serves clients until the drain. The clients' tasks go on in `peers`.
pub(super) async fn accept_clients(
    context: Arc<ClientContext>,
    listener: TcpListener,
    arrivals: Arrivals,
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
        match arrivals.admit(address.ip()) {
            Ok(permit) => {
                let served = serve(Arc::clone(&context), arrivals.clone(), (io, address), permit);
                drop(peers.spawn(served));
            }
            Err(label) => context.refusals.count(label),
        }
    }
}

async fn serve(
    context: Arc<ClientContext>,
    arrivals: Arrivals,
    (mut io, from): (TcpStream, SocketAddr),
    permit: HandshakePermit,
) {
    let way = permit.give_way();
    let served = async {
        let (caller, permit) = match arrivals.meet(&mut io, from, permit).await {
            Ok(met) => met,
            Err(label) => return context.refusals.count(label),
        };
        // One that is gone already needs nothing.
        if let Ok(stream) = RawStream::new(io, context.clock) {
            let let_in = client_door::let_in(&context, stream, (caller, Secrecy::Kept), permit);
            guest("client", let_in).await;
        }
    };
    if way.run_until_cancelled(served).await.is_none() {
        context.refusals.count("handshake_gave_way");
    }
}
