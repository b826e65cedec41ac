//! What a world tells of itself, for whoever asks: a snapshot, so that asking costs no tick.

use std::collections::BTreeSet;

use net::link::LinkId;
use net::link_core::Sealing;
use protocol::ids::UserId;
use serde::Serialize;

use super::links::LinkReport;
use super::recent_times::TimesSummary;
use super::{Moment, World};
use crate::region::{Overflow, Region, RegionStatus, Whereabouts};

/// A region at a glance, with how its ticks do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RegionReport {
    /// What it has.
    #[serde(flatten)]
    pub status: RegionStatus,
    /// Lengths of the last ticks, microseconds.
    pub tick_us: TimesSummary,
    /// How long after their time they began, microseconds.
    pub late_us: TimesSummary,
    /// For how long the next one has been due, microseconds.
    pub overdue_us: u64,
    /// From question to answer of the store, microseconds.
    pub store_us: TimesSummary,
    /// Ticks left out because their time was over.
    pub ticks_skipped: u64,
    /// Whether it ticks: one that nobody plays in or watches sleeps.
    pub is_awake: bool,
}

impl<S: Sealing> World<S> {
    /// All regions, ascending.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.slots.iter().map(|(_, slot)| &slot.region)
    }

    /// How all regions are, ascending.
    #[must_use]
    pub fn region_reports(&self, now: Moment) -> Vec<RegionReport> {
        let report = |slot: &super::slots::Slot| RegionReport {
            status: slot.region.status(),
            tick_us: slot.ticks.summary(),
            late_us: slot.late.summary(),
            overdue_us: slot.overdue_us(now.mono_us),
            store_us: slot.store.summary(),
            ticks_skipped: slot.skipped,
            is_awake: slot.is_awake(),
        };
        self.slots.iter().map(|(_, slot)| report(slot)).collect()
    }

    /// How often each rule for subscribers that cannot take everything came into play.
    #[must_use]
    pub fn overflow(&self) -> Overflow {
        let mut all = Overflow {
            in_line: self.credits.in_line(),
            ..Overflow::default()
        };
        for region in self.regions() {
            all += region.overflow();
        }
        all
    }

    /// Where each of these users is; who is in two regions is named twice.
    #[must_use]
    pub fn whereabouts(&self, asked: &BTreeSet<UserId>) -> Vec<Whereabouts> {
        self.regions()
            .flat_map(|region| region.whereabouts(asked))
            .collect()
    }

    /// All links that are up.
    #[must_use]
    pub fn link_reports(&self) -> Vec<(LinkId, LinkReport)> {
        self.links.iter().map(|(id, link)| (id, link.report())).collect()
    }

    /// Users known, whether they are here, expected, or just handed over.
    #[must_use]
    pub fn users(&self) -> usize {
        self.directory.users()
    }
}
