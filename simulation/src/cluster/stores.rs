//! The store and the way to it: requests overtake each other, fail, take effect late, and outlive those who asked.

use proxy::edge::OwnerAnswer;
use store::{StoreError, StoreReply, StoreRequest, StoreResult};

use super::event::{Asker, Event};
use super::state::Cluster;
use crate::chronicle;
use crate::matrix::{Fault, store_step};

impl Cluster {
    pub(super) fn ask(&mut self, asker: Asker, request: StoreRequest) {
        self.trace.value(&request);
        let way_us = self.store_way_us();
        let strike = store_step(&request).and_then(|step| self.ambush(step, None));
        let fault = strike.map(|strike| strike.fault).or_else(|| self.weather());
        let mut way_us = way_us;
        match fault {
            Some(Fault::Slow) => way_us += self.dice.between(200_000, 900_000),
            Some(Fault::AskerDiesBefore) => self.asker_dies(asker, 0),
            _ => {}
        }
        self.schedule
            .after(way_us, Event::StoreArrive(asker, request, fault));
    }

    fn store_way_us(&mut self) -> u64 {
        let mut way_us = self.dice.between(200, 3_000);
        if self.is_storm() && self.options.store_jitter_ms > 0 {
            way_us += self.dice.below(self.options.store_jitter_ms * 1000);
        }
        way_us
    }

    fn weather(&mut self) -> Option<Fault> {
        if !self.is_storm() || !self.dice.permille(self.options.store_permille) {
            return None;
        }
        let faults = [
            Fault::Unavailable,
            Fault::UnknownApplied,
            Fault::UnknownLost,
            Fault::UnknownLate,
            Fault::Slow,
        ];
        Some(faults[self.dice.index(faults.len())])
    }

    fn asker_dies(&mut self, asker: Asker, after_us: u64) {
        if let Asker::World { server, .. } | Asker::Lease { server, .. } = asker {
            let crash = super::event::Trouble::Crash(server, 300);
            self.schedule.after(after_us, Event::Trouble(crash));
        }
    }

    pub(super) fn store_arrive(&mut self, asker: Asker, request: StoreRequest, fault: Option<Fault>) {
        let now_ms = self.now_ms();
        self.store.tick(now_ms);
        let unknown = || Err(StoreError::Unknown("storm".to_owned()));
        let is_cut = asker.node().is_some_and(|node| self.is_cut_from_store(node));
        if is_cut || self.store_away_until_us > self.now_us() {
            return self.answer(asker, Err(StoreError::Unavailable("storm".to_owned())));
        }
        let result = match fault {
            Some(Fault::Unavailable) => Err(StoreError::Unavailable("storm".to_owned())),
            Some(Fault::UnknownLost) => unknown(),
            Some(Fault::UnknownApplied) => self.apply(&request).and_then(|_| unknown()),
            Some(Fault::UnknownLate) => {
                let late_us = self.dice.between(1_000, 900_000);
                self.schedule
                    .after(late_us, Event::StoreArrive(Asker::Nobody, request, None));
                unknown()
            }
            // As when a driver repeats a statement whose answer it has lost.
            Some(Fault::AppliedTwice) => self.apply(&request).and_then(|_| self.apply(&request)),
            Some(Fault::AskerDiesAfter) => {
                let result = self.apply(&request);
                self.asker_dies(asker, 0);
                result
            }
            _ => self.apply(&request),
        };
        self.answer(asker, result);
    }

    fn answer(&mut self, asker: Asker, result: StoreResult) {
        let way_us = self.store_way_us();
        self.schedule.after(way_us, Event::StoreAnswer(asker, result));
    }

    /// The request takes effect: the one moment at which rows change, so they are looked at here.
    fn apply(&mut self, request: &StoreRequest) -> StoreResult {
        self.note_take_over(request);
        let result = self.store.apply(request);
        self.trace.value(&result);
        if matches!(
            (request, &result),
            (StoreRequest::PassPlayers { .. }, Ok(StoreReply::Passed))
        ) {
            self.crossings += 1;
        }
        if let Err(error) = &result {
            self.checks.fail(format!(
                "the store refuses what only a mistake can ask: {error}: {request:?}"
            ));
        }
        if let (StoreRequest::SeedHoldings { region, holdings, .. }, Ok(StoreReply::Seeded(_))) =
            (request, &result)
        {
            self.checks.seeded(*region, holdings);
        }
        if let (StoreRequest::CommitDurable { commits, .. }, Ok(StoreReply::Committed(outcomes))) =
            (request, &result)
        {
            self.checks.committed(commits, outcomes);
        }
        let tables = self.store.tables();
        let counts = self.options.game.is_none();
        let count = |state: &[u8]| if counts { chronicle::count(state) } else { 0 };
        self.checks.kept(tables.game_states(), count);
        self.checks.rows(tables, request);
        if matches!(request, StoreRequest::WriteCreatures { .. }) {
            self.look_at_creatures();
        }
        if matches!(
            request,
            StoreRequest::CommitDurable { .. }
                | StoreRequest::CommitGround { .. }
                | StoreRequest::CancelOverdue { .. }
                | StoreRequest::SeedHoldings { .. }
        ) && let Ok(StoreReply::Holdings(holdings)) =
            self.store.apply(&StoreRequest::AllHoldings { after: None })
        {
            self.checks.holdings(&holdings);
            let counts = self.store.apply(&StoreRequest::CountHoldings);
            if let Ok(StoreReply::HoldingCounts(counts)) = counts {
                self.checks.sums(&counts);
            }
        }
        result
    }

    /// Rows of creatures have changed.
    fn look_at_creatures(&mut self) {
        let tables = self.store.tables();
        let mut simulated = Vec::new();
        for (node, server) in &self.servers {
            let current = server.regions().filter(|region| {
                let service = tables.service(region.number());
                service.is_some_and(|service| (service.node, service.region_epoch) == (*node, region.epoch()))
            });
            for region in current {
                let active = region.persistent().filter(|(_, _, is_active)| *is_active);
                simulated.extend(active.map(|(creature, ..)| (creature, region.number())));
            }
        }
        let ended = self.record.ended();
        let has_ended = |creature| ended.has(creature);
        self.checks.creatures(tables.creatures(), has_ended, &simulated);
    }

    pub(super) fn store_answer(&mut self, asker: Asker, result: StoreResult) {
        match asker {
            Asker::World {
                server,
                life,
                question,
            } => self.world_answered(server, life, question, result),
            Asker::Start { server, life } => self.started(server, life, &result),
            Asker::Lease {
                server,
                life,
                question,
            } => self.lease_answered(server, life, question, &result),
            Asker::Serve { server, life, region } => self.may_serve(server, life, region, &result),
            Asker::Owner {
                proxy,
                life,
                user,
                trusted,
            } => {
                if self.proxies.get(&proxy).is_some_and(|proxy| proxy.life == life) {
                    let answer = owner_answer(&result);
                    self.with_shard(self.shard_at(proxy, user), |shard, now, datagrams| {
                        shard.owner_answered(user, trusted, answer, now, datagrams);
                    });
                }
            }
            Asker::Service { proxy, life, region } => {
                if self.proxies.get(&proxy).is_some_and(|proxy| proxy.life == life) {
                    self.service_answered(proxy, region, &result);
                }
            }
            Asker::Holder { lane, life, region } => {
                if let Ok(StoreReply::Holder(holder)) = result
                    && self
                        .proxies
                        .get(&lane.node)
                        .is_some_and(|proxy| proxy.life == life)
                {
                    self.with_shard(lane, |shard, now, datagrams| {
                        shard.holder_seen(region, holder, now, datagrams);
                    });
                }
            }
            Asker::Login { conn } => self.logged_in(conn, &result),
            Asker::Nobody => {}
        }
    }
}

fn owner_answer(result: &StoreResult) -> OwnerAnswer {
    match result {
        Ok(StoreReply::Owner(Some(record))) => OwnerAnswer::Row {
            node: record.node,
            region: record.region,
            epoch: record.owner_epoch,
        },
        Ok(StoreReply::Owner(None)) => OwnerAnswer::NoRow,
        _ => OwnerAnswer::Unavailable,
    }
}
