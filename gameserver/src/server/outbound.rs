//! Does what a region wants done outside. Never waits: what has no link or no room is dropped and counted, and whoever
//! wanted it repeats it.

use std::collections::BTreeMap;
use std::sync::Arc;

use net::link::{LinkSender, SendError};
use protocol::Code;
use protocol::ids::{LiveLane, NodeNumber, ProxyLane, RegionNumber};
use protocol::message::family::{BatchMessage, ServerToProxy, ServerToServer};
use store::{StoreAnswer, StorePort, StoreRequest};

use super::inbox::InboxFull;
use super::link_room::{LinkRoom, Turn};
use super::link_table::Side;
use super::metrics;
use super::sorting::Sorted;
use super::switchboard::Switchboard;
use crate::dispatch::Addressee;
use crate::join_check::VerifiedJoin;
use crate::region::{RegionEffect, RegionInput, StoreTicket};

/// What a forwarded join takes while it waits, about.
const JOIN_BYTES: usize = 256;

/// The way out of one region.
pub(super) struct Outbound {
    board: Arc<Switchboard>,
    region: RegionNumber,
    store: StorePort,
    to_store: Vec<(u64, StoreRequest)>,
    /// When each question was asked, microseconds.
    asked_at_us: BTreeMap<u64, u64>,
    to_proxies: BTreeMap<ProxyLane, Vec<ServerToProxy>>,
    to_servers: BTreeMap<(Side, NodeNumber), Vec<ServerToServer>>,
    to_own: Vec<ServerToServer>,
    superseded: bool,
}

impl Outbound {
    /// For a region, with its way to the store.
    pub(super) fn new(board: Arc<Switchboard>, region: RegionNumber, store: StorePort) -> Self {
        Self {
            board,
            region,
            store,
            to_store: Vec::new(),
            asked_at_us: BTreeMap::new(),
            to_proxies: BTreeMap::new(),
            to_servers: BTreeMap::new(),
            to_own: Vec::new(),
            superseded: false,
        }
    }

    /// Whether the region has said that another process serves it.
    pub(super) fn is_superseded(&self) -> bool {
        self.superseded
    }

    /// Carries out effects, in order within each receiver.
    pub(super) fn flush(&mut self, effects: Vec<RegionEffect>, now_us: u64) {
        if effects.is_empty() {
            return;
        }
        self.follow_players(&effects);
        for effect in effects {
            self.carry_out(effect, now_us);
        }
        self.store.send_batch(self.to_store.drain(..));
        self.send_to_proxies();
        self.send_to_servers();
        self.send_to_own();
    }

    /// How much each subscriber takes in this tick.
    pub(super) fn room(&self, turn: Turn) -> LinkRoom<'_> {
        LinkRoom::new(&self.board, turn)
    }

    /// How long the store took, microseconds.
    pub(super) fn answered(&mut self, correlation: u64, now_us: u64) -> Option<u64> {
        let asked_us = self.asked_at_us.remove(&correlation)?;
        Some(now_us.saturating_sub(asked_us))
    }

    /// Before anybody hears of it: the answer to what is sent may be here before the rest is carried out.
    fn follow_players(&self, effects: &[RegionEffect]) {
        let moves = |effect: &&RegionEffect| {
            matches!(
                effect,
                RegionEffect::PlayerHere(_)
                    | RegionEffect::PlayerExpected(_)
                    | RegionEffect::PlayerPassed(_)
                    | RegionEffect::PlayerGone(_)
            )
        };
        let mut moving = effects.iter().filter(moves).peekable();
        if moving.peek().is_none() {
            return;
        }
        let directory = self.board.directory();
        for effect in moving {
            match effect {
                RegionEffect::PlayerHere(user) => directory.here(*user, self.region),
                RegionEffect::PlayerExpected(user) => directory.expected(*user, self.region),
                RegionEffect::PlayerPassed(user) => directory.passed(*user, self.region),
                RegionEffect::PlayerGone(user) => directory.gone(*user, self.region),
                _ => {}
            }
        }
    }

    fn carry_out(&mut self, effect: RegionEffect, now_us: u64) {
        match effect {
            RegionEffect::ToProxy(lane, message) => self.to_proxies.entry(lane).or_default().push(message),
            RegionEffect::ToServer(node, message) if node == self.board.node => self.to_own.push(message),
            RegionEffect::ToServer(node, message) => self.queue_for_server(node, message),
            RegionEffect::Store(ticket, request) => self.ask(ticket, request, now_us),
            RegionEffect::PlayerHere(_)
            | RegionEffect::PlayerExpected(_)
            | RegionEffect::PlayerPassed(_)
            | RegionEffect::PlayerGone(_) => {}
            RegionEffect::ForwardJoin(region, lane, join) => self.forward(region, lane, join),
            RegionEffect::Superseded => self.superseded = true,
            RegionEffect::Count(label) => self.board.count(label),
        }
    }

    fn queue_for_server(&mut self, node: NodeNumber, message: ServerToServer) {
        match sides(&message) {
            Sides::One(side) => self.to_servers.entry((side, node)).or_default().push(message),
            Sides::Both => {
                let dialed = self.to_servers.entry((Side::Dialed, node)).or_default();
                dialed.push(message.clone());
                let accepted = self.to_servers.entry((Side::Accepted, node)).or_default();
                accepted.push(message);
            }
        }
    }

    fn ask(&mut self, ticket: StoreTicket, request: StoreRequest, now_us: u64) {
        self.asked_at_us.insert(ticket.0, now_us);
        self.to_store.push((ticket.0, request));
    }

    fn forward(&self, region: RegionNumber, lane: LiveLane, join: VerifiedJoin) {
        let mut sorted = Sorted::default();
        sorted.push(region, RegionInput::Join(lane, join), JOIN_BYTES);
        if self.board.post(sorted).is_err() {
            self.board.count("inbox_full_join");
        }
    }

    fn send_to_proxies(&mut self) {
        let links = self.board.links.load();
        for (lane, messages) in &mut self.to_proxies {
            send(links.proxies.get(lane), messages, "proxy");
        }
    }

    fn send_to_servers(&mut self) {
        let links = self.board.links.load();
        for (key, messages) in &mut self.to_servers {
            send(links.servers.get(key), messages, "server");
        }
    }

    /// To other regions of this server, and to this one when it names itself.
    fn send_to_own(&mut self) {
        if self.to_own.is_empty() {
            return;
        }
        let own = self.board.node;
        let mut sorted = Sorted::default();
        let directory = self.board.directory();
        for message in self.to_own.drain(..) {
            let bytes = message.encoded_len();
            match directory.peer_message(&message) {
                Addressee::Region(region) => sorted.push(region, RegionInput::FromPeer(own, message), bytes),
                Addressee::Every => {
                    for region in directory.regions().filter(|region| *region != self.region) {
                        sorted.push(region, RegionInput::FromPeer(own, message.clone()), bytes);
                    }
                }
                Addressee::Shell | Addressee::Nobody => self.board.count("region_not_here"),
            }
        }
        if let Err(InboxFull) = self.board.post(sorted) {
            self.board.count("inbox_full_own");
            // Nobody knows what the others have missed: everything is said again, as over a new link.
            self.board.tell_all(&RegionInput::PeerUp(own));
        }
    }
}

/// By which links a message between game servers goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sides {
    One(Side),
    Both,
}

/// Who dialed asks, who accepted serves; which regions are served is told on every link.
fn sides(message: &ServerToServer) -> Sides {
    match message {
        ServerToServer::Serving(_) => Sides::Both,
        ServerToServer::Subscribe(_)
        | ServerToServer::Unsubscribe(_)
        | ServerToServer::Prepare(_)
        | ServerToServer::Commit(_)
        | ServerToServer::Effect(_)
        | ServerToServer::Refresh(_)
        | ServerToServer::Heartbeat(_)
        | ServerToServer::GetTopology(_)
        | ServerToServer::Topology(_) => Sides::One(Side::Dialed),
        ServerToServer::CellUpdates(_)
        | ServerToServer::TickEnd(_)
        | ServerToServer::Prepared(_)
        | ServerToServer::Refuse(_)
        | ServerToServer::Done(_) => Sides::One(Side::Accepted),
    }
}

/// Queues messages to a link under one lock. Leaves the buffer empty for the next time.
fn send<M: BatchMessage>(sender: Option<&LinkSender<M>>, messages: &mut Vec<M>, receiver: &'static str) {
    if messages.is_empty() {
        return;
    }
    let sent = sender.map(|sender| (sender, sender.try_send_all(&*messages)));
    match sent {
        Some((_, Ok(()))) => {}
        None | Some((_, Err(SendError::Down))) => metrics::unsent(receiver, messages.len()),
        Some((sender, Err(SendError::TooLarge(bytes)))) => {
            // Those after it are lost, too: a new link gets all of them again.
            tracing::error!(bytes, receiver, "a message is longer than a frame");
            metrics::refused("message_too_large");
            sender.close(Code::Generic);
        }
    }
    messages.clear();
}
