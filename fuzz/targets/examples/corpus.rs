//! Writes the seeds of every corpus: `cargo run -p fuzz-targets --example corpus`, from the root of the project.

#![allow(clippy::unwrap_used, reason = "run by a developer, who reads what went wrong")]

use std::fs;
use std::path::Path;

use prost::Message as _;
use protocol::cell::{
    CellEncoder, CellEntity, CellPoint, Motion, PositionForm, RemoveReason, SnapshotHead, SnapshotWriter,
    StateBytes,
};
use protocol::datagram::{ConnectionId, DatagramKind, DatagramSealer};
use protocol::geometry::CellIndex;
use protocol::ids::{EntityId, OwnerEpoch};
use protocol::keys::{DatagramSecret, Direction, Prk};
use protocol::message::family::{BatchMessage, ClientToProxy, ProxyToServer, ServerToProxy, ServerToServer};
use protocol::message::{client, handover, player, subscription};

fn main() {
    write("cell", &cells());
    write("snapshot", &[snapshot(&cells()), Vec::new()]);
    write("datagram", &datagrams());
    write("batch", &batches());
    write("frame", &[header(16), header(4096), header(u32::MAX)]);
    write(
        "identity",
        &[
            magic(b"S2SC\x01", 133),
            magic(b"S2SC\x81", 133),
            magic(b"S2SV\x01", 120),
            magic(b"S2ST\x01", 180),
        ],
    );
    write("demo", &[vec![0], vec![1, 0, 0, 0, 0], vec![2; 12], vec![3; 40]]);
    let files = ["one", "two-by-two", "irregular"]
        .map(|name| fs::read(format!("deploy/topologies/{name}.toml")).unwrap());
    write("topology", &files);
}

fn write(target: &str, seeds: &[Vec<u8>]) {
    let folder = Path::new("fuzz/corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
    }
}

fn magic(start: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.resize(length, 1);
    bytes
}

/// A frame header that announces this much payload, and some of it.
fn header(payload: u32) -> Vec<u8> {
    magic(&payload.to_le_bytes(), 57 + 16)
}

fn entity(id: u64) -> CellEntity {
    CellEntity {
        id: EntityId(id),
        kind: 3,
        owner_epoch: OwnerEpoch::first(1),
        motion: Motion {
            at: CellPoint { x: 100, y: -20 },
            heading: 7,
            speed: 24,
        },
        state: StateBytes::try_from(b"hat".as_slice()).unwrap(),
        jumped: false,
    }
}

fn cells() -> Vec<Vec<u8>> {
    let mut encoder = CellEncoder::new(PositionForm::Narrow);
    let mut seeds = Vec::new();
    for slot in [0, 1, 9, 300] {
        encoder.put_add(slot, &entity(u64::from(slot) + 1)).unwrap();
    }
    seeds.push(encoder.finish_keyframe(CellIndex(1), 5).to_vec());
    encoder.put_add(4, &entity(4)).unwrap();
    seeds.push(encoder.finish_partial(CellIndex(1), 5).to_vec());
    encoder.put_move(1, CellPoint { x: 1, y: 2 }, 3).unwrap();
    encoder.put_move_with_speed(9, &entity(1).motion).unwrap();
    encoder.put_state(9, &entity(1).state).unwrap();
    encoder.put_remove(0, RemoveReason::Gone).unwrap();
    let (cell, epoch) = (CellIndex(2), OwnerEpoch::first(1));
    encoder
        .put_remove(300, RemoveReason::Moved { cell, epoch })
        .unwrap();
    seeds.push(encoder.finish_delta(CellIndex(1), 5, 6).to_vec());
    seeds
}

fn snapshot(cells: &[Vec<u8>]) -> Vec<u8> {
    let regions = [client::RegionView {
        region: 1,
        region_epoch: 2,
        tick: 3,
        server_time_ms: 4,
    }];
    let head = SnapshotHead {
        number: 1,
        tick: 2,
        own: b"own",
        regions: &regions,
        ..SnapshotHead::default()
    };
    let mut out = Vec::new();
    let mut writer = SnapshotWriter::new(&mut out, &head, 1167);
    for cell in cells {
        writer.append_cell(cell).unwrap();
    }
    out
}

fn datagrams() -> Vec<Vec<u8>> {
    let prk = Prk::extract(&[1; 32], b"golden");
    let secret = DatagramSecret::new(&prk, Direction::InitiatorToResponder);
    let mut sealer = DatagramSealer::new(secret, ConnectionId([5; 8]), 0);
    let mut seal = |kind| {
        let mut out = Vec::new();
        sealer.seal_onto(kind, b"12345678", &mut out, 0).unwrap();
        out
    };
    DatagramKind::ALL.map(&mut seal).to_vec()
}

fn encoded(message: &impl BatchMessage) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

fn batches() -> Vec<Vec<u8>> {
    let join = player::Join {
        user: 1,
        ticket: vec![1; 180].into(),
        attach: vec![2; 64].into(),
        name: "walker".to_owned(),
        ..player::Join::default()
    };
    let inputs = player::Inputs {
        user: 1,
        owner_epoch: 2,
        number: 9,
        inputs: vec![vec![1, 2].into(), vec![3].into()],
    };
    let updates = subscription::CellUpdates {
        region: 1,
        cells: cells().into_iter().map(Into::into).collect(),
        ..subscription::CellUpdates::default()
    };
    let input = client::Input::decode([8, 3, 18, 1, 7].as_slice()).unwrap();
    vec![
        [
            encoded(&ProxyToServer::from(join)),
            encoded(&ProxyToServer::from(inputs)),
        ]
        .concat(),
        encoded(&ServerToProxy::from(updates)),
        encoded(&ServerToServer::from(prepare())),
        encoded(&ClientToProxy::from(input)),
    ]
}

fn prepare() -> handover::Prepare {
    let session = player::SessionKey {
        session_id: vec![3; 16].into(),
        session_generation: 1,
        attach_no: 1,
    };
    let state = handover::PlayerState {
        user: 1,
        entity: 2,
        session: Some(session),
        client_pub: vec![4; 32].into(),
        chain_hash: vec![5; 32].into(),
        ..handover::PlayerState::default()
    };
    let passenger = handover::Passenger {
        user: 1,
        owner_epoch: 2,
        version: 3,
        state: Some(state),
        home_cell: 0,
    };
    handover::Prepare {
        from_region: 1,
        to_region: 2,
        attempt: 1,
        passengers: vec![passenger],
        ..handover::Prepare::default()
    }
}
