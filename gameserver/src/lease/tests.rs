//! What a keeper asks and does, beside a store and a clock that the test moves.

mod moves;

use store::simulated::SimulatedStore;
use store::{RegionHolder, StoreError};

use super::*;

const OWN: NodeNumber = NodeNumber(1);
const OTHER: NodeNumber = NodeNumber(2);
const REGION: RegionNumber = RegionNumber(7);
/// Of the topology at the beginning.
const VERSION: TopologyVersion = TopologyVersion(3);
const STEP_US: u64 = 50_000;

/// A keeper of node 1, and what happens around it.
struct Scene {
    store: SimulatedStore,
    keeper: LeaseKeeper,
    now_us: u64,
    /// Every question is answered like this, if at all.
    failing: Option<StoreError>,
    /// The store gives no region to this node.
    denies: bool,
    takes_asked: usize,
    world_answers: bool,
    shown: Option<(Lease, Option<bool>)>,
    did: Vec<LeaseEffect>,
}

impl Scene {
    /// The keeper of a process that begins now, of this rank for the region.
    fn begin(mut store: SimulatedStore, rank: usize) -> Self {
        let lease = start(&mut store, OWN);
        let mut candidates = vec![OTHER; rank];
        candidates.push(OWN);
        Self {
            store,
            keeper: LeaseKeeper::new(lease, VERSION, [(REGION, candidates)], BTreeSet::new(), 0),
            now_us: 0,
            failing: None,
            denies: false,
            takes_asked: 0,
            world_answers: true,
            shown: None,
            did: Vec::new(),
        }
    }

    fn run(&mut self, us: u64) {
        let until_us = self.now_us + us;
        while self.now_us < until_us {
            if self.world_answers {
                self.keeper.world_answered(self.now_us);
            }
            if let Some((lease, is_shown)) = self.shown {
                self.keeper.shown(lease, is_shown, self.now_us);
            }
            self.keeper.tick(self.now_us);
            self.settle();
            self.now_us += STEP_US;
        }
    }

    fn settle(&mut self) {
        loop {
            let effects = self.keeper.take_effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                let LeaseEffect::Ask(question, request) = effect else {
                    self.did.push(effect);
                    continue;
                };
                let is_take = matches!(question, LeaseQuestion::Take(..));
                self.takes_asked += usize::from(is_take);
                let answer = match &self.failing {
                    Some(error) => Err(error.clone()),
                    None if is_take && self.denies => Err(StoreError::NotCandidate {
                        node: OWN,
                        region: REGION,
                    }),
                    None => self.store.apply(&request),
                };
                self.keeper.answered(question, &answer, self.now_us);
            }
        }
    }

    fn holder(&mut self) -> Option<RegionHolder> {
        match self.store.apply(&StoreRequest::ReadHolder { region: REGION }) {
            Ok(StoreReply::Holder(holder)) => holder,
            other => panic!("{other:?}"),
        }
    }

    fn beat(&mut self, node: NodeNumber) -> Option<u64> {
        let holder = self.holder().filter(|holder| holder.service.node == node);
        holder.and_then(|holder| holder.live()).map(|live| live.beat)
    }
}

fn start(store: &mut SimulatedStore, node: NodeNumber) -> Lease {
    match store.apply(&StoreRequest::StartNode { node }) {
        Ok(StoreReply::Started(incarnation)) => Lease { node, incarnation },
        other => panic!("{other:?}"),
    }
}

fn renew(store: &mut SimulatedStore, lease: Lease) {
    let renewed = store.apply(&StoreRequest::RenewLease { lease });
    assert!(matches!(renewed, Ok(StoreReply::LeaseRenewed(_))), "{renewed:?}");
}

fn serve(store: &mut SimulatedStore, node: NodeNumber) {
    let request = StoreRequest::ServeRegion {
        region: REGION,
        node,
        after: None,
    };
    assert!(matches!(store.apply(&request), Ok(StoreReply::Serving(_))));
}

/// Node 2 serves the region, and node 1 stands by for it.
fn standby() -> (Scene, Lease) {
    let mut store = SimulatedStore::default();
    let other = start(&mut store, OTHER);
    serve(&mut store, OTHER);
    (Scene::begin(store, 1), other)
}

fn takes(scene: &Scene) -> bool {
    let serves = |effect: &LeaseEffect| matches!(effect, LeaseEffect::Serve(REGION, _));
    scene.did.iter().any(serves)
}

#[test]
fn who_is_to_serve_a_region_that_nobody_ever_served_does_so_at_once_and_a_standby_waits() {
    let mut scene = Scene::begin(SimulatedStore::default(), 0);
    scene.run(STEP_US);
    assert!(takes(&scene));
    let served: Vec<RegionNumber> = scene.keeper.serves().map(|(region, _)| region).collect();
    assert_eq!(served, [REGION]);
    let mut scene = Scene::begin(SimulatedStore::default(), 1);
    scene.run(DEAD_AFTER_US);
    assert!(!takes(&scene));
    scene.run(500_000);
    assert!(takes(&scene));
}

#[test]
fn whoever_is_refused_a_region_asks_again_now_and_then_and_gets_it_once_it_may() {
    let mut scene = Scene::begin(SimulatedStore::default(), 0);
    scene.denies = true;
    scene.run(20_000_000);
    assert!((2..=11).contains(&scene.takes_asked), "{}", scene.takes_asked);
    assert!(!takes(&scene));
    scene.denies = false;
    scene.run(6_000_000);
    assert!(takes(&scene));
}

#[test]
fn a_lease_is_renewed_while_the_world_answers() {
    let mut scene = Scene::begin(SimulatedStore::default(), 0);
    scene.run(3_000_000);
    assert_eq!(scene.beat(OWN), Some(4));
    scene.world_answers = false;
    scene.run(5_000_000);
    assert_eq!(scene.beat(OWN), Some(6), "a stuck world serves nobody");
    scene.world_answers = true;
    scene.run(1_000_000);
    assert!(scene.beat(OWN) > Some(6));
}

#[test]
fn a_holder_that_renews_is_left_alone_and_one_that_does_not_is_dead_after_three_seconds() {
    let (mut scene, other) = standby();
    for _ in 0..20 {
        renew(&mut scene.store, other);
        scene.run(2_500_000);
    }
    assert!(!takes(&scene));
    // Since its last renewal was seen.
    scene.run(DEAD_AFTER_US - 2_500_000);
    assert!(!takes(&scene));
    scene.run(300_000);
    assert!(takes(&scene));
    let renewal = scene.store.apply(&StoreRequest::RenewLease { lease: other });
    assert_eq!(renewal, Ok(StoreReply::LeaseEnded(Some(other.incarnation))));
}

#[test]
fn a_process_that_was_seen_and_is_gone_is_dead_soon_and_one_that_was_never_seen_is_not() {
    for (seen_before, soon) in [(true, true), (false, false)] {
        let (mut scene, other) = standby();
        scene.shown = Some((other, Some(seen_before)));
        scene.run(1_000_000);
        assert_eq!(scene.keeper.holders().into_iter().collect::<Vec<_>>(), [other]);
        scene.shown = Some((other, Some(false)));
        scene.run(250_000);
        assert!(!takes(&scene));
        scene.run(400_000);
        assert_eq!(takes(&scene), soon);
    }
}

#[test]
fn nobody_is_gone_because_the_store_began_anew() {
    let (mut scene, other) = standby();
    scene.shown = Some((other, Some(true)));
    scene.run(1_000_000);
    scene.shown = Some((other, None));
    scene.run(100_000);
    scene.shown = Some((other, Some(false)));
    scene.run(1_500_000);
    assert!(!takes(&scene));
}

#[test]
fn time_in_which_the_store_was_away_proves_nobody_dead() {
    let (mut scene, other) = standby();
    scene.run(2_000_000);
    scene.failing = Some(StoreError::Unavailable("away".to_owned()));
    scene.run(10_000_000);
    scene.failing = None;
    scene.run(DEAD_AFTER_US - 200_000);
    assert!(!takes(&scene));
    renew(&mut scene.store, other);
    scene.run(DEAD_AFTER_US);
    assert!(!takes(&scene));
}

#[test]
fn who_does_not_write_itself_takes_nothing_from_who_does_not_write() {
    let (mut scene, _) = standby();
    scene.world_answers = false;
    scene.run(1_000_000);
    // No renewal for long, though every look is answered.
    scene.run(20_000_000);
    assert!(!takes(&scene));
    scene.world_answers = true;
    scene.run(DEAD_AFTER_US - 200_000);
    assert!(
        !takes(&scene),
        "its own renewals have not shown for long that writes are taken"
    );
    scene.run(2_000_000);
    assert!(takes(&scene));
}

#[test]
fn what_an_earlier_process_of_the_node_served_is_its_own_at_once_unless_another_node_comes_first() {
    for rank in [0, 1] {
        let mut store = SimulatedStore::default();
        start(&mut store, OWN);
        serve(&mut store, OWN);
        let mut scene = Scene::begin(store, rank);
        scene.run(STEP_US);
        assert_eq!(takes(&scene), rank == 0);
        scene.run(DEAD_AFTER_US + 400_000);
        assert!(takes(&scene), "it did not begin");
    }
}

#[test]
fn a_holder_that_began_anew_without_its_region_has_left_it_to_the_next() {
    let (mut scene, _) = standby();
    scene.run(1_000_000);
    start(&mut scene.store, OTHER);
    scene.run(200_000);
    assert!(!takes(&scene), "it comes first");
    scene.run(500_000);
    assert!(takes(&scene));
}

#[test]
fn a_lease_that_was_ended_lets_go_of_everything_and_begins_anew() {
    let (mut scene, _) = standby();
    let mut store = SimulatedStore::default();
    std::mem::swap(&mut store, &mut scene.store);
    let mut scene = Scene::begin(store, 1);
    scene.run(5_000_000);
    assert!(takes(&scene));
    let first = scene.keeper.lease().unwrap();
    // Node 2 is back, and takes over while this one is frozen.
    let other = start(&mut scene.store, OTHER);
    let holder = scene.holder().unwrap();
    let taken = scene
        .store
        .apply(&StoreRequest::TakeOver { taker: other, holder });
    assert!(matches!(taken, Ok(StoreReply::Serving(_))), "{taken:?}");
    scene.did.clear();
    scene.run(2_000_000);
    assert_eq!(scene.did, [LeaseEffect::LetGo]);
    assert_eq!(scene.keeper.serves().count(), 0);
    assert!(scene.keeper.lease().unwrap().incarnation > first.incarnation);
}

#[test]
fn another_process_of_the_same_node_ends_this_one() {
    let mut scene = Scene::begin(SimulatedStore::default(), 0);
    scene.run(1_000_000);
    let later = start(&mut scene.store, OWN);
    scene.did.clear();
    scene.run(800_000);
    assert_eq!(scene.did, [LeaseEffect::Foreign(later.incarnation)]);
}

#[test]
fn a_region_that_was_given_is_served_and_one_whose_answer_was_lost_too() {
    let (mut scene, _) = standby();
    scene.run(1_000_000);
    let from = scene.holder().unwrap().service;
    let given = scene.store.apply(&StoreRequest::GiveRegion { from, to: OWN });
    assert!(matches!(given, Ok(StoreReply::Serving(_))), "{given:?}");
    scene.run(300_000);
    assert!(takes(&scene));
}

#[test]
fn who_drains_takes_nothing() {
    let (mut scene, _) = standby();
    scene.keeper.drain();
    scene.run(10_000_000);
    assert!(!takes(&scene));
}
