//! Two real servers, a primary and its synchronous standby: the primary dies or is cut off, the standby is promoted, and the former
//! primary comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use protocol::ids::*;
use store::postgres::trial::TrialServer;
use store::postgres::{PostgresAddress, PostgresCause, PostgresStore};
use store::*;

const PATIENCE: Duration = Duration::from_secs(60);
const A: NodeNumber = NodeNumber(1);
const WEST: RegionNumber = RegionNumber(1);
const ANN: UserId = UserId(11);
const LINES: &[&str] = &["shared_buffers = '32MB'", "wal_sender_timeout = '2s'"];

struct Pair {
    primary: TrialServer,
    standby: TrialServer,
}

impl Pair {
    fn new() -> Self {
        let primary = TrialServer::start(LINES).unwrap();
        primary.create("world").unwrap();
        let standby = primary.standby("heir", LINES).unwrap();
        primary.waits_for("heir").unwrap();
        Self { primary, standby }
    }

    fn address(&self, query: &str) -> PostgresAddress {
        let (first, second) = (self.primary.port(), self.standby.port());
        let url = format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/world{query}");
        PostgresAddress::parse(&url).unwrap()
    }
}

fn try_ask(store: &PostgresStore, request: StoreRequest) -> StoreResult {
    store.execute(&[request]).remove(0)
}

/// Asks until there is an answer; gives it.
fn ask(store: &PostgresStore, request: &StoreRequest) -> StoreReply {
    let began = Instant::now();
    loop {
        match try_ask(store, request.clone()) {
            Ok(reply) => return reply,
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn serve(after: Option<RegionEpoch>) -> StoreRequest {
    StoreRequest::ServeRegion {
        region: WEST,
        node: A,
        after,
    }
}

fn insert(user: u64) -> StoreRequest {
    StoreRequest::InsertPlayer {
        row: PlayerRow {
            user: UserId(user),
            owner: Some(A),
            region: WEST,
            region_epoch: RegionEpoch::first(1),
            owner_epoch: OwnerEpoch(0),
            attempt: AttemptId(0),
            version: StateVersion(0),
            entity: EntityId(user),
            body: PlayerBody::default(),
        },
    }
}

fn session(reply: &StoreReply) -> u64 {
    match reply {
        StoreReply::Session(generation) => generation.0,
        other => panic!("{other:?}"),
    }
}

/// Players are inserted until their primary is killed under it; tells which were confirmed.
fn inserted_until_killed(pair: &Pair, store: &PostgresStore) -> Vec<u64> {
    let (mut confirmed, mut doubtful, mut user) = (Vec::new(), 0, 1000);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            pair.primary.kill_nine().unwrap();
        });
        loop {
            user += 1;
            match try_ask(store, insert(user)) {
                Ok(StoreReply::Inserted(_)) => confirmed.push(user),
                Err(StoreError::Unknown(_)) => doubtful += 1,
                Err(StoreError::Unavailable(_)) => break,
                other => panic!("{other:?}"),
            }
        }
    });
    assert!(!confirmed.is_empty() && doubtful <= 1, "{doubtful} doubtful");
    confirmed
}

/// An heir has no standby of its own yet: what it confirmed could be lost like that.
fn is_risk(store: &PostgresStore) {
    let began = Instant::now();
    loop {
        let refused = try_ask(store, StoreRequest::StoreGeneration)
            .unwrap_err()
            .to_string();
        if refused.contains("accept_loss=yes") {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{refused}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_primary_that_is_killed_loses_nothing_that_was_confirmed_and_its_heir_begins_a_generation() {
    let pair = Pair::new();
    let store = PostgresStore::open(&pair.address("")).unwrap();
    assert_eq!(
        ask(&store, &serve(None)),
        StoreReply::Serving(RegionEpoch::first(1))
    );
    let raise = StoreRequest::RaiseSession { user: ANN };
    let mut raised = session(&ask(&store, &raise));
    let confirmed = inserted_until_killed(&pair, &store);
    pair.standby.control("promote").unwrap();
    is_risk(&store);
    let fresh = PostgresStore::open(&pair.address("")).unwrap_err();
    assert!(
        matches!(fresh.cause, PostgresCause::Risk(_)) && !fresh.may_pass(),
        "{fresh}"
    );
    let _next = pair.standby.standby("next", LINES).unwrap();
    pair.standby.waits_for("next").unwrap();
    assert_eq!(
        ask(&store, &StoreRequest::StoreGeneration),
        StoreReply::StoreGeneration(2)
    );
    for user in &confirmed {
        let owner = ask(&store, &StoreRequest::ReadOwner { user: UserId(*user) });
        assert!(matches!(owner, StoreReply::Owner(Some(_))), "{user}: {owner:?}");
    }
    let StoreReply::Service(Some(served)) = ask(&store, &StoreRequest::ReadService { region: WEST }) else {
        panic!("the region has changed hands");
    };
    assert_eq!((served.node, served.region_epoch), (A, RegionEpoch::first(1)));
    assert_eq!(
        ask(&store, &serve(Some(served.region_epoch))),
        StoreReply::Serving(RegionEpoch::first(2))
    );
    assert_eq!(session(&ask(&store, &raise)), 2 << 48 | 1);
    raised = raised.max(2 << 48 | 1);

    // The former primary comes back as it was; it stands first in the address.
    let began = Instant::now();
    while let Err(error) = pair.primary.control("start") {
        assert!(began.elapsed() < PATIENCE, "{error}");
        thread::sleep(Duration::from_millis(100));
    }
    pair.standby.control("restart").unwrap();
    assert!(session(&ask(&store, &raise)) > raised);
    let read = StoreRequest::ReadSession { user: ANN };
    assert!(
        session(&ask(&store, &read)) > raised,
        "the former primary knows less"
    );
    let fresh = PostgresStore::open(&pair.address("")).unwrap();
    assert!(
        session(&ask(&fresh, &read)) > raised,
        "whoever knows nothing takes the farthest"
    );
    assert_eq!(
        ask(&fresh, &StoreRequest::StoreGeneration),
        StoreReply::StoreGeneration(2),
        "a promotion is one generation, whoever notices"
    );
}

#[test]
fn a_primary_that_is_cut_off_is_left_by_all_connections_once_one_has_seen_its_heir() {
    let pair = Pair::new();
    let address = pair.address("?accept_loss=yes");
    let store = PostgresStore::open(&address).unwrap();
    let (raise, read) = (
        StoreRequest::RaiseSession { user: ANN },
        StoreRequest::ReadSession { user: ANN },
    );
    assert_eq!(session(&ask(&store, &raise)), 1 << 48 | 1);
    assert_eq!(session(&ask(&store, &read)), 1 << 48 | 1);
    pair.standby.control("promote").unwrap();
    // It has no standby any more, so it confirms nothing; but reads go on there.
    let waits = try_ask(&store, raise.clone());
    assert!(matches!(waits, Err(StoreError::Unknown(_))), "{waits:?}");
    assert_eq!(session(&ask(&store, &raise)), 2 << 48 | 1);
    assert_eq!(session(&ask(&store, &read)), 2 << 48 | 1, "answered by the heir");
    // A node that remembers the heir does not start on its predecessor.
    let data = tempfile::tempdir().unwrap();
    let member = Membership {
        cluster: ClusterId([7; 16]),
        node: A,
        data: data.path(),
        accept: Accept::Remembered,
    };
    PostgresStore::open_as(&address, &member).unwrap().close();
    assert!(
        fs::read_to_string(data.path().join("store.mark"))
            .unwrap()
            .contains("generation 2")
    );
    let alone = pair.primary.address("world");
    let former = PostgresStore::open_as(&PostgresAddress::parse(&alone).unwrap(), &member).unwrap_err();
    assert!(
        matches!(
            former.cause,
            PostgresCause::Older {
                found: 1,
                remembered: 2,
                ..
            }
        ),
        "{former}"
    );
}

#[test]
fn what_would_lose_what_it_confirmed_is_no_store_unless_the_operator_insists() {
    let server = TrialServer::start(LINES).unwrap();
    let address = server.create("world").unwrap();
    PostgresStore::open(&address).unwrap().close();
    let with = |setting: &str| {
        server
            .say(
                "world",
                &format!("ALTER DATABASE world SET synchronous_commit = {setting}"),
            )
            .unwrap();
    };
    for lossy in ["off", "local", "remote_write"] {
        with(lossy);
        let refused = PostgresStore::open(&address).unwrap_err();
        assert!(matches!(refused.cause, PostgresCause::Risk(_)), "{refused}");
        assert!(refused.to_string().contains("accept_loss=yes"), "{refused}");
        let insists = format!("{}?accept_loss=yes", server.address("world"));
        let insists = PostgresAddress::parse(&insists).unwrap();
        PostgresStore::open(&insists).unwrap().close();
    }
    with("remote_apply");
    PostgresStore::open(&address).unwrap().close();
}
