//! What the run tells the threads that drive bots, and what it hears from them.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::oneshot;

use crate::bot::{Activity, Record};
use crate::pulse::{self, Presence};
use crate::ramp::Failure;
use crate::tally::Tally;

/// What the run tells a thread.
pub(crate) enum Word {
    /// What counts begins now.
    Measure,
    /// What has been counted since the last time.
    Look(oneshot::Sender<Look>),
    /// What counts ends now: what has been counted since the last look.
    EndMeasuring(oneshot::Sender<Look>),
    /// Do this from now on.
    Act(Activity),
    /// Everything that the bots have done.
    Report(oneshot::Sender<Vec<Record>>),
    /// Log out and end.
    Stop,
}

/// A thread's share at a glance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    pub(crate) up: u32,
    pub(crate) home: u32,
    pub(crate) logins_failed: u64,
    pub(crate) last_failure: Option<String>,
    /// Why a login failed that no later one will fare better with.
    pub(crate) in_vain: Option<String>,
    /// Where the bots stand, and whether anything comes from there.
    pub(crate) presence: BTreeMap<u32, Presence>,
    /// Bots that have heard nothing new of themselves for a second.
    pub(crate) silent: u32,
    /// All regions of the world, once somebody was told of it.
    pub(crate) regions: BTreeSet<u32>,
    pub(crate) tally: Tally,
}

impl Look {
    /// What the last login that failed says of the next ones.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let passing = || self.last_failure.clone().map(Failure::MayPass);
        self.in_vain.clone().map(Failure::IsInVain).or_else(passing)
    }

    /// Adds another thread's.
    pub(crate) fn add(&mut self, other: Self) {
        self.up += other.up;
        self.home += other.home;
        self.logins_failed += other.logins_failed;
        self.last_failure = other.last_failure.or(self.last_failure.take());
        self.in_vain = other.in_vain.or(self.in_vain.take());
        for (region, presence) in other.presence {
            pulse::add(&mut self.presence, region, presence);
        }
        self.silent += other.silent;
        self.regions.extend(other.regions);
        self.tally.add(&other.tally);
    }
}
