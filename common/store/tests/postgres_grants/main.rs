//! Who may write what in a database: every role against every table, function and request, for its own node and for another.
//! Tables, functions and requests are read from the catalogue: one that has no row here fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod candidates;
mod changes;
mod preparing;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use protocol::ids::*;
use store::postgres::logins::{self, Login, LoginKind};
use store::postgres::trial::TrialServer;
use store::postgres::{PostgresAddress, PostgresStore};
use store::*;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

const PATIENCE: Duration = Duration::from_secs(60);
const CLUSTER: ClusterId = ClusterId([7; 16]);
const DENIED: &str = "42501";

/// What a login is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    GameServer,
    Proxy,
    Auth,
    Operator,
    Stranger,
}
use Who::{Auth, GameServer, Operator, Proxy, Stranger};

/// Each with its login and its node; the operator and the stranger have none.
const ALL: &[(Who, &str, u16)] = &[
    (GameServer, "regionmesh-a", 1),
    (Proxy, "regionmesh-p", 101),
    (Auth, "regionmesh-t", 201),
    (Operator, "op", 301),
    (Stranger, "stranger", 401),
];
/// Another game server, which serves region 2.
const OTHER: u16 = 2;

const TABLES: &[&str] = &[
    "account",
    "cluster",
    "counter",
    "creature",
    "creature_write",
    "device",
    "game_state",
    "holding",
    "identity",
    "login",
    "node_lease",
    "node_mark",
    "node_start",
    "player",
    "player_report",
    "region",
    "region_candidate",
    "region_state",
    "sanction",
    "session",
    "tally",
    "trade",
];

const NODES: &[Who] = &[GameServer, Proxy, Auth];
const KNOWN: &[Who] = &[GameServer, Proxy, Auth, Operator];
const NOBODY: &[Who] = &[];
/// Who checks passwords.
const ACCOUNTS: &[Who] = &[Proxy, Auth];

/// What may be called for one's own node, and for another.
const FUNCTIONS: &[(&str, &[Who], &[Who])] = &[
    ("add_report", &[GameServer], &[GameServer]),
    ("add_sanction", &[Operator], &[Operator]),
    ("allow_reset", &[Operator], &[Operator]),
    ("amend", NOBODY, NOBODY),
    ("begin_anew", &[Operator], &[Operator]),
    ("caller", NOBODY, NOBODY),
    ("cancel_trades", NOBODY, NOBODY),
    ("change_holdings", NOBODY, NOBODY),
    ("claim", NODES, NODES),
    ("close_report", &[Operator], &[Operator]),
    ("count_holdings", NOBODY, NOBODY),
    ("create_account", ACCOUNTS, ACCOUNTS),
    ("create_account_of", ACCOUNTS, ACCOUNTS),
    ("delete_account", &[Operator], &[Operator]),
    ("delete_own_account", ACCOUNTS, ACCOUNTS),
    ("epoch_after", NOBODY, NOBODY),
    ("follow_timeline", KNOWN, KNOWN),
    ("guests_after", NOBODY, NOBODY),
    ("hello", KNOWN, KNOWN),
    ("hold_node", NODES, NOBODY),
    ("is_candidate", NOBODY, NOBODY),
    ("is_owner", NOBODY, NOBODY),
    ("keep", NODES, NOBODY),
    ("keep_device", ACCOUNTS, ACCOUNTS),
    ("lease_batch", NODES, NODES),
    ("lock_rows", NOBODY, NOBODY),
    ("look", NODES, NOBODY),
    ("may_lease", NOBODY, NOBODY),
    ("may_write", NOBODY, NOBODY),
    ("node_is_held", KNOWN, KNOWN),
    ("note_candidates", &[Operator], &[Operator]),
    ("note_topology", &[GameServer], &[GameServer]),
    ("now_ms", NOBODY, NOBODY),
    ("own_timeline", NOBODY, NOBODY),
    ("raise_session", NOBODY, NOBODY),
    ("read_account", &[Proxy, Auth, Operator], &[Proxy, Auth, Operator]),
    ("read_account_of", ACCOUNTS, ACCOUNTS),
    ("read_batch", KNOWN, KNOWN),
    ("read_creatures", &[GameServer], &[GameServer]),
    ("read_device", ACCOUNTS, ACCOUNTS),
    ("read_holders", KNOWN, KNOWN),
    ("read_reports", &[Operator], &[Operator]),
    ("read_sanctions", KNOWN, KNOWN),
    ("renew_verifier", ACCOUNTS, ACCOUNTS),
    ("report", &[Operator], &[Operator]),
    ("serves", NOBODY, NOBODY),
    ("session_lasts", NOBODY, NOBODY),
    ("set_password", ACCOUNTS, ACCOUNTS),
    ("speak_for", NOBODY, NOBODY),
    ("stands_in", NOBODY, NOBODY),
    ("tell_holder", NOBODY, NOBODY),
    ("write_batch", KNOWN, KNOWN),
    ("write_creatures", &[GameServer], NOBODY),
];

/// Requests that change something, by the numbers of their kinds.
const REQUESTS: &[(i32, &[Who], &[Who])] = &[
    (20, NODES, NOBODY),
    (21, KNOWN, KNOWN),
    (22, NOBODY, NOBODY),
    (23, &[GameServer, Operator], &[Operator]),
    (24, &[GameServer], NOBODY),
    (25, &[GameServer], NOBODY),
    (26, &[GameServer], NOBODY),
    (27, &[GameServer], NOBODY),
    (28, &[GameServer], NOBODY),
    (29, &[GameServer], NOBODY),
    (30, &[GameServer], NOBODY),
    (31, &[GameServer], NOBODY),
    (32, &[Proxy, Auth], &[Proxy, Auth]),
    (33, &[Proxy, Auth], &[Proxy, Auth]),
    (34, &[GameServer], NOBODY),
    (35, &[GameServer, Operator], &[Operator]),
    (36, &[GameServer, Operator], &[GameServer, Operator]),
    (37, &[GameServer], NOBODY),
    (41, &[GameServer], NOBODY),
    (42, &[GameServer], &[GameServer]),
    (50, &[GameServer], NOBODY),
    (61, &[Proxy, Auth], &[Proxy, Auth]),
    (62, &[Proxy, Auth], &[Proxy, Auth]),
];

/// Requests about leases, likewise. Of a takeover the taker is one's own node, or not.
const LEASES: &[(i32, &[Who], &[Who])] = &[
    (20, NODES, NOBODY),
    (38, &[GameServer], NOBODY),
    (39, &[GameServer], NOBODY),
    (40, &[GameServer], NOBODY),
];

struct Scene {
    server: TrialServer,
    address: PostgresAddress,
    runtime: Runtime,
    client: Client,
}

/// How many cells there were.
#[derive(Default)]
struct Cells {
    denied: usize,
    allowed: usize,
}

impl Scene {
    fn new() -> Self {
        let server = TrialServer::start(&["shared_buffers = '32MB'"]).unwrap();
        server.say("postgres", "CREATE DATABASE world").unwrap();
        let address = PostgresAddress::parse(&server.address("world")).unwrap();
        logins::init(&address).unwrap();
        for (name, node, kind) in [
            ("a", 1, LoginKind::GameServer),
            ("b", OTHER, LoginKind::GameServer),
            ("p", 101, LoginKind::Proxy),
            ("t", 201, LoginKind::Auth),
        ] {
            logins::grant(&address, &Login::of(name, NodeNumber(node), kind), "secret").unwrap();
        }
        let roles = "CREATE ROLE op LOGIN IN ROLE regionmesh_operator; CREATE ROLE stranger LOGIN;
            INSERT INTO regionmesh.region VALUES (1, 1, 1, 281474976710657), (2, 2, 1, 281474976710657)";
        server.say("world", roles).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let config: tokio_postgres::Config = server.address("world").parse().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        Self {
            server,
            address,
            runtime,
            client,
        }
    }

    /// Whether the database lets this login do that; nothing of it stays.
    fn lets(&self, login: &str, statement: &str) -> bool {
        self.runtime.block_on(async {
            let begin = format!("BEGIN; SET LOCAL SESSION AUTHORIZATION \"{login}\"");
            self.client.batch_execute(&begin).await.unwrap();
            let said = self.client.batch_execute(statement).await;
            self.client.batch_execute("ROLLBACK").await.unwrap();
            match said {
                Ok(()) => true,
                Err(error) => error.code().unwrap_or_else(|| panic!("{error}")).code() != DENIED,
            }
        })
    }

    fn names(&self, query: &str) -> BTreeSet<String> {
        self.server.say("world", query).unwrap().into_iter().collect()
    }

    /// A store as the login of a node has it.
    fn open(&self, login: &str, node: u16, data: &std::path::Path) -> Result<PostgresStore, String> {
        let url = self
            .server
            .address("world")
            .replace("postgres@", &format!("{login}@"));
        let member = Membership {
            cluster: CLUSTER,
            node: NodeNumber(node),
            data,
            accept: Accept::Remembered,
        };
        PostgresStore::open_as(&PostgresAddress::parse(&url).unwrap(), &member)
            .map_err(|error| error.to_string())
    }
}

impl Cells {
    fn cell(&mut self, scene: &Scene, login: &str, is_allowed: bool, statement: &str) {
        let lets = scene.lets(login, statement);
        assert_eq!(lets, is_allowed, "{login}: {statement}");
        match lets {
            true => self.allowed += 1,
            false => self.denied += 1,
        }
    }

    /// For one's own node, and for another.
    fn both(&mut self, scene: &Scene, own: &[Who], foreign: &[Who], statement: impl Fn(u16) -> String) {
        for (who, login, node) in ALL {
            self.cell(scene, login, own.contains(who), &statement(*node));
            self.cell(scene, login, foreign.contains(who), &statement(OTHER));
        }
    }

    fn tables(&mut self, scene: &Scene) {
        const CATALOGUE: &str = "SELECT relname::text FROM pg_class WHERE relnamespace = 'regionmesh'::regnamespace AND relkind NOT IN ('c', 'i')";
        let listed: BTreeSet<String> = TABLES.iter().map(ToString::to_string).collect();
        assert_eq!(
            scene.names(CATALOGUE),
            listed,
            "a table has no row in this matrix"
        );
        for table in TABLES {
            let column = format!(
                "SELECT attname::text FROM pg_attribute WHERE attrelid = 'regionmesh.{table}'::regclass AND attnum = 1"
            );
            let column = scene.names(&column).into_iter().next().unwrap();
            for (who, login, _) in ALL {
                let read = format!("SELECT FROM regionmesh.{table}");
                self.cell(scene, login, *who == Operator, &read);
                for write in [
                    format!("INSERT INTO regionmesh.{table} DEFAULT VALUES"),
                    format!("UPDATE regionmesh.{table} SET {column} = {column}"),
                    format!("DELETE FROM regionmesh.{table}"),
                    format!("TRUNCATE regionmesh.{table}"),
                    format!("LOCK TABLE regionmesh.{table} IN ACCESS EXCLUSIVE MODE"),
                    format!("DROP TABLE regionmesh.{table}"),
                ] {
                    self.cell(scene, login, false, &write);
                }
            }
        }
    }

    fn functions(&mut self, scene: &Scene) {
        const CATALOGUE: &str =
            "SELECT proname::text FROM pg_proc WHERE pronamespace = 'regionmesh'::regnamespace";
        let listed: BTreeSet<String> = FUNCTIONS.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(
            scene.names(CATALOGUE),
            listed,
            "a function has no row in this matrix"
        );
        for (name, own, foreign) in FUNCTIONS {
            let arguments = format!(
                "SELECT coalesce(string_agg('NULL::' || format_type(t.type, NULL), ', ' ORDER BY t.at), '') FROM pg_proc p
                 CROSS JOIN LATERAL unnest(p.proargtypes) WITH ORDINALITY AS t (type, at) WHERE p.oid = 'regionmesh.{name}'::regproc"
            );
            let arguments = scene.server.say("world", &arguments).unwrap().remove(0);
            let is_of_node = matches!(*name, "look" | "keep" | "hold_node");
            self.both(scene, own, foreign, |node| match is_of_node {
                true => format!("SELECT regionmesh.{name}({node})"),
                false if *name == "write_creatures" => changes::creatures(node, node.into(), 1, 1),
                false => format!("SELECT regionmesh.{name}({arguments})"),
            });
            for (_, login, _) in ALL {
                self.cell(scene, login, false, &format!("DROP FUNCTION regionmesh.{name}"));
            }
        }
    }

    fn requests(&mut self, scene: &Scene) {
        let is_listed = |function: &str, requests: &[(i32, &[Who], &[Who])]| {
            // As the branches of the function name them.
            let catalogue = format!(
                "SELECT unnest(string_to_array(m[1], ', ')) FROM regexp_matches(
                 (SELECT prosrc FROM pg_proc WHERE oid = 'regionmesh.{function}'::regproc), 'WHEN ([0-9, ]+) THEN --', 'g') AS m
                 WHERE split_part(m[1], ',', 1)::int >= 20"
            );
            let listed: BTreeSet<String> = requests.iter().map(|(kind, ..)| kind.to_string()).collect();
            assert_eq!(
                scene.names(&catalogue),
                listed,
                "a request has no row in this matrix"
            );
        };
        is_listed("write_batch", REQUESTS);
        is_listed("lease_batch", LEASES);
        let hour = 3_600_000;
        for (kind, own, foreign) in REQUESTS {
            // Region 1 is served by node 1, region 2 by the other. Of what a game keeps it is the place: the world.
            let number = if *kind == 50 { 0 } else { hour };
            self.both(scene, own, foreign, |node| batch(*kind, node, number));
        }
        // What is kept of another region than the one that is served.
        self.cell(scene, "regionmesh-a", false, &batch(50, 1, 2));
        for (_, login, node) in ALL {
            for kind in [35, 36] {
                // Whose ticket may still bring them back.
                self.cell(scene, login, false, &batch(kind, *node, 1_199_999));
            }
        }
        for (kind, own, foreign) in LEASES {
            self.both(scene, own, foreign, |node| {
                let (holder, taker) = if *kind == 39 { (OTHER, node) } else { (node, OTHER) };
                format!(
                    "SELECT * FROM regionmesh.lease_batch('{{{kind}}}', '{{{holder}}}', '{{1}}', '{{2}}', '{{1}}', '{{{taker}}}', '{{1}}', '{{1}}')"
                )
            });
        }
    }

    /// What lies beside tables and functions.
    fn beside(&mut self, scene: &Scene) {
        let victim = scene
            .server
            .address("world")
            .replace("postgres@", "regionmesh-b@");
        let config: tokio_postgres::Config = victim.parse().unwrap();
        let (victim, pid) = scene.runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            let pid: i32 = client
                .query_typed_one("SELECT pg_backend_pid()", &[])
                .await
                .unwrap()
                .get(0);
            (client, pid)
        });
        for (_, login, _) in ALL {
            for statement in [
                "CREATE TABLE regionmesh.mine ()".to_owned(),
                "CREATE FUNCTION regionmesh.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'".to_owned(),
                "SET LOCAL ROLE regionmesh_owner".to_owned(),
                "SET LOCAL ROLE \"regionmesh-b\"".to_owned(),
                "ALTER ROLE \"regionmesh-b\" PASSWORD 'mine'".to_owned(),
                "GRANT regionmesh_operator TO CURRENT_USER".to_owned(),
                "ALTER SCHEMA regionmesh RENAME TO mine".to_owned(),
                format!("SELECT pg_cancel_backend({pid})"),
                format!("SELECT pg_terminate_backend({pid})"),
            ] {
                self.cell(scene, login, false, &statement);
            }
        }
        drop(victim);
    }
}

/// A batch of one request of a node, about the region that it serves.
fn batch(kind: i32, node: u16, number: i64) -> String {
    let region = if node == OTHER { 2 } else { 1 };
    format!(
        "SELECT * FROM regionmesh.write_batch(false, '{{{kind}}}', '{{11}}', '{{{node}}}', '{{{node}}}', '{{{region}}}', '{{281474976710657}}', '{{1}}',
            '{{1}}', '{{1}}', '{{1}}', '{{0}}', '{{0}}', '{{0}}', '{{101}}', '{{0}}', '{{0}}', ARRAY[decode(repeat('00', 32), 'hex')], ARRAY[''::bytea],
            '{{{number}}}', '{{0}}', '{{0}}', '{{1}}', '{{0}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}')"
    )
}

#[test]
fn every_cell_of_the_matrix_is_as_it_says() {
    let scene = Scene::new();
    let mut cells = Cells::default();
    cells.tables(&scene);
    cells.functions(&scene);
    cells.requests(&scene);
    cells.beside(&scene);
    cells.changes(&scene);
    cells.creatures(&scene);
    println!("{} cells denied, {} allowed", cells.denied, cells.allowed);
    assert!(cells.denied > 500 && cells.allowed > 50);
    let owner = "SELECT rolname::text FROM pg_roles r JOIN pg_namespace n ON n.nspowner = r.oid
        WHERE n.nspname = 'regionmesh' AND NOT rolsuper AND NOT rolcanlogin";
    assert_eq!(scene.server.say("world", owner).unwrap(), ["regionmesh_owner"]);
    let loose = "SELECT count(*) FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.pronamespace = 'regionmesh'::regnamespace
        AND (r.rolname <> 'regionmesh_owner' OR (prosecdef AND NOT 'search_path=regionmesh, pg_temp' = ANY (proconfig)))";
    assert_eq!(scene.server.say("world", loose).unwrap(), ["0"]);
}

#[test]
fn nodes_work_by_their_own_logins_until_they_are_revoked() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let data = |name: &str| {
        let path = folder.path().join(name);
        let _ = std::fs::create_dir(&path);
        path
    };
    let one = scene.open("regionmesh-a", 1, &data("a")).unwrap();
    let other = scene.open("regionmesh-b", OTHER, &data("b")).unwrap();
    let stolen = scene.open("regionmesh-a", 5, &data("c")).unwrap_err();
    assert!(
        stolen.contains("store grant") && stolen.contains("node 1"),
        "{stolen}"
    );
    let ask = |store: &PostgresStore, request: StoreRequest| store.execute(&[request]).remove(0);
    let serve = |node: u16| StoreRequest::ServeRegion {
        region: RegionNumber(7),
        node: NodeNumber(node),
        after: None,
    };
    let foreign = ask(&other, serve(1)).unwrap_err();
    assert!(matches!(foreign, StoreError::Unavailable(_)), "{foreign}");
    assert_eq!(
        ask(&one, serve(1)),
        Ok(StoreReply::Serving(RegionEpoch::first(1)))
    );
    // It keeps to itself what any pooler would give to it.
    let setting = "SELECT count(*) FROM pg_roles WHERE rolname = 'regionmesh-a' AND 'idle_in_transaction_session_timeout=1s' = ANY (rolconfig)";
    assert_eq!(scene.server.say("world", setting).unwrap(), ["1"]);
    assert!(logins::revoke(&scene.address, "regionmesh-b").unwrap());
    let ended = Instant::now();
    let there = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'regionmesh-b'";
    while scene.server.say("world", there).unwrap() != ["0"] {
        assert!(ended.elapsed() < PATIENCE);
    }
    // What is asked before it has heard that its connection has ended may have been done, for all it knows.
    let mut gone = ask(&other, StoreRequest::Probe).unwrap_err();
    while matches!(gone, StoreError::Unknown(_)) {
        assert!(ended.elapsed() < PATIENCE, "{gone}");
        gone = ask(&other, StoreRequest::Probe).unwrap_err();
    }
    assert!(
        !logins::revoke(&scene.address, "regionmesh-b").unwrap(),
        "it has none any more"
    );
    assert_eq!(ask(&one, StoreRequest::Probe), Ok(StoreReply::Probed));
    one.close();
}
