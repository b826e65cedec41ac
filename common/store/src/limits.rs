//! What a store accepts at most. Compared before anything is written.

/// Rows that one batch may change; a transaction holds the write lock no longer than that.
pub const BATCH_ROWS_MAX: usize = 64;
/// Encoded state of one player, bytes: the game's state, the pending events and what surrounds them.
pub const STATE_BYTES_MAX: usize = 24 * 1024;
/// Holding changes in one durable commit of one player; they may change twice as many rows.
pub const HOLDING_CHANGES_MAX: usize = 64;
/// The game's own bytes of one holding.
pub const HOLDING_PAYLOAD_BYTES_MAX: usize = 256;
/// Holdings on each side of one trade.
pub const TRADE_HOLDINGS_MAX: usize = 16;
/// Offers of one player that are open at once.
pub const TRADES_OPEN_MAX: usize = 8;
/// How long an offer may stand, milliseconds.
pub const TRADE_LASTS_MS_MAX: u64 = 3_600_000;
/// Holdings that a region begins with.
pub const SEED_HOLDINGS_MAX: usize = 64 * 1024;
/// Holdings that lie in another region after one request, when theirs is no more.
pub const GROUND_PASSED_MAX: usize = 4096;
/// Changes of creatures in one request.
pub const CREATURE_CHANGES_MAX: usize = BATCH_ROWS_MAX;
/// All that is a creature's own, as its server writes it, bytes: twice what a game may keep with it, for the rest.
pub const CREATURE_BODY_BYTES_MAX: usize = 2 * protocol::limits::CREATURE_MEMORY_BYTES_MAX;
/// Creatures that one reply holds.
pub const CREATURES_READ_MAX: usize = 512;
/// Users or holdings named in one reply of a census.
pub const CENSUS_ROWS_MAX: usize = 4096;
/// Highest store generation: the top bit stays clear, so that databases with signed numbers compare epochs rightly.
pub const STORE_GENERATION_MAX: u16 = 0x7fff;
/// Users from here on are guests until they have an account; rows of guests may be deleted.
pub const GUEST_USER_FIRST: u64 = 1 << 40;
/// A guest may come back as long as its last ticket lives, and a little longer by the clocks of others.
pub const GUEST_IDLE_MS_MIN: u64 = protocol::limits::TICKET_LIFETIME_MS_MAX + 300_000;
/// How long a session lasts after a login or the renewal of a ticket, milliseconds: two tickets, so that a store that is away when one
/// is renewed ends nobody's.
pub const SESSION_MS: u64 = 2 * protocol::limits::TICKET_LIFETIME_MS_MAX;
/// Rows that one look for stale guests reads at most, stale or not.
pub const GUESTS_LOOKED_AT_MAX: usize = 4096;
/// Holdings that go back to the ground in one transaction; a single guest may hold more.
pub const FORGOTTEN_HOLDINGS_MAX: usize = 256;
/// What a game keeps of one region, or of the world, bytes.
pub const GAME_STATE_BYTES_MAX: usize = 64 * 1024;
/// What people are told of a sanction, bytes.
pub const SANCTION_REASON_BYTES_MAX: usize = 200;
/// The name of an account in any of its forms, bytes: what it looks like may be several times as long as what it is.
pub const ACCOUNT_NAME_BYTES_MAX: usize = 1_024;
/// Device keys of one user: of more, those that end first are no more.
pub const DEVICES_MAX: usize = 16;
/// What a password is checked against, bytes.
pub const VERIFIER_BYTES_MAX: usize = 256;
/// Each part of an identity that somebody else vouches for, bytes.
pub const IDENTITY_BYTES_MAX: usize = 256;
/// Sanctions in one reply.
pub const SANCTIONS_READ_MAX: usize = 512;
/// Requests waiting at one process, bytes.
pub const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;
