//! The process of a proxy as far as the simulation needs one: it passes bytes and time to its shard, and carries out what
//! the shard wants. Between any two messages about somebody that a shard hears its routes are looked at.

use std::net::SocketAddr;

use bytes::Bytes;
use net::link::LinkId;
use net::link_core::{Clear, DownReason, Sealing as _};
use protocol::Code;
use protocol::frame::{Close, FrameType};
use protocol::ids::{NodeNumber, ProxyLane, RegionNumber};
use protocol::message::family::{BatchMessage, BatchReader, ProxyToClient, ProxyToServer, ServerToProxy};
use protocol::message::fragment::FRAGMENT_FAMILY;
use proxy::edge::SessionView;
use proxy::shard::{AttachVerdict, ClientId, Moment, Question, Shard, ShardEffect};
use store::claims::ASK_AGAIN_MS;
use store::{Announced, Serving, StoreRequest, StoreResult};

use super::event::{Asker, Event, ToClient};
use super::state::{Cluster, Phase};
use crate::links::{End, LinkNumber};

/// Between looks at a shard of which nothing is heard, microseconds.
const SHARD_TICK_US: u64 = 20_000;

/// Families of what a game server says that names no player: heartbeats, cells, and the end of a tick.
const WITHOUT_ROUTES: [u8; 3] = [0x21, 0x43, 0x44];

/// Where a shard's datagrams go.
pub(super) type Datagrams = Vec<(SocketAddr, Vec<u8>)>;

impl Cluster {
    /// Something happens in a shard that is up; then everything that comes of it.
    pub(super) fn with_shard(
        &mut self,
        at: ProxyLane,
        act: impl FnOnce(&mut Shard<Clear>, Moment, &mut Datagrams),
    ) {
        let (now, mut datagrams) = (self.moment_of(at.node), Vec::new());
        let proxy = self.proxies.get_mut(&at.node);
        let proxy = proxy.filter(|proxy| proxy.phase == Phase::Up);
        let Some(shard) = proxy.and_then(|proxy| proxy.shard_mut(at.lane)) else {
            return;
        };
        act(shard, now, &mut datagrams);
        self.after_shard(at, datagrams);
    }

    /// A look at all shards of a proxy, by the clock.
    pub(super) fn shard_tick(&mut self, node: NodeNumber, life: u32) {
        if self.proxies.get(&node).is_some_and(|proxy| proxy.life == life) {
            for lane in self.lanes() {
                self.with_shard(ProxyLane { node, lane }, |_, _, _| {});
            }
            self.schedule.after(SHARD_TICK_US, Event::ShardTick(node, life));
        }
    }

    /// The end of a round: what the shard wants is done, and what it said leaves.
    fn after_shard(&mut self, at: ProxyLane, mut datagrams: Datagrams) {
        let (now, mut effects) = (self.moment_of(at.node), Vec::new());
        let Some((life, shard)) = self.live_shard(at) else {
            return;
        };
        shard.settle(now, &mut datagrams);
        shard.take_effects(&mut effects);
        for effect in effects.extract_if(.., |effect| matches!(effect, ShardEffect::Beat(..))) {
            if let ShardEffect::Beat(link, heartbeat) = effect {
                shard.beat(link, heartbeat);
            }
        }
        let sessions: Vec<SessionView> = shard.edge().session_views().collect();
        let streams = self.lane_out(at, now);
        let said: Vec<(NodeNumber, ProxyToServer)> = streams
            .iter()
            .flat_map(|(number, bytes)| {
                let listener = self.links[number.0].listener;
                said(bytes).into_iter().map(move |message| (listener, message))
            })
            .collect();
        self.checks
            .routes(at, life, sessions.into_iter(), &effects, &said);
        for (to, bytes) in datagrams {
            self.trace.bytes(&bytes);
            self.datagram_down(to, &bytes);
        }
        self.clients_out(at, now);
        // Before what comes of the effects: a verdict makes the shard say more.
        for (number, bytes) in streams {
            self.leave(number, End::Listener, &bytes);
        }
        for effect in effects {
            self.shard_effect(at, effect);
        }
    }

    /// A shard, and which life of its process this is.
    fn live_shard(&mut self, at: ProxyLane) -> Option<(u32, &mut Shard<Clear>)> {
        let proxy = self.proxies.get_mut(&at.node)?;
        Some((proxy.life, proxy.shard_mut(at.lane)?))
    }

    /// What a shard has said to game servers, link by link.
    fn lane_out(&mut self, at: ProxyLane, now: Moment) -> Vec<(LinkNumber, Vec<u8>)> {
        let mut streams = Vec::new();
        let links = self.links_of.get(&at.node).cloned().unwrap_or_default();
        for (number, _) in links.iter().copied() {
            if self.links[number.0].lane != at.lane {
                continue;
            }
            let id = self.links[number.0].id();
            let Some((_, shard)) = self.live_shard(at) else {
                break;
            };
            let mut bytes = Vec::new();
            loop {
                shard.flush_link(id, now);
                let unsent = shard.link_unsent(id).len();
                if unsent == 0 {
                    break;
                }
                bytes.extend_from_slice(shard.link_unsent(id));
                shard.link_wrote(id, unsent);
            }
            if !bytes.is_empty() {
                streams.push((number, bytes));
            }
        }
        streams
    }

    /// What a shard has said to devices.
    fn clients_out(&mut self, at: ProxyLane, now: Moment) {
        loop {
            let mut ids = Vec::new();
            let Some((_, shard)) = self.live_shard(at) else {
                return;
            };
            shard.flush_clients(now, &mut ids);
            if ids.is_empty() {
                return;
            }
            for id in ids {
                if self.reads(id) {
                    self.pass_on(at, id);
                }
            }
        }
    }

    /// What is sealed for a device goes its way.
    pub(super) fn pass_on(&mut self, at: ProxyLane, id: ClientId) {
        let Some((_, shard)) = self.live_shard(at) else {
            return;
        };
        let bytes = shard.client_unsent(id).to_vec();
        shard.client_wrote(id, bytes.len());
        self.tell_client(id, &bytes);
    }

    /// Whether the kernel passes on what is written to a device.
    fn reads(&self, id: ClientId) -> bool {
        let conn = self.conns.get(id.0 as usize);
        conn.is_none_or(|conn| conn.reads_from_us <= self.now_us())
    }

    fn tell_client(&mut self, id: ClientId, bytes: &[u8]) {
        self.trace.bytes(bytes);
        for said in heard_by_client(bytes) {
            self.stream_down(id.0 as usize, said);
        }
    }

    fn shard_effect(&mut self, at: ProxyLane, effect: ShardEffect) {
        let node = at.node;
        let life = self.proxies.get(&node).map_or(0, |proxy| proxy.life);
        match effect {
            ShardEffect::Ask(question) => self.shard_asks(at, &question),
            ShardEffect::ReadOwner(user, trusted) => {
                let asker = Asker::Owner {
                    proxy: node,
                    life,
                    user,
                    trusted,
                };
                self.ask(asker, StoreRequest::ReadOwner { user });
            }
            ShardEffect::LinkEnded(id, _, reason, _) => self.lane_ended(node, id, reason),
            ShardEffect::ClientEnded(id, code, bytes) => {
                self.tell_client(id, &bytes);
                if code == Some(Code::Protocol) {
                    self.checks
                        .fail(format!("proxy {node} says that an honest device broke a rule"));
                }
            }
            ShardEffect::Count(label) => self.shard_counts(node, label),
            ShardEffect::Topology(..) => self.checks.fail("nobody has another topology".to_owned()),
            ShardEffect::SoftDropped(count) => self.overflow.soft_dropped += count,
            // Nobody looks at the map here.
            ShardEffect::Beat(..) | ShardEffect::Heard(..) | ShardEffect::Brief(..) => {}
        }
    }

    fn shard_asks(&mut self, at: ProxyLane, question: &Question) {
        match *question {
            Question::Service(claim) => self.shard_hears_serving(at, claim),
            // Devices of the simulation sign what they say; the game server looks at it again.
            Question::Attach(client, _) => self.with_shard(at, |shard, now, datagrams| {
                shard.attach_verified(client, AttachVerdict::Genuine, now, datagrams);
            }),
            Question::Renewal(client, ref claims, region, _) => self.renew(at, client, claims, region),
            Question::Holder(region) => {
                let life = self.proxies.get(&at.node).map_or(0, |proxy| proxy.life);
                let asker = Asker::Holder {
                    lane: at,
                    life,
                    region,
                };
                self.ask(asker, StoreRequest::ReadHolder { region });
            }
            Question::Logout(user, generation) => {
                self.ask(Asker::Nobody, StoreRequest::EndSession { user, generation });
            }
        }
    }

    fn shard_counts(&mut self, node: NodeNumber, label: &'static str) {
        let now_us = self.now_us();
        self.trace
            .line(now_us, || format!("  proxy {node} counts {label}"));
        match label {
            "owner_epoch_unissued" => self.checks.fail(format!(
                "proxy {node} trusted an owner epoch that nobody has issued"
            )),
            "cell_malformed" | "cells_malformed" | "wrong_lane" => self.checks.fail(format!(
                "proxy {node} refuses what an honest server says: {label}"
            )),
            "client_slow" => self.overflow.slow_devices += 1,
            _ => {}
        }
        *self.counts.entry(label).or_default() += 1;
    }

    /// A shard has ended a lane by itself, or hears that it broke.
    fn lane_ended(&mut self, node: NodeNumber, id: LinkId, reason: DownReason) {
        let Some(number) = self.link_of(id) else { return };
        if self.links[number.0].is_up(End::Dialer) {
            self.checks
                .fail(format!("proxy {node} ends an honest link: {reason:?}"));
        }
    }

    /// What a game server's bytes say, one message after the other.
    pub(super) fn shard_receives(&mut self, at: ProxyLane, id: LinkId, bytes: &[u8]) {
        let now = self.moment();
        let (mut clear, mut passed_on) = (Clear::default(), 0);
        clear.extend(bytes);
        while let Ok(Some(frame)) = clear.next_frame(0) {
            passed_on += 1;
            if frame.frame_type != FrameType::Batch {
                // A goodbye.
                let goodbye = sealed(frame.frame_type, &frame.payload, now);
                self.with_shard(at, |shard, now, datagrams| {
                    shard.from_server(id, &goodbye, now, datagrams);
                });
                continue;
            }
            self.batch_received(at, id, &frame.payload);
        }
        if passed_on == 0 {
            self.checks
                .fail(format!("proxy {at} hears less than a frame of a server"));
        }
    }

    /// Between any two messages about somebody the shard's routes are looked at; what has nothing to say of routes travels with them.
    fn batch_received(&mut self, at: ProxyLane, id: LinkId, whole: &Bytes) {
        let mut reader = BatchReader::new(whole.clone());
        let (mut start, mut before, mut has_word) = (0, 0, false);
        while let Ok(Some((family, body))) = reader.next_body() {
            let end = whole.len() - reader.rest_bytes();
            self.overflow.fragments += u64::from(family == FRAGMENT_FAMILY);
            let word = self.pieces.take(id, family, body);
            if let Some((family, body)) = word.filter(|(family, _)| !WITHOUT_ROUTES.contains(family)) {
                if has_word {
                    self.messages_received(at, id, &whole[start..before]);
                    start = before;
                }
                has_word = true;
                let proxy = self.proxies.get(&at.node);
                let shard = proxy.and_then(|proxy| proxy.shards.get(usize::from(at.lane.number())));
                if let (Ok(message), Some(shard)) = (ServerToProxy::parse(family, body), shard) {
                    self.checks.expect(&message, shard.edge().session_views());
                }
            }
            before = end;
        }
        self.messages_received(at, id, &whole[start..before]);
    }

    fn messages_received(&mut self, at: ProxyLane, id: LinkId, messages: &[u8]) {
        if !messages.is_empty() {
            let bytes = sealed(FrameType::Batch, messages, self.moment());
            self.with_shard(at, |shard, now, datagrams| {
                shard.from_server(id, &bytes, now, datagrams);
            });
        }
    }

    /// A server says what it serves: the store is asked, unless it has said so before. All shards of a proxy ask as one.
    fn shard_hears_serving(&mut self, at: ProxyLane, claim: Serving) {
        let Some(proxy) = self.proxies.get_mut(&at.node) else {
            return;
        };
        let life = proxy.life;
        match proxy.services.announce(claim) {
            Announced::Known => self.shard_told(at, claim),
            Announced::Ask => self.ask_service(at.node, life, claim.region),
            Announced::Waits => {}
        }
    }

    fn shard_told(&mut self, at: ProxyLane, serving: Serving) {
        self.with_shard(at, |shard, now, datagrams| {
            shard.service_confirmed(serving, now, datagrams);
        });
    }

    fn ask_service(&mut self, proxy: NodeNumber, life: u32, region: RegionNumber) {
        let asker = Asker::Service { proxy, life, region };
        self.ask(asker, StoreRequest::ReadService { region });
    }

    pub(super) fn service_again(&mut self, node: NodeNumber, life: u32, region: RegionNumber) {
        let proxy = self.proxies.get_mut(&node).filter(|proxy| proxy.life == life);
        if proxy.is_some_and(|proxy| proxy.services.ask_again(region)) {
            self.ask_service(node, life, region);
        }
    }

    pub(super) fn service_answered(&mut self, node: NodeNumber, region: RegionNumber, answer: &StoreResult) {
        let Some(proxy) = self.proxies.get_mut(&node) else {
            return;
        };
        let (life, verdict) = (proxy.life, proxy.services.answer(region, answer));
        if let Some(serving) = verdict.confirmed {
            for lane in self.lanes() {
                self.shard_told(ProxyLane { node, lane }, serving);
            }
        }
        if verdict.again {
            let again = Event::AskService(node, life, region);
            self.schedule.after(ASK_AGAIN_MS * 1000, again);
        }
    }
}

/// A frame with this payload.
pub(super) fn sealed(frame_type: FrameType, payload: &[u8], now: Moment) -> Vec<u8> {
    let mut bytes = Vec::new();
    let write = |out: &mut Vec<u8>| out.extend_from_slice(payload);
    // Clear frames have no length that they could not have.
    let _ = Clear::default().seal(frame_type, now, &mut bytes, write);
    bytes
}

/// All messages of a stream's bytes; pieces of longer ones are not among them.
fn said(bytes: &[u8]) -> Vec<ProxyToServer> {
    let (mut clear, mut messages) = (Clear::default(), Vec::new());
    clear.extend(bytes);
    while let Ok(Some(frame)) = clear.next_frame(0) {
        let mut reader = BatchReader::new(frame.payload);
        while let Ok(Some((family, body))) = reader.next_body() {
            messages.extend(ProxyToServer::parse(family, body));
        }
    }
    messages
}

/// What a device hears in these bytes.
fn heard_by_client(bytes: &[u8]) -> Vec<ToClient> {
    let (mut clear, mut heard) = (Clear::default(), Vec::new());
    clear.extend(bytes);
    while let Ok(Some(frame)) = clear.next_frame(0) {
        if frame.frame_type == FrameType::Close {
            heard.extend(Close::parse(&frame.payload).map(|close| ToClient::Close(close.code)));
            continue;
        }
        let mut reader = BatchReader::new(frame.payload);
        while let Ok(Some(message)) = reader.next_message::<ProxyToClient>() {
            heard.push(ToClient::Message(message));
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::{node, player, subscription};

    #[test]
    fn only_what_names_no_player_travels_with_what_does() {
        let without: [ServerToProxy; 3] = [
            node::Heartbeat::default().into(),
            subscription::CellUpdates::default().into(),
            subscription::TickEnd::default().into(),
        ];
        assert_eq!(without.map(|message| message.family()), WITHOUT_ROUTES);
        let output = ServerToProxy::from(player::Output::default());
        assert!(!WITHOUT_ROUTES.contains(&output.family()));
    }
}
