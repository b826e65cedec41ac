//! What a region task tells of itself, several times a second, for whoever asks: a snapshot, so that asking costs no tick.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

use super::recent_times::TimesSummary;
use crate::region::RegionStatus;

/// A region at a glance, with how its task does.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct RegionReport {
    #[serde(flatten)]
    pub(super) status: RegionStatus,
    /// Lengths of the last ticks, microseconds.
    pub(super) tick_us: TimesSummary,
    /// From question to answer, microseconds.
    pub(super) store_us: TimesSummary,
    pub(super) ticks_skipped: u64,
    pub(super) inbox_bytes: usize,
}

/// Where the newest report is.
pub(super) type ReportSlot = Arc<ArcSwap<RegionReport>>;
