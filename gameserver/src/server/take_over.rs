//! How a server comes to serve a region at its start: it takes it over from its own former starts at once, and from another
//! node only when nobody serves it there any more. Regions change servers when the map does, or are no more.

use std::time::Duration;

use node::admin::Readiness;
use node::life::Failure;
use protocol::geometry::Position;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber, TopologyVersion};
use store::limits::GROUND_PASSED_MAX;
use store::{Holder, Holding, RegionHolder, Serving, StoreError, StoreReply, StoreRequest};
use tokio::time::{Instant, sleep};
use topology::Topology;

use super::homeless::Homeless;
use super::open_store::{OpenStore, started, unexpected};

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
    pub(super) version: TopologyVersion,
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

    /// Players of regions that the map does not have any more would belong there for ever, and nobody would see what lies there.
    /// From now on they belong to nobody, and enter the region that has their place; and so does what lies there.
    pub(super) async fn unlisted(&self) -> Result<(), Failure> {
        let in_use = match self.store.ask(StoreRequest::RegionsInUse).await? {
            StoreReply::Regions(regions) => regions,
            other => return Err(unexpected(&other)),
        };
        let unlisted: Vec<_> = in_use
            .into_iter()
            .filter(|region| self.topology.region(*region).is_none())
            .collect();
        // After the reading: whoever serves a region that only a newer topology has noted that one before.
        let newest = self.note_topology().await?;
        if newest <= self.version {
            for region in unlisted {
                self.close(region).await?;
            }
        } else if !unlisted.is_empty() {
            let regions: Vec<_> = unlisted.iter().map(ToString::to_string).collect();
            tracing::warn!(
                "regions {} are left alone, since this server has topology {} and the cluster has had {newest}: give it the newest bundle",
                regions.join(", "),
                self.version
            );
        }
        Ok(())
    }

    /// This server is about to serve what its topology gives it. The highest version that any node has noted.
    async fn note_topology(&self) -> Result<TopologyVersion, Failure> {
        let version = self.version;
        match self.store.ask(StoreRequest::NoteTopology { version }).await? {
            StoreReply::NewestTopology(newest) => Ok(newest),
            other => Err(unexpected(&other)),
        }
    }

    async fn close(&self, region: RegionNumber) -> Result<(), Failure> {
        let node = self.node;
        // Nobody ever served it in this generation of the store: what lies there may be of an older one.
        let holder = self.holder(region).await?;
        if let Some(other) = holder.filter(|holder| holder.service.node != node)
            && self.serves(&other).await
        {
            let name = self.name(other.service.node);
            tracing::warn!(
                "{name} still serves region {region}, which the topology does not have: its players and what lies there get away when that one is ended, and one is started with the newest topology"
            );
            return Ok(());
        }
        let after = holder.map(|holder| holder.service.region_epoch);
        let serve = StoreRequest::ServeRegion { region, node, after };
        let region_epoch = match self.store.handle.ask(serve).await {
            // By a topology of which the store was told, somebody has it.
            Err(error @ StoreError::NotCandidate { .. }) => {
                tracing::warn!("region {region}, which the topology does not have, is left alone: {error}");
                return Ok(());
            }
            answer => match started(answer)? {
                StoreReply::Serving(epoch) => epoch,
                // Another server that starts sees to them.
                StoreReply::Service(_) => return Ok(()),
                other => return Err(unexpected(&other)),
            },
        };
        let serving = Serving {
            node,
            region,
            region_epoch,
        };
        let mut ground = self.ground(region).await?;
        let mut done = (0, 0);
        loop {
            let rest = ground.split_off(ground.len().min(GROUND_PASSED_MAX));
            let closing = StoreRequest::CloseRegion { serving, ground };
            match self.store.ask(closing).await? {
                StoreReply::RegionClosed { players, holdings } => {
                    done = (done.0 + players, done.1 + holdings);
                }
                StoreReply::NotServing(_) => return Ok(()),
                other => return Err(unexpected(&other)),
            }
            ground = rest;
            if ground.is_empty() {
                break;
            }
        }
        let (players, holdings) = done;
        Homeless {
            store: self.store,
            topology: self.topology,
            serving,
        }
        .move_in()
        .await?;
        tracing::info!(%region, players, holdings, "the topology does not have this region any more; its players, and what lies there, are where their place is now");
        Ok(())
    }

    /// What lies in a region, and which one has its place.
    async fn ground(&self, region: RegionNumber) -> Result<Vec<(u64, RegionNumber)>, Failure> {
        let reading = StoreRequest::HoldingsOnGround { region };
        let lying = match self.store.ask(reading).await? {
            StoreReply::Holdings(lying) => lying,
            other => return Err(unexpected(&other)),
        };
        let place = |holding: Holding| match holding.holder {
            Holder::Ground { x, y, .. } => {
                let at = self.topology.region_at(Position { x, y });
                Some((holding.id, at.number))
            }
            Holder::User(_) | Holder::Trade(_) => None,
        };
        Ok(lying.into_iter().filter_map(place).collect())
    }

    async fn holder(&self, region: RegionNumber) -> Result<Option<RegionHolder>, Failure> {
        match self.store.ask(StoreRequest::ReadHolder { region }).await? {
            StoreReply::Holder(holder) => Ok(holder),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits until whoever served the region last does so no more.
    async fn free(&self, region: RegionNumber) -> Result<Option<RegionHolder>, Failure> {
        let mut told: Option<Instant> = None;
        loop {
            let holder = self.holder(region).await?;
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
