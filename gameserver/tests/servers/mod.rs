//! Two game servers with real sockets, keys and store in one process, and a proxy that does what a test tells it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::large_enum_variant,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by several tests, and tests may"
)]

pub mod client;
pub mod lies;
pub mod process;
pub mod proxy;

use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use demo::{DemoGame, DemoSettings};
use gameserver::server::{GameServerSettings, Played, serve};
use node::OsEntropy;
use node::authority_dir::{AuthorityDir, IssuedNode};
use node::clock::wall_ms;
use node::data_dir::DataDir;
use node::life::{Failure, Node};
use node::ports::{PortFinder, is_free};
use protocol::identity::Role;
use protocol::ids::{RegionNumber, SessionGeneration, UserId};
use serde_json::Value;
use store::sqlite::SqliteStore;
use store::{Holding, Store as _, StoreReply, StoreRequest};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use topology::{Host, PortUse, Topology};

/// 128 × 64 units: two regions side by side, each on its own server.
const WORLD: &str = r#"
[world]
name = "strip"
size = [128, 64]
cell_size = 16
view_rings = 1
border_cells = 1
tick_hz = 20
handover_margin = 1.0

[[server]]
name = "gs-a"
number = 1
peer = "127.0.0.1:0"
proxy = "127.0.0.1:0"

[[server]]
name = "gs-b"
number = 2
peer = "127.0.0.1:0"
proxy = "127.0.0.1:0"

[[proxy]]
name = "edge-1"
number = 101
tcp = "127.0.0.1:0"
udp = "127.0.0.1:0"
http = "127.0.0.1:0"

[[proxy]]
name = "edge-2"
number = 102
tcp = "127.0.0.1:0"
udp = "127.0.0.1:0"
http = "127.0.0.1:0"

[grid]
columns = 2
rows = 1
servers = ["gs-a", "gs-b"]
"#;

/// A made-up cluster in a folder that goes when it goes.
pub struct Cluster {
    pub folder: TempDir,
    pub topology: Topology,
    pub nodes: Vec<IssuedNode>,
}

impl Cluster {
    /// Each region on a server of its own.
    pub fn new() -> Self {
        Self::of(WORLD)
    }

    /// Both regions on the first server, and no other.
    pub fn on_one_server() -> Self {
        let (before, rest) = WORLD.split_once("[[server]]\nname = \"gs-b\"").unwrap();
        let (_, after) = rest.split_once("\n\n").unwrap();
        Self::of(&[before, &after.replace(r#", "gs-b"]"#, r#", "gs-a"]"#)].concat())
    }

    fn of(world: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let topology = topology::parse("topology", world)
            .unwrap()
            .with_ports(&mut free_port);
        let mut cluster = Self {
            folder,
            topology,
            nodes: Vec::new(),
        };
        cluster.issue();
        cluster
    }

    /// Issues the topology again, under a higher version.
    pub fn issue(&mut self) {
        let mut authority = AuthorityDir::open_or_create(self.folder.path(), &mut OsEntropy).unwrap();
        let toml = self.topology.to_toml();
        self.nodes = authority
            .issue(&toml, &self.topology, &mut OsEntropy, wall_ms())
            .unwrap();
    }

    /// Issues a map in which the servers have changed places.
    pub fn swap_servers(&mut self) {
        let toml = self.topology.to_toml();
        let swapped = toml.replace(r#"["gs-a", "gs-b"]"#, r#"["gs-b", "gs-a"]"#);
        assert_ne!(swapped, toml, "the map names its servers in another way");
        self.topology = topology::parse("topology", &swapped).unwrap();
        self.issue();
    }

    /// Issues a map with the same two regions under other numbers.
    pub fn renumber(&mut self) {
        let toml = self.topology.to_toml();
        let (nodes, _) = toml.split_once("[grid]").expect("a grid");
        let region = |number: u32, x: u32, server: &str| {
            format!(
                "[[region]]\nname = \"r-{number}\"\nnumber = {number}\nmin = [{x}, 0]\nmax = [{}, 64]\nserver = \"{server}\"\n",
                x + 64
            )
        };
        let renumbered = format!("{nodes}{}{}", region(11, 0, "gs-a"), region(12, 64, "gs-b"));
        self.topology = topology::parse("topology", &renumbered).unwrap();
        self.issue();
    }

    /// What lies in a region, by the store.
    pub fn holdings_on_ground(&self, region: RegionNumber) -> Vec<Holding> {
        match self.ask_store(StoreRequest::HoldingsOnGround { region }) {
            StoreReply::Holdings(lying) => lying,
            other => panic!("{other:?}"),
        }
    }

    /// The user logs in.
    pub fn log_in(&self, user: UserId) -> SessionGeneration {
        match self.ask_store(StoreRequest::RaiseSession { user }) {
            StoreReply::Session(generation) => generation,
            other => panic!("{other:?}"),
        }
    }

    pub fn ask_store(&self, request: StoreRequest) -> StoreReply {
        let path = self.settings("gs-a").store_path();
        let store = SqliteStore::open(&path).unwrap();
        store.execute(&[request]).remove(0).unwrap()
    }

    pub fn data(&self, name: &str) -> PathBuf {
        self.nodes
            .iter()
            .find(|node| node.name == name)
            .unwrap()
            .data
            .clone()
    }

    pub fn open(&self, name: &str, role: Role) -> DataDir {
        DataDir::open(&self.data(name), name, role, wall_ms()).unwrap()
    }

    pub fn settings(&self, name: &str) -> GameServerSettings {
        let mut settings = GameServerSettings::default();
        settings.node.name = name.to_owned();
        settings.node.data = self.data(name);
        settings
    }

    /// Starts a server and waits until it listens.
    pub async fn start(&self, name: &str) -> Server {
        self.start_with(self.settings(name)).await
    }

    pub async fn start_with(&self, settings: GameServerSettings) -> Server {
        let server = self.launch(settings).await;
        eventually("the server has started", || {
            assert!(!server.task.is_finished(), "it has ended instead");
            server.node.readiness.reasons().is_empty()
        })
        .await;
        server
    }

    /// Starts a server, which may not be ready for long.
    pub async fn launch(&self, settings: GameServerSettings) -> Server {
        // A server that was killed lets go of its store and its listeners in its own time.
        let own = self.topology.server_by_name(&settings.node.name).unwrap();
        let store = settings.store_path();
        eventually("the store is free", || {
            !SqliteStore::nodes_at(&store).unwrap().contains(&own.number)
        })
        .await;
        eventually("its ports are free", || {
            [&own.peer, &own.proxy]
                .iter()
                .all(|at| is_free(at.socket().unwrap(), PortUse::Tcp).is_ok())
        })
        .await;
        let node = Node::in_process(settings.node.clone());
        // A run time of its own, so that it can be killed with all of its tasks and sockets.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Server {
            task: runtime.spawn(serve(
                settings,
                Played::new::<DemoGame>(DemoSettings { creatures: 2 }),
                node.clone(),
            )),
            runtime: Some(runtime),
            node,
        }
    }
}

/// A game server that runs in this process.
pub struct Server {
    pub node: Node,
    task: JoinHandle<Result<(), Failure>>,
    runtime: Option<Runtime>,
}

impl Server {
    pub fn status(&self) -> Value {
        (*self.node.status.read()).clone()
    }

    pub fn region(&self, field: &str) -> u64 {
        self.status()["regions"][0][field].as_u64().unwrap_or(u64::MAX)
    }

    pub fn refused(&self, of: &str, reason: &str) -> u64 {
        self.status()["refused"][of][reason].as_u64().unwrap_or(0)
    }

    /// As SIGTERM does.
    pub async fn drain(mut self) -> Result<(), Failure> {
        self.node.shutdown.drain();
        (&mut self.task).await.unwrap()
    }

    /// Waits until it ends by itself.
    pub async fn ended(mut self) -> Result<(), Failure> {
        let ended = tokio::time::timeout(Duration::from_secs(10), &mut self.task);
        ended.await.expect("it goes on").unwrap()
    }

    /// As SIGKILL does: whatever runs is dropped where it stands.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A port for a node: no two clusters of this process get the same one, running or not.
fn free_port(host: &Host, wanted: PortUse) -> u16 {
    static FINDER: LazyLock<Mutex<PortFinder>> = LazyLock::new(|| {
        let draw = u16::from_le_bytes(protocol::entropy::array(&mut OsEntropy));
        Mutex::new(PortFinder::new(draw))
    });
    let Host::Ip(ip) = host else {
        panic!("{host} is no address")
    };
    FINDER.lock().unwrap().find(*ip, wanted).unwrap()
}

/// Waits until something holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
