//! A cluster on loopback around real proxies: an authority, a store in a file, scripted game servers, scripted clients.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by several tests, and tests may"
)]

pub mod client;
pub mod secure;
pub mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use node::authority_dir::{AuthorityDir, IssuedNode};
use node::life::Node;
use protocol::geometry::CellIndex;
use protocol::ids::{
    AttemptId, EntityId, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, StateVersion, UserId,
};
use proxy::server::{Proxy, ProxySettings};
use sha2::{Digest as _, Sha256};
use store::sqlite::SqliteStore;
use store::{
    AccountKey, AccountReply, AccountRequest, PlayerBody, PlayerRow, Store, StoreReply, StoreRequest,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use client::Client;
use protocol::message::player::Join;
use server::{GameServer, joined};

pub const A: NodeNumber = NodeNumber(1);
pub const B: NodeNumber = NodeNumber(2);
pub const WEST: RegionNumber = RegionNumber(1);
/// In the west, away from the border: second column, second row of an 8 × 4 grid.
pub const HOME: CellIndex = CellIndex(9);
pub const ENTITY: EntityId = EntityId(500);

/// Everything but the clients.
pub struct World {
    folder: TempDir,
    issued: Vec<IssuedNode>,
    authority: AuthorityDir,
    store: Arc<SqliteStore>,
    pub region_epoch: u64,
    listeners: Vec<(NodeNumber, TcpListener)>,
}

impl World {
    pub async fn new() -> Self {
        Self::of(GRID).await
    }

    /// As `new`, and B is a standby of the west.
    pub async fn with_standby() -> Self {
        Self::of(STANDBY).await
    }

    async fn of(regions: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut listeners = Vec::new();
        for node in [A, B] {
            listeners.push((node, TcpListener::bind("127.0.0.1:0").await.unwrap()));
        }
        let toml = topology_text(
            regions,
            listeners.iter().map(|(_, at)| at.local_addr().unwrap().port()),
        );
        let topology = topology::parse("topology.toml", &toml).unwrap_or_else(|m| panic!("{m}"));
        let mut entropy = node::OsEntropy;
        let mut authority = AuthorityDir::open_or_create(folder.path(), &mut entropy).unwrap();
        let issued = authority
            .issue(&toml, &topology, &mut entropy, net::clock::wall_ms())
            .unwrap();
        let store = SqliteStore::open(&folder.path().join("store.sqlite")).unwrap();
        let mut world = Self {
            folder,
            issued,
            authority,
            store: Arc::new(store),
            region_epoch: 0,
            listeners,
        };
        world.serve_west().await;
        world
    }

    /// A begins to serve the west (again): the store issues a new epoch.
    pub async fn serve_west(&mut self) {
        let serve = StoreRequest::ServeRegion {
            region: WEST,
            node: A,
            after: (self.region_epoch > 0).then_some(RegionEpoch(self.region_epoch)),
        };
        let StoreReply::Serving(epoch) = self.ask(serve).await else {
            panic!("the region is not served");
        };
        self.region_epoch = epoch.0;
    }

    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn ask(&self, request: StoreRequest) -> StoreReply {
        self.store.execute(&[request]).remove(0).unwrap()
    }

    /// Makes A the owner of a user, as a region would at its first join; the epoch.
    pub async fn own(&self, user: UserId) -> u64 {
        let row = PlayerRow {
            user,
            owner: Some(A),
            region: WEST,
            region_epoch: RegionEpoch(self.region_epoch),
            owner_epoch: OwnerEpoch(0),
            attempt: AttemptId(0),
            version: StateVersion(1),
            entity: ENTITY,
            body: PlayerBody {
                home_cell: HOME,
                ..PlayerBody::default()
            },
        };
        match self.ask(StoreRequest::InsertPlayer { row }).await {
            StoreReply::Inserted(row) => row.owner_epoch.0,
            other => panic!("{other:?} instead of a row"),
        }
    }

    /// What the password of an account is checked against.
    pub async fn verifier(&self, fold: &str) -> String {
        let read = AccountRequest::Read(AccountKey::Fold(fold.to_owned()));
        match self.ask(StoreRequest::Account(read)).await {
            StoreReply::Account(AccountReply::Account(Some(account))) => account.verifier.0,
            other => panic!("{other:?}"),
        }
    }

    /// Whoever knows this code may set the user's password.
    pub async fn allow_reset(&self, user: UserId, code: &str) {
        let allow = AccountRequest::AllowReset {
            user,
            code_hash: Sha256::digest(code).into(),
            for_ms: 60_000,
        };
        let reply = self.ask(StoreRequest::Account(allow)).await;
        assert!(
            matches!(reply, StoreReply::Account(AccountReply::ResetUntil(_))),
            "{reply:?}"
        );
    }

    fn data(&self, name: &str) -> PathBuf {
        let node = self.issued.iter().find(|node| node.name == name);
        node.unwrap().data.clone()
    }

    /// A file that nobody else has.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn settings(&self, name: &str) -> ProxySettings {
        let mut settings = ProxySettings::default();
        settings.node.name = name.to_owned();
        settings.node.data = self.data(name);
        settings.clients.drain_grace_ms = 300;
        settings
    }

    /// A proxy of this name.
    pub async fn proxy(&self, name: &str) -> Proxy {
        self.proxy_with(&self.settings(name)).await
    }

    pub async fn proxy_with(&self, settings: &ProxySettings) -> Proxy {
        let node = Node::in_process(settings.node.clone());
        self.proxy_of(settings, &node).await
    }

    /// A proxy whose checks and threads are listed in `node`.
    pub async fn proxy_of(&self, settings: &ProxySettings, node: &Node) -> Proxy {
        let store: Arc<SqliteStore> = Arc::clone(&self.store);
        let started = Proxy::start_with(settings, node, store).await;
        started.unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// The scripted game server of this number.
    pub fn server(&mut self, node: NodeNumber) -> GameServer {
        let at = self
            .listeners
            .iter()
            .position(|(number, _)| *number == node)
            .unwrap();
        let (_, listener) = self.listeners.remove(at);
        let name = if node == A { "gs-a" } else { "gs-b" };
        GameServer::start(&self.data(name), name, listener, self.store.identity())
    }

    pub fn trust(&self) -> protocol::client_handshake::ClientTrust {
        protocol::client_handshake::ClientTrust {
            auth: Default::default(),
            authorities: self.authority.cluster.authorities,
            cluster_id: self.authority.cluster.cluster_id,
        }
    }
}

/// A client that plays at the owner of the west: itself, its join, and the epoch it is owned at.
pub async fn ada_plays(world: &World, proxy: &Proxy, owner: &mut GameServer) -> (Client, Join, u64) {
    let mut client = Client::guest(world.trust(), proxy.addresses().tcp, "Ada").await;
    client.attach().await;
    let join = owner.join(101).await;
    let epoch = world.own(client.welcome.user).await;
    owner.say(101, joined(&join, epoch, world.region_epoch));
    client.playing().await;
    (client, join, epoch)
}

/// Waits until something holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

const GRID: &str = r#"
[grid]
columns = 2
rows = 1
servers = ["gs-a", "gs-b"]
"#;

const STANDBY: &str = r#"
[[region]]
name = "west"
number = 1
min = [0, 0]
max = [128, 128]
server = "gs-a"
standby = ["gs-b"]

[[region]]
name = "east"
number = 2
min = [128, 0]
max = [256, 128]
server = "gs-b"
"#;

fn topology_text(regions: &str, server_ports: impl Iterator<Item = u16>) -> String {
    let mut text = r#"
[world]
name = "test"
size = [256, 128]
cell_size = 32
view_rings = 1
border_cells = 1
tick_hz = 20
handover_margin = 1.0
"#
    .to_owned();
    text += regions;
    for ((name, number), port) in [("gs-a", 1), ("gs-b", 2)].into_iter().zip(server_ports) {
        text += &format!(
            "[[server]]\nname = \"{name}\"\nnumber = {number}\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:{port}\"\n"
        );
    }
    for (name, number) in [("edge-1", 101), ("edge-2", 102)] {
        text += &format!(
            "[[proxy]]\nname = \"{name}\"\nnumber = {number}\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\nwebtransport = \"127.0.0.1:0\"\nshards = 2\n"
        );
    }
    text
}
