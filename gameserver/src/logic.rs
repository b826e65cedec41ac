//! What a game can do: the trait [`GameLogic`] that a region calls, and the context [`Ctx`] that it calls back.
//! Synchronous and without any IO: a change of memory is seen at once, and what has to be durable is committed by the
//! region before anybody is told.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use bytes::Bytes;
use protocol::geometry::{Position, Rect};
use protocol::ids::{CommandNumber, EntityId, RegionNumber, Tick, UserId};
use store::Holding;
use topology::Topology;

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
    /// Who simulates it.
    pub place: Place,
}

/// What becomes of an event when the client is not there to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// Sent once; may be lost with a server or at a resume.
    Soft,
    /// Kept in the player's row and repeated until the client acknowledges it.
    Durable,
}

/// How a command is made safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// Acknowledged when applied.
    Soft,
    /// Acknowledged when committed; may change holdings.
    Durable,
}

/// A command of a player, in the order the player issued it.
#[derive(Clone, Copy, Debug)]
pub struct GameCommand<'a> {
    /// Whose.
    pub user: UserId,
    /// The user's entity.
    pub entity: EntityId,
    /// Its number in the session generation.
    pub number: CommandNumber,
    /// How it was issued.
    pub kind: CommandKind,
    /// The game's own bytes.
    pub body: &'a [u8],
}

/// Why a holding stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldingRefused {
    /// It does not lie in this region, or the player has not got it.
    #[error("the holding is not there")]
    NotThere,
    /// Only a durable command of the player itself may change holdings.
    #[error("holdings change by durable commands only")]
    NotDurable,
    /// One command changes at most `store::limits::HOLDING_CHANGES_MAX` holdings.
    #[error("too many holdings in one commit")]
    TooMany,
}

/// What the region does for its game.
pub trait Ctx {
    /// The region's tick.
    fn tick(&self) -> Tick;
    /// Ticks per second.
    fn tick_hz(&self) -> u32;
    /// The region.
    fn region(&self) -> RegionNumber;
    /// Its part of the world.
    fn rect(&self) -> Rect;
    /// A random number from the region's seed.
    fn random(&mut self) -> u64;
    /// Puts a new entity into the region; `None` when the place is outside, the cell is full, the state bytes are too
    /// many or the process start has used up its entity numbers.
    fn spawn(&mut self, kind: u16, at: Position, state: &[u8]) -> Option<EntityId>;
    /// Takes away an entity that [`spawn`](Self::spawn) made.
    fn despawn(&mut self, entity: EntityId);
    /// The entity, simulated here or a ghost.
    fn entity(&self, id: EntityId) -> Option<EntityView<'_>>;
    /// Moves an entity of this region. Entities of the game stay inside the region; players may walk out of it, and
    /// are handed over.
    fn walk(&mut self, id: EntityId, to: Position, heading: u8, speed: f32);
    /// Changes an entity's published bytes; more than `ENTITY_STATE_BYTES_MAX` are ignored.
    fn set_state(&mut self, id: EntityId, state: &[u8]);
    /// Everything within `radius` units, ghosts included, in no promised order.
    fn nearby(&self, at: Position, radius: f32, found: &mut dyn FnMut(EntityView<'_>));
    /// An event for a user of this region; within a durable command, a durable event waits for the commit.
    fn tell(&mut self, user: UserId, body: Bytes, reliability: Reliability);
    /// At most once: has the owner's logic called with `body`, wherever the target is simulated. More than
    /// `EFFECT_BYTES_MAX` are ignored.
    fn effect(&mut self, source: EntityId, target: EntityId, body: Bytes);
    /// Has [`GameLogic::timer`] called in so many ticks (at least one). Timers end with the process.
    fn after(&mut self, ticks: u64, token: u64);
    /// Puts an input for an entity of the game into the same inbox that players' inputs come through.
    fn input(&mut self, entity: EntityId, input: Bytes);
    /// What a user of this region holds, ascending.
    fn holdings(&self, user: UserId) -> &[u64];
    /// In a durable command of `user`: picks a holding up from the ground of this region.
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn take(&mut self, user: UserId, holding: u64) -> Result<(), HoldingRefused>;
    /// In a durable command of `user`: gives a holding to somebody who has entered the world and was seen at `place`.
    ///
    /// # Errors
    /// `HoldingRefused`; nothing changes then.
    fn give(&mut self, user: UserId, holding: u64, to: UserId, place: Place) -> Result<(), HoldingRefused>;
    /// Has `companions`, users of this region as well, cross a border together with `user` and in one step with it: a
    /// rider takes its mount along. At most `HANDOVER_GROUP_MAX - 1`; who is not there any more is left out. Forgotten
    /// on arrival: the game says it again once they have entered.
    fn travel_with(&mut self, user: UserId, companions: &[UserId]);
    /// The game's soft state of a player: saved within a second, carried in handovers. More than
    /// `GAME_STATE_BYTES_MAX` are ignored.
    fn set_game_state(&mut self, user: UserId, state: Bytes);
}

/// A player who enters a region: by login, restart or handover.
#[derive(Clone, Copy, Debug)]
pub struct Entered<'a> {
    /// Who.
    pub user: UserId,
    /// The user's entity.
    pub entity: EntityId,
    /// The user's name.
    pub name: &'a str,
    /// 1/256 of a turn.
    pub heading: u8,
    /// Units per second.
    pub speed: f32,
    /// The game's soft state.
    pub game: &'a [u8],
}

/// The rules of a game in one region. Every method returns at once.
pub trait GameLogic: Send {
    /// The holdings that a region of a new world begins with, at most [`SEED_HOLDINGS_MAX`](store::limits::SEED_HOLDINGS_MAX);
    /// must be the same on every server. Ids are unique in the whole world.
    fn first_holdings(&self, world: &Topology, region: RegionNumber, seed: u64) -> Vec<Holding>;
    /// Where a user enters the world for the first time; must be the same on every server.
    fn spawn_point(&self, world: &Topology, user: UserId) -> Position;
    /// What the entity of a new user is; the numbers are the game's.
    fn kind_of_player(&self) -> u16;
    /// The region is served from now on.
    fn served(&mut self, ctx: &mut dyn Ctx);
    /// A holding lies in this region: makes the entity that shows it.
    fn lies_here(&mut self, ctx: &mut dyn Ctx, holding: &Holding) -> Option<EntityId>;
    /// A player is simulated here from now on.
    fn entered(&mut self, ctx: &mut dyn Ctx, player: Entered<'_>);
    /// A player is not simulated here any more.
    fn left(&mut self, ctx: &mut dyn Ctx, user: UserId, entity: EntityId);
    /// Somebody else changed what a player holds.
    fn received(&mut self, ctx: &mut dyn Ctx, user: UserId, holding: u64);
    /// The newest input of a player or of an entity of the game.
    fn input(&mut self, ctx: &mut dyn Ctx, entity: EntityId, input: &[u8]);
    /// A command; exactly once and in order.
    fn command(&mut self, ctx: &mut dyn Ctx, command: GameCommand<'_>);
    /// What another entity does to one of this region.
    fn effect(&mut self, ctx: &mut dyn Ctx, source: EntityId, target: EntityId, body: &[u8]);
    /// Whether the region ticks also when nobody plays in it and no proxy watches it. Otherwise it sleeps then: nothing
    /// moves, and timers wait by the clock.
    fn runs_always(&self) -> bool {
        false
    }
    /// A timer set by [`Ctx::after`].
    fn timer(&mut self, ctx: &mut dyn Ctx, token: u64);
    /// Once per tick, after all inputs and commands.
    fn tick(&mut self, ctx: &mut dyn Ctx);
    /// Appends the exact state that the player's own client gets, at most `OWN_STATE_BYTES_MAX`.
    fn own_state(&self, ctx: &dyn Ctx, user: UserId, entity: EntityId, out: &mut Vec<u8>);
}
