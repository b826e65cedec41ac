//! Drives a node handshake over a fresh connection, on either side, within its deadline; the work with keys is done on
//! threads of its own. Refusals are counted by name.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use protocol::Code;
use protocol::frame::FrameError;
use protocol::identity::Role;
use protocol::ids::NodeUuid;
use protocol::limits::NODE_HANDSHAKE_MS_MAX;
use protocol::node_handshake::{
    EstablishedNode, HandshakeError, Initiator, InitiatorStep, Lane, LinkTerms, LocalNode, Responder,
    ResponderStep,
};

use super::context::LinkContext;

use super::peer::RolePolicy;
use super::stats::{ClockTrouble, PaperTrouble, PapersOf};
use crate::clock;
use crate::down_reason::code_label;
use crate::entropy::OsEntropy;
use crate::key_work::{KeyWorkLost, key_work};
use crate::sealed_stream::{RawStream, StreamError};

/// Why a connection did not become a link.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdmissionError {
    /// Whoever it is broke the handshake, or was not wanted.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The connection.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The peer proved who it is, and was told that it is not wanted.
    #[error("{peer:?} was refused: {code:?}")]
    NotWanted {
        /// Who it is.
        peer: NodeUuid,
        /// What it was told.
        code: Code,
        /// How far its clock is ahead of ours, milliseconds.
        ahead_ms: i64,
    },
    /// It took too long.
    #[error("the handshake took too long")]
    TooLate,
    /// Its keys could not be worked with.
    #[error(transparent)]
    KeyWork(#[from] KeyWorkLost),
}

impl AdmissionError {
    /// A fixed name for metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Handshake(HandshakeError::Denied(code) | HandshakeError::Refused(code))
            | Self::NotWanted { code, .. } => code_label(*code),
            Self::Handshake(error) => error.label(),
            Self::Stream(error) => error.label(),
            Self::TooLate => "too_late",
            Self::KeyWork(_) => "key_work",
        }
    }

    /// Counts it, and remembers it when the clocks are to blame.
    pub(super) fn count(&self, context: &LinkContext) {
        context.stats.count_refused(self.label());
        if let Self::Handshake(HandshakeError::Frame(FrameError::Clock(differ_ms))) = self {
            context.stats.note_clocks(ClockTrouble {
                differ_ms: *differ_ms,
                at_ms: context.clock.now_ms(),
            });
        }
    }
}

/// An authenticated connection whose halves are not split yet.
pub(super) struct Admitted {
    pub(super) stream: RawStream,
    pub(super) node: Box<EstablishedNode>,
}

/// The dialing side.
pub(super) async fn initiate(
    context: &LinkContext,
    stream: RawStream,
    (responder, role, lane): (NodeUuid, Role, Lane),
) -> Result<Admitted, AdmissionError> {
    let (local, clock) = (context.local(), context.clock);
    let (mut stream, mut ahead_ms) = (stream, None);
    let (mut initiator, hello) = start(&local, responder, lane, clock.now_ms())?;
    within_deadline(async {
        stream.write(&hello).await?;
        loop {
            let raw = stream.next_raw().await?;
            let (directory, now_ms) = (Arc::clone(&context.directory), clock.now_ms());
            let (goes_on, step) = key_work(move || {
                let roles = [role];
                let policy = RolePolicy {
                    directory: &*directory,
                    roles: &roles,
                };
                let step = initiator.handle_frame(raw, &policy, clock::wall_ms(), now_ms);
                (initiator, step)
            })
            .await?;
            initiator = goes_on;
            ahead_ms = initiator.peer_ahead_ms();
            match step? {
                InitiatorStep::Send(bytes) => stream.write(&bytes).await?,
                InitiatorStep::Established(node) => return Ok(node),
            }
        }
    })
    .await
    .inspect_err(|error| {
        note_other_store(context, error, responder);
        note_papers(context, error, responder, ahead_ms);
    })
    .map(|node| admitted(context, stream, node))
}

fn start(
    local: &LocalNode,
    responder: NodeUuid,
    lane: Lane,
    now_ms: u64,
) -> Result<(Initiator, Vec<u8>), HandshakeError> {
    Initiator::start(local, responder, lane, &mut OsEntropy, clock::wall_ms(), now_ms)
}

/// The listening side.
pub(super) async fn respond(
    context: &LinkContext,
    stream: RawStream,
    roles: &'static [Role],
) -> Result<Admitted, AdmissionError> {
    let clock = context.clock;
    let mut stream = stream;
    let terms = LinkTerms {
        max_frame: context.config.max_frame_bytes,
        heartbeat_ms: context.config.heartbeat_ms,
        dead_ms: context.config.dead_ms,
    };
    let mut responder = Responder::new(&context.local(), terms, clock.now_ms());
    within_deadline(async {
        loop {
            let raw = stream.next_raw().await?;
            let (directory, now_ms) = (Arc::clone(&context.directory), clock.now_ms());
            let (goes_on, step) = key_work(move || {
                let policy = RolePolicy {
                    directory: &*directory,
                    roles,
                };
                let step = responder.handle_frame(raw, &policy, &mut OsEntropy, clock::wall_ms(), now_ms);
                (responder, step)
            })
            .await?;
            responder = goes_on;
            if step.is_err()
                && let Some(answer) = responder.clock_answer(clock::wall_ms())
            {
                stream.write(&answer).await?;
            }
            match step? {
                ResponderStep::Send(bytes) => stream.write(&bytes).await?,
                ResponderStep::Established { welcome, node } => {
                    stream.write(&welcome).await?;
                    return Ok(node);
                }
                ResponderStep::Refused {
                    welcome,
                    peer,
                    code,
                    ahead_ms,
                } => {
                    stream.write(&welcome).await?;
                    return Err(AdmissionError::NotWanted { peer, code, ahead_ms });
                }
            }
        }
    })
    .await
    .inspect_err(|error| {
        if matches!(error, AdmissionError::Stream(StreamError::Eof)) {
            note_own_papers(context);
        }
        if let AdmissionError::NotWanted { peer, ahead_ms, .. } = error {
            note_other_store(context, error, *peer);
            note_papers(context, error, *peer, Some(*ahead_ms));
        }
    })
    .map(|node| admitted(context, stream, node))
}

fn admitted(context: &LinkContext, stream: RawStream, node: Box<EstablishedNode>) -> Admitted {
    context.store_peers.same(node.peer.uuid);
    context.stats.forget_papers(node.peer.uuid);
    Admitted { stream, node }
}

/// Both sides hear of it, and each says it: whoever reads only one of the two logs has to find it there.
fn note_other_store(context: &LinkContext, error: &AdmissionError, peer: NodeUuid) {
    let other = matches!(
        error,
        AdmissionError::Handshake(HandshakeError::Refused(Code::OtherStore))
            | AdmissionError::NotWanted {
                code: Code::OtherStore,
                ..
            }
    );
    if other && context.store_peers.other(peer, context.clock.now_ms()) {
        let (peer, store) = (context.directory.name(peer), context.store());
        tracing::warn!(
            %peer, %store,
            "no link: the peer works on another store than this node, a new one or a copy; name the same file with `store.path` on both, and start the one again that is wrong"
        );
    }
}

/// Papers out of time: each side names whose they are, and how far the clocks are apart, since one of them may be to blame.
fn note_papers(context: &LinkContext, error: &AdmissionError, peer: NodeUuid, ahead_ms: Option<i64>) {
    use HandshakeError::{Denied, Refused};
    let whose = match error {
        AdmissionError::Handshake(Refused(Code::CertExpired)) => PapersOf::ThisNode,
        AdmissionError::Handshake(Denied(Code::CertExpired))
        | AdmissionError::NotWanted {
            code: Code::CertExpired,
            ..
        } => PapersOf::Peer,
        _ => return,
    };
    let trouble = PaperTrouble {
        whose,
        ahead_ms: ahead_ms.unwrap_or(0),
    };
    if context.stats.note_papers(peer, trouble, context.clock.now_ms()) {
        let peer = context.directory.name(peer);
        tracing::warn!(%peer, "no link: {trouble}");
    }
}

/// Whoever dials us and sees that our certificate is out of time leaves without a word.
fn note_own_papers(context: &LinkContext) {
    let outside = context.local().outside(clock::wall_ms());
    if let Some(outside) = outside
        && context.stats.note_own_papers(context.clock.now_ms())
    {
        tracing::warn!(
            "no link: who dialed left without a word, and this node's certificate is {outside} by this host's clock; renew it, or set the clock"
        );
    }
}

async fn within_deadline<T>(
    handshake: impl Future<Output = Result<T, AdmissionError>>,
) -> Result<T, AdmissionError> {
    let deadline = Duration::from_millis(NODE_HANDSHAKE_MS_MAX);
    match tokio::time::timeout(deadline, handshake).await {
        Ok(result) => result,
        Err(_) => Err(AdmissionError::TooLate),
    }
}
