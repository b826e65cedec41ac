//! How much a game may put where. What is more is refused or ignored, as the method in question says.

pub use protocol::limits::{
    CELL_ENTITIES_MAX, COMMAND_BYTES_MAX, CREATURE_MEMORY_BYTES_MAX, CREATURE_TIMERS_MAX, EFFECT_BYTES_MAX,
    ENTITY_STATE_BYTES_MAX, EVENT_BYTES_MAX, EVENTS_PENDING_BYTES_MAX, EVENTS_PENDING_MAX, GAME_ID_BYTES_MAX,
    GAME_STATE_BYTES_MAX, HANDOVER_GROUP_MAX, INPUT_BYTES_MAX, NAME_BYTES_MAX, NEWS_BYTES_MAX,
    OWN_STATE_BYTES_MAX, OWNER_ONLY_BYTES_MAX, OWNER_ONLY_MAX, PLAYER_TIMERS_MAX,
};

/// Creatures that [`spawn_persistent`](crate::Ctx::spawn_persistent) made, in one region; those that come beyond that wait at its
/// border.
pub const CREATURES_PERSISTENT_MAX: usize = 8 * 1024;
/// Inputs of one entity that wait for a tick; of more the oldest are dropped.
pub const INPUTS_WAITING_MAX: usize = 8;
/// What an operator may say to the rules.
pub const OPERATOR_BYTES_MAX: usize = 1024;
/// How long a player may wait for the region that it is to be put into, milliseconds.
pub const TELEPORT_MS_MAX: u64 = 5_000;
/// Holdings that a region of a new world begins with.
pub const FIRST_HOLDINGS_MAX: usize = 64 * 1024;
/// The game's own bytes of one holding.
pub const HOLDING_PAYLOAD_BYTES_MAX: usize = 256;
/// Holdings on each side of a trade.
pub const TRADE_HOLDINGS_MAX: usize = 16;
/// How long an offer may stand, milliseconds.
pub const TRADE_LASTS_MS_MAX: u64 = 3_600_000;
/// Holdings that one commit of a player changes: its durable command, and what else waits with it.
pub const HOLDING_CHANGES_MAX: usize = 64;
/// What rules keep of one region, or of the world, bytes.
pub const REGION_STATE_BYTES_MAX: usize = 64 * 1024;
/// Rules that follow the world's state have it at most so late, milliseconds; and as much later as the store takes.
pub const WORLD_STATE_MS_MAX: u64 = 5_000;
/// What a region says to another one's rules may wait so long for that region, milliseconds …
pub const LETTER_MS_MAX: u64 = 5_000;
/// … and so many of a region may wait.
pub const LETTERS_MAX: usize = 64;
/// A request to the pool beside the regions, or its answer, bytes.
pub const ASK_BYTES_MAX: usize = 64 * 1024;
/// Requests of a region that have no answer yet.
pub const ASKS_MAX: usize = 64;
/// After so long a request has failed, milliseconds.
pub const ASK_LASTS_MS: u64 = 10_000;
/// What a reporter says, bytes; the lines behind it.
pub const REPORT_WHY_BYTES_MAX: usize = 200;
/// What a reporter has heard last, bytes; of more, the last ones.
pub const REPORT_LINES_BYTES_MAX: usize = 4_096;
/// Counters and gauges of a game.
pub const METRICS_MAX: usize = 64;
/// The name of one, bytes.
pub const METRIC_NAME_BYTES_MAX: usize = 48;
/// A line of the log; what is longer is cut, bytes.
pub const LOG_LINE_BYTES_MAX: usize = 512;
