//! A game as a whole, as a program is given it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use settings::{Mistake, NoSettings, Table};

use crate::limits::GAME_ID_BYTES_MAX;
use crate::{Ctx, GameLogic};

/// A game: what it is called, what an operator may set, and its rules for each region.
pub trait Game: Send + Sync + 'static {
    /// What it is called, for good: lower case letters, digits and `-`, at most 64.
    const ID: &'static str;
    /// One more with each change of what is saved or sent between servers. New rules read what older ones have saved; older rules
    /// get nothing that newer ones have: players do not enter them, and do not cross to them.
    const VERSION: u32;
    /// The table `[game]` of a game server's settings; [`NoSettings`] when there is nothing to set.
    type Settings: Settings;
    /// The rules of one region.
    type Rules: GameLogic;

    /// With the settings that a process starts with, and again with those that an operator has had read anew.
    fn new(settings: Self::Settings) -> Self;

    /// The rules for a region that the process begins to serve.
    fn rules(&self) -> Self::Rules;

    /// The settings were read anew (`regionmesh reload`): this is the game with the new ones, and `rules` were made by the former
    /// one, for a region that is served since. Called between two ticks; what is not changed here stays as it was made. A panic is
    /// one of the rules, which are made anew by the new game.
    fn reloaded(&self, rules: &mut Self::Rules, ctx: &mut dyn Ctx) {
        let (_, _) = (rules, ctx);
    }

    /// Answers what rules [ask](crate::Ctx::ask). Called on threads of their own, several at a time, so it may wait and compute; but
    /// the pool is small, and one that never returns takes a thread away for good. A panic costs the answer.
    fn answer(&self, request: &[u8]) -> Vec<u8> {
        let _ = request;
        Vec::new()
    }
}

/// A game as what is saved and sent names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    /// What the game is called.
    pub id: &'static str,
    /// The version of what it saves and sends.
    pub version: u32,
}

/// What rules cannot read, with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Of another game.
    #[error(
        "it is of the game `{theirs}`, and this server plays `{ours}`: give each game data directories and a store of its own"
    )]
    OtherGame {
        /// Whose it is.
        theirs: String,
        /// Who was to read it.
        ours: &'static str,
    },
    /// Written by rules that know more.
    #[error(
        "rules of version {theirs} wrote it, and those of this server are version {ours}: start it with a program that is as new"
    )]
    Newer {
        /// Whose it is.
        theirs: u32,
        /// Who was to read it.
        ours: u32,
    },
}

impl Edition {
    /// Of this game.
    #[must_use]
    pub const fn of<G: Game>() -> Self {
        const {
            assert!(
                !G::ID.is_empty() && G::ID.len() <= GAME_ID_BYTES_MAX,
                "a game's id has 1 to 64 bytes"
            );
        };
        Self {
            id: G::ID,
            version: G::VERSION,
        }
    }

    /// Whether these rules can read what those of that game and version wrote. Nobody wrote what names no game.
    ///
    /// # Errors
    /// `Unreadable`.
    pub fn reads(self, id: &str, version: u32) -> Result<(), Unreadable> {
        if id.is_empty() {
            Ok(())
        } else if id != self.id {
            let (theirs, ours) = (id.to_owned(), self.id);
            Err(Unreadable::OtherGame { theirs, ours })
        } else if version > self.version {
            let (theirs, ours) = (version, self.version);
            Err(Unreadable::Newer { theirs, ours })
        } else {
            Ok(())
        }
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
