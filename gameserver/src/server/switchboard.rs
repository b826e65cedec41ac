//! What all tasks of a game server share: where each user is, each region's inbox, and which link leads to whom. Locks
//! here guard tables only; nobody holds one while waiting.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use net::link::{LinkId, LinkSender};
use protocol::Code;
use protocol::ids::{LiveLane, NodeNumber, RegionNumber};
use protocol::message::family::{ServerToProxy, ServerToServer};

use super::inbox::{Inbox, InboxFull};
use super::link_table::{LinkTable, Side};
use super::metrics;
use super::sorting::Sorted;
use crate::dispatch::Directory;
use crate::proxy_lanes::ArrivingLane;
use crate::region::RegionInput;

/// One per process.
pub(super) struct Switchboard {
    /// This node.
    pub(super) node: NodeNumber,
    /// The links that are up.
    pub(super) links: LinkTable,
    directory: Directory,
    inboxes: BTreeMap<RegionNumber, Inbox>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl Switchboard {
    pub(super) fn new(node: NodeNumber, inboxes: BTreeMap<RegionNumber, Inbox>) -> Self {
        Self {
            node,
            links: LinkTable::default(),
            directory: Directory::new(inboxes.keys().copied()),
            inboxes,
            refused: Mutex::default(),
        }
    }

    /// Where users are.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Puts each share into its region's inbox. Those behind a full one are left out: the sender is cut off anyhow.
    pub(super) fn post(&self, sorted: Sorted) -> Result<(), InboxFull> {
        for share in sorted.into_shares() {
            if let Some(inbox) = self.inboxes.get(&share.region) {
                inbox.try_send(share.inputs, share.bytes)?;
            }
        }
        Ok(())
    }

    /// Tells every region.
    pub(super) fn tell_all(&self, input: &RegionInput) {
        for inbox in self.inboxes.values() {
            inbox.tell(input.clone());
        }
    }

    /// Something was refused.
    pub(super) fn count(&self, reason: &'static str) {
        metrics::refused(reason);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(reason).or_default() += 1;
    }

    /// All reasons with their counts.
    pub(super) fn refused(&self) -> BTreeMap<&'static str, u64> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A lane of a proxy is up. Whatever an older link by that lane had asked for is over, and so is all of an earlier
    /// start. A lane that does not fit its siblings is closed.
    pub(super) fn proxy_up(&self, arriving: ArrivingLane, sender: &LinkSender<ServerToProxy>) {
        self.links.change(
            |links| links.insert_proxy(arriving, sender.clone()),
            |inserted, _| match inserted {
                Ok(ended) => {
                    for link in ended.links {
                        link.close(Code::DuplicateLink);
                    }
                    for lane in ended.lanes {
                        self.tell_all(&RegionInput::ProxyDown(lane));
                    }
                    self.tell_all(&RegionInput::ProxyUp(arriving));
                }
                Err(refused) => {
                    self.count(refused.label());
                    sender.close(refused.code());
                }
            },
        );
    }

    /// A lane of a proxy is down.
    pub(super) fn proxy_down(&self, lane: LiveLane, link: LinkId) {
        self.links.change(
            |links| links.remove_proxy(lane, link),
            |was_there, _| {
                if was_there {
                    self.tell_all(&RegionInput::ProxyDown(lane));
                }
            },
        );
    }

    /// A link to or from a game server is up.
    pub(super) fn server_up(&self, side: Side, sender: LinkSender<ServerToServer>) {
        let node = sender.peer().number;
        self.links.change(
            |links| links.servers.insert((side, node), sender),
            |_, _| self.tell_all(&RegionInput::PeerUp(node)),
        );
    }

    /// A link to or from a game server is down. The peer is gone when both are: what is asked over the one that is
    /// left still counts.
    pub(super) fn server_down(&self, side: Side, node: NodeNumber, link: LinkId) {
        self.links.change(
            |links| links.remove_server(side, node, link),
            |was_there, links| {
                if was_there && !links.reaches(node) {
                    self.tell_all(&RegionInput::PeerDown(node));
                }
            },
        );
    }
}
