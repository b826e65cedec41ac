//! The game that a process plays, behind one type whatever the game.

use std::fmt;
use std::sync::Arc;

use game::{Edition, Game};

use crate::region::MakeRules;

/// How a game answers what its rules ask.
pub(super) type AnswerAsks = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// A game, ready to make rules for regions.
#[derive(Clone)]
pub struct Played {
    edition: Edition,
    make: MakeRules,
    answer: AnswerAsks,
}

impl fmt::Debug for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.edition.id, self.edition.version)
    }
}

impl Played {
    /// A game with its settings.
    #[must_use]
    pub fn new<G: Game>(settings: G::Settings) -> Self {
        let game = Arc::new(G::new(settings));
        let answers = Arc::clone(&game);
        Self {
            edition: Edition::of::<G>(),
            make: Arc::new(move || Box::new(game.rules())),
            answer: Arc::new(move |request| answers.answer(request)),
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
        Arc::clone(&self.answer)
    }

    /// How rules for a region are made.
    pub(super) fn make_rules(&self) -> MakeRules {
        Arc::clone(&self.make)
    }
}
