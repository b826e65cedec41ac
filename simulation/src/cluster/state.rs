//! Everything that a run consists of: processes around the cores that ship, the network and the store between them.
//! The files beside this one each add what one of them does.

use std::collections::BTreeMap;
use std::sync::Arc;

use gameserver::lease::LeaseKeeper;
use gameserver::process_numbers::ProcessNumbers;
use gameserver::region::Region;
use gameserver::world::World;
use net::link_core::Clear;
use protocol::ids::{
    Incarnation, Lane, NodeNumber, ProxyLane, RegionEpoch, RegionNumber, TopologyVersion, UserId, lane_of,
};
use proxy::edge::SessionView;
use proxy::shard::Shard;
use store::ServiceClaims;
use store::simulated::SimulatedStore;
use topology::{Listing, Topology};

use super::event::{Event, Planned};
use super::patience::{Events, Patience};
use crate::bot::{Bot, Habit};
use crate::checks::Checks;
use crate::clocks::Clocks;
use crate::dice::Dice;
use crate::links::{End, Link, LinkNumber};
use crate::matrix::Coverage;
use crate::options::Options;
use crate::overflow::Overflow;
use crate::own_bot::OwnBot;
use crate::pieces::Pieces;
use crate::recorder::Record;
use crate::schedule::Schedule;
use crate::trace::{Lines, Trace};
use crate::world::{self, Keys, PROXIES};

/// What becomes of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Down,
    Starting,
    Up,
}

/// A game server's process.
pub(super) struct Server {
    /// Counts the processes of the node: what was meant for an earlier one is lost.
    pub(super) life: u32,
    pub(super) phase: Phase,
    pub(super) incarnation: Incarnation,
    /// Counts for all regions of the process.
    pub(super) numbers: Option<ProcessNumbers>,
    /// Regions it serves, with their epochs while they are being asked for.
    pub(super) epochs: BTreeMap<RegionNumber, Option<RegionEpoch>>,
    pub(super) world: Option<World<Clear>>,
    /// The earliest time at which the world is looked at by itself.
    pub(super) tick_at_us: Option<u64>,
    pub(super) stalled_until_us: u64,
    /// It does not reach the store before this time.
    pub(super) cut_until_us: u64,
    /// Where servers stand by for each other.
    pub(super) keeper: Option<LeaseKeeper>,
    /// The earliest time at which the keeper is looked at by itself.
    pub(super) lease_tick_at_us: Option<u64>,
}

impl Proxy {
    pub(super) fn shard_mut(&mut self, lane: Lane) -> Option<&mut Shard<Clear>> {
        self.shards.get_mut(usize::from(lane.number()))
    }

    /// The sessions of all its shards.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionView> {
        self.shards.iter().flat_map(|shard| shard.edge().session_views())
    }
}

impl Server {
    /// The regions that it simulates just now.
    pub(super) fn regions(&self) -> impl Iterator<Item = &Region> {
        self.world.iter().flat_map(World::regions)
    }

    pub(super) fn region(&self, number: RegionNumber) -> Option<&Region> {
        self.regions().find(|region| region.number() == number)
    }
}

/// A proxy's process.
pub(super) struct Proxy {
    pub(super) life: u32,
    pub(super) phase: Phase,
    /// By lane.
    pub(super) shards: Vec<Shard<Clear>>,
    pub(super) services: ServiceClaims,
    /// It lets nobody in any more.
    pub(super) is_draining: bool,
    pub(super) stalled_until_us: u64,
}

/// One connection of a device to a proxy.
pub(super) struct Conn {
    pub(super) bot: usize,
    pub(super) proxy: NodeNumber,
    pub(super) life: u32,
    pub(super) is_alive: bool,
    pub(super) at_client: bool,
    pub(super) last_up_us: u64,
    pub(super) last_down_us: u64,
    pub(super) blocked_until_us: u64,
    /// The device reads nothing from its stream before this time.
    pub(super) reads_from_us: u64,
    /// The ticket shown, or none for a login.
    pub(super) ticket: Option<bytes::Bytes>,
    pub(super) attach_no: u32,
}

/// What a node has in force, and keeps over its starts.
#[derive(Clone, Debug)]
pub(super) struct InForce {
    pub(super) version: TopologyVersion,
    pub(super) listing: Arc<Listing>,
}

pub(crate) struct Cluster {
    pub(super) options: Options,
    pub(super) topology: Arc<Topology>,
    /// The topology of the beginning, the one that was pushed last, and what nodes have that have had another since.
    pub(super) first: InForce,
    pub(super) newest: InForce,
    pub(super) in_force: BTreeMap<NodeNumber, InForce>,
    pub(super) keys: Keys,
    pub(super) schedule: Schedule<Event>,
    pub(super) dice: Dice,
    pub(super) servers: BTreeMap<NodeNumber, Server>,
    pub(super) proxies: BTreeMap<NodeNumber, Proxy>,
    pub(super) links: Vec<Link>,
    /// Those of each node, and at which end it is.
    pub(super) links_of: BTreeMap<NodeNumber, Arc<[(LinkNumber, End)]>>,
    pub(super) store: SimulatedStore,
    pub(super) store_away_until_us: u64,
    pub(super) conns: Vec<Conn>,
    pub(super) bots: Vec<Bot>,
    pub(super) record: Record,
    pub(super) checks: Checks,
    pub(super) trace: Trace,
    pub(super) coverage: Coverage,
    /// When this storm began, microseconds.
    pub(super) began_us: u64,
    /// When two servers were linked last, microseconds.
    pub(super) linked_us: u64,
    /// What was planned of faults, whether it is to happen or not.
    pub(super) planned: Vec<Planned>,
    /// How many messages of each ambush may pass.
    pub(super) passing: Vec<Option<u32>>,
    pub(super) clocks: Clocks,
    pub(super) events: u64,
    pub(super) crossings: u64,
    pub(super) moves: u64,
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) patience: Events,
    /// Of worlds that have died, and of all links and streams.
    pub(super) overflow: Overflow,
    /// Of messages to proxies that are not whole yet.
    pub(super) pieces: Pieces,
}

impl Cluster {
    pub(crate) fn new(options: &Options, lines: Lines) -> Result<Self, String> {
        let mut dice = Dice::new(options.seed);
        let topology = world::topology(options.servers, dice.throw(), options.standbys)?;
        let first = InForce {
            version: TopologyVersion(1),
            listing: Arc::new(Listing::new(Arc::clone(&topology))),
        };
        let mut cluster = Self {
            newest: first.clone(),
            first,
            in_force: BTreeMap::new(),
            options: options.clone(),
            keys: Keys::new(),
            schedule: Schedule::new(),
            servers: BTreeMap::new(),
            proxies: BTreeMap::new(),
            links: Vec::new(),
            links_of: BTreeMap::new(),
            store: SimulatedStore::default(),
            store_away_until_us: 0,
            conns: Vec::new(),
            bots: Vec::new(),
            record: Record::default(),
            checks: Checks::default(),
            trace: Trace::new(lines),
            coverage: Coverage::default(),
            began_us: 0,
            linked_us: 0,
            planned: Vec::new(),
            passing: Vec::new(),
            clocks: Clocks::default(),
            events: 0,
            crossings: 0,
            moves: 0,
            counts: BTreeMap::new(),
            patience: Events::new(Patience::of(options)),
            overflow: Overflow::default(),
            pieces: Pieces::default(),
            topology,
            dice,
        };
        #[cfg(feature = "broken-rules")]
        {
            let of_creatures = options.careless.and_then(crate::OtherRule::in_store);
            let of_players = options.without.and_then(crate::model::Rule::in_store);
            if let Some(condition) = of_players.or(of_creatures) {
                cluster.store.leave_out(condition);
            }
        }
        cluster.furnish();
        cluster.plan_troubles();
        Ok(cluster)
    }

    /// Processes, links and players of the beginning.
    fn furnish(&mut self) {
        let servers: Vec<NodeNumber> = self
            .topology
            .servers()
            .iter()
            .map(|server| server.number)
            .collect();
        for &server in &servers {
            let regions = self.topology.regions().iter();
            let own: Vec<_> = regions
                .filter(|region| region.server == server)
                .map(|region| region.number)
                .collect();
            let fresh = Server {
                life: 0,
                phase: Phase::Down,
                incarnation: Incarnation(0),
                numbers: None,
                epochs: own.iter().map(|region| (*region, None)).collect(),
                world: None,
                tick_at_us: None,
                stalled_until_us: 0,
                cut_until_us: 0,
                keeper: None,
                lease_tick_at_us: None,
            };
            self.servers.insert(server, fresh);
            for &other in servers.iter().filter(|other| **other != server) {
                self.links.push(Link::new(server, Lane::FIRST, other));
            }
        }
        for proxy in PROXIES {
            let fresh = self.proxy_process(0);
            self.proxies.insert(proxy, fresh);
            for lane in self.lanes() {
                let links = servers.iter().map(|server| Link::new(proxy, lane, *server));
                self.links.extend(links);
            }
        }
        for node in servers.iter().copied().chain(PROXIES) {
            let ends = self.link_numbers();
            let ends = ends.filter_map(|number| Some((number, self.links[number.0].end_of(node)?)));
            let ends = ends.collect();
            self.links_of.insert(node, ends);
        }
        for node in servers.into_iter().chain(PROXIES) {
            let at_us = self.dice.below(200_000);
            self.schedule.at(at_us, Event::Start(node, 0));
        }
        for index in 0..self.options.players {
            let dice = self.dice.fork();
            self.add_bot(UserId(1 + u64::from(index)), dice);
            let at_us = self.dice.below(50_000);
            self.schedule.at(at_us, Event::Bot(usize::from(index)));
        }
    }

    /// A device of a user.
    pub(super) fn add_bot(&mut self, user: UserId, dice: Dice) -> &mut Bot {
        let mut bot = Bot::new(user, Habit::of(self.options.scenario), dice);
        if let Some(game) = &self.options.game {
            let seed = self.options.seed.rotate_left(32) ^ self.bots.len() as u64;
            bot.own_bot = Some(OwnBot::new(game, seed, self.options.players));
        }
        self.bots.push(bot);
        let last = self.bots.len() - 1;
        &mut self.bots[last]
    }

    /// The lanes of each proxy.
    pub(super) fn lanes(&self) -> impl Iterator<Item = Lane> + use<> {
        (0..self.options.lanes.count()).filter_map(Lane::new)
    }

    /// The lane of a proxy, and its shard, where a device's user is.
    pub(super) fn shard_of(&self, conn: usize) -> ProxyLane {
        let conn = &self.conns[conn];
        self.shard_at(conn.proxy, self.bots[conn.bot].user)
    }

    pub(super) fn shard_at(&self, node: NodeNumber, user: UserId) -> ProxyLane {
        let lane = lane_of(user, self.options.lanes);
        ProxyLane { node, lane }
    }

    pub(super) fn now_us(&self) -> u64 {
        self.schedule.now_us()
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.schedule.now_ms()
    }

    pub(super) fn storm_end_us(&self) -> u64 {
        self.began_us + self.options.storm_ms * 1000
    }

    /// When everything has to be well again.
    pub(super) fn calm_end_us(&self) -> u64 {
        self.storm_end_us() + self.options.calm_ms * 1000
    }

    pub(super) fn is_storm(&self) -> bool {
        self.now_us() < self.storm_end_us()
    }

    pub(super) fn link_numbers(&self) -> impl Iterator<Item = LinkNumber> + use<> {
        (0..self.links.len()).map(LinkNumber)
    }
}
