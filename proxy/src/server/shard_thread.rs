//! The thread that owns a shard: waits, reads everything that is ready, lets the shard decide, writes everything. It alone
//! touches its UDP socket and the streams of its lanes and clients; control hands them over and hears of their end.
//!
//! Lanes and control wake it at once. Clients do so while there are few; many are read on a cadence, because waking for
//! each packet costs more than handling it. A loop that is late does not sleep; one with nothing to do sleeps until
//! something comes.

mod noting;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use net::clock::{Monotonic, wall_ms};
use net::entropy::OsEntropy;
use net::link::LinkId;
use net::link_core::{DownReason, Sealed};
use net::udp::{BatchSocket, Poller, Ready, RecvBatch};
use node::life::{Ended, Pulse};
use protocol::Code;

use super::browser_queues::{BrowserQueues, Sent};
use super::datagrams::{Budget, Datagrams};
use super::lane_peers::LanePeers;
use super::mailbox::{HandedClient, Mailbox, Order};
use super::shard_desk::ShardDesk;
use super::shard_handle::ShardGauges;
use super::shard_meters::ShardMeters;
use super::streams::Streams;
use crate::edge::{DatagramRoad, Waiting};
use crate::shard::{Cadence, ClientId, Mode, Moment, Shard, ShardEffect};

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;
/// Reads of one lane in one round: after that the others get their turn.
const LANE_READS_MAX: usize = 16;
/// Reads of one client in one round.
const CLIENT_READS_MAX: usize = 2;
/// The longest sleep, microseconds.
const SLEEP_US_MAX: u64 = 1_000_000;
/// How long last words may take, microseconds …
const LAST_WORDS_US: u64 = 500_000;
/// … and to a client that reads too slowly, which has to read what is under way before it can hear why it is cut off.
const SLOW_LAST_WORDS_US: u64 = 5_000_000;

/// How a stream ends by itself; another end is a client's fault.
const STREAM_ENDS: [&str; 2] = ["eof", "io"];

/// The clients' poller, among lanes.
const CLIENTS: u64 = u64::MAX - 1;
/// The UDP socket, among clients.
const DATAGRAMS: u64 = u64::MAX - 1;

/// What a thread is made of.
pub(super) struct ShardThread {
    pub(super) shard: Shard<Sealed>,
    pub(super) socket: BatchSocket,
    pub(super) browsers: Arc<BrowserQueues>,
    /// The one that the mailbox wakes.
    pub(super) poller: Poller,
    pub(super) mailbox: Mailbox,
    pub(super) desk: ShardDesk,
    pub(super) gauges: Arc<ShardGauges>,
    pub(super) clock: Monotonic,
    pub(super) sweep_us: u64,
}

impl ShardThread {
    /// Runs until control says so.
    pub(super) fn run(self, pulse: &Pulse) -> Ended {
        let gauges = Arc::clone(&self.gauges);
        let ran = Running::new(self).and_then(|running| running.run(pulse));
        gauges.set_sessions(0);
        gauges.set_standing(0, 0, 0);
        gauges.set_regions_served(0);
        gauges.set_waiting(Waiting::default());
        gauges.set_lanes(std::iter::empty());
        match ran {
            Ok(()) => Ended::AsAsked,
            Err(error) => Ended::ByItself(format!("it cannot wait on its sockets: {error}")),
        }
    }
}

/// Whether the thread has been told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Serves,
    Stops,
}

/// The thread at work: its parts, and buffers used over and over.
struct Running {
    shard: Shard<Sealed>,
    datagrams: Datagrams,
    lanes: Streams,
    peers: LanePeers,
    clients: Streams,
    cadence: Cadence,
    mode: Mode,
    mailbox: Mailbox,
    desk: ShardDesk,
    gauges: Arc<ShardGauges>,
    meters: ShardMeters,
    clock: Monotonic,
    entropy: OsEntropy,
    life: Life,
    received: RecvBatch,
    of_browsers: Vec<Sent>,
    scratch: Vec<u8>,
    orders: Vec<Order>,
    effects: Vec<ShardEffect>,
    to_write: Vec<ClientId>,
    gauged_us: u64,
}

impl Running {
    fn new(parts: ShardThread) -> io::Result<Self> {
        let (lanes, clients) = (Streams::new(parts.poller), Streams::new(Poller::new()?));
        let datagrams = Datagrams::new(parts.socket, parts.browsers);
        clients.watch(datagrams.socket(), DATAGRAMS)?;
        lanes.watch(clients.poller(), CLIENTS)?;
        // Twice what was granted: the kernel counts its own bookkeeping, and so does the cadence.
        let buffer_bytes = 2 * datagrams.socket().buffers().receive;
        Ok(Self {
            cadence: Cadence::new(parts.sweep_us, buffer_bytes),
            mode: Mode::Events,
            shard: parts.shard,
            datagrams,
            lanes,
            peers: LanePeers::default(),
            clients,
            mailbox: parts.mailbox,
            desk: parts.desk,
            gauges: parts.gauges,
            meters: ShardMeters::default(),
            clock: parts.clock,
            entropy: OsEntropy,
            life: Life::Serves,
            received: RecvBatch::default(),
            of_browsers: Vec::new(),
            scratch: vec![0; READ_BYTES],
            orders: Vec::new(),
            effects: Vec::new(),
            to_write: Vec::new(),
            gauged_us: 0,
        })
    }

    fn run(mut self, pulse: &Pulse) -> io::Result<()> {
        loop {
            pulse.begin_work();
            self.round()?;
            if self.is_over() {
                return Ok(());
            }
            pulse.begin_wait();
            self.wait()?;
        }
    }

    fn is_over(&self) -> bool {
        self.life == Life::Stops && self.peers.is_empty() && self.lanes.is_quiet() && self.clients.is_quiet()
    }

    fn now(&self) -> Moment {
        Moment {
            mono_us: self.clock.now_us(),
            wall_ms: wall_ms(),
        }
    }

    /// Sleeps until something comes or is due.
    fn wait(&mut self) -> io::Result<()> {
        let now = self.now();
        let due = [self.cadence.due_us(), self.lanes.due_us(), self.clients.due_us()];
        let due_us = due.into_iter().flatten().fold(self.shard.due_us(now), u64::min);
        let sleep_us = due_us.saturating_sub(now.mono_us).min(SLEEP_US_MAX);
        self.lanes.wait(Duration::from_micros(sleep_us))
    }

    /// One round.
    fn round(&mut self) -> io::Result<()> {
        let now = self.now();
        self.take_orders(now);
        let clients_are_ready = self.read_lanes(now);
        let browsers_are_ready = self.mode == Mode::Events && self.datagrams.browsers_have_sent();
        if clients_are_ready || browsers_are_ready || self.cadence.take_due(now.mono_us) {
            self.read_clients(now)?;
        }
        self.shard.settle(now, &mut self.datagrams);
        self.meters.sent(self.datagrams.flush());
        self.carry_out(now);
        self.write(now);
        self.choose_mode(now)?;
        self.lanes.tick(now.mono_us);
        self.clients.tick(now.mono_us);
        self.note(now);
        Ok(())
    }

    fn take_orders(&mut self, now: Moment) {
        let mut orders = std::mem::take(&mut self.orders);
        self.mailbox.take(&mut orders);
        for order in orders.drain(..) {
            self.obey(order, now);
        }
        self.orders = orders;
        for (user, trusted, answer) in self.desk.owners() {
            self.shard
                .owner_answered(user, trusted, answer, now, &mut self.datagrams);
        }
    }

    fn obey(&mut self, order: Order, now: Moment) {
        let (shard, sink) = (&mut self.shard, &mut self.datagrams);
        match order {
            Order::Link(link) => {
                if self.life == Life::Serves
                    && let Some((id, node, core)) = self.peers.add(*link, &mut self.lanes, now)
                {
                    shard.link_up(id, node, core, now, sink);
                    self.read_lane(id, now);
                    self.tell_lanes();
                }
            }
            Order::Client(client) => self.add_client(*client, now),
            // Who asked may have gone away meanwhile.
            Order::IsHere(user, answer) => drop(answer.send(shard.edge().has(user))),
            Order::Serving(serving) => shard.service_confirmed(serving, now, sink),
            Order::Holder(region, holder) => shard.holder_seen(region, holder, now, sink),
            Order::Attach(client, verdict) => shard.attach_verified(client, verdict, now, sink),
            Order::Ticket(client, ticket, others) => {
                shard.ticket_renewed(client, &ticket, &others, now, sink);
            }
            Order::Recheck(listing) => {
                shard.handle_listing(listing);
                for (id, code) in self.peers.refused(&*self.desk.context.directory) {
                    shard.close_link(id, code, now);
                }
            }
            Order::WatchMap(period_ms) => shard.watch_map(period_ms),
            Order::Drain(others) => shard.drain(others, now, sink),
            Order::RenewLater(client) => shard.renew_later(client, now),
            Order::EndSessions(whose, goodbye) => shard.end_sessions(whose, &goodbye, now, sink),
            Order::SendAway(code) => shard.close_clients(code, now, sink),
            Order::SendSomeAway(most) => shard.close_some(most, Code::Draining, now, sink),
            Order::Stop => self.stop(now),
            #[cfg(feature = "fault-injection")]
            #[expect(clippy::panic, reason = "what it is for")]
            Order::Panic => panic!("told to"),
        }
    }

    fn add_client(&mut self, client: HandedClient, now: Moment) {
        let HandedClient {
            socket,
            arrival,
            permit,
        } = client;
        drop(permit);
        let id = arrival.id;
        if self.life == Life::Serves && self.clients.add(id.0, socket).is_ok() {
            self.shard.client_arrived(arrival, now, &mut self.datagrams);
            self.read_client(id, now);
        }
    }

    /// Nobody is here any more: game servers hear who left, and goodbye.
    fn stop(&mut self, now: Moment) {
        self.life = Life::Stops;
        let (shard, sink) = (&mut self.shard, &mut self.datagrams);
        shard.close_clients(Code::Draining, now, sink);
        shard.settle(now, sink);
        shard.close_links(Code::Draining, now);
    }

    /// Reads the lanes that are ready. Whether clients are.
    fn read_lanes(&mut self, now: Moment) -> bool {
        let mut clients_are_ready = false;
        let ready = self.lanes.take_ready();
        for event in &ready {
            match event {
                Ready::Socket(CLIENTS) => clients_are_ready = true,
                Ready::Socket(token) => self.read_lane(LinkId(*token), now),
                // All lanes are written at the end of the round.
                Ready::Writable(_) | Ready::Woken => {}
            }
        }
        self.lanes.give_back(ready);
        clients_are_ready
    }

    fn read_lane(&mut self, id: LinkId, now: Moment) {
        for _ in 0..LANE_READS_MAX {
            match self.lanes.read(id.0, &mut self.scratch) {
                Ok(0) => return,
                Ok(read) => {
                    let bytes = self.scratch.get(..read).unwrap_or_default();
                    self.shard.from_server(id, bytes, now, &mut self.datagrams);
                    if read < READ_BYTES {
                        return;
                    }
                }
                Err(label) => return self.shard.link_broke(id, label),
            }
        }
    }

    /// Reads what clients have sent, by either transport.
    fn read_clients(&mut self, now: Moment) -> io::Result<()> {
        self.receive(now);
        self.clients.wait(Duration::ZERO)?;
        let ready = self.clients.take_ready();
        for event in &ready {
            match event {
                Ready::Socket(DATAGRAMS) | Ready::Woken => {}
                Ready::Socket(token) => self.read_client(ClientId(*token), now),
                Ready::Writable(token) => self.write_on(ClientId(*token), now),
            }
        }
        self.clients.give_back(ready);
        Ok(())
    }

    fn receive(&mut self, now: Moment) {
        let mut budget = Budget::default();
        while let Some(count) = self.datagrams.receive(&mut self.received, &mut budget) {
            self.meters.received(count);
            for (from, datagram) in self.received.datagrams_mut() {
                self.shard
                    .datagram(from, datagram, now, &mut self.entropy, &mut self.datagrams);
            }
        }
        self.datagrams.of_browsers(&mut self.of_browsers);
        self.meters.received(self.of_browsers.len());
        for (from, mut datagram) in self.of_browsers.drain(..) {
            let (from, sink) = (DatagramRoad::Browser(from), &mut self.datagrams);
            self.shard
                .datagram(from, &mut datagram, now, &mut self.entropy, sink);
        }
    }

    fn read_client(&mut self, id: ClientId, now: Moment) {
        for _ in 0..CLIENT_READS_MAX {
            match self.clients.read(id.0, &mut self.scratch) {
                Ok(read) => {
                    if let Some(bytes) = self.scratch.get(..read).filter(|bytes| !bytes.is_empty()) {
                        self.shard.from_client(id, bytes, now, &mut self.datagrams);
                    }
                    if read < READ_BYTES && !self.clients.has_more(id.0) {
                        return;
                    }
                }
                Err(label) => return self.client_broke(id, label, now),
            }
        }
    }

    /// Does what the shard wants done outside. Who is told goodbye is told last: what is counted is told by then.
    fn carry_out(&mut self, now: Moment) {
        let mut effects = std::mem::take(&mut self.effects);
        self.shard.take_effects(&mut effects);
        for effect in effects.extract_if(.., |effect| !is_goodbye(effect)) {
            match effect {
                ShardEffect::Ask(question) => self.desk.ask(question),
                ShardEffect::ReadOwner(user, trusted) => self.desk.read_owner(user, trusted),
                ShardEffect::Heard(id, heartbeat) => {
                    if let Some(word) = self.peers.heard(id, &heartbeat, &self.desk, now) {
                        self.shard.say(id, word);
                    }
                }
                ShardEffect::Beat(id, heartbeat) => {
                    self.shard.beat(id, self.desk.filled(heartbeat, now));
                }
                ShardEffect::Topology(id, word) => {
                    if let Some(answer) = self.desk.hear_of_topology(self.peers.node(id), word) {
                        self.shard.say(id, answer);
                    }
                }
                ShardEffect::Brief(node, brief) => self.desk.map.hear(node, *brief, now.mono_us / 1000),
                ShardEffect::SoftDropped(count) => self.meters.client_dropped(count),
                ShardEffect::Count(label) => self.desk.count(label),
                ShardEffect::LinkEnded(..) | ShardEffect::ClientEnded(..) => {}
            }
        }
        self.desk.send();
        for effect in effects.drain(..) {
            self.see_off(effect, now);
        }
        self.effects = effects;
    }

    fn see_off(&mut self, effect: ShardEffect, now: Moment) {
        match effect {
            ShardEffect::LinkEnded(id, node, reason, last_words) => {
                match reason {
                    // A planned end.
                    DownReason::Closed(Code::Draining) => {
                        tracing::info!(%node, link = %id, "a game server drains");
                    }
                    _ => tracing::warn!(%node, link = %id, ?reason, "a lane to a game server is down"),
                }
                self.peers.remove(id, reason, &self.desk.context);
                self.lanes.leave(id.0, last_words, now.mono_us + LAST_WORDS_US);
                self.tell_lanes();
            }
            ShardEffect::ClientEnded(id, code, last_words) => {
                let patience_us = match code {
                    Some(Code::SlowConsumer) => SLOW_LAST_WORDS_US,
                    _ => LAST_WORDS_US,
                };
                self.clients.leave(id.0, last_words, now.mono_us + patience_us);
            }
            _ => {}
        }
    }

    /// What a round produced for one peer leaves as one frame in one write.
    fn write(&mut self, now: Moment) {
        for id in self.peers.ids() {
            self.write_lane(id, now);
        }
        loop {
            let mut to_write = std::mem::take(&mut self.to_write);
            self.shard.flush_clients(now, &mut to_write);
            let is_done = to_write.is_empty();
            for id in to_write.drain(..) {
                self.write_client(id, now);
            }
            self.to_write = to_write;
            if is_done {
                return;
            }
        }
    }

    fn write_lane(&mut self, id: LinkId, now: Moment) {
        loop {
            self.shard.flush_link(id, now);
            let unsent = self.shard.link_unsent(id);
            let length = unsent.len();
            if length == 0 {
                return;
            }
            match self.lanes.write(id.0, unsent) {
                Ok(written) => {
                    self.shard.link_wrote(id, written);
                    if written < length {
                        return;
                    }
                }
                Err(label) => return self.shard.link_broke(id, label),
            }
        }
    }

    fn write_client(&mut self, id: ClientId, now: Moment) {
        if !self.shard.client_unsent(id).is_empty() {
            self.write_on(id, now);
        }
    }

    /// Also when nothing is sealed: a WebSocket may have something left.
    fn write_on(&mut self, id: ClientId, now: Moment) {
        match self.clients.write(id.0, self.shard.client_unsent(id)) {
            Ok(written) => self.shard.client_wrote(id, written),
            Err(label) => self.client_broke(id, label, now),
        }
    }

    fn client_broke(&mut self, id: ClientId, label: &'static str, now: Moment) {
        if !STREAM_ENDS.contains(&label) {
            self.desk.count(label);
        }
        self.shard.client_broke(id, now, &mut self.datagrams);
    }

    /// Clients wake the thread, or they do not.
    fn choose_mode(&mut self, now: Moment) -> io::Result<()> {
        let mode = self.cadence.choose(self.shard.edge().sessions(), now.mono_us);
        if mode != self.mode {
            match mode {
                Mode::Events => self.lanes.watch(self.clients.poller(), CLIENTS)?,
                Mode::Sweeps => self.lanes.poller().forget(self.clients.poller())?,
            }
            self.datagrams.browsers_wake(mode == Mode::Events);
            self.mode = mode;
        }
        Ok(())
    }
}

fn is_goodbye(effect: &ShardEffect) -> bool {
    matches!(effect, ShardEffect::LinkEnded(..) | ShardEffect::ClientEnded(..))
}
