//! The SQLite file itself: who may read it, what is said when it cannot be used, what one bad row and one bad disk do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

use bytes::Bytes;
use protocol::ids::*;
use rusqlite::Connection;
use store::sqlite::{Accept, Membership, SqliteStore};
use store::*;

fn raw(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

fn refusal(path: &Path) -> String {
    SqliteStore::open(path).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn all_files_of_the_store_are_private_to_their_user() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("store.sqlite")).unwrap();
    store.execute(&[StoreRequest::NextGuest]).remove(0).unwrap();
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

#[test]
fn a_store_belongs_to_the_cluster_that_opened_it_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let open = |cluster, data: &tempfile::TempDir| {
        let member = Membership {
            cluster: ClusterId([cluster; 16]),
            node: NodeNumber(1),
            data: data.path(),
            accept: Accept::Remembered,
        };
        SqliteStore::open_as(&path, &member)
    };
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(1, &ours).unwrap().close();
    let refused = open(2, &theirs).unwrap_err().to_string();
    assert!(refused.contains("store of another cluster"), "{refused}");
    open(1, &ours).unwrap().close();
}

#[test]
fn a_world_keeps_its_id_and_a_copy_of_it_is_told_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("store.sqlite"), dir.path().join("copy.sqlite"));
    let identity = |path: &Path| {
        let store = SqliteStore::open(path).unwrap();
        let identity = store.identity();
        store.close();
        identity
    };
    let first = identity(&path);
    assert_ne!(first.world, WorldId::default());
    assert_eq!(identity(&path), first, "opening it again changes nothing");
    fs::copy(&path, &copy).unwrap();
    let copied = identity(&copy);
    assert_eq!(copied.world, first.world);
    assert_ne!(copied.copy, first.copy);
    let other = identity(&dir.path().join("other.sqlite"));
    assert_ne!(other.world, first.world);
}

#[test]
fn what_does_not_last_or_cannot_be_shared_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    for (path, what) in [
        (Path::new(":memory:"), "in memory or a URI"),
        (Path::new("file:world.db?mode=memory"), "in memory or a URI"),
        (Path::new("/dev/null"), "a device"),
        (dir.path(), "a directory"),
    ] {
        let refused = refusal(path);
        assert!(
            refused.contains(what) && refused.contains("store.path"),
            "{refused}"
        );
    }
    assert!(!Path::new(":memory:").exists() && !Path::new("file:world.db?mode=memory").exists());
}

#[test]
fn a_database_of_something_else_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let other = raw(&path);
    other.execute_batch("CREATE TABLE photos (id INTEGER)").unwrap();
    assert!(refusal(&path).contains("a database of something else"));
    let read = |what| other.query_row(what, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(read("SELECT count(*) || name FROM sqlite_schema"), "1photos");
    assert_eq!(read("PRAGMA journal_mode"), "delete");
}

#[test]
fn what_was_answered_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let start = StoreRequest::StartNode { node: NodeNumber(1) };
    for expected in 1..=3 {
        let store = SqliteStore::open(&path).unwrap();
        let started = Ok(StoreReply::Started(Incarnation(expected)));
        assert_eq!(store.execute(std::slice::from_ref(&start)), [started]);
        store.close();
    }
}

#[test]
fn files_that_cannot_be_used_are_refused_with_a_clear_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing").join("store.sqlite");
    assert!(refusal(&path).contains("No such file"), "{}", refusal(&path));

    let path = dir.path().join("text.sqlite");
    fs::write(
        &path,
        "this is a letter, not a database, and long enough to be looked at ".repeat(20),
    )
    .unwrap();
    assert!(refusal(&path).contains("is damaged"), "{}", refusal(&path));

    let path = dir.path().join("newer.sqlite");
    SqliteStore::open(&path).unwrap().close();
    let own: i64 = raw(&path)
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    raw(&path).pragma_update(None, "user_version", 9000).unwrap();
    let refused = refusal(&path);
    let says = |words: &str| assert!(refused.contains(words), "{refused}");
    says("schema version 9000");
    says(&format!("up to {own}:"));
}

#[test]
fn a_world_that_was_seeded_as_a_whole_is_seeded_in_each_region() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let old = [
        include_str!("../migrations/sqlite/0001_ground.sql"),
        include_str!("../migrations/sqlite/0002_cluster_id.sql"),
        "PRAGMA application_id = 0x524d5348; PRAGMA user_version = 2;
         INSERT INTO region (region, node, epoch) VALUES (1, 1, 7), (2, 1, 8);
         INSERT INTO holding (id, kind, region, x, y) VALUES (5, 3, 1, 0.5, 0.5);
         UPDATE cluster SET world_seed = 99;",
    ];
    raw(&path).execute_batch(&old.concat()).unwrap();
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(&path, mode).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let seed = |region, id| {
        let holder = Holder::Ground {
            region: RegionNumber(region),
            x: 0.5,
            y: 0.5,
        };
        let holdings = vec![Holding {
            id,
            kind: 3,
            holder,
            payload: Bytes::new(),
        }];
        let request = StoreRequest::SeedHoldings {
            region: RegionNumber(region),
            seed: 100,
            holdings,
        };
        store.execute(&[request]).remove(0)
    };
    assert_eq!(seed(1, 5), Ok(StoreReply::Seeded(99)));
    assert_eq!(seed(2, 6), Ok(StoreReply::Seeded(99)));
    assert_eq!(seed(3, 7), Ok(StoreReply::Seeded(100)), "nobody had served it");
    let all = store
        .execute(&[StoreRequest::AllHoldings { after: None }])
        .remove(0);
    let Ok(StoreReply::Holdings(all)) = all else {
        panic!("{all:?}");
    };
    assert_eq!(all.iter().map(|holding| holding.id).collect::<Vec<_>>(), [5, 7]);
    store.close();
    let report = sqlite::backup::check(&path).unwrap();
    assert_eq!(report.complaints, Vec::<String>::new(), "they are counted");
}

#[test]
fn a_full_disk_changes_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    // A limit in pages stands for the disk: SQLite gives the same error.
    assert_eq!(store.limit_pages(1), Ok(()));
    let holding = |id| Holding {
        id,
        kind: 1,
        holder: Holder::User(UserId(id)),
        payload: Bytes::new(),
    };
    let seed = StoreRequest::SeedHoldings {
        region: RegionNumber(1),
        seed: 1,
        holdings: (0..5000).map(holding).collect(),
    };
    let results = store.execute(&[StoreRequest::NextGuest, seed]);
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(StoreError::Full(_)))),
        "{results:?}"
    );
    let guest = store.execute(&[StoreRequest::NextGuest]).remove(0);
    assert_eq!(
        guest,
        Ok(StoreReply::Guest(UserId(1 << 40))),
        "the first one was not given out"
    );
}

#[test]
fn a_probe_takes_room_on_the_disk_as_any_write_does() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("store.sqlite")).unwrap();
    let log = || fs::metadata(dir.path().join("store.sqlite-wal")).unwrap().len();
    let before = log();
    for _ in 0..3 {
        let probed = store.execute(&[StoreRequest::Probe]).remove(0);
        assert_eq!(probed, Ok(StoreReply::Probed));
    }
    assert!(log() >= before + 3 * 4096, "{before} {}", log());
}

#[test]
fn a_write_lock_held_too_long_is_unavailability_and_reads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    let holder = raw(&path);
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let read = store.execute(&[StoreRequest::StoreGeneration]).remove(0);
    assert_eq!(read, Ok(StoreReply::StoreGeneration(1)));
    let write = store.execute(&[StoreRequest::NextGuest]).remove(0);
    assert!(matches!(write, Err(StoreError::Unavailable(_))), "{write:?}");
    holder.execute_batch("ROLLBACK").unwrap();
    assert!(store.execute(&[StoreRequest::NextGuest]).remove(0).is_ok());
}

#[test]
fn writers_of_four_processes_take_turns() {
    const WRITERS: u64 = 4;
    const ROWS: u64 = 12;
    const BATCHES: u64 = 30;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let stores: Vec<_> = (0..WRITERS).map(|_| SqliteStore::open(&path).unwrap()).collect();
    thread::scope(|scope| {
        for (store, writer) in stores.iter().zip(0..) {
            scope.spawn(move || write_batches(store, writer, ROWS, BATCHES));
        }
    });
    let reader = SqliteStore::open(&path).unwrap();
    for user in 0..WRITERS * ROWS {
        let load = StoreRequest::LoadPlayer { user: UserId(user) };
        match reader.execute(&[load]).remove(0) {
            Ok(StoreReply::Player(Some(row))) => assert_eq!(row.version, StateVersion(BATCHES)),
            other => panic!("{other:?}"),
        }
    }
}

/// A region of the writer's own, its players, and then saves of all of them, each batch of a higher version.
fn write_batches(store: &SqliteStore, writer: u64, rows: u64, batches: u64) {
    let node = NodeNumber(writer as u16 + 1);
    let users = writer * rows..(writer + 1) * rows;
    let inserted = store.execute(&new_players(store, node, users.clone()));
    assert!(inserted.iter().all(Result::is_ok), "{inserted:?}");
    for version in 1..=batches {
        let saves: Vec<_> = users.clone().map(|user| save(user, version)).collect();
        let applied = vec![SaveOutcome::Applied; saves.len()];
        let saved = store.execute(&[StoreRequest::SavePlayers { owner: node, saves }]);
        assert_eq!(saved, [Ok(StoreReply::Saved(applied))]);
    }
}

/// Requests that spawn users in a region that `node` serves from now on.
fn new_players(
    store: &SqliteStore,
    node: NodeNumber,
    users: impl IntoIterator<Item = u64>,
) -> Vec<StoreRequest> {
    let region = RegionNumber(u32::from(node.0));
    let serve = StoreRequest::ServeRegion {
        region,
        node,
        after: None,
    };
    let served = store.execute(&[serve]).remove(0);
    let Ok(StoreReply::Serving(region_epoch)) = served else {
        panic!("{served:?}")
    };
    let row = |user| PlayerRow {
        user: UserId(user),
        owner: Some(node),
        region,
        region_epoch,
        owner_epoch: OwnerEpoch(0),
        attempt: AttemptId(0),
        version: StateVersion(0),
        entity: EntityId(user),
        body: PlayerBody::default(),
    };
    let insert = |user| StoreRequest::InsertPlayer { row: row(user) };
    users.into_iter().map(insert).collect()
}

fn save(user: u64, version: u64) -> PlayerSave {
    PlayerSave {
        user: UserId(user),
        owner_epoch: OwnerEpoch::first(1),
        version: StateVersion(version),
        body: PlayerBody {
            state: Bytes::from(vec![7; 300]),
            ..PlayerBody::default()
        },
    }
}

/// A store with three players of one region, the second of whom has a row that no write of ours leaves so.
fn with_a_damaged_row(dir: &Path) -> (SqliteStore, [UserId; 3]) {
    let path = dir.join("store.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    let inserted = store.execute(&new_players(&store, NodeNumber(1), 1..=3));
    assert!(inserted.iter().all(Result::is_ok), "{inserted:?}");
    let damage = "INSERT INTO session SELECT user, 0, 0, 1 << 62 FROM player; UPDATE player SET owner = 70000 WHERE user = 2";
    raw(&path).execute_batch(damage).unwrap();
    (store, [UserId(1), UserId(2), UserId(3)])
}

/// Who has them.
const SERVING: Serving = Serving {
    node: NodeNumber(1),
    region: RegionNumber(1),
    region_epoch: RegionEpoch(1 << 48 | 1),
};

#[test]
fn a_damaged_row_fails_its_own_request_and_no_other_of_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let (store, users) = with_a_damaged_row(dir.path());
    let activate = |user| StoreRequest::Activate {
        user,
        serving: SERVING,
        expected: OwnerEpoch::first(1),
        binding: Binding::default(),
    };
    let load = |user| StoreRequest::LoadPlayer { user };
    let release = |user: UserId| StoreRequest::Release {
        serving: SERVING,
        save: save(user.0, 1),
    };
    let damaged = |result: &StoreResult| matches!(result, Err(StoreError::Corrupt(_)));
    for results in [
        store.execute(&users.map(load)),
        store.execute(&users.map(release)),
    ] {
        assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
        assert!(damaged(&results[1]), "{results:?}");
    }
    let healed = store.execute(&users.map(activate));
    let activated = |result: &StoreResult| matches!(result, Ok(StoreReply::Activated(_)));
    assert!(
        healed.iter().all(activated),
        "an activation names the owner anew: {healed:?}"
    );
}

#[test]
fn a_damaged_row_among_many_saves_and_commits_is_nobodys_and_the_others_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let (store, users) = with_a_damaged_row(dir.path());
    let owner = NodeNumber(1);
    let saves = users.map(|user| save(user.0, 1)).to_vec();
    let saved = vec![SaveOutcome::Applied, SaveOutcome::Fenced, SaveOutcome::Applied];
    let commits = users.map(|user| request::DurableCommit {
        save: save(user.0, 2),
        changes: Vec::new(),
    });
    let committed = vec![
        CommitOutcome::Applied,
        CommitOutcome::FencedByEpoch,
        CommitOutcome::Applied,
    ];
    let requests = [
        StoreRequest::SavePlayers { owner, saves },
        StoreRequest::CommitDurable {
            serving: SERVING,
            commits: commits.to_vec(),
        },
    ];
    let expected = [Ok(StoreReply::Saved(saved)), Ok(StoreReply::Committed(committed))];
    assert_eq!(store.execute(&requests), expected);
}

#[test]
fn what_a_refused_row_had_written_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let (store, users) = with_a_damaged_row(dir.path());
    // The activation applies, and only then can what it returns not be read.
    raw(&path)
        .execute_batch("UPDATE player SET owner = NULL, home_cell = -1 WHERE user = 2")
        .unwrap();
    let activate = StoreRequest::Activate {
        user: users[1],
        serving: SERVING,
        expected: OwnerEpoch::first(1),
        binding: Binding::default(),
    };
    let results = store.execute(&[StoreRequest::NextGuest, activate]);
    assert!(
        matches!(results[..], [Ok(_), Err(StoreError::Corrupt(_))]),
        "{results:?}"
    );
    let epoch = StoreRequest::ReadOwner { user: users[1] };
    let Ok(StoreReply::Owner(Some(owner))) = store.execute(&[epoch]).remove(0) else {
        panic!("the row is gone");
    };
    assert_eq!((owner.node, owner.owner_epoch), (None, OwnerEpoch::first(1)));
}

#[test]
fn where_an_epoch_is_used_up_no_region_changes_hands() {
    /// The last one of the first generation.
    const LAST: i64 = (2 << 48) - 1;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    let ask = |request| store.execute(&[request]).remove(0);
    let (region, node, after) = (RegionNumber(1), NodeNumber(1), None);
    for node in [node, NodeNumber(2)] {
        ask(StoreRequest::StartNode { node }).unwrap();
    }
    let taker = Lease {
        node: NodeNumber(2),
        incarnation: Incarnation(1),
    };
    let Ok(StoreReply::Serving(region_epoch)) = ask(StoreRequest::ServeRegion { region, node, after }) else {
        panic!("it was not served before");
    };
    let row = PlayerRow {
        user: UserId(11),
        owner: Some(node),
        region,
        region_epoch,
        owner_epoch: OwnerEpoch(0),
        attempt: AttemptId(0),
        version: StateVersion(1),
        entity: EntityId(1),
        body: PlayerBody::default(),
    };
    ask(StoreRequest::InsertPlayer { row }).unwrap();
    for used_up in [
        "UPDATE player SET owner_epoch = ?1",
        "UPDATE region SET epoch = ?1",
    ] {
        raw(&path).execute(used_up, [LAST]).unwrap();
        let look = || {
            [
                ask(StoreRequest::ReadHolder { region }),
                ask(StoreRequest::LoadPlayer { user: UserId(11) }),
            ]
        };
        let before = look();
        let Ok(StoreReply::Holder(Some(holder))) = before[0] else {
            panic!("{before:?}")
        };
        let (from, to) = (holder.service, taker.node);
        for request in [
            StoreRequest::TakeOver { taker, holder },
            StoreRequest::GiveRegion { from, to },
        ] {
            assert!(matches!(ask(request), Err(StoreError::Exhausted(_))));
        }
        assert_eq!(look(), before);
    }
}
