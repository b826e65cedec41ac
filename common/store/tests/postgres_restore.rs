//! A backup of a world that goes on, restored into it, into it again, and where nothing is left that knows how far it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod making;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use protocol::ids::*;
use store::postgres::backup::{self, DatabaseBackupError};
use store::postgres::trial::TrialServer;
use store::postgres::{PostgresAddress, PostgresStore};
use store::*;
use tempfile::TempDir;

use making::{COPIES, ask, copied_meanwhile, serve};

const CLUSTER: ClusterId = ClusterId([7; 16]);
const A: NodeNumber = NodeNumber(1);
const WEST: RegionNumber = RegionNumber(1);
const ANN: UserId = UserId(11);

struct Scene {
    server: TrialServer,
    address: PostgresAddress,
    folder: TempDir,
}

/// All numbers of a kind that were ever given out.
#[derive(Default)]
struct Given {
    regions: BTreeSet<RegionEpoch>,
    owners: BTreeSet<OwnerEpoch>,
    guests: BTreeSet<u64>,
    starts: BTreeSet<Incarnation>,
    sessions: BTreeSet<u64>,
}

impl Scene {
    fn new() -> Self {
        let server = TrialServer::start(&["shared_buffers = '32MB'"]).unwrap();
        let address = server.create("world").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        Self {
            server,
            address,
            folder,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("a")
    }

    fn start(&self, address: &PostgresAddress) -> PostgresStore {
        let member = Membership {
            cluster: CLUSTER,
            node: A,
            data: &self.data(),
            accept: Accept::Remembered,
        };
        PostgresStore::open_as(address, &member).unwrap()
    }

    fn backup(&self, name: &str) -> PathBuf {
        let to = self.folder.path().join(name);
        backup::backup(&self.address, &to).unwrap();
        to
    }
}

/// A node starts, takes a region, a guest logs in, and somebody is activated and activated again.
fn live(store: &PostgresStore, given: &mut Given) {
    let StoreReply::Started(start) = ask(store, StoreRequest::StartNode { node: A }) else {
        panic!("no start");
    };
    assert!(given.starts.insert(start), "{start:?} came twice");
    let serving = serve(store, A, WEST);
    let region_epoch = serving.region_epoch;
    assert!(given.regions.insert(region_epoch), "{region_epoch:?} came twice");
    let StoreReply::Guest(guest) = ask(store, StoreRequest::NextGuest) else {
        panic!("no guest");
    };
    assert!(given.guests.insert(guest.0), "{guest:?} came twice");
    let StoreReply::Session(session) = ask(store, StoreRequest::RaiseSession { user: ANN }) else {
        panic!("no session");
    };
    assert!(given.sessions.insert(session.0), "{session:?} came twice");
    let row = PlayerRow {
        user: ANN,
        owner: Some(A),
        region: WEST,
        region_epoch,
        owner_epoch: OwnerEpoch(0),
        attempt: AttemptId(0),
        version: StateVersion(0),
        entity: EntityId(u64::MAX),
        body: PlayerBody::default(),
    };
    let mut epoch = match ask(store, StoreRequest::InsertPlayer { row }) {
        StoreReply::Inserted(row) => {
            let epoch = row.owner_epoch;
            assert!(given.owners.insert(epoch), "{epoch:?} came twice");
            epoch
        }
        StoreReply::Exists(row) => row.owner_epoch,
        other => panic!("{other:?}"),
    };
    for _ in 0..3 {
        let reclaim = StoreRequest::Activate {
            user: ANN,
            serving,
            expected: epoch,
            binding: Binding {
                session_generation: session,
                ..Binding::default()
            },
        };
        let StoreReply::Activated(row) = ask(store, reclaim) else {
            panic!("not activated");
        };
        epoch = row.owner_epoch;
        assert!(given.owners.insert(epoch), "{epoch:?} came twice");
    }
}

/// A gem of Ann's.
fn seed(store: &PostgresStore) -> Holding {
    let gem = Holding {
        id: 17,
        kind: 3,
        holder: Holder::User(ANN),
        payload: Bytes::new(),
    };
    let seed = StoreRequest::SeedHoldings {
        region: WEST,
        seed: 9,
        holdings: vec![gem.clone()],
    };
    ask(store, seed);
    gem
}

#[test]
fn the_same_copy_restored_twice_into_a_world_that_went_on_gives_no_number_twice() {
    let scene = Scene::new();
    let mut given = Given::default();
    let store = scene.start(&scene.address);
    live(&store, &mut given);
    let gem = seed(&store);
    let copy = scene.backup("copy");
    let mode = fs::metadata(&copy).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // The run goes on, and gives what the copy does not know.
    live(&store, &mut given);
    let unknown = Reached::default();
    let running = backup::restore(&scene.address, &copy, &unknown).unwrap_err();
    assert!(
        matches!(&running, DatabaseBackupError::InUse { nodes } if *nodes == [A]),
        "{running}"
    );
    store.close();
    // As if something had been kept in every second of the next minute.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for second in now..now + 60 {
        let kept = format!("CREATE SCHEMA regionmesh_before_{second}");
        scene.server.say("world", &kept).unwrap();
    }
    for generation in [2, 3] {
        let (report, kept) = backup::restore(&scene.address, &copy, &unknown).unwrap();
        assert_eq!(
            (report.generation, report.players, report.held),
            (generation, 1, 1)
        );
        assert_eq!(report.complaints, Vec::<String>::new());
        let kept = kept.unwrap();
        let players = format!("SELECT count(*) FROM {kept}.player");
        let players = scene.server.say("world", &players).unwrap();
        assert_eq!(players, ["1"], "what was there is not thrown away");
        let store = scene.start(&scene.address);
        let read = StoreRequest::ReadService { region: WEST };
        assert_eq!(ask(&store, read), StoreReply::Service(None));
        let held = StoreRequest::HoldingsOf { user: ANN };
        let has = Belongings {
            holdings: vec![gem.clone()],
            offer_ends_ms: None,
        };
        assert_eq!(ask(&store, held), StoreReply::Belongings(has));
        live(&store, &mut given);
        live(&store, &mut given);
        store.close();
    }
}

#[test]
fn where_the_database_is_lost_only_its_nodes_or_the_operator_know_how_far_it_was() {
    let scene = Scene::new();
    let mut given = Given::default();
    let store = scene.start(&scene.address);
    live(&store, &mut given);
    let copy = scene.backup("copy");
    live(&store, &mut given);
    store.close();
    let unknown = Reached::default();
    backup::restore(&scene.address, &copy, &unknown).unwrap();
    let store = scene.start(&scene.address);
    live(&store, &mut given);
    store.close();
    let empty = scene.server.create("empty").unwrap();
    let lost = backup::restore(&empty, &copy, &unknown).unwrap_err();
    assert!(
        matches!(lost, DatabaseBackupError::Reached(ReachedError::Unknown(1))),
        "{lost}"
    );
    assert_eq!(
        PostgresStore::report(&empty).unwrap().players,
        0,
        "nothing was changed"
    );
    let remembered = Reached {
        above: None,
        data: vec![scene.data()],
    };
    let (report, kept) = backup::restore(&empty, &copy, &remembered).unwrap();
    assert_eq!((report.generation, kept), (3, None), "nobody had used it");
    let store = scene.start(&empty);
    live(&store, &mut given);
    store.close();
    scene
        .server
        .say("empty", "DROP SCHEMA regionmesh CASCADE")
        .unwrap();
    let insisting = Reached {
        above: Some(40),
        data: Vec::new(),
    };
    let (report, _) = backup::restore(&empty, &copy, &insisting).unwrap();
    assert_eq!(report.generation, 41, "into a database without a store");
    let store = scene.start(&empty);
    live(&store, &mut given);
    store.close();
}

#[test]
fn what_is_damaged_or_of_another_world_leaves_the_store_as_it_was() {
    let scene = Scene::new();
    let mut given = Given::default();
    let store = scene.start(&scene.address);
    live(&store, &mut given);
    store.close();
    let copy = scene.backup("copy");
    let (before, unknown) = (PostgresStore::report(&scene.address).unwrap(), Reached::default());
    let whole = fs::read(&copy).unwrap();
    let bad = scene.folder.path().join("bad");
    for broken in [
        whole[..whole.len() / 2].to_vec(),
        [&whole[..whole.len() - 3], b"0\n"].concat(),
    ] {
        fs::write(&bad, broken).unwrap();
        let refused = backup::restore(&scene.address, &bad, &unknown).unwrap_err();
        assert!(refused.to_string().contains("damaged"), "{refused}");
    }
    assert_eq!(PostgresStore::report(&scene.address).unwrap(), before);
    let again = backup::backup(&scene.address, &copy).unwrap_err();
    assert!(matches!(again, DatabaseBackupError::Exists(_)), "{again}");
    let other = scene.server.create("other").unwrap();
    let data = scene.folder.path().join("b");
    fs::create_dir(&data).unwrap();
    let member = Membership {
        cluster: CLUSTER,
        node: A,
        data: &data,
        accept: Accept::Remembered,
    };
    PostgresStore::open_as(&other, &member).unwrap().close();
    let refused = backup::restore(&other, &copy, &unknown).unwrap_err();
    assert!(
        matches!(refused, DatabaseBackupError::OtherWorld { .. }),
        "{refused}"
    );
    let remembered = Reached {
        above: None,
        data: vec![data],
    };
    scene
        .server
        .say("other", "DROP SCHEMA regionmesh CASCADE")
        .unwrap();
    let refused = backup::restore(&other, &copy, &remembered).unwrap_err();
    assert!(
        matches!(
            refused,
            DatabaseBackupError::Reached(ReachedError::OtherWorld { .. })
        ),
        "{refused}"
    );
}

#[test]
fn a_backup_taken_while_things_are_made_and_destroyed_adds_up_with_its_trades() {
    let scene = Scene::new();
    let store = scene.start(&scene.address);
    let mut given = Given::default();
    live(&store, &mut given);
    seed(&store);
    let StoreReply::Player(Some(row)) = ask(&store, StoreRequest::LoadPlayer { user: ANN }) else {
        panic!("nobody");
    };
    let trade = TradeId(holding::minted_id(A, Incarnation(1), 0).unwrap());
    let offer = Offer {
        trade,
        to: ANN,
        gives: vec![17],
        wants: Vec::new(),
        lasts_ms: 60_000,
    };
    let save = PlayerSave {
        user: ANN,
        owner_epoch: row.owner_epoch,
        version: StateVersion(9),
        body: row.body,
    };
    let commits = vec![request::DurableCommit {
        save,
        changes: vec![HoldingChange::Offer(offer)],
    }];
    let serving = Serving {
        node: A,
        region: WEST,
        region_epoch: row.region_epoch,
    };
    let offered = ask(&store, StoreRequest::CommitDurable { serving, commits });
    assert_eq!(offered, StoreReply::Committed(vec![CommitOutcome::Applied]));
    copied_meanwhile(&store, serving, |number| {
        scene.backup(&format!("copy{number}"));
    });
    store.close();
    for number in 0..COPIES {
        let copy = scene.folder.path().join(format!("copy{number}"));
        let (report, kept) = backup::restore(&scene.address, &copy, &Reached::default()).unwrap();
        let gone = format!("DROP SCHEMA {} CASCADE", kept.unwrap());
        scene.server.say("world", &gone).unwrap();
        assert_eq!(report.complaints, Vec::<String>::new());
        assert_eq!((report.held, report.in_trades), (0, 1));
    }
    let lost = "DELETE FROM regionmesh.holding WHERE trade IS NOT NULL";
    scene.server.say("world", lost).unwrap();
    let report = PostgresStore::report(&scene.address).unwrap();
    assert_eq!(report.complaints.len(), 1, "{report:?}");
    assert!(report.complaints[0].contains("made and not destroyed"));
}
