//! Which region a login may take: one for which the store was told of its node, or that nobody was named for.

use std::path::Path;

use protocol::ids::*;
use store::postgres::{PostgresAddress, PostgresCause, PostgresStore, candidates};
use store::*;

use crate::{CLUSTER, OTHER, Scene};

const MINE: NodeNumber = NodeNumber(1);
const THEIRS: NodeNumber = NodeNumber(OTHER);
const NORTH: RegionNumber = RegionNumber(7);
const SOUTH: RegionNumber = RegionNumber(8);

fn ask(store: &PostgresStore, request: StoreRequest) -> StoreResult {
    store.execute(&[request]).remove(0)
}

fn start(store: &PostgresStore, node: NodeNumber) -> Lease {
    match ask(store, StoreRequest::StartNode { node }) {
        Ok(StoreReply::Started(incarnation)) => Lease { node, incarnation },
        other => panic!("{other:?}"),
    }
}

fn serve(
    store: &PostgresStore,
    node: NodeNumber,
    region: RegionNumber,
    after: Option<RegionEpoch>,
) -> StoreResult {
    ask(store, StoreRequest::ServeRegion { region, node, after })
}

fn holder(store: &PostgresStore) -> RegionHolder {
    match ask(store, StoreRequest::ReadHolder { region: NORTH }) {
        Ok(StoreReply::Holder(Some(holder))) => holder,
        other => panic!("{other:?}"),
    }
}

fn refused(node: NodeNumber) -> StoreResult {
    Err(StoreError::NotCandidate { node, region: NORTH })
}

impl Scene {
    fn tell(&self, version: u64, north: &[NodeNumber]) {
        let told: Vec<_> = north.iter().map(|node| (NORTH, *node)).collect();
        candidates::note(&self.address, CLUSTER, TopologyVersion(version), &told).unwrap();
    }

    fn opened(&self, login: &str, node: NodeNumber, folder: &Path) -> PostgresStore {
        let data = folder.join(login);
        std::fs::create_dir(&data).unwrap();
        self.open(login, node.0, &data).unwrap()
    }
}

#[test]
fn a_login_takes_no_region_for_which_the_store_was_told_of_others() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let mine = scene.opened("regionmesh-a", MINE, folder.path());
    let theirs = scene.opened("regionmesh-b", THEIRS, folder.path());
    let lease = start(&mine, MINE);
    start(&theirs, THEIRS);
    scene.tell(3, &[THEIRS]);
    assert_eq!(serve(&mine, MINE, NORTH, None), refused(MINE));
    let first = RegionEpoch::first(1);
    assert_eq!(
        serve(&theirs, THEIRS, NORTH, None),
        Ok(StoreReply::Serving(first))
    );
    let nobodys = serve(&mine, MINE, SOUTH, None);
    assert_eq!(nobodys, Ok(StoreReply::Serving(first)), "nobody was named for it");
    // The holder is dead: it was started again.
    start(&theirs, THEIRS);
    let dead = holder(&mine);
    let take = || StoreRequest::TakeOver {
        taker: lease,
        holder: dead,
    };
    let both = mine.execute(&[take(), StoreRequest::RenewLease { lease }]);
    assert_eq!(both, [refused(MINE), Ok(StoreReply::LeaseRenewed(1))]);
    assert_eq!(holder(&mine), dead, "nothing was changed");
    scene.tell(4, &[THEIRS, MINE]);
    let Ok(StoreReply::Serving(taken)) = ask(&mine, take()) else {
        panic!("it is named now");
    };
    let give = |region_epoch| {
        let region = NORTH;
        let node = MINE;
        let from = Serving {
            node,
            region,
            region_epoch,
        };
        ask(&mine, StoreRequest::GiveRegion { from, to: THEIRS })
    };
    scene.tell(5, &[MINE]);
    assert_eq!(give(taken), refused(THEIRS));
    // Who has it and is not named any more begins anew when a gift is in doubt, and gives it.
    scene.tell(6, &[THEIRS]);
    let Ok(StoreReply::Serving(anew)) = serve(&mine, MINE, NORTH, Some(taken)) else {
        panic!("it has it");
    };
    assert!(matches!(give(anew), Ok(StoreReply::Serving(_))));
    assert!(
        matches!(
            serve(&mine, MINE, NORTH, Some(anew)),
            Ok(StoreReply::Service(Some(_)))
        ),
        "who comes too late hears who serves"
    );
    mine.close();
    theirs.close();
}

#[test]
fn whoever_owns_the_store_or_is_an_operator_tells_it_the_newest_topology() {
    let scene = Scene::new();
    let complains = || {
        let report = PostgresStore::report(&scene.address).unwrap();
        report.complaints.iter().any(|one| one.contains("store topology"))
    };
    assert!(complains(), "any login may take any region");
    let of = |login: &str| {
        let url = scene
            .server
            .address("world")
            .replace("postgres@", &format!("{login}@"));
        PostgresAddress::parse(&url).unwrap()
    };
    let told = [(NORTH, MINE), (NORTH, THEIRS), (SOUTH, THEIRS)];
    let tell = |login: &str, cluster, version| {
        candidates::note(&of(login), cluster, TopologyVersion(version), &told).map_err(|error| error.cause)
    };
    tell("op", CLUSTER, 3).unwrap();
    tell("op", CLUSTER, 3).unwrap();
    assert!(!complains());
    let older = tell("postgres", CLUSTER, 2).unwrap_err();
    assert!(
        matches!(older, PostgresCause::NewerTopology { found, offered } if (found.0, offered.0) == (3, 2))
    );
    tell("regionmesh-a", CLUSTER, 9).unwrap_err();
    let folder = tempfile::tempdir().unwrap();
    let claimed = scene.opened("regionmesh-a", MINE, folder.path());
    let other = tell("op", ClusterId([8; 16]), 9).unwrap_err();
    assert!(matches!(other, PostgresCause::OtherCluster), "{other}");
    claimed.close();
    let kept = "SELECT string_agg(region || ' ' || node || ' ' || version, ', ' ORDER BY region, node) FROM regionmesh.region_candidate";
    assert_eq!(scene.server.say("world", kept).unwrap(), ["7 1 3, 7 2 3, 8 2 3"]);
    // One login for all nodes says nothing about who asks.
    let owner = PostgresStore::open(&scene.address).unwrap();
    assert!(matches!(
        serve(&owner, NodeNumber(3), NORTH, None),
        Ok(StoreReply::Serving(_))
    ));
    owner.close();
}
