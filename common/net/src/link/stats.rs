//! Counters of all links of a process: kept here for status pages and tests, and passed on to the metrics recorder.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What happened on the links of one process.
#[derive(Debug, Default)]
pub struct LinkStats {
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl LinkStats {
    /// A connection or a frame was refused.
    pub fn count_refused(&self, reason: &'static str) {
        metrics::counter!("regionmesh_link_refused_total", "reason" => reason).increment(1);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(reason).or_default() += 1;
    }

    /// How often something was refused for this reason.
    #[must_use]
    pub fn refused(&self, reason: &str) -> u64 {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(reason).copied().unwrap_or(0)
    }

    /// All reasons with their counts.
    #[must_use]
    pub fn all_refused(&self) -> BTreeMap<&'static str, u64> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
