//! What entities do to each other over borders, and who may say so.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use game::{Ctx, EntityId, GameLogic, Position, World};
use protocol::ids::{NodeNumber, RegionNumber, UserId};
use protocol::message::effect::Effect;

use super::super::*;
use super::scene::*;

const C: RegionNumber = RegionNumber(3);

/// Which region heard of what, by whom and to whom.
type Heard = Arc<Mutex<Vec<(RegionNumber, EntityId, EntityId)>>>;

/// Rules that only listen.
struct Listener(Heard);

impl GameLogic for Listener {
    fn spawn_point(&self, _: &World, _: UserId) -> Position {
        Position::default()
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn effect(&mut self, ctx: &mut dyn Ctx, source: EntityId, target: EntityId, _: &[u8]) {
        self.0.lock().unwrap().push((ctx.region(), source, target));
    }
}

/// What rules said to those of regions, and how often each region's heard of it.
type Letters = Arc<Mutex<Vec<(RegionNumber, RegionNumber, Vec<u8>)>>>;

struct Reader(Letters);

impl GameLogic for Reader {
    fn spawn_point(&self, _: &World, _: UserId) -> Position {
        Position::default()
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn told(&mut self, ctx: &mut dyn Ctx, from: RegionNumber, body: &[u8]) {
        self.0.lock().unwrap().push((ctx.region(), from, body.to_vec()));
        // The world's state is written by the first region, for whoever asks it to.
        ctx.set_world_state(body);
    }
}

#[test]
fn any_region_asks_the_first_one_to_change_what_is_kept_of_the_world() {
    let letters = Letters::default();
    let reads = Arc::clone(&letters);
    let rules = Arc::new(move || -> Box<dyn GameLogic> { Box::new(Reader(Arc::clone(&reads))) });
    let mut scene = Scene::playing(world([1, 2, 3, 4]), rules);
    scene.run(500);
    let d = RegionNumber(4);
    let say = |scene: &mut Scene, from: RegionNumber, to: RegionNumber, body: &'static [u8]| {
        let state = &mut scene.regions.get_mut(&from).unwrap().state;
        state.tell_region(to, Bytes::from_static(body));
    };
    let take = || std::mem::take(&mut *letters.lock().unwrap());
    assert!(!scene.regions.get_mut(&d).unwrap().state.set_world_state(b"mine"));
    say(&mut scene, d, A, b"winter");
    scene.run(100);
    assert_eq!(take(), [(A, d, b"winter".to_vec())]);
    assert_eq!(scene.regions[&A].state.world_state(), Some(&b"winter"[..]));
    say(&mut scene, A, A, b"spring");
    scene.run(100);
    assert_eq!(take(), [(A, A, b"spring".to_vec())]);
    // Nobody serves it for a while, and for too long.
    scene.stop(A);
    say(&mut scene, d, A, b"late");
    scene.run(1_000);
    scene.start(A);
    scene.link_all();
    scene.settle();
    scene.run(1_000);
    assert_eq!(take(), [(A, d, b"late".to_vec())], "as soon as it is there");
    scene.stop(A);
    say(&mut scene, d, A, b"too late");
    scene.run(game::limits::LETTER_MS_MAX + 100);
    assert!(scene.regions[&d].state.letters.is_empty());
    for _ in 0..=game::limits::LETTERS_MAX {
        say(&mut scene, d, A, b"too many");
    }
    assert_eq!(scene.regions[&d].state.letters.len(), game::limits::LETTERS_MAX);
    say(&mut scene, d, RegionNumber(99), b"nowhere");
    scene.settle();
    assert_eq!(scene.counted.get("letter_lost"), Some(&3));
}

#[test]
fn nobody_speaks_for_an_entity_that_it_does_not_simulate() {
    let heard = Heard::default();
    let hears = Arc::clone(&heard);
    let rules = Arc::new(move || -> Box<dyn GameLogic> { Box::new(Listener(Arc::clone(&hears))) });
    let mut scene = Scene::playing(world([1, 2, 3, 4]), rules);
    let mut spawn = |region: RegionNumber, x, y| {
        let state = &mut scene.regions.get_mut(&region).unwrap().state;
        state.spawn(7, Position { x, y }, &[]).unwrap()
    };
    let (wolf, deer, fox) = (
        spawn(A, 126.0, 126.0),
        spawn(B, 130.0, 126.0),
        spawn(C, 126.0, 130.0),
    );
    scene.run(200);
    let of_a = &mut scene.regions.get_mut(&A).unwrap().state;
    of_a.effect(wolf, deer, Bytes::from_static(b"bite"));
    scene.settle();
    let take = || std::mem::take(&mut *heard.lock().unwrap());
    assert_eq!(take(), [(B, wolf, deer)]);
    // What A's server says for one of B's own, for one of C's, and for one of whom B knows nothing.
    let stranger = EntityId(wolf.0 + 1_000);
    for (source, is_heard) in [(deer, false), (fox, false), (stranger, true), (wolf, true)] {
        let effect = Effect {
            from_region: A.0,
            to_region: B.0,
            to_region_epoch: scene.regions[&B].epoch().0,
            source_entity: source.0,
            target_entity: deer.0,
            ..Effect::default()
        };
        scene.input(B, RegionInput::FromPeer(NodeNumber(1), effect.into()));
        scene.settle();
        assert_eq!(!take().is_empty(), is_heard, "{source}");
    }
    assert_eq!(scene.counted.get("effect_foreign_source"), Some(&2));
}
