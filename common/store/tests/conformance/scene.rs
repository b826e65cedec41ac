//! A store opened by two processes, and short words for what the tests ask of it.

use std::sync::{Arc, Barrier};

use bytes::Bytes;
use protocol::geometry::CellIndex;
use protocol::ids::*;
use store::request::DurableCommit;
use store::simulated::SharedSimulatedStore;
use store::*;
use tempfile::TempDir;

pub(crate) const A: NodeNumber = NodeNumber(1);
pub(crate) const B: NodeNumber = NodeNumber(2);
pub(crate) const WEST: RegionNumber = RegionNumber(1);
pub(crate) const EAST: RegionNumber = RegionNumber(2);
pub(crate) const ANN: UserId = UserId(11);
pub(crate) const BOB: UserId = UserId(12);

/// Of every user.
pub(crate) const FIRST_LOGIN: SessionGeneration = SessionGeneration(1 << 48 | 1);

pub(crate) struct Scene {
    pub(crate) store: Arc<dyn Store>,
    /// The same data, as another process sees them.
    pub(crate) other: Arc<dyn Store>,
    /// Lets all sessions be over by the store's clock.
    pub(crate) lapse: Box<dyn Fn() + Send + Sync>,
    /// What the store stands in, where that goes with the scene.
    pub(crate) _folder: Option<TempDir>,
}

/// Two processes at once, neither before the other is there.
pub(crate) fn both<T, U: Send>(one: impl FnOnce() -> T, other: impl FnOnce() -> U + Send) -> (T, U) {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            barrier.wait();
            other()
        });
        barrier.wait();
        (one(), other.join().unwrap())
    })
}

pub(crate) fn simulated() -> Scene {
    let store = SharedSimulatedStore::default();
    let later = store.clone();
    let lapse = move || later.set_now_ms(limits::SESSION_MS);
    Scene::of(Arc::new(store.clone()), Arc::new(store), lapse)
}

pub(crate) fn ask(store: &Arc<dyn Store>, request: StoreRequest) -> StoreReply {
    store.execute(&[request]).remove(0).unwrap()
}

impl Scene {
    pub(crate) fn of(
        store: Arc<dyn Store>,
        other: Arc<dyn Store>,
        lapse: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            store,
            other,
            lapse: Box::new(lapse),
            _folder: None,
        }
    }

    pub(crate) fn ask(&self, request: StoreRequest) -> StoreReply {
        ask(&self.store, request)
    }

    pub(crate) fn serve(&self, node: NodeNumber, region: RegionNumber) -> Serving {
        let StoreReply::Service(newest) = self.ask(StoreRequest::ReadService { region }) else {
            panic!("nothing is said of the region");
        };
        let after = newest.map(|service| service.region_epoch);
        let serve = StoreRequest::ServeRegion { region, node, after };
        let StoreReply::Serving(region_epoch) = self.ask(serve) else {
            panic!("not served");
        };
        Serving {
            node,
            region,
            region_epoch,
        }
    }

    /// A process of the node starts.
    pub(crate) fn start(&self, node: NodeNumber) -> Lease {
        match self.ask(StoreRequest::StartNode { node }) {
            StoreReply::Started(incarnation) => Lease { node, incarnation },
            other => panic!("{other:?}"),
        }
    }

    /// Who holds a region that was served.
    pub(crate) fn holder(&self, region: RegionNumber) -> RegionHolder {
        match self.ask(StoreRequest::ReadHolder { region }) {
            StoreReply::Holder(Some(holder)) => holder,
            other => panic!("{other:?}"),
        }
    }

    /// The user logs in.
    pub(crate) fn log_in(&self, user: UserId) -> SessionGeneration {
        match self.ask(StoreRequest::RaiseSession { user }) {
            StoreReply::Session(generation) => generation,
            other => panic!("{other:?}"),
        }
    }

    /// A player who has logged in and whom `serving` has spawned, at version 1.
    pub(crate) fn spawn(&self, user: UserId, serving: Serving) -> PlayerRow {
        let mut row = row(user, serving);
        row.body.binding.session_generation = self.log_in(user);
        match self.ask(StoreRequest::InsertPlayer { row }) {
            StoreReply::Inserted(row) => row,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn load(&self, user: UserId) -> Option<PlayerRow> {
        match self.ask(StoreRequest::LoadPlayer { user }) {
            StoreReply::Player(row) => row,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn row(&self, user: UserId) -> PlayerRow {
        self.load(user).expect("a row")
    }

    pub(crate) fn save(&self, owner: NodeNumber, save: PlayerSave) -> SaveOutcome {
        match self.ask(StoreRequest::SavePlayers {
            owner,
            saves: vec![save],
        }) {
            StoreReply::Saved(outcomes) => outcomes[0],
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn commit(
        &self,
        owner: NodeNumber,
        save: PlayerSave,
        changes: &[HoldingChange],
    ) -> CommitOutcome {
        let serving = under(owner, &self.row(save.user));
        let commits = vec![DurableCommit {
            save,
            changes: changes.to_vec(),
        }];
        match self.ask(StoreRequest::CommitDurable { serving, commits }) {
            StoreReply::Committed(outcomes) => outcomes[0],
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn holdings(&self, request: StoreRequest) -> Vec<Holding> {
        match self.ask(request) {
            StoreReply::Holdings(holdings) | StoreReply::Belongings(Belongings { holdings, .. }) => holdings,
            other => panic!("{other:?}"),
        }
    }

    /// `count` gems, numbered from 0, all on the ground of `WEST`.
    pub(crate) fn seed(&self, count: u64) {
        let holder = |id: u64| Holder::Ground {
            region: WEST,
            x: id as f32 + 0.25,
            y: 2.0,
        };
        let holdings = (0..count)
            .map(|id| Holding {
                id,
                kind: 7,
                holder: holder(id),
                payload: Bytes::new(),
            })
            .collect();
        assert_eq!(
            self.ask(StoreRequest::SeedHoldings {
                region: WEST,
                seed: 99,
                holdings
            }),
            StoreReply::Seeded(99)
        );
    }
}

pub(crate) fn row(user: UserId, serving: Serving) -> PlayerRow {
    PlayerRow {
        user,
        owner: Some(serving.node),
        region: serving.region,
        region_epoch: serving.region_epoch,
        owner_epoch: OwnerEpoch(0),
        attempt: AttemptId(0),
        version: StateVersion(1),
        entity: EntityId(u64::MAX - user.0),
        body: body(1),
    }
}

/// A body whose every field tells its version.
pub(crate) fn body(version: u64) -> PlayerBody {
    PlayerBody {
        home_cell: CellIndex(version as u32),
        binding: Binding {
            session_generation: FIRST_LOGIN,
            attach_no: AttachNo(1),
            proxy: Some(NodeNumber(101)),
        },
        last_input: InputNumber(version.wrapping_mul(10)),
        last_command: CommandNumber(version),
        chain_hash: [version as u8; 32],
        state: Bytes::from(format!("state {version}")),
    }
}

pub(crate) fn save(row: &PlayerRow, version: u64) -> PlayerSave {
    PlayerSave {
        user: row.user,
        owner_epoch: row.owner_epoch,
        version: StateVersion(version),
        body: PlayerBody {
            binding: row.body.binding,
            ..body(version)
        },
    }
}

/// The service of a row, if it were this node's.
pub(crate) fn under(node: NodeNumber, row: &PlayerRow) -> Serving {
    Serving {
        node,
        region: row.region,
        region_epoch: row.region_epoch,
    }
}

pub(crate) fn pass(from: Serving, to: Serving, attempt: u64, passengers: Vec<PlayerSave>) -> StoreRequest {
    StoreRequest::PassPlayers {
        from,
        to,
        attempt: AttemptId(attempt),
        passengers,
    }
}

pub(crate) fn renew(lease: Lease) -> StoreRequest {
    StoreRequest::RenewLease { lease }
}

pub(crate) fn take_over(taker: Lease, holder: RegionHolder) -> StoreRequest {
    StoreRequest::TakeOver { taker, holder }
}

pub(crate) fn activate(row: &PlayerRow, serving: Serving) -> StoreRequest {
    let (user, expected, binding) = (row.user, row.owner_epoch, row.body.binding);
    StoreRequest::Activate {
        user,
        serving,
        expected,
        binding,
    }
}
