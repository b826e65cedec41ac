//! Dials one peer and redials for ever: 50 ms after the first loss, a second after many, spread by chance.

use std::sync::Arc;
use std::time::Duration;

use protocol::Code;
use protocol::identity::Role;
use protocol::ids::NodeUuid;
use protocol::node_handshake::{HandshakeError, Lane};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::context::LinkContext;
use super::handed::{HandedLink, LinkLease};
use super::handshake::{self, AdmissionError, Admitted};
use crate::entropy::OsEntropy;
use crate::link_state::{LinkPhase, LinkState};
use crate::names::HostPort;
use crate::sealed_stream::{RawStream, StreamError};

/// A connection to one address of a peer that does not come about within this is given up.
const CONNECT: Duration = Duration::from_secs(1);

/// Who refuses a handshake does so without a word; its own `/readyz` and counters say why.
const SILENT_END: &str =
    "it ended the handshake without a word: it is not the node that is dialed, or of another cluster";

/// Where a peer is dialed just now; `None` while nobody knows. Asked before each dial, and a name is looked up afresh.
pub type AddressSource = Arc<dyn Fn() -> Option<HostPort> + Send + Sync>;

/// Whom to dial.
#[derive(Clone)]
pub struct LinkTarget {
    /// Where it listens.
    pub address: AddressSource,
    /// Who must answer.
    pub responder: NodeUuid,
    /// In which role.
    pub role: Role,
    /// Which of several links to it.
    pub lane: Lane,
}

/// Keeps one peer linked until `shutdown`: dials, shakes hands, gives each connection away, and dials again when its
/// owner has dropped the lease.
pub async fn keep_linked(
    context: Arc<LinkContext>,
    target: LinkTarget,
    hand_over: impl Fn(HandedLink),
    shutdown: CancellationToken,
) {
    let mut state = LinkState::new(context.clock.now_ms());
    while let LinkPhase::Down { redial_at_ms } = state.phase() {
        let redial_at = Instant::from_std(context.clock.at_us(redial_at_ms * 1000));
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            () = sleep_until(redial_at) => {}
        }
        state.handle_dial();
        let linked = async {
            match connect(&context, &target, &mut state).await {
                Ok(admitted) => {
                    let (lease, ended) = LinkLease::new();
                    if let Ok(link) = HandedLink::new(&context, admitted, lease) {
                        state.handle_up(context.clock.now_ms());
                        context.stats.forget_unreached(target.responder);
                        hand_over(link);
                        let _ = ended.await;
                    }
                }
                Err(error) => note_failure(&context, &target, &error),
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            () = linked => {}
        }
        state.handle_lost(context.clock.now_ms(), &mut OsEntropy);
    }
    context.stats.forget_unreached(target.responder);
}

fn note_failure(context: &LinkContext, target: &LinkTarget, error: &AdmissionError) {
    let papers = context.stats.paper_trouble(target.responder);
    let why = match error {
        AdmissionError::Handshake(
            HandshakeError::Refused(Code::CertExpired) | HandshakeError::Denied(Code::CertExpired),
        ) if papers.is_some() => papers.map_or_else(String::new, |papers| papers.to_string()),
        AdmissionError::Stream(StreamError::Io(error)) => format!("cannot connect: {error}"),
        AdmissionError::Stream(StreamError::Eof) => SILENT_END.to_owned(),
        error => error.to_string(),
    };
    context.stats.note_unreached(target.responder, why);
    if !matches!(error, AdmissionError::Stream(StreamError::Io(_))) {
        error.count(context);
    }
    tracing::debug!(responder = ?target.responder, %error, "no link");
}

async fn connect(
    context: &LinkContext,
    target: &LinkTarget,
    state: &mut LinkState,
) -> Result<Admitted, AdmissionError> {
    let unknown = || {
        std::io::Error::new(
            std::io::ErrorKind::AddrNotAvailable,
            "the peer's address is not known",
        )
    };
    let address = (target.address)()
        .ok_or_else(unknown)
        .map_err(StreamError::from)?;
    let io = connected(&address).await.map_err(StreamError::from)?;
    state.handle_connected();
    let stream = RawStream::new(io, context.clock)?;
    handshake::initiate(context, stream, (target.responder, target.role, target.lane)).await
}

/// To the first address that takes a connection.
async fn connected(to: &HostPort) -> std::io::Result<TcpStream> {
    let mut refused = None;
    for address in to.look_up().await? {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(io)) => return Ok(io),
            Ok(Err(error)) => refused = Some(error),
            Err(elapsed) => refused = Some(elapsed.into()),
        }
    }
    Err(refused.unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into()))
}
