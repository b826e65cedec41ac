//! The dialing side: hello out, answer in, proof out, welcome in.

use super::answer::{self, Answer, AnswerHead};
use super::error::HandshakeError;
use super::established::{EstablishedNode, LinkTerms, VerifiedPeer};
use super::hello::Hello;
use super::lane::LaneOfMany;
use super::local::LocalNode;
use super::policy::PeerPolicy;
use super::proof::{Proof, Signer};
use super::schedule::{HandshakeSecret, Transcript};
use super::standing::{ahead_ms, judge};
use super::version::{self, VERSION, VERSION_MIN};
use super::welcome::Welcome;
use crate::entropy::{self, Entropy};
use crate::frame::{FrameError, FrameOpener, FrameSealer, FrameType, HandshakeKey, PeerClock, RawFrame};
use crate::ids::{Lane, NodeUuid};
use crate::keys::{Direction, KeyAgreement};
use crate::limits;

/// What comes of a frame.
#[derive(Debug)]
pub enum InitiatorStep {
    /// Send these bytes and go on.
    Send(Vec<u8>),
    /// The link is up.
    Established(Box<EstablishedNode>),
}

/// The dialing side of one handshake.
///
/// Give it every frame that arrives; take frames with [`limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX`] until it is done.
pub struct Initiator {
    local: LocalNode,
    responder: NodeUuid,
    lane: Lane,
    hello_key: HandshakeKey,
    deadline_ms: u64,
    peer_ahead_ms: Option<i64>,
    state: State,
}

enum State {
    AwaitsAnswer {
        ephemeral: KeyAgreement,
        transcript: Transcript,
    },
    AwaitsWelcome(Box<AwaitsWelcome>),
    Over,
}

struct AwaitsWelcome {
    peer: VerifiedPeer,
    version: u8,
    terms: LinkTerms,
    sealer: FrameSealer,
    opener: FrameOpener,
}

impl Initiator {
    /// Begins a handshake with one node; the bytes are the frame with M1.
    ///
    /// # Errors
    /// `Lane` when `local` has no such lane; none that a peer can cause.
    pub fn start(
        local: &LocalNode,
        responder: NodeUuid,
        lane: Lane,
        entropy: &mut dyn Entropy,
        wall_ms: u64,
        now_ms: u64,
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let place = LaneOfMany::new(lane, local.lanes).ok_or(HandshakeError::Lane)?;
        let ephemeral = KeyAgreement::new(entropy);
        let hello = Hello {
            version: VERSION,
            version_min: VERSION_MIN,
            place,
            cluster_id: local.cluster_id,
            responder,
            ephemeral: ephemeral.public(),
            random: entropy::array(entropy),
            topology_version: local.topology_version,
        };
        let hello = hello.encode();
        let mut transcript = Transcript::new(local.cluster_id, &local.authority);
        transcript.absorb(&hello);
        let hello_key = HandshakeKey::node(&local.authority.to_bytes(), responder);
        let mut out = Vec::new();
        hello_key.seal(FrameType::NodeHello, &hello, wall_ms, &mut out)?;
        let initiator = Self {
            local: local.clone(),
            responder,
            lane,
            hello_key,
            deadline_ms: now_ms.saturating_add(limits::NODE_HANDSHAKE_MS_MAX),
            peer_ahead_ms: None,
            state: State::AwaitsAnswer {
                ephemeral,
                transcript,
            },
        };
        Ok((initiator, out))
    }

    /// When the link must be up, on our monotonic clock.
    #[must_use]
    pub fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// How far the responder's clock is ahead of ours, milliseconds, as its answer says; `None` before.
    #[must_use]
    pub fn peer_ahead_ms(&self) -> Option<i64> {
        self.peer_ahead_ms
    }

    /// Takes the next frame of the responder.
    ///
    /// # Errors
    /// Why the stream must be closed, without a word. The handshake is over then.
    pub fn handle_frame(
        &mut self,
        raw: RawFrame,
        policy: &dyn PeerPolicy,
        wall_ms: u64,
        now_ms: u64,
    ) -> Result<InitiatorStep, HandshakeError> {
        if now_ms >= self.deadline_ms {
            self.state = State::Over;
            return Err(HandshakeError::TooLate);
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitsAnswer {
                ephemeral,
                transcript,
            } => self.handle_answer(raw, ephemeral, transcript, policy, (wall_ms, now_ms)),
            State::AwaitsWelcome(awaits) => self.handle_welcome(raw, *awaits, now_ms),
            State::Over => Err(HandshakeError::Over),
        }
    }

    fn handle_answer(
        &mut self,
        raw: RawFrame,
        ephemeral: KeyAgreement,
        mut transcript: Transcript,
        policy: &dyn PeerPolicy,
        (wall_ms, now_ms): (u64, u64),
    ) -> Result<InitiatorStep, HandshakeError> {
        let frame = self.hello_key.open(raw, FrameType::NodeAnswer, wall_ms)?;
        self.peer_ahead_ms = Some(ahead_ms(frame.timestamp_ms, wall_ms));
        let (head, head_bytes, sealed) = answer::split(&frame.payload)?;
        check_version(&head)?;
        transcript.absorb(head_bytes);
        let secret = HandshakeSecret::agree(&transcript, ephemeral, head.ephemeral)?;
        let answer = Answer::parse(&secret.open(Signer::Responder, sealed, frame.timestamp_ms)?)?;
        let peer = self.verify(&answer, &transcript, policy, wall_ms)?;
        transcript.absorb(sealed);

        let mut proof = Vec::new();
        let plain = Proof::sign(&self.local, Signer::Initiator, transcript.hash()).encode();
        secret.seal(Signer::Initiator, &plain, wall_ms, &mut proof)?;
        transcript.absorb(&proof);
        let mut out = Vec::new();
        self.hello_key
            .seal(FrameType::NodeProof, &proof, wall_ms, &mut out)?;
        let outgoing = secret.traffic(&transcript, Direction::InitiatorToResponder);
        let incoming = secret.traffic(&transcript, Direction::ResponderToInitiator);
        self.state = State::AwaitsWelcome(Box::new(AwaitsWelcome {
            peer,
            version: head.version,
            terms: answer.terms,
            sealer: FrameSealer::new(outgoing, answer.terms.max_frame, now_ms),
            opener: FrameOpener::new(incoming),
        }));
        Ok(InitiatorStep::Send(out))
    }

    fn verify(
        &self,
        answer: &Answer,
        h2: &Transcript,
        policy: &dyn PeerPolicy,
        wall_ms: u64,
    ) -> Result<VerifiedPeer, HandshakeError> {
        let certificate = answer.proof.verify(&self.local, Signer::Responder, h2.hash())?;
        if certificate.uuid() != self.responder {
            return Err(HandshakeError::WrongNode);
        }
        if !answer.terms.is_usable() {
            return Err(HandshakeError::Terms);
        }
        judge(&answer.proof, self.local.lanes, certificate, policy, wall_ms).map_err(HandshakeError::Denied)
    }

    fn handle_welcome(
        &self,
        raw: RawFrame,
        awaits: AwaitsWelcome,
        now_ms: u64,
    ) -> Result<InitiatorStep, HandshakeError> {
        let AwaitsWelcome {
            peer,
            version,
            terms,
            sealer,
            mut opener,
        } = awaits;
        let kind = raw.header.frame_type;
        let frame = opener.open(raw)?;
        let frame = frame
            .filter(|frame| frame.frame_type == FrameType::NodeWelcome)
            .ok_or(FrameError::Type(kind.number()))?;
        let welcome = Welcome::parse(&frame.payload)?;
        welcome.verdict.map_err(HandshakeError::Refused)?;
        opener.establish(terms.max_frame);
        Ok(InitiatorStep::Established(Box::new(EstablishedNode {
            peer,
            sealer,
            opener,
            lane: self.lane,
            version,
            terms,
            clock: PeerClock {
                wall_ms: welcome.wall_ms,
                at_ms: now_ms,
            },
        })))
    }
}

fn check_version(head: &AnswerHead) -> Result<(), HandshakeError> {
    let common = version::common(head.version, head.version);
    common.map(|_| ()).ok_or(HandshakeError::Version)
}
