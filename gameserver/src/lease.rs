//! The lease of this process, and the regions that it may serve by it: renews the lease, watches who holds the regions for which
//! the topology lists this node, takes over those whose holder is dead, and lets go of everything when its own lease
//! has ended.
//!
//! Pure: what is to be asked of the store and told to the world comes out by [`LeaseKeeper::take_effects`], answers and time
//! come in. Only the own monotonic clock is read, so no wall clock that is set, here or at the database, takes a region from
//! anybody.
//!
//! ```text
//! renew ──────────▶ LeaseRenewed                  every 750 ms, while the world answers
//!       ──────────▶ LeaseEnded(own start)         somebody has taken over: let go of all regions, start anew
//!       ──────────▶ LeaseEnded(a later start)     another process of this node: end
//! look at a region ─▶ held by us, not served yet  serve it (given to us, or an answer was lost)
//!                  ─▶ held by us, and no topology lets us serve it: pass it on, in the store alone
//!                  ─▶ held by nobody that lives   take it, after our rank's wait
//!                  ─▶ held, and its lease was not renewed for 3 s of answered looks, or its process was seen and is
//!                     gone for 300 ms: take it, after our rank's wait
//! served, and not ours by the topology in force any more ─▶ give it to whom it names
//! ```
//!
//! Nothing is taken by a topology that is older than one that any node has noted in the store, but for a while at most: the newer one
//! is about to be heard of, unless it was of another authority.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod leaving;
mod signs;
mod watched;

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{Incarnation, NodeNumber, RegionEpoch, RegionNumber, TopologyVersion};
use store::{Lease, StoreError, StoreReply, StoreRequest, StoreResult};

use signs::Signs;
pub use watched::DEAD_AFTER_US;
use watched::Watched;

/// Time between two renewals, microseconds.
const RENEW_EVERY_US: u64 = 750_000;
/// Time between two looks at a region that somebody else serves, microseconds.
const LOOK_EVERY_US: u64 = 200_000;
/// Time between two looks at a region that is not to be served here any more, microseconds: a gift may still come.
const LOOK_BACK_EVERY_US: u64 = 1_000_000;
/// A world that has not answered for so long is stuck, and its lease is not renewed, microseconds.
const WORLD_ANSWERS_WITHIN_US: u64 = 1_000_000;
/// Renewals that are further apart than this do not follow each other, microseconds.
const STREAK_GAP_US: u64 = 2_000_000;

/// What the store has said of topologies counts for so long, microseconds: for less than it takes until somebody is dead.
const NOTED_FOR_US: u64 = 2_000_000;
/// A newer topology is heard of within this, microseconds, or there is nobody left who has it.
const NEWER_COMES_WITHIN_US: u64 = 10_000_000;

/// What is asked of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseQuestion {
    /// To begin a new lease.
    Start,
    /// To renew this one.
    Renew(Incarnation),
    /// Who holds a region.
    Look(RegionNumber),
    /// To serve a region, by this lease.
    Take(RegionNumber, Incarnation),
    /// Which topology is the newest that any node has had.
    Note,
    /// To give a region to whom it belongs, which was given to this node when it was not its any more.
    PassOn(RegionNumber),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseEffect {
    /// Exactly one answer comes back by [`LeaseKeeper::answered`].
    Ask(LeaseQuestion, StoreRequest),
    /// This process serves the region from now on.
    Serve(RegionNumber, RegionEpoch),
    /// The region goes to this server; [`LeaseKeeper::gave`] is to hear what comes of it.
    Give(RegionNumber, NodeNumber),
    /// This process serves nothing any more; whoever took over has its players.
    LetGo,
    /// Another process of this node has begun later: this one has to end.
    Foreign(Incarnation),
}

/// The keeper of one process.
#[derive(Debug)]
pub struct LeaseKeeper {
    node: NodeNumber,
    /// Of the topology in force.
    version: TopologyVersion,
    noted: Noted,
    /// Regions for which this node was listed by the topology before: it may still serve them.
    left: BTreeSet<RegionNumber>,
    /// Those and all that it has left earlier. A gift may take its time at the store, and there are pushes meanwhile: without a look
    /// nobody would know of it, while the lease that the region was given to lives on.
    ever_left: BTreeSet<RegionNumber>,
    announced: BTreeMap<NodeNumber, TopologyVersion>,
    /// None while a new one is asked for.
    lease: Option<Lease>,
    regions: BTreeMap<RegionNumber, Watched>,
    signs: Signs,
    /// No region is taken any more.
    is_draining: bool,
    world_answered_us: u64,
    renew_at_us: u64,
    is_renewing: bool,
    is_starting: bool,
    /// The first of the renewals that followed each other, and the last.
    streak_us: Option<(u64, u64)>,
    effects: Vec<LeaseEffect>,
}

impl LeaseKeeper {
    /// Of a process that has just begun with a topology of this version: see [`list`](Self::list).
    #[must_use]
    pub fn new(
        lease: Lease,
        version: TopologyVersion,
        regions: impl IntoIterator<Item = (RegionNumber, Vec<NodeNumber>)>,
        left: BTreeSet<RegionNumber>,
        now_us: u64,
    ) -> Self {
        let mut keeper = Self {
            node: lease.node,
            version,
            noted: Noted::default(),
            left: BTreeSet::new(),
            ever_left: BTreeSet::new(),
            announced: BTreeMap::new(),
            lease: Some(lease),
            regions: BTreeMap::new(),
            signs: Signs::default(),
            is_draining: false,
            world_answered_us: now_us,
            renew_at_us: now_us,
            is_renewing: false,
            is_starting: false,
            streak_us: None,
            effects: Vec::new(),
        };
        keeper.list(version, regions, left, now_us);
        keeper
    }

    /// A topology is in force, with all regions, each with its candidates: first who is to serve it, then the standbys in order. Of what
    /// this node has `left`, somebody who does not know yet may give it some: it has to find that, and gives it on.
    pub fn list(
        &mut self,
        version: TopologyVersion,
        regions: impl IntoIterator<Item = (RegionNumber, Vec<NodeNumber>)>,
        left: BTreeSet<RegionNumber>,
        now_us: u64,
    ) {
        self.version = version;
        let mut regions: BTreeMap<_, _> = regions.into_iter().collect();
        for (region, watched) in &mut self.regions {
            watched.candidates = regions.remove(region).unwrap_or_default();
        }
        self.ever_left.extend(&left);
        self.left = left;
        for (region, candidates) in regions {
            if candidates.contains(&self.node) || self.ever_left.contains(&region) {
                self.regions.insert(region, Watched::new(candidates, now_us));
            }
        }
        self.note();
    }

    /// The lease, unless it has ended.
    #[must_use]
    pub fn lease(&self) -> Option<Lease> {
        self.lease
    }

    /// The regions that this process is to serve.
    pub fn serves(&self) -> impl Iterator<Item = (RegionNumber, RegionEpoch)> {
        let regions = self.regions.iter();
        regions.filter_map(|(region, watched)| Some((*region, watched.served?)))
    }

    /// How many of the regions have no holder that lives, or none that has been seen yet.
    #[must_use]
    pub fn unheld(&self) -> usize {
        let node = self.node;
        let held = |watched: &&Watched| {
            watched.candidates.contains(&node) && watched.served.is_none() && !watched.is_held()
        };
        self.regions.values().filter(held).count()
    }

    /// Those who hold regions for which this node is listed.
    #[must_use]
    pub fn holders(&self) -> BTreeSet<Lease> {
        let holders = self.regions.values().filter_map(Watched::holder);
        let leases = holders.map(|holder| Lease {
            node: holder.service.node,
            incarnation: holder.since,
        });
        leases.collect()
    }

    /// Whether the process that holds a lease is seen to be there: by the store, which notices when a connection ends, or over a
    /// link. `None`: the store did not say.
    pub fn shown(&mut self, lease: Lease, is_shown: Option<bool>, now_us: u64) {
        self.signs.note(lease, is_shown, now_us);
    }

    /// The world's thread was heard of.
    pub fn world_answered(&mut self, now_us: u64) {
        self.world_answered_us = now_us;
    }

    /// The world does not serve this region by this epoch any more: another service has begun.
    pub fn superseded(&mut self, region: RegionNumber, epoch: RegionEpoch, now_us: u64) {
        if let Some(watched) = self.regions.get_mut(&region)
            && watched.served == Some(epoch)
        {
            watched.let_go(now_us);
        }
    }

    /// Takes no region from now on. The lease is renewed until the end: what is served is still to be written down.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// When something is due next, microseconds.
    #[must_use]
    pub fn due_us(&self) -> u64 {
        let (looks, waits) = match self.lease {
            Some(_) => (Some(self.regions.values()), self.is_renewing),
            None => (None, self.is_starting),
        };
        let looks = looks.into_iter().flatten().filter_map(Watched::look_at_us);
        let next = looks.chain((!waits).then_some(self.renew_at_us)).min();
        next.unwrap_or(u64::MAX)
    }

    /// Lets time pass.
    pub fn tick(&mut self, now_us: u64) {
        let Some(lease) = self.lease else {
            return self.start(now_us);
        };
        if !self.is_renewing && self.renew_at_us <= now_us {
            // A world that is stuck serves nobody: the next look is at whether it is still so.
            self.renew_at_us = now_us + RENEW_EVERY_US;
            if now_us.saturating_sub(self.world_answered_us) <= WORLD_ANSWERS_WITHIN_US {
                self.is_renewing = true;
                let question = LeaseQuestion::Renew(lease.incarnation);
                self.ask(question, StoreRequest::RenewLease { lease });
            }
        }
        self.look(now_us);
        self.give_away(now_us);
    }

    fn look(&mut self, now_us: u64) {
        let node = self.node;
        let due = |watched: &mut Watched| {
            let is_listed = watched.candidates.contains(&node);
            watched.begin_look(
                now_us,
                if is_listed {
                    LOOK_EVERY_US
                } else {
                    LOOK_BACK_EVERY_US
                },
            )
        };
        let regions = self.regions.iter_mut();
        let looks: Vec<RegionNumber> = regions
            .filter_map(|(region, watched)| due(watched).then_some(*region))
            .collect();
        for region in looks {
            self.ask(LeaseQuestion::Look(region), StoreRequest::ReadHolder { region });
        }
    }

    /// The store's answer to a question.
    pub fn answered(&mut self, question: LeaseQuestion, result: &StoreResult, now_us: u64) {
        match question {
            LeaseQuestion::Start => self.started(result, now_us),
            LeaseQuestion::Renew(incarnation) => self.renewed(incarnation, result, now_us),
            LeaseQuestion::Look(region) => self.looked(region, result, now_us),
            LeaseQuestion::Take(region, incarnation) => self.took(region, incarnation, result, now_us),
            LeaseQuestion::Note => self.noted(result, now_us),
            LeaseQuestion::PassOn(region) => self.passed_on(region, result),
        }
    }

    /// What is to be done, in order.
    pub fn take_effects(&mut self) -> Vec<LeaseEffect> {
        std::mem::take(&mut self.effects)
    }

    fn ask(&mut self, question: LeaseQuestion, request: StoreRequest) {
        self.effects.push(LeaseEffect::Ask(question, request));
    }

    fn is_own(&self, incarnation: Incarnation) -> bool {
        self.lease.is_some_and(|lease| lease.incarnation == incarnation)
    }

    fn start(&mut self, now_us: u64) {
        if !self.is_starting && self.renew_at_us <= now_us {
            self.is_starting = true;
            let node = self.node;
            self.ask(LeaseQuestion::Start, StoreRequest::StartNode { node });
        }
    }

    fn started(&mut self, result: &StoreResult, now_us: u64) {
        self.is_starting = false;
        self.renew_at_us = now_us + LOOK_EVERY_US;
        if let Ok(StoreReply::Started(incarnation)) = result {
            self.lease = Some(Lease {
                node: self.node,
                incarnation: *incarnation,
            });
            self.streak_us = None;
        }
    }

    fn renewed(&mut self, incarnation: Incarnation, result: &StoreResult, now_us: u64) {
        if !self.is_own(incarnation) {
            return;
        }
        self.is_renewing = false;
        match result {
            Ok(StoreReply::LeaseRenewed(_)) => {
                let streak_us = self.streak_us.filter(|(_, last_us)| follows(*last_us, now_us));
                let first_us = streak_us.map_or(now_us, |(first_us, _)| first_us);
                self.streak_us = Some((first_us, now_us));
            }
            Ok(StoreReply::LeaseEnded(newest)) => self.ended(*newest, now_us),
            _ => {}
        }
    }

    fn ended(&mut self, newest: Option<Incarnation>, now_us: u64) {
        let Some(lease) = self.lease else { return };
        if let Some(newest) = newest.filter(|newest| *newest > lease.incarnation) {
            return self.effects.push(LeaseEffect::Foreign(newest));
        }
        self.lease = None;
        self.is_renewing = false;
        self.renew_at_us = now_us;
        self.regions
            .values_mut()
            .for_each(|watched| watched.let_go(now_us));
        self.effects.push(LeaseEffect::LetGo);
    }

    fn looked(&mut self, region: RegionNumber, result: &StoreResult, now_us: u64) {
        let Some(watched) = self.regions.get_mut(&region) else {
            return;
        };
        watched.end_look();
        let (Ok(StoreReply::Holder(holder)), Some(lease)) = (result, self.lease) else {
            return;
        };
        watched.looked(*holder, now_us);
        let own = |service: &store::RegionHolder| {
            (service.service.node, service.since) == (lease.node, lease.incarnation)
        };
        if let Some(holder) = holder.filter(own) {
            return match self.may_serve(region) {
                true => self.serve(region, holder.service.region_epoch),
                false => self.pass_on(region, holder.service),
            };
        }
        let streak_us = self.streak_us.filter(|(_, last_us)| follows(*last_us, now_us));
        let streak_us = streak_us.map_or(0, |(first_us, last_us)| last_us - first_us);
        let gone_us = holder.and_then(|holder| self.signs.gone_us(&holder, now_us));
        // Who does not write itself sees nothing of how others do.
        let gone_us = gone_us.filter(|_| {
            self.streak_us
                .is_some_and(|(_, last_us)| follows(last_us, now_us))
        });
        if !watched.candidates.contains(&lease.node) {
            // Somebody else has it, to whom it belongs or who gives it to them.
            if !self.ever_left.contains(&region) {
                self.regions.remove(&region);
            }
            return;
        }
        if self.is_draining || !watched.may_take(lease.node, streak_us, gone_us, now_us) {
            return;
        }
        if !self.noted.allows(self.version, now_us) {
            return self.note();
        }
        let Some(watched) = self.regions.get_mut(&region) else {
            return;
        };
        watched.begin_take();
        let request = match holder {
            Some(holder) => StoreRequest::TakeOver {
                taker: lease,
                holder: *holder,
            },
            None => StoreRequest::ServeRegion {
                region,
                node: lease.node,
                after: None,
            },
        };
        self.ask(LeaseQuestion::Take(region, lease.incarnation), request);
    }

    /// Says which topology is in force here, and asks whether any node has a newer one.
    fn note(&mut self) {
        if !self.noted.is_asking {
            self.noted.is_asking = true;
            let version = self.version;
            self.ask(LeaseQuestion::Note, StoreRequest::NoteTopology { version });
        }
    }

    fn noted(&mut self, result: &StoreResult, now_us: u64) {
        self.noted.is_asking = false;
        let Ok(StoreReply::NewestTopology(newest)) = result else {
            return;
        };
        self.noted.newest = Some((*newest, now_us));
        if *newest <= self.version {
            self.noted.behind_since_us = None;
        } else {
            self.noted.behind_since_us.get_or_insert(now_us);
        }
        // Whoever waits for this looks again at once.
        if self.noted.allows(self.version, now_us) {
            for watched in self.regions.values_mut() {
                watched.look_now(now_us);
            }
            self.look(now_us);
        }
    }

    fn took(&mut self, region: RegionNumber, incarnation: Incarnation, result: &StoreResult, now_us: u64) {
        let is_own = self.is_own(incarnation);
        let Some(watched) = self.regions.get_mut(&region) else {
            return;
        };
        watched.end_take(now_us);
        match result {
            // By a lease that has ended since: the next look shows what became of it.
            _ if !is_own => {}
            Ok(StoreReply::Serving(epoch)) => self.serve(region, *epoch),
            Ok(StoreReply::LeaseEnded(newest)) => self.ended(*newest, now_us),
            Err(StoreError::NotCandidate { .. }) => watched.is_denied(now_us),
            _ => {}
        }
    }

    fn serve(&mut self, region: RegionNumber, epoch: RegionEpoch) {
        if let Some(watched) = self.regions.get_mut(&region)
            && watched.served != Some(epoch)
        {
            watched.served = Some(epoch);
            self.effects.push(LeaseEffect::Serve(region, epoch));
        }
    }
}

/// What the store has said of topologies.
#[derive(Debug, Default)]
struct Noted {
    is_asking: bool,
    /// The newest that any node has noted, and when it said so.
    newest: Option<(TopologyVersion, u64)>,
    /// Since when that is newer than what is in force here.
    behind_since_us: Option<u64>,
}

impl Noted {
    /// Whether something may be taken by a topology of this version; `false` as well when that is not known.
    fn allows(&self, version: TopologyVersion, now_us: u64) -> bool {
        let Some((newest, said_us)) = self.newest else {
            return false;
        };
        let waits_no_more = |since_us: u64| now_us.saturating_sub(since_us) >= NEWER_COMES_WITHIN_US;
        let is_newest = newest <= version || self.behind_since_us.is_some_and(waits_no_more);
        is_newest && now_us.saturating_sub(said_us) <= NOTED_FOR_US
    }
}

/// Whether a renewal follows the one before.
fn follows(last_us: u64, now_us: u64) -> bool {
    now_us.saturating_sub(last_us) <= STREAK_GAP_US
}

#[cfg(test)]
mod tests;
