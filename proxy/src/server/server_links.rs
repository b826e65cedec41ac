//! The links to game servers that are up, for whoever has something to say to one. Readers never wait.

use std::collections::BTreeMap;

use arc_swap::ArcSwap;
use net::link::{LinkId, LinkSender};
use protocol::ids::NodeNumber;
use protocol::message::family::ProxyToServer;

type Senders = BTreeMap<NodeNumber, LinkSender<ProxyToServer>>;

/// Senders by node number.
#[derive(Debug, Default)]
pub(super) struct ServerLinks(ArcSwap<Senders>);

impl ServerLinks {
    /// A link came up.
    pub(super) fn set_up(&self, node: NodeNumber, sender: &LinkSender<ProxyToServer>) {
        self.0.rcu(|senders| {
            let mut senders = Senders::clone(senders);
            senders.insert(node, sender.clone());
            senders
        });
    }

    /// A link went down; a newer one to the same node stays.
    pub(super) fn set_down(&self, node: NodeNumber, link: LinkId) {
        self.0.rcu(|senders| {
            let mut senders = Senders::clone(senders);
            if senders.get(&node).is_some_and(|sender| sender.link() == link) {
                senders.remove(&node);
            }
            senders
        });
    }

    /// Queues messages for one node under one lock. `false` when it is not linked: what must arrive is said again when
    /// it is.
    pub(super) fn send_all(&self, node: NodeNumber, messages: &[ProxyToServer]) -> bool {
        let senders = self.0.load();
        let sent = senders.get(&node).map(|sender| sender.try_send_all(messages));
        matches!(sent, Some(Ok(())))
    }
}
