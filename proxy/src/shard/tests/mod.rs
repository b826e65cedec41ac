//! One shard, scripted game servers and clients at the other ends of its streams, and a made-up clock.

mod clients;
mod lanes;
mod maps;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use net::link::LinkId;
use net::link_core::{Clear, DownReason, LinkCore, LinkLife, LinkRoom, Received, Sealing as _};
use protocol::Code;
use protocol::entropy::CountingEntropy;
use protocol::frame::{Close, FrameType, PeerClock};
use protocol::identity::{ClientKey, Validity};
use protocol::ids::{
    AttachNo, Lane, Lanes, NodeNumber, NodeUuid, OwnerEpoch, RegionEpoch, RegionNumber, SessionGeneration,
    SessionId, UserId,
};
use protocol::keys::{DatagramSecret, Direction, Prk};
use protocol::message::family::{
    BatchMessage as _, BatchReader, ClientToProxy, ProxyToClient, ProxyToServer, ServerToProxy,
};
use protocol::message::node::Heartbeat;
use protocol::message::{client, player, subscription};
use protocol::node_handshake::LinkTerms;
use protocol::ticket::{AccountKind, Ticket};
use topology::Topology;

use super::*;
use crate::edge::tests::TOPOLOGY;
use crate::edge::{Admission, OwnerAnswer};

pub(super) const A: NodeNumber = NodeNumber(1);
pub(super) const B: NodeNumber = NodeNumber(2);
pub(super) const WEST: RegionNumber = RegionNumber(1);
pub(super) const EAST: RegionNumber = RegionNumber(2);
pub(super) const REGION_EPOCH: u64 = 3;
/// In the west, away from the border.
pub(super) const HOME: u32 = 9;
/// Wall time at the start, Unix milliseconds.
pub(super) const START_MS: u64 = 1_700_000_000_000;
/// Where clients come from.
pub(super) const FROM: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));
/// How long tickets of these tests live, milliseconds.
pub(super) const TICKET_MS: u64 = 900_000;

/// A game server's end of a lane.
pub(super) struct ServerEnd {
    pub(super) id: LinkId,
    pub(super) core: LinkCore<ProxyToServer, ServerToProxy, Clear>,
    /// What the shard said, in order.
    pub(super) heard: Vec<ProxyToServer>,
    /// It says nothing any more, not even that it lives.
    pub(super) is_silent: bool,
}

/// A client's end of its stream.
#[derive(Default)]
pub(super) struct ClientEndpoint {
    sealing: Clear,
    pub(super) heard: Vec<ProxyToClient>,
    pub(super) closed: Option<Close>,
    /// The stream has ended.
    pub(super) is_over: bool,
}

/// Whether a client takes its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Yes,
    No,
}

/// The shard and everybody around it.
pub(super) struct Scene {
    pub(super) shard: Shard<Clear>,
    pub(super) servers: BTreeMap<NodeNumber, ServerEnd>,
    pub(super) clients: BTreeMap<ClientId, ClientEndpoint>,
    pub(super) reading: Reading,
    pub(super) now: Moment,
    pub(super) datagrams: Vec<(SocketAddr, Vec<u8>)>,
    pub(super) questions: Vec<Question>,
    pub(super) counted: Vec<&'static str>,
    pub(super) soft_dropped: u64,
    pub(super) links_ended: Vec<(NodeNumber, DownReason)>,
    /// Who told of which region how many players.
    pub(super) briefs: Vec<(NodeNumber, RegionNumber, u32)>,
    next_id: u64,
}

impl Scene {
    /// The only shard of its proxy; nobody is linked.
    pub(super) fn new() -> Self {
        Self::of(Lane::FIRST, Lanes::ONE)
    }

    pub(super) fn of(lane: Lane, lanes: Lanes) -> Self {
        let topology: Topology = topology::parse("test.toml", TOPOLOGY)
            .map_err(|_| "topology")
            .unwrap();
        let config = ShardConfig {
            edge: EdgeConfig::default(),
            messages_per_s: 200,
            stream_room: StreamRoom::default(),
            lane,
            lanes,
        };
        Self {
            shard: Shard::new(config, Arc::new(topology)),
            servers: BTreeMap::new(),
            clients: BTreeMap::new(),
            reading: Reading::Yes,
            now: Moment {
                mono_us: 1_000_000,
                wall_ms: START_MS,
            },
            datagrams: Vec::new(),
            questions: Vec::new(),
            counted: Vec::new(),
            soft_dropped: 0,
            links_ended: Vec::new(),
            briefs: Vec::new(),
            next_id: 0,
        }
    }

    /// A and B are linked, and serve their regions as the store has confirmed.
    pub(super) fn served() -> Self {
        let mut scene = Self::new();
        for (node, region) in [(A, WEST), (B, EAST)] {
            scene.link(node);
            scene.serve(node, region, REGION_EPOCH);
        }
        scene.questions.clear();
        scene
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn life(&self) -> LinkLife {
        LinkLife {
            terms: LinkTerms::default(),
            peer_clock: PeerClock {
                wall_ms: self.now.wall_ms,
                at_ms: self.now.mono_us / 1000,
            },
            until_wall_ms: i64::MAX,
        }
    }

    /// The lane to a game server comes up.
    pub(super) fn link(&mut self, node: NodeNumber) {
        self.link_with_room(node, LinkRoom::default());
    }

    /// The same, and what may wait for it.
    pub(super) fn link_with_room(&mut self, node: NodeNumber, room: LinkRoom) {
        let id = LinkId(self.next_id());
        let (ours, theirs) = [(); 2].map(|()| (Clear::default(), self.life(), self.now)).into();
        let ours = LinkCore::new(ours.0, ours.1, ours.2).with_room(room);
        let core = LinkCore::new(theirs.0, theirs.1, theirs.2);
        self.shard.link_up(id, node, ours, self.now, &mut self.datagrams);
        let end = ServerEnd {
            id,
            core,
            heard: Vec::new(),
            is_silent: false,
        };
        self.servers.insert(node, end);
        self.round();
    }

    /// A server says that it serves, and the store says so too.
    pub(super) fn serve(&mut self, node: NodeNumber, region: RegionNumber, region_epoch: u64) {
        self.announce(node, region, region_epoch);
        let serving = store::Serving {
            node,
            region,
            region_epoch: RegionEpoch(region_epoch),
        };
        self.shard
            .service_confirmed(serving, self.now, &mut self.datagrams);
        self.round();
    }

    pub(super) fn announce(&mut self, node: NodeNumber, region: RegionNumber, region_epoch: u64) {
        let serving = subscription::Serving {
            region: region.0,
            region_epoch,
            ..subscription::Serving::default()
        };
        self.says(node, serving);
    }

    /// A server says something; the round ends.
    pub(super) fn says(&mut self, node: NodeNumber, message: impl Into<ServerToProxy>) {
        let now = self.now;
        let end = self.servers.get_mut(&node).unwrap();
        end.core.push(&message.into());
        end.core.flush(now);
        let (id, bytes) = (end.id, end.core.unsent().to_vec());
        end.core.wrote(bytes.len());
        self.shard.from_server(id, &bytes, now, &mut self.datagrams);
        self.round();
    }

    /// The end of a round: everything that is to be done is done, and everybody reads what was written.
    pub(super) fn round(&mut self) {
        self.shard.settle(self.now, &mut self.datagrams);
        let mut effects = Vec::new();
        self.shard.take_effects(&mut effects);
        for effect in effects {
            self.carry_out(effect);
        }
        let now = self.now;
        for end in self.servers.values_mut() {
            self.shard.flush_link(end.id, now);
            let bytes = self.shard.link_unsent(end.id).to_vec();
            self.shard.link_wrote(end.id, bytes.len());
            end.core.receive(&bytes);
            while let Ok(Some(received)) = end.core.next(now) {
                if let Received::Message(message) = received {
                    end.heard.push(message);
                }
            }
        }
        let mut ids = Vec::new();
        self.shard.flush_clients(now, &mut ids);
        if self.reading == Reading::Yes {
            for id in ids {
                let bytes = self.shard.client_unsent(id).to_vec();
                self.shard.client_wrote(id, bytes.len());
                self.client_hears(id, &bytes);
            }
        }
    }

    fn carry_out(&mut self, effect: ShardEffect) {
        match effect {
            ShardEffect::Ask(question) => self.questions.push(question),
            ShardEffect::Beat(id, heartbeat) => self.shard.beat(id, heartbeat),
            ShardEffect::ReadOwner(..) | ShardEffect::Heard(..) | ShardEffect::Topology(..) => {}
            ShardEffect::Brief(node, brief) => self.briefs.push((node, brief.region, brief.population)),
            ShardEffect::LinkEnded(_, node, reason, _) => self.links_ended.push((node, reason)),
            ShardEffect::ClientEnded(id, _, bytes) => {
                self.client_hears(id, &bytes);
                self.clients.get_mut(&id).unwrap().is_over = true;
            }
            ShardEffect::SoftDropped(count) => self.soft_dropped += count,
            ShardEffect::Count(label) => self.counted.push(label),
        }
    }

    fn client_hears(&mut self, id: ClientId, bytes: &[u8]) {
        let now_ms = self.now.mono_us / 1000;
        let end = self.clients.get_mut(&id).unwrap();
        end.sealing.extend(bytes);
        while let Some(frame) = end.sealing.next_frame(now_ms).unwrap() {
            if frame.frame_type == FrameType::Close {
                end.closed = Some(Close::parse(&frame.payload).unwrap());
                continue;
            }
            let mut batch = BatchReader::new(frame.payload);
            while let Some(message) = batch.next_message().unwrap() {
                end.heard.push(message);
            }
        }
    }

    pub(super) fn wait(&mut self, ms: u64) {
        self.now.mono_us += ms * 1000;
        self.now.wall_ms += ms;
        self.round();
    }

    /// Time passes, and servers show that they live.
    pub(super) fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 500 {
            (0..5).for_each(|_| self.wait(100));
            for node in [A, B] {
                if self.servers.get(&node).is_some_and(|end| !end.is_silent) {
                    self.says(node, Heartbeat::default());
                }
            }
        }
    }

    /// A user's connection arrives; its end.
    pub(super) fn arrive(&mut self, user: u64, attach_no: u32) -> ClientId {
        let id = ClientId(self.next_id());
        self.clients.insert(id, ClientEndpoint::default());
        let arrival = Arrival {
            id,
            sealing: Clear::default(),
            admission: Box::new(admission(user, attach_no)),
            claims: claims(user, self.now.wall_ms),
            from: FROM,
        };
        self.shard.client_arrived(arrival, self.now, &mut self.datagrams);
        self.round();
        id
    }

    /// A client says something in one record; the round does not end.
    pub(super) fn client_says(&mut self, id: ClientId, messages: &[ClientToProxy]) {
        let mut bytes = Vec::new();
        let mut sealing = Clear::default();
        let write = |out: &mut Vec<u8>| messages.iter().for_each(|message| message.encode(out));
        sealing
            .seal(FrameType::Batch, self.now, &mut bytes, write)
            .unwrap();
        self.shard.from_client(id, &bytes, self.now, &mut self.datagrams);
    }

    /// The client says its Attach, and its signature is good.
    pub(super) fn attach(&mut self, id: ClientId, attach_no: u32) {
        self.client_says(id, &[attach(attach_no).into()]);
        self.round();
        self.shard
            .attach_verified(id, AttachVerdict::Genuine, self.now, &mut self.datagrams);
        self.round();
    }

    /// A user who plays in the west at epoch 7.
    pub(super) fn playing(&mut self, user: u64) -> ClientId {
        let id = self.arrive(user, 1);
        self.attach(id, 1);
        self.joined(user);
        id
    }

    /// A has the user, and the store confirms it.
    pub(super) fn joined(&mut self, user: u64) {
        let joined = player::Joined {
            user,
            session: Some(key(1)),
            owner_epoch: 7,
            entity: 500,
            region: WEST.0,
            region_epoch: REGION_EPOCH,
            home_cell: HOME,
            last_input: 0,
            last_command: 0,
        };
        self.says(A, joined);
        self.owned_by_a(user, 0);
    }

    /// The store says that A owns the user at epoch 7, when asked while this epoch was trusted.
    pub(super) fn owned_by_a(&mut self, user: u64, trusted: u64) {
        let answer = OwnerAnswer::Row {
            node: Some(A),
            region: WEST,
            epoch: OwnerEpoch(7),
        };
        let (user, trusted) = (UserId(user), OwnerEpoch(trusted));
        self.shard
            .owner_answered(user, trusted, answer, self.now, &mut self.datagrams);
        self.round();
    }

    /// What a server has heard since the last time.
    pub(super) fn heard_by(&mut self, node: NodeNumber) -> Vec<ProxyToServer> {
        std::mem::take(&mut self.servers.get_mut(&node).unwrap().heard)
    }

    /// The cells that a server was asked for since the last time, message by message.
    pub(super) fn subscribed(&mut self, node: NodeNumber) -> Vec<(u64, Vec<u32>)> {
        let cells = self
            .heard_by(node)
            .into_iter()
            .filter_map(|message| match message {
                ProxyToServer::Subscribe(subscribe) => Some((subscribe.region_epoch, subscribe.cells)),
                _ => None,
            });
        cells.collect()
    }

    pub(super) fn count_of(&self, label: &str) -> usize {
        self.counted.iter().filter(|counted| **counted == label).count()
    }
}

pub(super) fn attach(attach_no: u32) -> client::Attach {
    client::Attach {
        attach_no,
        signature: Bytes::from_static(&[1; 64]),
        acked_command: 0,
        acked_event: 0,
    }
}

pub(super) fn key(attach_no: u32) -> player::SessionKey {
    player::SessionKey {
        session_id: Bytes::from_static(&[9; 16]),
        session_generation: 4,
        attach_no,
    }
}

pub(super) fn input(number: u64) -> ClientToProxy {
    client::Input {
        number,
        inputs: vec![Bytes::from_static(b"go")],
        sent_at_ms: 40,
        ..Default::default()
    }
    .into()
}

pub(super) fn event(user: u64, number: u64, bytes: usize) -> player::Event {
    player::Event {
        user,
        owner_epoch: 7,
        number,
        body: vec![0; bytes].into(),
        session_generation: 4,
    }
}

fn admission(user: u64, attach_no: u32) -> Admission {
    let prk = Prk::extract(&[0; 32], b"test");
    Admission {
        user: UserId(user),
        name: "Ada".to_owned(),
        session_id: SessionId([9; 16]),
        generation: SessionGeneration(4),
        attach_no: AttachNo(attach_no),
        ticket: Bytes::from_static(&[0; 180]),
        region_hint: Some(WEST),
        cid: [user as u8, attach_no as u8, 0, 0, 0, 0, 0, 0],
        datagrams_to_proxy: DatagramSecret::new(&prk, Direction::InitiatorToResponder),
        datagrams_to_client: DatagramSecret::new(&prk, Direction::ResponderToInitiator),
    }
}

pub(super) fn claims(user: u64, from_ms: u64) -> Ticket {
    Ticket {
        issuer: NodeUuid([1; 16]),
        user: UserId(user),
        session: SessionId([9; 16]),
        session_generation: SessionGeneration(4),
        holder: ClientKey::generate(&mut CountingEntropy(1)).public(),
        validity: Validity {
            from_ms: from_ms as i64,
            until_ms: (from_ms + TICKET_MS) as i64,
        },
        auth_time_ms: from_ms as i64,
        region_hint: WEST,
        account: AccountKind::Guest,
    }
}

/// The code of the goodbye that a client heard.
pub(super) fn goodbye(scene: &Scene, id: ClientId) -> Option<Code> {
    let end = &scene.clients[&id];
    assert!(end.is_over || end.closed.is_none(), "a goodbye ends the stream");
    end.closed.as_ref().map(|close| close.code)
}
