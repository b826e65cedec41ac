//! The scripts that any client can be held against: this client keeps them, and they are what this client and a proxy say
//! to each other. To write them anew: `REGIONMESH_WRITE_VECTORS=1 cargo test -p client-core --test vectors`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod scripted_proxy;

use std::fmt::Write as _;
use std::path::PathBuf;

use bytes::Bytes;
use client_core::conformance::{Run, check};
use prost::Message as _;
use protocol::Code;
use protocol::cell::{
    CellEncoder, CellEntity, CellPoint, Motion, PositionForm, RemoveReason, SnapshotHead, SnapshotWriter,
    StateBytes,
};
use protocol::geometry::CellIndex;
use protocol::ids::{EntityId, OwnerEpoch};
use protocol::message::client;
use scripted_proxy::{CLUSTER, Proxy, WALL_MS, authority};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../common/protocol/vectors")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A script as it is written, with the proxy that its client talks to.
struct Script {
    text: String,
    run: Run,
    proxy: Proxy,
}

impl Script {
    fn new(title: &str) -> Self {
        let mut script = Self {
            text: format!("# {title}\n\n"),
            run: Run::default(),
            proxy: Proxy::new(None),
        };
        script.step(&format!("clock 1000 {WALL_MS}"));
        let (key, cluster) = (hex(&authority().public().to_bytes()), hex(&CLUSTER.0));
        let entropy: Vec<u8> = (0..224).collect();
        script.step(&format!("login {key} {cluster} Ada {}", hex(&entropy)));
        script
    }

    fn comment(&mut self, words: &str) {
        write!(self.text, "\n# {words}\n").unwrap();
    }

    /// Does a step, writes down what follows, and carries what is sent to the proxy and back.
    fn step(&mut self, step: &str) {
        writeln!(self.text, "> {step}").unwrap();
        for line in self.run.step(step).unwrap() {
            writeln!(self.text, "= {line}").unwrap();
            if let Some(sent) = line.strip_prefix("send ") {
                let bytes = sent.as_bytes().chunks(2);
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
                self.proxy.hear(&bytes.map(byte).collect::<Vec<u8>>());
            }
        }
        self.receive();
    }

    fn receive(&mut self) {
        let said = std::mem::take(&mut self.proxy.says);
        if !said.is_empty() {
            self.step(&format!("receive {}", hex(&said)));
        }
    }

    fn connects(&mut self, proxy: Proxy) {
        self.proxy = proxy;
        self.step("connected");
    }

    fn says(&mut self, message: impl Into<protocol::message::family::ProxyToClient>) {
        self.proxy.say(message);
        self.receive();
    }

    fn snapshot(&mut self, head: &SnapshotHead<'_>, cells: &[Bytes]) {
        let mut bytes = Vec::new();
        let mut writer = SnapshotWriter::new(&mut bytes, head, 1_200);
        for cell in cells {
            writer.append_cell(cell).unwrap();
        }
        self.says(client::Snapshot::decode(&bytes[..]).unwrap());
        self.step("view");
    }
}

fn world() -> client::World {
    let region = |number, min_x, max_x| client::Region {
        number,
        min_x,
        min_y: 0,
        max_x,
        max_y: 64,
    };
    client::World {
        width: 128,
        height: 64,
        cell_size: 32,
        view_rings: 1,
        far_rings: 0,
        tick_hz: 20,
        regions: vec![region(1, 0, 64), region(2, 64, 128)],
        game: "scripted".to_owned(),
        game_version: 1,
    }
}

fn entity(id: u64, epoch: u64, x: i16, state: &[u8]) -> CellEntity {
    CellEntity {
        id: EntityId(id),
        kind: 1,
        owner_epoch: OwnerEpoch(epoch),
        motion: Motion {
            at: CellPoint { x, y: 640 },
            heading: 64,
            speed: 24,
        },
        state: StateBytes::try_from(state).unwrap(),
        jumped: false,
    }
}

fn region(number: u32, tick: u64) -> client::RegionView {
    client::RegionView {
        region: number,
        region_epoch: 3,
        tick,
        server_time_ms: WALL_MS + tick,
    }
}

fn head(number: u32, regions: &[client::RegionView]) -> SnapshotHead<'_> {
    SnapshotHead {
        number,
        tick: 100 + u64::from(number),
        input_ack: 0,
        own: b"own",
        owner_epoch: 5,
        regions,
        echo_ms: 0,
        echo_held_ms: 0,
        home_cell: CellIndex(1),
        discontinuity: 0,
    }
}

fn handshake() -> String {
    let mut script =
        Script::new("A guest logs in, is lost, comes back by its ticket, and is turned away for good.");
    script.comment("C1, P2, C3, P4, and the attach as the first frame under the traffic keys");
    script.connects(Proxy::new(None));
    script.says(client::Playing {
        entity: 77,
        owner_epoch: 5,
        region: 1,
        node: 4,
        last_input: 0,
        last_command: 0,
    });
    script.comment("a command waits for the next connection, where it comes behind the attach");
    script.step("lost");
    script.step("command durable 110600000000000000");
    script.connects(Proxy::new(None));
    script.says(client::CommandAck { number: 1 });
    script.step("lost");
    script.connects(Proxy::new(Some(Code::Superseded)));
    script.text
}

fn frames() -> String {
    let mut script = Script::new(
        "Frames after the handshake: in pieces, several at once, and one that was changed on the way.",
    );
    script.connects(Proxy::new(None));
    script.comment("two events in two frames that come in three pieces");
    for number in [3, 4] {
        script.proxy.say(client::Event {
            number,
            body: Bytes::from_static(b"hi"),
        });
    }
    let said = std::mem::take(&mut script.proxy.says);
    for piece in [&said[..20], &said[20..90], &said[90..]] {
        script.step(&format!("receive {}", hex(piece)));
    }
    script.comment("the same event again is acknowledged and not told");
    script.says(client::Event {
        number: 4,
        body: Bytes::from_static(b"hi"),
    });
    script.comment("three inputs: each repeats up to two before it");
    for input in ["40ff", "41ff", "4200"] {
        script.step(&format!("input {input}"));
    }
    script.comment("one bit of the tag is another one: the connection is over");
    script.proxy.say(client::Event {
        number: 5,
        body: Bytes::from_static(b"no"),
    });
    let mut said = std::mem::take(&mut script.proxy.says);
    *said.last_mut().unwrap() ^= 1;
    script.step(&format!("receive {}", hex(&said)));
    script.text
}

fn cells_and_snapshots() -> String {
    let mut script = Script::new("Cells and snapshots: what is in view after each.");
    script.connects(Proxy::new(None));
    script.says(world());
    let mut cell = CellEncoder::new(PositionForm::Narrow);
    script.comment("a keyframe of cell 1 with two entities in slots 0 and 7");
    cell.put_add(0, &entity(1 << 40 | 1, 5, 64, b"ada")).unwrap();
    cell.put_add(7, &entity(1 << 40 | 2, 2 << 48 | 1, 1_900, b""))
        .unwrap();
    let keyframe = cell.finish_keyframe(CellIndex(1), 10);
    script.snapshot(&head(1, &[region(1, 101)]), &[keyframe]);
    script.comment("a delta: the first walks, the second has another state");
    cell.clear();
    cell.put_move(0, CellPoint { x: 96, y: 640 }, 65).unwrap();
    cell.put_state(7, &StateBytes::try_from(&b"bob"[..]).unwrap())
        .unwrap();
    let delta = cell.finish_delta(CellIndex(1), 10, 11);
    script.snapshot(&head(2, &[region(1, 102)]), std::slice::from_ref(&delta));
    script.comment("the same snapshot late: neither used nor acknowledged");
    script.snapshot(&head(2, &[region(1, 102)]), &[delta]);
    script.comment("the second crosses the border into cell 2 of region 2, where its epoch is higher");
    cell.clear();
    let moved = RemoveReason::Moved {
        cell: CellIndex(2),
        epoch: OwnerEpoch(2 << 48 | 2),
    };
    cell.put_remove(7, moved).unwrap();
    let removed = cell.finish_delta(CellIndex(1), 11, 12);
    cell.clear();
    cell.put_add(3, &entity(1 << 40 | 2, 2 << 48 | 2, 32, b"bob"))
        .unwrap();
    let appeared = cell.finish_keyframe(CellIndex(2), 40);
    let regions = [region(1, 103), region(2, 9_000)];
    script.snapshot(&head(3, &regions), &[removed, appeared]);
    script.comment("a delta from a state that was never seen changes nothing");
    cell.clear();
    cell.put_move(3, CellPoint { x: 640, y: 640 }, 0).unwrap();
    let gap = cell.finish_delta(CellIndex(2), 60, 61);
    script.snapshot(&head(4, &regions), &[gap]);
    script.comment("a partial adds and removes nobody");
    cell.clear();
    cell.put_add(4, &entity(1 << 40 | 3, 9, 128, b"eve")).unwrap();
    let partial = cell.finish_partial(CellIndex(2), 41);
    script.snapshot(&head(5, &regions), &[partial]);
    script.comment("the acknowledgement goes with the next input");
    script.step("input 0000");
    script.text
}

#[test]
fn this_client_keeps_the_scripts_and_they_are_what_it_and_a_proxy_say() {
    let scripts = [
        ("handshake.txt", handshake()),
        ("frames.txt", frames()),
        ("cells.txt", cells_and_snapshots()),
    ];
    for (name, text) in scripts {
        let path = folder().join(name);
        if std::env::var_os("REGIONMESH_WRITE_VECTORS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(
            written == text,
            "{name} is of another protocol; see the head of this test"
        );
        assert!(check(&written).unwrap() > 10, "{name}");
    }
}

#[test]
fn a_client_that_does_otherwise_is_told_at_which_line() {
    let script = frames();
    let (sent, other) = ("= send ", "= send 00");
    let at = script.lines().position(|line| line.starts_with(sent)).unwrap();
    let error = check(&script.replacen(sent, other, 1)).unwrap_err();
    assert!(error.starts_with(&format!("line {}: ", at + 1)), "{error}");
    let shorter: String = script
        .lines()
        .filter(|line| !line.starts_with("= event 4"))
        .fold(String::new(), |text, line| text + line + "\n");
    assert!(check(&shorter).is_err());
    assert!(
        check("> dance\n")
            .unwrap_err()
            .contains("`dance` is no step here")
    );
}
