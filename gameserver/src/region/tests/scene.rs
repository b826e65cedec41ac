//! A scene: regions on some servers, one store, proxies that only listen, and a network that loses what a test names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use demo::DemoRules;
use game::{Edition, GameLogic as _};
use protocol::geometry::Position;
use protocol::ids::*;
use protocol::message::family::{BatchMessage as _, ProxyToServer, ServerToProxy, ServerToServer};
use protocol::message::player::{Joined, Output};
use store::simulated::{Condition, Fault, FaultPlan, SimulatedStore};
use store::{PlayerRow, StoreReply, StoreRequest};
use topology::Topology;

use super::super::player::Player;
use super::super::*;
use crate::dispatch::{Addressee, Directory};
use crate::game_world::game_world;
use crate::process_numbers::ProcessNumbers;
use crate::proxy_lanes::ArrivingLane;

pub(in super::super) const PROXY: LiveLane = lane(101, 0, 1);
pub(in super::super) const OTHER_PROXY: LiveLane = lane(102, 0, 1);
pub(super) const A: RegionNumber = RegionNumber(1);
pub(super) const B: RegionNumber = RegionNumber(2);
/// Length of a tick, milliseconds.
pub(super) const TICK_MS: u64 = 50;
/// Far more rounds of messages and answers than anything takes.
const ROUNDS_MAX: usize = 1_000;

/// A lane of a proxy's start.
pub(super) const fn lane(proxy: u16, number: u8, start: u64) -> LiveLane {
    let Some(lane) = Lane::new(number) else {
        panic!("lanes go up to 15")
    };
    LiveLane {
        at: ProxyLane {
            node: NodeNumber(proxy),
            lane,
        },
        incarnation: Incarnation(start),
    }
}

/// Two by two regions of 128 units; `servers` names who serves each.
pub(in super::super) fn world(servers: [u16; 4]) -> Arc<Topology> {
    let mut text =
        "[world]\nname = \"test\"\nsize = [256, 256]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\n\
                    tick_hz = 20\nhandover_margin = 1.0\n"
            .to_owned();
    for number in BTreeSet::from(servers) {
        text += &format!(
            "[[server]]\nname = \"gs-{number}\"\nnumber = {number}\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:0\"\n"
        );
    }
    for number in [101, 102] {
        text += &format!(
            "[[proxy]]\nname = \"edge-{number}\"\nnumber = {number}\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\n\
             http = \"127.0.0.1:0\"\n"
        );
    }
    let quoted: Vec<_> = servers.iter().map(|server| format!("\"gs-{server}\"")).collect();
    text += &format!(
        "[grid]\ncolumns = 2\nrows = 2\nservers = [{}]\n",
        quoted.join(", ")
    );
    Arc::new(topology::parse("test.toml", &text).unwrap_or_else(|mistakes| panic!("{mistakes:?}")))
}

/// Picks store requests.
pub(super) type Kind = fn(&StoreRequest) -> bool;

pub(super) struct Scene {
    pub(super) topology: Arc<Topology>,
    pub(super) regions: BTreeMap<RegionNumber, Region>,
    pub(super) directories: BTreeMap<NodeNumber, Directory>,
    pub(super) store: SimulatedStore,
    asked: BTreeMap<u64, (RegionNumber, RegionEpoch, StoreTicket)>,
    requests: u64,
    /// How often a player's row was read.
    pub(super) loads: usize,
    pub(super) now: Now,
    /// What proxies heard: from which server, which lane, what.
    pub(super) heard: Vec<(NodeNumber, ProxyLane, ServerToProxy)>,
    pub(super) said: Vec<ServerToServer>,
    pub(super) counted: BTreeMap<&'static str, usize>,
    /// What rules asked of the pool, and what they showed.
    pub(super) work: Vec<(RegionNumber, u64, bytes::Bytes)>,
    pub(super) observed: Vec<Observation>,
    /// Families between servers that are lost, each so many times.
    pub(super) lose: BTreeMap<u8, usize>,
    /// Of a thousand messages between servers, as many are lost and as many doubled.
    pub(super) weather_permille: u64,
    pub(super) dice: u64,
    /// Families that are delivered twice.
    pub(super) double: BTreeSet<u8>,
    /// What goes wrong with the next request of a kind.
    pub(super) fault: Option<(Kind, Fault)>,
    /// Links that regions want: who, and to whom.
    pub(super) wanted: Vec<(NodeNumber, NodeNumber)>,
    net: VecDeque<(NodeNumber, NodeNumber, ServerToServer)>,
    incarnation: u64,
    /// What each subscriber takes in a tick, bytes; everything, where nothing is said.
    pub(super) room: Rooms,
    /// What every region plays from its start on, and which version of it.
    pub(super) rules: MakeRules,
    pub(super) version: u32,
}

/// The rooms of a scene.
#[derive(Default)]
pub(super) struct Rooms(pub(super) BTreeMap<Subscriber, usize>);

impl Room for Rooms {
    fn room_bytes(&mut self, subscriber: Subscriber) -> usize {
        self.0.get(&subscriber).copied().unwrap_or(usize::MAX)
    }

    fn event_bytes(&mut self, lane: ProxyLane) -> usize {
        self.room_bytes(Subscriber::Lane(lane))
    }
}

impl Scene {
    pub(super) fn new(servers: [u16; 4]) -> Self {
        Self::of(world(servers))
    }

    /// All regions of a world.
    pub(super) fn of(topology: Arc<Topology>) -> Self {
        Self::playing(topology, Arc::new(|| Box::new(DemoRules::default())))
    }

    /// All regions of a world, with other rules.
    pub(super) fn playing(topology: Arc<Topology>, rules: MakeRules) -> Self {
        let numbers: Vec<_> = topology.regions().iter().map(|region| region.number).collect();
        let mut store = SimulatedStore::new(FaultPlan::default());
        store.leave_out(Condition::Session);
        let mut scene = Self {
            topology,
            regions: BTreeMap::new(),
            directories: BTreeMap::new(),
            store,
            asked: BTreeMap::new(),
            requests: 0,
            loads: 0,
            now: Now {
                mono_ms: 1_000,
                wall_ms: 1_000_000,
            },
            heard: Vec::new(),
            said: Vec::new(),
            counted: BTreeMap::new(),
            work: Vec::new(),
            observed: Vec::new(),
            lose: BTreeMap::new(),
            weather_permille: 0,
            dice: 1,
            double: BTreeSet::new(),
            fault: None,
            wanted: Vec::new(),
            net: VecDeque::new(),
            incarnation: 0,
            room: Rooms::default(),
            rules,
            version: 1,
        };
        for number in numbers {
            scene.start(number);
        }
        scene.link_all();
        scene.settle();
        scene
    }

    /// Each region on a server of its own.
    pub(super) fn four() -> Self {
        Self::new([1, 2, 3, 4])
    }

    /// Where the game has a new user start.
    pub(super) fn spawn_point(&self, user: UserId) -> Position {
        DemoRules::default().spawn_point(&game_world(&self.topology), user)
    }

    fn node(&self, region: RegionNumber) -> NodeNumber {
        self.topology.region(region).unwrap().server
    }

    /// Starts a region, or starts it again with all memory lost.
    pub(super) fn start(&mut self, number: RegionNumber) {
        let node = self.node(number);
        let Ok(StoreReply::Service(newest)) = self.store.apply(&StoreRequest::ReadService { region: number })
        else {
            panic!()
        };
        let serve = StoreRequest::ServeRegion {
            region: number,
            node,
            after: newest.map(|service| service.region_epoch),
        };
        let Ok(StoreReply::Serving(epoch)) = self.store.apply(&serve) else {
            panic!()
        };
        self.incarnation += 1;
        let numbers = ProcessNumbers::new(node, Incarnation(self.incarnation));
        let edition = Edition {
            id: "test",
            version: self.version,
        };
        let config = RegionConfig {
            seed: 7,
            edition,
            ..RegionConfig::new(number, epoch, numbers, self.topology.clone())
        };
        let region = Region::new(config, self.rules.clone()).unwrap();
        self.regions.insert(number, region);
        let regions = self.topology.regions_of(node).map(|region| region.number);
        self.directories
            .entry(node)
            .or_insert_with(|| Directory::new(regions));
    }

    /// A server is dead: what is sent to it is lost.
    pub(super) fn stop(&mut self, number: RegionNumber) {
        self.regions.remove(&number);
        let node = self.node(number);
        for region in self.regions.values_mut() {
            region.handle(RegionInput::PeerDown(node), self.now);
        }
    }

    pub(super) fn link_all(&mut self) {
        let nodes: BTreeSet<_> = self.regions.keys().map(|number| self.node(*number)).collect();
        for region in self.regions.values_mut() {
            for proxy in [PROXY, OTHER_PROXY] {
                let arriving = ArrivingLane {
                    lane: proxy,
                    lanes: Lanes::ONE,
                };
                if !region.state.proxies.is_up(proxy) {
                    region.handle(RegionInput::ProxyUp(arriving), self.now);
                }
            }
            for node in &nodes {
                region.handle(RegionInput::PeerUp(*node), self.now);
            }
        }
    }

    /// Carries effects, messages and answers until nothing moves.
    pub(super) fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut moved = false;
            let numbers: Vec<_> = self.regions.keys().copied().collect();
            for number in numbers {
                let effects = self.regions.get_mut(&number).unwrap().take_effects();
                moved |= !effects.is_empty();
                for effect in effects {
                    self.carry_out(number, effect);
                }
            }
            while let Some((from, to, message)) = self.net.pop_front() {
                moved = true;
                self.deliver(from, to, &message);
            }
            self.store.tick(self.now.mono_ms);
            for answer in self.store.take_answers() {
                moved = true;
                let Some((number, epoch, ticket)) = self.asked.remove(&answer.correlation) else {
                    continue;
                };
                if let Some(region) = self
                    .regions
                    .get_mut(&number)
                    .filter(|region| region.epoch() == epoch)
                {
                    region.handle(RegionInput::Store(ticket, answer.result), self.now);
                }
            }
            if !moved {
                return;
            }
        }
        panic!("something is asked again and again");
    }

    fn carry_out(&mut self, number: RegionNumber, effect: RegionEffect) {
        let node = self.node(number);
        match effect {
            RegionEffect::ToProxy(proxy, message) => self.heard.push((node, proxy, message)),
            RegionEffect::ToServer(to, message) => {
                self.said.push(message.clone());
                let family = message.family();
                let dice = self.roll();
                match self.lose.get_mut(&family) {
                    // What a link says as it comes up is not lost but with the link.
                    _ if dice < self.weather_permille && family != 0x40 => {}
                    Some(times) if *times > 0 => *times -= 1,
                    _ => {
                        if self.double.contains(&family) || dice >= 1_000 - self.weather_permille {
                            self.net.push_back((node, to, message.clone()));
                        }
                        self.net.push_back((node, to, message));
                    }
                }
            }
            RegionEffect::Link(to) => self.wanted.push((node, to)),
            RegionEffect::Store(ticket, request) => {
                if let Some((_, fault)) = self.fault.take_if(|(kind, _)| kind(&request)) {
                    self.store.set_faults(FaultPlan {
                        script: BTreeMap::from([(self.requests, fault)]),
                        ..FaultPlan::default()
                    });
                }
                self.loads += usize::from(matches!(request, StoreRequest::LoadPlayer { .. }));
                let epoch = self.regions[&number].epoch();
                self.asked.insert(self.requests, (number, epoch, ticket));
                self.store
                    .handle_request(self.requests, request, self.now.mono_ms);
                self.requests += 1;
            }
            RegionEffect::PlayerHere(user) => self.directories.get_mut(&node).unwrap().here(user, number),
            RegionEffect::PlayerExpected(user) => {
                self.directories.get_mut(&node).unwrap().expected(user, number);
            }
            RegionEffect::PlayerPassed(user) => self.directories.get_mut(&node).unwrap().passed(user, number),
            RegionEffect::PlayerGone(user) => self.directories.get_mut(&node).unwrap().gone(user, number),
            RegionEffect::ForwardJoin(to, proxy, join, row) => {
                self.input(to, RegionInput::ForwardedJoin(proxy, join, row));
            }
            RegionEffect::Work(ask, request) => self.work.push((number, ask, request)),
            RegionEffect::Observed(news) => self.observed.push(news),
            RegionEffect::RulesPanicked { .. } => *self.counted.entry("panicked").or_default() += 1,
            RegionEffect::Superseded => *self.counted.entry("superseded").or_default() += 1,
            RegionEffect::Unreadable(_) => *self.counted.entry("unreadable").or_default() += 1,
            RegionEffect::Count(label) => *self.counted.entry(label).or_default() += 1,
        }
    }

    /// 0 to 999.
    pub(super) fn roll(&mut self) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % 1_000
    }

    fn deliver(&mut self, from: NodeNumber, to: NodeNumber, message: &ServerToServer) {
        let Some(directory) = self.directories.get(&to) else {
            return;
        };
        let regions: Vec<_> = match directory.peer_message(message) {
            Addressee::Region(region) => vec![region],
            Addressee::Bordering(of) => {
                let here: Vec<_> = directory.regions().collect();
                let near = self.topology.neighbours(of).iter().copied();
                near.filter(|region| here.contains(region)).collect()
            }
            Addressee::World | Addressee::Nobody => Vec::new(),
        };
        for region in regions {
            self.input(region, RegionInput::FromPeer(from, message.clone()));
        }
    }

    pub(super) fn input(&mut self, number: RegionNumber, input: RegionInput) {
        if let Some(region) = self.regions.get_mut(&number) {
            region.handle(input, self.now);
        }
    }

    pub(super) fn tick(&mut self) {
        self.now.mono_ms += TICK_MS;
        self.now.wall_ms += TICK_MS;
        for region in self.regions.values_mut() {
            region.tick(self.now, &mut NoClock, &mut self.room);
        }
        self.settle();
    }

    pub(super) fn run(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(TICK_MS) {
            self.tick();
        }
    }

    pub(super) fn proxy_says(
        &mut self,
        node: NodeNumber,
        proxy: LiveLane,
        message: impl Into<ProxyToServer>,
    ) {
        let message = message.into();
        if let Addressee::Region(region) = self.directories[&node].proxy_message(&message) {
            self.input(region, RegionInput::FromProxy(proxy, message));
        }
        self.settle();
    }

    /// Who simulates the user, with epoch and place.
    pub(super) fn active(&self, user: UserId) -> Vec<(RegionNumber, OwnerEpoch, Position)> {
        let player = |region: &Region| {
            let player = region.state.players.get(&user)?;
            let at = region.state.entities.get(player.key)?.at;
            Some((region.number(), player.epoch, at))
        };
        self.regions.values().filter_map(player).collect()
    }

    pub(super) fn row(&self, user: UserId) -> PlayerRow {
        self.store
            .tables()
            .players()
            .find(|row| row.user == user)
            .unwrap()
            .clone()
    }

    /// Exactly one region simulates the user, and the row agrees.
    pub(super) fn assert_owned_once(&self, user: UserId) -> RegionNumber {
        let active = self.active(user);
        let [(region, epoch, _)] = active[..] else {
            panic!("simulated by {active:?}")
        };
        let row = self.row(user);
        assert_eq!(
            (row.region, row.owner_epoch),
            (region, epoch),
            "the row names the owner"
        );
        assert_eq!(self.regions[&region].status().frozen, 0);
        region
    }

    pub(super) fn player(&self, region: RegionNumber, user: UserId) -> &Player {
        &self.regions[&region].state.players[&user]
    }

    pub(super) fn player_mut(&mut self, region: RegionNumber, user: UserId) -> &mut Player {
        let state = &mut self.regions.get_mut(&region).unwrap().state;
        state.players.get_mut(&user).unwrap()
    }

    /// Puts a player somewhere, as if it had walked there.
    pub(super) fn place(&mut self, region: RegionNumber, user: UserId, x: f32, y: f32) {
        let state = &mut self.regions.get_mut(&region).unwrap().state;
        let key = state.players[&user].key;
        state.cells.walk(key, Position { x, y }, &mut state.entities);
    }

    pub(super) fn take_heard<T>(&mut self, pick: impl Fn(&ServerToProxy) -> Option<T>) -> Vec<T> {
        let heard = std::mem::take(&mut self.heard);
        heard.iter().filter_map(|(_, _, message)| pick(message)).collect()
    }
}

pub(in super::super) fn join(user: u64, generation: u64, attach_no: u32) -> VerifiedJoin {
    VerifiedJoin {
        user: UserId(user),
        session: SessionId([generation as u8; 16]),
        session_generation: SessionGeneration(generation),
        attach_no: AttachNo(attach_no),
        client_pub: [1; 32],
        acked_command: CommandNumber(0),
        acked_event: EventNumber(0),
        name: "ann".into(),
        account: protocol::ticket::AccountKind::Guest,
    }
}

pub(super) fn joined(message: &ServerToProxy) -> Option<Joined> {
    match message {
        ServerToProxy::Joined(joined) => Some(joined.clone()),
        _ => None,
    }
}

pub(super) fn refused(message: &ServerToProxy) -> Option<u8> {
    match message {
        ServerToProxy::JoinRefused(refused) => Some(refused.code as u8),
        _ => None,
    }
}

pub(super) fn output(message: &ServerToProxy) -> Option<Output> {
    match message {
        ServerToProxy::Output(output) => Some(output.clone()),
        _ => None,
    }
}

pub(super) fn event(message: &ServerToProxy) -> Option<(u64, demo::Event)> {
    match message {
        ServerToProxy::Event(event) => Some((event.number, demo::Event::parse(&event.body).unwrap())),
        _ => None,
    }
}
