//! Where other game servers dial in, to subscribe to border strips and to hand players over; nobody else is served here.

use std::sync::Arc;

use net::link::{LinkContext, accept_links};
use protocol::identity::Role;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::peer_messages::PeerMessages;

/// Serves peers until `stop`, and then until each has been said goodbye to.
pub(super) async fn listen(
    context: Arc<LinkContext>,
    listener: TcpListener,
    handler: PeerMessages,
    stop: CancellationToken,
) {
    accept_links(context, listener, &[Role::GameServer], handler, stop).await;
}
