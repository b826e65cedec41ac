//! PgBouncer between a store and its database: a node has to know the database itself beside a pooler in transaction mode, and needs nothing
//! where the pooler keeps a session for each connection.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use protocol::ids::*;
use store::postgres::trial::{TrialPooler, TrialServer};
use store::postgres::{PostgresAddress, PostgresCause, PostgresError, PostgresStore};
use store::*;

const NODE: NodeNumber = NodeNumber(1);
const WEST: RegionNumber = RegionNumber(1);

fn open(url: &str, data: &Path) -> Result<PostgresStore, PostgresError> {
    let member = Membership {
        cluster: ClusterId([7; 16]),
        node: NODE,
        data,
        accept: Accept::Remembered,
    };
    PostgresStore::open_as(&PostgresAddress::parse(url).unwrap(), &member)
}

/// It works as any other store does, and its node is there.
fn works(store: &PostgresStore) {
    let ask = |request| store.execute(&[request]).remove(0).unwrap();
    let StoreReply::Started(_) = ask(StoreRequest::StartNode { node: NODE }) else {
        panic!("it does not start");
    };
    let StoreReply::Service(newest) = ask(StoreRequest::ReadService { region: WEST }) else {
        panic!("nothing is said of the region");
    };
    let after = newest.map(|service| service.region_epoch);
    let serve = StoreRequest::ServeRegion {
        region: WEST,
        node: NODE,
        after,
    };
    assert!(matches!(ask(serve), StoreReply::Serving(_)));
    assert!(store.has(NODE).unwrap(), "it holds its lock");
}

/// Sessions of the pool that nobody uses any more.
fn warm_up(pooler: &TrialPooler, sessions: usize) {
    let config: tokio_postgres::Config = pooler.address("world").parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let mut clients = Vec::new();
        for _ in 0..sessions {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute("BEGIN").await.unwrap();
            clients.push(client);
        }
        for client in clients {
            client.batch_execute("COMMIT").await.unwrap();
        }
    });
}

#[test]
fn behind_a_pooler_in_transaction_mode_a_node_needs_the_database_itself_as_well() {
    let server = TrialServer::start(&["shared_buffers = '32MB'"]).unwrap();
    server.create("world").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (lines, sessions) in [
        (&["pool_mode = transaction"][..], 0),
        (&["pool_mode = transaction", "default_pool_size = 1"], 0),
        (&["pool_mode = transaction", "server_round_robin = 1"], 4),
    ] {
        let pooler = server.pooler("world", lines).unwrap();
        warm_up(&pooler, sessions);
        let refused = open(&pooler.address("world"), folder.path()).unwrap_err();
        assert!(
            matches!(refused.cause, PostgresCause::Pooled),
            "{lines:?}: {refused}"
        );
        assert!(
            refused.to_string().contains("direct=HOST:PORT") && !refused.may_pass(),
            "{refused}"
        );
        let beside = format!("{}?direct=127.0.0.1:{}", pooler.address("world"), server.port());
        let store = open(&beside, folder.path()).unwrap();
        works(&store);
        store.close();
    }
}

#[test]
fn behind_a_pooler_in_session_mode_a_node_works_as_if_there_were_none() {
    let server = TrialServer::start(&["shared_buffers = '32MB'"]).unwrap();
    server.create("world").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pooler = server.pooler("world", &["pool_mode = session"]).unwrap();
    let store = open(&pooler.address("world"), folder.path()).unwrap();
    works(&store);
    store.close();
}
