//! Whom a region believes, and what it asks because of it.

use protocol::ids::{RegionEpoch, RegionNumber};
use store::StoreError;

use super::super::tests::scene::world;
use super::*;
use protocol::message::family::ServerToServer;

const EDITION: Edition = Edition {
    id: "test",
    version: 1,
};
const OWN: Serving = serving(1, 1, 5);
/// The region east of it, on the server that the topology lists.
const EAST: Serving = serving(2, 2, 7);

const fn serving(node: u16, region: u32, epoch: u64) -> Serving {
    Serving {
        node: NodeNumber(node),
        region: RegionNumber(region),
        region_epoch: RegionEpoch(epoch),
    }
}

struct Scene {
    neighbourhood: Neighbourhood,
    out: Outgoing,
}

impl Scene {
    fn new() -> Self {
        Self {
            neighbourhood: Neighbourhood::new(OWN, EDITION, world([1, 2, 3, 4])),
            out: Outgoing::default(),
        }
    }

    fn announced(&mut self, claim: Serving) -> Vec<Word> {
        self.neighbourhood.announced(claim, &mut self.out);
        self.words()
    }

    fn answered(&mut self, region: RegionNumber, row: Option<Serving>) -> Vec<Word> {
        let answer = Ok(StoreReply::Service(row));
        self.neighbourhood
            .service_answer(region, &answer, 0, &mut self.out);
        self.words()
    }

    fn words(&mut self) -> Vec<Word> {
        let effects = self.out.take().into_iter();
        effects.map(Word::of).collect()
    }
}

/// What a neighbourhood has done, in short.
#[derive(Debug, PartialEq)]
enum Word {
    Asks(RegionNumber),
    Announces(NodeNumber, RegionNumber, RegionEpoch),
    Subscribes(NodeNumber, RegionNumber, RegionEpoch),
    Counts(&'static str),
    GivesUp,
    Other(RegionEffect),
}

impl Word {
    fn of(effect: RegionEffect) -> Self {
        match effect {
            RegionEffect::Store(_, StoreRequest::ReadService { region }) => Self::Asks(region),
            RegionEffect::ToServer(node, ServerToServer::Subscribe(message)) => Self::Subscribes(
                node,
                RegionNumber(message.region),
                RegionEpoch(message.region_epoch),
            ),
            RegionEffect::ToServer(node, ServerToServer::Serving(message)) => Self::Announces(
                node,
                RegionNumber(message.region),
                RegionEpoch(message.region_epoch),
            ),
            RegionEffect::Count(label) => Self::Counts(label),
            RegionEffect::Superseded => Self::GivesUp,
            other => Self::Other(other),
        }
    }
}

#[test]
fn who_serves_a_neighbour_is_believed_when_the_store_says_so_and_then_watched() {
    let mut scene = Scene::new();
    assert_eq!(scene.announced(EAST), [Word::Asks(EAST.region)]);
    assert_eq!(scene.announced(EAST), [], "the question is open");
    assert_eq!(scene.neighbourhood.serving(EAST.region), None);
    let watches = [Word::Subscribes(EAST.node, EAST.region, EAST.region_epoch)];
    let [watches_it] = watches;
    let answers = Word::Announces(EAST.node, OWN.region, OWN.region_epoch);
    assert_eq!(
        scene.answered(EAST.region, Some(EAST)),
        [watches_it, answers],
        "it may have begun after the link"
    );
    let watches = [Word::Subscribes(EAST.node, EAST.region, EAST.region_epoch)];
    assert_eq!(scene.neighbourhood.serving(EAST.region), Some(EAST));
    assert_eq!(scene.announced(EAST), watches, "its link is new");
}

#[test]
fn nobody_is_believed_whom_the_topology_does_not_list_or_the_store_does_not_confirm() {
    let mut scene = Scene::new();
    let stranger = Serving {
        node: NodeNumber(3),
        ..EAST
    };
    assert_eq!(scene.announced(stranger), [Word::Counts("serving_not_listed")]);
    let usurper = Serving {
        node: NodeNumber(2),
        ..OWN
    };
    assert_eq!(scene.announced(usurper), [Word::Counts("serving_not_listed")]);
    assert_eq!(scene.announced(OWN), [], "it is this region itself");
    let liar = Serving {
        region_epoch: RegionEpoch(u64::MAX),
        ..EAST
    };
    scene.announced(liar);
    let refused = scene.answered(EAST.region, Some(EAST));
    assert_eq!(refused, [Word::Counts("serving_unissued")]);
    assert_eq!(scene.neighbourhood.serving(EAST.region), None);
}

#[test]
fn who_speaks_at_an_older_epoch_is_not_heard_and_at_a_new_one_is_asked_about() {
    let mut scene = Scene::new();
    scene.announced(EAST);
    scene.answered(EAST.region, Some(EAST));
    let mut may_speak = |claim| {
        let may = scene.neighbourhood.may_speak(claim, &mut scene.out);
        (
            may,
            scene.out.take().into_iter().map(Word::of).collect::<Vec<_>>(),
        )
    };
    assert_eq!(may_speak(EAST), (true, vec![]));
    let older = Serving {
        region_epoch: RegionEpoch(6),
        ..EAST
    };
    assert_eq!(may_speak(older), (false, vec![Word::Counts("peer_stale_epoch")]));
    let newer = Serving {
        region_epoch: RegionEpoch(8),
        ..EAST
    };
    assert_eq!(may_speak(newer), (true, vec![Word::Asks(EAST.region)]));
    let stranger = Serving {
        node: NodeNumber(3),
        ..EAST
    };
    assert_eq!(
        may_speak(stranger),
        (false, vec![Word::Counts("peer_not_listed")])
    );
}

#[test]
fn a_neighbour_is_reachable_while_its_link_is_up_and_one_of_this_process_always() {
    let mut scene = Scene::new();
    scene.announced(EAST);
    scene.answered(EAST.region, Some(EAST));
    assert_eq!(scene.neighbourhood.reachable(EAST.region), None);
    scene.neighbourhood.peer_up(EAST.node, &mut scene.out);
    let watches = [Word::Subscribes(EAST.node, EAST.region, EAST.region_epoch)];
    assert_eq!(scene.words(), watches, "what it shows is asked for again");
    assert_eq!(scene.neighbourhood.reachable(EAST.region), Some(EAST));
    scene.neighbourhood.peer_down(EAST.node, 1_000);
    assert_eq!(scene.neighbourhood.reachable(EAST.region), None);
    assert_eq!(scene.neighbourhood.serving(EAST.region), Some(EAST));
    assert_eq!(scene.neighbourhood.ghosts().fade_at_ms(), Some(1_000 + FADE_MS));
    let mut scene = Scene {
        neighbourhood: Neighbourhood::new(OWN, EDITION, world([1, 1, 3, 4])),
        out: Outgoing::default(),
    };
    let beside = Serving {
        node: OWN.node,
        ..EAST
    };
    let watches = [Word::Subscribes(OWN.node, EAST.region, EAST.region_epoch)];
    assert_eq!(
        scene.announced(beside),
        watches,
        "it has its epoch from the store"
    );
    assert_eq!(scene.neighbourhood.reachable(EAST.region), Some(beside));
}

#[test]
fn a_region_that_another_process_serves_gives_up_and_asks_once_at_a_time() {
    let mut scene = Scene::new();
    for _ in 0..2 {
        scene.neighbourhood.doubt_itself(&mut scene.out);
    }
    assert_eq!(scene.words(), [Word::Asks(OWN.region)]);
    assert_eq!(scene.answered(OWN.region, Some(OWN)), [], "it is the current one");
    scene.neighbourhood.doubt_itself(&mut scene.out);
    scene.words();
    let silence = Err(StoreError::Unavailable("down".into()));
    let own = OWN.region;
    scene
        .neighbourhood
        .service_answer(own, &silence, 0, &mut scene.out);
    assert_eq!(scene.words(), [], "nobody knows");
    scene.neighbourhood.doubt_itself(&mut scene.out);
    scene.words();
    let successor = Serving {
        region_epoch: RegionEpoch(6),
        ..OWN
    };
    let gives_up = [Word::Counts("region_superseded"), Word::GivesUp];
    assert_eq!(scene.answered(OWN.region, Some(successor)), gives_up);
}

#[test]
fn a_strip_of_many_cells_in_all_layers_is_asked_for_in_messages_that_a_peer_takes() {
    let wide = world([1, 2, 3, 4])
        .to_toml()
        .replace("size = [256, 256]", "size = [32, 2048]")
        .replace("cell_size = 32", "cell_size = 1")
        .replace("view_rings = 1", "view_rings = 1\nfar_rings = 2")
        .replace("border_cells = 1", "border_cells = 8")
        .replace("handover_margin = 1.0", "handover_margin = 0.25");
    let topology =
        Arc::new(topology::parse("wide.toml", &wide).unwrap_or_else(|mistakes| panic!("{mistakes:?}")));
    let strip = topology.border_strip(OWN.region, EAST.region);
    let mut scene = Scene {
        neighbourhood: Neighbourhood::new(OWN, EDITION, topology),
        out: Outgoing::default(),
    };
    scene.neighbourhood.watch(EAST, &mut scene.out);
    let mut asked = BTreeSet::new();
    for effect in scene.out.take() {
        let RegionEffect::ToServer(_, ServerToServer::Subscribe(wanted)) = effect else {
            panic!("{effect:?}")
        };
        assert!(
            wanted.cells.len() <= SUBSCRIPTION_CELLS_MAX,
            "{}",
            wanted.cells.len()
        );
        asked.extend(wanted.cells);
    }
    assert!(asked.len() > SUBSCRIPTION_CELLS_MAX);
    assert_eq!(asked.len(), 3 * strip.len(), "near, far and unseen");
}
