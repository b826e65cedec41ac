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
