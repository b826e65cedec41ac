//! Regions side by side, each on a server of its own, one store, one clock, and a network that loses nothing.

mod look;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use game::{CommandKind, CommandNumber, EntityId, Game, Position, RegionNumber, UserId};
use gameserver::game_world::game_world;
use gameserver::process_numbers::ProcessNumbers;
use gameserver::proxy_lanes::ArrivingLane;
use gameserver::region::{
    MakeRules, NoClock, NoLimit, Now, Region, RegionConfig, RegionEffect, RegionInput, Reload, StoreTicket,
};
use prost::Message as _;
use protocol::ids::{AttemptId, Incarnation, Lanes, NodeNumber, OwnerEpoch, RegionEpoch, StateVersion};
use protocol::message::family::{ProxyToServer, ServerToProxy, ServerToServer};
use protocol::message::handover::PlayerState;
use protocol::message::player::{Leave, LeaveReason};
use store::simulated::{Condition, FaultPlan, SimulatedStore};
use store::{Holding, Mutes, PlayerBody, PlayerRow, StoreReply, StoreRequest};
use topology::Topology;

use crate::asks::Asks;
use crate::player::Player;
use crate::seen::Seen;
use crate::setting::{PROXY, join, node_of, plan, region_of};

pub use look::Thing;

/// Length of a tick, milliseconds.
const TICK_MS: u64 = 50;
/// Far more rounds of messages and answers than anything takes.
const ROUNDS_MAX: usize = 1_000;
/// A player whose owner is silent for so long asks the store who has it, milliseconds.
const SILENCE_MS: u64 = 1_000;

/// One region, or two with a border, with a game in them. A tick is 50 ms.
pub struct Playground {
    topology: Arc<Topology>,
    rules: MakeRules,
    asks: Asks,
    regions: BTreeMap<RegionNumber, Region>,
    store: SimulatedStore,
    asked: BTreeMap<u64, (RegionNumber, RegionEpoch, StoreTicket)>,
    requests: u64,
    now: Now,
    net: VecDeque<(NodeNumber, NodeNumber, ServerToServer)>,
    players: BTreeMap<UserId, Player>,
    joined: u64,
    starts: u64,
    seen: Seen,
}

impl Playground {
    /// The only region, or the one to the left of the border: x from 0 to 128, y from 0 to 128.
    pub const LEFT: RegionNumber = RegionNumber(1);
    /// The one to the right of the border: x from 128 to 256.
    pub const RIGHT: RegionNumber = RegionNumber(2);

    /// One region of 128 by 128 units.
    #[must_use]
    pub fn one<G: Game>(game: G) -> Self {
        Self::of(1, game)
    }

    /// Two such regions side by side, each on a server of its own.
    #[must_use]
    pub fn two<G: Game>(game: G) -> Self {
        Self::of(2, game)
    }

    fn of<G: Game>(regions: u16, game: G) -> Self {
        let game = Arc::new(game);
        let mut store = SimulatedStore::new(FaultPlan::default());
        // Whoever comes has logged in.
        store.leave_out(Condition::Session);
        let mut ground = Self {
            topology: plan(regions),
            rules: Reload::of(Arc::clone(&game)).make_rules(),
            asks: Asks::new(move |request| game.answer(request)),
            regions: BTreeMap::new(),
            store,
            asked: BTreeMap::new(),
            requests: 0,
            now: Now {
                mono_ms: 1_000,
                wall_ms: 1_000_000,
            },
            net: VecDeque::new(),
            players: BTreeMap::new(),
            joined: 0,
            starts: 0,
            seen: Seen::default(),
        };
        for number in 1..=regions {
            ground.serve(RegionNumber(number.into()));
        }
        ground.settle();
        ground
    }

    /// An operator has the settings read anew: this is the game with the new ones.
    pub fn reload<G: Game>(&mut self, game: G) {
        let game = Arc::new(game);
        let reload = Reload::of(Arc::clone(&game));
        self.rules = reload.make_rules();
        self.asks.play(move |request| game.answer(request));
        let numbers: Vec<RegionNumber> = self.regions.keys().copied().collect();
        for number in numbers {
            self.handle(number, RegionInput::Reloaded(reload.clone()));
        }
        self.settle();
    }

    /// An operator forbids a user to say anything to others, for so long.
    pub fn mute(&mut self, user: UserId, for_ms: u64) {
        let mutes = Arc::new(Mutes::from([(user, self.now.wall_ms + for_ms)]));
        let numbers: Vec<RegionNumber> = self.regions.keys().copied().collect();
        for number in numbers {
            self.handle(number, RegionInput::Muted(Arc::clone(&mutes)));
        }
        self.settle();
    }

    /// The world's clock, as rules read it.
    #[must_use]
    pub fn clock_ms(&self) -> u64 {
        self.now.wall_ms
    }

    /// Milliseconds since the world began.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now.mono_ms - 1_000
    }

    /// A new user comes in, where the rules have it start.
    pub fn join(&mut self, name: &str) -> UserId {
        let user = UserId(self.joined + 1);
        let at = (self.rules)().spawn_point(&game_world(&self.topology), user);
        self.join_at(name, at)
    }

    /// A user comes in here, wherever the rules would have it start: as one does who was in the world before.
    pub fn join_at(&mut self, name: &str, at: Position) -> UserId {
        self.joined += 1;
        let user = UserId(self.joined);
        let region = self.topology.region_at(at).number;
        let row = self.row(user, name, at, region);
        let inserted = self.store.apply(&StoreRequest::InsertPlayer { row });
        inserted.expect("a new user has no row yet");
        let player = Player::new(user, node_of(region), self.now.mono_ms);
        self.players.insert(user, player);
        self.bring_in(user, region);
        assert!(
            self.region_of(user).is_some(),
            "{name} does not come into the world: has the region room for one more?"
        );
        user
    }

    /// The user leaves the world.
    pub fn leave(&mut self, user: UserId) {
        let node = self.player(user).node;
        let leave = Leave {
            user: user.0,
            session: Some(join(user, 0, 0).identity().into()),
            reason: LeaveReason::Logout.into(),
        };
        self.players.remove(&user);
        self.say(node, leave.into());
    }

    /// The user's client sends an input.
    pub fn input(&mut self, user: UserId, input: &[u8]) {
        let player = self.player_mut(user);
        let (node, message) = (player.node, player.input(input));
        self.say(node, message);
    }

    /// The user's client issues a command. It is applied exactly once, wherever the user goes meanwhile.
    pub fn command(&mut self, user: UserId, kind: CommandKind, body: &[u8]) -> CommandNumber {
        let player = self.player_mut(user);
        let node = player.node;
        let (number, message) = player.command(kind, body);
        self.say(node, message);
        CommandNumber(number)
    }

    /// Whether the client was told that a command is applied; a durable one is in the store then.
    #[must_use]
    pub fn is_applied(&self, user: UserId, number: CommandNumber) -> bool {
        self.player(user).acked >= number.0
    }

    /// One tick of all regions, and all that follows from it.
    pub fn tick(&mut self) {
        self.now.mono_ms += TICK_MS;
        self.now.wall_ms += TICK_MS;
        for (number, epoch, ask, answer) in self.asks.take() {
            let region = self.regions.get_mut(&number);
            if let Some(region) = region.filter(|region| region.epoch() == epoch) {
                region.handle(RegionInput::Answered(ask, answer), self.now);
            }
        }
        for region in self.regions.values_mut() {
            region.tick(self.now, &mut NoClock, &mut NoLimit);
        }
        self.settle();
        self.look_for_the_lost();
        self.check();
    }

    /// So much time, in ticks.
    pub fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(TICK_MS) {
            self.tick();
        }
    }

    /// Ticks until something is so, or so much time has passed. Whether it is.
    pub fn run_until(&mut self, ms_max: u64, mut is_so: impl FnMut(&Self) -> bool) -> bool {
        for _ in 0..ms_max.div_ceil(TICK_MS) {
            if is_so(self) {
                return true;
            }
            self.tick();
        }
        is_so(self)
    }

    /// The region's server dies and is started again: its memory is lost, what is in the store is not.
    pub fn crash(&mut self, region: RegionNumber) {
        self.stop(region);
        self.start(region);
    }

    /// The region's server dies: its memory is lost.
    pub fn stop(&mut self, region: RegionNumber) {
        let node = node_of(region);
        self.regions.remove(&region);
        self.net.retain(|(_, to, _)| *to != node);
        for other in self.regions.values_mut() {
            other.handle(RegionInput::PeerDown(node), self.now);
        }
        self.settle();
    }

    /// The server of a region that was stopped starts again.
    pub fn start(&mut self, region: RegionNumber) {
        self.serve(region);
        self.settle();
    }

    fn all_holdings(&self) -> Vec<Holding> {
        self.store.tables().holdings().cloned().collect()
    }

    fn player(&self, user: UserId) -> &Player {
        self.players.get(&user).expect("the user has joined and not left")
    }

    fn player_mut(&mut self, user: UserId) -> &mut Player {
        self.players
            .get_mut(&user)
            .expect("the user has joined and not left")
    }

    /// Starts a region, or starts it again with all memory lost.
    fn serve(&mut self, number: RegionNumber) {
        let node = node_of(number);
        let after = match self.store.apply(&StoreRequest::ReadService { region: number }) {
            Ok(StoreReply::Service(newest)) => newest.map(|service| service.region_epoch),
            other => panic!("the store says {other:?} of who serves a region"),
        };
        let serve = StoreRequest::ServeRegion {
            region: number,
            node,
            after,
        };
        let epoch = match self.store.apply(&serve) {
            Ok(StoreReply::Serving(epoch)) => epoch,
            other => panic!("the store says {other:?} to who wants to serve a region"),
        };
        self.starts += 1;
        let numbers = ProcessNumbers::new(node, Incarnation(self.starts));
        let config = RegionConfig {
            seed: 7,
            ..RegionConfig::new(number, epoch, numbers, Arc::clone(&self.topology))
        };
        let mut region = Region::new(config, Arc::clone(&self.rules)).expect("the plan lists the server");
        let arriving = ArrivingLane {
            lane: PROXY,
            lanes: Lanes::ONE,
        };
        region.handle(RegionInput::ProxyUp(arriving), self.now);
        region.handle(RegionInput::PeerUp(node), self.now);
        for (other, neighbour) in &mut self.regions {
            neighbour.handle(RegionInput::PeerDown(node), self.now);
            neighbour.handle(RegionInput::PeerUp(node), self.now);
            region.handle(RegionInput::PeerUp(node_of(*other)), self.now);
        }
        self.regions.insert(number, region);
    }

    fn bring_in(&mut self, user: UserId, region: RegionNumber) {
        let player = self.player(user);
        let join = join(user, player.acked, player.event());
        self.handle(region, RegionInput::Join(PROXY, join));
        self.settle();
    }

    fn handle(&mut self, number: RegionNumber, input: RegionInput) {
        if let Some(region) = self.regions.get_mut(&number) {
            region.handle(input, self.now);
        }
    }

    fn say(&mut self, node: NodeNumber, message: ProxyToServer) {
        self.handle(region_of(node), RegionInput::FromProxy(PROXY, message));
        self.settle();
    }

    /// Carries effects, messages and answers until nothing moves.
    fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut moved = false;
            let numbers: Vec<RegionNumber> = self.regions.keys().copied().collect();
            for number in numbers {
                let effects = self.regions.get_mut(&number).map(Region::take_effects);
                for effect in effects.into_iter().flatten() {
                    moved = true;
                    self.carry_out(number, effect);
                }
            }
            while let Some((from, to, message)) = self.net.pop_front() {
                moved = true;
                self.handle(region_of(to), RegionInput::FromPeer(from, message));
            }
            self.store.tick(self.now.mono_ms);
            for answer in self.store.take_answers() {
                moved = true;
                let asked = self.asked.remove(&answer.correlation);
                let Some((number, epoch, ticket)) = asked else {
                    continue;
                };
                let region = self.regions.get_mut(&number);
                if let Some(region) = region.filter(|region| region.epoch() == epoch) {
                    region.handle(RegionInput::Store(ticket, answer.result), self.now);
                }
            }
            if !moved {
                return;
            }
        }
        panic!("something is said again and again, and the world does not come to rest");
    }

    fn carry_out(&mut self, number: RegionNumber, effect: RegionEffect) {
        match effect {
            RegionEffect::ToProxy(_, message) => self.hear(node_of(number), message),
            RegionEffect::ToServer(to, message) => self.net.push_back((node_of(number), to, message)),
            RegionEffect::Store(ticket, request) => {
                let Some(region) = self.regions.get(&number) else {
                    return;
                };
                self.asked.insert(self.requests, (number, region.epoch(), ticket));
                self.store
                    .handle_request(self.requests, request, self.now.mono_ms);
                self.requests += 1;
            }
            RegionEffect::Work(ask, request) => {
                if let Some(region) = self.regions.get(&number) {
                    self.asks.put(number, region.epoch(), ask, &request);
                }
            }
            RegionEffect::Observed(news) => self.seen.note(number, news),
            // There is one region on each server, so it is clear who has which user.
            _ => {}
        }
    }

    fn hear(&mut self, node: NodeNumber, message: ServerToProxy) {
        if let ServerToProxy::Announce(news) = &message {
            for player in self.players.values_mut() {
                player.news.push((RegionNumber(news.region), news.body.clone()));
            }
        }
        let user = match &message {
            ServerToProxy::Notify(message) => message.user,
            ServerToProxy::Joined(message) => message.user,
            ServerToProxy::Moved(message) => message.user,
            ServerToProxy::Output(message) => message.user,
            ServerToProxy::CommandAck(message) => message.user,
            ServerToProxy::Event(message) => message.user,
            _ => return,
        };
        let now_ms = self.now.mono_ms;
        let Some(player) = self.players.get_mut(&UserId(user)) else {
            return;
        };
        let answers = player.hear(node, message, now_ms);
        let owner = region_of(player.node);
        for answer in answers {
            self.handle(owner, RegionInput::FromProxy(PROXY, answer));
        }
    }

    /// Who hears nothing of its owner asks the store where it is, as a proxy does.
    fn look_for_the_lost(&mut self) {
        let now_ms = self.now.mono_ms;
        let silent = |player: &&mut Player| now_ms.saturating_sub(player.heard_at_ms) >= SILENCE_MS;
        let mut lost = Vec::new();
        for player in self.players.values_mut().filter(silent) {
            player.heard_at_ms = now_ms;
            lost.push(player.user);
        }
        for user in lost {
            let tables = self.store.tables();
            let row = tables.players().find(|row| row.user == user);
            let region = row.map(|row| row.region);
            if let Some(region) = region {
                self.bring_in(user, region);
            }
        }
    }

    fn check(&self) {
        let (mut seen, mut held) = (BTreeSet::new(), BTreeSet::new());
        for region in self.regions.values() {
            for player in region.players().filter(|player| player.is_active) {
                let mut twice = player.holdings.iter().filter(|holding| !held.insert(**holding));
                assert_eq!(twice.next(), None, "a holding that two users have");
                assert!(
                    seen.insert(player.user),
                    "user {} is simulated twice",
                    player.user
                );
            }
        }
    }

    fn row(&self, user: UserId, name: &str, at: Position, region: RegionNumber) -> PlayerRow {
        let entity = EntityId(user.0);
        let state = PlayerState {
            user: user.0,
            entity: entity.0,
            kind: (self.rules)().kind_of_player().into(),
            name: name.to_owned(),
            x: at.x,
            y: at.y,
            session: Some(join(user, 0, 0).identity().into()),
            client_pub: vec![1; 32].into(),
            chain_hash: vec![0; 32].into(),
            ..PlayerState::default()
        };
        let body = PlayerBody {
            home_cell: self.topology.world().grid().cell_at(at),
            state: state.encode_to_vec().into(),
            ..PlayerBody::default()
        };
        PlayerRow {
            user,
            owner: Some(node_of(region)),
            region,
            region_epoch: self.regions.get(&region).map_or(RegionEpoch(0), Region::epoch),
            owner_epoch: OwnerEpoch(0),
            attempt: AttemptId(0),
            version: StateVersion(0),
            entity,
            body,
        }
    }
}
