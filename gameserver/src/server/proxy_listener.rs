//! Where proxies dial in; nobody else is served here.

use std::sync::Arc;

use net::link::{LinkContext, accept_links};
use protocol::identity::Role;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::proxy_peer::ProxyPeer;

/// Serves proxies until `stop`, and then until each has been said goodbye to.
pub(super) async fn listen(
    context: Arc<LinkContext>,
    listener: TcpListener,
    handler: ProxyPeer,
    stop: CancellationToken,
) {
    accept_links(context, listener, &[Role::Proxy], handler, stop).await;
}
