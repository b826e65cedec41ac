//! How much a game may put where. What is more is refused or ignored, as the method in question says.

pub use protocol::limits::{
    CELL_ENTITIES_MAX, COMMAND_BYTES_MAX, EFFECT_BYTES_MAX, ENTITY_STATE_BYTES_MAX, EVENT_BYTES_MAX,
    EVENTS_PENDING_BYTES_MAX, EVENTS_PENDING_MAX, GAME_STATE_BYTES_MAX, HANDOVER_GROUP_MAX, INPUT_BYTES_MAX,
    NAME_BYTES_MAX, OWN_STATE_BYTES_MAX,
};

/// Holdings that a region of a new world begins with.
pub const FIRST_HOLDINGS_MAX: usize = 64 * 1024;
/// Holdings that one commit of a player changes: its durable command, and what else waits with it.
pub const HOLDING_CHANGES_MAX: usize = 64;
