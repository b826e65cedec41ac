//! Forgets guests that left for good: in portions, with a pause after each, beside everything that anybody waits for.
//! What they held lies on the ground of the region that they stood in; the region hears of it at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::ids::{NodeNumber, RegionNumber, UserId};
use store::request::ForgottenGuest;
use store::{Serving, StaleGuest, StoreError, StoreHandle, StoreReply, StoreRequest};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use topology::Topology;

use super::report::WorldReports;
use super::world_mailbox::{Mailbox, Order};

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(60);
/// Time between two portions.
const PAUSE: Duration = Duration::from_millis(50);
/// How often one portion is asked for again whose guests hold more than a transaction moves.
const AGAIN_MAX: usize = 64;

/// See the module. Every server looks at all guests, and forgets those of its own regions.
pub(super) struct GuestTask {
    pub(super) store: StoreHandle,
    pub(super) mailbox: Mailbox,
    pub(super) topology: Arc<Topology>,
    pub(super) node: NodeNumber,
    /// The world's last word on what it serves.
    pub(super) reports: WorldReports,
    pub(super) idle_ms: u64,
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Round {
    guests: u64,
    holdings: usize,
    sessions: u64,
}

impl GuestTask {
    /// Runs until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        if self.idle_ms == 0 {
            return stop.cancelled().await;
        }
        stop.run_until_cancelled(async {
            loop {
                sleep(ROUND).await;
                match self.round().await {
                    Ok(Round {
                        guests: 0,
                        holdings: 0,
                        sessions: 0,
                    }) => {}
                    Ok(Round {
                        guests,
                        holdings,
                        sessions,
                    }) => {
                        tracing::info!(guests, holdings, sessions, "forgot guests that left for good");
                    }
                    Err(error) => tracing::debug!(%error, "guests that left are forgotten later"),
                }
            }
        })
        .await;
    }

    async fn round(&self) -> Result<Round, StoreError> {
        let (idle_ms, mut round, mut after) = (self.idle_ms, Round::default(), None);
        loop {
            let reply = self
                .store
                .ask(StoreRequest::StaleGuests { idle_ms, after })
                .await?;
            let StoreReply::StaleGuests { guests, next } = reply else {
                return Err(unexpected());
            };
            for (serving, guests) in self.by_place(&guests) {
                self.forget(serving, guests, &mut round).await?;
            }
            after = next;
            if after.is_none() {
                break;
            }
            sleep(PAUSE).await;
        }
        self.forget_sessions(&mut round).await?;
        Ok(round)
    }

    async fn forget(
        &self,
        serving: Serving,
        guests: Vec<ForgottenGuest>,
        round: &mut Round,
    ) -> Result<(), StoreError> {
        for _ in 0..AGAIN_MAX {
            let request = StoreRequest::ForgetGuests {
                serving,
                idle_ms: self.idle_ms,
                guests: guests.clone(),
            };
            let (gone, holdings) = match self.store.ask(request).await? {
                StoreReply::Forgotten { guests, holdings } => (guests, holdings),
                // The region was taken over: whoever has it now sees to them.
                StoreReply::NotServing(_) => return Ok(()),
                _ => return Err(unexpected()),
            };
            round.guests += gone;
            round.holdings += holdings.len();
            let is_full = holdings.len() >= store::limits::FORGOTTEN_HOLDINGS_MAX;
            if !holdings.is_empty() {
                self.mailbox.send(Order::Fallen(serving.region, holdings));
            }
            if !is_full {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// They have no place: the server of the first region forgets them.
    async fn forget_sessions(&self, round: &mut Round) -> Result<(), StoreError> {
        let first = self.topology.regions().first();
        let served = self.reports.load().served();
        if !first.is_some_and(|region| served.contains_key(&region.number)) {
            return Ok(());
        }
        let (idle_ms, mut after): (u64, Option<UserId>) = (self.idle_ms, None);
        loop {
            let reply = self
                .store
                .ask(StoreRequest::ForgetSessions { idle_ms, after })
                .await?;
            let StoreReply::SessionsForgotten { sessions, next } = reply else {
                return Err(unexpected());
            };
            round.sessions += sessions;
            after = next;
            if after.is_none() {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    /// The guests of this server's regions, by region, each with the place where its holdings fall.
    fn by_place(&self, guests: &[StaleGuest]) -> Vec<(Serving, Vec<ForgottenGuest>)> {
        let mut by_region: BTreeMap<RegionNumber, Vec<ForgottenGuest>> = BTreeMap::new();
        for guest in guests {
            let (region, at) = self.topology.resting_place(guest.home_cell);
            let guest = ForgottenGuest {
                user: guest.user,
                owner_epoch: guest.owner_epoch,
                x: at.x,
                y: at.y,
            };
            by_region.entry(region).or_default().push(guest);
        }
        let own = self.reports.load().served();
        let served = by_region.into_iter().filter_map(|(region, guests)| {
            let region_epoch = *own.get(&region)?;
            let serving = Serving {
                node: self.node,
                region,
                region_epoch,
            };
            Some((serving, guests))
        });
        served.collect()
    }
}

fn unexpected() -> StoreError {
    StoreError::Unknown("the store gave an answer to another question".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::report::WorldReport;
    use super::*;
    use crate::world::RegionReport;
    use arc_swap::ArcSwap;
    use net::udp::Poller;
    use protocol::geometry::{CellIndex, Position};
    use protocol::ids::{AttemptId, EntityId, OwnerEpoch, RegionEpoch, StateVersion};
    use store::simulated::SharedSimulatedStore;
    use store::{Holder, Holding, PlayerBody, PlayerRow, PlayerSave, Store, StoreSettings};

    const WORLD: &str = include_str!("../../../deploy/topologies/two-by-two.toml");
    const HERE: RegionNumber = RegionNumber(1);
    const THERE: RegionNumber = RegionNumber(2);
    const ME: NodeNumber = NodeNumber(1);

    struct Scene {
        store: SharedSimulatedStore,
        topology: Arc<Topology>,
    }

    impl Scene {
        fn ask(&self, request: StoreRequest) -> StoreReply {
            self.store.execute(&[request]).remove(0).unwrap()
        }

        fn serve(&self, region: RegionNumber) -> RegionEpoch {
            let (node, after) = (ME, None);
            match self.ask(StoreRequest::ServeRegion { region, node, after }) {
                StoreReply::Serving(epoch) => epoch,
                other => panic!("{other:?}"),
            }
        }

        /// A guest in the north-west of a region, with a holding of the same number, who logs out.
        fn left(&self, number: u64, region: RegionNumber, region_epoch: RegionEpoch) -> CellIndex {
            let rect = self.topology.region(region).unwrap().rect;
            let home_cell = self.topology.world().grid().cell_at(Position {
                x: rect.min[0] as f32,
                y: rect.min[1] as f32,
            });
            let row = PlayerRow {
                user: UserId((1 << 40) + number),
                owner: Some(ME),
                region,
                region_epoch,
                owner_epoch: OwnerEpoch(0),
                attempt: AttemptId(0),
                version: StateVersion(0),
                entity: EntityId(number),
                body: PlayerBody {
                    home_cell,
                    ..PlayerBody::default()
                },
            };
            let save = PlayerSave {
                user: row.user,
                owner_epoch: OwnerEpoch::first(1),
                version: StateVersion(1),
                body: row.body.clone(),
            };
            let holding = Holding {
                id: number,
                kind: 1,
                holder: Holder::User(row.user),
                payload: bytes::Bytes::new(),
            };
            let seed = StoreRequest::SeedHoldings {
                region: RegionNumber(100 + region.0),
                seed: 1,
                holdings: vec![holding],
            };
            self.ask(StoreRequest::InsertPlayer { row });
            self.ask(seed);
            let serving = Serving {
                node: ME,
                region,
                region_epoch,
            };
            assert_eq!(
                self.ask(StoreRequest::Release { serving, save }),
                StoreReply::Released
            );
            home_cell
        }
    }

    /// What a world that serves this one region tells.
    fn serving(region: RegionNumber, epoch: RegionEpoch) -> WorldReport {
        let mut report = RegionReport::default();
        report.status.region = region.0;
        report.status.region_epoch = epoch.0;
        WorldReport {
            regions: vec![report],
            ..WorldReport::default()
        }
    }

    #[tokio::test]
    async fn a_round_forgets_guests_of_its_own_regions_and_tells_the_world_what_fell() {
        let topology = topology::parse("t.toml", WORLD).unwrap_or_else(|m| panic!("{m}"));
        let scene = Scene {
            store: SharedSimulatedStore::default(),
            topology: Arc::new(topology),
        };
        let (here, there) = (scene.serve(HERE), scene.serve(THERE));
        let home = scene.left(1, HERE, here);
        scene.left(2, THERE, there);
        scene.store.set_now_ms(10_000_000);
        scene.ask(StoreRequest::RaiseSession {
            user: UserId((1 << 40) + 9),
        });
        let poller = Poller::new().unwrap();
        let mailbox = Mailbox::new(poller.waker());
        let store: Arc<dyn Store> = Arc::new(scene.store.clone());
        let (store, _threads) = StoreHandle::spawn(&store, StoreSettings::default()).unwrap();
        let task = GuestTask {
            store,
            mailbox: mailbox.clone(),
            topology: Arc::clone(&scene.topology),
            node: ME,
            reports: Arc::new(ArcSwap::from_pointee(serving(HERE, here))),
            idle_ms: 3_600_000,
        };
        let done = |guests, holdings, sessions| Round {
            guests,
            holdings,
            sessions,
        };
        assert_eq!(task.round().await.unwrap(), done(1, 1, 0));
        let mut orders = Vec::new();
        mailbox.take(&mut orders);
        let Some(Order::Fallen(HERE, fallen)) = orders.pop() else {
            panic!("the region does not hear of it");
        };
        let Holder::Ground { region, x, y } = fallen[0].holder else {
            panic!("it is held");
        };
        let at = scene.topology.world().grid().cell_at(Position { x, y });
        assert_eq!((fallen[0].id, region, at), (1, HERE, home));
        assert_eq!(task.round().await.unwrap(), done(0, 0, 0));
        scene.store.set_now_ms(20_000_000);
        assert_eq!(
            task.round().await.unwrap(),
            done(0, 0, 1),
            "the session of who never came"
        );
    }
}
