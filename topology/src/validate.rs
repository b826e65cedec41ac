//! Every check a topology must pass, and the only place that makes a `Topology`.
//! Each check looks at the raw file and notes what it finds, so that one mistake does not hide another; a check whose
//! ground is missing (a world without a size, say) leaves the field to the mistake already noted.

mod addresses;
mod grid;
mod nodes;
mod ownership;
mod regions;
mod tiling;
mod values;
mod world;

use protocol::geometry::Rect;
use protocol::ids::{NodeNumber, RegionNumber};

use crate::diagnostic::Diagnostic;
use crate::limits::FILE_BYTES_MAX;
use crate::raw::{RawAuth, RawProxy, RawRegion, RawServer, RawTopology};
use crate::{Auth, Code, Proxy, Region, Server, Topology, WorldSpec};

pub use values::is_name;

/// Checks everything; a topology comes out when nothing was noted.
pub(crate) fn check(raw: &RawTopology, mistakes: &mut Vec<Diagnostic>) -> Option<Topology> {
    world::check(&raw.world, mistakes);
    nodes::check(raw, mistakes);
    addresses::check(raw, mistakes);
    let cells = world::cells(&raw.world);
    let regions = grid::regions(raw, cells, mistakes);
    regions::check(&regions, &raw.world, mistakes);
    tiling::check(&regions, cells, mistakes);
    ownership::check(&regions, raw, mistakes);
    if !mistakes.is_empty() {
        return None;
    }
    let topology = build(raw, &regions)?;
    mistakes.extend(too_long(&topology));
    Some(topology)
}

/// Bundles hold the topology written out with every port filled in, which may be longer than what the operator wrote.
fn too_long(topology: &Topology) -> Option<Diagnostic> {
    let bytes = topology.clone().with_ports(&mut |_, _| u16::MAX).to_toml().len();
    (bytes > FILE_BYTES_MAX).then(|| {
        let message =
            format!("written out, the topology has {bytes} bytes; at most {FILE_BYTES_MAX} fit a bundle");
        Diagnostic::new(Code::TooMany, message)
            .at(&(0..0), "")
            .help("divide the world by a [grid], shorten names, or name fewer standbys")
    })
}

fn build(raw: &RawTopology, regions: &[RawRegion]) -> Option<Topology> {
    let servers: Vec<_> = raw.servers.iter().map(server).collect::<Option<_>>()?;
    let proxies = raw.proxies.iter().map(proxy).collect::<Option<_>>()?;
    let regions = regions
        .iter()
        .map(|raw| region(raw, &servers))
        .collect::<Option<_>>()?;
    let auths = raw.auths.iter().map(auth).collect::<Option<_>>()?;
    let topology = Topology::new(world(raw)?, servers, proxies, regions).with_auths(auths);
    let Some(grid) = &raw.grid else {
        return Some(topology);
    };
    let (columns, rows) = (grid.columns.as_ref()?.value, grid.rows.as_ref()?.value);
    Some(topology.cut_by(columns, rows))
}

fn world(raw: &RawTopology) -> Option<WorldSpec> {
    let raw = &raw.world;
    Some(WorldSpec {
        name: raw.name.as_ref()?.value.clone(),
        size: raw.size.as_ref()?.value,
        cell_size: raw.cell_size.as_ref()?.value,
        view_rings: raw.view_rings.as_ref()?.value,
        far_rings: raw.far_rings.as_ref().map_or(0, |rings| rings.value),
        border_cells: raw.border_cells.as_ref()?.value,
        tick_hz: raw.tick_hz.as_ref()?.value,
        handover_margin: raw.handover_margin.as_ref()?.value as f32,
    })
}

fn server(raw: &RawServer) -> Option<Server> {
    Some(Server {
        name: raw.name.as_ref()?.value.clone(),
        number: NodeNumber(u16::try_from(raw.number.as_ref()?.value).ok()?),
        peer: raw.peer.as_ref()?.value.parse().ok()?,
        proxy: raw.proxy.as_ref()?.value.parse().ok()?,
    })
}

fn proxy(raw: &RawProxy) -> Option<Proxy> {
    Some(Proxy {
        name: raw.name.as_ref()?.value.clone(),
        number: NodeNumber(u16::try_from(raw.number.as_ref()?.value).ok()?),
        tcp: raw.tcp.as_ref()?.value.parse().ok()?,
        udp: raw.udp.as_ref()?.value.parse().ok()?,
        http: raw.http.as_ref()?.value.parse().ok()?,
        webtransport: match &raw.webtransport {
            Some(webtransport) => Some(webtransport.value.parse().ok()?),
            None => None,
        },
        url: match &raw.url {
            Some(url) => Some(url.value.parse().ok()?),
            None => None,
        },
        door: match &raw.door {
            Some(door) => Some(door.value.parse().ok()?),
            None => None,
        },
        shards: raw
            .shards
            .as_ref()
            .map_or(Some(1), |shards| u16::try_from(shards.value).ok())?,
    })
}

fn auth(raw: &RawAuth) -> Option<Auth> {
    Some(Auth {
        name: raw.name.as_ref()?.value.clone(),
        number: NodeNumber(u16::try_from(raw.number.as_ref()?.value).ok()?),
        proxy: raw.proxy.as_ref()?.value.parse().ok()?,
    })
}

fn region(raw: &RawRegion, servers: &[Server]) -> Option<Region> {
    let number = |name: &str| {
        servers
            .iter()
            .find(|server| server.name == name)
            .map(|server| server.number)
    };
    Some(Region {
        name: raw.name.as_ref()?.value.clone(),
        number: RegionNumber(raw.number.as_ref()?.value),
        rect: rect(raw)?,
        server: number(&raw.server.as_ref()?.value)?,
        standbys: raw
            .standby
            .iter()
            .map(|name| number(&name.value))
            .collect::<Option<_>>()?,
    })
}

/// The rectangle of a region, when both corners could be read.
fn rect(raw: &RawRegion) -> Option<Rect> {
    Some(Rect {
        min: raw.min.as_ref()?.value,
        max: raw.max.as_ref()?.value,
    })
}
