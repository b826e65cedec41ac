//! What becomes of a cluster when one topology follows another: regions that move, links that come and go, and how much of
//! the world, and with it of the players, changes servers.

use std::collections::BTreeSet;
use std::fmt;

use protocol::ids::RegionNumber;

use super::render::percent;
use super::{Region, Topology, WorldSpec};

/// What differs between two topologies. Displays as what `regionmesh topology diff` prints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// What players and the store know by its place: the world, and the shape of regions. No live cluster takes this up.
    pub ground: Vec<String>,
    /// Nodes that come, go or are dialed elsewhere.
    pub nodes: Vec<String>,
    /// Regions that another server serves.
    pub moved: Vec<MovedRegion>,
    /// Regions with other standbys.
    pub standbys: Vec<String>,
    /// Pairs of nodes that are linked from then on.
    pub links_come: BTreeSet<[String; 2]>,
    /// Pairs of nodes that are not linked any more.
    pub links_go: BTreeSet<[String; 2]>,
    /// The share of the world that another server serves, from 0 to 1; as many of the players when they are spread evenly.
    pub share_moved: f64,
}

/// A region that changes servers.
#[derive(Clone, Debug, PartialEq)]
pub struct MovedRegion {
    /// Its number.
    pub number: RegionNumber,
    /// Its name afterwards.
    pub name: String,
    /// The server before.
    pub from: String,
    /// The server afterwards.
    pub to: String,
    /// The share of the world that it is, from 0 to 1.
    pub share: f64,
}

impl Difference {
    /// What changes when `after` follows `before`.
    #[must_use]
    pub fn between(before: &Topology, after: &Topology) -> Self {
        let (linked, links) = (links(before), links(after));
        let mut nodes = Vec::new();
        compare(&mut nodes, "server", &servers(before), &servers(after));
        compare(&mut nodes, "proxy", &proxies(before), &proxies(after));
        compare(&mut nodes, "auth node", &auths(before), &auths(after));
        Self {
            ground: ground(before, after),
            nodes,
            moved: moved(before, after),
            standbys: standbys(before, after),
            links_come: &links - &linked,
            links_go: &linked - &links,
            share_moved: share_moved(before, after),
        }
    }

    /// Whether the two are one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// By number, which stays when a node is renamed: what it is called and where it is dialed.
type Nodes = Vec<(u16, String, String)>;

fn servers(topology: &Topology) -> Nodes {
    let servers = topology.servers().iter();
    servers
        .map(|one| {
            (
                one.number.0,
                one.name.clone(),
                format!("peer {}, proxy {}", one.peer, one.proxy),
            )
        })
        .collect()
}

fn proxies(topology: &Topology) -> Nodes {
    let proxies = topology.proxies().iter();
    proxies
        .map(|one| {
            let (tcp, udp, http, shards) = (&one.tcp, &one.udp, &one.http, one.shards);
            let url = one
                .url
                .as_ref()
                .map_or_else(String::new, |url| format!(" as {url}"));
            let door = one
                .door
                .as_ref()
                .map_or_else(String::new, |door| format!(" by {door}"));
            let webtransport = one
                .webtransport
                .as_ref()
                .map_or_else(String::new, |at| format!(", webtransport {at}"));
            let told = format!("tcp {tcp}{door}, udp {udp}, http {http}{url}{webtransport}, {shards} shards");
            (one.number.0, one.name.clone(), told)
        })
        .collect()
}

fn auths(topology: &Topology) -> Nodes {
    let auths = topology.auths().iter();
    auths
        .map(|one| (one.number.0, one.name.clone(), format!("proxy {}", one.proxy)))
        .collect()
}

fn compare(lines: &mut Vec<String>, what: &str, before: &Nodes, after: &Nodes) {
    let with = |nodes: &Nodes, number: u16| nodes.iter().find(|node| node.0 == number).cloned();
    for (number, name, at) in before {
        match with(after, *number) {
            None => lines.push(format!("{what} {name} (number {number}) goes")),
            Some((_, renamed, now)) => {
                if *name != renamed {
                    lines.push(format!("{what} {name} (number {number}) is called {renamed}"));
                }
                if *at != now {
                    lines.push(format!("{what} {renamed} is dialed elsewhere: {at}, then {now}"));
                }
            }
        }
    }
    for (number, name, at) in after {
        if with(before, *number).is_none() {
            lines.push(format!("{what} {name} (number {number}) comes: {at}"));
        }
    }
}

fn ground(before: &Topology, after: &Topology) -> Vec<String> {
    let mut lines = Vec::new();
    let told = |world: &WorldSpec| {
        [
            ("name", world.name.clone()),
            ("size", format!("{:?}", world.size)),
            ("cell_size", world.cell_size.to_string()),
            ("view_rings", world.view_rings.to_string()),
            ("far_rings", world.far_rings.to_string()),
            ("border_cells", world.border_cells.to_string()),
            ("tick_hz", world.tick_hz.to_string()),
            ("handover_margin", format!("{:?}", world.handover_margin)),
        ]
    };
    for ((key, was), (_, is)) in told(before.world()).into_iter().zip(told(after.world())) {
        if was != is {
            lines.push(format!("world {key}: {was}, then {is}"));
        }
    }
    for region in before.regions() {
        match after.region(region.number) {
            None => lines.push(format!("region {} (number {}) goes", region.name, region.number)),
            Some(now) if now.rect != region.rect => lines.push(format!(
                "region {} (number {}) lies elsewhere: {:?} to {:?}, then {:?} to {:?}",
                now.name, now.number, region.rect.min, region.rect.max, now.rect.min, now.rect.max
            )),
            Some(_) => {}
        }
    }
    for region in after.regions() {
        if before.region(region.number).is_none() {
            lines.push(format!("region {} (number {}) comes", region.name, region.number));
        }
    }
    lines
}

fn moved(before: &Topology, after: &Topology) -> Vec<MovedRegion> {
    let regions = after.regions().iter();
    let moved = regions.filter_map(|now| {
        let was = before.region(now.number)?;
        (was.server != now.server).then(|| MovedRegion {
            number: now.number,
            name: now.name.clone(),
            from: server_name(before, was),
            to: server_name(after, now),
            share: after.share(now),
        })
    });
    moved.collect()
}

fn standbys(before: &Topology, after: &Topology) -> Vec<String> {
    let names = |topology: &Topology, region: &Region| {
        let names = region
            .standbys
            .iter()
            .filter_map(|number| topology.server(*number));
        let names: Vec<_> = names.map(|server| server.name.clone()).collect();
        match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        }
    };
    let regions = after.regions().iter();
    let changed = regions.filter_map(|now| {
        let was = before.region(now.number)?;
        let (had, has) = (names(before, was), names(after, now));
        (was.standbys != now.standbys).then(|| format!("region {}: standbys {had}, then {has}", now.name))
    });
    changed.collect()
}

/// Who is linked: game servers whose regions may border each other, and each proxy with each game server and auth node.
fn links(topology: &Topology) -> BTreeSet<[String; 2]> {
    let mut links = BTreeSet::new();
    for server in topology.servers() {
        for peer in topology.peers_of(server.number) {
            let Some(peer) = topology.server(peer) else {
                continue;
            };
            let mut pair = [server.name.clone(), peer.name.clone()];
            pair.sort();
            links.insert(pair);
        }
        for proxy in topology.proxies() {
            links.insert([proxy.name.clone(), server.name.clone()]);
        }
    }
    for proxy in topology.proxies() {
        let auths = topology.auths().iter();
        links.extend(auths.map(|auth| [proxy.name.clone(), auth.name.clone()]));
    }
    links
}

/// Counted by cells, so that regions of another shape count for what of them really changes servers.
fn share_moved(before: &Topology, after: &Topology) -> f64 {
    let grid = after.world().grid();
    let all = grid.len();
    let cells = (0..all).map(protocol::geometry::CellIndex);
    let moved = cells.filter(|cell| {
        let at = grid.origin(*cell);
        before.region_at(at).server != after.region_at(at).server
    });
    moved.count() as f64 / f64::from(all.max(1))
}

fn server_name(topology: &Topology, region: &Region) -> String {
    topology
        .server(region.server)
        .map_or_else(String::new, |server| server.name.clone())
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "nothing differs");
        }
        for line in self.ground.iter().chain(&self.nodes) {
            writeln!(f, "{line}")?;
        }
        for MovedRegion {
            number,
            name,
            from,
            to,
            share,
        } in &self.moved
        {
            let share = percent(*share);
            writeln!(
                f,
                "region {name} (number {number}) moves from {from} to {to}: {share} of the world"
            )?;
        }
        for line in &self.standbys {
            writeln!(f, "{line}")?;
        }
        for (links, what) in [(&self.links_come, "comes"), (&self.links_go, "goes")] {
            for [one, other] in links {
                writeln!(f, "link {one} – {other} {what}")?;
            }
        }
        writeln!(
            f,
            "in all: {} regions move, {} links come and {} go, {} of the world changes servers, and as many of the players when they are spread evenly",
            self.moved.len(),
            self.links_come.len(),
            self.links_go.len(),
            percent(self.share_moved)
        )?;
        if !self.ground.is_empty() {
            writeln!(
                f,
                "the world itself or its regions differ: no running cluster takes that up"
            )?;
        }
        Ok(())
    }
}
