//! Leases in a database: what goes past the batches, and what only a look into the database shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::geometry::CellIndex;
use protocol::ids::*;
use store::postgres::trial::TrialServer;
use store::postgres::{PostgresAddress, PostgresStore};
use store::*;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const A: NodeNumber = NodeNumber(1);
const B: NodeNumber = NodeNumber(2);
const WEST: RegionNumber = RegionNumber(1);
const ANN: UserId = UserId(11);

struct Scene {
    server: TrialServer,
    address: PostgresAddress,
    store: PostgresStore,
    leases: Arc<dyn LeaseStore>,
}

impl Scene {
    fn new() -> Self {
        let server = TrialServer::start(&["shared_buffers = '32MB'"]).unwrap();
        let address = server.create("world").unwrap();
        let store = PostgresStore::open(&address).unwrap();
        let leases = store.lease_store().unwrap();
        Self {
            server,
            address,
            store,
            leases,
        }
    }

    fn say(&self, statements: &str) -> Vec<String> {
        self.server.say("world", statements).unwrap()
    }

    fn ask(&self, request: StoreRequest) -> StoreReply {
        ask(&self.store, request).unwrap()
    }

    fn start(&self, node: NodeNumber) -> Lease {
        match self.ask(StoreRequest::StartNode { node }) {
            StoreReply::Started(incarnation) => Lease { node, incarnation },
            other => panic!("{other:?}"),
        }
    }

    /// `A` serves `WEST`, and has `ANN` there.
    fn serve(&self) -> PlayerRow {
        let serve = StoreRequest::ServeRegion {
            region: WEST,
            node: A,
            after: None,
        };
        let StoreReply::Serving(region_epoch) = self.ask(serve) else {
            panic!("it was not served before");
        };
        let row = PlayerRow {
            user: ANN,
            owner: Some(A),
            region: WEST,
            region_epoch,
            owner_epoch: OwnerEpoch(0),
            attempt: AttemptId(0),
            version: StateVersion(1),
            entity: EntityId(1),
            body: body(1),
        };
        match self.ask(StoreRequest::InsertPlayer { row }) {
            StoreReply::Inserted(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn holder(&self) -> RegionHolder {
        holder(&self.store).unwrap().unwrap()
    }

    /// A session of somebody else that holds locks until it is told to end.
    fn holding(&self, statement: &'static str) -> (mpsc::Sender<()>, thread::JoinHandle<()>) {
        let (end, ended) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel::<()>();
        let config: tokio_postgres::Config = self.server.address("world").parse().unwrap();
        let holder = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
                let connection = tokio::spawn(connection);
                client.batch_execute("BEGIN").await.unwrap();
                client.batch_execute(statement).await.unwrap();
                tell.send(()).unwrap();
                tokio::task::spawn_blocking(move || ended.recv())
                    .await
                    .unwrap()
                    .ok();
                drop(client);
                let _ = connection.await;
            });
        });
        told.recv().unwrap();
        (end, holder)
    }

    fn wait_until(&self, what: &str) {
        until(|| self.say(what) == ["t"], what);
    }
}

fn until(mut is_so: impl FnMut() -> bool, what: &str) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn ask(store: &dyn Store, request: StoreRequest) -> StoreResult {
    store.execute(&[request]).remove(0)
}

fn renew(lease: Lease) -> StoreRequest {
    StoreRequest::RenewLease { lease }
}

fn holder(store: &dyn Store) -> Result<Option<RegionHolder>, StoreError> {
    match ask(store, StoreRequest::ReadHolder { region: WEST })? {
        StoreReply::Holder(holder) => Ok(holder),
        other => panic!("{other:?}"),
    }
}

fn body(version: u64) -> PlayerBody {
    PlayerBody {
        home_cell: CellIndex(1),
        last_input: InputNumber(version),
        state: Bytes::from(format!("state {version}")),
        ..PlayerBody::default()
    }
}

#[test]
fn a_renewal_waits_for_no_batch() {
    let scene = Scene::new();
    let lease = scene.start(A);
    scene.serve();
    let (end, holder_of_lock) = scene.holding("LOCK TABLE regionmesh.session IN EXCLUSIVE MODE");
    // A batch that waits is told so after 3 s, which may pass on a slow machine before anything else is done.
    let passed = (1..=5).any(|beat| {
        thread::scope(|scope| {
            let raise = StoreRequest::RaiseSession { user: ANN };
            let batch = scope.spawn(|| ask(&scene.store, raise));
            scene.wait_until(
                "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%write_batch%'",
            );
            let renewed = ask(scene.leases.as_ref(), renew(lease));
            assert_eq!(renewed, Ok(StoreReply::LeaseRenewed(beat)));
            assert!(holder(scene.leases.as_ref()).unwrap().is_some());
            !batch.is_finished()
        })
    });
    assert!(passed, "the batch was over each time");
    end.send(()).unwrap();
    holder_of_lock.join().unwrap();
}

#[test]
fn a_lease_store_says_soon_that_its_database_does_not_answer() {
    let scene = Scene::new();
    let lease = scene.start(A);
    scene.serve();
    let (end, renewing) = scene.holding("UPDATE regionmesh.node_lease SET beat = beat");
    let renewed = ask(scene.leases.as_ref(), renew(lease));
    assert!(
        matches!(renewed, Err(StoreError::Unavailable(_))),
        "surely not applied: {renewed:?}"
    );
    end.send(()).unwrap();
    renewing.join().unwrap();
    let renewed = ask(scene.leases.as_ref(), renew(lease));
    assert_eq!(renewed, Ok(StoreReply::LeaseRenewed(1)));

    holder(scene.leases.as_ref()).unwrap();
    let session = scene.leases.session();
    let (end, migrating) = scene.holding("LOCK TABLE regionmesh.region IN ACCESS EXCLUSIVE MODE");
    let read = holder(scene.leases.as_ref());
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    end.send(()).unwrap();
    migrating.join().unwrap();
    until(
        || holder(scene.leases.as_ref()).is_ok(),
        "it is read again, on a new connection",
    );
    assert!(scene.leases.session() > session);
}

#[test]
fn whoever_watches_knows_whether_it_is_still_the_same_session() {
    let scene = Scene::new();
    scene.serve();
    let read = || holder(scene.leases.as_ref());
    read().unwrap();
    let session = scene.leases.session();
    read().unwrap();
    assert_eq!(scene.leases.session(), session);
    scene.server.control("restart").unwrap();
    until(|| read().is_ok(), "the database is back");
    assert!(scene.leases.session() > session);
}

#[test]
fn the_lock_of_a_process_is_free_as_soon_as_it_is_gone() {
    let scene = Scene::new();
    let data = tempfile::tempdir().unwrap();
    let member = Membership {
        cluster: ClusterId([7; 16]),
        node: A,
        data: data.path(),
        accept: Accept::Remembered,
    };
    let there = PostgresStore::open_as(&scene.address, &member).unwrap();
    let is_held = |node| scene.leases.is_held(node).unwrap();
    assert_eq!((is_held(A), is_held(B)), (true, false));
    assert_eq!(scene.store.has(A), Ok(true));
    there.close();
    until(|| !is_held(A), "nobody holds it");
    assert_eq!(scene.store.has(A), Ok(true), "it was there a moment ago");
}

#[test]
fn nobody_has_a_lease_in_a_world_that_was_begun_anew() {
    let scene = Scene::new();
    let lease = scene.start(A);
    scene.serve();
    scene.say("SELECT regionmesh.begin_anew(1)");
    assert_eq!(scene.ask(renew(lease)), StoreReply::LeaseEnded(None));
    assert_eq!(holder(&scene.store), Ok(None));
}

#[test]
fn where_an_epoch_is_used_up_no_region_changes_hands() {
    /// The last one of the first generation.
    const LAST: u64 = (2 << 48) - 1;
    let scene = Scene::new();
    let (victim, taker) = (scene.start(A), scene.start(B));
    scene.serve();
    let refused = || {
        let holder = scene.holder();
        let row = scene.ask(StoreRequest::LoadPlayer { user: ANN });
        let (from, to) = (holder.service, B);
        for request in [
            StoreRequest::TakeOver { taker, holder },
            StoreRequest::GiveRegion { from, to },
        ] {
            let said = ask(&scene.store, request);
            assert!(matches!(said, Err(StoreError::Exhausted(_))), "{said:?}");
        }
        assert_eq!(scene.holder(), holder);
        assert_eq!(scene.ask(StoreRequest::LoadPlayer { user: ANN }), row);
    };
    scene.say(&format!("UPDATE regionmesh.player SET owner_epoch = {LAST}"));
    refused();
    scene.say(&format!("UPDATE regionmesh.region SET epoch = {LAST}"));
    refused();
    assert_eq!(scene.ask(renew(victim)), StoreReply::LeaseRenewed(1));
}

#[test]
fn a_takeover_reads_nobody_elsewhere_and_a_save_writes_into_no_index() {
    let scene = Scene::new();
    scene.start(A);
    let taker = scene.start(B);
    let row = scene.serve();
    scene.say(
        "INSERT INTO regionmesh.player SELECT 1000 + n, 1, 9, p.region_epoch, p.owner_epoch, p.attempt, p.version, p.entity, p.home_cell, \
         p.session_generation, p.attach_no, p.proxy, p.last_input, p.last_command, p.chain_hash, p.state, p.written_ms \
         FROM regionmesh.player p, generate_series(1, 2000) AS n; ANALYZE regionmesh.player",
    );
    for version in 2..12 {
        let save = PlayerSave {
            user: ANN,
            owner_epoch: row.owner_epoch,
            version: StateVersion(version),
            body: body(version),
        };
        let saves = vec![save];
        let saved = scene.ask(StoreRequest::SavePlayers { owner: A, saves });
        assert_eq!(saved, StoreReply::Saved(vec![SaveOutcome::Applied]));
    }
    scene.say("SELECT pg_stat_reset_single_table_counters('regionmesh.player_by_region'::regclass)");
    let holder = scene.holder();
    assert!(matches!(
        scene.ask(StoreRequest::TakeOver { taker, holder }),
        StoreReply::Serving(_)
    ));
    let Scene {
        server,
        store,
        leases,
        ..
    } = scene;
    drop(leases);
    store.close();
    let column = |what: &str| server.say("world", what).unwrap();
    // A session tells what it has counted when it ends, which is not at once.
    const READ: &str =
        "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'player_by_region'";
    until(|| column(READ) != ["0"], "it was counted");
    let read: u64 = column(READ).first().unwrap().parse().unwrap();
    assert!(read < 20, "{read} of 2,001 players");
    let saved = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'player'";
    assert_eq!(column(saved), ["10"], "the takeover alone is in the index");
}
