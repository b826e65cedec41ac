//! How long the certificate is good, and whether it is for the address that browsers are told: for `/readyz` and metrics.

use std::sync::Arc;

use net::clock::wall_ms;
use node::admin::{Check, SOON_MS, span};
use node::life::Node;
use node::telemetry::Metric;
use node::topology_in_force::TopologyInForce;
use protocol::ids::NodeNumber;
use topology::{Scheme, Url};

use super::Tls;

static LEFT: Metric = Metric::gauge(
    "regionmesh_proxy_tls_certificate_left_seconds",
    "Until the certificate of the http address expires; negative when it has. Alarm on less than a day.",
);

/// Has `/readyz` and each scrape ask. Without a certificate there is nothing to ask; where browsers are told to come over TLS all
/// the same, somebody else has to end it, of which the log tells once.
pub(in crate::server) fn watch(
    tls: Option<&Arc<Tls>>,
    node: &Node,
    topology: &Arc<TopologyInForce>,
    (number, has_balancers): (NodeNumber, bool),
) {
    let found_at = move |topology: &TopologyInForce| {
        let view = topology.view();
        view.topology().proxy(number).map(topology::Proxy::found_at)
    };
    let Some(tls) = tls else {
        let is_https = found_at(topology).is_some_and(|url| url.scheme == Scheme::Https);
        if is_https && !has_balancers {
            tracing::warn!(
                "the topology's url of this proxy says https, and it has no certificate: name one with tls.certificate and \
                 tls.key, or have TLS ended by a balancer that sends PROXY headers and stands in clients.balancers"
            );
        }
        return;
    };
    let (asked, topology) = (Arc::clone(tls), Arc::clone(topology));
    node.readiness.ask("tls", move || {
        let url = found_at(&topology);
        let is_of = |url: &Url| asked.pair.load().is_of(&url.address.host);
        let trouble = url.as_ref().and_then(|url| url_trouble(url, is_of(url)));
        judged(asked.times(), trouble)
    });
    let scraped = Arc::clone(tls);
    node.live
        .ask(move |sheet| sheet.put(&LEFT, &[], scraped.times().left_ms as f64 / 1e3));
}

impl Tls {
    fn times(&self) -> Times {
        let (validity, now_ms) = (self.pair.load().validity, unix_ms(wall_ms()));
        Times {
            wait_ms: validity.from_ms.saturating_sub(now_ms),
            left_ms: validity.until_ms.saturating_sub(now_ms),
        }
    }

    /// How long it is good yet, in words.
    pub(super) fn left(&self) -> String {
        judged(self.times(), None).figure
    }
}

pub(super) fn unix_ms(wall_ms: u64) -> i64 {
    i64::try_from(wall_ms).unwrap_or(i64::MAX)
}

/// What keeps browsers from the page that the topology tells them of.
fn url_trouble(url: &Url, is_of_certificate: bool) -> Option<String> {
    match (url.scheme, is_of_certificate) {
        (Scheme::Http, _) => Some(format!(
            "browsers are told {url}, where TLS is spoken: write this proxy's `url` with https:// into the topology"
        )),
        (Scheme::Https, false) => Some(format!(
            "the certificate is not for {url}, which browsers are told: have it issued for that name"
        )),
        (Scheme::Https, true) => None,
    }
}

/// Until a certificate begins and ends to be good, milliseconds.
#[derive(Clone, Copy)]
struct Times {
    wait_ms: i64,
    left_ms: i64,
}

fn judged(Times { wait_ms, left_ms }: Times, trouble: Option<String>) -> Check {
    let left = match (wait_ms, left_ms) {
        (1.., _) => format!(
            "the certificate begins to be good in {}, and browsers turn away: set this host's clock, or write another one over its files",
            span(wait_ms)
        ),
        (_, ..=0) => format!(
            "the certificate expired {} ago, and browsers turn away: write a new one over its files",
            span(left_ms.saturating_neg())
        ),
        _ => format!("the certificate has {} left", span(left_ms)),
    };
    match (wait_ms > 0 || left_ms < SOON_MS, trouble) {
        (false, None) => Check::well(left),
        (true, None) => Check::noted(left),
        (_, Some(trouble)) => Check::noted(format!("{left}; {trouble}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_certificate_that_ends_within_a_day_or_is_for_somebody_else_is_noted() {
        let judged = |left_ms, trouble| judged(Times { wait_ms: -1, left_ms }, trouble);
        assert_eq!(
            judged(24 * HOUR_MS, None),
            Check::well("the certificate has 1 d left")
        );
        assert_eq!(
            judged(24 * HOUR_MS - 1, None),
            Check::noted("the certificate has 23 h left")
        );
        let expired = judged(-2 * HOUR_MS, None);
        assert_eq!(expired.verdict, node::admin::Verdict::Noted, "others may play");
        assert!(
            expired.figure.starts_with("the certificate expired 2 h ago"),
            "{expired:?}"
        );
        let early = Times {
            wait_ms: 3 * HOUR_MS,
            left_ms: 90 * 24 * HOUR_MS,
        };
        let early = super::judged(early, None);
        assert_eq!(early.verdict, node::admin::Verdict::Noted);
        assert!(
            early
                .figure
                .starts_with("the certificate begins to be good in 3 h"),
            "{early:?}"
        );
        let url = |text: &str| text.parse::<Url>().unwrap();
        let https = url("https://edge-1.example");
        assert_eq!(url_trouble(&https, true), None);
        let stranger = judged(90 * 24 * HOUR_MS, url_trouble(&https, false));
        assert!(
            stranger
                == Check::noted(
                    "the certificate has 90 d left; the certificate is not for https://edge-1.example, which browsers are told: have it issued for that name"
                ),
            "{stranger:?}"
        );
        let clear = url_trouble(&url("http://edge-1.example:8080"), true).unwrap();
        assert!(clear.contains("`url` with https://"), "{clear}");
    }
}
