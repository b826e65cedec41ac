//! Who serves which region, for shards and subscriptions: they hear of it when the store has confirmed what a game server
//! announced. So a listed server that lies costs a read now and then, and nobody sticks to a number never issued.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::ids::RegionNumber;
use protocol::message::subscription;
use store::claims::ASK_AGAIN_MS;
use store::{Announced, ServiceClaims, Serving, StoreHandle, StoreRequest};
use tokio_util::sync::CancellationToken;

use super::refusals::Refusals;
use super::shard_handle::Shards;
use super::subscriptions::Subscriptions;
use crate::edge::EdgeInput;

/// One per process.
pub(super) struct Services {
    // Locked while shards and links are told, so that two confirmations cannot change places.
    claims: Mutex<ServiceClaims>,
    store: StoreHandle,
    shards: Shards,
    subscriptions: Arc<Subscriptions>,
    refusals: Arc<Refusals>,
    stop: CancellationToken,
}

impl Services {
    pub(super) fn new(
        store: StoreHandle,
        shards: Shards,
        subscriptions: Arc<Subscriptions>,
        refusals: Arc<Refusals>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            claims: Mutex::default(),
            store,
            shards,
            subscriptions,
            refusals,
            stop,
        }
    }

    /// A server says that it serves a region that the topology lists it for. Never waits.
    pub(super) fn announce(self: &Arc<Self>, claim: Serving) {
        let announced = self.with(|claims| {
            let announced = claims.announce(claim);
            if announced == Announced::Known {
                // Its link is new: shards know all they need, and it has to be asked for everything again.
                self.subscribe(claim);
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
                    self.believe(serving);
                }
                verdict
            });
            for refused in &verdict.refused {
                self.refusals.count("serving_unissued");
                tracing::warn!(
                    node = %refused.node, %region, region_epoch = refused.region_epoch.0,
                    "a game server announced a service that the store does not know"
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

    fn believe(&self, serving: Serving) {
        let news = subscription::Serving {
            region: serving.region.0,
            region_epoch: serving.region_epoch.0,
        };
        for shard in self.shards.iter() {
            shard.inbox.push_news(EdgeInput::Serving(serving.node, news));
        }
        self.subscribe(serving);
    }

    fn subscribe(&self, serving: Serving) {
        let Serving {
            node,
            region,
            region_epoch,
        } = serving;
        self.subscriptions.handle_serving(node, region, region_epoch);
    }

    fn with<T>(&self, act: impl FnOnce(&mut ServiceClaims) -> T) -> T {
        act(&mut self.claims.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
