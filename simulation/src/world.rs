//! The world of a run: 2 × 2 small regions on two or four servers behind two proxies, and everybody's keys.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use protocol::identity::{NodeKey, NodePublic};
use protocol::ids::{ClusterId, NodeNumber, NodeUuid};
use topology::Topology;

pub(crate) const CLUSTER: ClusterId = ClusterId([7; 16]);
pub(crate) const PROXIES: [NodeNumber; 2] = [NodeNumber(101), NodeNumber(102)];
/// Edge of the world, units: a walk across takes ten seconds.
pub(crate) const SIZE: f32 = 64.0;
/// The corner of all regions.
pub(crate) const MIDDLE: f32 = 32.0;

/// Which server has which quarter; of two servers, `mix` says how they share. With standbys, the servers after it stand by for each.
pub(crate) fn topology(servers: u16, mix: u64, standbys: bool) -> Result<Arc<Topology>, String> {
    let owners = match (servers, mix % 3) {
        (4, _) => [1, 2, 3, 4],
        (_, 0) => [1, 2, 1, 2],
        (_, 1) => [1, 1, 2, 2],
        (_, _) => [1, 2, 2, 1],
    };
    let candidates = owners.map(|owner: u16| {
        let after = (1..servers.min(3)).map(|further| (owner - 1 + further) % servers + 1);
        std::iter::once(owner).chain(after.filter(|_| standbys)).collect()
    });
    listed(servers, &candidates)
}

/// Which servers each quarter has: first who is to serve it, then who stands by for it.
pub(crate) fn listed(servers: u16, candidates: &[Vec<u16>; 4]) -> Result<Arc<Topology>, String> {
    let mut text = String::from(
        "[world]\nname = \"storm\"\nsize = [64, 64]\ncell_size = 8\nview_rings = 1\nfar_rings = 2\nborder_cells = 1\ntick_hz = 20\nhandover_margin = 1.0\n",
    );
    for number in 1..=servers {
        let _ = write!(
            text,
            "[[server]]\nname = \"gs-{number}\"\nnumber = {number}\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:0\"\n"
        );
    }
    for proxy in PROXIES {
        let _ = write!(
            text,
            "[[proxy]]\nname = \"edge-{0}\"\nnumber = {0}\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n",
            proxy.0
        );
    }
    for (index, candidates) in candidates.iter().enumerate() {
        let (x, y) = (index % 2 * 32, index / 2 * 32);
        let mut names = candidates.iter().map(|server| format!("gs-{server}"));
        let (server, standby) = (names.next().unwrap_or_default(), names.collect::<Vec<_>>());
        let _ = write!(
            text,
            "[[region]]\nname = \"r{0}\"\nnumber = {0}\nmin = [{x}, {y}]\nmax = [{1}, {2}]\nserver = {server:?}\nstandby = {standby:?}\n",
            index + 1,
            x + 32,
            y + 32
        );
    }
    topology::parse("storm.toml", &text)
        .map(Arc::new)
        .map_err(|mistakes| format!("{mistakes:?}\n{text}"))
}

/// Keys of the proxies, which are the auth role here.
#[derive(Debug)]
pub(crate) struct Keys {
    proxies: BTreeMap<NodeNumber, NodeKey>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let key = |proxy: NodeNumber| (proxy, NodeKey::from_seed(&[proxy.0 as u8; 32]));
        Self {
            proxies: PROXIES.into_iter().map(key).collect(),
        }
    }

    pub(crate) fn of(&self, proxy: NodeNumber) -> Option<&NodeKey> {
        self.proxies.get(&proxy)
    }

    pub(crate) fn issuer(&self, uuid: NodeUuid) -> Option<NodePublic> {
        let found = self.proxies.iter().find(|(proxy, _)| uuid_of(**proxy) == uuid);
        found.map(|(_, key)| key.public())
    }
}

pub(crate) fn uuid_of(node: NodeNumber) -> NodeUuid {
    let mut uuid = [9; 16];
    uuid[..2].copy_from_slice(&node.0.to_le_bytes());
    NodeUuid(uuid)
}
