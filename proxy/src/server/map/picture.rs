//! The world as the map shows it, in JSON: once what does not change, and then how it is. Counts of players by cell, and no player.
//! The words are told in `docs/operating.md`.

use std::collections::{BTreeMap, BTreeSet};

use net::link::{LoadBoard, PeerLoad};
use protocol::geometry::CellIndex;
use protocol::ids::{NodeNumber, RegionNumber};
use serde_json::{Value, json};
use topology::{Region, Topology};

use super::board::Told;
use crate::server::shard_handle::LaneReport;

/// Regions that are shown: further ones are left out.
const REGIONS_MAX: usize = 4_096;
/// Cells of one picture; where there are more, each region is left with its fullest.
const CELLS_MAX: usize = 16 * 1024;
/// A region of which nothing was told for so long is not known, milliseconds: a process of many regions takes its time.
const STALE_MS: u64 = 10_000;

/// What a picture is made of.
pub(super) struct Sight<'a> {
    /// This proxy, and how full it is.
    pub(super) own: NodeNumber,
    pub(super) sessions: usize,
    pub(super) sessions_max: usize,
    /// Its lanes that are up.
    pub(super) lanes: Vec<LaneReport>,
    pub(super) loads: &'a LoadBoard,
    pub(super) told: BTreeMap<RegionNumber, Told>,
    pub(super) now_ms: u64,
}

/// What does not change under one topology.
pub(super) fn world(topology: &Topology, own: NodeNumber) -> Value {
    let world = topology.world();
    let node = |number: NodeNumber, name: &str| json!({"number": number.0, "name": name});
    let servers = topology.servers().iter();
    let proxies = topology.proxies().iter();
    let region = |region: &Region| {
        let ([west, north], [east, south]) = (region.rect.min, region.rect.max);
        json!({
            "number": region.number.0,
            "name": region.name,
            "rect": [west, north, east, south],
            "server": region.server.0,
        })
    };
    json!({
        "type": "world",
        "name": world.name,
        "size": world.size,
        "cell_size": world.cell_size,
        "tick_hz": world.tick_hz,
        "proxy": own.0,
        "servers": servers.map(|server| node(server.number, &server.name)).collect::<Vec<_>>(),
        "proxies": proxies.map(|proxy| node(proxy.number, &proxy.name)).collect::<Vec<_>>(),
        "regions": topology.regions().iter().take(REGIONS_MAX).map(region).collect::<Vec<_>>(),
    })
}

/// How it is.
pub(super) fn now(topology: &Topology, sight: &Sight<'_>) -> Value {
    let linked: BTreeSet<NodeNumber> = sight.lanes.iter().map(|lane| lane.node).collect();
    let cells_max = CELLS_MAX / sight.told.len().max(1);
    let regions = topology.regions().iter().take(REGIONS_MAX);
    let regions = regions.map(|region| of_region(region, sight, &linked, cells_max));
    let servers = topology.servers().iter();
    let servers = servers.map(|server| of_server(server.number, sight));
    let heard = sight.loads.proxies(sight.now_ms);
    let proxies = topology.proxies().iter();
    let proxies = proxies.map(|proxy| of_proxy(proxy.number, sight, &heard));
    json!({
        "type": "now",
        "at_ms": sight.now_ms,
        "regions": regions.collect::<Vec<_>>(),
        "servers": servers.collect::<Vec<_>>(),
        "proxies": proxies.collect::<Vec<_>>(),
    })
}

fn of_region(region: &Region, sight: &Sight<'_>, linked: &BTreeSet<NodeNumber>, cells_max: usize) -> Value {
    let number = region.number;
    let fresh =
        |told: &&Told| sight.now_ms.saturating_sub(told.at_ms) <= STALE_MS && linked.contains(&told.node);
    let told = sight.told.get(&number);
    let Some(Told { node, brief, .. }) = told.filter(fresh) else {
        // Who is not linked serves nobody here; of the others nothing was told yet.
        let server = told.map_or(region.server, |told| told.node);
        let state = if linked.contains(&server) {
            "unknown"
        } else {
            "away"
        };
        return json!({"number": number.0, "server": server.0, "state": state});
    };
    let cells = fullest(&brief.cells, cells_max);
    let cells: Vec<u32> = cells.iter().flat_map(|(cell, count)| [cell.0, *count]).collect();
    let crossed = brief.crossed.iter();
    let crossed: Vec<u64> = crossed
        .flat_map(|(to, count)| [u64::from(to.0), *count])
        .collect();
    json!({
        "number": number.0,
        "server": node.0,
        "state": if brief.asleep { "asleep" } else { "awake" },
        "epoch": brief.region_epoch.0.to_string(),
        "tick": brief.tick.0,
        "tick_us": [brief.tick_p50_us, brief.tick_p99_us],
        "players": brief.population,
        "cells": cells,
        "crossed": crossed,
    })
}

/// At most so many of the cells, the fullest.
fn fullest(cells: &[(CellIndex, u32)], cells_max: usize) -> Vec<(CellIndex, u32)> {
    let mut cells = cells.to_vec();
    if cells.len() > cells_max {
        cells.sort_by_key(|(cell, count)| (u32::MAX - count, *cell));
        cells.truncate(cells_max);
    }
    cells
}

fn of_server(number: NodeNumber, sight: &Sight<'_>) -> Value {
    let lanes = sight.lanes.iter().filter(|lane| lane.node == number);
    let (mut is_up, mut waiting_bytes, mut round_trip_us) = (false, 0, None);
    for lane in lanes {
        is_up = true;
        waiting_bytes += lane.sight.waiting_bytes;
        round_trip_us = round_trip_us.max(lane.sight.round_trip_us);
    }
    let load = sight.loads.of(number).filter(|_| is_up);
    let load = load.unwrap_or_default();
    json!({
        "number": number.0,
        "up": is_up,
        "draining": load.draining,
        "players": load.load.players,
        "cpu_permille": load.load.cpu_permille,
        "tick_us": [load.load.tick_p50_us, load.load.tick_p99_us],
        "round_trip_us": round_trip_us,
        "waiting_bytes": waiting_bytes,
    })
}

/// Proxies do not know each other: game servers pass on how others do.
fn of_proxy(number: NodeNumber, sight: &Sight<'_>, heard: &[(NodeNumber, PeerLoad)]) -> Value {
    let load = heard.iter().find(|(node, _)| *node == number);
    let load = load.map(|(_, load)| *load);
    let is_own = number == sight.own;
    let is_up = is_own || load.is_some();
    let load = load.unwrap_or_default().load;
    let (players, players_max) = match is_own {
        true => (sight.sessions as u64, sight.sessions_max as u64),
        false => (u64::from(load.players), u64::from(load.players_max)),
    };
    json!({
        "number": number.0,
        "up": is_up,
        "players": players,
        "players_max": players_max,
        "cpu_permille": load.cpu_permille,
    })
}
