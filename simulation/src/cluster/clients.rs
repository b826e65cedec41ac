//! Devices and proxies: connecting, the end of the handshake, streams in order, datagrams in no order at all.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use client::core::{Attachment, ClientEffect, DatagramKeys};
use net::link_core::Clear;
use protocol::Code;
use protocol::attach::Attach;
use protocol::frame::FrameType;
use protocol::identity::Validity;
use protocol::ids::{AttachNo, ProxyLane, RegionNumber, SessionId};
use protocol::keys::{DatagramSecret, Direction, Prk};
use protocol::message::family::{BatchMessage, ClientToProxy, ProxyToClient};
use protocol::ticket::{AccountKind, RawTicket, Ticket};
use proxy::edge::Admission;
use proxy::shard::{Arrival, ClientId};
use store::{StoreReply, StoreRequest, StoreResult};

use super::event::{Asker, Event, ToClient, Welcome};
use super::shards::sealed;
use super::state::{Cluster, Conn, Phase};
use crate::bot::{Goes, Presence};
use crate::checks::Issued;
use crate::world::{CLUSTER, PROXIES, uuid_of};

/// How often a device looks around, microseconds.
const BOT_US: u64 = 50_000;
/// Much less than proxies issue them for, so that a long run has renewals.
const TICKET_LIFE_MS: i64 = 60_000;
/// After the storm, commands are issued for so long, and players walk for so long, microseconds.
const TALK_US: u64 = 2_500_000;
const WALK_US: u64 = 3_000_000;
/// Commands of one look around.
const WISHES_MAX: usize = 4;

fn cid_of(conn: usize) -> [u8; 8] {
    (conn as u64 + 1).to_be_bytes()
}

fn ticket_life(now_ms: u64) -> Validity {
    Validity {
        from_ms: now_ms as i64,
        until_ms: now_ms as i64 + TICKET_LIFE_MS,
    }
}

/// A connection's stream, as its shard knows it.
pub(super) fn client_id(conn: usize) -> ClientId {
    ClientId(conn as u64)
}

fn address_of(conn: usize) -> SocketAddr {
    (Ipv4Addr::from_bits(0x0a00_0000 + conn as u32), 4_000).into()
}

fn conn_at(address: SocketAddr) -> Option<usize> {
    match address {
        SocketAddr::V4(address) => Some((address.ip().to_bits() - 0x0a00_0000) as usize),
        SocketAddr::V6(_) => None,
    }
}

fn datagram_keys(conn: usize) -> (DatagramSecret, DatagramSecret) {
    let prk = Prk::extract(&[0; 32], &cid_of(conn));
    let secret = |direction| DatagramSecret::new(&prk, direction);
    (
        secret(Direction::InitiatorToResponder),
        secret(Direction::ResponderToInitiator),
    )
}

impl Cluster {
    pub(super) fn bot(&mut self, index: usize) {
        let (now_us, now_ms) = (self.now_us(), self.now_ms());
        let after_storm_us = now_us.saturating_sub(self.storm_end_us());
        let bot = &mut self.bots[index];
        match bot.presence {
            Presence::Retired => return,
            Presence::Away(until_us) if until_us <= now_us => self.connect(index),
            Presence::Away(_) | Presence::Connecting => {}
            Presence::Online => {
                let goes = if after_storm_us > WALK_US {
                    Goes::Nowhere
                } else {
                    Goes::On
                };
                bot.walk(goes, now_ms);
                if after_storm_us < TALK_US {
                    self.talk(index);
                }
                self.bots[index].core.tick(now_ms);
                self.after_bot(index);
                if self.bots[index].core.is_forsaken()
                    && let Some(conn) = self.bots[index].conn
                {
                    self.break_conn(conn);
                }
            }
        }
        self.schedule.after(BOT_US, Event::Bot(index));
    }

    /// Perhaps a command; where things are given all the time, as many as there are to give.
    fn talk(&mut self, index: usize) {
        let now_ms = self.now_ms();
        for _ in 0..WISHES_MAX {
            let bot = &mut self.bots[index];
            let Some((class, body)) = bot.wish(now_ms) else {
                return;
            };
            let more = bot.gives_all();
            self.issue(index, class, body);
            if !more {
                return;
            }
        }
    }

    fn issue(&mut self, index: usize, class: protocol::message::player::CommandClass, body: Bytes) {
        let bot = &mut self.bots[index];
        let Some((ticket, _)) = &bot.session else { return };
        let generation = ticket.session_generation;
        if let Ok(number) = bot.core.send_command(class, body.clone()) {
            if let Some(own) = &mut bot.own_bot {
                own.commanded(number);
            }
            self.checks
                .issued(bot.user, generation, number.0, Issued::new(class, body));
        }
    }

    fn connect(&mut self, index: usize) {
        let conn = self.conns.len();
        let bot = &mut self.bots[index];
        let proxy = PROXIES[bot.proxy % PROXIES.len()];
        bot.proxy += 1;
        bot.presence = Presence::Connecting;
        bot.conn = Some(conn);
        let delay_us = bot.dice().between(500, 20_000);
        let ticket = bot.session.as_ref().map(|(_, bytes)| bytes.clone());
        bot.attach_no = if ticket.is_some() { bot.attach_no + 1 } else { 1 };
        self.conns.push(Conn {
            bot: index,
            proxy,
            life: self.proxies.get(&proxy).map_or(0, |proxy| proxy.life),
            is_alive: true,
            at_client: true,
            last_up_us: 0,
            last_down_us: 0,
            blocked_until_us: 0,
            reads_from_us: 0,
            ticket,
            attach_no: bot.attach_no,
        });
        self.schedule.after(delay_us, Event::Hello(conn));
    }

    /// The handshake has reached the proxy: a ticket is checked, a login goes to the auth role.
    pub(super) fn hello(&mut self, number: usize) {
        let conn = &self.conns[number];
        let proxy = conn.proxy;
        let lives = self
            .proxies
            .get(&proxy)
            .is_some_and(|proxy| proxy.life == conn.life && !proxy.is_draining);
        if !lives || self.phase_of(proxy) != Phase::Up || self.is_stalled(proxy) {
            return self.break_conn(number);
        }
        let user = self.bots[conn.bot].user;
        let Some(bytes) = conn.ticket.clone() else {
            return self.ask(Asker::Login { conn: number }, StoreRequest::RaiseSession { user });
        };
        let clock = self.clock_of(proxy);
        let ticket = RawTicket::parse(&bytes)
            .and_then(|raw| raw.verify(CLUSTER, |uuid| self.keys.issuer(uuid), clock));
        match ticket {
            Ok(ticket) => self.admit(number, ticket, bytes),
            Err(error) => {
                if let Some(code) = self.refusal(error) {
                    self.stream_down(number, ToClient::Close(code));
                }
            }
        }
    }

    pub(super) fn logged_in(&mut self, number: usize, answer: &StoreResult) {
        let conn = &self.conns[number];
        let (bot, proxy) = (&self.bots[conn.bot], conn.proxy);
        let lives = self
            .proxies
            .get(&proxy)
            .is_some_and(|proxy| proxy.life == conn.life);
        let (Ok(StoreReply::Session(generation)), true, true) = (answer, lives, conn.is_alive) else {
            return self.break_conn(number);
        };
        let now_ms = self.moment_of(proxy).wall_ms;
        let mut session = [0; 16];
        protocol::Entropy::fill(&mut self.dice, &mut session);
        let ticket = Ticket {
            issuer: uuid_of(proxy),
            user: bot.user,
            session: SessionId(session),
            session_generation: *generation,
            holder: bot.key.public(),
            validity: ticket_life(now_ms),
            auth_time_ms: now_ms as i64,
            region_hint: RegionNumber(1 + self.dice.below(4) as u32),
            account: AccountKind::Registered,
        };
        let Some(key) = self.keys.of(proxy) else { return };
        let bytes = Bytes::copy_from_slice(&ticket.issue(CLUSTER, key).encode());
        self.admit(number, ticket, bytes);
    }

    /// Half of a ticket's life is over. Whether the login still holds nobody asks here: of two devices the later one ends the other.
    pub(super) fn renew(
        &mut self,
        at: ProxyLane,
        client: ClientId,
        claims: &Ticket,
        region: Option<RegionNumber>,
    ) {
        let Some(key) = self.keys.of(at.node) else { return };
        let ticket = Ticket {
            issuer: uuid_of(at.node),
            validity: ticket_life(self.moment_of(at.node).wall_ms),
            region_hint: region.unwrap_or(claims.region_hint),
            ..*claims
        };
        let renewed = ticket.issue(CLUSTER, key);
        self.with_shard(at, |shard, now, datagrams| {
            shard.ticket_renewed(client, &renewed, &[], now, datagrams);
        });
    }

    fn admit(&mut self, number: usize, ticket: Ticket, bytes: Bytes) {
        let conn = &self.conns[number];
        let (datagrams_to_proxy, datagrams_to_client) = datagram_keys(number);
        let admission = Admission {
            user: ticket.user,
            name: format!("p{}", ticket.user),
            session_id: ticket.session,
            generation: ticket.session_generation,
            attach_no: AttachNo(conn.attach_no),
            ticket: bytes.clone(),
            region_hint: Some(ticket.region_hint),
            cid: cid_of(number),
            datagrams_to_proxy,
            datagrams_to_client,
        };
        let attach_no = AttachNo(conn.attach_no);
        let welcome = Welcome {
            ticket,
            ticket_bytes: bytes,
            attach_no,
        };
        self.stream_down(number, ToClient::Welcome(Box::new(welcome)));
        let arrival = Arrival {
            id: client_id(number),
            sealing: Clear::default(),
            admission: Box::new(admission),
            claims: ticket,
            from: Ipv4Addr::LOCALHOST.into(),
        };
        self.with_shard(self.shard_of(number), |shard, now, datagrams| {
            shard.client_arrived(arrival, now, datagrams);
        });
    }

    fn stream_us(&mut self) -> u64 {
        let mut delay_us = self.dice.between(300, 15_000);
        if self.is_storm() && self.dice.permille(20) {
            delay_us += self.dice.below(200_000);
        }
        delay_us
    }

    pub(super) fn stream_down(&mut self, number: usize, message: ToClient) {
        let delay_us = self.stream_us();
        let at_us = self.now_us() + delay_us;
        let conn = &mut self.conns[number];
        conn.last_down_us = conn.last_down_us.max(at_us);
        self.schedule.at(
            self.conns[number].last_down_us,
            Event::StreamDown(number, message),
        );
    }

    pub(super) fn client_hears(&mut self, number: usize, message: ToClient) {
        let conn = &self.conns[number];
        if !conn.is_alive || !conn.at_client {
            return;
        }
        let index = conn.bot;
        let now_ms = self.now_ms();
        match message {
            ToClient::Welcome(welcome) => self.welcomed(index, number, *welcome),
            ToClient::Message(message) => {
                if let ProxyToClient::TicketRenewal(renewal) = &message
                    && let Ok(ticket) = RawTicket::parse(&renewal.ticket)
                {
                    self.bots[index].session = Some((*ticket.claims(), renewal.ticket.clone()));
                }
                self.bots[index].core.handle_message(message, now_ms);
                self.after_bot(index);
            }
            ToClient::Close(code) => self.closed(index, number, code),
        }
    }

    fn welcomed(&mut self, index: usize, number: usize, welcome: Welcome) {
        let now_ms = self.now_ms();
        let proxy = self.conns[number].proxy;
        let bot = &mut self.bots[index];
        let attach = Attach {
            cluster_id: CLUSTER,
            attach_no: welcome.attach_no,
            proxy: uuid_of(proxy),
        };
        let signature = attach.sign(&welcome.ticket, &bot.key);
        let (to_proxy, to_client) = datagram_keys(number);
        if welcome.attach_no.0 == 1 {
            bot.begin_session();
        }
        bot.session = Some((welcome.ticket, welcome.ticket_bytes));
        bot.presence = Presence::Online;
        let datagrams = bot.uses_datagrams.then(|| DatagramKeys {
            cid: cid_of(number),
            to_proxy,
            to_client,
        });
        let attachment = Attachment {
            attach_no: welcome.attach_no,
            signature,
            datagrams,
        };
        bot.core.attached(attachment, now_ms);
        self.after_bot(index);
    }

    /// The proxy said goodbye.
    fn closed(&mut self, index: usize, number: usize, code: Code) {
        self.conns[number].is_alive = false;
        let bot = &self.bots[index];
        if bot.conn != Some(number) {
            return;
        }
        if code == Code::Superseded {
            let user = bot.user;
            let mut others = self.bots.iter().enumerate();
            if !others
                .any(|(other, bot)| other != index && bot.user == user && bot.presence != Presence::Retired)
            {
                return self
                    .checks
                    .fail(format!("H5: user {user} is superseded by nobody"));
            }
            self.bots[index].presence = Presence::Retired;
            self.bots[index].conn = None;
            return self.bots[index].core.detached();
        }
        if matches!(code, Code::Ok | Code::TicketInvalid | Code::TicketExpired) {
            self.bots[index].session = None;
        }
        self.go_away(index);
    }

    pub(super) fn go_away(&mut self, index: usize) {
        let now_us = self.now_us();
        let bot = &mut self.bots[index];
        if bot.presence == Presence::Retired {
            return;
        }
        let pause_us = bot.dice().between(20_000, 400_000);
        bot.core.detached();
        bot.conn = None;
        bot.presence = Presence::Away((now_us + pause_us).max(bot.stays_away_until_us));
    }

    /// Sends what a device's core wants sent, and lets the checks hear what it has learnt.
    fn after_bot(&mut self, index: usize) {
        let now_ms = self.now_ms();
        let bot = &mut self.bots[index];
        let mut effects = Vec::new();
        bot.core.take_effects(&mut effects);
        let news = bot.hear(now_ms);
        if let Some((ticket, _)) = &bot.session {
            self.checks.news(bot.user, ticket.session_generation, &news);
        }
        let Some(number) = self.bots[index].conn else {
            return;
        };
        for effect in effects {
            match effect {
                ClientEffect::Stream(message) => self.stream_up(number, message),
                ClientEffect::Datagram(bytes) => self.datagram_up(number, &bytes),
            }
        }
    }

    fn stream_up(&mut self, number: usize, message: ClientToProxy) {
        self.trace.encoded(|out| message.encode(out));
        let delay_us = self.stream_us();
        let at_us = self.now_us() + delay_us;
        let conn = &mut self.conns[number];
        conn.last_up_us = conn.last_up_us.max(at_us);
        self.schedule
            .at(self.conns[number].last_up_us, Event::StreamUp(number, message));
    }

    pub(super) fn proxy_hears_client(&mut self, number: usize, message: &ClientToProxy) {
        let conn = &self.conns[number];
        let lives = self
            .proxies
            .get(&conn.proxy)
            .is_some_and(|proxy| proxy.life == conn.life);
        if lives && conn.is_alive {
            let mut record = Vec::new();
            message.encode(&mut record);
            let bytes = sealed(FrameType::Batch, &record, self.moment());
            self.with_shard(self.shard_of(number), |shard, now, datagrams| {
                shard.from_client(client_id(number), &bytes, now, datagrams);
            });
        }
    }

    fn datagram_us(&mut self) -> u64 {
        let mut delay_us = self.dice.between(200, 12_000);
        if self.is_storm() && self.dice.permille(30) {
            delay_us += self.dice.below(150_000);
        }
        delay_us
    }

    /// How many copies of a datagram arrive.
    fn copies(&mut self, number: usize) -> u32 {
        if self.conns[number].blocked_until_us > self.now_us() {
            return 0;
        }
        if !self.is_storm() {
            return 1;
        }
        match self.dice.below(100) {
            0..3 => 0,
            3..5 => 2,
            _ => 1,
        }
    }

    fn datagram_up(&mut self, number: usize, bytes: &[u8]) {
        self.trace.bytes(bytes);
        for _ in 0..self.copies(number) {
            let delay_us = self.datagram_us();
            self.schedule
                .after(delay_us, Event::DatagramUp(number, bytes.to_vec()));
        }
    }

    pub(super) fn datagram_down(&mut self, to: SocketAddr, bytes: &[u8]) {
        let Some(number) = conn_at(to).filter(|number| *number < self.conns.len()) else {
            return self
                .checks
                .fail(format!("a datagram goes to {to}, which is nobody"));
        };
        for _ in 0..self.copies(number) {
            let delay_us = self.datagram_us();
            self.schedule
                .after(delay_us, Event::DatagramDown(number, bytes.to_vec()));
        }
    }

    pub(super) fn proxy_hears_datagram(&mut self, number: usize, mut bytes: Vec<u8>) {
        let node = self.conns[number].proxy;
        if self.is_stalled(node) {
            return;
        }
        let mut dice = self.dice.fork();
        self.with_shard(self.shard_of(number), |shard, now, datagrams| {
            shard.datagram(address_of(number), &mut bytes, now, &mut dice, datagrams);
        });
    }

    pub(super) fn client_hears_datagram(&mut self, number: usize, mut bytes: Vec<u8>) {
        let now_ms = self.now_ms();
        let index = self.conns[number].bot;
        if self.bots[index].conn == Some(number) && self.conns[number].is_alive {
            self.bots[index].core.handle_datagram(&mut bytes, now_ms);
            self.after_bot(index);
        }
    }
}
