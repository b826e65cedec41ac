//! All links of a process that are up: one per (initiator, responder, lane), asked again whenever the topology changes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::Code;
use protocol::identity::Role;
use protocol::ids::{Incarnation, NodeNumber, NodeUuid};
use protocol::node_handshake::{Lane, LinkChoice, VerifiedPeer, newer_link};

use super::control::DownReason;
use super::peer::{self, LinkId, PeerDirectory};
use super::sender::LinkShared;

/// Which of two nodes dialed, and which of their lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkKey {
    pub(super) initiator: NodeUuid,
    pub(super) responder: NodeUuid,
    pub(super) lane: Lane,
}

#[derive(Debug)]
struct Entry {
    incarnation: Incarnation,
    shared: Arc<LinkShared>,
}

/// A link as status pages show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkStatus {
    /// The link.
    pub id: LinkId,
    /// Who is at the other end.
    pub peer: VerifiedPeer,
    /// Bytes waiting to go out.
    pub queued_bytes: usize,
    /// The last round trip time, microseconds.
    pub round_trip_us: Option<u64>,
}

/// The links that are up.
#[derive(Debug, Default)]
pub struct LinkRegistry {
    links: Mutex<BTreeMap<LinkKey, Entry>>,
    ids: AtomicU64,
}

impl LinkRegistry {
    /// Every link that is up.
    #[must_use]
    pub fn links(&self) -> Vec<LinkStatus> {
        let status = |entry: &Entry| LinkStatus {
            id: entry.shared.id,
            peer: entry.shared.peer,
            queued_bytes: entry.shared.with_queue(|queue, _| queue.bytes()),
            round_trip_us: entry.shared.heartbeats().round_trip_us(),
        };
        self.lock().values().map(status).collect()
    }

    /// Asks the directory again about every link, and closes those whose peers are no longer who they were.
    pub fn recheck(&self, directory: &dyn PeerDirectory) {
        for entry in self.lock().values() {
            if let Err(code) = peer::recheck(&entry.shared.peer, directory) {
                entry.shared.control.end(DownReason::Closed(code));
            }
        }
    }

    /// The numbers of linked proxies.
    pub(super) fn proxies(&self) -> Vec<NodeNumber> {
        let peers = self.lock();
        let peers = peers.values().map(|entry| &entry.shared.peer);
        peers
            .filter(|peer| peer.role == Role::Proxy)
            .map(|peer| peer.number)
            .collect()
    }

    pub(super) fn next_id(&self) -> LinkId {
        LinkId(self.ids.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Lists a link. Of two with one key the higher incarnation of the initiator wins, then the newer.
    ///
    /// # Errors
    /// `DuplicateLink` when the one that is there wins.
    pub(super) fn enter(
        &self,
        key: LinkKey,
        incarnation: Incarnation,
        shared: &Arc<LinkShared>,
    ) -> Result<Listed<'_>, Code> {
        let mut links = self.lock();
        if let Some(there) = links.get(&key) {
            if newer_link(there.incarnation, incarnation) == LinkChoice::KeepExisting {
                return Err(Code::DuplicateLink);
            }
            there.shared.control.end(DownReason::Closed(Code::DuplicateLink));
        }
        let entry = Entry {
            incarnation,
            shared: Arc::clone(shared),
        };
        links.insert(key, entry);
        Ok(Listed {
            registry: self,
            key,
            id: shared.id,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LinkKey, Entry>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes its link off the list when dropped, unless a newer one took its place.
#[derive(Debug)]
pub(super) struct Listed<'a> {
    registry: &'a LinkRegistry,
    key: LinkKey,
    id: LinkId,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let mut links = self.registry.lock();
        if links
            .get(&self.key)
            .is_some_and(|entry| entry.shared.id == self.id)
        {
            links.remove(&self.key);
        }
    }
}
