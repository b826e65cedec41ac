//! What the world thread tells of itself, several times a second, for whoever asks: a snapshot, so that asking costs no
//! tick.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use net::link::LinkId;

use crate::world::{LinkReport, RegionReport};

/// A world at a glance.
#[derive(Clone, Debug, Default)]
pub(super) struct WorldReport {
    pub(super) regions: Vec<RegionReport>,
    pub(super) links: Vec<(LinkId, LinkReport)>,
    /// Users known.
    pub(super) users: usize,
    /// What was refused, by reason.
    pub(super) refused: BTreeMap<&'static str, u64>,
}

impl WorldReport {
    /// Users simulated.
    pub(super) fn players(&self) -> usize {
        self.regions.iter().map(|region| region.status.players).sum()
    }
}

/// Where the newest report is.
pub(super) type WorldReports = Arc<ArcSwap<WorldReport>>;
