//! One shard as a pure machine: its sessions, its own lane to every game server, its clients' streams. The thread that
//! owns a shard reads and writes sockets for it; a simulation passes bytes.
//!
//! # Contract
//! * What happens comes in by methods named for it. At the end of each round, when all that was ready has been read,
//!   [`Shard::settle`] moves time and carries out what the session core wants; then [`Shard::take_effects`] brings out what
//!   must be done outside, and [`Shard::flush_link`] and [`Shard::flush_clients`] seal what is about to be written: what a
//!   round produced for one peer leaves as one frame.
//! * A shard has the users of its lane and no others. What a server says of another's is refused.
//! * Nothing here waits, and nothing is shared.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod attaching;
mod cadence;
mod client;
mod client_queue;
mod effect;
mod from_clients;
mod from_servers;
mod map_watch;
mod server_links;
#[cfg(test)]
mod tests;
mod unsent;
mod wishes;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use net::link::{LinkId, LinkSight};
use net::link_core::{LinkTime, Sealing};
use protocol::awake::AwakeClock;
use protocol::frame::Close;
use protocol::ids::{Lane, Lanes, NodeNumber, RegionEpoch, RegionNumber};
use protocol::message::family::{BatchMessage as _, ProxyToClient, ProxyToServer};
use protocol::{Code, Entropy};
use slotmap::{DefaultKey, SecondaryMap};
use topology::{Listing, Topology};

pub use cadence::{Cadence, Mode};
pub use effect::{ClientId, Question, ShardEffect, TopologyWord};
pub use from_clients::{Arrival, AttachVerdict};
pub use server_links::ServerLinkCore;

use crate::edge::map::FastMap;
use crate::edge::{DatagramRoad, DatagramSink, Edge, EdgeConfig, EdgeEffect, EdgeInput, SessionHandle};
pub use client::renew_at_ms;
use client::{Client, ClientEnd};
use client_queue::Pushed;
pub use client_queue::StreamRoom;
use map_watch::MapWatch;
use server_links::ServerLinks;
use wishes::Wishes;

/// The time of a call, on both clocks of the process.
pub type Moment = LinkTime;

/// Time moves at least this often while there are sessions, milliseconds.
const TICK_MS: u64 = 20;
/// … and this often while there are none, and on clients' streams, milliseconds.
const SLOW_TICK_MS: u64 = 1_000;

/// What a shard must know beside the topology.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Its sessions.
    pub edge: EdgeConfig,
    /// Messages per second that one client may send over TCP.
    pub messages_per_s: u32,
    /// What may wait for each.
    pub stream_room: StreamRoom,
    /// Which lane it has …
    pub lane: Lane,
    /// … of how many.
    pub lanes: Lanes,
}

/// One shard.
pub struct Shard<S> {
    config: ShardConfig,
    topology: Arc<Topology>,
    /// Who may serve what, by the topology in force; what the world looks like stays as it was at the start.
    listing: Arc<Listing>,
    /// The last claims to regions of those who were not listed for them.
    denied: BTreeMap<(RegionNumber, NodeNumber), RegionEpoch>,
    edge: Edge,
    links: ServerLinks<S>,
    clients: FastMap<ClientId, Client<S>>,
    by_session: SecondaryMap<DefaultKey, ClientId>,
    /// Handed to the session core, which has not said yet under which handle it is known.
    arriving: Option<ClientId>,
    /// Whose streams have something to write.
    touched: Vec<ClientId>,
    /// Who is to be told goodbye.
    ending: Vec<(ClientId, Close)>,
    /// Where else clients may go.
    other_proxies: Vec<SocketAddr>,
    wishes: Wishes,
    map: MapWatch,
    ticked_ms: u64,
    slow_ticked_ms: u64,
    /// What the silence before an Attach is measured by.
    awake: AwakeClock,
    wanted: Vec<EdgeEffect>,
    effects: Vec<ShardEffect>,
}

impl<S: Sealing> Shard<S> {
    /// A shard without sessions, before any server is up.
    #[must_use]
    pub fn new(config: ShardConfig, topology: Arc<Topology>) -> Self {
        Self {
            edge: Edge::new(config.edge.clone(), Arc::clone(&topology)),
            config,
            listing: Arc::new(Listing::new(Arc::clone(&topology))),
            denied: BTreeMap::new(),
            topology,
            links: ServerLinks::new(),
            clients: FastMap::default(),
            by_session: SecondaryMap::new(),
            arriving: None,
            touched: Vec::new(),
            ending: Vec::new(),
            other_proxies: Vec::new(),
            wishes: Wishes::default(),
            map: MapWatch::default(),
            ticked_ms: 0,
            slow_ticked_ms: 0,
            awake: AwakeClock::default(),
            wanted: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// A newer topology is in force: whoever it lists for a region may serve it, and may have said so before it was known here.
    pub fn handle_listing(&mut self, listing: Arc<Listing>) {
        self.listing = listing;
        for ((region, node), region_epoch) in std::mem::take(&mut self.denied) {
            self.serving(node, region, region_epoch);
        }
    }

    /// Takes a datagram, decrypting it in place.
    pub fn datagram(
        &mut self,
        from: impl Into<DatagramRoad>,
        datagram: &mut [u8],
        now: Moment,
        entropy: &mut dyn Entropy,
        sink: &mut dyn DatagramSink,
    ) {
        self.edge
            .handle_datagram(from, datagram, now.mono_us / 1000, entropy, sink);
    }

    /// The end of a round: time moves, and what came of everything is carried out.
    pub fn settle(&mut self, now: Moment, sink: &mut dyn DatagramSink) {
        self.move_time(now, sink);
        self.tick_links(now, sink);
        self.carry_out(now, sink);
        if !self.wishes.is_empty() {
            let edge = &self.edge;
            let said = self.wishes.take(&self.topology, |region| edge.server_of(region));
            for (node, message) in said {
                // A server that is not linked is asked for everything when it is.
                if let Some(core) = self.links.node_mut(node) {
                    core.push(&message);
                }
            }
        }
        self.see_off(now);
    }

    fn move_time(&mut self, now: Moment, sink: &mut dyn DatagramSink) {
        let now_ms = now.mono_us / 1000;
        if now_ms >= self.tick_due_ms() {
            self.ticked_ms = now_ms;
            self.awake.advance(now_ms);
            self.edge.tick(now_ms, sink);
        }
        if now_ms >= self.slow_ticked_ms + SLOW_TICK_MS {
            self.slow_ticked_ms = now_ms;
            self.look_after_clients(now, sink);
        }
    }

    fn tick_due_ms(&self) -> u64 {
        let is_idle = self.edge.sessions() == 0;
        self.ticked_ms + if is_idle { SLOW_TICK_MS } else { TICK_MS }
    }

    fn tick_links(&mut self, now: Moment, sink: &mut dyn DatagramSink) {
        let (ended, beats) = self.links.tick(now);
        for (id, beat) in beats {
            self.effects.push(ShardEffect::Beat(id, beat));
        }
        for id in ended {
            self.end_link(id, now, sink);
        }
    }

    fn end_link(&mut self, id: LinkId, now: Moment, sink: &mut dyn DatagramSink) {
        self.map.forget(id);
        let Some(ended) = self.links.remove(id, now) else {
            return;
        };
        if ended.was_current {
            let down = EdgeInput::ServerDown(ended.node);
            self.edge.handle(down, now.mono_us / 1000, sink);
        }
        let last_words = ShardEffect::LinkEnded(id, ended.node, ended.reason, ended.last_words);
        self.effects.push(last_words);
    }

    /// Does what the session core wants until it wants nothing more.
    fn carry_out(&mut self, now: Moment, sink: &mut dyn DatagramSink) {
        let mut wanted = std::mem::take(&mut self.wanted);
        loop {
            self.edge.take_effects(&mut wanted);
            if wanted.is_empty() {
                break;
            }
            for effect in wanted.drain(..) {
                self.carry_out_one(effect, now, sink);
            }
        }
        self.wanted = wanted;
    }

    fn carry_out_one(&mut self, effect: EdgeEffect, now: Moment, sink: &mut dyn DatagramSink) {
        match effect {
            EdgeEffect::ToServer(node, message) => match self.links.node_mut(node) {
                // It is kept until the owner has it, and repeated: no reason to give a busy link up.
                Some(core) if is_command(&message) && !core.takes_one(message.encoded_len()) => {
                    self.count("command_repeated_later");
                }
                Some(core) => core.push(&message),
                None => self.count("server_not_linked"),
            },
            EdgeEffect::ToClient(session, message) => self.say_to_client(session, &message, now, sink),
            EdgeEffect::Admitted(_, session, _) => self.admitted(session),
            EdgeEffect::CloseClient(session, _, code) => {
                if let Some(id) = self.by_session.remove(session.0) {
                    self.close_client(id, code);
                }
            }
            EdgeEffect::LoggedOut(user, generation) => self.ask(Question::Logout(user, generation)),
            EdgeEffect::Watch(cell) => self.wishes.watch(cell),
            EdgeEffect::Unwatch(cell) => self.wishes.unwatch(cell),
            EdgeEffect::ReadOwner(user, trusted) => {
                self.effects.push(ShardEffect::ReadOwner(user, trusted));
            }
            EdgeEffect::ReadHolder(region) => self.ask(Question::Holder(region)),
            EdgeEffect::Refused(label) => self.count(label),
        }
    }

    fn say_to_client(
        &mut self,
        session: SessionHandle,
        message: &ProxyToClient,
        now: Moment,
        sink: &mut dyn DatagramSink,
    ) {
        let Some(id) = self.by_session.get(session.0).copied() else {
            return;
        };
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        match client.push(message, now) {
            Pushed::Waits => self.touched.push(id),
            Pushed::Dropped(count) => {
                self.touched.push(id);
                self.effects.push(ShardEffect::SoftDropped(count));
            }
            Pushed::TooSlow => {
                let slow = ClientEnd::Refused("client_slow", Code::SlowConsumer);
                self.end_client(id, slow, now, sink);
            }
        }
    }

    fn ask(&mut self, question: Question) {
        self.effects.push(ShardEffect::Ask(question));
    }

    fn count(&mut self, label: &'static str) {
        self.effects.push(ShardEffect::Count(label));
    }

    /// Moves everything that must be done outside into `out`.
    pub fn take_effects(&mut self, out: &mut Vec<ShardEffect>) {
        out.append(&mut self.effects);
    }

    /// When [`settle`](Self::settle) is due though nothing arrives, microseconds.
    #[must_use]
    pub fn due_us(&self, now: Moment) -> u64 {
        let tick_us = self.tick_due_ms() * 1000;
        self.links
            .due_us(now)
            .map_or(tick_us, |due_us| due_us.min(tick_us))
    }

    /// The proxy is shutting down: everybody is told, and shown where else to go.
    pub fn drain(&mut self, other_proxies: Vec<SocketAddr>, now: Moment, sink: &mut dyn DatagramSink) {
        self.other_proxies = other_proxies;
        self.edge.handle(EdgeInput::Drain, now.mono_us / 1000, sink);
    }

    /// Its sessions.
    #[must_use]
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// Its lanes, at a glance.
    pub fn link_sights(&self) -> impl Iterator<Item = (LinkId, NodeNumber, LinkSight)> {
        self.links.sights()
    }
}

fn is_command(message: &ProxyToServer) -> bool {
    matches!(message, ProxyToServer::Command(_))
}
