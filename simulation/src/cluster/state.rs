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

use super::event::{Event, Trouble};
use super::patience::{Events, Patience};
use crate::bot::Bot;
use crate::checks::Checks;
use crate::dice::Dice;
use crate::links::{Link, LinkNumber};
use crate::matrix::{Coverage, Step};
use crate::options::{Options, Room};
use crate::overflow::Overflow;
use crate::pieces::Pieces;
use crate::recorder::Record;
use crate::schedule::Schedule;
use crate::trace::{Lines, Trace};
use crate::world::{self, Keys, PROXIES};

/// How many links and devices are slow where room is narrow.
const SLOW_ONES: usize = 4;
/// How many servers are dead for longer than others wait, where servers stand by.
const DEATHS: usize = 2;
/// How often a region is given to another server there.
const GIFTS_OF_REGIONS: usize = 3;
/// How often an operator tries to push another topology there.
const PUSHES: usize = 3;
/// Wall clock at the beginning of a run, Unix milliseconds.
pub(super) const WALL_MS: u64 = 1_700_000_000_000;

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
    pub(super) store: SimulatedStore,
    pub(super) store_away_until_us: u64,
    pub(super) conns: Vec<Conn>,
    pub(super) bots: Vec<Bot>,
    pub(super) record: Record,
    pub(super) checks: Checks,
    pub(super) trace: Trace,
    pub(super) coverage: Coverage,
    /// How many messages of each ambush may pass.
    pub(super) passing: Vec<Option<u32>>,
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
            store: SimulatedStore::default(),
            store_away_until_us: 0,
            conns: Vec::new(),
            bots: Vec::new(),
            record: Record::default(),
            checks: Checks::default(),
            trace: Trace::new(lines),
            coverage: Coverage::default(),
            passing: options
                .ambushes
                .iter()
                .map(|ambush| Some(ambush.passing))
                .collect(),
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
            let of_creatures = options.careless.and_then(crate::CreatureRule::in_store);
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
        for node in servers.into_iter().chain(PROXIES) {
            let at_us = self.dice.below(200_000);
            self.schedule.at(at_us, Event::Start(node, 0));
        }
        for index in 0..self.options.players {
            let bot = Bot::new(UserId(1 + u64::from(index)), self.dice.fork());
            self.bots.push(bot);
            let at_us = self.dice.below(50_000);
            self.schedule.at(at_us, Event::Bot(usize::from(index)));
        }
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
        self.options.storm_ms * 1000
    }

    pub(super) fn is_storm(&self) -> bool {
        self.now_us() < self.storm_end_us()
    }

    pub(super) fn link_numbers(&self) -> impl Iterator<Item = LinkNumber> + use<> {
        (0..self.links.len()).map(LinkNumber)
    }

    /// Faults out of the blue, all over by the end of the storm.
    fn plan_troubles(&mut self) {
        for _ in 0..self.options.faults {
            let at_us = self.dice.between(700_000, self.storm_end_us() - 100_000);
            let trouble = self.trouble();
            self.schedule.at(at_us, Event::Trouble(trouble));
        }
        if self.options.room == Room::Narrow {
            self.plan_slowness();
        }
        if self.options.standbys && !self.options.ambushes.is_empty() {
            self.plan_deaths();
        }
        let steps: Vec<Step> = self.options.ambushes.iter().map(|ambush| ambush.step).collect();
        steps.into_iter().for_each(|step| self.bring_about(step));
    }

    /// Who takes little, so that room runs out.
    fn plan_slowness(&mut self) {
        for _ in 0..SLOW_ONES {
            let dice = &mut self.dice;
            let at_us = dice.between(1_000_000, self.options.storm_ms * 1000 - 1_000_000);
            let link = LinkNumber(dice.index(self.links.len()));
            let bot = dice.index(usize::from(self.options.players));
            let ms = dice.between(300, 2_500);
            let troubles = [Trouble::Shut(link, ms), Trouble::StopReading(bot, ms)];
            for trouble in troubles {
                self.schedule.at(at_us, Event::Trouble(trouble));
            }
        }
    }

    /// Messages that are rare by themselves get a reason to be sent.
    fn bring_about(&mut self, step: Step) {
        let servers: Vec<NodeNumber> = self.servers.keys().copied().collect();
        let times: Vec<u64> = (0..6)
            .map(|_| self.dice.between(1_200_000, self.storm_end_us() - 500_000))
            .collect();
        for (index, at_us) in times.into_iter().enumerate() {
            let bot = index % usize::from(self.options.players);
            let trouble = match step {
                // Only a server that drains refuses.
                Step::Refuse if index < servers.len() => Trouble::Drain(servers[index], 2_500),
                Step::Leave => Trouble::CutClient(bot),
                Step::Release | Step::Activate => Trouble::Logout(bot),
                _ => continue,
            };
            let at_us = if step == Step::Refuse {
                at_us.min(2_500_000)
            } else {
                at_us
            };
            self.schedule.at(at_us, Event::Trouble(trouble));
        }
    }

    fn trouble(&mut self) -> Trouble {
        use crate::links::End;
        let servers: Vec<NodeNumber> = self.servers.keys().copied().collect();
        let dice = &mut self.dice;
        let server = servers[dice.index(servers.len())];
        let proxy = PROXIES[dice.index(PROXIES.len())];
        let link = LinkNumber(dice.index(self.links.len()));
        let bot = dice.index(usize::from(self.options.players));
        let end = [End::Dialer, End::Listener][dice.index(2)];
        let ms = [50, 300, 1_000, 2_500][dice.index(4)];
        match dice.below(14) {
            0 | 1 => Trouble::Cut(link, ms),
            2 => Trouble::Hold(link, end, ms),
            3 => Trouble::Throttle(link, ms),
            4 => Trouble::Stall(if dice.permille(700) { server } else { proxy }, ms),
            5 | 6 => Trouble::Crash(server, ms),
            7 => Trouble::Crash(proxy, ms),
            8 => Trouble::CutClient(bot),
            9 => Trouble::BlockDatagrams(bot, ms * 2),
            10 => Trouble::StoreAway(ms),
            11 => Trouble::SecondLogin(bot),
            12 => Trouble::Logout(bot),
            _ => Trouble::Drain(server, ms),
        }
    }

    /// What makes a server dead in the eyes of the others, so that they take over.
    fn plan_deaths(&mut self) {
        let servers: Vec<NodeNumber> = self.servers.keys().copied().collect();
        let storm_ms = self.options.storm_ms;
        for _ in 0..DEATHS {
            let server = servers[self.dice.index(servers.len())];
            let at_us = self.dice.between(1_000_000, (storm_ms - 4_500) * 1000);
            let ms = self.dice.between(3_200, 6_000);
            let trouble = match self.dice.below(4) {
                0 | 1 => Trouble::Crash(server, ms),
                2 => Trouble::Stall(server, ms),
                _ => Trouble::CutFromStore(server, ms),
            };
            self.schedule.at(at_us, Event::Trouble(trouble));
        }
        for _ in 0..GIFTS_OF_REGIONS {
            let regions = self.topology.regions();
            let region = &regions[self.dice.index(regions.len())];
            let candidates: Vec<NodeNumber> = region.candidates().collect();
            let give = Trouble::Give(region.number, candidates[self.dice.index(candidates.len())]);
            let at_us = self.dice.between(1_000_000, (storm_ms - 500) * 1000);
            self.schedule.at(at_us, Event::Trouble(give));
        }
        for _ in 0..PUSHES {
            let at_us = self.dice.between(800_000, (storm_ms - 3_000) * 1000);
            let push = Trouble::Push(self.dice.throw());
            self.schedule.at(at_us, Event::Trouble(push));
        }
    }
}
