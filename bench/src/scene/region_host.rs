//! The real region core with a store that answers at once: the game server's side of a benchmark, without its sockets.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use demo::DemoRules;
use gameserver::join_check::VerifiedJoin;
use gameserver::process_numbers::ProcessNumbers;
use gameserver::proxy_lanes::ArrivingLane;
use gameserver::region::{
    NoClock, NoLimit, Now, PhaseClock, Region, RegionConfig, RegionEffect, RegionInput,
};
use protocol::ids::{
    AttachNo, CommandNumber, EventNumber, Incarnation, Lanes, LiveLane, ProxyLane, SessionGeneration,
    SessionId, UserId,
};
use protocol::message::family::ServerToProxy;
use protocol::message::subscription::Subscribe;
use store::simulated::SimulatedStore;
use store::{StoreReply, StoreRequest};
use topology::Topology;

use super::{PROXIES, REGION, SERVER, TICK_MS};
use crate::clocks::thread_cpu_ns;

/// A region, its store and a made-up clock.
pub(crate) struct RegionHost {
    region: Region,
    store: SimulatedStore,
    now: Now,
    said: Vec<(ProxyLane, ServerToProxy)>,
}

/// Reads the thread's CPU clock between phases, in nanoseconds: those of a small region are shorter than a microsecond.
struct CpuPhases;

impl PhaseClock for CpuPhases {
    fn now_us(&mut self) -> u64 {
        thread_cpu_ns()
    }
}

/// The session id of every player of a benchmark.
pub(crate) const SESSION: SessionId = SessionId([9; 16]);

impl RegionHost {
    /// Serves the region of the world, with both proxies up.
    pub(crate) fn new(topology: &Arc<Topology>) -> anyhow::Result<Self> {
        let mut store = SimulatedStore::default();
        store.apply(&StoreRequest::StartNode { node: SERVER })?;
        let serve = StoreRequest::ServeRegion {
            region: REGION,
            node: SERVER,
            after: None,
        };
        let StoreReply::Serving(epoch) = store.apply(&serve)? else {
            bail!("the store does not let the region be served");
        };
        let numbers = ProcessNumbers::new(SERVER, Incarnation(1));
        let config = RegionConfig::new(REGION, epoch, numbers, Arc::clone(topology));
        let mut host = Self {
            region: Region::new(config, Arc::new(|| Box::new(DemoRules::default())))?,
            store,
            now: Now {
                mono_ms: 1_000,
                wall_ms: 1_000_000,
            },
            said: Vec::new(),
        };
        host.settle();
        for proxy in PROXIES {
            let arriving = ArrivingLane {
                lane: proxy,
                lanes: Lanes::ONE,
            };
            host.give(RegionInput::ProxyUp(arriving));
        }
        Ok(host)
    }

    /// Lets the region take something in, and does at once what it wants done.
    pub(crate) fn give(&mut self, input: RegionInput) {
        self.region.handle(input, self.now);
        self.settle();
    }

    /// As [`give`](Self::give) for many; the nanoseconds of CPU that the region took to take them in.
    pub(crate) fn give_all(&mut self, inputs: Vec<RegionInput>) -> u64 {
        let before = thread_cpu_ns();
        for input in inputs {
            self.region.handle(input, self.now);
        }
        let spent = thread_cpu_ns() - before;
        self.settle();
        spent
    }

    /// A user joins through a proxy.
    pub(crate) fn join(&mut self, proxy: LiveLane, user: UserId) {
        let join = VerifiedJoin {
            user,
            session: SESSION,
            session_generation: SessionGeneration(1),
            attach_no: AttachNo(1),
            client_pub: [1; 32],
            acked_command: CommandNumber(0),
            acked_event: EventNumber(0),
            name: format!("player-{}", user.0),
            account: protocol::ticket::AccountKind::Guest,
        };
        self.give(RegionInput::Join(proxy, join));
    }

    /// A proxy subscribes to cells.
    pub(crate) fn subscribe(&mut self, proxy: LiveLane, cells: Vec<u32>) {
        let subscribe = Subscribe {
            region: REGION.0,
            region_epoch: self.epoch(),
            cells,
        };
        self.give(RegionInput::FromProxy(proxy, subscribe.into()));
    }

    /// One tick; the nanoseconds of CPU that the region's own part of it took.
    pub(crate) fn tick(&mut self) -> u64 {
        self.tick_by(&mut NoClock)
    }

    /// One tick, and the nanoseconds of CPU of each of its phases; reading the clock disturbs it a little.
    pub(crate) fn tick_in_phases(&mut self) -> Vec<(&'static str, u64)> {
        self.tick_by(&mut CpuPhases);
        self.region.status().phases_us
    }

    fn tick_by(&mut self, clock: &mut dyn PhaseClock) -> u64 {
        self.now.mono_ms += TICK_MS;
        self.now.wall_ms += TICK_MS;
        self.store.tick(self.now.mono_ms);
        let before = thread_cpu_ns();
        self.region.tick(self.now, clock, &mut NoLimit);
        let spent = thread_cpu_ns() - before;
        self.settle();
        spent
    }

    /// What the region has said to proxies since the last call, in order.
    pub(crate) fn take_said(&mut self) -> Vec<(ProxyLane, ServerToProxy)> {
        std::mem::take(&mut self.said)
    }

    /// The epoch at which the region is served.
    pub(crate) fn epoch(&self) -> u64 {
        self.region.epoch().0
    }

    /// The region's clock, milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now.mono_ms
    }

    /// The owner in the row of a user.
    pub(crate) fn owner(&mut self, user: UserId) -> anyhow::Result<store::OwnerRecord> {
        match self.store.apply(&StoreRequest::ReadOwner { user })? {
            StoreReply::Owner(owner) => owner.context("the user has no row"),
            _ => bail!("the store does not say who owns a user"),
        }
    }

    fn settle(&mut self) {
        loop {
            let effects = self.region.take_effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                match effect {
                    RegionEffect::ToProxy(proxy, message) => self.said.push((proxy, message)),
                    RegionEffect::Store(ticket, request) => {
                        let answer = self.store.apply(&request);
                        self.region.handle(RegionInput::Store(ticket, answer), self.now);
                    }
                    RegionEffect::ToServer(..)
                    | RegionEffect::Link(_)
                    | RegionEffect::PlayerHere(_)
                    | RegionEffect::PlayerExpected(_)
                    | RegionEffect::PlayerPassed(_)
                    | RegionEffect::PlayerGone(_)
                    | RegionEffect::ForwardJoin(..)
                    | RegionEffect::Superseded
                    | RegionEffect::RulesPanicked { .. }
                    | RegionEffect::Work(..)
                    | RegionEffect::Observed(_)
                    | RegionEffect::Unreadable(_)
                    | RegionEffect::Count(_) => {}
                }
            }
        }
    }
}
