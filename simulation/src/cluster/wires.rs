//! Messages between nodes: when they arrive, when links come and go, and what strikes them on their way.

use protocol::ids::{NodeNumber, UserId};
use protocol::message::family::{BatchMessage, Class, ServerToProxy, ServerToServer};

use super::event::{Event, Parcel, Strike};
use super::state::{Cluster, Phase};
use crate::links::{End, LinkNumber, Way};
use crate::matrix::{Fault, Step, peer_step, proxy_step, server_step};

/// Between attempts to dial, microseconds.
const REDIAL_US: (u64, u64) = (30_000, 250_000);
/// How long a lost link goes unnoticed at most, microseconds.
const NOTICE_US: u64 = 600_000;

impl Parcel {
    fn class(&self) -> Class {
        match self {
            Self::Down(message) => message.class(),
            Self::Up(message) => message.class(),
            Self::Across(message) => message.class(),
        }
    }

    fn step(&self) -> Option<Step> {
        match self {
            Self::Down(message) => proxy_step(message),
            Self::Up(message) => server_step(message),
            Self::Across(message) => peer_step(message),
        }
    }

    /// Whom a step of a handover is about.
    fn player(&self) -> Option<UserId> {
        let user = match self {
            Self::Up(ServerToProxy::Here(message)) => message.user,
            Self::Up(ServerToProxy::Moved(message)) => message.user,
            Self::Across(ServerToServer::Prepare(message)) => message.passengers.first()?.user,
            Self::Across(ServerToServer::Commit(message)) => message.claims.first()?.user,
            _ => return None,
        };
        Some(UserId(user))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Down(message) => message.encode(out),
            Self::Up(message) => message.encode(out),
            Self::Across(message) => message.encode(out),
        }
    }
}

/// Whether a message goes over the link that its sender dialed: the dialer asks, the listener serves.
fn asks(message: &ServerToServer) -> bool {
    matches!(
        message,
        ServerToServer::Subscribe(_)
            | ServerToServer::Unsubscribe(_)
            | ServerToServer::Prepare(_)
            | ServerToServer::Commit(_)
            | ServerToServer::Effect(_)
            | ServerToServer::Refresh(_)
    )
}

impl Cluster {
    pub(super) fn link(&self, dialer: NodeNumber, listener: NodeNumber) -> Option<LinkNumber> {
        let found = |link: &crate::links::Link| link.dialer == dialer && link.listener == listener;
        self.links.iter().position(found).map(LinkNumber)
    }

    /// Sends between servers.
    pub(super) fn send_peer(&mut self, from: NodeNumber, to: NodeNumber, message: ServerToServer) {
        if matches!(message, ServerToServer::Serving(_)) {
            if let Some(link) = self.link(to, from) {
                self.send(link, End::Dialer, Parcel::Across(message.clone()));
            }
            if let Some(link) = self.link(from, to) {
                self.send(link, End::Listener, Parcel::Across(message));
            }
        } else if asks(&message) {
            if let Some(link) = self.link(from, to) {
                self.send(link, End::Listener, Parcel::Across(message));
            }
        } else if let Some(link) = self.link(to, from) {
            self.send(link, End::Dialer, Parcel::Across(message));
        }
    }

    /// Puts a message on a link, to this end. Lost when the sender has no link.
    pub(super) fn send(&mut self, number: LinkNumber, to: End, parcel: Parcel) {
        self.trace.encoded(|out| parcel.encode(out));
        let now_us = self.now_us();
        let link = &self.links[number.0];
        if !link.is_up(to.other()) {
            return;
        }
        let class = parcel.class();
        let way = Way {
            link: number,
            generation: link.generation,
            to,
        };
        let strike = parcel.step().and_then(|step| self.ambush(step));
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
                return;
            }
            Some(Fault::Twice) => {
                // As after a reconnection, when its owner says it again.
                let again_us = now_us + delay_us + self.dice.between(1_000, 400_000);
                self.schedule
                    .at(again_us, Event::Arrive(way, parcel.clone(), None));
            }
            _ => {}
        }
        let at_us = self.links[number.0].arrival(to, class, now_us + delay_us);
        self.schedule.at(at_us, Event::Arrive(way, parcel, strike));
    }

    /// Whether an ambush waits for this message.
    pub(super) fn ambush(&mut self, step: Step) -> Option<Strike> {
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
            return Some(Strike { step, fault });
        }
        None
    }

    pub(super) fn arrive(&mut self, way: Way, parcel: Parcel, strike: Option<Strike>) {
        let link = &self.links[way.link.0];
        let (from, to) = (link.node(way.to.other()), link.node(way.to));
        if link.generation != way.generation || !link.is_alive || !link.is_up(way.to) {
            return;
        }
        match strike.map(|strike| strike.fault) {
            Some(Fault::Lost) => return self.cut(way.link, 100),
            Some(Fault::ReceiverDiesBefore) => return self.crash(to, 300),
            _ => {}
        }
        let player = parcel.player();
        match parcel {
            Parcel::Down(message) => self.server_hears_proxy(to, self.lane_at(way.link), message),
            Parcel::Up(message) => self.proxy_hears(to, from, message),
            Parcel::Across(message) => self.server_hears_peer(to, from, message),
        }
        match strike.map(|strike| strike.fault) {
            Some(Fault::CutAfter) => self.cut(way.link, 100),
            Some(Fault::SenderDiesAfter) => self.crash(from, 300),
            Some(Fault::ReceiverDiesAfter) => self.crash(to, 300),
            Some(Fault::PlayerLeaves) => self.log_out(player),
            _ => {}
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
