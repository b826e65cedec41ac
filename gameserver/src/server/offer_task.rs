//! Ends offers whose time is over and whose player nobody has: what was offered is the player's again, and may be counted, given or
//! forgotten with the player. Whoever has a player looks after its offers at once (`region/valuables.rs`); this is for the others.

use std::time::Duration;

use protocol::ids::UserId;
use store::{StoreError, StoreHandle, StoreReply, StoreRequest};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(30);
/// Time between two portions.
const PAUSE: Duration = Duration::from_millis(50);
/// Portions in a round.
const PORTIONS_MAX: usize = 64;
/// An offer is left for so long to whoever has its player, milliseconds.
const SINCE_MS: u64 = 10_000;

/// See the module. Every server looks at all offers: ending one twice is ending it once.
pub(super) struct OfferTask {
    store: StoreHandle,
}

impl OfferTask {
    pub(super) fn of(store: &StoreHandle) -> Self {
        Self { store: store.clone() }
    }

    /// Runs until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                sleep(ROUND).await;
                match self.round().await {
                    Ok(0) => {}
                    Ok(offers) => tracing::info!(offers, "ended offers whose players are not there"),
                    Err(error) => tracing::debug!(%error, "overdue offers are ended later"),
                }
            }
        })
        .await;
    }

    /// How many offers it has ended.
    async fn round(&self) -> Result<usize, StoreError> {
        let mut ended = 0;
        for _ in 0..PORTIONS_MAX {
            let mut of_portion = 0;
            for user in self.portion().await? {
                of_portion += self.cancel(user).await?;
            }
            // Also when another server was quicker: the rest is its.
            if of_portion == 0 {
                break;
            }
            ended += of_portion;
            sleep(PAUSE).await;
        }
        Ok(ended)
    }

    async fn portion(&self) -> Result<Vec<UserId>, StoreError> {
        let overdue = StoreRequest::OverdueOffers { since_ms: SINCE_MS };
        match self.store.ask(overdue).await? {
            StoreReply::Offerers(users) => Ok(users),
            _ => Err(unexpected()),
        }
    }

    async fn cancel(&self, user: UserId) -> Result<usize, StoreError> {
        match self.store.ask(StoreRequest::CancelOverdue { user }).await? {
            StoreReply::TradesCancelled(offers) => Ok(offers),
            _ => Err(unexpected()),
        }
    }
}

fn unexpected() -> StoreError {
    StoreError::Unknown("the store gave an answer to another question".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use bytes::Bytes;
    use protocol::ids::{
        AttemptId, EntityId, Incarnation, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, StateVersion,
    };
    use store::holding::minted_id;
    use store::request::DurableCommit;
    use store::simulated::SharedSimulatedStore;
    use store::{
        HoldingChange, Offer, PlayerBody, PlayerRow, PlayerSave, Serving, Store, StoreSettings, TradeId,
    };

    const LASTS_MS: u64 = 5_000;

    struct Scene(SharedSimulatedStore);

    impl Scene {
        fn ask(&self, request: StoreRequest) -> StoreReply {
            self.0.execute(&[request]).remove(0).unwrap()
        }

        /// Where the holdings of its one kind are: with somebody, in trades.
        fn counts(&self) -> (u64, u64) {
            match self.ask(StoreRequest::CountHoldings) {
                StoreReply::HoldingCounts(counts) => (counts[0].held, counts[0].in_trades),
                other => panic!("{other:?}"),
            }
        }

        /// A user who makes a thing, offers it to another, and logs out.
        fn offers_and_leaves(&self, number: u64, to: UserId, serving: Serving) {
            let save = |version| saved(number, version);
            let id = |counter: u64| minted_id(serving.node, Incarnation(1), counter as u32).unwrap();
            let holding = id(number);
            let made = HoldingChange::Mint {
                holding,
                kind: 1,
                payload: Bytes::new(),
            };
            let offer = HoldingChange::Offer(Offer {
                trade: TradeId(id(1_000 + number)),
                to,
                gives: vec![holding],
                wants: Vec::new(),
                lasts_ms: LASTS_MS,
            });
            let commits = vec![DurableCommit {
                save: save(2),
                changes: vec![made, offer],
            }];
            self.ask(StoreRequest::CommitDurable { serving, commits });
            let save = save(3);
            let released = self.ask(StoreRequest::Release { serving, save });
            assert_eq!(released, StoreReply::Released);
        }

        fn spawn(&self, number: u64, serving: Serving) -> UserId {
            let row = PlayerRow {
                user: UserId(number),
                owner: Some(serving.node),
                region: serving.region,
                region_epoch: serving.region_epoch,
                owner_epoch: OwnerEpoch(0),
                attempt: AttemptId(0),
                version: StateVersion(1),
                entity: EntityId(number),
                body: PlayerBody::default(),
            };
            self.ask(StoreRequest::InsertPlayer { row });
            UserId(number)
        }
    }

    fn saved(number: u64, version: u64) -> PlayerSave {
        PlayerSave {
            user: UserId(number),
            owner_epoch: OwnerEpoch::first(1),
            version: StateVersion(version),
            body: PlayerBody::default(),
        }
    }

    #[tokio::test]
    async fn what_was_offered_by_who_is_not_there_is_theirs_again_when_its_time_is_over() {
        let scene = Scene(SharedSimulatedStore::default());
        let (node, region) = (NodeNumber(1), RegionNumber(1));
        let serve = StoreRequest::ServeRegion {
            region,
            node,
            after: None,
        };
        assert!(matches!(scene.ask(serve), StoreReply::Serving(_)));
        let serving = Serving {
            node,
            region,
            region_epoch: RegionEpoch::first(1),
        };
        let receiver = scene.spawn(999, serving);
        // More than a portion has.
        let offerers: usize = 100;
        for number in 1..=offerers as u64 {
            scene.spawn(number, serving);
            scene.offers_and_leaves(number, receiver, serving);
        }
        assert_eq!(scene.counts(), (0, 100));
        let store: Arc<dyn Store> = Arc::new(scene.0.clone());
        let (store, _threads) = StoreHandle::spawn(&store, StoreSettings::default()).unwrap();
        let task = OfferTask { store };
        scene.0.set_now_ms(LASTS_MS + SINCE_MS - 1);
        assert_eq!(
            task.round().await.unwrap(),
            0,
            "whoever has such a player ends it"
        );
        scene.0.set_now_ms(LASTS_MS + SINCE_MS);
        assert_eq!(task.round().await.unwrap(), offerers);
        assert_eq!(scene.counts(), (100, 0));
        assert_eq!(task.round().await.unwrap(), 0);
    }
}
