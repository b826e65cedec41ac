//! What rules may do: the context that a region hands to every call.

use bytes::Bytes;
use protocol::geometry::{Position, Rect};
use protocol::ids::{EntityId, RegionNumber, Tick, UserId};
use protocol::visibility::Visibility;

use crate::{Thing, World};

/// Where an entity is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this region.
    Here,
    /// In a neighbour, as last published; without a link to it, up to five seconds old.
    Ghost(RegionNumber),
}

/// An entity as the game sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntityView<'a> {
    /// Who it is.
    pub id: EntityId,
    /// What it is; the numbers are the game's.
    pub kind: u16,
    /// Where it is.
    pub at: Position,
    /// 1/256 of a turn.
    pub heading: u8,
    /// Units per second.
    pub speed: f32,
    /// The game's own published bytes.
    pub state: &'a [u8],
    /// Who sees it. A ghost whom one user alone sees is hidden here.
    pub visibility: Visibility,
    /// Who simulates it.
    pub place: Place,
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warn,
}

/// Why an ask has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskFailed {
    /// The game panicked at it.
    #[error("the game panicked at it")]
    Panicked,
    /// It took longer than [`ASK_LASTS_MS`](crate::limits::ASK_LASTS_MS).
    #[error("it took too long")]
    TimedOut,
    /// Too many wait already.
    #[error("too many wait already")]
    Full,
    /// The request or the answer is longer than [`ASK_BYTES_MAX`](crate::limits::ASK_BYTES_MAX).
    #[error("the request or the answer is too long")]
    TooLong,
}

/// What becomes of an event when the client is not there to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// Sent once; may be lost with a server or at a resume.
    Soft,
    /// Kept in the player's row and repeated until the client acknowledges it.
    Durable,
}

/// Why a holding stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldingRefused {
    /// It does not lie in this region, or the player has not got it.
    #[error("the holding is not there")]
    NotThere,
    /// A command changes holdings of the player whose it is, and only when it is durable; nothing that is nobody's.
    #[error("a command changes holdings of its own player, and is durable then")]
    NotDurable,
    /// More bytes, or things on a side of a trade, or a longer time than the limits say.
    #[error("a limit of holdings and trades is broken")]
    Limit,
    /// The place lies outside of this region.
    #[error("the place is in another region")]
    Elsewhere,
    /// The store has refused this exchange before; or the player is about to cross a border, to log out or to be written down before
    /// the region goes to another server, and it is no command of its own; or the process start has used up its numbers.
    #[error("not now")]
    NotNow,
    /// One command changes at most [`HOLDING_CHANGES_MAX`](crate::limits::HOLDING_CHANGES_MAX) holdings.
    #[error("too many holdings in one commit")]
    TooMany,
}

/// Why a player is not where [`Ctx::teleport`] was to put it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TeleportFailed {
    /// The place lies outside of the world.
    #[error("there is no such place")]
    NoSuchPlace,
    /// No server has served that part of the world, or been reached, for
    /// [`TELEPORT_MS_MAX`](crate::limits::TELEPORT_MS_MAX).
    #[error("nobody serves that part of the world")]
    NotServed,
    /// The cell there takes nobody any more.
    #[error("there is no room at that place")]
    Full,
    /// The player is on its way to another region, or out of the world.
    #[error("the player is on its way")]
    NotNow,
}

/// Why a report is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportRefused {
    /// The reporter has made as many as it may within an hour, or operators have left too many lying.
    #[error("too many reports")]
    TooMany,
    /// The store could not be asked.
    #[error("the store does not answer")]
    Failed,
}

/// Several things for several of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Who may accept.
    pub to: UserId,
    /// Where that one was seen.
    pub place: Place,
    /// What is offered; at most [`TRADE_HOLDINGS_MAX`](crate::limits::TRADE_HOLDINGS_MAX).
    pub gives: &'a [u64],
    /// What is wanted for it; as many at most.
    pub wants: &'a [u64],
    /// How long it stands, milliseconds; at most [`TRADE_LASTS_MS_MAX`](crate::limits::TRADE_LASTS_MS_MAX).
    pub lasts_ms: u64,
}

/// What a region does for its game. Nothing here waits: a method changes the memory of the region, and what has to reach
/// the store or somebody else leaves at the end of the tick.
pub trait Ctx {
    // Where and when

    /// The region.
    fn region(&self) -> RegionNumber;
    /// Its part of the world.
    fn rect(&self) -> Rect;
    /// The whole world: the same on every server.
    fn world(&self) -> &World;
    /// The region's tick: counted from when the region was served last, so it means nothing in another region.
    fn tick(&self) -> Tick;
    /// Ticks per second.
    fn tick_hz(&self) -> u32;
    /// The world's clock, milliseconds since 1970: the same in all regions as far as the clocks of their servers agree, which
    /// is watched (`clocks` in `/readyz`). In a region it never goes back; for a player who crosses a border it may, by so much.
    fn clock_ms(&self) -> u64;
    /// A random number from the region's seed.
    fn random(&mut self) -> u64;
    /// Has [`GameLogic::timer`](crate::GameLogic::timer) called in so many ticks (at least one). The timer is this
    /// region's: it crosses no border and ends with the process. While the region sleeps it waits by the clock.
    fn after(&mut self, ticks: u64, token: u64);

    // Entities

    /// The entity, simulated here or a ghost. Costs a look into a hash map.
    fn entity(&self, id: EntityId) -> Option<EntityView<'_>>;
    /// Where an entity of this region was published in an earlier tick of it, up to a second ago: what somebody who acts now has
    /// seen. `None` for anything else, for ghosts, and before the entity came here. For rules that ask for it by
    /// [`GameLogic::keeps_history`](crate::GameLogic::keeps_history). Costs a search in a sorted list.
    fn position_at(&self, id: EntityId, tick: Tick) -> Option<Position>;
    /// Everything within `radius` units, ghosts included, in no promised order. Beyond a border one sees as far as the
    /// strip that neighbours publish to each other (`border_cells` of the topology). Costs a look at every entity of
    /// the cells that the circle touches.
    fn nearby(&self, at: Position, radius: f32, found: &mut dyn FnMut(EntityView<'_>));
    /// Puts a new entity into the region; `None` when the place is outside, the cell is full, the state bytes are too
    /// many or the process start has used up its entity numbers. It stays inside the region and ends with the process.
    fn spawn(&mut self, kind: u16, at: Position, state: &[u8]) -> Option<EntityId>;
    /// Takes away an entity that [`spawn`](Self::spawn) or [`spawn_roaming`](Self::spawn_roaming) made.
    fn despawn(&mut self, entity: EntityId);
    /// Moves an entity of this region. Entities of the game stay inside the region, unless they roam; players and creatures
    /// that roam may walk out of it. Beyond the handover margin a player is handed over, and stands still from then on
    /// until it has entered over there; a creature goes at once. Where a player stands is saved within a second.
    fn walk(&mut self, id: EntityId, to: Position, heading: u8, speed: f32);
    /// Changes the bytes of an entity of this region that all see who see it; more than
    /// [`ENTITY_STATE_BYTES_MAX`](crate::limits::ENTITY_STATE_BYTES_MAX) are ignored. Sent only when they differ. They
    /// are not saved, but cross a border with a player.
    fn set_state(&mut self, id: EntityId, state: &[u8]);
    /// Says which clients see an entity of this region, whatever it is: at first whoever is near. Rules see it in any case, here
    /// and from next door. What is hidden, or shown to one user, is in nothing that other clients get; its own player included, so who is
    /// to see itself alone is shown to [`Only`](Visibility::Only) itself. It goes with players and creatures over borders, and is saved
    /// with them. Costs no bytes but where it changes; what one user alone sees is told to it whole in each tick, at most
    /// [`OWNER_ONLY_MAX`](crate::limits::OWNER_ONLY_MAX) and [`OWNER_ONLY_BYTES_MAX`](crate::limits::OWNER_ONLY_BYTES_MAX),
    /// while it is in the same region. `false`: it is not here, is on its way, or there is no room for it.
    fn show(&mut self, id: EntityId, to: Visibility) -> bool;
    /// Puts an input for an entity of the game into the same inbox that players' inputs come through, for the next tick.
    fn input(&mut self, entity: EntityId, input: Bytes);
    /// At most once: has [`GameLogic::effect`](crate::GameLogic::effect) called with `body` by whoever simulates the
    /// target: here within the tick, for a ghost over there. Lost when the link is down, and when the target or the source has
    /// gone on.
    /// More than [`EFFECT_BYTES_MAX`](crate::limits::EFFECT_BYTES_MAX) are ignored.
    fn effect(&mut self, source: EntityId, target: EntityId, body: Bytes);

    /// Says something to the rules of a region, near or far or this one, which hear of it by
    /// [`GameLogic::told`](crate::GameLogic::told): at most once. It waits until that region is found and linked, for
    /// [`LETTER_MS_MAX`](crate::limits::LETTER_MS_MAX) at most; what is longer than
    /// [`EFFECT_BYTES_MAX`](crate::limits::EFFECT_BYTES_MAX), and what is said while
    /// [`LETTERS_MAX`](crate::limits::LETTERS_MAX) wait, is ignored.
    fn tell_region(&mut self, to: RegionNumber, body: Bytes);

    /// Has the game's [`answer`](crate::Game::answer) called with `request` beside the regions, where it may take its time, and
    /// [`GameLogic::answered`](crate::GameLogic::answered) in a later tick with what that gave, or why it gave nothing; the
    /// number of the ask. Soft: it ends with the process, and when `asker`, an entity of this region, is not here any more, nobody is
    /// told. At most [`ASK_BYTES_MAX`](crate::limits::ASK_BYTES_MAX), and [`ASKS_MAX`](crate::limits::ASKS_MAX) of a region at a
    /// time. It keeps the region awake for so long.
    fn ask(&mut self, asker: Option<EntityId>, request: Bytes) -> u64;

    // What outlasts the process
    //
    // One row of bytes for each region, one for the world, at most
    // [`REGION_STATE_BYTES_MAX`](crate::limits::REGION_STATE_BYTES_MAX) each. Neither is known before
    // [`GameLogic::recalled`](crate::GameLogic::recalled).

    /// What the rules of this region keep; empty when they never have. `None`: the store has not said yet.
    fn region_state(&self) -> Option<&[u8]>;
    /// Keeps other bytes, whole, for whoever serves the region next. Saved within a second, like soft state: a crash, or a panic of
    /// the rules, takes back what was not, and nothing else ever does. `false`, and nothing changes: too many bytes, or not known yet.
    /// Costs a write of all of them, once a second at most.
    fn set_region_state(&mut self, state: &[u8]) -> bool;
    /// What is kept of the world, the same for all regions but for its age: the region that writes it has its own newest, rules that
    /// say [`follows_world_state`](crate::GameLogic::follows_world_state) have it within
    /// [`WORLD_STATE_MS_MAX`](crate::limits::WORLD_STATE_MS_MAX), others as it was when they were served. A region that sleeps looks
    /// when it wakes. It never goes back but where the writing server crashed before it was saved.
    fn world_state(&self) -> Option<&[u8]>;
    /// As [`set_region_state`](Self::set_region_state). Only by the world's
    /// [first region](crate::World::first_region): `false` in others, which [ask it](Self::tell_region) to.
    fn set_world_state(&mut self, state: &[u8]) -> bool;

    // For operators
    //
    // Names are the game's own: lower case letters, digits and `_`, at most 48. A game has at most
    // [`METRICS_MAX`](crate::limits::METRICS_MAX) of them, each a counter or a gauge; what is more is ignored, and counted.

    /// Adds to the counter `regionmesh_game_count_total{name="…"}` of the server, of all regions together.
    fn count_up(&mut self, name: &'static str, by: u64);
    /// Sets this region's part of the gauge `regionmesh_game_value{name="…"}`, which is the sum of all regions that the server
    /// has.
    fn gauge(&mut self, name: &'static str, value: f64);
    /// A line in the log of the server, at most [`LOG_LINE_BYTES_MAX`](crate::limits::LOG_LINE_BYTES_MAX). Beyond some lines at
    /// once a region writes one a second; the next one says how many were left out.
    fn log(&mut self, level: LogLevel, line: &str);

    // Creatures that roam
    //
    // They walk over borders, as players do, but without a row in the store: a creature leaves one region and is sent to the
    // next one once. With a server, a link or a full cell on its way it is lost, and it is never in two regions. It also ends
    // when the region that made it is served anew (its rules hear of `served` and make others) or when its rules panicked
    // and it comes home.

    /// As [`spawn`](Self::spawn), of a creature that [`walk`](Self::walk) may take over borders. The rules of the region that
    /// it leaves hear of [`GameLogic::went`](crate::GameLogic::went), those that it comes to of
    /// [`GameLogic::came`](crate::GameLogic::came). It keeps its entity; what all see of it, its memory and its timers
    /// go with it.
    fn spawn_roaming(&mut self, kind: u16, at: Position, state: &[u8]) -> Option<EntityId>;
    /// As [`spawn_roaming`](Self::spawn_roaming), of a creature that lives until [`despawn`](Self::despawn), whatever becomes of servers.
    ///
    /// Its birth and its end are in the store moments after the tick; a crash before that takes them back. On its way over a
    /// border it stands still for some moments, in which nothing changes it and `despawn` does nothing. Where it stands, its state,
    /// its memory and its timers are saved within five seconds, and at once when it crosses: a crash may take back
    /// that much. Time goes on for its timers while nobody serves its region. A region that is served hears of all who live there by
    /// [`GameLogic::came`](crate::GameLogic::came), before [`GameLogic::served`](crate::GameLogic::served), and so it does after its rules
    /// panicked. `None` also when [`CREATURES_PERSISTENT_MAX`](crate::limits::CREATURES_PERSISTENT_MAX) are here, or a thousand wait to be
    /// written.
    fn spawn_persistent(&mut self, kind: u16, at: Position, state: &[u8]) -> Option<EntityId>;
    /// What the rules keep with a creature that roams, and nobody else sees; empty for anything else.
    fn memory(&self, creature: EntityId) -> &[u8];
    /// Keeps these bytes with a creature of this region that roams. More than
    /// [`CREATURE_MEMORY_BYTES_MAX`](crate::limits::CREATURE_MEMORY_BYTES_MAX) are ignored. They go where it goes, and end with it.
    fn set_memory(&mut self, creature: EntityId, memory: &[u8]);
    /// Has [`GameLogic::creature_timer`](crate::GameLogic::creature_timer) called in so many ticks (at least one), in whichever region the
    /// creature is then. While a region sleeps it waits by the clock. `false`: it does not roam, is not here, or has
    /// [`CREATURE_TIMERS_MAX`](crate::limits::CREATURE_TIMERS_MAX) already.
    fn creature_after(&mut self, creature: EntityId, ticks: u64, token: u64) -> bool;

    // Players

    /// An event for a user of this region. A durable one is
    /// told once it is committed, within a durable command with the command; it follows the player over borders. One
    /// for a player who is being handed over is dropped; so, and counted, is one that is longer than
    /// [`EVENT_BYTES_MAX`](crate::limits::EVENT_BYTES_MAX) (`event_too_long`), and a durable one when
    /// [`EVENTS_PENDING_MAX`](crate::limits::EVENTS_PENDING_MAX) wait to be acknowledged (`events_full`).
    fn tell(&mut self, user: UserId, body: Bytes, reliability: Reliability);
    /// Says something to a user who may be anywhere, or nowhere: told once, at most, and the client hears which region says so. No
    /// number, no order with events. Lost when it is longer than [`NEWS_BYTES_MAX`](crate::limits::NEWS_BYTES_MAX), when the user
    /// has no connection or just changes it, and beyond 64 a second of a region. For a user of another region the row is read
    /// once in some seconds.
    fn notify(&mut self, user: UserId, body: Bytes);
    /// The same to everybody who is connected, once on each connection: who just changes its proxy may hear it twice, as the old
    /// one and the new one say it, or not at all. Beyond one a second of a region not at all.
    fn announce(&mut self, body: Bytes);
    /// Puts a player of this region anywhere into the world: there it goes on as if it had walked there, and clients draw
    /// nothing in between.
    ///
    /// In this region it is there at once. In another one, near or far, it stays here, and may walk, until that region is found,
    /// linked and ready; then it crosses as over a border, inputs of some moments are lost, and its companions
    /// ([`travel_with`](Self::travel_with)) come along. Where it is to go is saved with its state, so in a durable command with
    /// the command: after a crash it is still to go there. A second call takes the place of the first. What does not come about
    /// is told by [`GameLogic::teleport_failed`](crate::GameLogic::teleport_failed).
    fn teleport(&mut self, user: UserId, to: Position);
    /// Has [`GameLogic::player_timer`](crate::GameLogic::player_timer) called in so many ticks (at least one) in which somebody
    /// simulates the player, wherever that is then. Crosses borders with the player, and is saved with its soft state: a crash
    /// may take back the last second, and nothing runs while the player is out of the world. Another one with the same token
    /// takes its place. `false`: the user is not here, or [`PLAYER_TIMERS_MAX`](crate::limits::PLAYER_TIMERS_MAX) wait.
    fn after_for(&mut self, user: UserId, ticks: u64, token: u64) -> bool;
    /// Takes back a timer of a player.
    fn cancel_for(&mut self, user: UserId, token: u64);
    /// The game's soft state of a player: saved within a second, carried over borders. More than
    /// [`GAME_STATE_BYTES_MAX`](crate::limits::GAME_STATE_BYTES_MAX) are ignored. A crash may lose the last second of it.
    fn set_game_state(&mut self, user: UserId, state: Bytes);
    /// Has `companions`, users of this region as well, cross a border together with `user` and in one step with it: a
    /// rider takes its mount along. At most [`HANDOVER_GROUP_MAX`](crate::limits::HANDOVER_GROUP_MAX)` - 1`; who is not
    /// there any more is left out. Forgotten on arrival: the game says it again once they have entered.
    fn travel_with(&mut self, user: UserId, companions: &[UserId]);

    /// Until when an operator has forbidden a user to say anything to others, by [`clock_ms`](Self::clock_ms); `None`: it may. Heard
    /// of within a second, on every server. What is said is for the rules to tell: they refuse it and say why.
    fn muted_until_ms(&self, user: UserId) -> Option<u64>;

    /// A user of this region reports another one to the operators: why, in one line of at most
    /// [`REPORT_WHY_BYTES_MAX`](crate::limits::REPORT_WHY_BYTES_MAX), and what it has heard lately, as the rules write it down, line by
    /// line, at most [`REPORT_LINES_BYTES_MAX`](crate::limits::REPORT_LINES_BYTES_MAX) of the end. What came of it is told by
    /// [`GameLogic::reported`](crate::GameLogic::reported): five an hour of each user are kept.
    fn report(&mut self, by: UserId, about: UserId, why: &str, lines: &str);

    // Holdings
    //
    // In a durable command, what changes holdings of its player is durable with the command: both or neither, exactly once.
    // In any other call it is committed with the tick, for each player on its own and at most once: a crash before that takes
    // it back. When the store refuses (a mistake, or somebody was faster), all that the commit had is undone, and the rules
    // hear of it: `GameLogic::undone`.

    /// What a user of this region holds, ascending, as after all that was done in this tick.
    fn holdings(&self, user: UserId) -> &[u64];
    /// One of them.
    fn holding(&self, user: UserId, holding: u64) -> Option<Thing<'_>>;
    /// Picks a holding up from the ground of this region.
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn take(&mut self, user: UserId, holding: u64) -> Result<(), HoldingRefused>;
    /// Gives a holding to somebody who has entered the world and was seen at `place`, here or beyond a border. The other's
    /// rules hear of it afterwards, through [`GameLogic::received`](crate::GameLogic::received).
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn give(&mut self, user: UserId, holding: u64, to: UserId, place: Place) -> Result<(), HoldingRefused>;
    /// Lays a holding down in this region. It lies there, and [`GameLogic::lies_here`](crate::GameLogic::lies_here) is called,
    /// once that is durable.
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn drop(&mut self, user: UserId, holding: u64, at: Position) -> Result<(), HoldingRefused>;
    /// Makes a thing that there never was, which a user of this region holds; its id, unique for good.
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn mint(&mut self, user: UserId, kind: u32, payload: &[u8]) -> Result<u64, HoldingRefused>;
    /// Destroys what a user of this region holds.
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn burn(&mut self, user: UserId, holding: u64) -> Result<(), HoldingRefused>;
    /// Makes a thing that lies in this region once that is durable, a moment later: never twice, over a crash as well. No
    /// player's, and committed with the tick: not in a command, whose commit is another one and may be refused; there
    /// [`mint`](Self::mint) and [`drop`](Self::drop) do it.
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn lay(&mut self, kind: u32, payload: &[u8], at: Position) -> Result<u64, HoldingRefused>;
    /// Destroys what lies in this region: from now on nobody takes it. As [`lay`](Self::lay), committed with the tick and not in a
    /// command; there [`take`](Self::take) and [`burn`](Self::burn) do it.
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn sweep(&mut self, holding: u64) -> Result<(), HoldingRefused>;
    /// Offers a trade: what is given is in the trade from now on, in nobody's hands; the trade's id. The rules tell the other
    /// one of it, as they like. Not accepted in time, it comes back through `received`. At most 8 of a player are open.
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn offer(&mut self, user: UserId, offer: Offer<'_>) -> Result<u64, HoldingRefused>;
    /// Accepts a trade that `from` has offered to `user`. Whether it is still open and the user has what is wanted is for the
    /// store to say: both hear through `received`, and the user through [`GameLogic::lost`](crate::GameLogic::lost), when it
    /// was done. When it is refused, a command is applied again and gets [`NotNow`](HoldingRefused::NotNow) here.
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn accept(&mut self, user: UserId, trade: u64, from: UserId, place: Place) -> Result<(), HoldingRefused>;
    /// Withdraws an offer of the user's own (then `from` is the user), or declines one that `from` has made to the user.
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn cancel(&mut self, user: UserId, trade: u64, from: UserId, place: Place) -> Result<(), HoldingRefused>;
}
