//! The topology that a running node goes by: links ask it who their peers are, everybody else takes the view of the
//! moment, and a newer bundle takes its place without anybody waiting.

use crate::cluster_file::ClusterFile;
use crate::data_dir::DataDir;
use arc_swap::ArcSwap;
use net::link::PeerDirectory;
use protocol::identity::{AuthorityKeys, Clock, Role};
use protocol::ids::{NodeUuid, TopologyVersion};
use protocol::node_handshake::PeerStanding;
use std::sync::Arc;
use tokio::sync::watch;
use topology::{BundleError, NodeRecord, Standing, TopologyView};

/// The topology in force, shared by all of a node's tasks.
#[derive(Debug)]
pub struct TopologyInForce {
    view: ArcSwap<TopologyView>,
    changed: watch::Sender<TopologyVersion>,
    authorities: AuthorityKeys,
}

impl TopologyInForce {
    /// Starts with a view that was opened under the keys of this cluster.
    #[must_use]
    pub fn new(view: TopologyView, cluster: &ClusterFile) -> Self {
        Self {
            changed: watch::Sender::new(view.version()),
            view: ArcSwap::from_pointee(view),
            authorities: cluster.authorities,
        }
    }

    /// Starts with what a data directory holds.
    #[must_use]
    pub fn of(data: &DataDir) -> Self {
        Self::new(data.view.clone(), &data.cluster)
    }

    /// The view of the moment.
    #[must_use]
    pub fn view(&self) -> Arc<TopologyView> {
        self.view.load_full()
    }

    /// Tells of each newer topology, when it is in force.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<TopologyVersion> {
        self.changed.subscribe()
    }

    /// Whether [`offer`](Self::offer) would take it.
    ///
    /// # Errors
    /// As `offer`.
    pub fn judge(&self, sealed: &[u8], wall_ms: u64) -> Result<(), BundleError> {
        let clock = Clock::of_node(wall_ms);
        self.view
            .load()
            .open_newer(sealed, &self.authorities, clock)
            .map(drop)
    }

    /// Takes a newer bundle from a peer. Afterwards call `LinkContext::recheck` and keep the bundle on disk
    /// ([`DataDir::keep_bundle`]).
    ///
    /// # Errors
    /// `BundleError`: it is not signed by the authority, not newer, or not valid; nothing has changed then.
    pub fn offer(&self, sealed: &[u8], wall_ms: u64) -> Result<Arc<TopologyView>, BundleError> {
        let clock = Clock::of_node(wall_ms);
        let mut newer = None;
        // Two peers may offer at the same time: each is compared with what is in force when it goes in.
        let mut held = self.view.load_full();
        while newer.is_none() {
            let offered = Arc::new(held.open_newer(sealed, &self.authorities, clock)?);
            let before = self.view.compare_and_swap(&held, Arc::clone(&offered));
            if Arc::ptr_eq(&before, &held) {
                newer = Some(offered);
            } else {
                held = Arc::clone(&before);
            }
        }
        let newer = newer.unwrap_or(held);
        // Whoever is told asks for the view, so that of two that come at once the order does not matter.
        self.changed.send_replace(newer.version());
        Ok(newer)
    }
}

impl PeerDirectory for TopologyInForce {
    fn standing(&self, uuid: NodeUuid) -> PeerStanding {
        match self.view.load().standing(uuid) {
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
        let view = self.view.load();
        let number = view.number_of(uuid);
        let topology = view.topology();
        let server = number.and_then(|number| Some(&topology.server(number)?.name));
        let name = server.or_else(|| number.and_then(|number| Some(&topology.proxy(number)?.name)));
        name.map_or_else(|| uuid.to_string(), Clone::clone)
    }

    fn topology_version(&self) -> TopologyVersion {
        self.view.load().version()
    }

    fn nodes_listed(&self) -> usize {
        self.view.load().nodes().count()
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
        let older = in_force.offer(first.view.sealed(), NOW_MS);
        assert!(matches!(older, Err(BundleError::NotNewer { .. })), "{older:?}");
        assert_eq!(in_force.view().version(), TopologyVersion(2));
    }
}
