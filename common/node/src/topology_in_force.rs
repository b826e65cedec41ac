//! The topology that a running node goes by: links ask it who their peers are, everybody else takes the view of the
//! moment, and a newer bundle takes its place without anybody waiting.

use crate::cluster_file::ClusterFile;
use crate::data_dir::{BUNDLE_FILE, DataDir, FORMER_FILE};
use crate::files::{self, Access, FileError};
use arc_swap::ArcSwap;
use net::link::PeerDirectory;
use protocol::identity::{AuthorityKeys, Clock, Role};
use protocol::ids::{NodeUuid, TopologyVersion};
use protocol::node_handshake::PeerStanding;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use topology::{BundleError, Listing, NodeRecord, Standing, TopologyView};

/// The topology in force, shared by all of a node's tasks.
#[derive(Debug)]
pub struct TopologyInForce {
    now: ArcSwap<InForce>,
    changed: watch::Sender<TopologyVersion>,
    authorities: AuthorityKeys,
    /// Held by whoever writes to the disk: of two that come at once the later one writes what is in force then.
    keeping: Mutex<()>,
}

/// One topology, and who is listed while it is in force.
#[derive(Debug)]
struct InForce {
    view: Arc<TopologyView>,
    /// The one before, for the next start.
    former: Option<Arc<TopologyView>>,
    /// Of the ground that the process began with.
    listing: Arc<Listing>,
}

impl InForce {
    fn followed_by(&self, offered: TopologyView) -> Self {
        let listing = self.listing.followed_by(Arc::clone(offered.shared_topology()));
        Self {
            listing: listing.map_or_else(|| Arc::clone(&self.listing), Arc::new),
            view: Arc::new(offered),
            former: Some(Arc::clone(&self.view)),
        }
    }
}

impl TopologyInForce {
    /// Starts with a view that was opened under the keys of this cluster, and the one before it.
    #[must_use]
    pub fn new(view: TopologyView, former: Option<TopologyView>, cluster: &ClusterFile) -> Self {
        let now = Arc::clone(view.shared_topology());
        let former = former.filter(|former| view.supersedes(former.version()));
        let followed = former.as_ref().and_then(|former| {
            let before = Listing::new(Arc::clone(former.shared_topology()));
            before.followed_by(Arc::clone(&now))
        });
        Self {
            changed: watch::Sender::new(view.version()),
            now: ArcSwap::from_pointee(InForce {
                view: Arc::new(view),
                former: former.map(Arc::new),
                listing: Arc::new(followed.unwrap_or_else(|| Listing::new(now))),
            }),
            authorities: cluster.authorities,
            keeping: Mutex::new(()),
        }
    }

    /// Starts with what a data directory holds.
    #[must_use]
    pub fn of(data: &DataDir) -> Self {
        Self::new(data.view.clone(), data.former.clone(), &data.cluster)
    }

    /// The view of the moment.
    #[must_use]
    pub fn view(&self) -> Arc<TopologyView> {
        Arc::clone(&self.now.load().view)
    }

    /// Who may serve what: by the topology in force, unless it has another ground than the one that this process began with.
    #[must_use]
    pub fn listing(&self) -> Arc<Listing> {
        Arc::clone(&self.now.load().listing)
    }

    /// Tells of each newer topology, when it is in force.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<TopologyVersion> {
        self.changed.subscribe()
    }

    /// What [`offer`](Self::offer) would take.
    ///
    /// # Errors
    /// As `offer`.
    pub fn judge(&self, sealed: &[u8], wall_ms: u64) -> Result<TopologyView, BundleError> {
        let clock = Clock::of_node(wall_ms);
        self.view().open_newer(sealed, &self.authorities, clock)
    }

    /// Takes a newer bundle from a peer. Afterwards call `LinkContext::recheck` and keep it on disk
    /// ([`keep`](Self::keep)).
    ///
    /// # Errors
    /// `BundleError`: it is not signed by the authority, not newer, or not valid; nothing has changed then.
    pub fn offer(&self, sealed: &[u8], wall_ms: u64) -> Result<Arc<TopologyView>, BundleError> {
        let clock = Clock::of_node(wall_ms);
        // Two peers may offer at the same time: each is compared with what is in force when it goes in.
        let mut held = self.now.load_full();
        let newer = loop {
            let offered = held.view.open_newer(sealed, &self.authorities, clock)?;
            let next = Arc::new(held.followed_by(offered));
            let before = self.now.compare_and_swap(&held, Arc::clone(&next));
            if Arc::ptr_eq(&before, &held) {
                break next;
            }
            held = Arc::clone(&before);
        };
        // Whoever is told asks for the view, so that of two that come at once the order does not matter.
        self.changed.send_replace(newer.view.version());
        Ok(Arc::clone(&newer.view))
    }

    /// Keeps what is in force for the next start, so that nothing older is ever accepted again, and what was before. Blocks on the disk.
    ///
    /// # Errors
    /// What the file system says.
    pub fn keep(&self, data: &Path) -> Result<(), FileError> {
        let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now.load_full();
        if let Some(former) = &now.former {
            files::write(&data.join(FORMER_FILE), former.sealed(), Access::Public)?;
        }
        files::write(&data.join(BUNDLE_FILE), now.view.sealed(), Access::Public)
    }
}

impl PeerDirectory for TopologyInForce {
    fn standing(&self, uuid: NodeUuid) -> PeerStanding {
        match self.now.load().view.standing(uuid) {
            Standing::Unknown => PeerStanding::Unknown,
            Standing::Revoked => PeerStanding::Revoked,
            Standing::Listed(record) => {
                link_role(record).map_or(PeerStanding::Unknown, |role| PeerStanding::Listed {
                    number: record.number,
                    role,
                    public: record.public,
                })
            }
        }
    }

    fn name(&self, uuid: NodeUuid) -> String {
        let view = self.view();
        let number = view.number_of(uuid);
        let name = number.and_then(|number| view.topology().name_of_node(number));
        name.map_or_else(|| uuid.to_string(), str::to_owned)
    }

    fn topology_version(&self) -> TopologyVersion {
        self.now.load().view.version()
    }

    fn nodes_listed(&self) -> usize {
        self.now.load().view.nodes().count()
    }
}

/// In which of its roles a node has links: a proxy that also logs users in links as a proxy.
fn link_role(record: &NodeRecord) -> Option<Role> {
    let linked = [Role::GameServer, Role::Proxy];
    let role = linked.into_iter().find(|role| record.roles.contains(role));
    role.or_else(|| record.roles.first().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority_dir::AuthorityDir;
    use protocol::entropy::CountingEntropy;

    const NOW_MS: u64 = 1_800_000_000_000;
    const TOPOLOGY: &str = r#"
[world]
name = "vale"
size = [64, 64]
cell_size = 32
view_rings = 1
border_cells = 1
tick_hz = 20
handover_margin = 1.0

[[server]]
name = "gs-a"
number = 1
peer = "127.0.0.1:0"
proxy = "127.0.0.1:0"

[[proxy]]
name = "edge-1"
number = 101
tcp = "127.0.0.1:0"
udp = "127.0.0.1:0"
http = "127.0.0.1:0"

[grid]
columns = 1
rows = 1
servers = ["gs-a"]
"#;

    #[test]
    fn a_newer_bundle_takes_over_and_an_older_one_never_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let topology = topology::parse("t.toml", TOPOLOGY).unwrap_or_else(|m| panic!("{m}"));
        let mut entropy = CountingEntropy(1);
        let mut authority = AuthorityDir::open_or_create(folder.path(), &mut entropy).unwrap();
        let mut issue = || {
            let issued = authority
                .issue(TOPOLOGY, &topology, &mut entropy, NOW_MS)
                .unwrap();
            let proxy = issued.iter().find(|node| node.role == Role::Proxy).unwrap();
            DataDir::open(&proxy.data, &proxy.name, Role::Proxy, NOW_MS).unwrap()
        };
        let (first, second) = (issue(), issue());
        let in_force = TopologyInForce::of(&first);
        let PeerStanding::Listed { role, number, .. } = in_force.standing(first.uuid()) else {
            panic!("a listed node is not listed");
        };
        assert_eq!((role, number), (Role::Proxy, first.number));
        assert_eq!(in_force.standing(NodeUuid([0; 16])), PeerStanding::Unknown);

        in_force.offer(second.view.sealed(), NOW_MS).unwrap();
        assert_eq!(in_force.topology_version(), TopologyVersion(2));
        assert!(in_force.listing().former().is_some());
        // The next start knows both.
        let of_proxy = folder.path().join("nodes/edge-1");
        in_force.keep(&of_proxy).unwrap();
        let opened = DataDir::open(&of_proxy, "edge-1", Role::Proxy, NOW_MS).unwrap();
        let former = opened.former.as_ref().map(|former| former.version().0);
        assert_eq!((opened.view.version().0, former), (2, Some(1)));
        assert!(TopologyInForce::of(&opened).listing().former().is_some());
        let older = in_force.offer(first.view.sealed(), NOW_MS);
        assert!(matches!(older, Err(BundleError::NotNewer { .. })), "{older:?}");
        assert_eq!(in_force.view().version(), TopologyVersion(2));

        // Of many who keep at once the last one keeps what is in force then.
        let newer: Vec<DataDir> = (0..12).map(|_| issue()).collect();
        std::thread::scope(|scope| {
            for data in &newer {
                in_force.offer(data.view.sealed(), NOW_MS).unwrap();
                scope.spawn(|| in_force.keep(&of_proxy).unwrap());
            }
        });
        let opened = DataDir::open(&of_proxy, "edge-1", Role::Proxy, NOW_MS).unwrap();
        let former = opened.former.as_ref().map(|former| former.version().0);
        assert_eq!((opened.view.version().0, former), (14, Some(13)));
    }
}
