//! How long a tick takes with a thousand walking players. Printed, not judged: other things run on this machine.

#![allow(
    clippy::disallowed_methods,
    reason = "the only place in the region's files that measures"
)]

use std::time::Instant;

use protocol::ids::UserId;
use protocol::message::player::Inputs;
use protocol::message::subscription::Subscribe;

use super::super::*;
use super::scene::*;

/// Reads the machine's clock.
struct Watch(Instant);

impl PhaseClock for Watch {
    fn now_us(&mut self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }
}

#[test]
fn a_tick_with_a_thousand_walking_players_is_timed() {
    let mut scene = Scene::new([1, 1, 1, 1]);
    for user in 1..=1_000 {
        let home = {
            let at = scene.spawn_point(UserId(user));
            scene.topology.region_at(at).number
        };
        scene.input(home, RegionInput::Join(PROXY, join(user, 1, 1)));
    }
    scene.settle();
    let players: usize = scene.regions.values().map(|region| region.status().players).sum();
    assert_eq!(players, 1_000);
    let grid = scene.topology.world().grid();
    for (number, region) in &mut scene.regions {
        let rect = scene.topology.region(*number).unwrap().rect;
        let subscribe = Subscribe {
            region: number.0,
            region_epoch: region.epoch().0,
            cells: grid.within(rect).map(|cell| cell.0).collect(),
        };
        region.handle(RegionInput::FromProxy(PROXY, subscribe.into()), scene.now);
    }
    let mut ticks = Vec::new();
    let mut watch = Watch(Instant::now());
    for number in 1..=20 {
        let users: Vec<_> = scene
            .regions
            .iter()
            .flat_map(|(region, state)| {
                state
                    .state
                    .players
                    .values()
                    .map(|player| (*region, player.user, player.epoch))
                    .collect::<Vec<_>>()
            })
            .collect();
        for (region, user, epoch) in users {
            let inputs = Inputs {
                user: user.0,
                owner_epoch: epoch.0,
                number,
                inputs: vec![vec![(user.0 * 37) as u8, 100].into()],
            };
            scene.input(region, RegionInput::FromProxy(PROXY, inputs.into()));
        }
        scene.now.mono_ms += TICK_MS;
        let start = watch.now_us();
        for region in scene.regions.values_mut() {
            region.tick(scene.now, &mut watch, &mut NoLimit);
        }
        ticks.push(watch.now_us() - start);
        scene.settle();
        scene.heard.clear();
    }
    ticks.sort_unstable();
    let phases = scene.regions[&A].status().phases_us;
    println!(
        "1,000 players, all regions' tick: median {} us, longest {} us; {phases:?}",
        ticks[10], ticks[19]
    );
}
