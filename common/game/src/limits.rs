//! How much a game may put where. What is more is refused or ignored, as the method in question says.

pub use protocol::limits::{
    CELL_ENTITIES_MAX, COMMAND_BYTES_MAX, CREATURE_MEMORY_BYTES_MAX, CREATURE_TIMERS_MAX, EFFECT_BYTES_MAX,
    ENTITY_STATE_BYTES_MAX, EVENT_BYTES_MAX, EVENTS_PENDING_BYTES_MAX, EVENTS_PENDING_MAX,
    GAME_STATE_BYTES_MAX, HANDOVER_GROUP_MAX, INPUT_BYTES_MAX, NAME_BYTES_MAX, OWN_STATE_BYTES_MAX,
};

/// Inputs of one entity that wait for a tick; of more the oldest are dropped.
pub const INPUTS_WAITING_MAX: usize = 8;
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
