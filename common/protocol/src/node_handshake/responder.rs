//! The listening side: hello in, answer out, proof in, welcome out.

use super::answer::{Answer, AnswerHead};
use super::error::HandshakeError;
use super::established::{EstablishedNode, LinkTerms, VerifiedPeer};
use super::hello::Hello;
use super::lane::LaneOfMany;
use super::local::LocalNode;
use super::policy::PeerPolicy;
use super::proof::{Proof, Signer};
use super::schedule::{HandshakeSecret, Transcript};
use super::standing::{ahead_ms, judge};
use super::version;
use super::welcome::Welcome;
use crate::Code;
use crate::entropy::{self, Entropy};
use crate::frame::{
    FrameError, FrameOpener, FrameSealer, FrameType, HandshakeFrame, HandshakeKey, PeerClock, RawFrame,
};
use crate::identity::AuthorityPublic;
use crate::ids::NodeUuid;
use crate::keys::{Direction, KeyAgreement};
use crate::limits;

/// What comes of a frame.
#[derive(Debug)]
pub enum ResponderStep {
    /// Send these bytes and go on.
    Send(Vec<u8>),
    /// The link is up: send the welcome first.
    Established {
        /// The frame with M4.
        welcome: Vec<u8>,
        /// The link.
        node: Box<EstablishedNode>,
    },
    /// The peer proved who it is, and is not wanted: send the bytes and close.
    Refused {
        /// The frame with M4.
        welcome: Vec<u8>,
        /// Who it was.
        peer: NodeUuid,
        /// What it is told.
        code: Code,
        /// How far its clock is ahead of ours, milliseconds.
        ahead_ms: i64,
    },
}

/// The listening side of one handshake.
///
/// Give it every frame that arrives; take frames with [`limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX`] until it is done.
pub struct Responder {
    local: LocalNode,
    terms: LinkTerms,
    deadline_ms: u64,
    /// The key of a hello that was refused for its clock alone.
    late: Option<HandshakeKey>,
    state: State,
}

enum State {
    AwaitsHello,
    AwaitsProof(Box<AwaitsProof>),
    Over,
}

struct AwaitsProof {
    hello_key: HandshakeKey,
    secret: HandshakeSecret,
    /// h3.
    transcript: Transcript,
    place: LaneOfMany,
    version: u8,
}

impl Responder {
    /// Waits for M1 on a stream that was accepted at `now_ms`.
    #[must_use]
    pub fn new(local: &LocalNode, terms: LinkTerms, now_ms: u64) -> Self {
        Self {
            local: local.clone(),
            terms,
            deadline_ms: now_ms.saturating_add(limits::NODE_HANDSHAKE_MS_MAX),
            late: None,
            state: State::AwaitsHello,
        }
    }

    /// When the link must be up, on our monotonic clock.
    #[must_use]
    pub fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// After a hello that was refused since clocks are too far apart: an empty M2, which the initiator refuses for the same
    /// reason, and so hears of it. `None` after anything else: strangers are told nothing.
    #[must_use]
    pub fn clock_answer(&self, wall_ms: u64) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let key = self.late.as_ref()?;
        key.seal(FrameType::NodeAnswer, &[], wall_ms, &mut out).ok()?;
        Some(out)
    }

    /// Takes the next frame of the initiator.
    ///
    /// # Errors
    /// Why the stream must be closed, without a word. The handshake is over then.
    pub fn handle_frame(
        &mut self,
        raw: RawFrame,
        policy: &dyn PeerPolicy,
        entropy: &mut dyn Entropy,
        wall_ms: u64,
        now_ms: u64,
    ) -> Result<ResponderStep, HandshakeError> {
        if now_ms >= self.deadline_ms {
            self.state = State::Over;
            return Err(HandshakeError::TooLate);
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitsHello => self.handle_hello(&raw, entropy, wall_ms),
            State::AwaitsProof(awaits) => self.handle_proof(raw, &awaits, policy, wall_ms, now_ms),
            State::Over => Err(HandshakeError::Over),
        }
    }

    fn handle_hello(
        &mut self,
        raw: &RawFrame,
        entropy: &mut dyn Entropy,
        wall_ms: u64,
    ) -> Result<ResponderStep, HandshakeError> {
        let (authority, hello_key, frame) = self.open_hello(raw, wall_ms)?;
        let hello = Hello::parse(&frame.payload)?;
        let version = self.check_hello(&hello)?;
        let ephemeral = KeyAgreement::new(entropy);
        let head = AnswerHead {
            version,
            ephemeral: ephemeral.public(),
            random: entropy::array(entropy),
        };
        let mut answer = head.encode();
        let mut transcript = Transcript::new(self.local.cluster_id, &authority);
        transcript.absorb(&frame.payload);
        transcript.absorb(&answer);
        let secret = HandshakeSecret::agree(&transcript, ephemeral, hello.ephemeral)?;
        let proof = Proof::sign(&self.local, Signer::Responder, transcript.hash());
        let terms = self.terms;
        let mut sealed = Vec::new();
        let plain = Answer { proof, terms }.encode();
        secret.seal(Signer::Responder, &plain, wall_ms, &mut sealed)?;
        transcript.absorb(&sealed);
        answer.append(&mut sealed);

        let mut out = Vec::new();
        hello_key.seal(FrameType::NodeAnswer, &answer, wall_ms, &mut out)?;
        self.state = State::AwaitsProof(Box::new(AwaitsProof {
            hello_key,
            secret,
            transcript,
            place: hello.place,
            version,
        }));
        Ok(ResponderStep::Send(out))
    }

    /// The initiator dials under the authority of its own certificate, which may be either of those we trust.
    fn open_hello(
        &mut self,
        raw: &RawFrame,
        wall_ms: u64,
    ) -> Result<(AuthorityPublic, HandshakeKey, HandshakeFrame), HandshakeError> {
        let mut refused = FrameError::Hmac;
        for authority in self.local.authorities.iter() {
            let key = HandshakeKey::node(&authority.to_bytes(), self.local.uuid());
            match key.open(raw.clone(), FrameType::NodeHello, wall_ms) {
                Ok(frame) => return Ok((authority, key, frame)),
                Err(error @ FrameError::Clock(_)) => {
                    self.late = Some(key);
                    return Err(error.into());
                }
                Err(error) => refused = error,
            }
        }
        Err(refused.into())
    }

    fn check_hello(&self, hello: &Hello) -> Result<u8, HandshakeError> {
        if hello.cluster_id != self.local.cluster_id {
            return Err(HandshakeError::WrongCluster);
        }
        if hello.responder != self.local.uuid() {
            return Err(HandshakeError::WrongNode);
        }
        version::common(hello.version_min, hello.version).ok_or(HandshakeError::Version)
    }

    fn handle_proof(
        &self,
        raw: RawFrame,
        awaits: &AwaitsProof,
        policy: &dyn PeerPolicy,
        wall_ms: u64,
        now_ms: u64,
    ) -> Result<ResponderStep, HandshakeError> {
        let frame = awaits.hello_key.open(raw, FrameType::NodeProof, wall_ms)?;
        let opened = awaits
            .secret
            .open(Signer::Initiator, &frame.payload, frame.timestamp_ms)?;
        let proof = Proof::parse(&opened)?;
        let certificate = proof.verify(&self.local, Signer::Initiator, awaits.transcript.hash())?;
        let mut transcript = awaits.transcript.clone();
        transcript.absorb(&frame.payload);

        // From here on the peer has proved who it is: what is wrong now is told.
        let verdict = judge(&proof, awaits.place.lanes, certificate, policy, wall_ms)
            .and_then(|peer| match proof.store == self.local.store {
                true => Ok(peer),
                false => Err(Code::OtherStore),
            })
            .and_then(|peer| policy.admit(&peer, awaits.place.lane).map(|()| peer));
        let secret = |direction| awaits.secret.traffic(&transcript, direction);
        let mut sealer = FrameSealer::new(
            secret(Direction::ResponderToInitiator),
            self.terms.max_frame,
            now_ms,
        );
        let welcome = seal_welcome(&mut sealer, &verdict, wall_ms, now_ms)?;
        let peer = match verdict {
            Ok(peer) => peer,
            Err(code) => {
                let peer = certificate.uuid();
                let ahead_ms = ahead_ms(frame.timestamp_ms, wall_ms);
                return Ok(ResponderStep::Refused {
                    welcome,
                    peer,
                    code,
                    ahead_ms,
                });
            }
        };
        let mut opener = FrameOpener::new(secret(Direction::InitiatorToResponder));
        opener.establish(self.terms.max_frame);
        let node = EstablishedNode {
            peer,
            sealer,
            opener,
            lane: awaits.place.lane,
            version: awaits.version,
            terms: self.terms,
            clock: PeerClock {
                wall_ms: frame.timestamp_ms,
                at_ms: now_ms,
            },
        };
        let node = Box::new(node);
        Ok(ResponderStep::Established { welcome, node })
    }
}

fn seal_welcome(
    sealer: &mut FrameSealer,
    verdict: &Result<VerifiedPeer, Code>,
    wall_ms: u64,
    now_ms: u64,
) -> Result<Vec<u8>, HandshakeError> {
    let verdict = verdict.map(|_| ());
    let welcome = Welcome { verdict, wall_ms }.encode();
    let mut out = Vec::new();
    sealer.seal(FrameType::NodeWelcome, &welcome, wall_ms, now_ms, &mut out)?;
    Ok(out)
}
