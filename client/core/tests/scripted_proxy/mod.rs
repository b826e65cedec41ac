//! A scripted proxy: it answers a handshake as it is told to, and keeps what it hears.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "a test may, and not each needs all of it"
)]

use std::net::SocketAddr;

use protocol::Code;
use protocol::client_handshake::{
    EstablishedClient, LoginRequest, PendingLogin, ProxyIdentity, ProxyResponder, Refusal, Versions, Welcome,
};
use protocol::entropy::CountingEntropy;
use protocol::frame::{FrameDecoder, FrameOpener, FrameSealer, FrameType, HandshakeKey};
use protocol::identity::{AuthorityKey, NodeKey, Role, Validity};
use protocol::ids::{ClusterId, NodeUuid, RegionNumber, SessionGeneration, SessionId, UserId};
use protocol::limits;
use protocol::message::family::{BatchMessage as _, BatchReader, ClientToProxy, ProxyToClient};
use protocol::ticket::{AccountKind, Ticket};

pub(crate) const CLUSTER: ClusterId = ClusterId([7; 16]);
pub(crate) const PROXY: NodeUuid = NodeUuid([9; 16]);
pub(crate) const WALL_MS: u64 = 1_800_000_000_000;

pub(crate) fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

pub(crate) fn authority() -> AuthorityKey {
    AuthorityKey::from_seed(&[1; 32])
}

fn validity() -> Validity {
    Validity {
        from_ms: WALL_MS as i64,
        until_ms: WALL_MS as i64 + 600_000,
    }
}

/// What a proxy is at with one client.
enum Stage {
    Hello,
    Login(Box<ProxyResponder>),
    Established(Box<(FrameOpener, FrameSealer)>),
}

pub(crate) struct Proxy {
    decoder: FrameDecoder,
    stage: Stage,
    refuses: Option<Code>,
    pub(crate) login: Option<LoginRequest>,
    pub(crate) heard: Vec<ClientToProxy>,
    pub(crate) says: Vec<u8>,
}

impl Proxy {
    pub(crate) fn new(refuses: Option<Code>) -> Self {
        Self {
            decoder: FrameDecoder::new(),
            stage: Stage::Hello,
            refuses,
            login: None,
            heard: Vec::new(),
            says: Vec::new(),
        }
    }

    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        self.decoder.extend(bytes);
        let frames = HandshakeKey::client(&authority().public().to_bytes(), CLUSTER);
        loop {
            if let Stage::Established(keys) = &mut self.stage {
                let Some(frame) = self.decoder.next_frame(&mut keys.0, 0).unwrap() else {
                    return;
                };
                let mut reader = BatchReader::new(frame.payload);
                while let Some(message) = reader.next_message::<ClientToProxy>().unwrap() {
                    self.heard.push(message);
                }
                continue;
            }
            let max = limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX;
            let Some(raw) = self.decoder.next_raw(max, 0).unwrap() else {
                return;
            };
            let says = &mut self.says;
            self.stage = match std::mem::replace(&mut self.stage, Stage::Hello) {
                Stage::Hello => {
                    let c1 = frames.open(raw, FrameType::ClientHello, WALL_MS).unwrap();
                    let mut entropy = CountingEntropy(100);
                    let (responder, p2) =
                        ProxyResponder::receive_c1(&identity(), &c1.payload, WALL_MS, &mut entropy).unwrap();
                    frames.seal(FrameType::ProxyAnswer, &p2, WALL_MS, says).unwrap();
                    Stage::Login(Box::new(responder))
                }
                Stage::Login(responder) => {
                    let c3 = frames.open(raw, FrameType::ClientLogin, WALL_MS).unwrap();
                    let (login, pending) = responder.open_c3(&c3.payload).unwrap();
                    let (p4, keys) = answer(pending, &login, self.refuses);
                    self.login = Some(login);
                    frames.seal(FrameType::ProxyWelcome, &p4, WALL_MS, says).unwrap();
                    keys.map_or(Stage::Hello, |keys| Stage::Established(Box::new(streams(keys))))
                }
                Stage::Established(_) => return,
            };
        }
    }

    pub(crate) fn say(&mut self, message: impl Into<ProxyToClient>) {
        let Stage::Established(keys) = &mut self.stage else {
            panic!("nobody is in")
        };
        let message: ProxyToClient = message.into();
        keys.1
            .seal_with(FrameType::Batch, WALL_MS, 0, &mut self.says, |out| {
                message.encode(out);
            })
            .unwrap();
    }
}

fn identity() -> ProxyIdentity {
    let seed = [4; 32];
    ProxyIdentity {
        cluster_id: CLUSTER,
        authority: authority().public(),
        certificate: authority().issue(CLUSTER, PROXY, validity(), &seed).wire(),
        voucher: authority().vouch(CLUSTER, PROXY, Role::Proxy, validity()),
        key: NodeKey::from_seed(&seed),
        versions: Versions::default(),
    }
}

fn answer(
    pending: PendingLogin,
    login: &LoginRequest,
    refuses: Option<Code>,
) -> (Vec<u8>, Option<EstablishedClient>) {
    if let Some(code) = refuses {
        let refusal = Refusal {
            code,
            retry_ms: 0,
            reason: String::new(),
            proxies: Vec::new(),
            wall_ms: WALL_MS,
        };
        return (pending.refuse(&refusal).unwrap(), None);
    }
    let (user, session, generation) = (UserId(5), SessionId([3; 16]), SessionGeneration(1));
    let claims = Ticket {
        issuer: PROXY,
        user,
        session,
        session_generation: generation,
        holder: login.client,
        validity: validity(),
        auth_time_ms: WALL_MS as i64,
        region_hint: RegionNumber(0),
        account: AccountKind::Guest,
    };
    let welcome = Welcome {
        user,
        session,
        session_generation: generation,
        ticket: claims.issue(CLUSTER, &NodeKey::from_seed(&[4; 32])),
        datagram_cid: [0; 8],
        datagram_address: None,
        proxies: Vec::new(),
        wall_ms: WALL_MS,
    };
    let (p4, keys) = pending.accept(&welcome).unwrap();
    (p4, Some(keys))
}

fn streams(keys: EstablishedClient) -> (FrameOpener, FrameSealer) {
    let mut opener = FrameOpener::new(keys.client_to_proxy);
    opener.establish(limits::CLIENT_RECORD_BYTES_MAX);
    let sealer = FrameSealer::new(keys.proxy_to_client, limits::FRAME_PAYLOAD_BYTES_MAX, 0);
    (opener, sealer)
}
