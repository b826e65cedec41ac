//! What a game keeps of each region and of the world: a row of bytes each, that goes forward only.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::ids::{RegionEpoch, RegionNumber, StateVersion};

use crate::StoreReply;
use crate::reply::SaveOutcome;
use crate::row::{GameState, Serving, StateOf};

/// All of one store, by place.
#[derive(Clone, Debug, Default)]
pub(super) struct GameStates(BTreeMap<u32, Kept>);

#[derive(Clone, Debug)]
struct Kept {
    /// By which region: epochs of different regions have no order.
    by: RegionNumber,
    written: (RegionEpoch, StateVersion),
    state: GameState,
}

impl GameStates {
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &GameState)> {
        self.0.iter().map(|(place, kept)| (*place, &kept.state))
    }

    pub(super) fn read(&self, of: StateOf, after: u64) -> StoreReply {
        let kept = self.0.get(&of.place()).map(|kept| &kept.state);
        StoreReply::GameState(kept.filter(|state| state.serial > after).cloned())
    }

    pub(super) fn save(
        &mut self,
        serving: Serving,
        of: StateOf,
        version: StateVersion,
        state: &Bytes,
    ) -> SaveOutcome {
        let written = (serving.region_epoch, version);
        let before = self.0.get(&of.place());
        match before.filter(|before| before.by == serving.region) {
            Some(before) if before.written == written => return SaveOutcome::Applied,
            Some(before) if before.written > written => return SaveOutcome::Older,
            _ => {}
        }
        let kept = Kept {
            by: serving.region,
            written,
            state: GameState {
                serial: before.map_or(1, |before| before.state.serial + 1),
                state: state.clone(),
            },
        };
        self.0.insert(of.place(), kept);
        SaveOutcome::Applied
    }
}
