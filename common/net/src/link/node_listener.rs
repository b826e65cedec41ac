//! Accepts links from peers of given roles. Handshakes never run in the accept loop: each is a task with a permit and a
//! deadline, and of too many the oldest give way.

use std::sync::Arc;

use protocol::identity::Role;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::context::LinkContext;
use super::handed::{HandedLink, LinkLease};
use super::handshake;
use super::permits::{HandshakePermit, HandshakePermits, share};
use crate::accept_errors::{AcceptErrors, Trouble};
use crate::panics::guest;
use crate::sealed_stream::RawStream;

/// Serves a listener until `shutdown`: shakes hands and gives each connection away.
pub async fn admit_links(
    context: Arc<LinkContext>,
    listener: TcpListener,
    roles: &'static [Role],
    hand_over: impl Fn(HandedLink) + Clone + Send + 'static,
    shutdown: CancellationToken,
) {
    let permits = HandshakePermits::default();
    let mut errors = AcceptErrors::of("nodes");
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (io, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Trouble::Lasting(pause) = errors.note(&error, context.clock.now_ms()) {
                    tokio::time::sleep(pause).await;
                }
                continue;
            }
        };
        let permit = permits.take(address.ip(), share(context.directory.nodes_listed()));
        tracing::debug!(%address, "accepted");
        let (context, hand_over, shutdown) = (Arc::clone(&context), hand_over.clone(), shutdown.clone());
        tokio::spawn(async move {
            let admitting = admit(&context, io, permit, roles, hand_over);
            guest("node", async {
                shutdown.run_until_cancelled(admitting).await;
            })
            .await;
        });
    }
}

async fn admit(
    context: &LinkContext,
    io: TcpStream,
    permit: HandshakePermit,
    roles: &'static [Role],
    hand_over: impl Fn(HandedLink),
) {
    let Ok(stream) = RawStream::new(io, context.clock) else {
        return;
    };
    let admitted = tokio::select! {
        biased;
        () = permit.gives_way() => return context.stats.count_refused("handshake_gave_way"),
        admitted = handshake::respond(context, stream, roles) => admitted,
    };
    drop(permit);
    match admitted {
        Ok(admitted) => {
            if let Ok(link) = HandedLink::new(context, admitted, LinkLease::of_accepted()) {
                hand_over(link);
            }
        }
        Err(error) => {
            error.count(context);
            tracing::debug!(%error, "no link");
        }
    }
}
