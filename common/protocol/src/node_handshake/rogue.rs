//! Tests only: peers that have a certificate and keys of their own, and lie with them.

use bytes::BytesMut;

use super::answer::{Answer, AnswerHead};
use super::established::LinkTerms;
use super::hello::Hello;
use super::initiator::{Initiator, InitiatorStep};
use super::lane::LaneOfMany;
use super::policy::{PeerPolicy, PeerStanding};
use super::proof::{Proof, Signer};
use super::responder::{Responder, ResponderStep};
use super::schedule::{HandshakeSecret, Transcript};
use super::*;
use crate::entropy::CountingEntropy;
use crate::frame::{FrameType, HandshakeKey, RawFrame};
use crate::identity::{AuthorityKey, AuthorityKeys, CertificateError, Role, Validity};
use crate::ids::{ClusterId, Incarnation, NodeNumber, NodeUuid};
use crate::keys::KeyAgreement;

const WALL_MS: u64 = 1_760_000_000_000;
const CLUSTER: ClusterId = ClusterId([0xc1; 16]);
const DIALER: NodeUuid = NodeUuid([0xd1; 16]);
const LISTENER: NodeUuid = NodeUuid([0x15; 16]);
/// A node of the cluster that has turned.
const ROGUE: NodeUuid = NodeUuid([0x66; 16]);

struct Everybody;

impl PeerPolicy for Everybody {
    fn standing(&self, uuid: NodeUuid) -> PeerStanding {
        PeerStanding::Listed {
            number: NodeNumber(1),
            role: Role::GameServer,
            public: node(uuid).key.public(),
        }
    }

    fn admits_role(&self, _: Role) -> bool {
        true
    }
}

fn node(uuid: NodeUuid) -> LocalNode {
    node_of(&AuthorityKey::from_seed(&[1; 32]), uuid)
}

fn node_of(authority: &AuthorityKey, uuid: NodeUuid) -> LocalNode {
    let validity = Validity {
        from_ms: 0,
        until_ms: i64::MAX,
    };
    let certificate = authority.issue(CLUSTER, uuid, validity, &[uuid.0[0]; 32]);
    let authorities = AuthorityKeys::new(authority.public());
    LocalNode::new(&certificate, CLUSTER, authorities, Incarnation(1)).unwrap()
}

fn frame(kind: FrameType, payload: &[u8]) -> RawFrame {
    let mut out = Vec::new();
    let key = HandshakeKey::node(&node(LISTENER).authority.to_bytes(), LISTENER);
    key.seal(kind, payload, WALL_MS, &mut out).unwrap();
    RawFrame::parse(BytesMut::from(&out[..])).unwrap()
}

/// What an initiator that dials the listener makes of an M2 whose sealed part is this liar's.
fn answered(liar: &LocalNode, signer: Signer, version: u8) -> Result<InitiatorStep, HandshakeError> {
    let entropy = &mut CountingEntropy(1);
    let lane = Lane::default();
    let (mut initiator, m1) = Initiator::start(&node(DIALER), LISTENER, lane, entropy, WALL_MS, 0).unwrap();
    let m1 = RawFrame::parse(BytesMut::from(&m1[..])).unwrap().payload;
    let ephemeral = KeyAgreement::new(&mut CountingEntropy(99));
    let head = AnswerHead {
        version,
        ephemeral: ephemeral.public(),
        random: [0; 32],
    };
    let mut answer = head.encode();
    let mut transcript = Transcript::new(CLUSTER, &node(LISTENER).authority);
    transcript.absorb(&m1);
    transcript.absorb(&answer);
    let theirs = Hello::parse(&m1).unwrap().ephemeral;
    let secret = HandshakeSecret::agree(&transcript, ephemeral, theirs).unwrap();
    let proof = Proof::sign(liar, signer, transcript.hash());
    let terms = LinkTerms::default();
    let plain = Answer { proof, terms }.encode();
    secret
        .seal(Signer::Responder, &plain, WALL_MS, &mut answer)
        .unwrap();
    initiator.handle_frame(frame(FrameType::NodeAnswer, &answer), &Everybody, WALL_MS, 1)
}

/// What the listener makes of an M3 by this liar.
fn proved(liar: &LocalNode, signer: Signer) -> Result<ResponderStep, HandshakeError> {
    let ephemeral = KeyAgreement::new(&mut CountingEntropy(1));
    let hello = Hello {
        version: VERSION,
        version_min: VERSION_MIN,
        place: LaneOfMany::new(Lane::FIRST, Lanes::ONE).unwrap(),
        cluster_id: CLUSTER,
        responder: LISTENER,
        ephemeral: ephemeral.public(),
        random: [0; 32],
        topology_version: liar.topology_version,
    };
    let m1 = hello.encode();
    let mut responder = Responder::new(&node(LISTENER), LinkTerms::default(), 0);
    let mut take = |raw| responder.handle_frame(raw, &Everybody, &mut CountingEntropy(50), WALL_MS, 1);
    let Ok(ResponderStep::Send(m2)) = take(frame(FrameType::NodeHello, &m1)) else {
        panic!("an honest M1")
    };
    let m2 = RawFrame::parse(BytesMut::from(&m2[..])).unwrap().payload;
    let (head, head_bytes, sealed) = answer::split(&m2).unwrap();
    let mut transcript = Transcript::new(CLUSTER, &node(LISTENER).authority);
    transcript.absorb(&m1);
    transcript.absorb(head_bytes);
    let secret = HandshakeSecret::agree(&transcript, ephemeral, head.ephemeral).unwrap();
    transcript.absorb(sealed);
    let mut m3 = Vec::new();
    let plain = Proof::sign(liar, signer, transcript.hash()).encode();
    secret.seal(Signer::Initiator, &plain, WALL_MS, &mut m3).unwrap();
    take(frame(FrameType::NodeProof, &m3))
}

/// The rogue with somebody else's certificate, which is no secret.
fn with_certificate_of(victim: NodeUuid) -> LocalNode {
    LocalNode {
        certificate: node(victim).certificate,
        ..node(ROGUE)
    }
}

#[test]
fn nh_15_the_liars_of_these_tests_are_believed_when_they_do_not_lie() {
    assert!(answered(&node(LISTENER), Signer::Responder, VERSION).is_ok());
    let step = proved(&node(DIALER), Signer::Initiator);
    assert!(matches!(step, Ok(ResponderStep::Established { .. })));
}

#[test]
fn nh_15_a_certificate_without_its_key_proves_nothing() {
    let answer = answered(&with_certificate_of(LISTENER), Signer::Responder, VERSION);
    assert_eq!(answer.unwrap_err(), HandshakeError::Signature);
    let proof = proved(&with_certificate_of(DIALER), Signer::Initiator);
    assert_eq!(proof.unwrap_err(), HandshakeError::Signature);
}

#[test]
fn nh_15_a_signature_counts_only_for_its_side() {
    let answer = answered(&node(LISTENER), Signer::Initiator, VERSION);
    assert_eq!(answer.unwrap_err(), HandshakeError::Signature);
    let proof = proved(&node(DIALER), Signer::Responder);
    assert_eq!(proof.unwrap_err(), HandshakeError::Signature);
}

#[test]
fn nh_2_a_node_of_the_cluster_cannot_answer_for_another() {
    let answer = answered(&node(ROGUE), Signer::Responder, VERSION);
    assert_eq!(answer.unwrap_err(), HandshakeError::WrongNode);
}

#[test]
fn nh_8_a_stranger_to_the_authority_is_told_nothing() {
    let stranger = node_of(&AuthorityKey::from_seed(&[9; 32]), DIALER);
    let not_signed = HandshakeError::Certificate(CertificateError::NotSigned);
    assert_eq!(proved(&stranger, Signer::Initiator).unwrap_err(), not_signed);
    let stranger = node_of(&AuthorityKey::from_seed(&[9; 32]), LISTENER);
    let answer = answered(&stranger, Signer::Responder, VERSION);
    assert_eq!(answer.unwrap_err(), not_signed);
}

#[test]
fn nh_3_an_initiator_refuses_a_version_it_did_not_offer() {
    for version in [0, VERSION + 1, u8::MAX] {
        let answer = answered(&node(LISTENER), Signer::Responder, version);
        assert_eq!(answer.unwrap_err(), HandshakeError::Version);
    }
}
