//! What the owner of links implements. Called by the reader of a link, in place, so that no message crosses a channel
//! unless its owner wants it to. Nothing here may block or wait.

use std::vec::Drain;

use protocol::message::family::BatchMessage;
use protocol::message::node::Heartbeat;
use protocol::node_handshake::{Lane, VerifiedPeer};

use super::control::DownReason;
use super::peer::LinkId;
use super::sender::LinkSender;

/// A link that has just come up.
#[derive(Debug)]
pub struct LinkUp<Out> {
    /// The link.
    pub id: LinkId,
    /// Who is at the other end.
    pub peer: VerifiedPeer,
    /// Which of the links to that node.
    pub lane: Lane,
    /// Queues messages to it.
    pub sender: LinkSender<Out>,
}

/// Receives what happens on a link. One value per dialed link; a listener clones its own for each accepted link.
///
/// Per link the order is: one `handle_up`, any number of the others, exactly one `handle_down`. When a link replaces
/// an older one from the same peer, the older one's `handle_down` may come after the newer one's `handle_up`: tell
/// them apart by their ids.
pub trait LinkHandler: Send + 'static {
    /// What the peer says.
    type In: BatchMessage + Send;
    /// What we say.
    type Out: BatchMessage + Send + 'static;

    /// The link is up.
    fn handle_up(&mut self, up: LinkUp<Self::Out>);

    /// Messages of one frame, in order.
    fn handle_batch(&mut self, link: LinkId, batch: Drain<'_, Self::In>);

    /// A heartbeat came: the place to compare topology versions. Loads are on the load board already.
    fn handle_heartbeat(&mut self, link: LinkId, heartbeat: &Heartbeat) {
        let _ = (link, heartbeat);
    }

    /// The link is down; senders of it refuse from now on.
    fn handle_down(&mut self, link: LinkId, reason: DownReason);
}
