//! How nodes come to the newest topology: heartbeats name versions, the older side asks, the newer one answers. What
//! arrives is believed for the authority's signature, never for who brought it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use net::link::LinkContext;
use node::topology_in_force::TopologyInForce;
use protocol::ids::{NodeNumber, TopologyVersion};
use protocol::message::node::Heartbeat;
use protocol::message::subscription::{GetTopology, Topology};
use tokio::sync::watch;
use topology::BundleError;

/// Shared by all links.
pub(super) struct TopologyGossip {
    pub(super) in_force: Arc<TopologyInForce>,
    pub(super) context: Arc<LinkContext>,
    /// Where a newer one is kept for the next start.
    pub(super) data: PathBuf,
    /// Servers beside the neighbours that links are wanted to.
    pub(super) far: watch::Sender<BTreeSet<NodeNumber>>,
}

impl TopologyGossip {
    /// What to ask a peer whose heartbeat came.
    pub(super) fn question(&self, heartbeat: &Heartbeat) -> Option<GetTopology> {
        let have = self.in_force.view().version();
        (TopologyVersion(heartbeat.topology_version) > have).then_some(GetTopology { have_version: have.0 })
    }

    /// What to answer a peer that asked.
    pub(super) fn answer(&self, asked: &GetTopology) -> Option<Topology> {
        let view = self.in_force.view();
        let bundle = || Topology {
            bundle: Bytes::copy_from_slice(view.sealed()),
        };
        view.supersedes(TopologyVersion(asked.have_version)).then(bundle)
    }

    /// A peer's bundle came. Whoever owns the links then looks at each peer again.
    pub(super) fn handle(&self, offered: &Topology) -> Result<(), BundleError> {
        let view = match self.in_force.offer(&offered.bundle, node::clock::wall_ms()) {
            Ok(view) => view,
            // Two peers may have been asked.
            Err(BundleError::NotNewer { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        tracing::info!(version = %view.version(), "a newer topology is in force");
        if !Arc::ptr_eq(self.in_force.listing().now(), view.shared_topology()) {
            tracing::warn!(
                "it has another world or other regions, which no running server takes up: end all nodes of the cluster, and start them again"
            );
        }
        let (data, in_force) = (self.data.clone(), Arc::clone(&self.in_force));
        tokio::task::spawn_blocking(move || {
            if let Err(error) = in_force.keep(&data) {
                tracing::warn!(%error, "the new topology is in force, but the next start will not know it");
            }
        });
        Ok(())
    }
}
