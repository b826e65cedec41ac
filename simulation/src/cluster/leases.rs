//! Servers that stand by for each other: the keeper of each process's lease, and regions that come and go while it runs.

use gameserver::lease::{LeaseEffect, LeaseKeeper, LeaseQuestion};
use gameserver::region::Region;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber, UserId};
use store::{Lease, StoreRequest, StoreResult};

use super::event::{Asker, Event};
use super::state::{Cluster, InForce, Phase};

impl Cluster {
    /// A process is up without any region: its keeper sees which ones it may serve.
    pub(super) fn start_keeper(&mut self, node: NodeNumber) {
        let now_us = self.now_us();
        let Some(server) = self.servers.get_mut(&node) else {
            return;
        };
        let lease = Lease {
            node,
            incarnation: server.incarnation,
        };
        let InForce { version, listing } = self.in_force.get(&node).unwrap_or(&self.first);
        let regions = listing.now().candidates();
        server.keeper = Some(LeaseKeeper::new(
            lease,
            *version,
            regions,
            listing.left_by(node),
            now_us,
        ));
        self.serve(node, Vec::new());
        self.after_keeper(node);
    }

    pub(super) fn lease_tick(&mut self, node: NodeNumber, life: u32) {
        if let Some(server) = self.servers.get_mut(&node).filter(|server| server.life == life) {
            server.lease_tick_at_us = None;
            let (signs, announced) = (self.signs(node), self.announced(node));
            self.with_keeper(node, |keeper, now_us| {
                keeper.announced(announced);
                for (lease, is_shown) in signs {
                    keeper.shown(lease, is_shown, now_us);
                }
                // The keeper and the world of a process run or stand still together here.
                keeper.world_answered(now_us);
                keeper.tick(now_us);
            });
        }
    }

    /// Which holders are seen to be there: by the store, which a process that was cut off is gone for, or over a link.
    fn signs(&mut self, node: NodeNumber) -> Vec<(Lease, Option<bool>)> {
        let keeper = self.servers.get(&node).and_then(|server| server.keeper.as_ref());
        let holders = keeper.map(LeaseKeeper::holders).unwrap_or_default();
        let is_away = self.is_cut_from_store(node) || self.store_away_until_us > self.now_us();
        let sign = |lease: Lease| {
            let its = &self.servers[&lease.node];
            let is_there = its.phase != Phase::Down && its.incarnation <= lease.incarnation;
            let links = self.links.iter();
            let is_linked = links
                .filter_map(|link| Some((link, link.end_of(node)?)))
                .any(|(link, end)| link.is_up(end) && link.node(end.other()) == lease.node);
            let is_held = is_there && !self.is_cut_from_store(lease.node);
            (lease, (!is_away).then_some(is_held || is_linked))
        };
        holders.into_iter().map(sign).collect()
    }

    pub(super) fn lease_answered(
        &mut self,
        node: NodeNumber,
        life: u32,
        question: LeaseQuestion,
        result: &StoreResult,
    ) {
        if self.servers.get(&node).is_some_and(|server| server.life == life) {
            self.with_keeper(node, |keeper, now_us| keeper.answered(question, result, now_us));
        }
    }

    pub(super) fn with_keeper(&mut self, node: NodeNumber, act: impl FnOnce(&mut LeaseKeeper, u64)) {
        let now_us = self.now_us();
        let server = self.servers.get_mut(&node);
        if let Some(keeper) = server.and_then(|server| server.keeper.as_mut()) {
            act(keeper, now_us);
            self.after_keeper(node);
        }
    }

    /// What a keeper wants is done.
    fn after_keeper(&mut self, node: NodeNumber) {
        let keeper = self
            .servers
            .get_mut(&node)
            .and_then(|server| server.keeper.as_mut());
        let effects = keeper.map(LeaseKeeper::take_effects).unwrap_or_default();
        for effect in effects {
            let now_us = self.now_us();
            self.trace.line(now_us, || format!("server {node}: {effect:?}"));
            match effect {
                LeaseEffect::Ask(question, request) => {
                    let life = self.servers.get(&node).map_or(0, |server| server.life);
                    let asker = Asker::Lease {
                        server: node,
                        life,
                        question,
                    };
                    self.ask(asker, request);
                }
                LeaseEffect::Serve(region, epoch) => self.take_region(node, region, epoch),
                LeaseEffect::Give(region, to) => self.give_from(node, region, to),
                LeaseEffect::LetGo => self.let_go_of_all(node),
                LeaseEffect::Foreign(_) => return self.end_process(node, 100),
            }
        }
        self.plan_lease_tick(node);
    }

    fn plan_lease_tick(&mut self, node: NodeNumber) {
        let now_us = self.now_us();
        let Some(server) = self.servers.get_mut(&node) else {
            return;
        };
        let Some(keeper) = &server.keeper else { return };
        let due_us = keeper.due_us().max(now_us + 1);
        if server
            .lease_tick_at_us
            .is_none_or(|planned_us| due_us < planned_us)
        {
            server.lease_tick_at_us = Some(due_us);
            let life = server.life;
            self.schedule.at(due_us, Event::LeaseTick(node, life));
        }
    }

    fn take_region(&mut self, node: NodeNumber, region: RegionNumber, epoch: RegionEpoch) {
        let server = self.servers.get(&node);
        let Some(numbers) = server.and_then(|server| server.numbers.clone()) else {
            return;
        };
        if let Some(region) = self.new_region(region, epoch, &numbers) {
            self.with_world(node, |world, now| world.serve(region, now));
        }
    }

    /// The topology in force gives a region of a server to another one.
    fn give_from(&mut self, node: NodeNumber, region: RegionNumber, to: NodeNumber) {
        let mut is_given = false;
        self.with_world(node, |world, now| is_given = world.give(region, to, now));
        self.moves += u64::from(is_given);
        if !is_given {
            self.gave(node, region, false);
        }
    }

    /// What came of a region that was to be given away.
    pub(super) fn gave(&mut self, node: NodeNumber, region: RegionNumber, is_gone: bool) {
        self.with_keeper(node, |keeper, now_us| keeper.gave(region, is_gone, now_us));
    }

    /// An operator has whoever serves a region give it away.
    pub(super) fn give(&mut self, region: RegionNumber, to: NodeNumber) {
        let serving = self.servers.iter().filter(|(node, _)| **node != to);
        let serving: Vec<NodeNumber> = serving
            .filter(|(_, server)| server.region(region).is_some())
            .filter(|(node, _)| self.in_force(**node).listing.now().may_serve(to, region))
            .map(|(node, _)| *node)
            .collect();
        for node in serving {
            self.with_world(node, |world, now| {
                world.give(region, to, now);
            });
        }
    }

    fn let_go_of_all(&mut self, node: NodeNumber) {
        let mut gone = Vec::new();
        self.with_world(node, |world, now| gone = world.let_go_of_all(now));
        gone.iter().for_each(|region| self.region_gone(region));
    }

    /// Another service of a region has begun, says the store.
    pub(super) fn superseded(&mut self, node: NodeNumber, region: RegionNumber, epoch: RegionEpoch) {
        if !self.options.standbys {
            return self.checks.fail(format!(
                "region {region} was taken from the only process that serves it"
            ));
        }
        let mut gone = None;
        self.with_world(node, |world, now| gone = world.let_go(region, now));
        if let Some(gone) = gone {
            self.region_gone(&gone);
        }
        self.with_keeper(node, |keeper, now_us| keeper.superseded(region, epoch, now_us));
    }

    fn region_gone(&mut self, region: &Region) {
        self.overflow.regions += region.overflow();
        for player in region.players() {
            self.checks.memory_lost(player.user);
        }
    }

    /// What the holder of a region had not written is lost with the takeover, though it may not know yet.
    pub(super) fn note_take_over(&mut self, request: &StoreRequest) {
        let StoreRequest::TakeOver { holder, .. } = request else {
            return;
        };
        let tables = self.store.tables();
        let owned = tables
            .players()
            .filter(|row| row.owner == Some(holder.service.node) && row.region == holder.service.region);
        let users: Vec<UserId> = owned.map(|row| row.user).collect();
        users.into_iter().for_each(|user| self.checks.memory_lost(user));
    }

    pub(super) fn is_cut_from_store(&self, node: NodeNumber) -> bool {
        let server = self.servers.get(&node);
        server.is_some_and(|server| server.cut_until_us > self.now_us())
    }

    pub(super) fn cut_from_store(&mut self, node: NodeNumber, until_us: u64) {
        if let Some(server) = self
            .servers
            .get_mut(&node)
            .filter(|server| server.phase == Phase::Up)
        {
            server.cut_until_us = until_us;
        }
    }

    /// Whether a process serves a region by the newest service. One that was overtaken may not have heard of it yet.
    pub(super) fn is_current(&self, node: NodeNumber, region: &Region) -> bool {
        let newest = self.store.tables().service(region.number());
        newest.is_some_and(|newest| (newest.node, newest.region_epoch) == (node, region.epoch()))
    }

    /// Every region is served by exactly one process, the one of the newest service.
    pub(super) fn regions_served_once(&self) -> Result<(), String> {
        for region in self.topology.regions() {
            let number = region.number;
            let serving: Vec<_> = self
                .servers
                .iter()
                .filter_map(|(node, server)| Some((*node, server.region(number)?)))
                .collect();
            let [(node, region)] = serving[..] else {
                let nodes: Vec<_> = serving.iter().map(|(node, _)| *node).collect();
                return Err(format!("H5: region {number} is served by {nodes:?}"));
            };
            if !self.is_current(node, region) {
                return Err(format!(
                    "H5: region {number} is served by {node}, by a service that is over"
                ));
            }
        }
        Ok(())
    }
}
