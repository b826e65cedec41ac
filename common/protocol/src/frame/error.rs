//! Everything that can be wrong with a frame. Each variant ends the stream; which one it was is for metrics and logs.
//!
//! None of these texts reaches the peer: before authentication a stream closes silently.

/// Why a frame was refused. The blame is the peer's, or a stranger's in between, unless the variant says ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length field exceeds the limit of the state.
    #[error("payload of {bytes} bytes, the limit is {limit}")]
    Oversized {
        /// What the header says.
        bytes: u32,
        /// What the state allows.
        limit: u32,
    },
    /// The payload is too short for what it must hold, or the bytes and the length field differ.
    #[error("payload too short")]
    Truncated,
    /// A number that is no frame type, or one that has no place here.
    #[error("frame type {0:#04x} has no place here")]
    Type(u8),
    /// The key phase is not the one the stream is in.
    #[error("wrong key phase")]
    Phase,
    /// A counter that has been seen.
    #[error("replayed frame")]
    Replayed,
    /// A counter beyond the next one: frames are missing or out of order.
    #[error("frames are missing or out of order")]
    Reordered,
    /// More frames under one key than the key may protect.
    #[error("the peer should have changed its key")]
    KeyOverused,
    /// The frame's HMAC does not verify.
    #[error("the hmac does not verify")]
    Hmac,
    /// The AEAD tag does not verify although the HMAC does.
    #[error("the tag does not verify")]
    Tag,
    /// In a handshake: the sender's wall clock is too far from ours.
    #[error("wall clocks differ by {0} ms")]
    Clock(u64),
    /// The frame was not complete in time.
    #[error("the frame was not complete in time")]
    Incomplete,
    /// Ours: the payload to seal exceeds the limit.
    #[error("ours: the payload to seal is too long")]
    TooLong,
    /// Ours: all key phases are used up.
    #[error("ours: all key phases are used up")]
    PhasesExhausted,
}

impl FrameError {
    /// All names that [`label`](Self::label) gives.
    pub const LABELS: &[&str] = &[
        "oversized",
        "truncated",
        "type",
        "phase",
        "replayed",
        "reordered",
        "key_overused",
        "hmac",
        "tag",
        "clock",
        "incomplete",
        "too_long",
        "phases_exhausted",
    ];

    /// A fixed name for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Oversized { .. } => "oversized",
            Self::Truncated => "truncated",
            Self::Type(_) => "type",
            Self::Phase => "phase",
            Self::Replayed => "replayed",
            Self::Reordered => "reordered",
            Self::KeyOverused => "key_overused",
            Self::Hmac => "hmac",
            Self::Tag => "tag",
            Self::Clock(_) => "clock",
            Self::Incomplete => "incomplete",
            Self::TooLong => "too_long",
            Self::PhasesExhausted => "phases_exhausted",
        }
    }
}
