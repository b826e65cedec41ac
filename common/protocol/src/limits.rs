//! A named limit for everything that comes from a network. Compared before anything is allocated, sliced or looped over.

/// Payload of a frame before the link is established, bytes (ciphertext and tag).
pub const FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX: u32 = 4 * 1024;
/// Payload of a frame on an established node link, default of `max_frame`, bytes.
pub const FRAME_PAYLOAD_BYTES_MAX: u32 = 256 * 1024;
/// The most that two nodes may agree on for `max_frame`, bytes.
pub const FRAME_PAYLOAD_AGREED_BYTES_MAX: u32 = 1024 * 1024;
/// Payload of a frame from a client, bytes.
pub const CLIENT_RECORD_BYTES_MAX: u32 = 8 * 1024;
/// A whole datagram, so that IP never fragments it, bytes.
pub const DATAGRAM_BYTES_MAX: usize = 1200;
/// A whole datagram to a browser: it fits into one of WebTransport on a path that takes no larger packets of QUIC than all paths
/// do (1,200 bytes; less at most 1 of flags, 20 of a connection's name, 4 of a number, 16 of a tag, 9 of a frame's head, 8 of the
/// session's), bytes.
pub const BROWSER_DATAGRAM_BYTES_MAX: usize = 1_140;
/// A frame must be complete this long after its first byte, milliseconds.
pub const FRAME_COMPLETE_MS_MAX: u64 = 10_000;
/// In a handshake, the most that two wall clocks may differ, milliseconds.
pub const HANDSHAKE_CLOCK_SKEW_MS_MAX: u64 = 120_000;
/// A whole node handshake, milliseconds.
pub const NODE_HANDSHAKE_MS_MAX: u64 = 3_000;
/// Node handshakes pending at one listener from one address, at least; all lanes of all listed nodes where those are more.
pub const NODE_HANDSHAKES_PENDING_MAX: usize = 32;
/// A whole client handshake, milliseconds.
pub const CLIENT_HANDSHAKE_MS_MAX: u64 = 5_000;
/// From accept to the client's first message, milliseconds.
pub const CLIENT_HELLO_MS_MAX: u64 = 2_000;
/// From the welcome to the client's attach, milliseconds.
pub const CLIENT_ATTACH_MS_MAX: u64 = 5_000;
/// A client that has heard nothing for so long asks, milliseconds.
pub const PROXY_ASKED_MS: u64 = 1_000;
/// A client that has heard nothing for so long goes to another proxy, milliseconds.
pub const PROXY_SILENCE_MS_MAX: u64 = 3_000;
/// A proxy that has heard nothing of a client for so long ends the session there, milliseconds.
pub const CLIENT_SILENCE_MS_MAX: u64 = 10_000;
/// Client handshakes pending at one proxy.
pub const CLIENT_HANDSHAKES_PENDING_MAX: usize = 2_000;
/// Frames under one key of one direction before it is replaced.
pub const REKEY_FRAMES: u64 = 1 << 22;
/// Payload bytes under one key of one direction before it is replaced.
pub const REKEY_BYTES: u64 = 1 << 36;
/// Age of a key of one direction before it is replaced, milliseconds.
pub const REKEY_AGE_MS: u64 = 3_600_000;
/// Age of a datagram key before it is replaced, milliseconds.
pub const DATAGRAM_REKEY_MS: u64 = 600_000;
/// How long datagrams under the previous key are still accepted, milliseconds.
pub const DATAGRAM_PREVIOUS_PHASE_MS: u64 = 3_000;
/// Datagram numbers remembered behind the highest.
pub const DATAGRAM_WINDOW: u64 = 1024;
/// Name of a user, bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 32;
/// One input, bytes.
pub const INPUT_BYTES_MAX: usize = 64;
/// Inputs repeated in one message.
pub const INPUTS_REPEATED_MAX: usize = 3;
/// Number of an input, command or event: far beyond any session, and far from where arithmetic on it could overflow.
pub const NUMBER_MAX: u64 = 1 << 62;
/// Body of one command, bytes.
pub const COMMAND_BYTES_MAX: usize = 1024;
/// Commands of a player that await acknowledgement.
pub const COMMAND_WINDOW: usize = 64;
/// Body of one event, bytes.
pub const EVENT_BYTES_MAX: usize = 1024;
/// What a region says to a user who may be anywhere, or to all, bytes.
pub const NEWS_BYTES_MAX: usize = 512;
/// Bytes of what an entity does to another one across a border.
pub const EFFECT_BYTES_MAX: usize = 1024;
/// What the rules keep with a creature that crosses borders, bytes.
pub const CREATURE_MEMORY_BYTES_MAX: usize = 1024;
/// Timers of such a creature.
pub const CREATURE_TIMERS_MAX: usize = 8;
/// Durable events of a player that await acknowledgement.
pub const EVENTS_PENDING_MAX: usize = 64;
/// … and their bytes in all.
pub const EVENTS_PENDING_BYTES_MAX: usize = 16 * 1024;
/// Own-state bytes of a player in one tick.
pub const OWN_STATE_BYTES_MAX: usize = 256;
/// Entities that one client alone is shown.
pub const OWNER_ONLY_MAX: usize = 16;
/// … and their bytes in one tick, as encoded cells.
pub const OWNER_ONLY_BYTES_MAX: usize = 512;
/// The game's soft state of a player, bytes.
pub const GAME_STATE_BYTES_MAX: usize = 4 * 1024;
/// Holdings remembered as told to a player's client.
pub const HOLDINGS_TOLD_MAX: usize = 512;
/// What a game is called, bytes.
pub const GAME_ID_BYTES_MAX: usize = 64;
/// Timers of a player that wait.
pub const PLAYER_TIMERS_MAX: usize = 32;
/// State bytes of one entity in a cell.
pub const ENTITY_STATE_BYTES_MAX: usize = 64;
/// Entities in one cell.
pub const CELL_ENTITIES_MAX: usize = 4096;
/// One encoded cell, bytes: each slot emptied (17: slot, cell, epoch) and taken anew (94: slot, id, kind, epoch, position,
/// heading, speed, state) in one update, and its numbers and the heads of its columns.
pub const CELL_BYTES_MAX: usize = CELL_ENTITIES_MAX * (17 + 94) + 64;
/// Cells named in one subscription message.
pub const SUBSCRIPTION_CELLS_MAX: usize = 16 * 1024;
/// Cell updates in one message.
pub const CELL_UPDATES_MAX: usize = 16 * 1024;
/// Cell updates in one snapshot.
pub const SNAPSHOT_CELLS_MAX: usize = 256;
/// Regions named in one snapshot.
pub const SNAPSHOT_REGIONS_MAX: usize = 16;
/// The slowest that a client may ask its snapshots to come, milliseconds: it hears of everybody yet before it takes the proxy
/// for silent.
pub const SNAPSHOT_PACE_MS_MAX: u32 = 2_000;
/// Cells with players in them that one brief of a region names: where there are more, the fullest of them.
pub const BRIEF_CELLS_MAX: usize = 4 * 1024;
/// Regions that one brief says players have walked into: all that border it, unless a topology is very odd.
pub const BRIEF_CROSSINGS_MAX: usize = 256;
/// The quickest that briefs of a region may be asked to follow each other, milliseconds …
pub const BRIEF_PERIOD_MS_MIN: u32 = 100;
/// … and the slowest.
pub const BRIEF_PERIOD_MS_MAX: u32 = 1_000;
/// Players that cross together in one handover.
pub const HANDOVER_GROUP_MAX: usize = 16;
/// Messages in one batch frame.
pub const BATCH_MESSAGES_MAX: usize = 16 * 1024;
/// Share of a message that one fragment carries, bytes: what control messages wait for at most.
pub const FRAGMENT_BYTES_MAX: usize = 32 * 1024;
/// A message between nodes, family and length included, put together from fragments if need be, bytes.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// The largest cell travels in one message, with all that may stand before it.
const _: () = assert!(CELL_BYTES_MAX + 1024 <= MESSAGE_BYTES_MAX);
/// Other proxies named to a client.
pub const PROXIES_NAMED_MAX: usize = 16;
/// A topology bundle, bytes.
pub const TOPOLOGY_BUNDLE_BYTES_MAX: usize = 192 * 1024;
/// How far off a client's wall clock may be when it judges a proxy's certificate and voucher: a day covers any mistaken time zone, milliseconds.
pub const CLIENT_CLOCK_LEEWAY_MS: u64 = 86_400_000;
/// From a ticket's issue to its end, milliseconds.
pub const TICKET_LIFETIME_MS_MAX: u64 = 900_000;
/// Password of a user, bytes of UTF-8.
pub const PASSWORD_BYTES_MAX: usize = 128;
/// A token of somebody else who vouches for a user, bytes: a signature of RSA takes 683 of them, and the whole fits C3.
pub const TOKEN_BYTES_MAX: usize = 1_832;
/// Auth nodes of a cluster.
pub const AUTH_NODES_MAX: usize = 4;
/// How long a device comes back without a password, milliseconds: 90 days.
pub const DEVICE_LASTS_MS: u64 = 90 * 24 * 3_600_000;
