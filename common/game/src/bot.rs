//! What a bot of a game does. Bots play as clients do, for load tests, which compare what each was told with what the
//! store says. Who drives them decides where they walk and when a command is due; the game knows how that is said in its
//! bytes, and what its players do with each other.

mod purse;

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::geometry::Position;
use protocol::ids::{CommandNumber, EntityId, RegionNumber, UserId};

use crate::CommandKind;

pub use purse::Purse;

/// How often each bot of a swarm has given a holding across a border. Users who are not in it are none of the swarm.
pub type Givers = BTreeMap<UserId, u32>;

/// Makes what one bot does.
pub type MakeBehaviour = fn(&Plan) -> Box<dyn Behaviour>;

/// What a bot is told when it is made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Another one for each bot; the same ones in a run with the same seed.
    pub seed: u64,
    /// Between two commands of the bot, microseconds; 0: it is asked for none.
    pub command_every_us: u64,
}

/// A bot as its game says that it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Own {
    /// Its entity.
    pub entity: EntityId,
    /// Where it stands.
    pub at: Position,
    /// The region that simulates it.
    pub region: RegionNumber,
    /// Whether the game has it moving.
    pub is_moving: bool,
}

/// What the next input is to say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Walk {
    /// Stay where you are.
    Stand,
    /// Go as fast as the game lets you.
    Towards {
        /// Where the bot is.
        from: Position,
        /// Where it is to go, straight on.
        to: Position,
    },
}

/// What a bot wants besides what its walk says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wish {
    /// To go there at once, until it does not want to any more.
    Fetch(Position),
    /// To meet somebody who is there, as far as its walk allows. Said once.
    Meet(Position),
}

/// Somebody or something in view.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Who it is.
    pub id: EntityId,
    /// What it is; the numbers are the game's.
    pub kind: u16,
    /// Where it was last seen.
    pub at: Position,
    /// The region that this place belongs to.
    pub region: RegionNumber,
    /// The game's own bytes.
    pub state: &'a [u8],
}

/// All that a bot sees.
pub trait View {
    /// Shows everybody and everything in view, in no order, the bot itself as well.
    fn each(&self, show: &mut dyn FnMut(&Seen<'_>));
}

/// What a bot knows when it is to decide on a command.
pub struct Moment<'a> {
    /// Time of the run, microseconds.
    pub now_us: u64,
    /// Itself.
    pub own: Own,
    /// What it sees.
    pub view: &'a dyn View,
    /// What it holds.
    pub purse: &'a Purse,
    /// The bots of its swarm.
    pub givers: &'a Givers,
}

/// A command, and what it does if it is obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotCommand {
    /// How it is issued.
    pub kind: CommandKind,
    /// The game's own bytes.
    pub body: Bytes,
    /// What is to be given away by it.
    pub offer: Option<Offer>,
}

/// A holding on its way to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Which one.
    pub holding: u64,
    /// Whether the receiver stands in another region.
    pub across: bool,
}

/// What an event of the game says of a bot's holdings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldingNews {
    /// The bot has it now: it lay there, or was made.
    Collected(u64),
    /// Somebody gave it to the bot.
    Received(u64),
    /// The bot gave it to somebody.
    Given(u64),
    /// The bot has it no more, and nobody got it: it was used up or dropped.
    Gone(u64),
    /// A command of the bot changed nothing.
    Refused(CommandNumber),
}

/// What one bot of a game does. A swarm calls it from one thread; none of it may wait. Methods with a body here may be left
/// out by a game without holdings, or whose bots only walk.
pub trait Behaviour: Send {
    /// Reads the game's own bytes of the bot, as a snapshot brought them, at each tick of the bot. `None`: they say nothing.
    fn own(&mut self, state: &[u8]) -> Option<Own>;

    /// Appends the input that walks so, at most [`INPUT_BYTES_MAX`](crate::limits::INPUT_BYTES_MAX) bytes.
    fn input(&mut self, walk: Walk, out: &mut Vec<u8>);

    /// What the bot wants, asked before each input.
    fn wish(&mut self, now_us: u64) -> Option<Wish> {
        let _ = now_us;
        None
    }

    /// Reads an event of the game; says what it means for the bot's holdings.
    fn event(&mut self, body: &[u8]) -> Option<HoldingNews> {
        let _ = body;
        None
    }

    /// A command is due. `None`: nothing yet; asked again in a fifth of a second.
    fn command(&mut self, moment: &Moment<'_>) -> Option<BotCommand> {
        let _ = moment;
        None
    }

    /// Whether entities of this kind lie around: they do not count as somebody in view.
    fn is_scenery(&self, kind: u16) -> bool {
        let _ = kind;
        false
    }
}
