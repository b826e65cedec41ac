//! A game of a crate of its own in the place of the demo: its rules, its bots, and what must hold of it beside what must hold
//! of every game.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use game::bot::MakeBehaviour;
use game::{Edition, EntityId, Game, GameLogic, Position, RegionNumber, UserId};

type MakeRules = dyn Fn() -> Box<dyn GameLogic> + Send + Sync;
type AnswerAsks = dyn Fn(&[u8]) -> Vec<u8> + Send + Sync;
type MustHold = dyn Fn(&Calm) -> Result<(), String> + Send + Sync;

/// A game that storms are to find out about. Its rules run in the regions that ship, its bots at clients that ship, in a world
/// of 64 × 64 units and four regions of which each has a quarter.
#[derive(Clone)]
pub struct OwnGame {
    edition: Edition,
    make: Arc<MakeRules>,
    answer: Arc<AnswerAsks>,
    bots: MakeBehaviour,
    must_hold: Arc<MustHold>,
}

/// What there is when nothing has gone wrong for a while and nobody walks or says anything any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Calm {
    /// Everybody who plays, by user.
    pub players: Vec<CalmPlayer>,
    /// Everybody and everything that regions simulate, players as well, in no order.
    pub entities: Vec<CalmEntity>,
}

/// Somebody who plays.
#[derive(Clone, Debug, PartialEq)]
pub struct CalmPlayer {
    /// Who.
    pub user: UserId,
    /// The region that simulates it.
    pub region: RegionNumber,
    /// Its own state, as its client has it.
    pub own: Bytes,
    /// The game's events that its clients were given, in order; those of a first client before those of a second.
    pub events: Vec<Bytes>,
    /// What it holds, as the store has it, by id.
    pub holdings: Vec<Held>,
}

/// Something that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Unique in the world.
    pub id: u64,
    /// What it is; the numbers are the game's.
    pub kind: u32,
    /// The game's own bytes.
    pub payload: Bytes,
}

/// Somebody or something that a region simulates.
#[derive(Clone, Debug, PartialEq)]
pub struct CalmEntity {
    /// Who it is.
    pub id: EntityId,
    /// What it is; the numbers are the game's.
    pub kind: u16,
    /// Where it is.
    pub at: Position,
    /// The region that simulates it.
    pub region: RegionNumber,
    /// The game's own published bytes.
    pub state: Bytes,
}

impl OwnGame {
    /// A game with its settings, and who plays it.
    ///
    /// * What [`Behaviour::event`](game::bot::Behaviour::event) says that a bot has collected or received must be durable: told by
    ///   an event of the kind `Durable` in the same call in which it came about.
    /// * Who is told to stand stands: the game moves nobody by itself for ever.
    /// * No entity but players is of the kind of players.
    #[must_use]
    pub fn of<G: Game>(settings: G::Settings, bots: MakeBehaviour) -> Self {
        let game = Arc::new(G::new(settings));
        let answering = Arc::clone(&game);
        Self {
            edition: Edition::of::<G>(),
            make: Arc::new(move || Box::new(game.rules())),
            answer: Arc::new(move |request| answering.answer(request)),
            bots,
            must_hold: Arc::new(|_| Ok(())),
        }
    }

    /// With something that must hold when all is calm; what does not is told in words. Asked again for some seconds while it, or
    /// anything else, does not hold: rules may be in the middle of something.
    #[must_use]
    pub fn must_hold(self, look: impl Fn(&Calm) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self {
            must_hold: Arc::new(look),
            ..self
        }
    }

    pub(crate) fn edition(&self) -> Edition {
        self.edition
    }

    pub(crate) fn rules(&self) -> Box<dyn GameLogic> {
        (self.make)()
    }

    pub(crate) fn answer(&self, request: &[u8]) -> Vec<u8> {
        (self.answer)(request)
    }

    pub(crate) fn bots(&self) -> MakeBehaviour {
        self.bots
    }

    pub(crate) fn look(&self, calm: &Calm) -> Result<(), String> {
        (self.must_hold)(calm)
    }
}

/// Equal are two of one name and version: what they do is not looked at.
impl PartialEq for OwnGame {
    fn eq(&self, other: &Self) -> bool {
        self.edition == other.edition
    }
}

impl fmt::Debug for OwnGame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.edition.id, self.edition.version)
    }
}
