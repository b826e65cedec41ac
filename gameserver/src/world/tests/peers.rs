//! What other game servers say.

use protocol::message::effect::Effect;
use protocol::message::subscription::Serving;

use game::{Ctx, EntityId, World as Plan};
use protocol::geometry::Position;
use protocol::ids::UserId;

use super::*;

/// Rules with one creature, which walks east and does not stop.
struct Drover(Option<EntityId>);

impl GameLogic for Drover {
    fn spawn_point(&self, _: &Plan, _: UserId) -> Position {
        Position::default()
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn served(&mut self, ctx: &mut dyn Ctx) {
        let at = Position {
            x: ctx.rect().max[0] as f32 - 1.0,
            y: 5.0,
        };
        self.0 = ctx.spawn_roaming(2, at, &[]);
    }
    fn tick(&mut self, ctx: &mut dyn Ctx) {
        let there = self.0.and_then(|id| Some((id, ctx.entity(id)?.at)));
        if let Some((id, at)) = there {
            let to = Position { x: at.x + 1.0, ..at };
            ctx.walk(id, to, 0, 1.0);
        }
    }
    fn runs_always(&self) -> bool {
        true
    }
}

#[test]
fn a_creature_crosses_by_the_only_link_there_is_though_the_peer_has_dialed_it() {
    let mut scene = Scene::playing(row(&["a", "b"]), || Box::new(Drover(None)));
    let request = StoreRequest::ServeRegion {
        region: RegionNumber(2),
        node: PEER,
        after: None,
    };
    let Ok(StoreReply::Serving(epoch)) = scene.store.apply(&request) else {
        panic!("nobody else serves it");
    };
    scene.pass(1_000);
    let mut peer = scene.peer_up(3);
    let serving = Serving {
        region: 2,
        region_epoch: epoch.0,
        ..Serving::default()
    };
    peer.push(&serving.into());
    scene.hear(3, &mut peer, scene.now);
    scene.pass(1_000);
    peer.receive(&scene.taken.remove(&LinkId(3)).unwrap_or_default());
    let mut roamed = 0;
    while let Ok(Some(received)) = peer.next(scene.now) {
        roamed += usize::from(matches!(received, Received::Message(ServerToServer::Roam(_))));
    }
    assert_eq!(roamed, 1);
}

#[test]
fn who_serves_a_region_concerns_those_that_border_it_and_nobody_else() {
    let mut scene = Scene::of(row(&["a", "a", "a", "b", "b", "b", "a"]));
    let mut peer = scene.peer_up(3);
    for region in [4, 5, 6] {
        let serving = Serving {
            region,
            region_epoch: 1,
            ..Serving::default()
        };
        peer.push(&serving.into());
    }
    scene.hear(3, &mut peer, scene.now);
    assert_eq!(
        scene.asked_about,
        [4, 6],
        "region 3 borders 4, region 7 borders 6"
    );
}

#[test]
fn how_old_an_effect_is_no_wall_clock_says() {
    for (ahead_us, wall_ahead_ms) in [(0, 0_i64), (7_000_000_000, 2_000), (0, -600_000)] {
        let mut scene = Scene::of(row(&["a", "b"]));
        let mut peer = scene.peer_up(3);
        let theirs = |scene: &Scene| Moment {
            mono_us: scene.now.mono_us + ahead_us,
            wall_ms: scene.now.wall_ms.saturating_add_signed(wall_ahead_ms),
        };
        for (way_ms, late) in [(0, 0), (900, 0), (1_100, 1)] {
            let now = theirs(&scene);
            peer.push(&peer_beat(now).into());
            scene.hear(3, &mut peer, now);
            let effect = Effect {
                from_region: 2,
                to_region: 1,
                to_region_epoch: scene.epochs[&RegionNumber(1)].0,
                made_us: now.mono_us,
                ..Effect::default()
            };
            peer.push(&effect.into());
            scene.pass(way_ms);
            scene.hear(3, &mut peer, now);
            assert_eq!(
                scene.counts("effect_late"),
                late,
                "{ahead_us} {wall_ahead_ms} {way_ms}"
            );
        }
    }
}

fn peer_beat(theirs: Moment) -> Heartbeat {
    Heartbeat {
        sent_at_us: theirs.mono_us,
        ..Heartbeat::default()
    }
}
