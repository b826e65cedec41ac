//! A game as a whole, as a program is given it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use settings::{Mistake, NoSettings, Table};

use crate::GameLogic;

/// A game: what it is called, what an operator may set, and its rules for each region.
pub trait Game: Send + Sync + 'static {
    /// What it is called, for good: lower case letters, digits and `-`.
    const ID: &'static str;
    /// One more with each change of what is saved or sent between servers.
    const VERSION: u32;
    /// The table `[game]` of a game server's settings; [`NoSettings`] when there is nothing to set.
    type Settings: Settings;
    /// The rules of one region.
    type Rules: GameLogic + 'static;

    /// Once in a process, with its settings.
    fn new(settings: Self::Settings) -> Self;

    /// The rules for a region that the process begins to serve.
    fn rules(&self) -> Self::Rules;

    /// Answers what rules [ask](crate::Ctx::ask). Called on threads of their own, several at a time, so it may wait and compute; but
    /// the pool is small, and one that never returns takes a thread away for good. A panic costs the answer.
    fn answer(&self, request: &[u8]) -> Vec<u8> {
        let _ = request;
        Vec::new()
    }
}

/// What an operator may set of a game: a struct that [`settings_table!`](crate::settings_table) declares. Unknown keys,
/// wrong types and everything that [`check`](Self::check) says are told with file and line before anything starts.
pub trait Settings: Table + Clone + Default + Serialize + DeserializeOwned + Send + 'static {
    /// What types cannot say: ranges, contradictions. Keys begin with `game.`. All of them, not just the first.
    fn check(&self) -> Vec<Mistake> {
        Vec::new()
    }
}

impl Settings for NoSettings {}
