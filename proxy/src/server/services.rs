//! Who serves which region, for all shards: they hear of it when the store has confirmed what a game server announced. So a
//! listed server that lies costs a read now and then, and nobody sticks to a number never issued.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::ids::RegionNumber;
use store::claims::ASK_AGAIN_MS;
use store::{Announced, ServiceClaims, Serving, StoreHandle, StoreReply, StoreRequest};
use tokio_util::sync::CancellationToken;

use super::directory::ShardIndex;
use super::mailbox::Order;
use super::refusals::Refusals;
use super::shard_handle::{Shards, tell_all};

/// One per process.
pub(super) struct Services {
    // Locked while shards are told, so that two confirmations cannot change places.
    claims: Mutex<ServiceClaims>,
    store: StoreHandle,
    shards: Shards,
    refusals: Arc<Refusals>,
    stop: CancellationToken,
}

impl Services {
    pub(super) fn new(
        store: StoreHandle,
        shards: Shards,
        refusals: Arc<Refusals>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            claims: Mutex::default(),
            store,
            shards,
            refusals,
            stop,
        }
    }

    /// A server told a shard that it serves a region that the topology lists it for. Never waits.
    pub(super) fn announce(self: &Arc<Self>, shard: ShardIndex, claim: Serving) {
        let announced = self.with(|claims| {
            let announced = claims.announce(claim);
            // The other shards know; this one asked before it was told.
            if announced == Announced::Known
                && let Some(shard) = self.shards.get(shard.place())
            {
                shard.mailbox.send(Order::Serving(claim));
            }
            announced
        });
        if announced == Announced::Ask {
            let this = Arc::clone(self);
            tokio::spawn(async move {
                let stop = this.stop.clone();
                stop.run_until_cancelled(this.confirm(claim.region)).await;
            });
        }
    }

    /// Asks until nothing is left to be judged: one such task per region.
    async fn confirm(&self, region: RegionNumber) {
        loop {
            let answer = self.store.ask(StoreRequest::ReadService { region }).await;
            let verdict = self.with(|claims| {
                let verdict = claims.answer(region, &answer);
                if let Some(serving) = verdict.confirmed {
                    tell_all(&self.shards, || Order::Serving(serving));
                }
                verdict
            });
            for refused in &verdict.refused {
                self.refusals.count("serving_unissued");
                tracing::warn!(
                    node = %refused.node, %region, region_epoch = refused.region_epoch.0,
                    "a game server announced a service that this proxy's store does not know: either somebody else has taken the region over since, or the server works on another store; then name the same file with `store.path` on both"
                );
            }
            if !verdict.again {
                return;
            }
            tokio::time::sleep(Duration::from_millis(ASK_AGAIN_MS)).await;
            if !self.with(|claims| claims.ask_again(region)) {
                return;
            }
        }
    }

    /// Reads who holds a region for a shard that does not reach it. Never waits; what the store does not say is asked again.
    pub(super) fn read_holder(self: &Arc<Self>, shard: ShardIndex, region: RegionNumber) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let asked = this.store.ask(StoreRequest::ReadHolder { region });
            if let Some(Ok(StoreReply::Holder(holder))) = this.stop.run_until_cancelled(asked).await
                && let Some(shard) = this.shards.get(shard.place())
            {
                shard.mailbox.send(Order::Holder(region, holder));
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut ServiceClaims) -> T) -> T {
        act(&mut self.claims.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
