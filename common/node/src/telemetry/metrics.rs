//! Prometheus metrics: real buckets, HELP on everything, one table per crate of what it counts.

use super::TelemetryError;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use std::collections::BTreeSet;

/// What a metric does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution; its name ends in its unit, which chooses the buckets.
    Histogram,
}

/// One metric as its crate's table describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Full name, unit and `_total` included.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// What it means, for whoever reads the dashboard.
    pub help: &'static str,
}

impl Metric {
    /// Of what is counted.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        let kind = Kind::Counter;
        Self { name, kind, help }
    }

    /// Of a figure that goes up and down.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        let kind = Kind::Gauge;
        Self { name, kind, help }
    }
}

/// Seconds: from a tenth of a millisecond to ten seconds, dense around a tick of 50 ms.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];
/// Bytes: from a small message to a full link queue.
const BYTES: &[f64] = &[
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
];
/// Counts of things.
const COUNTS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0,
];

/// Renders what was counted.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The text that Prometheus scrapes.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds recent samples into the buckets; without it memory grows. Every five seconds is usual.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// A recorder with our buckets; nothing global is touched.
fn recorder() -> Result<PrometheusRecorder, TelemetryError> {
    let buckets = [("_seconds", SECONDS), ("_bytes", BYTES), ("_count", COUNTS)];
    let mut builder = PrometheusBuilder::new();
    for (suffix, bounds) in buckets {
        let set = builder.set_buckets_for_metric(Matcher::Suffix(suffix.to_owned()), bounds);
        builder = set.map_err(|error| TelemetryError::Twice(error.to_string()))?;
    }
    Ok(builder.build_recorder())
}

fn describe(recorder: &dyn metrics::Recorder, tables: &[&[Metric]]) {
    for metric in tables.iter().flat_map(|table| table.iter()) {
        let (name, help) = (metric.name.into(), metric.help.into());
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram => recorder.describe_histogram(name, None, help),
        }
    }
}

pub(super) fn install(tables: &[&[Metric]]) -> Result<Metrics, TelemetryError> {
    let recorder = recorder()?;
    describe(&recorder, tables);
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| TelemetryError::Twice(error.to_string()))?;
    Ok(Metrics(handle))
}

/// Names in rendered text that have no HELP: counted, but in no table.
#[must_use]
pub fn undescribed(rendered: &str) -> BTreeSet<String> {
    let names = |prefix: &'static str| {
        let lines = rendered.lines().filter_map(move |line| line.strip_prefix(prefix));
        lines
            .filter_map(|rest| rest.split(' ').next())
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    names("# TYPE ").difference(&names("# HELP ")).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Metric] = &[
        Metric {
            name: "link_sent_bytes_total",
            kind: Kind::Counter,
            help: "Bytes sent on links.",
        },
        Metric {
            name: "tick_phase_seconds",
            kind: Kind::Histogram,
            help: "Time of a tick's phase.",
        },
    ];

    #[test]
    fn histograms_have_real_buckets_and_every_described_metric_has_help() {
        let recorder = recorder().unwrap();
        describe(&recorder, &[TABLE]);
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!("link_sent_bytes_total", "peer" => "gs-a").increment(3);
            metrics::histogram!("tick_phase_seconds").record(0.004);
            metrics::gauge!("forgotten").set(1.0);
        });
        let text = recorder.handle().render();
        assert!(
            text.contains("tick_phase_seconds_bucket{le=\"0.005\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("# HELP link_sent_bytes_total Bytes sent on links."),
            "{text}"
        );
        assert_eq!(undescribed(&text), BTreeSet::from(["forgotten".to_owned()]));
    }
}
