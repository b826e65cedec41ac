//! The thread that owns the world: waits, reads everything that is ready, lets the world decide, writes everything. It
//! alone touches the sockets of links; control hands them over and hears of their end.
//!
//! Peers and the store wake it at once. Lanes of proxies do so while few play; with many they are read at each tick and
//! every ten milliseconds between, because an input waits for the tick anyway.

mod effects;
mod sockets;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use net::clock::{Monotonic, wall_ms};
use net::link::{HandedLink, LinkContext, LinkId, LinkMeters};
use net::link_core::{LinkCore, Sealed};
use net::udp::{Interest, Poller, Ready};
use node::life::{Ended, Pulse};
use protocol::Code;
use protocol::ids::{LiveLane, ProxyLane, RegionNumber, TopologyVersion};
use store::{StoreAnswer, StoreError, StorePort, StoreRequest};
use tokio::sync::mpsc;

use super::metrics::WorldMetrics;
use super::report::{WorldReport, WorldReports};
use super::topology_gossip::TopologyGossip;
use sockets::{Leaving, Socket};

use super::workers::Workers;
use super::world_mailbox::{Door, Given, Mailbox, News, Order, Unsaved, Verdict};
use crate::proxy_lanes::ArrivingLane;
use crate::region::PhaseClock;
use crate::world::{ArrivingPeer, Moment, NotGiven, QuestionId, Side, World, WorldEffect};

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;
/// Reads of one link in one sweep: after that the others get their turn.
const READS_MAX: usize = 8;
/// From so many players on, lanes are read on a cadence.
const MANY_PLAYERS: usize = 16;
/// … of so many microseconds.
const LANES_EVERY_US: u64 = 10_000;
/// Ticks of one portion, microseconds.
const PORTION_US: u64 = 2_000;
/// A report is made this often, microseconds.
const REPORT_EVERY_US: u64 = 250_000;
/// The longest sleep.
const SLEEP: Duration = Duration::from_secs(1);

/// What the thread is made of.
pub(super) struct WorldThread {
    pub(super) world: World<Sealed>,
    pub(super) poller: Poller,
    pub(super) mailbox: Mailbox,
    pub(super) news: mpsc::Sender<News>,
    pub(super) store: StorePort,
    pub(super) context: Arc<LinkContext>,
    pub(super) gossip: Arc<TopologyGossip>,
    pub(super) reports: WorldReports,
    pub(super) clock: Monotonic,
    /// How long a drain may write.
    pub(super) drain_ms: u64,
    /// A region that another process serves is let go of; else control ends the process.
    pub(super) has_standbys: bool,
    pub(super) workers: Workers,
}

/// Where a drain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draining {
    No,
    /// Until this time, microseconds.
    Writing(u64),
    Told,
}

/// Times the phases of a tick.
struct Stopwatch(Monotonic);

impl PhaseClock for Stopwatch {
    fn now_us(&mut self) -> u64 {
        self.0.now_us()
    }
}

/// The thread at work: its parts, and buffers used over and over.
struct Running {
    parts: WorldThread,
    sockets: BTreeMap<LinkId, Socket>,
    leaving: Vec<Leaving>,
    scratch: Vec<u8>,
    ready: Vec<Ready>,
    orders: Vec<Order>,
    answers: Vec<StoreAnswer>,
    effects: Vec<WorldEffect>,
    questions: Vec<(u64, StoreRequest)>,
    /// Who waits for a region to be given away.
    givings: BTreeMap<RegionNumber, Given>,
    meters: LinkMeters,
    metrics: WorldMetrics,
    draining: Draining,
    /// Why the store did not answer a drain's last question.
    store_said: Option<StoreError>,
    players: usize,
    lanes_at_us: u64,
    report_at_us: u64,
    stopping: bool,
    abandoned: bool,
}

impl WorldThread {
    /// Runs until control says so.
    pub(super) fn run(self, pulse: &Pulse) -> Ended {
        Running::new(self).run(pulse)
    }
}

impl Running {
    fn new(parts: WorldThread) -> Self {
        Self {
            parts,
            sockets: BTreeMap::new(),
            leaving: Vec::new(),
            scratch: vec![0; READ_BYTES],
            ready: Vec::new(),
            orders: Vec::new(),
            answers: Vec::new(),
            effects: Vec::new(),
            questions: Vec::new(),
            givings: BTreeMap::new(),
            meters: LinkMeters::default(),
            metrics: WorldMetrics::default(),
            draining: Draining::No,
            store_said: None,
            players: 0,
            lanes_at_us: 0,
            report_at_us: 0,
            stopping: false,
            abandoned: false,
        }
    }

    fn run(mut self, pulse: &Pulse) -> Ended {
        // What the regions wanted when they were made.
        self.carry_out();
        loop {
            pulse.begin_wait();
            if let Err(error) = self.wait() {
                return Ended::ByItself(format!("it cannot wait on its sockets: {error}"));
            }
            pulse.begin_work();
            self.take_orders();
            self.read();
            self.take_answers();
            self.tick();
            self.carry_out();
            self.write();
            self.see_off();
            self.report();
            if self.abandoned || self.stopping && self.sockets.is_empty() && self.leaving.is_empty() {
                return Ended::AsAsked;
            }
        }
    }

    fn now(&self) -> Moment {
        Moment {
            mono_us: self.parts.clock.now_us(),
            wall_ms: wall_ms(),
        }
    }

    fn is_sweeping(&self) -> bool {
        self.players > MANY_PLAYERS
    }

    /// Sleeps until something comes or is due. A loop that is late does not sleep.
    fn wait(&mut self) -> std::io::Result<()> {
        let now = self.now();
        let mut due_us = self.report_at_us;
        if self.is_sweeping() {
            due_us = due_us.min(self.lanes_at_us);
        }
        if let Some(world_us) = self.parts.world.due_us(now) {
            due_us = due_us.min(world_us);
        }
        if !self.leaving.is_empty() {
            due_us = due_us.min(now.mono_us + 1_000);
        }
        let sleep = Duration::from_micros(due_us.saturating_sub(now.mono_us)).min(SLEEP);
        self.ready.clear();
        self.ready.extend(self.parts.poller.wait(Some(sleep))?);
        Ok(())
    }

    fn take_orders(&mut self) {
        let mut orders = std::mem::take(&mut self.orders);
        self.parts.mailbox.take(&mut orders);
        let now = self.now();
        for order in orders.drain(..) {
            match order {
                Order::Link(door, link) => self.add_link(door, *link, now),
                Order::Verified(verdict) => {
                    let Verdict { link, join, said } = *verdict;
                    self.parts.world.join_verified(link, &join, said, now);
                }
                Order::Recheck(listing) => {
                    self.parts.world.handle_listing(listing, now);
                    self.recheck(now);
                }
                Order::Find(search) => {
                    // Who asked may have stopped waiting.
                    let _ = search.found.send(self.parts.world.whereabouts(&search.users));
                }
                Order::Drain => {
                    self.parts.world.drain(now);
                    self.draining = Draining::Writing(now.mono_us + self.parts.drain_ms * 1000);
                }
                Order::Fallen(region, holdings) => self.parts.world.fallen(region, holdings, now),
                Order::Worked(work, answer) => self.parts.world.worked(work, answer, now),
                Order::Ping(pong) => {
                    let _ = pong.send(());
                }
                Order::Serve(region) => self.parts.world.serve(*region, now),
                Order::LetGo => {
                    self.parts.world.let_go_of_all(now);
                }
                Order::Give(region, to, given) => match self.parts.world.give(region, to, now) {
                    true => drop(self.givings.insert(region, given)),
                    // Who asked may have stopped waiting.
                    false => drop(given.send(Err(NotGiven::NotHere))),
                },
                Order::Operate(region, command, answered) => {
                    // Who asked may have stopped waiting.
                    let _ = answered.send(self.parts.world.operate(region, &command, now));
                }
                Order::Reload(reload, done) => {
                    // Who asked may have stopped waiting.
                    let _ = done.send(self.parts.world.reload(reload, now));
                }
                Order::Muted(mutes) => self.parts.world.mute(mutes, now),
                Order::Refused(label) => self.metrics.count(label),
                Order::Stop => self.stop(now),
                Order::Abandoned => self.abandoned = true,
            }
        }
        self.orders = orders;
    }

    fn add_link(&mut self, door: Door, link: HandedLink, now: Moment) {
        let HandedLink {
            id,
            socket,
            sealing,
            life,
            peer,
            lane,
            lanes,
            lease,
        } = link;
        let interest = match door {
            Door::Proxies if self.is_sweeping() => Interest::Nothing,
            Door::Proxies | Door::Peers(_) => Interest::Read,
        };
        if self.stopping || self.parts.poller.watch(&socket, id.0, interest).is_err() {
            return;
        }
        tracing::info!(link = %id, peer = %peer.number, %lane, "link up");
        self.meters.up(id);
        let entry = Socket {
            socket,
            peer,
            door,
            interest,
            announced: TopologyVersion(0),
            _lease: lease,
        };
        self.sockets.insert(id, entry);
        match door {
            Door::Proxies => {
                let at = ProxyLane {
                    node: peer.number,
                    lane,
                };
                let lane = LiveLane {
                    at,
                    incarnation: peer.incarnation,
                };
                let core = LinkCore::new(sealing, life, now);
                self.parts
                    .world
                    .proxy_up(id, ArrivingLane { lane, lanes }, core, now);
            }
            Door::Peers(side) => {
                let arriving = ArrivingPeer {
                    node: peer.number,
                    side,
                    // Ours, when we dialed: whatever dialed before in this process has been given up.
                    initiator: match side {
                        Side::Accepted => peer.incarnation,
                        Side::Dialed => Default::default(),
                    },
                };
                let core = LinkCore::new(sealing, life, now);
                self.parts.world.peer_up(id, arriving, core, now);
            }
        }
        // Bytes may have come with the handshake.
        self.read_link(id);
    }

    fn recheck(&mut self, now: Moment) {
        let refused: Vec<_> = self
            .sockets
            .iter()
            .filter_map(|(id, link)| {
                let checked = net::link::recheck(&link.peer, &*self.parts.context.directory);
                Some((*id, checked.err()?))
            })
            .collect();
        for (id, code) in refused {
            self.parts.world.close(id, code, now);
        }
    }

    fn stop(&mut self, now: Moment) {
        self.stopping = true;
        let links: Vec<LinkId> = self.sockets.keys().copied().collect();
        for id in links {
            self.parts.world.close(id, Code::Draining, now);
        }
    }

    fn read(&mut self) {
        let ready = std::mem::take(&mut self.ready);
        for event in &ready {
            if let Ready::Socket(token) = event {
                self.read_link(LinkId(*token));
            }
        }
        self.ready = ready;
        let now_us = self.parts.clock.now_us();
        if self.is_sweeping() && (now_us >= self.lanes_at_us || self.is_tick_due(now_us)) {
            self.lanes_at_us = now_us + LANES_EVERY_US;
            let is_lane = |(id, link): (&LinkId, &Socket)| (link.door == Door::Proxies).then_some(*id);
            let lanes: Vec<LinkId> = self.sockets.iter().filter_map(is_lane).collect();
            for id in lanes {
                self.read_link(id);
            }
        }
    }

    fn is_tick_due(&self, now_us: u64) -> bool {
        let now = Moment {
            mono_us: now_us,
            ..Moment::default()
        };
        self.parts
            .world
            .due_us(now)
            .is_some_and(|due_us| due_us <= now_us)
    }

    fn read_link(&mut self, id: LinkId) {
        let now = self.now();
        for _ in 0..READS_MAX {
            let Some(link) = self.sockets.get_mut(&id) else {
                return;
            };
            match link.socket.read(&mut self.scratch) {
                Ok(read) => {
                    // Also when nothing was read: what came with the handshake waits to be looked at.
                    self.parts.world.receive(id, &self.scratch[..read], now);
                    if read < self.scratch.len() {
                        return;
                    }
                }
                Err(label) => return self.parts.world.broke(id, label, now),
            }
        }
    }

    fn take_answers(&mut self) {
        let mut answers = std::mem::take(&mut self.answers);
        self.parts.store.take_answers(&mut answers);
        let now = self.now();
        for StoreAnswer { correlation, result } in answers.drain(..) {
            if let Err(error) = &result {
                super::metrics::store_error(error.label());
                tracing::debug!(%error, "the store did not answer");
                if self.draining != Draining::No {
                    self.store_said = Some(error.clone());
                }
            }
            self.parts
                .world
                .store_answer(QuestionId(correlation), result, now);
        }
        self.answers = answers;
    }

    /// The regions that are due, for as long as a portion takes: links and store are served between any two portions, and
    /// what the regions of one say leaves together.
    fn tick(&mut self) {
        let began_us = self.parts.clock.now_us();
        let mut now = self.now();
        while let Some(ticked) = self
            .parts
            .world
            .tick_region(now, &mut Stopwatch(self.parts.clock))
        {
            self.metrics.ticked(&ticked);
            now = self.now();
            if now.mono_us >= began_us + PORTION_US {
                break;
            }
        }
        self.parts.world.tick_links(now);
        if let Draining::Writing(until_us) = self.draining
            && (self.parts.world.is_written_down() || now.mono_us >= until_us)
        {
            self.draining = Draining::Told;
            let reports = self.parts.world.region_reports(now);
            let said = self.store_said.as_ref();
            self.tell(News::WrittenDown(Unsaved {
                players: reports.iter().map(|report| report.status.unsaved).sum(),
                changes: reports
                    .iter()
                    .map(|report| report.status.changes_unwritten())
                    .sum(),
                why: said.map_or_else(|| "the store has not answered".to_owned(), ToString::to_string),
            }));
        }
    }

    fn report(&mut self) {
        let now_us = self.parts.clock.now_us();
        if now_us < self.report_at_us {
            return;
        }
        self.report_at_us = now_us + REPORT_EVERY_US;
        let report = WorldReport {
            regions: self.parts.world.region_reports(self.now()),
            links: self.parts.world.link_reports(),
            announced: self.announced(),
            users: self.parts.world.users(),
            refused: self.metrics.refused().clone(),
        };
        for (id, link) in &report.links {
            self.meters.note(*id, &link.sight.counts);
        }
        self.metrics.report(&report.regions);
        self.players = report.players();
        self.parts.reports.store(Arc::new(report));
    }
}
