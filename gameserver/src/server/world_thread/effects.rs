//! What the world thread does of what its world wants: questions to the store, words to control, heartbeats, links that
//! are over.

use game::LogLevel;
use net::link::LinkId;
use net::link_core::DownReason;
use protocol::Shown;
use protocol::ids::{NodeNumber, RegionNumber, TopologyVersion};
use protocol::message::node::Heartbeat;

use super::super::world_mailbox::{Door, News};
use super::Running;
use super::sockets::Leaving;
use crate::region::Observation;
use crate::world::{TopologyWord, WorldEffect};

/// How long last words may take, microseconds.
const LEAVING_US: u64 = 500_000;

fn tell_of_panic(region: RegionNumber, said: &str, stands_still: bool) {
    let said = Shown(said);
    if stands_still {
        tracing::error!(%region, %said, "the rules of the game panicked for the third time in a minute: this region stands still until it is given to another server or this one is started again");
    } else {
        tracing::error!(%region, %said, "the rules of the game panicked: the region begins anew from what is stored, and a command at which it happened is refused");
    }
}

impl Running {
    /// Does what the world wants; what it wants of the store goes as one batch.
    pub(super) fn carry_out(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        self.parts.world.take_effects(&mut effects);
        for effect in effects.drain(..) {
            match effect {
                WorldEffect::Ask(id, request) => self.questions.push((id.0, request)),
                WorldEffect::Link(node) => {
                    self.parts.gossip.far.send_if_modified(|far| far.insert(node));
                }
                WorldEffect::Verify(link, join) => {
                    if let Some(socket) = self.sockets.get(&link) {
                        let proxy = socket.peer.uuid;
                        self.tell(News::Join(link, proxy, join));
                    }
                }
                WorldEffect::Heard(link, heartbeat) => self.heard(link, &heartbeat),
                WorldEffect::Beat(link, heartbeat) => self.beat(link, heartbeat),
                WorldEffect::Topology(link, word) => self.hear_of_topology(link, word),
                WorldEffect::LinkEnded(link, reason, bytes) => self.link_ended(link, reason, bytes),
                WorldEffect::Superseded(region, epoch) => {
                    if self.parts.has_standbys {
                        self.parts.world.let_go(region, self.now());
                    }
                    self.tell(News::Superseded(region, epoch));
                }
                WorldEffect::Gave(region, outcome) => {
                    if let Some(given) = self.givings.remove(&region) {
                        // Who asked may have stopped waiting.
                        let _ = given.send(outcome);
                    }
                }
                WorldEffect::RulesPanicked(region, said, stands_still) => {
                    self.metrics.rules_panicked();
                    tell_of_panic(region, &said, stands_still);
                }
                WorldEffect::Work(work, request) => self.parts.workers.hand(work, request),
                WorldEffect::Observed(region, news) => self.observe(region, news),
                WorldEffect::Unreadable(region, text) => {
                    tracing::error!(%region, refused = %Shown(&text), "these rules cannot read what others wrote");
                }
                WorldEffect::Count(label) => self.metrics.count(label),
            }
        }
        self.effects = effects;
        if !self.questions.is_empty() {
            self.parts.store.send_batch(self.questions.drain(..));
        }
    }

    /// What rules want operators to see.
    fn observe(&mut self, region: RegionNumber, news: Observation) {
        let (level, line, left_out) = match news {
            Observation::Line(level, line, left_out) => (level, line, left_out),
            figure => return self.metrics.observe(region, &figure),
        };
        let line = Shown(line);
        match level {
            LogLevel::Info => tracing::info!(%region, left_out, "game: {line}"),
            LogLevel::Warn => tracing::warn!(%region, left_out, "game: {line}"),
        }
    }

    /// Control is behind: a proxy repeats its joins, a peer its offers.
    pub(super) fn tell(&mut self, news: News) {
        if self.parts.news.try_send(news).is_err() {
            self.metrics.count("control_full");
        }
    }

    fn heard(&mut self, link: LinkId, heartbeat: &Heartbeat) {
        let Some(socket) = self.sockets.get_mut(&link) else {
            return;
        };
        socket.announced = TopologyVersion(heartbeat.topology_version);
        let loads = &self.parts.context.loads;
        loads.handle_heartbeat(socket.peer.number, heartbeat, self.parts.clock.now_ms());
        if let Some(question) = self.parts.gossip.question(heartbeat) {
            self.parts.world.say(link, TopologyWord::Question(question));
        }
    }

    fn beat(&mut self, link: LinkId, mut heartbeat: Heartbeat) {
        // A proxy has a link for each of its lanes.
        let mut proxies: Vec<NodeNumber> = self
            .sockets
            .values()
            .filter(|socket| socket.door == Door::Proxies)
            .map(|socket| socket.peer.number)
            .collect();
        proxies.sort_unstable();
        proxies.dedup();
        heartbeat.topology_version = self.parts.context.directory.topology_version().0;
        let now_ms = self.parts.clock.now_ms();
        self.parts.context.loads.fill(&mut heartbeat, &proxies, now_ms);
        self.parts.world.beat(link, heartbeat);
    }

    fn hear_of_topology(&mut self, link: LinkId, word: TopologyWord) {
        match word {
            TopologyWord::Question(asked) => {
                if let Some(bundle) = self.parts.gossip.answer(&asked) {
                    self.parts.world.say(link, TopologyWord::Bundle(bundle));
                }
            }
            TopologyWord::Bundle(offered) => self.tell(News::Topology(offered)),
        }
    }

    fn link_ended(&mut self, id: LinkId, reason: DownReason, bytes: Vec<u8>) {
        let Some(link) = self.sockets.remove(&id) else {
            return;
        };
        tracing::info!(link = %id, peer = %link.peer.number, ?reason, "link down");
        self.meters.down(id, reason);
        if let DownReason::Broken(label) = reason {
            self.parts.context.stats.count_refused(label);
        }
        self.leaving.push(Leaving {
            socket: link.socket,
            bytes,
            until_us: self.parts.clock.now_us() + LEAVING_US,
        });
    }
}
