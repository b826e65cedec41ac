//! Reads the settings of the game anew, as at the start: from the same layers and as strictly. With a mistake anywhere everything
//! stays as it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use game::Game;
use net::panics::message;
use node::config::{self, Sources};
use protocol::Shown;
use serde_json::Value;

use super::settings::GameServerSettings;

/// The table that is read anew.
const TABLE: &str = "game";

/// What was read anew.
pub(super) struct Read<G> {
    /// The game with it; `None` when its table says what it has said before.
    pub(super) game: Option<Arc<G>>,
    /// All settings that count from now on.
    pub(super) in_force: Value,
    /// What has changed, for people.
    pub(super) said: String,
}

/// Reads all settings, and makes the game with its own when those are others than before.
///
/// # Errors
/// Why everything stays as it is, in words for the operator.
pub(super) fn read<G: Game>(sources: &Sources, in_force: &Value) -> Result<Read<G>, String> {
    let loaded = config::load::<GameServerSettings<G::Settings>>(sources);
    let settings = loaded.map_err(|error| error.to_string())?.settings;
    let mut read = serde_json::to_value(&settings).map_err(|error| error.to_string())?;
    let (of_game, others): (Vec<_>, Vec<_>) = changed(in_force, &read)
        .into_iter()
        .partition(|(table, _)| table == TABLE);
    let keys = |changed: &[(String, String)]| {
        let keys = changed.iter().map(|(table, key)| format!("{table}.{key}"));
        keys.collect::<Vec<_>>().join(", ")
    };
    let mut said = match of_game.is_empty() {
        true => "the settings of the game are as they were".to_owned(),
        false => format!("in force: {}", keys(&of_game)),
    };
    if !others.is_empty() {
        said += &format!("; not before the next start: {}", keys(&others));
        for (table, value) in read.as_object_mut().into_iter().flatten() {
            if table != TABLE {
                value.clone_from(&in_force[table.as_str()]);
            }
        }
    }
    let game = match of_game.is_empty() {
        true => None,
        false => {
            let made = catch_unwind(AssertUnwindSafe(|| G::new(settings.game)));
            let made = made.map_err(|said| {
                let said = message(&*said);
                format!("the game panics at its new settings: {}", Shown(said))
            });
            Some(Arc::new(made?))
        }
    };
    let in_force = read;
    Ok(Read { game, in_force, said })
}

/// Table and key of all that is not the same.
fn changed(before: &Value, after: &Value) -> Vec<(String, String)> {
    let tables = after.as_object().into_iter().flatten();
    let of_table = |(table, keys): (&String, &Value)| {
        let keys = keys.as_object().into_iter().flatten();
        let other = keys.filter(|(key, value)| before[table.as_str()][key.as_str()] != **value);
        let other = other.map(|(key, _)| (table.clone(), key.clone()));
        other.collect::<Vec<_>>()
    };
    tables.flat_map(of_table).collect()
}
