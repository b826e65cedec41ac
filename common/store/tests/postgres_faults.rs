//! What a store says when its database fails: surely not applied, or nobody knows; and that it comes back by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use protocol::ids::*;
use store::postgres::trial::TrialServer;
use store::postgres::{PostgresAddress, PostgresCause, PostgresStore};
use store::*;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const ANN: UserId = UserId(11);

/// A server that forgets nothing that it has said is committed, also when it is killed.
fn server(lines: &[&str]) -> (TrialServer, PostgresAddress) {
    let mut all = vec!["shared_buffers = '32MB'"];
    all.extend(lines);
    let server = TrialServer::start(&all).unwrap();
    let address = server.create("world").unwrap();
    (server, address)
}

fn ask(store: &PostgresStore, request: StoreRequest) -> StoreResult {
    store.execute(&[request]).remove(0)
}

fn raise(store: &PostgresStore) -> StoreResult {
    ask(store, StoreRequest::RaiseSession { user: ANN })
}

fn session(store: &PostgresStore) -> StoreResult {
    ask(store, StoreRequest::ReadSession { user: ANN })
}

fn raised(times: u64) -> StoreResult {
    Ok(StoreReply::Session(SessionGeneration(1 << 48 | times)))
}

/// Asks until the answer is none of those that pass.
fn until_answered(mut ask: impl FnMut() -> StoreResult) -> StoreReply {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(reply) => return reply,
            Err(StoreError::Unavailable(_)) if began.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn wait_until(server: &TrialServer, what: &str) {
    let began = Instant::now();
    while server.say("world", what).unwrap() != ["t"] {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A session of somebody else that holds locks until it is told to end.
fn holding(address: &str, statement: &'static str) -> (mpsc::Sender<()>, thread::JoinHandle<()>) {
    let (end, ended) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel::<()>();
    let config: tokio_postgres::Config = address.parse().unwrap();
    let holder = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            client.batch_execute("BEGIN").await.unwrap();
            client.batch_execute(statement).await.unwrap();
            tell.send(()).unwrap();
            // The server may be killed meanwhile.
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

const WAITS_FOR_LOCK: &str =
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%write_batch%'";
const HOLD_SESSIONS: &str = "LOCK TABLE regionmesh.session IN EXCLUSIVE MODE";

#[test]
fn a_server_that_was_restarted_while_nobody_asked_is_not_even_noticed() {
    let (server, address) = server(&[]);
    let store = PostgresStore::open(&address).unwrap();
    let world = store.identity();
    assert_eq!(raise(&store), raised(1));
    assert_eq!(session(&store), raised(1));
    server.control("restart").unwrap();
    assert_eq!(raise(&store), raised(2), "no doubt about what was never sent");
    assert_eq!(session(&store), raised(2));
    assert_eq!(store.identity(), world);
    store.close();
}

#[test]
fn a_server_that_dies_under_a_batch_leaves_doubt_and_comes_back() {
    let (server, address) = server(&[]);
    let store = PostgresStore::open(&address).unwrap();
    assert_eq!(raise(&store), raised(1));
    let (end, holder) = holding(&server.address("world"), HOLD_SESSIONS);
    thread::scope(|scope| {
        let asked = scope.spawn(|| raise(&store));
        wait_until(&server, WAITS_FOR_LOCK);
        server.kill().unwrap();
        let said = asked.join().unwrap();
        assert!(matches!(said, Err(StoreError::Unknown(_))), "{said:?}");
    });
    drop(end);
    holder.join().unwrap();
    let away = session(&store);
    assert!(
        matches!(away, Err(StoreError::Unavailable(_))),
        "nothing was sent: {away:?}"
    );
    let away = raise(&store);
    assert!(
        matches!(away, Err(StoreError::Unavailable(_))),
        "nothing was sent: {away:?}"
    );
    server.control("start").unwrap();
    assert_eq!(Ok(until_answered(|| session(&store))), raised(1));
    assert_eq!(Ok(until_answered(|| raise(&store))), raised(2));
}

#[test]
fn who_waits_too_long_for_a_lock_has_surely_applied_nothing() {
    let (server, address) = server(&[]);
    let store = PostgresStore::open(&address).unwrap();
    assert_eq!(raise(&store), raised(1));
    let (end, holder) = holding(&server.address("world"), HOLD_SESSIONS);
    let said = raise(&store);
    assert!(matches!(said, Err(StoreError::Unavailable(_))), "{said:?}");
    assert_eq!(session(&store), raised(1), "reads wait for nobody");
    end.send(()).unwrap();
    holder.join().unwrap();
    assert_eq!(raise(&store), raised(2));
}

#[test]
fn what_no_standby_has_confirmed_is_unknown_whether_the_wait_was_cancelled_or_ours_is_over() {
    let (server, address) = server(&["synchronous_standby_names = ''"]);
    let store = PostgresStore::open(&address).unwrap();
    assert_eq!(raise(&store), raised(1));
    server
        .say("world", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        .unwrap();
    server.control("reload").unwrap();
    wait_until(
        &server,
        "SELECT current_setting('synchronous_standby_names') = 'nobody'",
    );
    thread::scope(|scope| {
        let asked = scope.spawn(|| raise(&store));
        let waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%write_batch%'";
        wait_until(&server, &format!("SELECT count(*) = 1 {waiting}"));
        server
            .say("world", &format!("SELECT pg_cancel_backend(pid) {waiting}"))
            .unwrap();
        let said = asked.join().unwrap();
        assert!(matches!(said, Err(StoreError::Unknown(_))), "{said:?}");
    });
    assert_eq!(
        session(&store),
        raised(2),
        "it is there, but a promoted standby would not have it"
    );
    let said = raise(&store);
    assert!(matches!(said, Err(StoreError::Unknown(_))), "{said:?}");
    // Soft saves wait for no standby.
    assert_eq!(ask(&store, StoreRequest::Probe), Ok(StoreReply::Probed));
}

#[test]
fn a_host_that_only_reads_is_no_store_and_says_so() {
    let (server, address) = server(&[]);
    let store = PostgresStore::open(&address).unwrap();
    assert_eq!(raise(&store), raised(1));
    server
        .say("world", "ALTER SYSTEM SET default_transaction_read_only = on")
        .unwrap();
    server.control("reload").unwrap();
    // The connection that is open finds it out, the next one looks for another host.
    let began = Instant::now();
    let refused = loop {
        match raise(&store) {
            Err(StoreError::Unavailable(error)) => break error,
            Ok(_) if began.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(20)),
            other => panic!("{other:?}"),
        }
    };
    assert!(refused.contains("read-only"), "{refused}");
    let refused = raise(&store).unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    // With default_transaction_read_only, only what says otherwise may write.
    let config = server.folder().join("data/postgresql.auto.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("default_transaction_read_only = 'on'", "")).unwrap();
    server.control("reload").unwrap();
    until_answered(|| raise(&store));
}

#[test]
fn a_database_without_a_store_or_with_a_newer_one_is_refused_with_the_remedy() {
    let (server, address) = server(&[]);
    server.say("postgres", "CREATE DATABASE nothing").unwrap();
    let error = PostgresStore::open(&address.with_database("nothing")).unwrap_err();
    assert!(error.to_string().contains("regionmesh store migrate"), "{error}");
    let (found, known) = PostgresStore::migrate(&address).unwrap();
    assert_eq!(found, known, "it is as it should be");
    server
        .say("world", "UPDATE regionmesh.cluster SET schema = 1")
        .unwrap();
    let error = PostgresStore::open(&address).unwrap_err();
    assert!(error.to_string().contains("regionmesh store migrate"), "{error}");
    server
        .say("world", "UPDATE regionmesh.cluster SET schema = 99")
        .unwrap();
    let error = PostgresStore::open(&address).unwrap_err();
    assert!(
        matches!(
            error.cause,
            PostgresCause::Store(StoreError::NewerSchema { found: 99, .. })
        ),
        "{error}"
    );
    assert!(!error.may_pass());
}

#[test]
fn a_store_that_has_become_another_world_or_an_older_one_is_not_worked_on() {
    let (server, address) = server(&[]);
    let store = PostgresStore::open(&address).unwrap();
    let again = |store: &PostgresStore| {
        server.control("restart").unwrap();
        raise(store).unwrap_err().to_string()
    };
    assert_eq!(
        ask(&store, StoreRequest::RaiseStoreGeneration),
        Ok(StoreReply::StoreGeneration(2))
    );
    server
        .say("world", "UPDATE regionmesh.cluster SET generation = 1")
        .unwrap();
    let older = again(&store);
    assert!(older.contains("generation 1"), "{older}");
    server
        .say(
            "world",
            "UPDATE regionmesh.cluster SET generation = 2, world_id = decode(repeat('ab', 16), 'hex')",
        )
        .unwrap();
    let other = again(&store);
    assert!(other.contains("world abab"), "{other}");
}

#[test]
fn a_host_that_says_nothing_leaves_time_for_the_next_one() {
    let (server, _) = server(&[]);
    // Connections are taken by the system, and nobody ever reads them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hosts = format!(
        "postgres://postgres@{},127.0.0.1:{}/world?accept_loss=yes",
        silent.local_addr().unwrap(),
        server.port()
    );
    let address = PostgresAddress::parse(&hosts).unwrap();
    let store = PostgresStore::open(&address).unwrap();
    assert_eq!(raise(&store), raised(1));
    store.close();
}
