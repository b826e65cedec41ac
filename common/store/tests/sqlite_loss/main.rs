//! Files that were lost, exchanged or set back: what a node remembers outside of its store shows it, and what is refused
//! stays as it was found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../making/mod.rs"]
mod making;
mod restore;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::ids::*;
use store::mark::{MARK_FILE, StoreMark};
use store::sqlite::{Accept, Membership, SqliteStore, backup};
use store::*;
use tempfile::TempDir;

use making::ask;

const CLUSTER: ClusterId = ClusterId([1; 16]);
const A: NodeNumber = NodeNumber(1);
const B: NodeNumber = NodeNumber(2);
const C: NodeNumber = NodeNumber(3);

/// A machine's folder: a store, and the data directories of its nodes.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for node in [A, B, C] {
            fs::create_dir(dir.path().join(node.to_string())).unwrap();
        }
        Self(dir)
    }

    /// What a machine has after all its processes were killed: the files as they are now.
    fn killed(&self) -> Self {
        let copy = Self::new();
        for (path, bytes) in self.files() {
            fs::write(copy.0.path().join(path), bytes).unwrap();
        }
        copy
    }

    /// The store's own files and all marks, by path; a log without content is none.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let own = ["store", "store-wal", "store.mark"].map(PathBuf::from);
        let marks = [A, B, C].map(|node| Path::new(&node.to_string()).join(MARK_FILE));
        let read = |path: PathBuf| Some((path.clone(), fs::read(self.0.path().join(path)).ok()?));
        let all = own.into_iter().chain(marks).filter_map(read);
        all.filter(|(_, bytes)| !bytes.is_empty()).collect()
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("store-wal")
    }

    /// The mark of all nodes.
    fn common_mark(&self) -> PathBuf {
        self.0.path().join("store.mark")
    }

    fn data(&self, node: NodeNumber) -> PathBuf {
        self.0.path().join(node.to_string())
    }

    fn mark(&self, node: NodeNumber) -> Option<StoreMark> {
        StoreMark::read(&self.data(node)).unwrap()
    }

    fn open(&self, node: NodeNumber, accept: Accept) -> Result<SqliteStore, String> {
        let data = self.data(node);
        let member = Membership {
            cluster: CLUSTER,
            node,
            data: &data,
            accept,
        };
        SqliteStore::open_as(&self.store(), &member).map_err(|error| error.to_string())
    }

    fn start(&self, node: NodeNumber) -> SqliteStore {
        self.open(node, Accept::Remembered).unwrap()
    }

    /// Why a node does not start here; nothing is changed by its trying.
    fn refusal(&self, node: NodeNumber) -> String {
        let before = self.files();
        let refused = self.open(node, Accept::Remembered).unwrap_err();
        assert!(
            self.files() == before,
            "what is refused stays as it was: {refused}"
        );
        refused
    }
}

fn guest(store: &SqliteStore) -> u64 {
    match ask(store, StoreRequest::NextGuest) {
        StoreReply::Guest(user) => user.0,
        other => panic!("{other:?}"),
    }
}

fn generation(store: &SqliteStore) -> StoreReply {
    ask(store, StoreRequest::StoreGeneration)
}

#[test]
fn after_a_kill_everything_is_there_and_a_node_goes_on() {
    let machine = Machine::new();
    let store = machine.start(A);
    let first = guest(&store);
    let killed = machine.killed();
    let again = killed.start(A);
    assert_eq!(guest(&again), first + 1);
    assert!(killed.mark(A).unwrap().progress > machine.mark(A).unwrap().progress);
    again.close();
    let again = killed.start(A);
    assert_eq!(guest(&again), first + 2, "nor after an end as it should be");
    assert_eq!(generation(&again), StoreReply::StoreGeneration(1));
}

#[test]
fn a_lost_or_emptied_log_is_noticed_though_it_held_nothing_but_the_last_moments() {
    let machine = Machine::new();
    let store = machine.start(A);
    guest(&store);
    let (lost, emptied) = (machine.killed(), machine.killed());
    fs::remove_file(lost.log()).unwrap();
    fs::write(emptied.log(), "").unwrap();
    for machine in [&lost, &emptied] {
        let refused = machine.refusal(A);
        assert!(
            refused.contains("older state of world") && refused.contains("--accept-store"),
            "{refused}"
        );
    }
    let insisted = lost.open(A, Accept::Whatever).unwrap();
    assert_eq!(
        generation(&insisted),
        StoreReply::StoreGeneration(2),
        "what was given out since may have reached somebody"
    );
    insisted.close();
    lost.start(A).close();
}

#[test]
fn nobody_has_a_lease_in_a_world_that_was_begun_anew() {
    let machine = Machine::new();
    let store = machine.start(A);
    let start = store.execute(&[StoreRequest::StartNode { node: A }]).remove(0);
    let Ok(StoreReply::Started(incarnation)) = start else {
        panic!("{start:?}")
    };
    store.close();
    let renew = |store: &SqliteStore| {
        let lease = Lease { node: A, incarnation };
        store.execute(&[StoreRequest::RenewLease { lease }]).remove(0)
    };
    let store = machine.start(A);
    assert_eq!(
        renew(&store),
        Ok(StoreReply::LeaseRenewed(1)),
        "it is in the file"
    );
    let lost = machine.killed();
    fs::remove_file(lost.log()).unwrap();
    let insisted = lost.open(A, Accept::Whatever).unwrap();
    assert_eq!(renew(&insisted), Ok(StoreReply::LeaseEnded(None)));
}

#[test]
fn a_lost_log_is_noticed_by_every_node_whoever_merged_and_counted_last() {
    let machine = Machine::new();
    let first = machine.start(A);
    // Its round merges what the first one's has counted.
    let second = machine.start(B);
    guest(&first);
    let killed = machine.killed();
    drop((first, second));
    for node in [A, B] {
        fs::remove_file(killed.log()).unwrap_or_default();
        let refused = killed.refusal(node);
        assert!(
            refused.contains("older state of world") && refused.contains("--accept-store"),
            "{refused}"
        );
    }
    let stranger = killed.refusal(C);
    assert!(
        stranger.contains("by the mark beside it (.mark) its nodes have seen"),
        "also by one that has never been here: {stranger}"
    );
    killed.open(A, Accept::Whatever).unwrap().close();
    for node in [A, B, C] {
        killed.start(node).close();
    }
}

#[test]
fn a_store_that_was_exchanged_is_noticed_though_another_node_has_gone_on_with_it() {
    let machine = Machine::new();
    machine.start(A).close();
    machine.start(B).close();
    let set_back = machine.killed();
    // The one to be asked has seen more than the copy holds, by one round of its own.
    machine.start(B).close();
    fs::copy(machine.data(B).join(MARK_FILE), set_back.data(B).join(MARK_FILE)).unwrap();
    // Whoever put the copy in place has cleared everything that was there.
    fs::remove_file(set_back.common_mark()).unwrap();
    for _ in 0..3 {
        set_back.start(C).close();
    }
    let (seen, found) = (set_back.mark(B).unwrap(), set_back.mark(C).unwrap());
    assert!(found.progress > seen.progress, "{found:?} {seen:?}");
    let refused = set_back.refusal(B);
    assert!(
        refused.contains("older state of world") && refused.contains("this node has seen"),
        "{refused}"
    );
    set_back.start(A).close();
}

#[test]
fn a_node_that_died_before_it_had_noted_its_round_goes_on() {
    let machine = Machine::new();
    machine.start(A).close();
    let noted = [machine.common_mark(), machine.data(A).join(MARK_FILE)].map(|path| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    });
    machine.start(A).close();
    // Counted, and written down in neither place, in the one only, and not even once before.
    for (path, bytes) in &noted {
        fs::write(path, bytes).unwrap();
    }
    machine.start(A).close();
    fs::write(&noted[1].0, &noted[1].1).unwrap();
    machine.start(A).close();
    for (path, _) in &noted {
        fs::remove_file(path).unwrap();
    }
    machine.start(A).close();
    assert!(machine.common_mark().exists() && machine.mark(A).is_some());
}

#[test]
fn nodes_go_on_with_a_store_that_did_not_know_yet_what_each_of_them_remembers() {
    let machine = Machine::new();
    machine.start(A).close();
    machine.start(B).close();
    let older = rusqlite::Connection::open(machine.store()).unwrap();
    older
        .execute_batch(
            "DROP TABLE node_lease; DROP TABLE node_mark; ALTER TABLE cluster DROP COLUMN marks_since;
             ALTER TABLE session DROP COLUMN until_ms; DROP TABLE sanction; DROP TABLE account; DROP TABLE device; DROP TABLE report; DROP TABLE identity; DROP TABLE game_state; DROP TABLE creature; DROP TABLE creature_write; DROP TABLE tally; DROP TABLE trade; DROP TABLE region_state; ALTER TABLE cluster DROP COLUMN topology; PRAGMA user_version = 7;",
        )
        .unwrap();
    older.close().unwrap();
    fs::remove_file(machine.common_mark()).unwrap();
    for node in [A, B, A] {
        machine.start(node).close();
    }
}

#[test]
fn a_log_of_another_time_is_noticed_before_it_is_merged() {
    let machine = Machine::new();
    let store = machine.start(A);
    guest(&store);
    let old_log = fs::read(machine.log()).unwrap();
    for _ in 0..50 {
        guest(&store);
    }
    // Another node's start makes a round: what was in the log is in the file now.
    let other = machine.start(B);
    guest(&store);
    let mixed = machine.killed();
    fs::write(mixed.log(), old_log).unwrap();
    let refused = mixed.refusal(B);
    assert!(refused.contains("older state of world"), "{refused}");
    drop(other);
}

#[test]
fn a_store_that_is_gone_is_not_begun_anew_without_a_word() {
    let machine = Machine::new();
    machine.start(A).close();
    let world = machine.mark(A).unwrap().world;
    let (gone, header) = (machine.killed(), machine.killed());
    fs::remove_file(gone.store()).unwrap();
    let refused = gone.refusal(A);
    assert!(
        refused.contains("no world in it") && refused.contains(&world.to_string()),
        "{refused}"
    );
    assert!(!gone.store().exists());
    // What a copy of a young world's file alone was: a header and nothing else.
    fs::remove_file(header.store()).unwrap();
    let fresh = rusqlite::Connection::open(header.store()).unwrap();
    fresh.pragma_update(None, "journal_mode", "wal").unwrap();
    drop(fresh);
    let refused = header.refusal(A);
    assert!(refused.contains("no world in it"), "{refused}");

    let begun = gone.open(A, Accept::Whatever).unwrap();
    assert_ne!(begun.identity().world, world);
    begun.close();
    gone.start(A).close();
}

#[test]
fn another_world_is_refused_until_somebody_insists() {
    let (ours, theirs) = (Machine::new(), Machine::new());
    ours.start(A).close();
    let world = theirs.start(B).identity().world;
    fs::copy(theirs.store(), ours.store()).unwrap();
    let _ = fs::remove_file(ours.log());
    let refused = ours.refusal(A);
    assert!(refused.contains(&format!("it holds world {world}")), "{refused}");
    let gone_over = ours.open(A, Accept::Whatever).unwrap();
    assert_eq!(gone_over.identity().world, world);
    assert_eq!(generation(&gone_over), StoreReply::StoreGeneration(1));
}

#[test]
fn a_damaged_mark_is_told_and_can_be_insisted_on() {
    let machine = Machine::new();
    machine.start(A).close();
    fs::write(machine.data(A).join(MARK_FILE), "scratched").unwrap();
    let refused = machine.refusal(A);
    assert!(refused.contains("store.mark is damaged"), "{refused}");
    machine.open(A, Accept::Whatever).unwrap().close();
    assert!(machine.mark(A).is_some());
    fs::write(machine.common_mark(), "scratched").unwrap();
    let refused = machine.refusal(B);
    assert!(refused.contains("store.mark is damaged"), "{refused}");
    machine.open(A, Accept::Whatever).unwrap().close();
    machine.start(B).close();
}

#[test]
fn a_second_process_of_a_node_is_refused_and_other_nodes_are_not() {
    let machine = Machine::new();
    let first = machine.start(A);
    let refused = machine.refusal(A);
    assert!(
        refused.contains("another process of node 1 works on it"),
        "{refused}"
    );
    let other = machine.start(B);
    assert_eq!(SqliteStore::nodes_at(&machine.store()).unwrap(), [A, B]);
    first.close();
    assert_eq!(SqliteStore::nodes_at(&machine.store()).unwrap(), [B]);
    machine.start(A).close();
    drop(other);
}

#[test]
fn a_long_log_is_merged_while_the_store_is_used() {
    const HOLDINGS: u64 = 20_000;
    let machine = Machine::new();
    let store = machine.start(A);
    let holding = |id| Holding {
        id,
        kind: 1,
        holder: Holder::User(UserId(id)),
        payload: Bytes::new(),
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let file_bytes = || fs::metadata(machine.store()).unwrap().len();
    let before = machine.mark(A).unwrap().progress;
    for region in 0.. {
        let seed = StoreRequest::SeedHoldings {
            region: RegionNumber(region),
            seed: 1,
            holdings: (0..HOLDINGS)
                .map(|id| holding(u64::from(region) << 32 | id))
                .collect(),
        };
        store.execute(&[seed]).remove(0).unwrap();
        if fs::metadata(machine.log()).unwrap().len() > 5 << 20 {
            break;
        }
    }
    while file_bytes() < 4 << 20 {
        assert!(Instant::now() < deadline, "the log was not merged");
        std::thread::sleep(Duration::from_millis(50));
    }
    while machine.mark(A).unwrap().progress == before {
        assert!(Instant::now() < deadline, "it was not noted how far the store is");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Or it would be merged again each second for as long as the node lives.
    while fs::metadata(machine.log()).unwrap().len() >= 4 << 20 {
        assert!(Instant::now() < deadline, "a log that was merged stays long");
        guest(&store);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_backup_of_a_running_store_is_whole_and_replaces_nothing() {
    let machine = Machine::new();
    let store = machine.start(A);
    let first = guest(&store);
    let to = machine.0.path().join("backup");
    let made = backup::backup(&machine.store(), &to).unwrap();
    assert_eq!(made.world, store.identity().world);
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    guest(&store);
    let again = backup::backup(&machine.store(), &to).unwrap_err().to_string();
    assert!(again.contains("replaces nothing"), "{again}");
    let looked = backup::check(&machine.store()).unwrap();
    assert_eq!((looked.nodes, looked.complaints), (vec![A], Vec::new()));
    assert_eq!(looked.cluster, Some(CLUSTER));
    let copy = SqliteStore::open(&to).unwrap();
    assert_eq!(guest(&copy), first + 1);
    assert!(!machine.0.path().join("backup.part").exists());
}
