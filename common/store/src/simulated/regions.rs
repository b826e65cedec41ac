//! Starts of nodes, who serves which region, and how a region passes with its players from one node to another.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeSet;

use protocol::ids::{AttemptId, Incarnation, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, UserId};

use super::tables::{Condition, Tables};
use crate::limits::STORE_GENERATION_MAX;
use crate::reply::StoreReply;
use crate::row::{Lease, LiveLease, RegionHolder, Serving};
use crate::{CreatureRow, StoreError, StoreRequest, StoreResult, rules};

impl Tables {
    /// The newest service of a region.
    #[must_use]
    pub fn service(&self, region: RegionNumber) -> Option<Serving> {
        let (node, region_epoch) = *self.regions.get(&region)?;
        Some(Serving {
            node,
            region,
            region_epoch,
        })
    }

    fn newest_start(&self, node: NodeNumber) -> u64 {
        self.starts.get(&node).copied().unwrap_or(0)
    }

    pub(super) fn holder(&self, region: RegionNumber) -> Option<RegionHolder> {
        let service = self.service(region)?;
        Some(RegionHolder {
            service,
            since: Incarnation(self.since.get(&region).copied().unwrap_or(0)),
            newest: Incarnation(self.newest_start(service.node)),
            lease: self.leases.live(service.node),
        })
    }

    pub(super) fn is_serving(&self, serving: Serving) -> bool {
        self.service(serving.region) == Some(serving)
    }

    pub(super) fn regions_in_use(&self) -> StoreReply {
        let owned = self.players().filter(|row| row.owner.is_some());
        let in_use = owned.map(|row| row.region).chain(self.valuables.places());
        let in_use = in_use.chain(self.creatures.places());
        let regions: BTreeSet<RegionNumber> = in_use.collect();
        StoreReply::Regions(regions.into_iter().collect())
    }

    pub(super) fn close_region(&mut self, serving: Serving, ground: &[(u64, RegionNumber)]) -> StoreReply {
        if !self.is_serving(serving) {
            let newest = self.service(serving.region);
            return StoreReply::NotServing(newest.map(|newest| newest.region_epoch));
        }
        let there = self.players.values_mut().map(|kept| &mut kept.row);
        let owned = there.filter(|row| row.region == serving.region && row.owner.is_some());
        let players = owned.map(|row| row.owner = None).count();
        let holdings = self.valuables.pass_ground(serving.region, ground);
        StoreReply::RegionClosed { players, holdings }
    }

    /// All creatures, for checks.
    pub fn creatures(&self) -> impl Iterator<Item = &CreatureRow> {
        self.creatures.rows()
    }

    pub(super) fn apply_to_creatures(&mut self, request: &StoreRequest) -> StoreResult {
        match request {
            StoreRequest::WriteCreatures {
                serving,
                version,
                changes,
            } => {
                let any_version = self.left_out == Some(Condition::CreatureVersion);
                let regions = &self.regions;
                let serves = |serving: Serving| {
                    regions.get(&serving.region) == Some(&(serving.node, serving.region_epoch))
                };
                Ok(self
                    .creatures
                    .write(serves, any_version, *serving, *version, changes))
            }
            StoreRequest::ReadCreatures {
                region,
                wanted,
                after,
            } => Ok(self.creatures.read(*region, *wanted, *after)),
            // `apply` knows the others.
            _ => Err(StoreError::Invalid("a request of another kind")),
        }
    }

    pub(super) fn start_node(&mut self, node: NodeNumber) -> StoreResult {
        let start = self.newest_start(node) + 1;
        if start > protocol::ids::EntityId::START_MAX {
            return Err(StoreError::Invalid(
                "a node has used up its starts: give it a new number",
            ));
        }
        self.starts.insert(node, start);
        let incarnation = Incarnation(start);
        self.leases.begin(Lease { node, incarnation });
        Ok(StoreReply::Started(incarnation))
    }

    pub(super) fn raise_generation(&mut self) -> StoreResult {
        if self.generation >= STORE_GENERATION_MAX {
            return Err(StoreError::Invalid("the store generations are used up"));
        }
        self.generation += 1;
        self.next_guest += rules::GUESTS_SKIPPED;
        self.starts
            .values_mut()
            .for_each(|start| *start += rules::STARTS_SKIPPED);
        Ok(StoreReply::StoreGeneration(self.generation))
    }

    pub(super) fn serve_region(
        &mut self,
        region: RegionNumber,
        node: NodeNumber,
        after: Option<RegionEpoch>,
    ) -> StoreResult {
        let newest = self.service(region);
        let current = newest.map(|service| service.region_epoch);
        if current != after {
            return Ok(StoreReply::Service(newest));
        }
        let epoch = rules::region_epoch_after(current, self.generation)?;
        self.put_service(region, node, epoch, Incarnation(self.newest_start(node)));
        Ok(StoreReply::Serving(epoch))
    }

    fn put_service(
        &mut self,
        region: RegionNumber,
        node: NodeNumber,
        epoch: RegionEpoch,
        since: Incarnation,
    ) {
        self.regions.insert(region, (node, epoch));
        self.since.insert(region, since.0);
    }

    pub(super) fn take_over(&mut self, taker: Lease, holder: &RegionHolder) -> StoreResult {
        if !self.leases.is_live(taker) {
            return Ok(self.leases.ended(taker.node));
        }
        let now = self.holder(holder.service.region);
        let same = |now: &RegionHolder| {
            let served = (now.service, now.since) == (holder.service, holder.since);
            served && now.live().is_none_or(|live| holder.live() == Some(live))
        };
        if !now.is_some_and(|now| same(&now)) {
            return Ok(StoreReply::Holder(now));
        }
        let epoch = self.pass_region(holder.service, taker)?;
        self.leases.end(holder.rests_on());
        Ok(StoreReply::Serving(epoch))
    }

    pub(super) fn give_region(&mut self, from: Serving, to: NodeNumber) -> StoreResult {
        if !self.is_serving(from) {
            return Ok(StoreReply::Service(self.service(from.region)));
        }
        let Some(LiveLease { incarnation, .. }) = self.leases.live(to) else {
            return Ok(self.leases.ended(to));
        };
        let to = Lease {
            node: to,
            incarnation,
        };
        Ok(StoreReply::Serving(self.pass_region(from, to)?))
    }

    fn pass_region(&mut self, from: Serving, to: Lease) -> Result<RegionEpoch, StoreError> {
        let epoch = rules::region_epoch_after(Some(from.region_epoch), self.generation)?;
        if self.left_out != Some(Condition::Reown) {
            self.pass_owned(from, to.node, epoch)?;
        }
        self.put_service(from.region, to.node, epoch, to.incarnation);
        Ok(epoch)
    }

    /// Everybody there whom the one that served owned.
    fn pass_owned(&mut self, from: Serving, to: NodeNumber, epoch: RegionEpoch) -> Result<(), StoreError> {
        let generation = self.generation;
        let players = self.players();
        let owned = players.filter(|row| row.owner == Some(from.node) && row.region == from.region);
        let epochs = owned.map(|row| {
            let next = rules::owner_epoch_after(row.owner_epoch, generation, 1)?;
            Ok((row.user, next))
        });
        let epochs: Vec<(UserId, OwnerEpoch)> = epochs.collect::<Result<_, StoreError>>()?;
        for (user, owner_epoch) in epochs {
            if let Some(kept) = self.players.get_mut(&user) {
                kept.row.owner = Some(to);
                kept.row.owner_epoch = owner_epoch;
                kept.row.region_epoch = epoch;
                kept.row.attempt = AttemptId(0);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{PlayerBody, PlayerRow};
    use protocol::ids::{EntityId, StateVersion};

    const LAST: u64 = (2 << 48) - 1;
    const REGION: RegionNumber = RegionNumber(1);

    #[test]
    fn where_an_epoch_is_used_up_no_region_changes_hands() {
        let mut tables = Tables::default();
        let [a, b] = [NodeNumber(1), NodeNumber(2)];
        for node in [a, b] {
            tables.start_node(node).unwrap();
        }
        let Ok(StoreReply::Serving(region_epoch)) = tables.serve_region(REGION, a, None) else {
            panic!("it was not served before");
        };
        let user = UserId(11);
        let row = PlayerRow {
            user,
            owner: Some(a),
            region: REGION,
            region_epoch,
            owner_epoch: OwnerEpoch(0),
            attempt: AttemptId(0),
            version: StateVersion(1),
            entity: EntityId(1),
            body: PlayerBody::default(),
        };
        tables.apply(&StoreRequest::InsertPlayer { row }).unwrap();
        tables.players.get_mut(&user).unwrap().row.owner_epoch = OwnerEpoch(LAST);
        refuses(&mut tables, b);
        tables.regions.insert(REGION, (a, RegionEpoch(LAST)));
        refuses(&mut tables, b);
    }

    fn refuses(tables: &mut Tables, to: NodeNumber) {
        let holder = tables.holder(REGION).unwrap();
        let taker = Lease {
            node: to,
            incarnation: Incarnation(1),
        };
        let before: Vec<PlayerRow> = tables.players().cloned().collect();
        let taken = tables.take_over(taker, &holder);
        assert!(matches!(taken, Err(StoreError::Exhausted(_))), "{taken:?}");
        let given = tables.give_region(holder.service, to);
        assert!(matches!(given, Err(StoreError::Exhausted(_))), "{given:?}");
        assert_eq!(tables.holder(REGION), Some(holder));
        assert!(tables.players().eq(&before));
    }
}
