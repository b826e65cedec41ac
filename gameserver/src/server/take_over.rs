//! How a server comes to serve a region at its start: it takes it over from its own former starts at once, and from another
//! node only when nobody serves it there any more. Regions change servers when the map does.

use std::time::Duration;

use node::admin::Readiness;
use node::life::Failure;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};
use store::{RegionHolder, StoreReply, StoreRequest};
use tokio::time::{Instant, sleep};
use topology::Topology;

use super::open_store::{OpenStore, unexpected};

/// How often somebody else may begin to serve a region between our reading of it and our taking it.
const TRIES_MAX: usize = 8;
/// How often it is looked whether another server still serves it …
const LOOK: Duration = Duration::from_millis(200);
/// … and how often that is told.
const TELL: Duration = Duration::from_secs(60);

/// A server that takes its regions over.
pub(super) struct TakeOver<'a> {
    pub(super) store: &'a OpenStore,
    pub(super) node: NodeNumber,
    pub(super) topology: &'a Topology,
    pub(super) readiness: &'a Readiness,
}

impl TakeOver<'_> {
    /// Waits until nobody else serves the region, and serves it.
    pub(super) async fn region(&self, region: RegionNumber) -> Result<RegionEpoch, Failure> {
        for _ in 0..TRIES_MAX {
            let holder = self.free(region).await?;
            let node = self.node;
            let after = holder.map(|holder| holder.service.region_epoch);
            match self
                .store
                .ask(StoreRequest::ServeRegion { region, node, after })
                .await?
            {
                StoreReply::Serving(epoch) => return Ok(epoch),
                StoreReply::Service(_) => {}
                other => return Err(unexpected(&other)),
            }
        }
        Err(Failure::failed(format!(
            "other processes keep taking region {region} over; let only one of this name run"
        )))
    }

    /// Waits until whoever served the region last does so no more.
    async fn free(&self, region: RegionNumber) -> Result<Option<RegionHolder>, Failure> {
        let mut told: Option<Instant> = None;
        loop {
            let holder = match self.store.ask(StoreRequest::ReadHolder { region }).await? {
                StoreReply::Holder(holder) => holder,
                other => return Err(unexpected(&other)),
            };
            let other = holder.filter(|holder| holder.service.node != self.node);
            let Some(other) = other else {
                return Ok(holder);
            };
            if !self.serves(&other).await {
                tracing::info!(%region, node = %self.name(other.service.node), "taken over from a server that serves it no more");
                return Ok(holder);
            }
            if told.is_none_or(|told| told.elapsed() >= TELL) {
                told = Some(Instant::now());
                let what = format!(
                    "{} still serves region {region}, which the topology gives to this server: start it again with the newest topology, or end it",
                    self.name(other.service.node)
                );
                tracing::warn!("{what}");
                self.readiness.starting(&what);
            }
            sleep(LOOK).await;
        }
    }

    /// Whether the process that began the service is there. It has ended when its node was started since, or when no process of
    /// its node works on the store.
    async fn serves(&self, holder: &RegionHolder) -> bool {
        holder.since == holder.newest && self.store.has(holder.service.node).await
    }

    fn name(&self, node: NodeNumber) -> String {
        let server = self.topology.server(node);
        server.map_or_else(|| format!("node {node}"), |server| server.name.clone())
    }
}
