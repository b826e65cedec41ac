//! The game in the whole cluster, simulated, while servers die, links are cut and the store is away.

use game::UserId;
use simulation::{Calm, OwnGame, storms};
use tag::{BOTS, FREE, Own, Tag, TagSettings};

/// Sheep in each region, of which there are four.
const SHEEP: u32 = 2;
/// What rules say that a sheep is.
const SHEEP_KIND: u16 = 2;

#[test]
fn points_and_sheep_outlast_storms_and_the_game_goes_on() {
    let tag = OwnGame::of::<Tag>(TagSettings { sheep: SHEEP }, BOTS).must_hold(holds);
    let swept = storms(&tag, 0..60).unwrap_or_else(|story| panic!("{story}"));
    let per_seed = |count: u64| count as f64 / swept.done as f64;
    println!(
        "{} crossings and {} sheep over borders a seed",
        per_seed(swept.crossings),
        per_seed(swept.roamed)
    );
    assert!(per_seed(swept.crossings) > 3.0, "players hardly cross borders");
}

fn holds(calm: &Calm) -> Result<(), String> {
    for player in &calm.players {
        scores_well(calm, player.user)?;
    }
    let sheep = calm.entities.iter().filter(|entity| entity.kind == SHEEP_KIND).count();
    // A server that dies as soon as it has made its sheep may leave none of them, or the next one makes them again.
    if !(3 * SHEEP..=5 * SHEEP).contains(&(sheep as u32)) {
        return Err(format!("{sheep} sheep"));
    }
    Ok(())
}

/// A player is shown as many points as it has, and each that it was told of is one of them.
fn scores_well(calm: &Calm, user: UserId) -> Result<(), String> {
    let player = calm.players.iter().find(|player| player.user == user).ok_or("nobody")?;
    let own = Own::parse(&player.own).map_err(|_| format!("own state of user {user}"))?;
    if own.score as usize != player.holdings.len() {
        return Err(format!("user {user} is shown {} of {} points", own.score, player.holdings.len()));
    }
    for event in player.events.iter().filter(|event| event[0] == FREE) {
        let point = event[1..].try_into().map(u64::from_le_bytes);
        if !point.is_ok_and(|point| player.holdings.iter().any(|held| held.id == point)) {
            return Err(format!("user {user} was told of a point that it has not: {event:?}"));
        }
    }
    Ok(())
}
