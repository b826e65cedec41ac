//! Creatures that live in a region which the map does not have any more: each goes to the region that has its place. Where that was
//! never served it stays, and goes when a server starts after that.

use std::collections::BTreeMap;

use node::life::Failure;
use prost::Message as _;
use protocol::ids::{EntityId, RegionNumber, StateVersion};
use protocol::message::checked::CheckedCreature;
use protocol::message::effect::CreatureState;
use store::limits::CREATURE_CHANGES_MAX;
use store::{
    CreatureChange, CreatureOutcome, CreatureRow, CreaturesWanted, Serving, StoreReply, StoreRequest,
};
use topology::Topology;

use super::open_store::{OpenStore, unexpected};

/// Those of a region that is about to be closed.
pub(super) struct Homeless<'a> {
    pub(super) store: &'a OpenStore,
    pub(super) topology: &'a Topology,
    /// Who serves it by now.
    pub(super) serving: Serving,
}

impl Homeless<'_> {
    pub(super) async fn move_in(&self) -> Result<(), Failure> {
        let (mut version, mut after, mut homes) = (0, None, BTreeMap::new());
        let (mut moved, mut left) = (0, 0);
        loop {
            let rows = self.after(after).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.creature);
            for portion in rows.chunks(CREATURE_CHANGES_MAX) {
                let changes = self.moves(portion, &mut homes).await?;
                let going = changes.len();
                version += 1;
                let staying = self.write(StateVersion(version), changes).await?;
                moved += going - staying;
                left += portion.len() - (going - staying);
            }
        }
        let region = self.serving.region;
        if moved > 0 {
            tracing::info!(%region, moved, "creatures of a region that is no more are in those that have their place");
        }
        if left > 0 {
            tracing::warn!(%region, left, "creatures of a region that is no more stay there until a server starts when the regions that have their place have been served");
        }
        Ok(())
    }

    async fn after(&self, after: Option<EntityId>) -> Result<Vec<CreatureRow>, Failure> {
        let reading = StoreRequest::ReadCreatures {
            region: self.serving.region,
            wanted: CreaturesWanted::All,
            after,
        };
        match self.store.ask(reading).await? {
            StoreReply::Creatures(rows) => Ok(rows),
            other => Err(unexpected(&other)),
        }
    }

    /// What takes each to the region that has its place, as that was served last.
    async fn moves(
        &self,
        rows: &[CreatureRow],
        homes: &mut BTreeMap<RegionNumber, Option<Serving>>,
    ) -> Result<Vec<CreatureChange>, Failure> {
        let mut changes = Vec::new();
        for row in rows {
            let state = CreatureState::decode(row.body.clone()).ok();
            let Some(state) = state.and_then(|state| CheckedCreature::try_from(state).ok()) else {
                continue;
            };
            let home = self.topology.region_at(state.at).number;
            let served = match homes.get(&home) {
                Some(served) => *served,
                None => *homes.entry(home).or_insert(self.service(home).await?),
            };
            changes.extend(served.map(|to| CreatureChange::Pass {
                creature: row.creature,
                epoch: row.epoch,
                to,
                body: row.body.clone(),
            }));
        }
        Ok(changes)
    }

    async fn service(&self, region: RegionNumber) -> Result<Option<Serving>, Failure> {
        match self.store.ask(StoreRequest::ReadService { region }).await? {
            StoreReply::Service(service) => Ok(service),
            other => Err(unexpected(&other)),
        }
    }

    /// How many of them stay.
    async fn write(&self, version: StateVersion, changes: Vec<CreatureChange>) -> Result<usize, Failure> {
        let all = changes.len();
        let writing = StoreRequest::WriteCreatures {
            serving: self.serving,
            version,
            changes,
        };
        match self.store.ask(writing).await? {
            StoreReply::CreaturesWritten(CreatureOutcome::Applied { staying }) => Ok(staying.len()),
            // Another server sees to them.
            StoreReply::CreaturesWritten(_) => Ok(all),
            other => Err(unexpected(&other)),
        }
    }
}
