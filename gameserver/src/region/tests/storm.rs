//! Everything at once: players wander over all borders and trade, while messages are lost and doubled and the store is
//! slow, away and silent. Nobody may be in two places; when it is over, all is as it should be.

use demo::{Command, Event};
use protocol::ids::RegionNumber;
use store::limits::GUEST_USER_FIRST;
use store::simulated::{FaultPlan, FaultRates};
use store::{Holder, StoreReply, StoreRequest};

use super::bot::Bot;
use super::scene::*;

const BOTS: u64 = 6;

/// Whether servers die as well. Then soft commands may be lost, so that the chain of commands is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crashes {
    None,
    Some,
}

fn storm(seed: u64, crashes: Crashes) -> usize {
    let mut scene = Scene::new(if seed.is_multiple_of(2) {
        [1, 2, 3, 4]
    } else {
        [1, 1, 2, 3]
    });
    let mut bots: Vec<_> = (1..=BOTS)
        .map(|user| Bot::join(&mut scene, user, 120.0 + user as f32 * 2.0, 124.0))
        .collect();
    for bot in &mut bots {
        pick_up(&mut scene, bot);
    }
    scene.dice = seed;
    scene.weather_permille = 60;
    let rates = FaultRates {
        slow: 100,
        unavailable: 40,
        unknown_applied: 30,
        unknown_lost: 30,
        unknown_late: 30,
    };
    scene.store.set_faults(FaultPlan {
        rates,
        seed,
        ..FaultPlan::default()
    });
    for step in 0..300_u64 {
        if crashes == Crashes::Some && step % 90 == 60 {
            let dead = RegionNumber(1 + (scene.roll() % 4) as u32);
            scene.stop(dead);
            scene.start(dead);
            scene.link_all();
        }
        act(&mut scene, &mut bots, step);
    }
    scene.weather_permille = 0;
    scene.store.set_faults(FaultPlan::default());
    for step in 0..160_u64 {
        for bot in &mut bots {
            if step == 0 {
                bot.walk(&mut scene, 0, 0);
            }
            if step.is_multiple_of(4) {
                bot.acknowledge(&mut scene);
                bot.insist(&mut scene);
            }
        }
        tick(&mut scene, &mut bots);
    }
    judge(&mut scene, &bots, seed, crashes);
    let received = |event: &&Event| matches!(event, Event::Received { .. });
    bots.iter()
        .map(|bot| bot.events.iter().filter(received).count())
        .sum()
}

/// A gem for the bot to trade with.
fn pick_up(scene: &mut Scene, bot: &mut Bot) {
    let (region, _, at) = scene.active(bot.user)[0];
    let Some(gem) = nearest_gem(scene, bot) else {
        return;
    };
    let Ok(StoreReply::Holdings(gems)) = scene.store.apply(&StoreRequest::HoldingsOnGround { region }) else {
        panic!()
    };
    let holder = gems.iter().find(|one| one.id == gem).unwrap().holder;
    let Holder::Ground { x, y, .. } = holder else {
        panic!()
    };
    scene.place(region, bot.user, x, y);
    bot.command(scene, &Command::Collect { thing: gem });
    bot.live(scene, 100);
    scene.place(region, bot.user, at.x, at.y);
}

fn act(scene: &mut Scene, bots: &mut [Bot], step: u64) {
    for index in 0..bots.len() {
        let dice = scene.roll();
        let to = bots[(index + 1) % bots.len()].user;
        let bot = &mut bots[index];
        if dice < 150 {
            let aim = demo::Input::towards(
                scene
                    .active(bot.user)
                    .first()
                    .map_or_else(Default::default, |active| active.2),
                protocol::geometry::Position {
                    x: 110.0 + (dice % 37) as f32,
                    y: 110.0 + (dice % 31) as f32,
                },
            );
            bot.walk(scene, aim.heading, 255);
        }
        if bot.unacked.len() < 20 && dice.is_multiple_of(10) {
            let command = match dice % 3 {
                0 => nearest_gem(scene, bot).map(|gem| Command::Collect { thing: gem }),
                1 => held(scene, bot).map(|gem| Command::Give { thing: gem, to }),
                _ => None,
            };
            bot.command(scene, &command.unwrap_or(Command::Emote(step as u8)));
        }
        if step.is_multiple_of(10) {
            bot.acknowledge(scene);
            bot.insist(scene);
        }
    }
    tick(scene, bots);
}

fn tick(scene: &mut Scene, bots: &mut [Bot]) {
    scene.tick();
    for bot in bots {
        bot.listen(scene);
        let mut epochs: Vec<_> = scene
            .active(bot.user)
            .iter()
            .map(|(_, epoch, _)| *epoch)
            .collect();
        let row = scene.row(bot.user).owner_epoch;
        assert!(
            epochs.iter().all(|epoch| *epoch <= row),
            "somebody is ahead of the row"
        );
        epochs.sort_unstable();
        epochs.dedup();
        assert_eq!(
            epochs.len(),
            scene.active(bot.user).len(),
            "two simulate one epoch"
        );
    }
}

fn nearest_gem(scene: &mut Scene, bot: &Bot) -> Option<u64> {
    let (region, _, at) = *scene.active(bot.user).first()?;
    let request = StoreRequest::HoldingsOnGround { region };
    let Ok(StoreReply::Holdings(gems)) = scene.store.apply(&request) else {
        panic!()
    };
    let gems = gems.iter().filter_map(|gem| match gem.holder {
        Holder::Ground { x, y, .. } => Some((gem.id, (x - at.x).hypot(y - at.y))),
        Holder::User(_) | Holder::Trade(_) => None,
    });
    gems.min_by(|one, other| one.1.total_cmp(&other.1))
        .map(|(id, _)| id)
}

fn held(scene: &Scene, bot: &Bot) -> Option<u64> {
    let region = scene.active(bot.user).first()?.0;
    scene.player(region, bot.user).holdings.first().copied()
}

fn judge(scene: &mut Scene, bots: &[Bot], seed: u64, crashes: Crashes) {
    for bot in bots {
        let region = scene.assert_owned_once(bot.user);
        let player = scene.player(region, bot.user);
        assert_eq!(
            (player.epoch, bot.unacked.len()),
            (bot.epoch, 0),
            "seed {seed}: routed, and all acknowledged"
        );
        if crashes == Crashes::None {
            assert_eq!(
                player.commands.chain_hash(),
                bot.chain,
                "seed {seed}: each command once, in order"
            );
        }
        let held = player.holdings.to_vec();
        let user = bot.user;
        let Ok(StoreReply::Belongings(has)) = scene.store.apply(&StoreRequest::HoldingsOf { user }) else {
            panic!()
        };
        let rows: Vec<_> = has.holdings.iter().map(|row| row.id).collect();
        assert_eq!(held, rows, "seed {seed}: memory and store agree");
        assert_eq!(
            told(bot),
            rows,
            "seed {seed}: and so does what the client was told"
        );
    }
    let Ok(StoreReply::Holdings(all)) = scene.store.apply(&StoreRequest::AllHoldings { after: None }) else {
        panic!()
    };
    assert_eq!(all.len(), 64);
    assert!(bots.iter().all(|bot| bot.user.0 < GUEST_USER_FIRST));
}

/// What a client that follows its events thinks it holds, ascending.
fn told(bot: &Bot) -> Vec<u64> {
    let mut held = std::collections::BTreeSet::new();
    for event in &bot.events {
        match event {
            Event::Collected { thing: gem } | Event::Received { thing: gem } => drop(held.insert(*gem)),
            Event::Given { thing: gem, .. } => drop(held.remove(gem)),
            _ => {}
        }
    }
    held.into_iter().collect()
}

#[test]
fn a_storm_of_faults_leaves_everybody_whole() {
    let received: usize = (1..=40).map(|seed| storm(seed, Crashes::None)).sum();
    assert!(received > 100, "{received} gifts: not much of a storm");
}

#[test]
fn a_storm_in_which_servers_die_leaves_everybody_whole() {
    let received: usize = (101..=140).map(|seed| storm(seed, Crashes::Some)).sum();
    assert!(received > 100, "{received} gifts: not much of a storm");
}
