//! Who makes the roles and tables of a database, and what of its logins outlives a restore.

use protocol::ids::*;
use store::postgres::logins::{self, Login, LoginKind};
use store::postgres::trial::TrialServer;
use store::postgres::{PostgresAddress, PostgresStore};
use store::*;

use crate::CLUSTER;

#[test]
fn whoever_may_make_roles_prepares_a_database_and_what_was_made_before_is_taken_over() {
    let server = TrialServer::start(&["shared_buffers = '32MB'"]).unwrap();
    server
        .say(
            "postgres",
            "CREATE ROLE ann LOGIN CREATEROLE; CREATE ROLE bob LOGIN",
        )
        .unwrap();
    server.say("postgres", "CREATE DATABASE world OWNER ann").unwrap();
    server.say("postgres", "CREATE DATABASE small OWNER bob").unwrap();
    let of = |user: &str, database: &str| {
        let url = server.address(database).replace("postgres@", &format!("{user}@"));
        PostgresAddress::parse(&url).unwrap()
    };
    let refused = logins::init(&of("bob", "small")).unwrap_err().to_string();
    assert!(refused.contains("CREATEROLE"), "{refused}");
    let early = Login::of("a", NodeNumber(1), LoginKind::GameServer);
    PostgresStore::migrate(&of("ann", "world")).unwrap();
    let early = logins::grant(&of("ann", "world"), &early, "secret")
        .unwrap_err()
        .to_string();
    assert!(early.contains("store init"), "{early}");
    let (from, to) = logins::init(&of("ann", "world")).unwrap();
    assert_eq!(from, to, "the tables stay");
    logins::init(&of("ann", "world")).unwrap();
    PostgresStore::migrate(&of("ann", "world")).unwrap();
    let login = Login::of("a", NodeNumber(1), LoginKind::GameServer);
    logins::grant(&of("ann", "world"), &login, "secret").unwrap();
    logins::grant(&of("ann", "world"), &login, "another").unwrap();
    let store = PostgresStore::open(&of("regionmesh-a", "world")).unwrap();
    assert_eq!(store.execute(&[StoreRequest::Probe]), [Ok(StoreReply::Probed)]);
    store.close();
    PostgresStore::open(&of("bob", "world")).unwrap_err();
    let told = [(RegionNumber(1), NodeNumber(1))];
    postgres::candidates::note(&of("ann", "world"), CLUSTER, TopologyVersion(3), &told).unwrap();
    let copy = tempfile::tempdir().unwrap().path().join("copy");
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    postgres::backup::backup(&of("ann", "world"), &copy).unwrap();
    server
        .say("world", "UPDATE regionmesh.cluster SET generation = 5")
        .unwrap();
    postgres::backup::restore(&of("ann", "world"), &copy, &Reached::default()).unwrap();
    let store = PostgresStore::open(&of("regionmesh-a", "world")).unwrap();
    assert_eq!(
        store.execute(&[StoreRequest::Probe]),
        [Ok(StoreReply::Probed)],
        "logins outlive a restore"
    );
    let kept = "SELECT node || ' ' || version FROM regionmesh.region_candidate";
    assert_eq!(
        server.say("world", kept).unwrap(),
        ["1 3"],
        "and so does what was told of the topology"
    );
    store.close();
    assert!(logins::revoke(&of("ann", "world"), "regionmesh-a").unwrap());
}

#[test]
fn what_is_restored_into_a_database_that_was_only_prepared_takes_no_login_away() {
    let server = TrialServer::start(&["shared_buffers = '32MB'"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    postgres::backup::backup(&server.create("lost").unwrap(), &copy).unwrap();
    server.say("postgres", "CREATE DATABASE prepared").unwrap();
    let of = |user: &str| {
        let url = server.address("prepared");
        PostgresAddress::parse(&url.replace("postgres@", &format!("{user}@"))).unwrap()
    };
    let prepared = of("postgres");
    logins::init(&prepared).unwrap();
    let login = Login::of("a", NodeNumber(1), LoginKind::GameServer);
    logins::grant(&prepared, &login, "secret").unwrap();
    let told = [(RegionNumber(1), NodeNumber(1))];
    postgres::candidates::note(&prepared, CLUSTER, TopologyVersion(3), &told).unwrap();
    let unknown = postgres::backup::restore(&prepared, &copy, &Reached::default()).unwrap_err();
    assert!(unknown.to_string().contains("--above"), "{unknown}");
    let reached = Reached {
        above: Some(4),
        data: Vec::new(),
    };
    let (report, kept) = postgres::backup::restore(&prepared, &copy, &reached).unwrap();
    assert_eq!((report.generation, kept), (5, None), "nobody had used it");
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'regionmesh%'";
    assert_eq!(server.say("prepared", left).unwrap(), ["1"]);
    let store = PostgresStore::open(&of("regionmesh-a")).unwrap();
    assert_eq!(store.execute(&[StoreRequest::Probe]), [Ok(StoreReply::Probed)]);
    store.close();
    let candidates = "SELECT node || ' ' || version FROM regionmesh.region_candidate";
    assert_eq!(server.say("prepared", candidates).unwrap(), ["1 3"]);
}
