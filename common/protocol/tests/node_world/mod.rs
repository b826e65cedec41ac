//! Two nodes and whoever sits between them: the small cluster of the node handshake tests, every key from a fixed seed.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a module of tests, of which no target uses all"
)]

use std::collections::BTreeMap;

use bytes::BytesMut;
use protocol::Code;
use protocol::entropy::CountingEntropy;
use protocol::frame::{FrameType, HandshakeKey, RawFrame};
use protocol::identity::*;
use protocol::ids::*;
use protocol::node_handshake::*;

pub const WALL_MS: u64 = 1_760_000_000_000;
pub const CLUSTER: ClusterId = ClusterId([0xc1; 16]);
/// The proxy that dials.
pub const DIALER: NodeUuid = NodeUuid([0xd1; 16]);
/// The game server that listens.
pub const LISTENER: NodeUuid = NodeUuid([0x15; 16]);

/// The store that both work on.
pub const STORE: StoreIdentity = StoreIdentity {
    world: WorldId([0x3d; 16]),
    copy: 0x0102_0304_0506_0708,
};

pub fn authority() -> AuthorityKey {
    AuthorityKey::from_seed(&[1; 32])
}

pub fn days(from: i64, until: i64) -> Validity {
    let at = |day: i64| WALL_MS as i64 + day * 86_400_000;
    Validity {
        from_ms: at(from),
        until_ms: at(until),
    }
}

pub fn node_key(uuid: NodeUuid) -> NodeKey {
    NodeKey::from_seed(&[uuid.0[0]; 32])
}

pub fn certificate(authority: &AuthorityKey, uuid: NodeUuid, validity: Validity) -> DiskCertificate {
    authority.issue(CLUSTER, uuid, validity, &[uuid.0[0]; 32])
}

/// A node whose certificate is valid for a year; its incarnation is 7, its topology version 3.
pub fn node(uuid: NodeUuid) -> LocalNode {
    node_with(&certificate(&authority(), uuid, days(-1, 364)))
}

pub fn node_with(certificate: &DiskCertificate) -> LocalNode {
    let authorities = AuthorityKeys::new(authority().public());
    let mut node = LocalNode::new(certificate, CLUSTER, authorities, Incarnation(7)).unwrap();
    node.topology_version = TopologyVersion(3);
    node.store = STORE;
    node
}

/// A topology, and whom this end of the link wants.
#[derive(Clone)]
pub struct Roster {
    pub nodes: BTreeMap<NodeUuid, PeerStanding>,
    pub roles: Vec<Role>,
    pub last_word: Result<(), Code>,
}

impl Roster {
    pub fn new() -> Self {
        let listed = |number, role, uuid| PeerStanding::Listed {
            number: NodeNumber(number),
            role,
            public: node_key(uuid).public(),
        };
        Self {
            nodes: BTreeMap::from([
                (DIALER, listed(101, Role::Proxy, DIALER)),
                (LISTENER, listed(1, Role::GameServer, LISTENER)),
            ]),
            roles: vec![Role::GameServer, Role::Proxy],
            last_word: Ok(()),
        }
    }
}

impl PeerPolicy for Roster {
    fn standing(&self, uuid: NodeUuid) -> PeerStanding {
        self.nodes.get(&uuid).copied().unwrap_or(PeerStanding::Unknown)
    }

    fn admits_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    fn admit(&self, _: &VerifiedPeer, _: Lane) -> Result<(), Code> {
        self.last_word
    }
}

/// How one side of a handshake ended.
#[derive(Debug)]
pub enum End {
    Established(Box<EstablishedNode>),
    /// The responder refused a proved peer.
    Refused(Code),
    Failed(HandshakeError),
    /// It still waits.
    Waiting,
}

impl End {
    pub fn established(self) -> EstablishedNode {
        match self {
            Self::Established(node) => *node,
            other => panic!("{other:?}"),
        }
    }

    pub fn is_established(&self) -> bool {
        matches!(self, Self::Established(_))
    }

    pub fn error(&self) -> HandshakeError {
        match self {
            Self::Failed(error) => *error,
            other => panic!("{other:?}"),
        }
    }
}

/// Both ends of one handshake.
#[derive(Clone)]
pub struct Scene {
    pub dialer: LocalNode,
    pub listener: LocalNode,
    pub dialed: NodeUuid,
    pub dialer_roster: Roster,
    pub listener_roster: Roster,
    /// The responder's wall clock; the initiator's is [`WALL_MS`].
    pub listener_wall_ms: u64,
    pub terms: LinkTerms,
    /// Entropy of the dialer; the listener's is 100 further.
    pub seed: u8,
}

impl Scene {
    pub fn new() -> Self {
        Self {
            dialer: node(DIALER),
            listener: node(LISTENER),
            dialed: LISTENER,
            dialer_roster: Roster::new(),
            listener_roster: Roster::new(),
            listener_wall_ms: WALL_MS + 40,
            terms: LinkTerms::default(),
            seed: 1,
        }
    }

    /// Runs the handshake; every frame (1..=4) passes through `between`.
    pub fn run(&self, mut between: impl FnMut(usize, Vec<u8>) -> Vec<u8>) -> (End, End) {
        let lane = Lane::new(2).unwrap();
        let mut dialer = self.dialer.clone();
        dialer.lanes = Lanes::new(4).unwrap();
        let entropy = &mut CountingEntropy(self.seed);
        let (mut initiator, m1) = Initiator::start(&dialer, self.dialed, lane, entropy, WALL_MS, 0).unwrap();
        let mut responder = Responder::new(&self.listener, self.terms, 0);
        let m2 = match self.respond(&mut responder, &between(1, m1)) {
            Ok(ResponderStep::Send(m2)) => m2,
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                let answer = responder.clock_answer(self.listener_wall_ms);
                let told = answer.map(|answer| self.initiate(&mut initiator, &between(2, answer)));
                let dialer = match told {
                    Some(Err(error)) => End::Failed(error),
                    Some(Ok(other)) => panic!("{other:?}"),
                    None => End::Waiting,
                };
                return (dialer, End::Failed(error));
            }
        };
        let m3 = match self.initiate(&mut initiator, &between(2, m2)) {
            Ok(InitiatorStep::Send(m3)) => m3,
            Ok(other) => panic!("{other:?}"),
            Err(error) => return (End::Failed(error), End::Waiting),
        };
        let (m4, listener) = match self.respond(&mut responder, &between(3, m3)) {
            Ok(ResponderStep::Established { welcome, node }) => (welcome, End::Established(node)),
            Ok(ResponderStep::Refused { welcome, code, .. }) => (welcome, End::Refused(code)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => return (End::Waiting, End::Failed(error)),
        };
        let dialer = match self.initiate(&mut initiator, &between(4, m4)) {
            Ok(InitiatorStep::Established(node)) => End::Established(node),
            Ok(other) => panic!("{other:?}"),
            Err(error) => End::Failed(error),
        };
        (dialer, listener)
    }

    pub fn respond(&self, to: &mut Responder, frame: &[u8]) -> Result<ResponderStep, HandshakeError> {
        let raw = RawFrame::parse(BytesMut::from(frame))?;
        let entropy = &mut CountingEntropy(self.seed.wrapping_add(100));
        to.handle_frame(raw, &self.listener_roster, entropy, self.listener_wall_ms, 20)
    }

    pub fn initiate(&self, to: &mut Initiator, frame: &[u8]) -> Result<InitiatorStep, HandshakeError> {
        let raw = RawFrame::parse(BytesMut::from(frame))?;
        to.handle_frame(raw, &self.dialer_roster, WALL_MS, 30)
    }

    /// The four frames of an honest run.
    pub fn record(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        self.run(|_, frame| {
            frames.push(frame.clone());
            frame
        });
        frames
    }
}

pub fn honest(_: usize, frame: Vec<u8>) -> Vec<u8> {
    frame
}

/// The hello key is public: whoever sits in between can change a payload or timestamp and compute the HMAC anew.
pub fn remade(frame: &[u8], change: impl FnOnce(&mut Vec<u8>, &mut u64)) -> Vec<u8> {
    let raw = RawFrame::parse(BytesMut::from(frame)).unwrap();
    let (mut payload, mut timestamp_ms) = (raw.payload.to_vec(), raw.header.timestamp_ms);
    change(&mut payload, &mut timestamp_ms);
    sealed_hello(raw.header.frame_type, &payload, timestamp_ms)
}

pub fn sealed_hello(frame_type: FrameType, payload: &[u8], timestamp_ms: u64) -> Vec<u8> {
    let key = HandshakeKey::node(&authority().public().to_bytes(), LISTENER);
    let mut out = Vec::new();
    key.seal(frame_type, payload, timestamp_ms, &mut out).unwrap();
    out
}
