//! Why datagrams are refused: every reason is silent on the wire and a label in the metrics.

use crate::limits::DATAGRAM_BYTES_MAX;

/// Why a datagram was dropped. Anybody can cause any of these by sending bytes; none of them is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// Shorter than header and tag.
    #[error("a datagram is shorter than its header and tag")]
    TooShort,
    /// Longer than [`DATAGRAM_BYTES_MAX`].
    #[error("a datagram is longer than {max} bytes", max = DATAGRAM_BYTES_MAX)]
    TooLong,
    /// A kind this version does not know.
    #[error("a datagram is of an unknown kind")]
    UnknownKind,
    /// It belongs to another session.
    #[error("a datagram names another connection")]
    UnknownConnection,
    /// The number was seen, or is too old to tell.
    #[error("a datagram was seen before, or is too old")]
    Replayed,
    /// The key phase is over, or cannot have begun yet.
    #[error("a datagram is of a key phase that is not in use")]
    Phase,
    /// Wrong key, or changed on the way.
    #[error("a datagram is not authentic")]
    NotAuthentic,
}

impl DatagramError {
    /// All names that [`label`](Self::label) gives.
    pub const LABELS: &[&str] = &[
        "too_short",
        "too_long",
        "unknown_kind",
        "unknown_connection",
        "replayed",
        "phase",
        "not_authentic",
    ];

    /// A label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::UnknownKind => "unknown_kind",
            Self::UnknownConnection => "unknown_connection",
            Self::Replayed => "replayed",
            Self::Phase => "phase",
            Self::NotAuthentic => "not_authentic",
        }
    }
}

/// Why a datagram could not be sealed. Ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatagramSealError {
    /// The plaintext does not leave room for header and tag in [`DATAGRAM_BYTES_MAX`].
    #[error("a plaintext of {0} bytes does not fit a datagram")]
    TooLong(usize),
    /// There is no begun datagram at that place.
    #[error("no datagram was begun there")]
    NotBegun,
    /// All 2⁶⁴ numbers are used.
    #[error("the datagram numbers are used up")]
    Exhausted,
}
