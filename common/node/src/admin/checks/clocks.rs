//! Whether this host's clock agrees with the others'. Nodes refuse handshakes across more than two minutes, and what is
//! dated by a wall clock goes wrong long before. Pure.

use crate::admin::Check;
use net::link::ClockTrouble;

/// Clocks may differ by so much, milliseconds: more is worth a note.
const APART_MS: u64 = 2_000;
/// A handshake that failed for the clocks counts for so long, milliseconds: dialers try again every second.
const RECENT_MS: u64 = 10_000;

/// `ahead` is how far the clock of each linked peer is ahead of ours, milliseconds; `trouble` is the last handshake that
/// failed for the clocks. When there was one just now and nobody is linked, this node's clock is the wrong one.
#[must_use]
pub fn clock_check(
    ahead: impl IntoIterator<Item = (String, i64)>,
    trouble: Option<ClockTrouble>,
    now_ms: u64,
) -> Check {
    let peers: Vec<(String, i64)> = ahead.into_iter().collect();
    let refused = trouble.filter(|trouble| now_ms.saturating_sub(trouble.at_ms) < RECENT_MS);
    if let Some(ClockTrouble { differ_ms, .. }) = refused {
        let differ = seconds(differ_ms);
        return if peers.is_empty() {
            Check::missing(format!(
                "handshakes fail since clocks are {differ} apart, and nobody is linked; set this host's clock"
            ))
        } else {
            Check::noted(format!(
                "a node whose clock is {differ} off cannot link; set the clock of its host"
            ))
        };
    }
    let worst = peers.iter().max_by_key(|(_, ahead_ms)| ahead_ms.unsigned_abs());
    match worst {
        None => Check::well("nobody to compare with"),
        Some((name, ahead_ms)) => {
            let apart = seconds(ahead_ms.unsigned_abs());
            let side = if *ahead_ms < 0 { "behind" } else { "ahead of" };
            let figure = format!("{name} is {apart} {side} this host");
            if ahead_ms.unsigned_abs() > APART_MS {
                Check::noted(figure + "; keep the clocks of all hosts set")
            } else {
                Check::well(figure)
            }
        }
    }
}

fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(ahead: &[(&str, i64)]) -> Vec<(String, i64)> {
        ahead.iter().map(|(name, ms)| ((*name).to_owned(), *ms)).collect()
    }

    #[test]
    fn a_wrong_clock_is_noted_and_the_one_that_keeps_everybody_away_is_fatal() {
        let check = |ahead: &[(&str, i64)], trouble| clock_check(peers(ahead), trouble, 100_000);
        let refused = |at_ms| {
            Some(ClockTrouble {
                differ_ms: 600_000,
                at_ms,
            })
        };
        assert_eq!(check(&[], None), Check::well("nobody to compare with"));
        assert_eq!(
            check(&[("gs-b", -20), ("gs-c", 3)], refused(90_000)),
            Check::well("gs-b is 0.0 s behind this host")
        );
        assert_eq!(
            check(&[("gs-b", 90_000)], None),
            Check::noted("gs-b is 90.0 s ahead of this host; keep the clocks of all hosts set")
        );
        assert_eq!(
            check(&[("gs-b", 1)], refused(99_000)),
            Check::noted("a node whose clock is 600.0 s off cannot link; set the clock of its host")
        );
        assert_eq!(
            check(&[], refused(99_000)),
            Check::missing(
                "handshakes fail since clocks are 600.0 s apart, and nobody is linked; set this host's clock"
            )
        );
    }
}
