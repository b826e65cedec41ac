//! All regions of one process and all links to it, as one pure machine: what arrives on a link goes to its region, what a
//! region wants goes to its link, and regions tick when their time has come. The thread that owns a world reads and
//! writes sockets for it; a simulation passes bytes.
//!
//! What happens comes in by methods named for it, time by [`World::tick_region`] and [`World::tick_links`]; what is to be
//! done outside comes out by [`World::take_effects`]. Nothing here waits, and nothing is shared.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod briefs;
mod carry;
mod credits;
mod effect;
mod giving;
mod hear;
mod link_room;
mod links;
mod recent_times;
mod report;
mod slots;
mod standing;
#[cfg(test)]
mod tests;
mod tick_schedule;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use net::link::LinkId;
use net::link_core::{LinkTime, Sealing};
use protocol::Code;
use protocol::ids::{LiveLane, NodeNumber, RegionNumber};
use protocol::message::node::Heartbeat;
use store::{Holding, StoreResult};
use topology::{Listing, Topology};

use crate::dispatch::Directory;
use crate::proxy_lanes::ArrivingLane;
use crate::region::{Answer, Now, PhaseClock, Region, RegionInput, StoreTicket, Subscriber};

use briefs::Briefs;
use carry::Local;
use credits::Credits;
pub use effect::{NotGiven, QuestionId, TopologyWord, WorkId, WorldEffect};
use giving::Givings;
use link_room::LinkRoom;
pub use links::{ArrivingPeer, LinkPeer, LinkReport, PeerLinkCore, ProxyLinkCore, Side};
use links::{Links, last_words};
pub use recent_times::TimesSummary;
pub use report::RegionReport;
use slots::Slots;
use standing::Standing;
use tick_schedule::TickSchedule;

/// The time of a call, on both clocks of the process.
pub type Moment = LinkTime;

/// A question that the store has not answered.
struct Question {
    region: RegionNumber,
    ticket: StoreTicket,
    asked_us: u64,
}

/// The world of one process.
pub struct World<S> {
    node: NodeNumber,
    topology: Arc<Topology>,
    listing: Arc<Listing>,
    slots: Slots,
    directory: Directory,
    links: Links<S>,
    credits: Credits,
    /// From one region of this process to another.
    local: Vec<Local>,
    /// Regions that may want something.
    touched: VecDeque<RegionNumber>,
    questions: BTreeMap<QuestionId, Question>,
    next_question: u64,
    givings: Givings,
    briefs: Briefs,
    draining: bool,
    standing: Standing,
    effects: Vec<WorldEffect>,
}

impl<S: Sealing> World<S> {
    /// A world of these regions, which `node` may serve and whose epochs the store has issued. Regions of one process are
    /// each other's peers without a link.
    #[must_use]
    pub fn new(node: NodeNumber, topology: Arc<Topology>, regions: Vec<Region>, now: Moment) -> Self {
        let mut world = Self {
            node,
            slots: Slots::new(),
            directory: Directory::new(regions.iter().map(Region::number)),
            links: Links::new(),
            credits: Credits::default(),
            local: Vec::new(),
            touched: VecDeque::new(),
            questions: BTreeMap::new(),
            next_question: 0,
            givings: Givings::default(),
            briefs: Briefs::default(),
            draining: false,
            standing: Standing::default(),
            effects: Vec::new(),
            listing: Arc::new(Listing::new(Arc::clone(&topology))),
            topology,
        };
        for region in regions {
            world.add(region, now);
        }
        world.tell_own_regions(now);
        world.tell_all(&RegionInput::PeerUp(node), now);
        world.settle(now);
        world
    }

    /// Serves one more region from now on, which `node` may serve and whose epoch the store has issued.
    pub fn serve(&mut self, region: Region, now: Moment) {
        let number = region.number();
        self.remove(number);
        self.directory.add(number);
        self.add(region, now);
        self.tell(number, RegionInput::Listed(Arc::clone(&self.listing)), now);
        self.tell_own_regions(now);
        for lane in self.links.lanes() {
            self.tell(number, RegionInput::ProxyUp(lane), now);
        }
        for peer in self.links.peers() {
            self.tell(number, RegionInput::PeerUp(peer), now);
        }
        self.tell_all(&RegionInput::PeerUp(self.node), now);
        self.tell_standing(number, now);
        if self.draining {
            self.tell(number, RegionInput::Drain, now);
        }
        self.settle(now);
    }

    /// A newer topology of the same ground is in force.
    pub fn handle_listing(&mut self, listing: Arc<Listing>, now: Moment) {
        self.topology = Arc::clone(listing.now());
        self.tell_all(&RegionInput::Listed(Arc::clone(&listing)), now);
        self.listing = listing;
        self.settle(now);
    }

    /// Serves a region no more: another service of it has begun.
    pub fn let_go(&mut self, number: RegionNumber, now: Moment) -> Option<Region> {
        let region = self.remove(number)?;
        self.tell_own_regions(now);
        self.settle(now);
        Some(region)
    }

    /// Serves nothing any more. All links end: who has come up anew knows nobody here any more.
    pub fn let_go_of_all(&mut self, now: Moment) -> Vec<Region> {
        let regions = self.slots.numbers().into_iter();
        let regions = regions.filter_map(|number| self.remove(number)).collect();
        for id in self.links.iter().map(|(id, _)| id).collect::<Vec<_>>() {
            self.end_link(id, Code::StaleEpoch, now);
        }
        self.settle(now);
        regions
    }

    fn remove(&mut self, number: RegionNumber) -> Option<Region> {
        if self.givings.forget(number) {
            self.effects
                .push(WorldEffect::Gave(number, Err(NotGiven::Overtaken)));
        }
        self.directory.remove(number);
        self.questions.retain(|_, question| question.region != number);
        self.slots.remove(number)
    }

    fn tell_own_regions(&mut self, now: Moment) {
        let regions = Arc::new(self.directory.regions().collect());
        self.tell_all(&RegionInput::OwnRegions(regions), now);
    }

    fn add(&mut self, region: Region, now: Moment) {
        let (number, all) = (region.number(), self.topology.servers());
        let index = all.iter().position(|server| server.number == self.node);
        let phase = (index.unwrap_or(0), all.len());
        let period_us = self.topology.world().tick_us();
        let schedule = TickSchedule::new(period_us, phase, now.mono_us, now.wall_ms * 1000);
        self.slots.add(region, schedule);
        self.touched.push_back(number);
    }

    /// What each subscriber is told of ticks in one period at most, bytes; all regions share it.
    pub fn set_credit(&mut self, bytes: usize) {
        self.credits.bytes = bytes;
    }

    /// A lane of a proxy is up. Whatever an older link by that lane had asked for is over, and so is all of an earlier
    /// start; a lane that does not fit its siblings is closed.
    pub fn proxy_up(&mut self, id: LinkId, arriving: ArrivingLane, core: ProxyLinkCore<S>, now: Moment) {
        match self.links.add_proxy(id, arriving, core) {
            Ok(ended) => {
                for (lane, link) in ended {
                    if let Some(link) = link {
                        self.end_link(link, Code::DuplicateLink, now);
                    }
                    self.forget_lane(lane);
                    self.tell_all(&RegionInput::ProxyDown(lane), now);
                }
                self.tell_all(&RegionInput::ProxyUp(arriving), now);
            }
            Err(refused) => {
                self.count(refused.label());
                self.end_link(id, refused.code(), now);
            }
        }
        self.settle(now);
    }

    /// A link to or from a game server is up. Of two with one dialer the one of its later start wins, then the newer.
    pub fn peer_up(&mut self, id: LinkId, arriving: ArrivingPeer, core: PeerLinkCore<S>, now: Moment) {
        let duplicate = self.links.add_peer(id, arriving, core);
        if let Some(duplicate) = duplicate {
            self.count("duplicate_link");
            self.end_link(duplicate, Code::DuplicateLink, now);
        }
        if duplicate != Some(id) {
            self.tell_all(&RegionInput::PeerUp(arriving.node), now);
        }
        self.settle(now);
    }

    /// Bytes arrived on a link. All of what they say is done before this returns.
    pub fn receive(&mut self, id: LinkId, bytes: &[u8], now: Moment) {
        self.links.receive(id, bytes);
        while let Some(said) = self.links.next(id, now) {
            self.hear(id, said, now);
        }
        if self.links.has_ended(id) {
            self.drop_link(id, now);
        }
        self.settle(now);
    }

    /// The stream of a link broke.
    pub fn broke(&mut self, id: LinkId, label: &'static str, now: Moment) {
        self.links.broke(id, label);
        self.drop_link(id, now);
        self.settle(now);
    }

    /// Ends a link; the peer is told why.
    pub fn close(&mut self, id: LinkId, code: Code, now: Moment) {
        self.end_link(id, code, now);
        self.settle(now);
    }

    /// Holdings of somebody who is gone lie in a region now.
    pub fn fallen(&mut self, region: RegionNumber, holdings: Vec<Holding>, now: Moment) {
        self.tell(region, RegionInput::Fallen(holdings), now);
        self.settle(now);
    }

    /// What the game has answered, or why it has not.
    pub fn worked(&mut self, work: WorkId, answer: Answer, now: Moment) {
        let epoch = self.slots.get_mut(work.region).map(|slot| slot.region.epoch());
        if epoch == Some(work.region_epoch) {
            self.tell(work.region, RegionInput::Answered(work.ask, answer), now);
            self.settle(now);
        }
    }

    /// The store's answer to a question.
    pub fn store_answer(&mut self, id: QuestionId, result: StoreResult, now: Moment) {
        if self.giving_answered(id, &result, now) {
            return;
        }
        let Some(question) = self.questions.remove(&id) else {
            return self.count("store_answer_unknown");
        };
        let Question {
            region,
            ticket,
            asked_us,
        } = question;
        if let Some(slot) = self.slots.get_mut(region) {
            slot.store.record(now.mono_us.saturating_sub(asked_us));
        }
        self.tell(region, RegionInput::Store(ticket, result), now);
        self.settle(now);
        // What is left to write is handed to the store by a tick.
        let waits = |slot: &mut slots::Slot| slot.region.status().store_waiting > 0;
        if self.draining && !self.slots.get_mut(region).is_some_and(waits) {
            self.slots.hurry(region, now.mono_us);
        }
        self.go_on_giving(now);
    }

    /// Ticks the region whose tick is due first, if any is. `None`: nothing is due.
    pub fn tick_region(&mut self, now: Moment, clock: &mut dyn PhaseClock) -> Option<Ticked> {
        let number = self.slots.next_due(now.mono_us)?;
        let late_us = self.slots.late_us(number, now.mono_us);
        let began_us = clock.now_us();
        // Of when it was due, which is one and the same for all regions, and not of when its turn has come.
        let period = now.mono_us.saturating_sub(late_us) / self.topology.world().tick_us().max(1);
        let mut room = LinkRoom {
            own: self.node,
            links: &self.links,
            credits: &mut self.credits,
            region: number,
            regions: self.slots.len(),
            period,
        };
        if let Some(slot) = self.slots.get_mut(number) {
            slot.late.record(late_us);
            slot.region.tick(region_time(now), clock, &mut room);
        }
        self.touched.push_back(number);
        self.settle(now);
        let length_us = clock.now_us().saturating_sub(began_us);
        let skipped = self.slots.ticked(number, length_us, now.mono_us + length_us);
        self.go_on_giving(now);
        Some(Ticked {
            region: number,
            late_us,
            length_us,
            skipped,
        })
    }

    /// Lets time pass on all links, after they have been read. Heartbeats that are due come out as effects.
    pub fn tick_links(&mut self, now: Moment) {
        let (ended, beats) = self.links.tick(now);
        for id in ended {
            self.drop_link(id, now);
        }
        let beats = beats.into_iter();
        self.effects
            .extend(beats.map(|(id, beat)| WorldEffect::Beat(id, beat)));
        self.go_on_giving(now);
        self.settle(now);
        self.tell_briefs(now);
    }

    /// Sends a heartbeat that was due and has been filled in.
    pub fn beat(&mut self, id: LinkId, heartbeat: Heartbeat) {
        self.links.say(id, heartbeat);
    }

    /// Says something about topologies.
    pub fn say(&mut self, id: LinkId, word: TopologyWord) {
        match word {
            TopologyWord::Question(question) => self.links.say(id, question),
            TopologyWord::Bundle(bundle) => self.links.say(id, bundle),
        }
    }

    /// Nobody new is taken, and everything is written down: ticks go on until [`is_written_down`](Self::is_written_down).
    pub fn drain(&mut self, now: Moment) {
        self.draining = true;
        self.tell_all(&RegionInput::Drain, now);
        self.settle(now);
    }

    /// Whether the store has everything that was to be written.
    #[must_use]
    pub fn is_written_down(&self) -> bool {
        self.slots.iter().all(|(_, slot)| {
            let status = slot.region.status();
            status.unsaved + status.changes_unwritten() + status.store_waiting == 0
        })
    }

    /// When something is due next, a tick or a heartbeat, microseconds.
    #[must_use]
    pub fn due_us(&self, now: Moment) -> Option<u64> {
        let of_links = [self.links.due_us(now), self.briefs.due_us()];
        let of_regions = [self.slots.due_us(), self.givings.due_us()];
        of_links.into_iter().chain(of_regions).flatten().min()
    }

    /// Seals what waits on a link, as much as is about to be written.
    pub fn flush(&mut self, id: LinkId, now: Moment) {
        self.links.flush(id, now);
    }

    /// Sealed bytes of a link that wait for the kernel.
    #[must_use]
    pub fn unsent(&self, id: LinkId) -> &[u8] {
        self.links.unsent(id)
    }

    /// So many of them have been written.
    pub fn wrote(&mut self, id: LinkId, bytes: usize) {
        self.links.wrote(id, bytes);
    }

    /// What is to be done outside, in order; `into` is empty.
    pub fn take_effects(&mut self, into: &mut Vec<WorldEffect>) {
        std::mem::swap(&mut self.effects, into);
    }

    fn forget_lane(&mut self, lane: LiveLane) {
        self.credits.forget(Subscriber::Lane(lane.at));
        self.briefs.forget(lane.at);
    }

    fn end_link(&mut self, id: LinkId, code: Code, now: Moment) {
        self.links.close(id, code, now);
        self.drop_link(id, now);
    }

    /// A link has ended: regions hear that nobody is reached by it any more.
    fn drop_link(&mut self, id: LinkId, now: Moment) {
        let Some((link, is_gone)) = self.links.remove(id) else {
            return;
        };
        if is_gone {
            let news = match link.peer() {
                LinkPeer::Proxy(lane) => {
                    self.forget_lane(lane);
                    RegionInput::ProxyDown(lane)
                }
                LinkPeer::Server(_, node) => {
                    self.credits.forget(Subscriber::Server(node));
                    RegionInput::PeerDown(node)
                }
            };
            self.tell_all(&news, now);
        }
        let (reason, bytes) = last_words(link, now);
        self.effects.push(WorldEffect::LinkEnded(id, reason, bytes));
    }

    /// An operator says something to the rules of a region.
    ///
    /// # Errors
    /// Why it was not done, in words for the operator.
    pub fn operate(&mut self, number: RegionNumber, command: &str, now: Moment) -> Result<String, String> {
        let slot = self.slots.get_mut(number).filter(|_| !self.givings.has(number));
        let slot = slot.ok_or_else(|| "this server does not serve it, or is giving it away".to_owned())?;
        let answer = slot.region.operate(command, region_time(now));
        self.touched.push_back(number);
        self.slots.came(number, now.mono_us);
        self.settle(now);
        answer
    }

    fn tell(&mut self, number: RegionNumber, input: RegionInput, now: Moment) {
        if self.givings.holds(number, &input) {
            return;
        }
        if let Some(slot) = self.slots.get_mut(number) {
            slot.region.handle(input, region_time(now));
            self.touched.push_back(number);
            self.slots.came(number, now.mono_us);
        }
    }

    fn tell_all(&mut self, input: &RegionInput, now: Moment) {
        for number in self.slots.numbers() {
            self.tell(number, input.clone(), now);
        }
    }

    fn count(&mut self, label: &'static str) {
        self.effects.push(WorldEffect::Count(label));
    }
}

/// A tick that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticked {
    /// Whose.
    pub region: RegionNumber,
    /// How long after its time it began, microseconds.
    pub late_us: u64,
    /// How long it took, with all that came of it, microseconds.
    pub length_us: u64,
    /// How many of this region's ticks were left out because their time is over.
    pub skipped: u64,
}

fn region_time(now: Moment) -> Now {
    Now {
        mono_ms: now.mono_us / 1000,
        wall_ms: now.wall_ms,
    }
}
