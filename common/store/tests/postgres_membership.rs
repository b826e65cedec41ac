//! Nodes as members of a store in a database: whose it is, who is there, and what each remembers of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use protocol::ids::*;
use store::mark::StoreMark;
use store::postgres::trial::TrialServer;
use store::postgres::{PostgresAddress, PostgresCause, PostgresError, PostgresStore, logins};
use store::*;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const OURS: ClusterId = ClusterId([7; 16]);
const A: NodeNumber = NodeNumber(1);
const B: NodeNumber = NodeNumber(2);

struct Scene {
    server: TrialServer,
    address: PostgresAddress,
    data: TempDir,
}

impl Scene {
    fn new() -> Self {
        let server = TrialServer::start(&["shared_buffers = '32MB'"]).unwrap();
        let address = server.create("world").unwrap();
        let data = tempfile::tempdir().unwrap();
        for node in [A, B] {
            std::fs::create_dir(data.path().join(node.to_string())).unwrap();
        }
        Self {
            server,
            address,
            data,
        }
    }

    fn open(
        &self,
        cluster: ClusterId,
        node: NodeNumber,
        accept: Accept,
    ) -> Result<PostgresStore, PostgresError> {
        let data = self.data(node);
        let member = Membership {
            cluster,
            node,
            data: Path::new(&data),
            accept,
        };
        PostgresStore::open_as(&self.address, &member)
    }

    fn data(&self, node: NodeNumber) -> std::path::PathBuf {
        self.data.path().join(node.to_string())
    }

    fn remembered(&self, node: NodeNumber) -> StoreMark {
        StoreMark::read(&self.data(node)).unwrap().unwrap()
    }
}

fn ask(store: &PostgresStore, request: StoreRequest) -> StoreReply {
    store.execute(&[request]).remove(0).unwrap()
}

#[test]
fn a_store_is_of_the_first_cluster_that_comes_and_a_node_is_there_once() {
    let scene = Scene::new();
    let ours = scene.open(OURS, A, Accept::Remembered).unwrap();
    let theirs = scene.open(ClusterId([8; 16]), B, Accept::Remembered).unwrap_err();
    assert!(matches!(theirs.cause, PostgresCause::OtherCluster), "{theirs}");
    let twice = scene.open(OURS, A, Accept::Remembered).unwrap_err();
    assert!(matches!(twice.cause, PostgresCause::NodeRuns(A)), "{twice}");
    assert!(!twice.may_pass());
    let other = scene.open(OURS, B, Accept::Remembered).unwrap();
    assert_eq!((other.has(A), other.has(B)), (Ok(true), Ok(true)));
    assert_eq!(other.identity(), ours.identity());
    let report = PostgresStore::report(&scene.address).unwrap();
    assert_eq!((report.cluster, report.nodes), (Some(OURS), vec![A, B]));
    assert_eq!(report.complaints, Vec::<String>::new());
    ours.close();
    // A node that ends may be there again at once; it is taken for gone only after a while.
    assert_eq!(other.has(A), Ok(true));
    scene.open(OURS, A, Accept::Remembered).unwrap().close();
    let began = Instant::now();
    while other.has(A).unwrap() {
        assert!(began.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_database_on_which_nodes_work_is_not_brought_to_another_version() {
    let scene = Scene::new();
    let one = scene.open(OURS, A, Accept::Remembered).unwrap();
    let other = scene.open(OURS, B, Accept::Remembered).unwrap();
    let (found, known) = PostgresStore::migrate(&scene.address).unwrap();
    assert_eq!(found, known, "nobody is in the way where nothing is to be done");
    let former = "UPDATE regionmesh.cluster SET schema = schema - 1";
    scene.server.say("world", former).unwrap();
    for refused in [
        PostgresStore::migrate(&scene.address).unwrap_err(),
        logins::init(&scene.address).unwrap_err(),
    ] {
        assert!(
            matches!(&refused.cause, PostgresCause::InUse { nodes } if *nodes == [A, B]),
            "{refused}"
        );
        assert!(!refused.may_pass());
    }
    let version = "SELECT schema FROM regionmesh.cluster";
    let version = scene.server.say("world", version).unwrap();
    assert_eq!(version, [(known - 1).to_string()], "nothing was changed");
    one.close();
    other.close();
}

#[test]
fn a_node_shows_itself_again_after_its_database_was_restarted() {
    let scene = Scene::new();
    let (one, other) = (
        scene.open(OURS, A, Accept::Remembered).unwrap(),
        scene.open(OURS, B, Accept::Remembered).unwrap(),
    );
    scene.server.control("restart").unwrap();
    let began = Instant::now();
    while scene
        .server
        .say("world", "SELECT regionmesh.node_is_held(1)")
        .unwrap()
        != ["t"]
    {
        assert_ne!(other.has(A), Ok(false), "it was there all the time");
        assert!(began.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(20));
    }
    drop((one, other));
}

#[test]
fn a_world_that_was_set_back_is_refused_and_gone_on_from_in_a_new_generation() {
    let scene = Scene::new();
    let store = scene.open(OURS, A, Accept::Remembered).unwrap();
    let west = RegionNumber(1);
    let serve = StoreRequest::ServeRegion {
        region: west,
        node: A,
        after: None,
    };
    assert_eq!(ask(&store, serve), StoreReply::Serving(RegionEpoch::first(1)));
    store.close();
    let seen = scene.remembered(A);
    // As it is, the world goes on, for each node by what it has seen itself.
    scene.open(OURS, A, Accept::Remembered).unwrap().close();
    assert!(scene.remembered(A).progress > seen.progress);
    scene.open(OURS, B, Accept::Remembered).unwrap().close();
    scene
        .server
        .say(
            "world",
            "UPDATE regionmesh.node_mark SET progress = 1 WHERE node = 1",
        )
        .unwrap();
    let refused = scene.open(OURS, A, Accept::Remembered).unwrap_err();
    assert!(
        matches!(refused.cause, PostgresCause::Older { remembered: 1, .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("--accept-store"), "{refused}");
    let store = scene.open(OURS, A, Accept::Whatever).unwrap();
    assert_eq!(
        ask(&store, StoreRequest::StoreGeneration),
        StoreReply::StoreGeneration(2)
    );
    assert_eq!(
        ask(&store, StoreRequest::ReadService { region: west }),
        StoreReply::Service(None)
    );
    store.close();
    assert_eq!(scene.remembered(A).generation, 2);
    // The same copy once more: no epoch of the second life comes again.
    scene
        .server
        .say(
            "world",
            "UPDATE regionmesh.cluster SET generation = 1; UPDATE regionmesh.node_mark SET progress = 1",
        )
        .unwrap();
    let store = scene.open(OURS, A, Accept::Whatever).unwrap();
    assert_eq!(
        ask(&store, StoreRequest::StoreGeneration),
        StoreReply::StoreGeneration(3)
    );
    store.close();
    scene
        .server
        .say(
            "world",
            "UPDATE regionmesh.cluster SET world_id = decode(repeat('ab', 16), 'hex')",
        )
        .unwrap();
    let other = scene.open(OURS, A, Accept::Remembered).unwrap_err();
    assert!(matches!(other.cause, PostgresCause::OtherWorld { .. }), "{other}");
    scene.open(OURS, A, Accept::Whatever).unwrap().close();
}

/// With sequential scans priced out, what still scans looks expensive enough to be compiled: tens of milliseconds for each call.
#[test]
fn no_batch_is_compiled_before_it_runs() {
    let scene = Scene::new();
    let off = "SELECT count(*) = 2 AND bool_and('jit=off' = ANY (proconfig)) FROM pg_proc WHERE proname IN ('read_batch', 'write_batch')";
    assert_eq!(scene.server.say("world", off).unwrap(), ["t"]);
}

#[test]
fn the_connection_that_holds_the_lock_goes_past_a_pooler_and_no_other_does() {
    let scene = Scene::new();
    let url = format!("{}?direct=127.0.0.1:", scene.server.address("world"));
    let open = |port: u16| {
        let data = scene.data(A);
        let member = Membership {
            cluster: OURS,
            node: A,
            data: &data,
            accept: Accept::Remembered,
        };
        PostgresStore::open_as(&PostgresAddress::parse(&format!("{url}{port}")).unwrap(), &member)
    };
    // Nobody listens there.
    let refused = open(1).unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
    let nobody = PostgresAddress::parse(&format!("{url}1")).unwrap();
    PostgresStore::open(&nobody).unwrap().close();
    open(scene.server.port()).unwrap().close();
}
