//! Clients come, speak and go; and their bytes out. What a client says reaches its session once the record is authentic and
//! within the rate; its Attach once somebody has verified the signature.

use std::net::{IpAddr, SocketAddr};

use net::link_core::Sealing;
use protocol::Code;
use protocol::frame::Close;
use protocol::message::client::TicketRenewal;
use protocol::message::family::ClientToProxy;
use protocol::ticket::{RawTicket, Ticket};
use store::sanction::Ending;

use super::attaching::Passage;
use super::client::{Client, ClientEnd};
use super::effect::{ClientId, Question, ShardEffect};
use super::{Moment, Shard};
use crate::edge::{Admission, DatagramSink, EdgeInput, SessionHandle};

/// When a renewal that nobody could answer is asked for again, milliseconds.
const RENEW_AGAIN_MS: u64 = 5_000;

/// A client that was let in: its keys, and what its session begins with.
pub struct Arrival<S> {
    /// Its stream.
    pub id: ClientId,
    /// The keys of the stream, and bytes that came behind the handshake.
    pub sealing: S,
    /// The session.
    pub admission: Box<Admission>,
    /// What its ticket says.
    pub claims: Ticket,
    /// Where it comes from.
    pub from: IpAddr,
}

/// What the signature of an Attach is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachVerdict {
    /// The ticket's holder signed it, for this proxy.
    Genuine,
    /// Somebody else did, or nobody.
    Forged,
}

impl<S: Sealing> Shard<S> {
    /// A client was let in. Its user's older session ends, or it does itself.
    pub fn client_arrived(&mut self, arrival: Arrival<S>, now: Moment, sink: &mut dyn DatagramSink) {
        let Arrival {
            id,
            sealing,
            admission,
            claims,
            from,
        } = arrival;
        let awake_ms = self.awake.now_ms();
        let limits = (self.config.stream_room, self.config.messages_per_s);
        let client = Client::new(sealing, (claims, from), limits, awake_ms, now);
        self.clients.insert(id, client);
        // Everything before is carried out first: only this admission can be answered then.
        self.carry_out(now, sink);
        self.arriving = Some(id);
        self.edge
            .handle(EdgeInput::Admit(admission), now.mono_us / 1000, sink);
        self.carry_out(now, sink);
        match self.arriving.take() {
            Some(id) => self.close_client(id, Code::Superseded),
            None => self.read_client(id, now, sink),
        }
    }

    pub(super) fn admitted(&mut self, session: SessionHandle) {
        if let Some(id) = self.arriving.take()
            && let Some(client) = self.clients.get_mut(&id)
        {
            client.session = Some(session);
            self.by_session.insert(session.0, id);
        }
    }

    /// Bytes arrived from a client.
    pub fn from_client(&mut self, id: ClientId, bytes: &[u8], now: Moment, sink: &mut dyn DatagramSink) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.receive(bytes);
            self.read_client(id, now, sink);
        }
    }

    fn read_client(&mut self, id: ClientId, now: Moment, sink: &mut dyn DatagramSink) {
        while let Some(client) = self.clients.get_mut(&id)
            && let Some(session) = client.session
        {
            match client.next(now) {
                Ok(Some(message)) => {
                    let passage = client.attaching.take(message);
                    self.client_says(id, session, passage, now, sink);
                }
                Ok(None) => return,
                Err(end) => return self.end_client(id, end, now, sink),
            }
        }
    }

    fn client_says(
        &mut self,
        id: ClientId,
        session: SessionHandle,
        passage: Passage,
        now: Moment,
        sink: &mut dyn DatagramSink,
    ) {
        match passage {
            Passage::Passed(message) => self.pass_to_session(session, message, now, sink),
            Passage::Held => {}
            Passage::Verify(attach) => {
                if let Some(client) = self.clients.get(&id) {
                    let claim = Box::new((client.claims, attach));
                    self.ask(Question::Attach(id, claim));
                }
            }
            Passage::Refused(label) => {
                self.end_client(id, ClientEnd::Refused(label, Code::Protocol), now, sink);
            }
        }
    }

    fn pass_to_session(
        &mut self,
        session: SessionHandle,
        message: ClientToProxy,
        now: Moment,
        sink: &mut dyn DatagramSink,
    ) {
        let input = EdgeInput::FromClient(session, message);
        self.edge.handle(input, now.mono_us / 1000, sink);
    }

    /// What the signature of a client's Attach is worth. For a client that is gone it is worth nothing.
    pub fn attach_verified(
        &mut self,
        id: ClientId,
        verdict: AttachVerdict,
        now: Moment,
        sink: &mut dyn DatagramSink,
    ) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let Some(session) = client.session else {
            return;
        };
        if verdict == AttachVerdict::Forged {
            let forged = ClientEnd::Refused("attach_signature", Code::Protocol);
            return self.end_client(id, forged, now, sink);
        }
        if let Some((attach, held)) = client.attaching.verified() {
            self.pass_to_session(session, attach.into(), now, sink);
            for message in held {
                self.pass_to_session(session, message, now, sink);
            }
        }
    }

    /// A fresh ticket, for the client and for the joins of its session.
    pub fn ticket_renewed(
        &mut self,
        id: ClientId,
        ticket: &RawTicket,
        other_proxies: &[SocketAddr],
        now: Moment,
        sink: &mut dyn DatagramSink,
    ) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.renewed(*ticket.claims());
        let encoded = bytes::Bytes::copy_from_slice(&ticket.encode());
        let renewal = TicketRenewal {
            ticket: encoded.clone(),
            proxies: other_proxies.iter().map(ToString::to_string).collect(),
        };
        if let Some(session) = client.session {
            let input = EdgeInput::TicketRenewed(session, encoded);
            self.edge.handle(input, now.mono_us / 1000, sink);
            self.say_to_client(session, &renewal.into(), now, sink);
        }
    }

    /// Nobody can say just now whether a client's ticket may be renewed.
    pub fn renew_later(&mut self, id: ClientId, now: Moment) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.renew_at_ms = Some(now.wall_ms.saturating_add(RENEW_AGAIN_MS));
        }
    }

    /// A client's stream broke, or the client closed it.
    pub fn client_broke(&mut self, id: ClientId, now: Moment, sink: &mut dyn DatagramSink) {
        self.end_client(id, ClientEnd::Gone, now, sink);
    }

    /// The stream is over: the session hears of it, and the client where it can.
    pub(super) fn end_client(
        &mut self,
        id: ClientId,
        end: ClientEnd,
        now: Moment,
        sink: &mut dyn DatagramSink,
    ) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let Some(session) = client.session.take() {
            self.by_session.remove(session.0);
            let gone = EdgeInput::ClientGone(session);
            self.edge.handle(gone, now.mono_us / 1000, sink);
        }
        match end {
            ClientEnd::Gone => {
                self.clients.remove(&id);
                self.effects.push(ShardEffect::ClientEnded(id, None, Vec::new()));
            }
            ClientEnd::SentAway(code) => self.close_client(id, code),
            ClientEnd::Refused(label, code) => {
                self.count(label);
                self.close_client(id, code);
            }
        }
    }

    /// The client is told goodbye at the end of the round. The first code counts.
    pub(super) fn close_client(&mut self, id: ClientId, code: Code) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.session = None;
            self.ending.push((id, code.into()));
        }
    }

    /// Sessions that operators have ended: their players leave the world at once.
    pub fn end_sessions(&mut self, whose: Ending, goodbye: &Close, now: Moment, sink: &mut dyn DatagramSink) {
        let is_ending = |client: &Client<S>| {
            let Ticket {
                user,
                session_generation,
                ..
            } = client.claims;
            client.session.is_some() && whose.holds(user, session_generation, client.from)
        };
        let ending = self.clients.iter().filter(|(_, client)| is_ending(client));
        let mut ids: Vec<ClientId> = ending.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        for id in ids {
            let client = self.clients.get_mut(&id);
            let Some(session) = client.and_then(|client| client.session.take()) else {
                continue;
            };
            self.by_session.remove(session.0);
            self.edge
                .handle(EdgeInput::Expelled(session), now.mono_us / 1000, sink);
            self.count("session_ended");
            self.ending.push((id, goodbye.clone()));
        }
    }

    /// All clients that are still here are sent away.
    pub fn close_clients(&mut self, code: Code, now: Moment, sink: &mut dyn DatagramSink) {
        self.close_some(usize::MAX, code, now, sink);
    }

    /// The same with those who have been here longest, at most so many.
    pub fn close_some(&mut self, most: usize, code: Code, now: Moment, sink: &mut dyn DatagramSink) {
        let mut ids: Vec<ClientId> = self.clients.keys().copied().collect();
        ids.sort_unstable();
        for id in ids.into_iter().take(most) {
            self.end_client(id, ClientEnd::SentAway(code), now, sink);
        }
    }

    pub(super) fn see_off(&mut self, now: Moment) {
        for (id, mut close) in std::mem::take(&mut self.ending) {
            // Whoever is told twice hears the first code.
            let Some(client) = self.clients.remove(&id) else {
                continue;
            };
            if close.code == Code::Draining {
                close.proxies.clone_from(&self.other_proxies);
            }
            let last_words = client.into_last_words(&close, now);
            self.effects
                .push(ShardEffect::ClientEnded(id, Some(close.code), last_words));
        }
    }

    /// Records and first messages that come too slowly, and tickets in the middle of their life.
    pub(super) fn look_after_clients(&mut self, now: Moment, sink: &mut dyn DatagramSink) {
        let mut ids: Vec<ClientId> = self.clients.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.read_client(id, now, sink);
            let Some(client) = self.clients.get_mut(&id) else {
                continue;
            };
            let Some(session) = client.session else {
                continue;
            };
            if client.attaching.is_late(self.awake.now_ms()) {
                let late = ClientEnd::Refused("attach_late", Code::TimedOut);
                self.end_client(id, late, now, sink);
            } else if client.renew_at_ms.is_some_and(|at_ms| now.wall_ms >= at_ms) {
                client.renew_at_ms = None;
                let (claims, from) = (client.claims, client.from);
                let region = self.edge.region_of(session);
                self.ask(Question::Renewal(id, Box::new(claims), region, from));
            }
        }
    }

    /// Seals what this round said to clients, as much as is about to be written; moves into `out` whose streams have
    /// something to write.
    pub fn flush_clients(&mut self, now: Moment, out: &mut Vec<ClientId>) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.dedup();
        for id in touched.drain(..) {
            if let Some(client) = self.clients.get_mut(&id)
                && client.flush(now).is_ok()
                && !client.unsent().is_empty()
            {
                out.push(id);
            }
        }
        self.touched = touched;
    }

    /// Sealed bytes of a client's stream that wait for the kernel.
    #[must_use]
    pub fn client_unsent(&self, id: ClientId) -> &[u8] {
        self.clients.get(&id).map_or(&[], Client::unsent)
    }

    /// So many of them have been written. What waited behind them is sealed with the next
    /// [`flush_clients`](Self::flush_clients).
    pub fn client_wrote(&mut self, id: ClientId, bytes: usize) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.wrote(bytes);
            if client.unsent().is_empty() {
                self.touched.push(id);
            }
        }
    }
}
