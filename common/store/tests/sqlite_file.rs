//! The SQLite file itself: who may read it, what is said when it cannot be used, how fast four writers are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::ids::*;
use sqlx::{ConnectOptions, Connection, Executor};
use store::sqlite::SqliteStore;
use store::*;

async fn raw(path: &Path) -> sqlx::SqliteConnection {
    sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap()
}

async fn raw_created(path: &Path) -> sqlx::SqliteConnection {
    fs::File::create(path).unwrap();
    raw(path).await
}

async fn refusal(path: &Path) -> String {
    SqliteStore::open(path).await.map(|_| ()).unwrap_err().to_string()
}

#[tokio::test]
async fn all_files_of_the_store_are_private_to_their_user() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("store.sqlite")).await.unwrap();
    store
        .execute(vec![StoreRequest::NextGuest])
        .await
        .remove(0)
        .unwrap();
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 3, "the file, its log and its lock: {files:?}");
    for file in files {
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            file.path()
        );
    }
}

#[tokio::test]
async fn a_store_belongs_to_the_cluster_that_opened_it_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let (ours, theirs) = (ClusterId([1; 16]), ClusterId([2; 16]));
    SqliteStore::open_for(&path, ours).await.unwrap().close().await;
    let refused = SqliteStore::open_for(&path, theirs)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("store of another cluster"), "{refused}");
    SqliteStore::open_for(&path, ours).await.unwrap().close().await;
}

#[tokio::test]
async fn a_database_of_something_else_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let mut other = raw_created(&path).await;
    sqlx::raw_sql("CREATE TABLE photos (id INTEGER)")
        .execute(&mut other)
        .await
        .unwrap();
    assert!(refusal(&path).await.contains("a database of something else"));
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut other)
        .await
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn what_was_answered_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let start = StoreRequest::StartNode { node: NodeNumber(1) };
    for expected in 1..=3 {
        let store = SqliteStore::open(&path).await.unwrap();
        let started = Ok(StoreReply::Started(Incarnation(expected)));
        assert_eq!(store.execute(vec![start.clone()]).await, [started]);
        store.close().await;
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_refused_with_a_clear_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing").join("store.sqlite");
    assert!(
        refusal(&path).await.contains("No such file"),
        "{}",
        refusal(&path).await
    );

    let path = dir.path().join("text.sqlite");
    fs::write(
        &path,
        "this is a letter, not a database, and long enough to be looked at ".repeat(20),
    )
    .unwrap();
    assert!(
        refusal(&path).await.contains("is damaged"),
        "{}",
        refusal(&path).await
    );

    let path = dir.path().join("newer.sqlite");
    SqliteStore::open(&path).await.unwrap().close().await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9000, 'of a later release', 1, x'00', 0)";
    let mut connection = raw(&path).await;
    connection.execute(later).await.unwrap();
    connection.close().await.unwrap();
    let refused = refusal(&path).await;
    assert!(
        refused.contains("schema version 9000") && refused.contains("up to 2"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let store = SqliteStore::open(&path).await.unwrap();
    // A limit in pages stands for the disk: SQLite gives the same error.
    assert_eq!(store.limit_pages(1).await, Ok(()));
    let holding = |id| Holding {
        id,
        kind: 1,
        holder: Holder::User(UserId(id)),
    };
    let seed = StoreRequest::SeedHoldings {
        seed: 1,
        holdings: (0..5000).map(holding).collect(),
    };
    let results = store.execute(vec![StoreRequest::NextGuest, seed]).await;
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(StoreError::Full(_)))),
        "{results:?}"
    );
    let guest = store.execute(vec![StoreRequest::NextGuest]).await.remove(0);
    assert_eq!(
        guest,
        Ok(StoreReply::Guest(UserId(1 << 40))),
        "the first one was not given out"
    );
}

#[tokio::test]
async fn a_write_lock_held_too_long_is_unavailability_and_reads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let store = SqliteStore::open(&path).await.unwrap();
    let mut holder = raw(&path).await;
    holder.execute("BEGIN IMMEDIATE").await.unwrap();
    let read = store.execute(vec![StoreRequest::StoreGeneration]).await.remove(0);
    assert_eq!(read, Ok(StoreReply::StoreGeneration(1)));
    let write = store.execute(vec![StoreRequest::NextGuest]).await.remove(0);
    assert!(matches!(write, Err(StoreError::Unavailable(_))), "{write:?}");
    holder.execute("ROLLBACK").await.unwrap();
    assert!(
        store
            .execute(vec![StoreRequest::NextGuest])
            .await
            .remove(0)
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_front_answers_each_request_once_and_refuses_beyond_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&dir.path().join("store.sqlite")).await.unwrap());
    let (front, task) = StoreHandle::spawn(
        store,
        StoreSettings {
            queue_bytes_max: 64 * 1024,
        },
    );
    let (answers_in, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let mut sent = 0_u64;
    while front.send(sent, StoreRequest::NextGuest, &answers_in).is_ok() {
        sent += 1;
        assert!(sent < 100_000, "the queue has no bound");
    }
    assert!(sent > 64);
    let mut guests = Vec::new();
    for expected in 0..sent {
        let answer = answers.recv().await.unwrap();
        assert_eq!(answer.correlation, expected, "in the order asked");
        guests.push(answer.result.unwrap());
    }
    guests.dedup();
    assert_eq!(guests.len() as u64, sent);
    assert_eq!(front.queue_bytes(), 0);
    assert!(matches!(
        front.ask(StoreRequest::NextGuest).await,
        Ok(StoreReply::Guest(_))
    ));
    drop(front);
    task.await.unwrap();
}

/// Prints what a batch costs here; the disk decides, so nothing is asserted but that all were written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_four_writers_are_timed() {
    const WRITERS: u64 = 4;
    const ROWS: u64 = 12;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let store = SqliteStore::open(&path).await.unwrap();
        writers.push(tokio::spawn(
            async move { write_batches(&store, writer, ROWS).await },
        ));
    }
    let mut took = Vec::new();
    for writer in writers {
        took.extend(writer.await.unwrap());
    }
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "{WRITERS} writers, 20 batches/s of {ROWS} rows each: p50 {:.2} ms, p99 {:.2} ms",
        at(50),
        at(99)
    );
    assert_eq!(took.len(), 4 * 20);
}

async fn write_batches(store: &SqliteStore, writer: u64, rows: u64) -> Vec<Duration> {
    let (node, region) = (NodeNumber(writer as u16 + 1), RegionNumber(writer as u32 + 1));
    let served = store
        .execute(vec![StoreRequest::ServeRegion {
            region,
            node,
            after: None,
        }])
        .await
        .remove(0);
    let Ok(StoreReply::Serving(region_epoch)) = served else {
        panic!("{served:?}")
    };
    let row = |user| PlayerRow {
        user: UserId(writer * 1000 + user),
        owner: Some(node),
        region,
        region_epoch,
        owner_epoch: OwnerEpoch(0),
        attempt: AttemptId(0),
        version: StateVersion(0),
        entity: EntityId(user),
        body: PlayerBody {
            state: bytes::Bytes::from(vec![7; 300]),
            ..PlayerBody::default()
        },
    };
    store
        .execute(
            (0..rows)
                .map(|user| StoreRequest::InsertPlayer { row: row(user) })
                .collect(),
        )
        .await;
    let mut took = Vec::new();
    for version in 1..=20 {
        let save = |user| {
            let PlayerRow { user, body, .. } = row(user);
            PlayerSave {
                user,
                owner_epoch: OwnerEpoch::first(1),
                version: StateVersion(version),
                body,
            }
        };
        let saves = (0..rows).map(save).collect();
        let started = Instant::now();
        let saved = store
            .execute(vec![StoreRequest::SavePlayers { owner: node, saves }])
            .await
            .remove(0);
        took.push(started.elapsed());
        assert_eq!(
            saved,
            Ok(StoreReply::Saved(vec![SaveOutcome::Applied; rows as usize]))
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    took
}
