//! What a keeper does when another topology comes into force.

use super::*;

const NEWER: TopologyVersion = TopologyVersion(4);
const LATER: TopologyVersion = TopologyVersion(5);
const THIRD: NodeNumber = NodeNumber(3);
const PROXY: NodeNumber = NodeNumber(101);

/// Node 1 serves the region, and the topology that has just come into force gives it to these.
fn moved(candidates: &[NodeNumber]) -> Scene {
    let mut scene = Scene::begin(SimulatedStore::default(), 0);
    scene.run(1_000_000);
    assert!(takes(&scene));
    scene.did.clear();
    list(&mut scene, candidates);
    scene
}

fn list(scene: &mut Scene, candidates: &[NodeNumber]) {
    let regions = [(REGION, candidates.to_vec())];
    scene
        .keeper
        .list(NEWER, regions, BTreeSet::from([REGION]), scene.now_us);
}

fn announced(scene: &mut Scene, nodes: &[(NodeNumber, TopologyVersion)]) {
    scene.keeper.announced(nodes.iter().copied().collect());
    scene.run(STEP_US);
}

fn gives(to: NodeNumber) -> LeaseEffect {
    LeaseEffect::Give(REGION, to)
}

#[test]
fn a_region_that_belongs_to_others_goes_to_the_first_that_is_there_once_everybody_linked_knows() {
    let mut scene = moved(&[OTHER, THIRD]);
    scene.run(1_000_000);
    assert_eq!(scene.did, [], "nobody is linked");
    announced(&mut scene, &[(OTHER, NEWER), (PROXY, VERSION)]);
    assert_eq!(scene.did, [], "a proxy would believe nobody else");
    assert_eq!(scene.keeper.behind().collect::<Vec<_>>(), [PROXY]);
    announced(&mut scene, &[(THIRD, NEWER), (PROXY, NEWER)]);
    assert_eq!(scene.did, [gives(THIRD)], "the first is not there");
    scene.run(5_000_000);
    assert_eq!(scene.did.len(), 1, "it is on its way");
    // The store has done it.
    let from = scene.holder().unwrap().service;
    start(&mut scene.store, THIRD);
    let given = scene.store.apply(&StoreRequest::GiveRegion { from, to: THIRD });
    assert!(matches!(given, Ok(StoreReply::Serving(_))), "{given:?}");
    scene.keeper.gave(REGION, true, scene.now_us);
    scene.keeper.superseded(REGION, from.region_epoch, scene.now_us);
    scene.run(20_000_000);
    assert_eq!(scene.did.len(), 1, "it takes nothing, however dead that one is");
    assert_eq!((scene.keeper.leaving().count(), scene.keeper.unheld()), (0, 0));
}

#[test]
fn a_region_that_stayed_is_given_to_the_next_one_after_a_while() {
    let mut scene = moved(&[OTHER, THIRD]);
    announced(&mut scene, &[(OTHER, NEWER), (THIRD, NEWER)]);
    scene.keeper.gave(REGION, false, scene.now_us);
    scene.run(900_000);
    assert_eq!(scene.did, [gives(OTHER)]);
    scene.run(200_000);
    assert_eq!(scene.did, [gives(OTHER), gives(THIRD)]);
    // It began anew here, for it was not known whether the store had done it.
    let from = scene.holder().unwrap().service;
    let anew = scene.store.apply(&StoreRequest::ServeRegion {
        region: REGION,
        node: OWN,
        after: Some(from.region_epoch),
    });
    assert!(matches!(anew, Ok(StoreReply::Serving(_))), "{anew:?}");
    scene.keeper.gave(REGION, false, scene.now_us);
    scene.keeper.superseded(REGION, from.region_epoch, scene.now_us);
    scene.did.clear();
    scene.run(1_500_000);
    assert!(takes(&scene), "it is this process's all the same");
    assert!(
        scene.did.contains(&gives(OTHER)),
        "and still to go: {:?}",
        scene.did
    );
}

#[test]
fn a_region_stays_where_only_the_order_of_its_servers_changes() {
    let mut scene = moved(&[OTHER, OWN]);
    announced(&mut scene, &[(OTHER, NEWER)]);
    scene.run(5_000_000);
    assert_eq!(scene.did, []);
    assert_eq!(scene.keeper.serves().count(), 1);
}

#[test]
fn whoever_is_listed_anew_finds_what_is_given_to_it_and_takes_over_from_the_dead() {
    let (mut scene, _) = standby();
    list(&mut scene, &[OTHER]);
    scene.run(10_000_000);
    assert!(!takes(&scene), "it is listed no more");
    list(&mut scene, &[OWN]);
    scene.run(DEAD_AFTER_US + 500_000);
    assert!(takes(&scene));
}

/// The store has noted a newer topology than the keeper's.
fn outdated() -> Scene {
    let mut scene = Scene::begin(SimulatedStore::default(), 0);
    let noted = scene.store.apply(&StoreRequest::NoteTopology { version: NEWER });
    assert_eq!(noted, Ok(StoreReply::NewestTopology(NEWER)));
    scene
}

#[test]
fn nothing_is_taken_by_a_topology_that_is_older_than_what_others_have() {
    let mut scene = outdated();
    scene.run(9_000_000);
    assert!(!takes(&scene));
    // It hears of it, and the region is not its own.
    list(&mut scene, &[OTHER]);
    scene.run(20_000_000);
    assert!(!takes(&scene));
    let mut scene = outdated();
    scene.run(1_000_000);
    list(&mut scene, &[OWN]);
    scene.run(500_000);
    assert!(takes(&scene), "it is, by the newer one too");
}

#[test]
fn what_is_given_by_somebody_who_does_not_know_yet_is_found_and_given_on() {
    let (mut scene, _) = standby();
    list(&mut scene, &[THIRD]);
    scene.run(1_000_000);
    let from = scene.holder().unwrap().service;
    let given = scene.store.apply(&StoreRequest::GiveRegion { from, to: OWN });
    assert!(matches!(given, Ok(StoreReply::Serving(_))), "{given:?}");
    scene.run(1_500_000);
    assert!(takes(&scene));
    announced(&mut scene, &[(THIRD, NEWER)]);
    assert!(scene.did.contains(&gives(THIRD)));
}

/// The gift took its time at the store, and another topology came meanwhile, by which nobody would heed this node here.
#[test]
fn what_is_given_two_topologies_late_is_passed_on_in_the_store_alone() {
    let (mut scene, _) = standby();
    list(&mut scene, &[THIRD]);
    scene
        .keeper
        .list(LATER, [(REGION, vec![THIRD])], BTreeSet::new(), scene.now_us);
    let from = scene.holder().unwrap().service;
    start(&mut scene.store, THIRD);
    let given = scene.store.apply(&StoreRequest::GiveRegion { from, to: OWN });
    assert!(matches!(given, Ok(StoreReply::Serving(_))), "{given:?}");
    scene.run(1_500_000);
    assert_eq!(scene.holder().unwrap().service.node, OWN, "nobody is there");
    announced(&mut scene, &[(THIRD, LATER), (PROXY, NEWER)]);
    scene.run(1_500_000);
    assert_eq!(
        scene.holder().unwrap().service.node,
        OWN,
        "a proxy does not know yet"
    );
    announced(&mut scene, &[(THIRD, LATER), (PROXY, LATER)]);
    scene.run(1_500_000);
    assert_eq!(scene.holder().unwrap().service.node, THIRD);
    assert!(!takes(&scene), "it is not served here meanwhile");
}

#[test]
fn a_topology_that_nobody_has_any_more_is_not_waited_for_for_ever() {
    let mut scene = outdated();
    scene.run(NEWER_COMES_WITHIN_US + 500_000);
    assert!(takes(&scene));
}
