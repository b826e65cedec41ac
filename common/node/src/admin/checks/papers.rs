//! Whether what the authority has signed for this node still counts: a node whose papers run out while it runs is shunned
//! by everybody, link by link.

use crate::admin::{Check, Readiness};
use crate::clock::wall_ms;
use crate::data_dir::DataDir;
use crate::topology_in_force::TopologyInForce;
use std::sync::Arc;

/// A paper with less than this left is worth a note, milliseconds: a day.
const SOON_MS: i64 = 24 * 3_600_000;

/// What a node needs signed: until when each is good, Unix milliseconds.
#[derive(Clone, Debug)]
pub struct Papers {
    certificate_ms: i64,
    voucher_ms: Option<i64>,
    topology: Arc<TopologyInForce>,
}

/// What one is for, what happens without it, and what to do.
struct Paper {
    name: &'static str,
    until_ms: i64,
    /// Whether the node is of no use without it.
    is_needed: bool,
    remedy: &'static str,
}

impl Papers {
    /// Of a data directory; of the topology, the one in force counts.
    #[must_use]
    pub fn new(data: &DataDir, topology: &Arc<TopologyInForce>) -> Self {
        Self {
            certificate_ms: data.verified.validity().until_ms,
            voucher_ms: data.voucher.map(|voucher| voucher.validity().until_ms),
            topology: Arc::clone(topology),
        }
    }

    /// Has `/readyz` ask.
    pub fn watch(self, readiness: &Readiness) {
        readiness.ask("papers", move || self.check(wall_ms()));
    }

    fn check(&self, wall_ms: u64) -> Check {
        let papers = [
            Some(Paper {
                name: "certificate",
                until_ms: self.certificate_ms,
                is_needed: true,
                remedy: "no node links with this one; have a new certificate issued and start again",
            }),
            self.voucher_ms.map(|until_ms| Paper {
                name: "role voucher",
                until_ms,
                is_needed: true,
                remedy: "no client believes this proxy; have a new voucher issued and start again",
            }),
            Some(Paper {
                name: "topology bundle",
                until_ms: self.topology.view().not_after_ms(),
                // It is in force until a newer one comes; no start goes by it.
                is_needed: false,
                remedy: "the next start refuses it; have a new one issued",
            }),
        ];
        judged(
            papers.into_iter().flatten(),
            i64::try_from(wall_ms).unwrap_or(i64::MAX),
        )
    }
}

fn judged(papers: impl Iterator<Item = Paper>, now_ms: i64) -> Check {
    let (mut expired, mut soon, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let mut is_lost = false;
    for paper in papers {
        let left_ms = paper.until_ms.saturating_sub(now_ms);
        let told = format!("{} {} left", paper.name, span(left_ms));
        if left_ms <= 0 {
            is_lost |= paper.is_needed;
            let ago = span(left_ms.saturating_neg());
            expired.push(format!("the {} expired {ago} ago: {}", paper.name, paper.remedy));
        } else if left_ms < SOON_MS {
            soon.push(told.clone());
        }
        all.push(told);
    }
    match (is_lost, expired.is_empty() && soon.is_empty()) {
        (true, _) => Check::missing(expired.join("; ")),
        (false, true) => Check::well(all.join(", ")),
        (false, false) => Check::noted([expired, soon].concat().join("; ")),
    }
}

/// In the largest unit of which there is one.
fn span(ms: i64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn check(certificate: i64, voucher: i64, topology: i64) -> Check {
        let paper = |name, until_ms, is_needed| Paper {
            name,
            until_ms,
            is_needed,
            remedy: "have it issued anew",
        };
        let papers = [
            paper("certificate", certificate * HOUR_MS, true),
            paper("role voucher", voucher * HOUR_MS, true),
            paper("topology bundle", topology * HOUR_MS, false),
        ];
        judged(papers.into_iter(), 1_000 * HOUR_MS)
    }

    #[test]
    fn an_expired_paper_keeps_a_node_out_and_one_that_soon_will_be_is_noted() {
        assert_eq!(
            check(3_160, 1_168, 3_160),
            Check::well("certificate 90 d left, role voucher 7 d left, topology bundle 90 d left")
        );
        assert_eq!(check(3_160, 1_005, 3_160), Check::noted("role voucher 5 h left"));
        assert_eq!(
            check(3_160, 998, 3_160),
            Check::missing("the role voucher expired 2 h ago: have it issued anew")
        );
        assert_eq!(
            check(3_160, 1_168, 1_000),
            Check::noted("the topology bundle expired 0 s ago: have it issued anew"),
            "it is in force all the same"
        );
    }
}
