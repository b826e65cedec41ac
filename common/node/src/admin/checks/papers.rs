//! Whether what the authority has signed for this node still counts: a node whose papers run out while it runs is shunned
//! by everybody, link by link.

use crate::admin::{Check, Readiness};
use crate::clock::wall_ms;
use crate::data_dir::{DataDir, OwnPapers};
use crate::telemetry::{Kind, LiveMetrics, Metric};
use crate::topology_in_force::TopologyInForce;
use protocol::identity::{RoleVoucher, VerifiedCertificate};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A paper, or a certificate, with less than this left is worth a note, milliseconds: a day.
pub const SOON_MS: i64 = 24 * 3_600_000;

static LEFT: Metric = Metric {
    name: "regionmesh_paper_left_seconds",
    kind: Kind::Gauge,
    help: "Until a paper of this node expires, by paper; negative when it has. Alarm on less than a day.",
};

/// What a node needs signed, and until when each is good. Clones are one: what is renewed is told by all.
#[derive(Clone, Debug)]
pub struct Papers {
    ends: Arc<Mutex<Ends>>,
    topology: Arc<TopologyInForce>,
}

/// Unix milliseconds.
#[derive(Clone, Copy, Debug)]
struct Ends {
    certificate_ms: i64,
    voucher_ms: Option<i64>,
}

/// What one is for, what happens without it, and what to do.
struct Paper {
    name: &'static str,
    /// As metrics call it.
    label: &'static str,
    until_ms: i64,
    /// Whether the node is of no use without it.
    is_needed: bool,
    remedy: &'static str,
}

impl Papers {
    /// Of a data directory; of the topology, the one in force counts.
    #[must_use]
    pub fn new(data: &DataDir, topology: &Arc<TopologyInForce>) -> Self {
        let ends = ends(&data.verified, data.voucher.as_ref());
        Self {
            ends: Arc::new(Mutex::new(ends)),
            topology: Arc::clone(topology),
        }
    }

    /// The node has new ones.
    pub fn renewed(&self, own: &OwnPapers) {
        *self.locked() = ends(&own.verified, own.voucher.as_ref());
    }

    /// Has `/readyz` and each scrape ask.
    pub fn watch(self, readiness: &Readiness, live: &LiveMetrics) {
        let asked = self.clone();
        readiness.ask("papers", move || asked.check(wall_ms()));
        live.ask(move |sheet| {
            let now_ms = unix_ms(wall_ms());
            for paper in self.all() {
                let left_ms = paper.until_ms.saturating_sub(now_ms);
                sheet.put(&LEFT, &[("paper", paper.label)], left_ms as f64 / 1e3);
            }
        });
    }

    /// How long each is good yet, in words.
    #[must_use]
    pub fn left(&self) -> String {
        self.check(wall_ms()).figure
    }

    fn check(&self, wall_ms: u64) -> Check {
        judged(self.all(), unix_ms(wall_ms))
    }

    fn all(&self) -> impl Iterator<Item = Paper> {
        let Ends {
            certificate_ms,
            voucher_ms,
        } = *self.locked();
        let papers = [
            Some(Paper {
                name: "certificate",
                label: "certificate",
                until_ms: certificate_ms,
                is_needed: true,
                remedy: "no node links with this one; renew it with `regionmesh node renew`, and copy it into the data directory",
            }),
            voucher_ms.map(|until_ms| Paper {
                name: "role voucher",
                label: "role_voucher",
                until_ms,
                is_needed: true,
                remedy: "no client believes this proxy; renew it with `regionmesh node renew`, and copy it into the data directory",
            }),
            Some(Paper {
                name: "topology bundle",
                label: "topology_bundle",
                until_ms: self.topology.view().not_after_ms(),
                // It is in force until a newer one comes; no start goes by it.
                is_needed: false,
                remedy: "the next start refuses it; sign it anew with `regionmesh topology sign`, and copy it into the data directory of one node",
            }),
        ];
        papers.into_iter().flatten()
    }

    fn locked(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ends(certificate: &VerifiedCertificate, voucher: Option<&RoleVoucher>) -> Ends {
    Ends {
        certificate_ms: certificate.validity().until_ms,
        voucher_ms: voucher.map(|voucher| voucher.validity().until_ms),
    }
}

fn unix_ms(wall_ms: u64) -> i64 {
    i64::try_from(wall_ms).unwrap_or(i64::MAX)
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

/// How long something takes, in the largest unit of which there is one.
#[must_use]
pub fn span(ms: i64) -> String {
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
            label: name,
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
