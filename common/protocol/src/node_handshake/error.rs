//! Why a handshake ends without a link. Which one it was is for our metrics and logs; the peer sees a closed stream.

use crate::Code;
use crate::frame::FrameError;
use crate::identity::CertificateError;
use crate::wire::Truncated;

/// Why there is no link. The blame is the peer's, or of somebody in between, unless the variant says ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The frame around the message.
    #[error("frame: {0}")]
    Frame(#[from] FrameError),
    /// The message is not laid out as its table says.
    #[error("malformed message")]
    Malformed,
    /// No version is spoken by both sides.
    #[error("no common version")]
    Version,
    /// The initiator wants another cluster.
    #[error("another cluster")]
    WrongCluster,
    /// The initiator wants another node, or another node than the one dialed answered.
    #[error("another node")]
    WrongNode,
    /// The peer presents our own certificate: a stream to ourselves, or our own messages sent back.
    #[error("our own identity")]
    OwnIdentity,
    /// The peer's ephemeral key forces the shared secret to zero.
    #[error("the ephemeral key is of small order")]
    WeakKey,
    /// The sealed part does not open.
    #[error("the sealed part is not authentic")]
    NotAuthentic,
    /// The peer's certificate does not count.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The peer does not hold the key of its certificate, or saw other messages than we did.
    #[error("the signature over the transcript does not fit")]
    Signature,
    /// The responder's frame size or heartbeat makes no sense.
    #[error("unusable link terms")]
    Terms,
    /// We do not want this responder.
    #[error("we deny the responder: {0:?}")]
    Denied(Code),
    /// The responder, which has proved who it is, does not want us.
    #[error("the responder refuses us: {0:?}")]
    Refused(Code),
    /// The handshake took longer than [`crate::limits::NODE_HANDSHAKE_MS_MAX`].
    #[error("the handshake took too long")]
    TooLate,
    /// Ours: we have no such lane.
    #[error("ours: the lane is beyond the number of lanes")]
    Lane,
    /// Ours: a frame was handed to a handshake that is over.
    #[error("ours: the handshake is over")]
    Over,
}

impl HandshakeError {
    /// All names that [`label`](Self::label) gives.
    pub const LABELS: &[&str] = &[
        "malformed",
        "version",
        "wrong_cluster",
        "wrong_node",
        "own_identity",
        "weak_key",
        "not_authentic",
        "certificate",
        "signature",
        "terms",
        "denied",
        "refused",
        "too_late",
        "lane",
        "over",
    ];

    /// A fixed name for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Frame(error) => error.label(),
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::WrongCluster => "wrong_cluster",
            Self::WrongNode => "wrong_node",
            Self::OwnIdentity => "own_identity",
            Self::WeakKey => "weak_key",
            Self::NotAuthentic => "not_authentic",
            Self::Certificate(_) => "certificate",
            Self::Signature => "signature",
            Self::Terms => "terms",
            Self::Denied(_) => "denied",
            Self::Refused(_) => "refused",
            Self::TooLate => "too_late",
            Self::Lane => "lane",
            Self::Over => "over",
        }
    }
}

impl From<Truncated> for HandshakeError {
    fn from(_: Truncated) -> Self {
        Self::Malformed
    }
}
