//! How this proxy comes to the newest topology: heartbeats name versions, the older side asks, the newer one answers. What
//! arrives is believed for the authority's signature, never for who brought it.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use node::topology_in_force::TopologyInForce;
use protocol::ids::TopologyVersion;
use protocol::message::subscription::{GetTopology, Topology};
use topology::{BundleError, TopologyView};

/// Shared by shards and control.
pub(super) struct TopologyNews {
    pub(super) topology: Arc<TopologyInForce>,
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

    /// Judges a peer's bundle, which takes a while: in force at once for links, logins and tickets. `None` when it is not
    /// newer: two peers may have been asked.
    pub(super) fn offer(&self, offered: &Topology) -> Result<Option<Arc<TopologyView>>, BundleError> {
        match self.topology.offer(&offered.bundle, net::clock::wall_ms()) {
            Ok(view) => Ok(Some(view)),
            Err(BundleError::NotNewer { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps what is in force for the next start. Waits for the disk.
    pub(super) fn keep(&self) {
        if let Err(error) = self.topology.keep(&self.data) {
            tracing::error!(%error, "the newer topology is not kept for the next start");
        }
    }
}
