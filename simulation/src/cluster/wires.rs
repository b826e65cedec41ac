//! Streams between nodes: when their bytes arrive, when links come and go, and what strikes them on their way.

use net::link::LinkId;
use net::link_core::{Clear, DownReason, LinkTime, Sealing as _};
use protocol::Code;
use protocol::frame::FrameType;
use protocol::ids::{NodeNumber, UserId};
use protocol::message::family::{BatchMessage, BatchReader, ProxyToServer, ServerToProxy, ServerToServer};

use super::event::{Event, Strike};
use super::shards::sealed;
use super::state::{Cluster, Phase};
use crate::links::{End, LinkNumber, Throttle, Way};
use crate::matrix::{Fault, Step, peer_step, proxy_step, server_step};
use crate::options::Room;
use crate::world::PROXIES;

/// Between attempts to dial, microseconds.
const REDIAL_US: (u64, u64) = (30_000, 250_000);
/// How long a lost link goes unnoticed at most, microseconds.
const NOTICE_US: u64 = 600_000;
/// How often of a thousand times a throttled stream takes nothing.
const STUCK_PERMILLE: u64 = 850;

/// What can be struck about a message: its step, and whom it is about.
type Target = (Option<Step>, Option<UserId>);

/// Who speaks to whom over a stream.
#[derive(Clone, Copy, Debug)]
enum Speech {
    Down,
    Up,
    Across,
}

impl Speech {
    fn target(self, family: u8, body: bytes::Bytes) -> Target {
        match self {
            Self::Down => {
                let message = ProxyToServer::parse(family, body).ok();
                (message.as_ref().and_then(proxy_step), None)
            }
            Self::Up => {
                let message = ServerToProxy::parse(family, body).ok();
                let user = match &message {
                    Some(ServerToProxy::Here(message)) => Some(message.user),
                    Some(ServerToProxy::Moved(message)) => Some(message.user),
                    _ => None,
                };
                (message.as_ref().and_then(server_step), user.map(UserId))
            }
            Self::Across => {
                let message = ServerToServer::parse(family, body).ok();
                let user = match &message {
                    Some(ServerToServer::Prepare(message)) => message.passengers.first().map(|it| it.user),
                    Some(ServerToServer::Commit(message)) => message.claims.first().map(|it| it.user),
                    _ => None,
                };
                (message.as_ref().and_then(peer_step), user.map(UserId))
            }
        }
    }
}

/// A part of a stream that travels as one: alone what is struck, together what is not.
struct Piece {
    bytes: Vec<u8>,
    strike: Option<Strike>,
}

impl Cluster {
    /// The link whose current connection this is.
    pub(super) fn link_of(&self, id: LinkId) -> Option<LinkNumber> {
        self.links.iter().position(|link| link.id() == id).map(LinkNumber)
    }

    /// What a world has said leaves, link by link.
    pub(super) fn flush_world(&mut self, node: NodeNumber) {
        let now = self.moment_of(node);
        let links = self.links_of.get(&node).cloned().unwrap_or_default();
        for (number, end) in links.iter().copied() {
            let (id, is_stuck) = (self.links[number.0].id(), self.is_stuck(number, end));
            let world = self
                .servers
                .get_mut(&node)
                .and_then(|server| server.world.as_mut());
            let Some(world) = world.filter(|_| !is_stuck) else {
                continue;
            };
            let mut bytes = Vec::new();
            loop {
                world.flush(id, now);
                let unsent = world.unsent(id).len();
                if unsent == 0 {
                    break;
                }
                bytes.extend_from_slice(world.unsent(id));
                world.wrote(id, unsent);
            }
            self.leave(number, end.other(), &bytes);
        }
    }

    /// A throttled stream takes nothing from its listener most of the time: what must arrive waits, and what ticks say is
    /// left out meanwhile.
    fn is_stuck(&mut self, number: LinkNumber, end: End) -> bool {
        let link = &self.links[number.0];
        let is_throttled = end == End::Listener && link.throttled_until_us > self.now_us();
        match link.throttle {
            _ if !is_throttled => false,
            Throttle::Shut => true,
            Throttle::Stuck => self.dice.permille(STUCK_PERMILLE),
            Throttle::Thin(_) => false,
        }
    }

    /// Bytes leave for this end. Lost when their sender has no link.
    pub(super) fn leave(&mut self, number: LinkNumber, to: End, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.trace.bytes(bytes);
        if !self.links[number.0].is_up(to.other()) {
            return;
        }
        for piece in self.pieces(number, to, bytes) {
            if !self.send(number, to, piece) {
                return;
            }
        }
    }

    /// Cut where an ambush waits.
    fn pieces(&mut self, number: LinkNumber, to: End, bytes: &[u8]) -> Vec<Piece> {
        let is_watched = self.is_storm() && self.passing.iter().any(Option::is_some);
        if !is_watched {
            let bytes = bytes.to_vec();
            return vec![Piece { bytes, strike: None }];
        }
        let speech = match to {
            _ if !PROXIES.contains(&self.links[number.0].dialer) => Speech::Across,
            End::Listener => Speech::Down,
            End::Dialer => Speech::Up,
        };
        let (mut clear, now) = (Clear::default(), self.moment());
        clear.extend(bytes);
        let (mut pieces, mut plain) = (Vec::new(), Vec::new());
        while let Ok(Some(frame)) = clear.next_frame(0) {
            if frame.frame_type != FrameType::Batch {
                return vec![Piece {
                    bytes: bytes.to_vec(),
                    strike: None,
                }];
            }
            let whole = frame.payload.clone();
            let mut reader = BatchReader::new(frame.payload);
            let mut start = 0;
            while let Ok(Some((family, body))) = reader.next_body() {
                let end = whole.len() - reader.rest_bytes();
                let (step, player) = speech.target(family, body);
                let strike = step.and_then(|step| self.ambush(step, player));
                if strike.is_some() {
                    pieces.extend(piece(&std::mem::take(&mut plain), None, now));
                    pieces.extend(piece(&whole[start..end], strike, now));
                } else {
                    plain.extend_from_slice(&whole[start..end]);
                }
                start = end;
            }
        }
        pieces.extend(piece(&plain, None, now));
        pieces
    }

    /// Puts a piece on a stream. `false`: nothing more leaves, for its sender has died.
    fn send(&mut self, number: LinkNumber, to: End, piece: Piece) -> bool {
        let now_us = self.now_us();
        let Piece { bytes, strike } = piece;
        let way = Way {
            link: number,
            generation: self.links[number.0].generation,
            to,
        };
        let mut delay_us = self.dice.between(150, 2_500);
        if self.is_storm() && self.options.jitter_ms > 0 && self.dice.permille(150) {
            delay_us += self.dice.below(self.options.jitter_ms * 1000);
        }
        match strike.map(|strike| strike.fault) {
            Some(Fault::Late) => delay_us += self.dice.between(260_000, 700_000),
            Some(Fault::SenderDiesBefore) => {
                let sender = self.links[number.0].node(to.other());
                self.schedule
                    .after(0, Event::Trouble(super::event::Trouble::Crash(sender, 300)));
                return false;
            }
            _ => {}
        }
        let at_us = self.links[number.0].arrival(to, now_us + delay_us);
        if strike.is_some_and(|strike| strike.fault == Fault::Twice) {
            // As after a reconnection, when its owner says it again: never before what was said before it.
            let again_us = at_us + self.dice.between(1_000, 400_000);
            self.schedule
                .at(again_us, Event::Arrive(way, bytes.clone(), None));
        }
        self.schedule.at(at_us, Event::Arrive(way, bytes, strike));
        true
    }

    /// Whether an ambush waits for this message.
    pub(super) fn ambush(&mut self, step: Step, player: Option<UserId>) -> Option<Strike> {
        if !self.is_storm() {
            return None;
        }
        for (ambush, passing) in self.options.ambushes.iter().zip(&mut self.passing) {
            let Some(left) = passing.filter(|_| ambush.step == step) else {
                continue;
            };
            if left > 0 {
                *passing = Some(left - 1);
                continue;
            }
            *passing = None;
            self.coverage.hit(step, ambush.fault);
            let fault = ambush.fault;
            return Some(Strike { step, fault, player });
        }
        None
    }

    pub(super) fn arrive(&mut self, way: Way, bytes: &[u8], strike: Option<Strike>) {
        let link = &self.links[way.link.0];
        let (from, to, id) = (link.node(way.to.other()), link.node(way.to), link.id());
        if link.generation != way.generation || !link.is_alive || !link.is_up(way.to) {
            return;
        }
        match strike.map(|strike| strike.fault) {
            Some(Fault::Lost) => return self.cut(way.link, 100),
            Some(Fault::ReceiverDiesBefore) => return self.crash(to, 300),
            _ => {}
        }
        if self.proxies.contains_key(&to) {
            self.shard_receives(self.lane_at(way.link).at, id, bytes);
        } else {
            self.with_world(to, |world, now| world.receive(id, bytes, now));
        }
        match strike.map(|strike| strike.fault) {
            Some(Fault::CutAfter) => self.cut(way.link, 100),
            Some(Fault::SenderDiesAfter) => self.crash(from, 300),
            Some(Fault::ReceiverDiesAfter) => self.crash(to, 300),
            Some(Fault::PlayerLeaves) => self.log_out(strike.and_then(|strike| strike.player)),
            _ => {}
        }
    }

    /// A world has ended a link by itself, or hears that it broke.
    pub(super) fn link_ended(&mut self, node: NodeNumber, id: LinkId, reason: DownReason) {
        let Some(number) = self.link_of(id) else { return };
        let Some(end) = self.links[number.0].end_of(node) else {
            return;
        };
        let link = &mut self.links[number.0];
        if !link.is_alive && reason == DownReason::Closed(Code::DuplicateLink) {
            // A lane of the dialer's next start came up before the end of this one was noticed.
            link.set_up(end, false);
        } else if reason == DownReason::Closed(Code::SlowConsumer) && self.options.room == Room::Narrow {
            self.give_up(number, end);
        } else if reason == DownReason::Closed(Code::StaleEpoch) && self.options.standbys {
            // Its lease has ended.
            self.give_up(number, end);
        } else if link.is_up(end) {
            self.checks
                .fail(format!("server {node} ends an honest link: {reason:?}"));
        }
    }

    /// An end that finds no room for what must arrive begins anew.
    fn give_up(&mut self, number: LinkNumber, end: End) {
        self.overflow.full_links += 1;
        self.links[number.0].set_up(end, false);
        self.break_link(number, [end.other()]);
        if end == End::Dialer {
            let again_us = self.dice.between(REDIAL_US.0, REDIAL_US.1);
            self.schedule.after(again_us, Event::Dial(number));
        }
    }

    /// The dialer tries; it goes on trying for ever.
    pub(super) fn dial(&mut self, number: LinkNumber) {
        let now_us = self.now_us();
        let link = &self.links[number.0];
        let (dialer, listener) = (link.dialer, link.listener);
        if link.is_alive || link.is_up(End::Dialer) || self.phase_of(dialer) != Phase::Up {
            return;
        }
        if self.phase_of(listener) != Phase::Up || link.cut_until_us > now_us || self.is_stalled(listener) {
            let again_us = self.dice.between(REDIAL_US.0, REDIAL_US.1);
            return self.schedule.after(again_us, Event::Dial(number));
        }
        if link.is_up(End::Listener) {
            // The newer connection wins.
            self.end_down(number, End::Listener);
        }
        let incarnation = self.incarnation_of(dialer);
        let (dialer_us, listener_us) = self.links[number.0].connect(incarnation, now_us, &mut self.dice);
        let generation = self.links[number.0].generation;
        for (at_us, to) in [(dialer_us, End::Dialer), (listener_us, End::Listener)] {
            let way = Way {
                link: number,
                generation,
                to,
            };
            self.schedule.at(at_us, Event::LinkUp(way));
        }
    }

    pub(super) fn link_up(&mut self, way: Way) {
        let link = &mut self.links[way.link.0];
        if link.generation != way.generation || !link.is_alive {
            return;
        }
        link.set_up(way.to, true);
        let both = [link.node(End::Listener), link.node(End::Dialer)];
        if both.iter().all(|node| self.servers.contains_key(node)) {
            self.linked_us = self.now_us();
        }
        self.node_link_up(way.link, way.to);
    }

    pub(super) fn link_down(&mut self, way: Way) {
        let link = &self.links[way.link.0];
        if link.generation != way.generation {
            return;
        }
        if link.is_up(way.to) {
            self.end_down(way.link, way.to);
        }
        if way.to == End::Dialer {
            let again_us = self.dice.between(1_000, REDIAL_US.1);
            self.schedule.after(again_us, Event::Dial(way.link));
        }
    }

    fn end_down(&mut self, number: LinkNumber, end: End) {
        self.links[number.0].set_up(end, false);
        self.node_link_down(number, end);
    }

    /// Everything on its way is lost; both ends notice in their own time.
    pub(super) fn cut(&mut self, number: LinkNumber, for_ms: u64) {
        let until_us = (self.now_us() + for_ms * 1000).min(self.storm_end_us());
        let link = &mut self.links[number.0];
        link.cut_until_us = link.cut_until_us.max(until_us);
        self.break_link(number, [End::Dialer, End::Listener]);
    }

    /// Breaks a connection; the ends named will notice.
    pub(super) fn break_link<const N: usize>(&mut self, number: LinkNumber, ends: [End; N]) {
        let link = &mut self.links[number.0];
        if !link.is_alive {
            return;
        }
        link.is_alive = false;
        let generation = link.generation;
        for to in ends {
            let notice_us = if self.dice.permille(800) {
                self.dice.below(30_000)
            } else {
                self.dice.below(NOTICE_US)
            };
            let way = Way {
                link: number,
                generation,
                to,
            };
            self.schedule.after(notice_us, Event::LinkDown(way));
        }
    }
}

/// A frame of these messages; none of none.
fn piece(messages: &[u8], strike: Option<Strike>, now: LinkTime) -> Option<Piece> {
    let bytes = (!messages.is_empty()).then(|| sealed(FrameType::Batch, messages, now))?;
    Some(Piece { bytes, strike })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::trace::Lines;

    #[test]
    fn what_comes_twice_overtakes_nothing_of_its_stream() {
        let mut cluster = Cluster::new(&Options::of_seed(1), Lines::Dropped).unwrap();
        let (number, to) = (LinkNumber(0), End::Dialer);
        // Longer than a repetition is late.
        cluster.links[number.0].hold(to, 900_000);
        let strike = Strike {
            step: Step::Event,
            fault: Fault::Twice,
            player: None,
        };
        let bytes = vec![1];
        assert!(cluster.send(
            number,
            to,
            Piece {
                bytes,
                strike: Some(strike)
            }
        ));
        let mut arrivals = Vec::new();
        while let Some((_, event)) = cluster.schedule.next(2_000_000) {
            if let Event::Arrive(_, _, strike) = event {
                arrivals.push(strike);
            }
        }
        assert_eq!(arrivals, [Some(strike), None]);
    }
}
