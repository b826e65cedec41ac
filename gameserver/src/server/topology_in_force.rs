//! The topology that this node goes by: answers who a peer is, and is replaced by newer ones only.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use net::link::PeerDirectory;
use node::clock::wall_ms;
use node::data_dir::DataDir;
use protocol::identity::{AuthorityKeys, Clock};
use protocol::ids::{NodeUuid, TopologyVersion};
use protocol::node_handshake::PeerStanding;
use topology::{BundleError, Standing, TopologyView};

/// A view that can be replaced while it is used.
pub(super) struct TopologyInForce {
    view: ArcSwap<TopologyView>,
    authorities: AuthorityKeys,
    data: PathBuf,
    adopting: Mutex<()>,
}

impl TopologyInForce {
    /// Starts with the view of the data directory `data`.
    pub(super) fn new(view: TopologyView, authorities: AuthorityKeys, data: &Path) -> Self {
        Self {
            view: ArcSwap::from_pointee(view),
            authorities,
            data: data.to_owned(),
            adopting: Mutex::default(),
        }
    }

    /// The view in force.
    pub(super) fn view(&self) -> Arc<TopologyView> {
        self.view.load_full()
    }

    /// Goes by these bytes from now on, if the authority signed them and they are newer.
    pub(super) fn adopt(&self, bytes: &[u8]) -> Result<Arc<TopologyView>, BundleError> {
        let _one_at_a_time = self.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        let clock = Clock::of_node(wall_ms());
        let view = Arc::new(self.view().open_newer(bytes, &self.authorities, clock)?);
        self.view.store(Arc::clone(&view));
        Ok(view)
    }

    /// Keeps the view for the next start. Blocks on the disk.
    pub(super) fn keep(&self, view: &TopologyView) {
        if let Err(error) = DataDir::keep_bundle(&self.data, view) {
            tracing::warn!(%error, "the new topology is in force, but the next start will not know it");
        }
    }
}

impl PeerDirectory for TopologyInForce {
    fn standing(&self, uuid: NodeUuid) -> PeerStanding {
        match self.view.load().standing(uuid) {
            Standing::Revoked => PeerStanding::Revoked,
            Standing::Unknown => PeerStanding::Unknown,
            Standing::Listed(node) => {
                node.roles
                    .first()
                    .map_or(PeerStanding::Unknown, |role| PeerStanding::Listed {
                        number: node.number,
                        role: *role,
                        public: node.public,
                    })
            }
        }
    }

    fn topology_version(&self) -> TopologyVersion {
        self.view.load().version()
    }
}
