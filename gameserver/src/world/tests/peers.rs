//! What other game servers say.

use protocol::message::effect::Effect;
use protocol::message::subscription::Serving;

use super::*;

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
