//! One shard, two scripted game servers and a made-up clock.

mod cut_off;
mod limits;
mod news;
mod ownership;
mod silence;
mod views;
mod visibility;

use std::sync::Arc;

use bytes::Bytes;
use protocol::cell::{CellEncoder, CellEntity, CellPoint, DecodedCell, Motion, PositionForm};
use protocol::geometry::{CellIndex, Position};
use protocol::ids::{
    AttachNo, EntityId, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, SessionGeneration, SessionId,
    UserId,
};
use protocol::keys::{DatagramSecret, Direction, Prk};
use protocol::message::client;
use protocol::message::family::{ClientToProxy, ProxyToClient, ProxyToServer, ServerToProxy};
use protocol::message::{player, subscription};
use topology::Topology;

use super::{Admission, Edge, EdgeConfig, EdgeEffect, EdgeInput, OwnerAnswer, RegionCells, SessionHandle};

pub(super) const A: NodeNumber = NodeNumber(1);
pub(super) const B: NodeNumber = NodeNumber(2);
pub(super) const WEST: RegionNumber = RegionNumber(1);
pub(super) const EAST: RegionNumber = RegionNumber(2);
pub(super) const USER: UserId = UserId(77);
pub(super) const REGION_EPOCH: u64 = 3;

/// Two servers with half of the world each.
pub(crate) const TOPOLOGY: &str = r#"
[world]
name = "test"
size = [256, 128]
cell_size = 32
view_rings = 1
border_cells = 1
tick_hz = 20
handover_margin = 1.0

[[server]]
name = "a"
number = 1
peer = "127.0.0.1:0"
proxy = "127.0.0.1:0"

[[server]]
name = "b"
number = 2
peer = "127.0.0.1:0"
proxy = "127.0.0.1:0"

[[proxy]]
name = "edge"
number = 101
tcp = "127.0.0.1:0"
udp = "127.0.0.1:0"
http = "127.0.0.1:0"

[[proxy]]
name = "other"
number = 102
tcp = "127.0.0.1:0"
udp = "127.0.0.1:0"
http = "127.0.0.1:0"

[grid]
columns = 2
rows = 1
servers = ["a", "b"]
"#;

/// A shard under test, with everything it did so far.
pub(super) struct Table {
    pub(super) edge: Edge,
    pub(super) topology: Arc<Topology>,
    pub(super) now_ms: u64,
    pub(super) effects: Vec<EdgeEffect>,
    pub(super) datagrams: Vec<(std::net::SocketAddr, Vec<u8>)>,
}

impl Table {
    /// Both servers are up and serve their region.
    pub(super) fn new() -> Self {
        let mut table = Self::of(TOPOLOGY);
        for (node, region) in [(A, WEST), (B, EAST)] {
            table.server_starts(node, region, REGION_EPOCH);
        }
        table.effects.clear();
        table
    }

    /// Nobody serves anything yet.
    pub(super) fn of(topology: &str) -> Self {
        let topology = Arc::new(
            topology::parse("test.toml", topology)
                .map_err(|_| "topology")
                .unwrap(),
        );
        let edge = Edge::new(EdgeConfig::default(), Arc::clone(&topology));
        Self {
            edge,
            topology,
            now_ms: 1_000,
            effects: Vec::new(),
            datagrams: Vec::new(),
        }
    }

    pub(super) fn server_starts(&mut self, node: NodeNumber, region: RegionNumber, region_epoch: u64) {
        self.give(EdgeInput::ServerUp(node));
        self.give(EdgeInput::Serving(
            node,
            subscription::Serving {
                region: region.0,
                region_epoch,
                ..subscription::Serving::default()
            },
        ));
    }

    pub(super) fn give(&mut self, input: EdgeInput) {
        self.edge.handle(input, self.now_ms, &mut self.datagrams);
        self.edge.take_effects(&mut self.effects);
    }

    pub(super) fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
        self.edge.tick(self.now_ms, &mut self.datagrams);
        self.edge.take_effects(&mut self.effects);
    }

    pub(super) fn take(&mut self) -> Vec<EdgeEffect> {
        std::mem::take(&mut self.effects)
    }

    /// Admits the user with this attach number and gives its handle.
    pub(super) fn admit(&mut self, attach_no: u32) -> SessionHandle {
        self.give(EdgeInput::Admit(Box::new(self.admission(attach_no))));
        let admitted = self.effects.iter().rev().find_map(|effect| match effect {
            EdgeEffect::Admitted(USER, handle, _) => Some(*handle),
            _ => None,
        });
        admitted.unwrap()
    }

    /// What a login handshake ends with.
    pub(super) fn admission(&self, attach_no: u32) -> Admission {
        let prk = Prk::extract(&[0; 32], b"test");
        Admission {
            user: USER,
            name: "Ada".to_owned(),
            session_id: SessionId([9; 16]),
            generation: SessionGeneration(4),
            attach_no: AttachNo(attach_no),
            ticket: Bytes::from_static(&[0; 180]),
            region_hint: Some(WEST),
            cid: [attach_no as u8; 8],
            datagrams_to_proxy: DatagramSecret::new(&prk, Direction::InitiatorToResponder),
            datagrams_to_client: DatagramSecret::new(&prk, Direction::ResponderToInitiator),
        }
    }

    pub(super) fn attach(&mut self, handle: SessionHandle, attach_no: u32) {
        let attach = client::Attach {
            attach_no,
            signature: Bytes::from_static(&[1; 64]),
            acked_command: 0,
            acked_event: 0,
        };
        self.give(EdgeInput::FromClient(handle, attach.into()));
    }

    /// A session that plays in the west under `epoch` with its home in `cell`.
    pub(super) fn playing(&mut self, epoch: u64, cell: u32) -> SessionHandle {
        let handle = self.admit(1);
        self.attach(handle, 1);
        self.server(A, joined(1, WEST, epoch, cell));
        self.answer(Some(A), WEST, epoch);
        self.effects.clear();
        handle
    }

    pub(super) fn server(&mut self, node: NodeNumber, message: impl Into<ServerToProxy>) {
        self.give(EdgeInput::FromServer(node, message.into()));
    }

    pub(super) fn answer(&mut self, node: Option<NodeNumber>, region: RegionNumber, epoch: u64) {
        // Asked under whatever was trusted last.
        let session = self.edge.session_views().next();
        let trusted = session
            .and_then(|session| session.owner)
            .map_or(0, |owner| owner.2.0);
        self.give(EdgeInput::Owner(
            USER,
            OwnerEpoch(trusted),
            OwnerAnswer::Row {
                node,
                region,
                epoch: OwnerEpoch(epoch),
            },
        ));
    }

    pub(super) fn client(&mut self, handle: SessionHandle, message: impl Into<ClientToProxy>) {
        self.give(EdgeInput::FromClient(handle, message.into()));
    }

    pub(super) fn sent_to_servers(&mut self) -> Vec<(NodeNumber, ProxyToServer)> {
        let sent = self.take().into_iter().filter_map(|effect| match effect {
            EdgeEffect::ToServer(node, message) => Some((node, message)),
            _ => None,
        });
        sent.collect()
    }

    /// The newest snapshot sent over TCP.
    pub(super) fn snapshot(&self) -> Option<&client::Snapshot> {
        self.effects.iter().rev().find_map(|effect| match effect {
            EdgeEffect::ToClient(_, ProxyToClient::Snapshot(snapshot)) => Some(snapshot),
            _ => None,
        })
    }

    pub(super) fn cells(&mut self, node: NodeNumber, region: RegionNumber, tick: u64, cells: Vec<Bytes>) {
        let grid = self.topology.world().grid();
        let decoded = cells.into_iter().map(|bytes| {
            let decoded = DecodedCell::parse(&bytes, &grid).unwrap();
            (bytes, decoded)
        });
        let cells = RegionCells {
            node,
            region,
            region_epoch: RegionEpoch(REGION_EPOCH),
            tick,
            server_time_ms: tick * 50,
            cells: decoded.collect(),
        };
        self.give(EdgeInput::Cells(cells));
    }

    pub(super) fn tick_end(&mut self, node: NodeNumber, region: RegionNumber, tick: u64) {
        self.give(EdgeInput::TickEnd(
            node,
            subscription::TickEnd {
                region: region.0,
                region_epoch: REGION_EPOCH,
                tick,
                server_time_ms: tick * 50,
                outputs: 0,
                cells: 0,
            },
        ));
    }

    pub(super) fn encoder(&self) -> CellEncoder {
        CellEncoder::new(PositionForm::of(&self.topology.world().grid()))
    }

    pub(super) fn entity(&self, id: u64, cell: CellIndex, at: Position) -> CellEntity {
        let grid = self.topology.world().grid();
        let motion = Motion {
            at: CellPoint::of(at, cell, &grid),
            heading: 0,
            speed: 0,
        };
        CellEntity {
            id: EntityId(id),
            kind: 1,
            owner_epoch: OwnerEpoch(1),
            motion,
            state: Default::default(),
            jumped: false,
        }
    }
}

pub(super) fn key(attach_no: u32) -> player::SessionKey {
    player::SessionKey {
        session_id: Bytes::from_static(&[9; 16]),
        session_generation: 4,
        attach_no,
    }
}

pub(super) fn joined(attach_no: u32, region: RegionNumber, epoch: u64, home_cell: u32) -> player::Joined {
    player::Joined {
        user: USER.0,
        session: Some(key(attach_no)),
        owner_epoch: epoch,
        entity: 500,
        region: region.0,
        region_epoch: REGION_EPOCH,
        home_cell,
        last_input: 0,
        last_command: 0,
    }
}

pub(super) fn output(epoch: u64, home_cell: u32, own: &'static [u8]) -> player::Output {
    player::Output {
        user: USER.0,
        owner_epoch: epoch,
        tick: 10,
        input_ack: 5,
        home_cell,
        own: Bytes::from_static(own),
        discontinuity: 0,
        cells: Vec::new(),
    }
}

pub(super) fn command(number: u64) -> client::Command {
    client::Command {
        number,
        class: 1,
        body: Bytes::from_static(b"dig"),
    }
}

pub(super) fn input(number: u64) -> client::Input {
    client::Input {
        number,
        inputs: vec![Bytes::from_static(b"go")],
        sent_at_ms: 40,
        ..Default::default()
    }
}

pub(super) fn moved(from_epoch: u64, node: NodeNumber, region: RegionNumber, epoch: u64) -> player::Moved {
    player::Moved {
        user: USER.0,
        from_epoch,
        node: u32::from(node.0),
        region: region.0,
        owner_epoch: epoch,
    }
}

pub(super) fn here(region: RegionNumber, epoch: u64, home_cell: u32) -> player::Here {
    player::Here {
        user: USER.0,
        owner_epoch: epoch,
        region: region.0,
        region_epoch: REGION_EPOCH,
        home_cell,
        entity: 500,
        last_input: 0,
        last_command: 0,
        session: Some(key(1)),
    }
}
