//! Handover: a player passes from this region to another one without ever being in both, whatever is lost in between.
//! The row in the store is the only commit point; what servers tell each other only makes them look at it.
//!
//! ```text
//! 1 A   freezes u at (e, v), a new attempt h           A→B  Prepare(u, e+1, h, v)
//! 2 B   keeps a shadow if (e+1, v) is newer            B→A  Prepared(u, e+1, h, v)
//! 3 A   CAS on the row: owner B, epoch e+1, attempt h, version v, state      ← the commit
//! 4 A   lets go of u                                   A→proxy Moved   A→B Commit
//! 5 B   reads the row: (B, e+1, h) and only that makes u active    B→proxy Here   B→A Done
//! 6 A   forgets; for 5 s whoever asks hears Elsewhere
//! ```
//! What if a server dies in a handover? Before the CAS the row still says A, after it the row says B: whoever starts
//! again reads it. An answer to the CAS that nobody got is a doubt, and only the row or a second CAS ends a doubt.

pub(super) mod arrivals;
#[cfg(feature = "broken-rules")]
mod broken_rules;
pub(super) mod departures;
pub(super) mod destinations;
mod doubt;
#[cfg(feature = "broken-rules")]
pub(super) mod rule;
mod source;
mod target;
mod teleports;
