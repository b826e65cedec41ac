//! A proxy's view of region A, made of what the proxy heard.

use std::collections::BTreeMap;

use protocol::cell::{CellEntity, CellState, DecodedCell};
use protocol::geometry::CellIndex;
use protocol::ids::EntityId;
use protocol::message::family::ServerToProxy;
use protocol::message::subscription::Subscribe;

use super::scene::*;

/// What the proxy has seen of region A.
#[derive(Default)]
pub(super) struct View(pub(super) BTreeMap<CellIndex, CellState>);

impl View {
    /// Takes what was heard since the last time; the number of cell updates. A gap fails the test.
    pub(super) fn update(&mut self, scene: &mut Scene) -> usize {
        let grid = scene.topology.world().grid();
        let mut cells = 0;
        for message in scene.take_heard(|message| Some(message.clone())) {
            let ServerToProxy::CellUpdates(updates) = message else {
                continue;
            };
            for bytes in updates.cells {
                let update = DecodedCell::parse(&bytes, &grid).unwrap();
                let state = self.0.entry(update.cell).or_default();
                state.apply(&update).expect("no gap");
                cells += 1;
            }
        }
        cells
    }

    pub(super) fn entities(&self) -> impl Iterator<Item = (CellIndex, &CellEntity)> {
        self.0
            .iter()
            .flat_map(|(cell, state)| state.entities().map(move |(_, one)| (*cell, one)))
    }

    pub(super) fn players(&self) -> Vec<(CellIndex, EntityId)> {
        let players = self.entities().filter(|(_, one)| one.kind == 1);
        players.map(|(cell, one)| (cell, one.id)).collect()
    }

    /// Whether it is what the region would show somebody new.
    pub(super) fn is_whole(&self, scene: &mut Scene) -> bool {
        let grid = scene.topology.world().grid();
        let state = &mut scene.regions.get_mut(&A).unwrap().state;
        let subscribed = |cell: &u32| grid.holds(state.cells.index(*cell));
        let cells: Vec<u32> = (0..state.cells.len() as u32).filter(subscribed).collect();
        cells.into_iter().all(|cell| {
            let bytes = state.cells.keyframe(cell, &state.entities);
            let mut newest = CellState::default();
            newest.apply(&DecodedCell::parse(&bytes, &grid).unwrap()).unwrap();
            let seen = self.0.get(&state.cells.index(cell));
            seen.is_some_and(|seen| seen.seq() == newest.seq() && seen.entities().eq(newest.entities()))
        })
    }
}

/// The proxy wants every cell of region A.
pub(super) fn subscribe(scene: &mut Scene) {
    let grid = scene.topology.world().grid();
    let region = scene.topology.region(A).unwrap();
    let subscribe = Subscribe {
        region: A.0,
        region_epoch: scene.regions[&A].epoch().0,
        cells: grid.within(region.rect).map(|cell| cell.0).collect(),
    };
    scene.proxy_says(region.server, PROXY, subscribe);
}
