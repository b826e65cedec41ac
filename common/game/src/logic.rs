//! The rules of a game, as a region calls them.

use std::any::Any;

use protocol::geometry::Position;
use protocol::ids::{CommandNumber, EntityId, InputNumber, RegionNumber, UserId};

use crate::{AskFailed, Ctx, Holding, ReportRefused, TeleportFailed, World};

/// How a command is made safe. The client chooses when it issues it; the rules refuse what should have been the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// Acknowledged when applied: exactly once, but for a crash of the server within the next second.
    Soft,
    /// Acknowledged when committed: exactly once over every crash. May change holdings. Costs a write to the store, and
    /// the client waits for it.
    Durable,
}

/// An input of a player, or of an entity of the game.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GameInput<'a> {
    /// Its number, by which the client knows it again: one more than that of the input before it. 0 when it is none of a client.
    pub number: InputNumber,
    /// So many before it were not given, and will not be: lost on the way, or too many at once. After a crash of the server some
    /// of them may have been given before.
    pub missed: u64,
    /// The game's own bytes, at most [`INPUT_BYTES_MAX`](crate::limits::INPUT_BYTES_MAX). They come from a client: anything may
    /// be in them.
    pub body: &'a [u8],
}

/// A command of a player, in the order in which the player issued it.
#[derive(Clone, Copy, Debug)]
pub struct GameCommand<'a> {
    /// Whose.
    pub user: UserId,
    /// The user's entity.
    pub entity: EntityId,
    /// Its number, by which the client knows it again.
    pub number: CommandNumber,
    /// How it was issued.
    pub kind: CommandKind,
    /// The game's own bytes, at most [`COMMAND_BYTES_MAX`](crate::limits::COMMAND_BYTES_MAX). They come from a client:
    /// anything may be in them.
    pub body: &'a [u8],
}

/// A player who enters a region: by login, by a restart of the server or over a border.
#[derive(Clone, Copy, Debug)]
pub struct Entered<'a> {
    /// Who.
    pub user: UserId,
    /// The user's entity. Over a border it stays the same; after a restart it is another.
    pub entity: EntityId,
    /// The user's name.
    pub name: &'a str,
    /// 1/256 of a turn.
    pub heading: u8,
    /// Units per second.
    pub speed: f32,
    /// The soft state that the rules set last, here or where the player was before.
    pub game: &'a [u8],
}

/// The rules of a game in one region. The mesh makes one value per region, calls it from one thread, and never while
/// another call runs; regions share nothing.
///
/// Every method returns at once: all regions of a server share the thread, and a tick lasts 50 ms at 20 Hz. What the
/// rules keep in themselves ends with the process, and does not cross borders. What shall outlast a player's visit is in
/// the player's soft state or its holdings.
///
/// A panic costs the callback that panicked and the region's memory of the last second: fresh rules are made, players come
/// back from what is stored, and a command at which it happened counts as done and is not repeated. After three panics in
/// a minute the region stands still.
///
/// Methods with a body here may be left out.
pub trait GameLogic: Any + Send {
    /// Where a user enters the world for the first time; must be the same on every server. Called at every login, on the
    /// server that the login came to.
    fn spawn_point(&self, world: &World, user: UserId) -> Position;

    /// What the entity of a new user is; the numbers are the game's.
    fn kind_of_player(&self) -> u16;

    /// The holdings that lie in a region of a new world, at most
    /// [`FIRST_HOLDINGS_MAX`](crate::limits::FIRST_HOLDINGS_MAX). Must be the same on every server for the same seed: the
    /// first one to serve the region in this world makes them, once and durably. A list with one that is not
    /// acceptable (an id twice, a place outside the region, too many bytes) leaves the region's ground empty.
    fn first_holdings(&self, world: &World, region: RegionNumber, seed: u64) -> Vec<Holding> {
        let (_, _, _) = (world, region, seed);
        Vec::new()
    }

    /// The region is served from now on: the first call but [`came`](Self::came), which has told before of each creature with a row
    /// ([`Ctx::spawn_persistent`]) that lives here. After a restart or a takeover as well, since nothing else of the
    /// game's own entities outlasts the process; players and holdings come by themselves, through
    /// [`entered`](Self::entered) and [`lies_here`](Self::lies_here).
    fn served(&mut self, ctx: &mut dyn Ctx) {
        let _ = ctx;
    }

    /// What is kept of the region and of the world is known now, once after [`served`](Self::served); and again whenever the world's
    /// is newer than what was known.
    fn recalled(&mut self, ctx: &mut dyn Ctx) {
        let _ = ctx;
    }

    /// A holding lies in this region, as the store has it: makes the entity that shows it, which vanishes when somebody
    /// takes the holding.
    fn lies_here(&mut self, ctx: &mut dyn Ctx, holding: &Holding) -> Option<EntityId> {
        let (_, _) = (ctx, holding);
        None
    }

    /// A player is simulated here from now on: durably, no other region has it.
    fn entered(&mut self, ctx: &mut dyn Ctx, player: Entered<'_>) {
        let (_, _) = (ctx, player);
    }

    /// A player who is simulated here is called so from now on: a guest has made an account.
    fn renamed(&mut self, ctx: &mut dyn Ctx, user: UserId, entity: EntityId, name: &str) {
        let (_, _, _, _) = (ctx, user, entity, name);
    }

    /// A player is not simulated here any more: it has logged out, its time without a connection is over, or it has
    /// crossed a border. The entity is gone already.
    fn left(&mut self, ctx: &mut dyn Ctx, user: UserId, entity: EntityId) {
        let (_, _, _) = (ctx, user, entity);
    }

    /// An input of a player, or of an entity of the game by [`Ctx::input`]: in each tick, before commands, those that have come
    /// since the last one, ascending and each once. Inputs are soft: some are lost on the way, while a player crosses a border,
    /// and of more than [`INPUTS_WAITING_MAX`](crate::limits::INPUTS_WAITING_MAX) that wait the oldest. So limit what they do by
    /// time, in [`tick`](Self::tick), and never by how many came. What was given is acknowledged to the client, with all before.
    fn input(&mut self, ctx: &mut dyn Ctx, entity: EntityId, input: GameInput<'_>) {
        let (_, _, _) = (ctx, entity, input);
    }

    /// A command, exactly once and in the order in which the player issued them, also over borders: what is not applied
    /// here yet waits, and is applied where the player has gone to.
    fn command(&mut self, ctx: &mut dyn Ctx, command: GameCommand<'_>) {
        let (_, _) = (ctx, command);
    }

    /// What another entity, of this region or of a neighbour, does to one of this region. At most once. A source that is seen from
    /// here is one that the region simulates which says so; of one that is not seen, nothing is known.
    fn effect(&mut self, ctx: &mut dyn Ctx, source: EntityId, target: EntityId, body: &[u8]) {
        let (_, _, _, _) = (ctx, source, target, body);
    }

    /// What the rules of a region have said to those of this one ([`Ctx::tell_region`]): at most once. They are on another server,
    /// as a rule, so anything may be in it.
    fn told(&mut self, ctx: &mut dyn Ctx, from: RegionNumber, body: &[u8]) {
        let (_, _, _) = (ctx, from, body);
    }

    /// Somebody else gave a player of this region a holding: durably, and told once. Over a restart it may be missed;
    /// [`Ctx::holdings`] knows it then.
    fn received(&mut self, ctx: &mut dyn Ctx, user: UserId, holding: u64) {
        let (_, _, _) = (ctx, user, holding);
    }

    /// What a player of this region held is somebody else's: a trade that it has accepted is done. Told once, after `received`
    /// of what came for it.
    fn lost(&mut self, ctx: &mut dyn Ctx, user: UserId, holding: u64) {
        let (_, _, _) = (ctx, user, holding);
    }

    /// The store has refused what rules did to the holdings of a player: everything of the player since its last commit is
    /// undone. It leaves and enters again as its row has it, and its commands since then are applied again, but for soft ones that
    /// its client knows to be done: those are lost, as in a crash.
    fn undone(&mut self, ctx: &mut dyn Ctx, user: UserId) {
        let (_, _) = (ctx, user);
    }

    /// A creature that roams ([`Ctx::spawn_roaming`], [`Ctx::spawn_persistent`]) has come over a border, or lives here as the store has
    /// it: it is simulated here from now on. Its kind, state, memory and timers are what the other server says: anything may be in them.
    fn came(&mut self, ctx: &mut dyn Ctx, creature: EntityId) {
        let (_, _) = (ctx, creature);
    }

    /// A creature that roams is not simulated here any more: it has gone over a border, or the region that made it is
    /// served anew. The entity is gone already. Not told of what [`Ctx::despawn`] took away.
    fn went(&mut self, ctx: &mut dyn Ctx, creature: EntityId) {
        let (_, _) = (ctx, creature);
    }

    /// A timer set by [`Ctx::creature_after`], here or where the creature was before.
    fn creature_timer(&mut self, ctx: &mut dyn Ctx, creature: EntityId, token: u64) {
        let (_, _, _) = (ctx, creature, token);
    }

    /// What came of an [ask](Ctx::ask), before the timers of a tick.
    fn answered(&mut self, ctx: &mut dyn Ctx, ask: u64, answer: Result<&[u8], AskFailed>) {
        let (_, _, _) = (ctx, ask, answer);
    }

    /// A timer set by [`Ctx::after`].
    fn timer(&mut self, ctx: &mut dyn Ctx, token: u64) {
        let (_, _) = (ctx, token);
    }

    /// A timer of a player of this region, set by [`Ctx::after_for`] here or where the player was before.
    fn player_timer(&mut self, ctx: &mut dyn Ctx, user: UserId, token: u64) {
        let (_, _, _) = (ctx, user, token);
    }

    /// A player is not put where [`Ctx::teleport`] was to put it, and stays here: told once, unless the server dies first.
    fn teleport_failed(&mut self, ctx: &mut dyn Ctx, user: UserId, reason: TeleportFailed) {
        let (_, _, _) = (ctx, user, reason);
    }

    /// What came of a [report](Ctx::report) of a player of this region: told once, unless the server dies first.
    fn reported(&mut self, ctx: &mut dyn Ctx, by: UserId, about: UserId, outcome: Result<(), ReportRefused>) {
        let (_, _, _, _) = (ctx, by, about, outcome);
    }

    /// Once per tick, after all inputs, commands and timers.
    fn tick(&mut self, ctx: &mut dyn Ctx) {
        let _ = ctx;
    }

    /// Appends the exact state that the player's own client gets, and nobody else: at most
    /// [`OWN_STATE_BYTES_MAX`](crate::limits::OWN_STATE_BYTES_MAX). Called for every player and tick, at the tick's end.
    fn own_state(&self, ctx: &dyn Ctx, user: UserId, entity: EntityId, out: &mut Vec<u8>) {
        let (_, _, _, _) = (ctx, user, entity, out);
    }

    /// An operator says something to the rules of this region (`regionmesh region tell`), at most
    /// [`OPERATOR_BYTES_MAX`](crate::limits::OPERATOR_BYTES_MAX), and is given the answer. What is done then is as durable as in any
    /// other call outside of a command. A panic here is one.
    ///
    /// # Errors
    /// Why nothing was done, in words for the operator.
    fn operator(&mut self, ctx: &mut dyn Ctx, command: &str) -> Result<String, String> {
        let (_, _) = (ctx, command);
        Err("the rules of this game take no commands of operators".to_owned())
    }

    /// Whether [`Ctx::position_at`] knows anything: costs a sorted list of all entities of the region in each tick.
    fn keeps_history(&self) -> bool {
        false
    }

    /// Whether the region looks from time to time for a newer [`Ctx::world_state`]: costs a read of the store each time.
    fn follows_world_state(&self) -> bool {
        false
    }

    /// Whether the region ticks also when nobody plays in it and no proxy watches it. Otherwise it sleeps then: nothing
    /// moves, and timers wait by the clock.
    fn runs_always(&self) -> bool {
        false
    }
}
