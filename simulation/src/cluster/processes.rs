//! Processes start, die at any moment, and come back with nothing but what the store knows.

use demo::DemoRules;
use game::GameLogic;
use gameserver::process_numbers::ProcessNumbers;
use gameserver::proxy_lanes::ArrivingLane;
use gameserver::region::{Region, RegionConfig};
use gameserver::world::{ArrivingPeer, Moment, Side, World};
use net::link_core::{Clear, LinkCore, LinkLife};
use protocol::Code;
use protocol::frame::PeerClock;
use protocol::ids::{Incarnation, LiveLane, NodeNumber, ProxyLane, RegionEpoch, RegionNumber};
use protocol::message::family::BatchMessage;
use protocol::node_handshake::LinkTerms;
use proxy::edge::EdgeConfig;
use proxy::shard::{Shard, ShardConfig};
use store::{ServiceClaims, StoreReply, StoreRequest, StoreResult};

use super::event::{Asker, Event, Trouble};
use super::state::{Cluster, Phase, Proxy};
use crate::links::{End, LinkNumber};
use crate::recorder::Recorder;
use crate::world::PROXIES;

/// How long a player without a connection stays, milliseconds: short, so that runs see it.
const LINKDEAD_MS: u64 = 2_000;
/// Between the goodbyes of a proxy and its end, microseconds.
const GOODBYES_US: u64 = 60_000;
/// Creatures per region.
const CREATURES: u32 = 1;

impl Cluster {
    pub(super) fn proxy_process(&self, life: u32) -> Proxy {
        Proxy {
            life,
            phase: Phase::Down,
            shards: self.fresh_shards(),
            services: ServiceClaims::default(),
            is_draining: false,
            stalled_until_us: 0,
        }
    }

    fn fresh_shards(&self) -> Vec<Shard<Clear>> {
        let shard = |lane| {
            let config = ShardConfig {
                edge: EdgeConfig::default(),
                messages_per_s: 200,
                stream_room: self.options.room.of_stream(),
                lane,
                lanes: self.options.lanes,
            };
            Shard::new(config, std::sync::Arc::clone(&self.topology))
        };
        self.lanes().map(shard).collect()
    }

    pub(super) fn phase_of(&self, node: NodeNumber) -> Phase {
        let server = self.servers.get(&node).map(|server| server.phase);
        let proxy = self.proxies.get(&node).map(|proxy| proxy.phase);
        server.or(proxy).unwrap_or(Phase::Down)
    }

    pub(super) fn stalled_until_us(&self, node: NodeNumber) -> u64 {
        let server = self.servers.get(&node).map(|server| server.stalled_until_us);
        let proxy = self.proxies.get(&node).map(|proxy| proxy.stalled_until_us);
        server.or(proxy).unwrap_or(0)
    }

    pub(super) fn is_stalled(&self, node: NodeNumber) -> bool {
        self.stalled_until_us(node) > self.now_us()
    }

    pub(super) fn start(&mut self, node: NodeNumber, life: u32) {
        if let Some(server) = self.servers.get_mut(&node) {
            if server.life == life && server.phase == Phase::Down {
                server.phase = Phase::Starting;
                self.ask(
                    Asker::Start { server: node, life },
                    StoreRequest::StartNode { node },
                );
            }
            return;
        }
        if self
            .proxies
            .get(&node)
            .is_none_or(|proxy| proxy.life != life || proxy.phase != Phase::Down)
        {
            return;
        }
        let mut fresh = self.proxy_process(life);
        fresh.phase = Phase::Up;
        for shard in &mut fresh.shards {
            shard.handle_listing(std::sync::Arc::clone(&self.in_force(node).listing));
        }
        self.proxies.insert(node, fresh);
        self.schedule.after(5_000, Event::ShardTick(node, life));
        self.dial_all(node);
        self.hear_of_newest(node);
    }

    fn dial_all(&mut self, node: NodeNumber) {
        for number in self.link_numbers() {
            if self.links[number.0].dialer == node {
                let delay_us = self.dice.below(20_000);
                self.schedule.after(delay_us, Event::Dial(number));
            }
        }
    }

    pub(super) fn started(&mut self, node: NodeNumber, life: u32, answer: &StoreResult) {
        let Some(server) = self.servers.get_mut(&node).filter(|server| server.life == life) else {
            return;
        };
        let Ok(StoreReply::Started(incarnation)) = answer else {
            server.phase = Phase::Down;
            return self.schedule.after(100_000, Event::Start(node, life));
        };
        server.incarnation = *incarnation;
        if self.options.standbys {
            return self.start_keeper(node);
        }
        let regions: Vec<RegionNumber> = server.epochs.keys().copied().collect();
        for region in regions {
            let asker = Asker::Serve {
                server: node,
                life,
                region,
            };
            self.ask(asker, StoreRequest::ReadService { region });
        }
    }

    pub(super) fn may_serve(
        &mut self,
        node: NodeNumber,
        life: u32,
        region: RegionNumber,
        answer: &StoreResult,
    ) {
        let Some(server) = self.servers.get_mut(&node).filter(|server| server.life == life) else {
            return;
        };
        let request = match answer {
            Ok(StoreReply::Serving(epoch)) => {
                server.epochs.insert(region, Some(*epoch));
                None
            }
            Ok(StoreReply::Service(newest)) => Some(StoreRequest::ServeRegion {
                region,
                node,
                after: newest.map(|service| service.region_epoch),
            }),
            _ => Some(StoreRequest::ReadService { region }),
        };
        if let Some(request) = request {
            let asker = Asker::Serve {
                server: node,
                life,
                region,
            };
            return self.ask(asker, request);
        }
        let epochs: Option<Vec<(RegionNumber, RegionEpoch)>> = server
            .epochs
            .iter()
            .map(|(region, epoch)| epoch.map(|epoch| (*region, epoch)))
            .collect();
        if let Some(epochs) = epochs {
            self.serve(node, epochs);
        }
    }

    pub(super) fn serve(&mut self, node: NodeNumber, epochs: Vec<(RegionNumber, RegionEpoch)>) {
        let Some(server) = self.servers.get_mut(&node) else {
            return;
        };
        server.phase = Phase::Up;
        let numbers = ProcessNumbers::new(node, server.incarnation);
        server.numbers = Some(numbers.clone());
        let regions = epochs
            .into_iter()
            .filter_map(|(number, epoch)| self.new_region(number, epoch, &numbers))
            .collect();
        let topology = std::sync::Arc::clone(&self.topology);
        let listing = std::sync::Arc::clone(&self.in_force(node).listing);
        // Where in a period the ticks fall.
        let phase_ms = self.dice.below(50);
        let mut now = self.moment_of(node);
        now.wall_ms += phase_ms;
        let mut world = World::new(node, topology, regions, now);
        world.handle_listing(listing, now);
        if let Some(server) = self.servers.get_mut(&node) {
            server.world = Some(world);
        }
        self.after_world(node);
        self.dial_all(node);
        self.hear_of_newest(node);
    }

    /// A region with nothing but what the store knows.
    pub(super) fn new_region(
        &mut self,
        number: RegionNumber,
        epoch: RegionEpoch,
        numbers: &ProcessNumbers,
    ) -> Option<Region> {
        let listing = &self.in_force(numbers.node()).listing;
        let listed = listing.listing(numbers.node(), number);
        let topology = std::sync::Arc::clone(listed.unwrap_or(listing.now()));
        let mut config = RegionConfig::new(number, epoch, numbers.clone(), topology);
        config.seed = self.options.seed;
        config.linkdead_grace_ms = LINKDEAD_MS;
        #[cfg(feature = "broken-rules")]
        {
            let of_creatures = self.options.careless.and_then(crate::OtherRule::in_regions);
            let of_players = self.options.without.and_then(crate::model::Rule::in_regions);
            config.without = of_players.or(of_creatures);
        }
        let (record, options) = (self.record.clone(), self.options.clone());
        if let Some(game) = &options.game {
            config.edition = game.edition();
        }
        let make = move || -> Box<dyn GameLogic> {
            let rules: Box<dyn GameLogic> = match &options.game {
                Some(game) => game.rules(),
                None => Box::new(DemoRules::with_creatures(CREATURES)),
            };
            Box::new(Recorder::new(rules, record.clone(), &options))
        };
        let region = Region::new(config, std::sync::Arc::new(make));
        if let Err(error) = &region {
            self.checks
                .fail(format!("a server may not serve its own region: {error}"));
        }
        region.ok()
    }

    /// A process dies. What it had sent to the store may still be done; what it had sent elsewhere is lost.
    pub(super) fn crash(&mut self, node: NodeNumber, down_ms: u64) {
        if self.is_storm() && self.phase_of(node) != Phase::Down {
            self.end_process(node, down_ms);
        }
    }

    /// A process ends, in a storm or not.
    pub(super) fn end_process(&mut self, node: NodeNumber, down_ms: u64) {
        let now_us = self.now_us();
        self.trace.line(now_us, || format!("node {node} dies"));
        let shards = self.fresh_shards();
        let life = match (self.servers.get_mut(&node), self.proxies.get_mut(&node)) {
            (Some(server), _) => {
                server.life += 1;
                server.phase = Phase::Down;
                server.stalled_until_us = 0;
                for region in server.regions() {
                    region
                        .players()
                        .for_each(|player| self.checks.memory_lost(player.user));
                }
                if let Some(world) = server.world.take() {
                    self.overflow.regions += world.overflow();
                }
                server.tick_at_us = None;
                server.keeper = None;
                server.lease_tick_at_us = None;
                server.cut_until_us = 0;
                server.epochs.values_mut().for_each(|epoch| *epoch = None);
                server.life
            }
            (None, Some(proxy)) => {
                proxy.life += 1;
                proxy.phase = Phase::Down;
                proxy.stalled_until_us = 0;
                proxy.is_draining = false;
                proxy.shards = shards;
                proxy.life
            }
            (None, None) => return,
        };
        for number in self.link_numbers() {
            if let Some(end) = self.links[number.0].end_of(node) {
                self.links[number.0].set_up(end, false);
                self.break_link(number, [end.other()]);
            }
        }
        self.conns_lost(node);
        let up_us = (now_us + down_ms * 1000)
            .min(self.storm_end_us())
            .max(now_us + 20_000);
        self.schedule.at(up_us, Event::Start(node, life));
    }

    /// A planned restart: nobody new is taken, then the process ends.
    pub(super) fn drain(&mut self, node: NodeNumber, ms: u64) {
        if self.proxies.contains_key(&node) {
            self.drain_proxy(node, ms.max(300));
        }
        self.with_world(node, |world, now| world.drain(now));
        if let Some(server) = self.servers.get_mut(&node)
            && let Some(keeper) = &mut server.keeper
        {
            keeper.drain();
        }
        let ms = ms.max(300);
        self.schedule
            .after(ms * 1000, Event::Trouble(Trouble::Crash(node, 100)));
        // Whoever drains restarts, storm or not.
        let end_us = self.storm_end_us().saturating_sub(1_000);
        if self.now_us() + ms * 1000 >= self.storm_end_us() {
            self.schedule
                .at(end_us, Event::Trouble(Trouble::Crash(node, 100)));
        }
    }

    /// A proxy lets nobody in, tells its devices, and sends away who is still there at the end.
    fn drain_proxy(&mut self, node: NodeNumber, ms: u64) {
        if let Some(proxy) = self.proxies.get_mut(&node) {
            proxy.is_draining = true;
        }
        for lane in self.lanes() {
            let at = ProxyLane { node, lane };
            self.with_shard(at, |shard, now, datagrams| {
                shard.drain(Vec::new(), now, datagrams);
            });
        }
        let away_us = ms * 1000 - GOODBYES_US;
        self.schedule
            .after(away_us, Event::Trouble(Trouble::SendAway(node)));
    }

    pub(super) fn send_away(&mut self, node: NodeNumber) {
        if self.proxies.get(&node).is_none_or(|proxy| !proxy.is_draining) {
            return;
        }
        for lane in self.lanes() {
            let at = ProxyLane { node, lane };
            self.with_shard(at, |shard, now, datagrams| {
                shard.close_clients(Code::Draining, now, datagrams);
            });
        }
    }

    /// Which start of a process this is.
    pub(super) fn incarnation_of(&self, node: NodeNumber) -> Incarnation {
        let server = self.servers.get(&node).map(|server| server.incarnation);
        let proxy = self
            .proxies
            .get(&node)
            .map(|proxy| Incarnation(1 + u64::from(proxy.life)));
        server.or(proxy).unwrap_or_default()
    }

    /// The lane of a proxy that a link is.
    pub(super) fn lane_at(&self, number: LinkNumber) -> LiveLane {
        let link = &self.links[number.0];
        LiveLane {
            at: ProxyLane {
                node: link.dialer,
                lane: link.lane,
            },
            incarnation: link.incarnation,
        }
    }

    pub(super) fn node_link_up(&mut self, number: LinkNumber, end: End) {
        let link = &self.links[number.0];
        let (node, other, id) = (link.node(end), link.node(end.other()), link.id());
        let initiator = link.incarnation;
        // What shards say to servers is looked at whole, and is never long.
        let room = self.options.room.of_link();
        if PROXIES.contains(&node) {
            self.with_shard(self.lane_at(number).at, |shard, now, datagrams| {
                shard.link_up(id, other, link_core(now), now, datagrams);
            });
        } else if PROXIES.contains(&other) {
            let arriving = ArrivingLane {
                lane: self.lane_at(number),
                lanes: self.options.lanes,
            };
            self.with_world(node, |world, now| {
                world.proxy_up(id, arriving, link_core(now).with_room(room), now);
            });
        } else {
            let side = match end {
                End::Dialer => Side::Dialed,
                End::Listener => Side::Accepted,
            };
            let arriving = ArrivingPeer {
                node: other,
                side,
                initiator,
            };
            self.with_world(node, |world, now| {
                world.peer_up(id, arriving, link_core(now).with_room(room), now);
            });
        }
    }

    pub(super) fn node_link_down(&mut self, number: LinkNumber, end: End) {
        let link = &self.links[number.0];
        let (node, id) = (link.node(end), link.id());
        if PROXIES.contains(&node) {
            let at = self.lane_at(number).at;
            self.with_shard(at, |shard, _, _| shard.link_broke(id, "eof"));
        } else {
            self.with_world(node, |world, now| world.broke(id, "eof", now));
        }
    }

    /// Which end of a link a node is at, for those who hold one end.
    pub(super) fn node_at(&self, way: &crate::links::Way) -> NodeNumber {
        self.links[way.link.0].node(way.to)
    }

    pub(super) fn hold(&mut self, number: LinkNumber, end: End, ms: u64) {
        let until_us = (self.now_us() + ms * 1000).min(self.storm_end_us());
        self.links[number.0].hold(end, until_us);
    }
}

/// A link as both ends agreed on it. Links die when the network of the run says so, not for silence.
fn link_core<In: BatchMessage, Out: BatchMessage>(now: Moment) -> LinkCore<In, Out, Clear> {
    let life = LinkLife {
        terms: LinkTerms {
            heartbeat_ms: 30_000,
            dead_ms: 65_000,
            ..LinkTerms::default()
        },
        peer_clock: PeerClock {
            wall_ms: now.wall_ms,
            at_ms: now.mono_us / 1000,
        },
        until_wall_ms: i64::MAX,
    };
    LinkCore::new(Clear::default(), life, now)
}
