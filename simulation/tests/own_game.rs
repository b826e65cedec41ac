//! A game of its own in storms: here the demo, played by the bots that its crate has, as if it were somebody else's.

#![allow(clippy::print_stdout)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use demo::{BOTS, DemoGame, DemoSettings, Event, OwnState};
use simulation::{Calm, OwnGame, storms};

const CREATURES: u32 = 3;

fn gems() -> OwnGame {
    OwnGame::of::<DemoGame>(DemoSettings { creatures: CREATURES }, BOTS)
}

#[test]
fn bots_of_a_game_play_it_in_storms_and_what_it_promises_holds() {
    let given = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&given);
    let game = gems().must_hold(move |calm: &Calm| {
        for player in &calm.players {
            let own = OwnState::parse(&player.own).map_err(|error| error.to_string())?;
            if usize::from(own.things) != player.holdings.len() {
                return Err(format!("user {} is shown {} gems", player.user, own.things));
            }
            let events = player.events.iter().filter_map(|event| Event::parse(event).ok());
            let gives = events.filter(|event| matches!(event, Event::Given { .. }));
            count.fetch_add(gives.count() as u64, Ordering::Relaxed);
        }
        let players = calm.players.len();
        if calm.entities.len() < players + 4 * CREATURES as usize {
            return Err(format!("{} entities", calm.entities.len()));
        }
        Ok(())
    });
    let swept = storms(&game, 0..40).unwrap_or_else(|story| panic!("{story}"));
    let given = given.load(Ordering::Relaxed);
    println!(
        "{} seeds, {} crossings, {given} gives",
        swept.done, swept.crossings
    );
    assert_eq!(swept.done, 40);
    assert!(swept.crossings > 3 * swept.done, "players hardly cross borders");
    assert!(
        given > 10,
        "hardly anything is given: commands of bots are not obeyed"
    );
}

#[test]
fn what_a_game_says_must_hold_and_does_not_is_told_with_the_line_that_repeats_it() {
    let looks = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&looks);
    let game = gems().must_hold(move |calm| {
        seen.lock().unwrap().push(calm.players.len());
        Err("H0: nothing is good enough".to_owned())
    });
    let story = storms(&game, 5..6).unwrap_err();
    assert!(story.contains("BROKEN: H0: nothing is good enough\n"), "{story}");
    assert!(story.contains("STORM_RUN=\"--seed 5 "), "{story}");
    assert!(story.ends_with("\" cargo test"), "{story}");
    // Twice: in the sweep, and to tell the story. Each time some seconds long.
    let looks = looks.lock().unwrap();
    assert!(
        looks.len() >= 2 * 20 && looks.iter().all(|players| *players >= 2),
        "{looks:?}"
    );
}
