//! One picture: where everybody is at a moment.

use std::collections::BTreeMap;

use client_core::{Entity, World};
use protocol::cell::StateBytes;
use protocol::geometry::Position;
use protocol::ids::EntityId;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::host::Host;

/// Numbers of one entity in [`Frame::numbers`].
const NUMBERS: usize = 4;
/// Share of a new measurement in the smoothed unevenness of snapshots.
const SMOOTHING: f32 = 0.1;
/// However uneven they come: sightings do not reach back further.
const DELAY_MS_MAX: f32 = 250.0;

/// Where everybody is.
#[wasm_bindgen]
pub struct Frame {
    ids: Vec<u64>,
    numbers: Vec<f32>,
    own: Option<Position>,
}

#[wasm_bindgen]
impl Frame {
    /// Entities in view, without the player's own.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.ids.clone()
    }

    /// Four numbers of each: x, y, heading in radians, speed in units per second.
    #[must_use]
    pub fn numbers(&self) -> Vec<f32> {
        self.numbers.clone()
    }

    /// The player's own place, foretold: x and y, or nothing.
    #[must_use]
    pub fn own(&self) -> Vec<f32> {
        self.own.map_or_else(Vec::new, |at| vec![at.x, at.y])
    }
}

impl Frame {
    pub(crate) fn new(
        world: Option<&World>,
        own_entity: EntityId,
        own: Option<Position>,
        now_ms: u64,
        delay_ms: u64,
    ) -> Self {
        let count = world.map_or(0, |world| world.entities().len());
        let mut frame = Self {
            ids: Vec::with_capacity(count),
            numbers: Vec::with_capacity(count * NUMBERS),
            own,
        };
        let others = world.into_iter().flat_map(World::entities);
        for entity in others.filter(|entity| entity.id != own_entity) {
            let at = entity.position_at(now_ms, delay_ms);
            frame.ids.push(entity.id.0);
            frame.numbers.extend([at.x, at.y, entity.heading, entity.speed]);
        }
        frame
    }
}

/// How far behind the newest sighting others are drawn: two ticks, and more where snapshots come unevenly.
#[derive(Debug, Default)]
pub(crate) struct Delay {
    last_ms: Option<u64>,
    uneven_ms: f32,
}

impl Delay {
    pub(crate) fn note_snapshot(&mut self, now_ms: u64, tick_ms: f32) {
        if let Some(last_ms) = self.last_ms.replace(now_ms) {
            let off_ms = (now_ms.saturating_sub(last_ms) as f32 - tick_ms)
                .abs()
                .min(DELAY_MS_MAX);
            self.uneven_ms += (off_ms - self.uneven_ms) * SMOOTHING;
        }
    }

    pub(crate) fn ms(&self, tick_ms: f32) -> u64 {
        (2.0 * tick_ms + 2.0 * self.uneven_ms).min(DELAY_MS_MAX) as u64
    }
}

/// Who was in view when the host was told last, and with which state.
#[derive(Default)]
pub(crate) struct Told(BTreeMap<EntityId, (u16, StateBytes)>);

impl Told {
    pub(crate) fn tell(&mut self, world: &World, host: &Host) {
        self.0.retain(|id, _| {
            let stays = world.entity(*id).is_some();
            if !stays {
                host.gone(id.0);
            }
            stays
        });
        for entity in world.entities() {
            let Entity { id, kind, state, .. } = entity;
            let now = (*kind, *state);
            if self.0.insert(*id, now) != Some(now) {
                host.seen(id.0, u32::from(*kind), state.as_ref());
            }
        }
    }
}
