//! How this proxy comes to the newest topology: heartbeats name versions, the older side asks, the newer one answers. What
//! arrives is believed for the authority's signature, never for who brought it.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use net::link::LinkContext;
use node::data_dir::DataDir;
use node::topology_in_force::TopologyInForce;
use protocol::ids::TopologyVersion;
use protocol::message::subscription::{GetTopology, Topology};
use topology::BundleError;

/// Shared by all links.
pub(super) struct TopologyNews {
    pub(super) topology: Arc<TopologyInForce>,
    pub(super) links: Arc<LinkContext>,
    pub(super) data: PathBuf,
}

impl TopologyNews {
    /// What to ask a peer that has this version.
    pub(super) fn question(&self, theirs: TopologyVersion) -> Option<GetTopology> {
        let have = self.topology.view().version();
        (theirs > have).then_some(GetTopology { have_version: have.0 })
    }

    /// What to answer a peer that asked.
    pub(super) fn answer(&self, asked: &GetTopology) -> Option<Topology> {
        let view = self.topology.view();
        let bundle = || Topology {
            bundle: Bytes::copy_from_slice(view.sealed()),
        };
        view.supersedes(TopologyVersion(asked.have_version)).then(bundle)
    }

    /// A peer's bundle: in force at once for links, logins and tickets; kept for the next start.
    pub(super) fn handle(&self, offered: &Topology) -> Result<(), BundleError> {
        let view = match self.topology.offer(&offered.bundle, net::clock::wall_ms()) {
            Ok(view) => view,
            // Two peers may have been asked.
            Err(BundleError::NotNewer { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        tracing::info!(version = %view.version(), "a newer topology is in force");
        self.links.recheck();
        let data = self.data.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = DataDir::keep_bundle(&data, &view) {
                tracing::error!(%error, "the newer topology is not kept for the next start");
            }
        });
        Ok(())
    }
}
