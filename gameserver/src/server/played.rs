//! The game that a process plays, behind one type whatever the game.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use game::{Edition, Game};
use node::config::Sources;
use serde_json::Value;

use super::game_settings::read;
use crate::region::{MakeRules, Reload};

/// How a game answers what its rules ask.
pub(super) type AnswerAsks = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// Reads the settings anew; regions are told by its argument, before the next reading begins.
type ReadAnew = dyn Fn(&mut dyn FnMut(Reload)) -> Result<String, String> + Send + Sync;

/// The game with the settings that count now.
struct Made {
    make: MakeRules,
    answer: AnswerAsks,
}

/// A game, ready to make rules for regions.
#[derive(Clone)]
pub struct Played {
    edition: Edition,
    made: Arc<ArcSwap<Made>>,
    read_anew: Option<Arc<ReadAnew>>,
}

impl fmt::Debug for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.edition.id, self.edition.version)
    }
}

impl Made {
    fn of<G: Game>(game: Arc<G>) -> (Self, Reload) {
        let reload = Reload::of(Arc::clone(&game));
        let made = Self {
            make: reload.make_rules(),
            answer: Arc::new(move |request| game.answer(request)),
        };
        (made, reload)
    }
}

impl Played {
    /// A game with its settings.
    #[must_use]
    pub fn new<G: Game>(settings: G::Settings) -> Self {
        let (made, _) = Made::of(Arc::new(G::new(settings)));
        Self {
            edition: Edition::of::<G>(),
            made: Arc::new(ArcSwap::from_pointee(made)),
            read_anew: None,
        }
    }

    /// Whose settings can be read anew from where they came from. All those of the process, as they count now, are `in_force`.
    #[must_use]
    pub(super) fn reading<G: Game>(self, sources: Sources, in_force: Value) -> Self {
        let (made, in_force) = (Arc::clone(&self.made), Mutex::new(in_force));
        let read_anew = move |tell: &mut dyn FnMut(Reload)| {
            let mut in_force = in_force.lock().unwrap_or_else(PoisonError::into_inner);
            let read = read::<G>(&sources, &in_force)?;
            *in_force = read.in_force;
            if let Some(game) = read.game {
                let (newly_made, reload) = Made::of(game);
                made.store(Arc::new(newly_made));
                tell(reload);
            }
            Ok(read.said)
        };
        Self {
            read_anew: Some(Arc::new(read_anew)),
            ..self
        }
    }

    /// Reads its settings anew; when they are others than before, `tell` is to have regions play by them. What has changed.
    ///
    /// # Errors
    /// Why everything stays as it is, in words for the operator.
    pub(super) fn read_anew(&self, tell: &mut dyn FnMut(Reload)) -> Result<String, String> {
        match &self.read_anew {
            Some(read_anew) => read_anew(tell),
            None => Err("this server was not started from settings".to_owned()),
        }
    }

    /// What the game is called.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.edition.id
    }

    /// The version of what it saves and sends.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.edition.version
    }

    /// Both.
    pub(super) fn edition(&self) -> Edition {
        self.edition
    }

    /// How it answers what its rules ask.
    pub(super) fn answer_asks(&self) -> AnswerAsks {
        let made = Arc::clone(&self.made);
        Arc::new(move |request| {
            let answer = Arc::clone(&made.load().answer);
            answer(request)
        })
    }

    /// How rules for a region are made.
    pub(super) fn make_rules(&self) -> MakeRules {
        Arc::clone(&self.made.load().make)
    }
}
