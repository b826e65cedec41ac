//! Everything a region knows but the game's rules. The files beside this one each add the methods of one concern.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use game::{CommandKind, Edition, ReportRefused, TeleportFailed, Unreadable};
use protocol::geometry::{CellIndex, Position, Rect};
use protocol::ids::{EntityId, LiveLane, NodeNumber, RegionEpoch, RegionNumber, Tick, UserId};
use protocol::message::family::{ServerToProxy, ServerToServer};
use store::{Mutes, Serving, StoreRequest};
use topology::Topology;

use super::asked::Asked;
use super::asks::Asks;
use super::calling::{Callback, Calling};
use super::cells::Cells;
use super::creature_rows::CreatureRows;
use super::creatures::Creatures;
use super::effect::RegionEffect;
use super::entity::Entities;
use super::forwardings::Forwardings;
use super::ground::Ground;
use super::ground_writes::GroundWrites;
use super::handover::arrivals::Arrivals;
use super::handover::departures::Departures;
use super::handover::destinations::Destinations;
use super::history::History;
use super::input::Now;
use super::joining::Joins;
use super::keeping::Keeping;
use super::neighbourhood::Neighbourhood;
use super::news::News;
use super::observed::Observed;
use super::outgoing::Outgoing;
use super::player::{Player, Writing};
use super::publication::subscribers::Publication;
use super::reload::Reload;
use super::reporters::Reporters;
use super::rules::BrokenCommands;
use super::soft_round::SoftRound;
use super::timers::Timers;
use crate::game_world::game_world;
use crate::process_numbers::ProcessNumbers;
use crate::proxy_lanes::ProxyLanes;

/// What a region is made of.
#[derive(Clone, Debug)]
pub struct RegionConfig {
    /// Its number in the topology.
    pub number: RegionNumber,
    /// The epoch that the store issued for this service.
    pub epoch: RegionEpoch,
    /// The node that serves it.
    pub node: NodeNumber,
    /// Where new numbers come from; regions of one process share it.
    pub numbers: ProcessNumbers,
    /// Who serves what; must list `node` for `number`.
    pub topology: Arc<Topology>,
    /// The game whose rules it has.
    pub edition: Edition,
    /// The same world as rules see it.
    pub world: Arc<game::World>,
    /// The world's seed: the same on every server.
    pub seed: u64,
    /// Shows which call into the rules it is at.
    pub calling: Calling,
    /// How long a player without a proxy stays, milliseconds.
    pub linkdead_grace_ms: u64,
    /// Soft state is written in rounds, one every so often, milliseconds.
    pub soft_save_ms: u64,
    /// The rule of the handover that it leaves out on purpose.
    #[cfg(feature = "broken-rules")]
    pub without: Option<super::handover::rule::HandoverRule>,
    /// The mistake that it makes on purpose.
    #[cfg(feature = "fault-injection")]
    pub fault: super::faults::Fault,
}

impl RegionConfig {
    /// With the usual times, served by the node whose numbers these are.
    #[must_use]
    pub fn new(
        number: RegionNumber,
        epoch: RegionEpoch,
        numbers: ProcessNumbers,
        topology: Arc<Topology>,
    ) -> Self {
        Self {
            number,
            epoch,
            node: numbers.node(),
            numbers,
            edition: Edition {
                id: "unnamed",
                version: 1,
            },
            world: game_world(&topology),
            topology,
            seed: 0,
            calling: Calling::default(),
            linkdead_grace_ms: 30_000,
            soft_save_ms: 1_000,
            #[cfg(feature = "broken-rules")]
            without: None,
            #[cfg(feature = "fault-injection")]
            fault: super::faults::Fault::None,
        }
    }

    /// The service that this is, as the store has issued it.
    pub(super) fn serving(&self) -> Serving {
        Serving {
            node: self.node,
            region: self.number,
            region_epoch: self.epoch,
        }
    }
}

/// Something that the game's rules are still to hear of.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    Served,
    /// What the rules have kept is known, or the world's is newer.
    Recalled,
    /// The game has other settings.
    Reloaded(Reload),
    LiesHere(game::Holding),
    Entered(UserId),
    /// The player has another name.
    Renamed(UserId),
    Left(UserId, EntityId),
    Received(UserId, u64),
    Lost(UserId, u64),
    /// The store has refused a commit of the player.
    Undone(UserId),
    /// A creature is here now.
    Came(EntityId),
    /// A creature is not here any more.
    Went(EntityId),
    PlayerTimer(UserId, u64),
    TeleportFailed(UserId, TeleportFailed),
    /// What came of a report.
    Reported(UserId, UserId, Result<(), ReportRefused>),
    Effect {
        source: EntityId,
        target: EntityId,
        body: Bytes,
    },
    /// Another region's rules, or these themselves, have said something.
    Told(RegionNumber, Bytes),
}

impl Notice {
    /// Of which creature it tells that it is here, or is no more.
    pub(super) fn creature(&self) -> Option<EntityId> {
        match self {
            Self::Came(creature) | Self::Went(creature) => Some(*creature),
            _ => None,
        }
    }

    /// How rules hear of it.
    pub(super) fn callback(&self) -> Callback {
        match self {
            Self::Served => Callback::Served,
            Self::Recalled => Callback::Recalled,
            Self::Reloaded(_) => Callback::Reloaded,
            Self::LiesHere(_) => Callback::LiesHere,
            Self::Entered(_) => Callback::Entered,
            Self::Renamed(_) => Callback::Renamed,
            Self::Left(..) => Callback::Left,
            Self::Received(..) => Callback::Received,
            Self::Lost(..) => Callback::Lost,
            Self::Undone(_) => Callback::Undone,
            Self::Came(_) => Callback::Came,
            Self::Went(_) => Callback::Went,
            Self::PlayerTimer(..) => Callback::PlayerTimer,
            Self::TeleportFailed(..) => Callback::TeleportFailed,
            Self::Reported(..) => Callback::Reported,
            Self::Effect { .. } => Callback::Effect,
            Self::Told(..) => Callback::Told,
        }
    }
}

/// Something that is to be said to the rules of a region.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) to: RegionNumber,
    pub(super) body: Bytes,
    /// Not after this, milliseconds.
    pub(super) until_ms: u64,
}

/// Counts since the region was served.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) spawned: u64,
    pub(super) despawned: u64,
    pub(super) arrived: u64,
    pub(super) departed: u64,
    pub(super) roamed_in: u64,
    pub(super) roamed_away: u64,
}

#[derive(Debug)]
pub(super) struct RegionState {
    pub(super) config: RegionConfig,
    pub(super) rect: Rect,
    pub(super) margin: f32,
    /// Those that this process serves: as the topology has it, until the world says what it is like.
    pub(super) own_regions: Arc<BTreeSet<RegionNumber>>,
    pub(super) now: Now,
    pub(super) tick: Tick,
    pub(super) entities: Entities,
    pub(super) cells: Cells,
    pub(super) players: BTreeMap<UserId, Player>,
    pub(super) joins: Joins,
    pub(super) publication: Publication,
    pub(super) neighbourhood: Neighbourhood,
    pub(super) departures: Departures,
    pub(super) arrivals: Arrivals,
    pub(super) forwardings: Forwardings,
    pub(super) proxies: ProxyLanes,
    pub(super) ground: Ground,
    pub(super) ground_writes: GroundWrites,
    /// What the rules keep of the region and of the world.
    pub(super) keeping: Keeping,
    /// How often holdings of players were read again.
    pub(super) reads: u64,
    pub(super) round: SoftRound,
    pub(super) random: u64,
    pub(super) timers: Timers,
    pub(super) creatures: Creatures,
    pub(super) creature_rows: CreatureRows,
    pub(super) asks: Asks,
    pub(super) news: News,
    /// What is to be said to regions that are not found or linked yet.
    pub(super) letters: VecDeque<Letter>,
    pub(super) observed: Observed,
    /// Whose timers may be due, and in which tick.
    pub(super) player_timers: BTreeSet<(u64, UserId)>,
    /// Who serves regions that players are to be put into.
    pub(super) destinations: Destinations,
    /// Where entities were lately, if the rules want to know.
    pub(super) history: History,
    /// What the world's clock said last, milliseconds.
    pub(super) clock_ms: u64,
    /// Who may say nothing to others.
    pub(super) mutes: Arc<Mutes>,
    pub(super) reporters: Reporters,
    /// Entities with an input for the next tick.
    pub(super) with_input: Vec<super::entity::EntityKey>,
    /// Players with commands for the next tick.
    pub(super) with_commands: VecDeque<UserId>,
    /// The command that is being applied.
    pub(super) commanding: Option<(UserId, CommandKind, u64)>,
    /// Those at which the rules panicked: they commit as refused when they come again.
    pub(super) broken_commands: BrokenCommands,
    /// How often the rules panicked, and whether it was too often.
    pub(super) panics: u64,
    pub(super) stands_still: bool,
    pub(super) notices: VecDeque<Notice>,
    pub(super) out: Outgoing,
    pub(super) counts: Counts,
    /// Players who have walked into other regions, and whom others may see.
    pub(super) crossed: BTreeMap<RegionNumber, u64>,
    pub(super) draining: bool,
    pub(super) own: Vec<u8>,
    #[cfg(feature = "fault-injection")]
    pub(super) mischief: super::faults::Mischief,
}

impl RegionState {
    /// `None` when the topology does not let the node serve the region.
    pub(super) fn new(config: RegionConfig) -> Option<Self> {
        let region = config.topology.region(config.number)?;
        if !region.may_be_served_by(config.node) {
            return None;
        }
        let (rect, world) = (region.rect, config.topology.world());
        let cells = Cells::new(world.grid(), rect, world.far_rings);
        let cell_count = cells.len();
        let own_regions = config
            .topology
            .regions_of(config.node)
            .map(|region| region.number)
            .collect();
        Some(Self {
            rect,
            margin: world.handover_margin,
            own_regions: Arc::new(own_regions),
            now: Now::default(),
            tick: Tick(0),
            entities: Entities::default(),
            cells,
            players: BTreeMap::new(),
            joins: Joins::default(),
            publication: Publication::new(cell_count),
            neighbourhood: Neighbourhood::new(config.serving(), config.edition, Arc::clone(&config.topology)),
            departures: Departures::new(config.serving()),
            arrivals: Arrivals::new(config.serving()),
            forwardings: Forwardings::default(),
            proxies: ProxyLanes::default(),
            ground: Ground::new(config.number),
            ground_writes: GroundWrites::default(),
            keeping: Keeping::new(
                config.serving(),
                config.world.first_region() == Some(config.number),
            ),
            reads: 0,
            round: SoftRound::default(),
            random: config.seed
                ^ u64::from(config.number.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                ^ config.epoch.0,
            timers: Timers::default(),
            creatures: Creatures::default(),
            creature_rows: CreatureRows::default(),
            asks: Asks::default(),
            news: News::default(),
            letters: VecDeque::new(),
            observed: Observed::default(),
            player_timers: BTreeSet::new(),
            destinations: Destinations::default(),
            history: History::default(),
            clock_ms: 0,
            mutes: Arc::default(),
            reporters: Reporters::default(),
            with_input: Vec::new(),
            with_commands: VecDeque::new(),
            commanding: None,
            broken_commands: BrokenCommands::default(),
            panics: 0,
            stands_still: false,
            notices: VecDeque::new(),
            out: Outgoing::default(),
            counts: Counts::default(),
            crossed: BTreeMap::new(),
            draining: false,
            own: Vec::new(),
            #[cfg(feature = "fault-injection")]
            mischief: super::faults::Mischief::default(),
            config,
        })
    }

    /// As of when, and by whom, the state of a player is written.
    pub(super) fn writing(&self) -> Writing {
        Writing {
            tick: self.tick,
            edition: self.config.edition,
        }
    }

    /// Something of another game, or of newer rules, is refused.
    pub(super) fn note_unreadable(&mut self, what: &str, why: &Unreadable) {
        self.out.push(RegionEffect::Unreadable(format!("{what}: {why}")));
    }

    pub(super) fn count(&mut self, label: &'static str) {
        self.out.count(label);
    }

    /// To a lane, unless it has ended since: its successor of the same name is nobody that was spoken to.
    pub(super) fn tell_proxy(&mut self, lane: LiveLane, message: impl Into<ServerToProxy>) {
        if self.proxies.is_up(lane) {
            self.out.push(RegionEffect::ToProxy(lane.at, message.into()));
        }
    }

    pub(super) fn tell_server(&mut self, node: NodeNumber, message: impl Into<ServerToServer>) {
        self.out.tell_server(node, message);
    }

    pub(super) fn ask(&mut self, asked: Asked, request: StoreRequest) {
        self.out.ask(asked, request);
    }

    /// Asks again a little later what the store could not answer.
    pub(super) fn ask_later(&mut self, asked: Asked, request: StoreRequest) {
        self.out.ask_later(asked, request, self.now.mono_ms);
    }

    /// The store refused what only the current service of a region may do.
    pub(super) fn doubt_itself(&mut self) {
        self.neighbourhood.doubt_itself(&mut self.out);
    }

    /// The tick in which something is due after so many: those that the region has slept through up to now are still to be counted.
    pub(super) fn tick_in(&self, ticks: u64) -> u64 {
        let tick_us = self.config.topology.world().tick_us();
        let slept = self.timers.slept(tick_us, self.now.mono_ms);
        self.tick.0.saturating_add(slept).saturating_add(ticks.max(1))
    }

    /// splitmix64: one step.
    pub(super) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn home_cell(&self, at: Position) -> CellIndex {
        self.cells.index(self.cells.home(at))
    }

    /// Where a player may be: everything up to a little beyond the handover margin, but not outside the world.
    pub(super) fn within_reach(&self, at: Position) -> Position {
        const BEYOND: f32 = 0.5;
        let world = Rect {
            min: [0, 0],
            max: self.config.topology.world().size,
        };
        let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
        let at = Position {
            x: finite(at.x),
            y: finite(at.y),
        };
        world.clamp(self.rect.clamp(at, -(self.margin + BEYOND)), 1.0 / 128.0)
    }
}
