//! Figures that are read when somebody scrapes, and not told before: of links, regions and the process itself. What is gone
//! by then has no series any more, and what does not change costs nothing.

use super::{Kind, Metric};
use metrics_exporter_prometheus::formatting::{sanitize_label_value, write_help_line, write_type_line};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Source = Arc<dyn Fn(&mut Sheet) + Send + Sync>;

/// Whom to ask. Clones are one.
#[derive(Clone, Default)]
pub struct LiveMetrics(Arc<Mutex<Vec<Source>>>);

impl fmt::Debug for LiveMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveMetrics").finish_non_exhaustive()
    }
}

impl LiveMetrics {
    /// `source` is asked at each scrape from now on. It must not wait.
    pub fn ask(&self, source: impl Fn(&mut Sheet) + Send + Sync + 'static) {
        self.lock().push(Arc::new(source));
    }

    /// What all of them say now, as Prometheus reads it.
    #[must_use]
    pub fn render(&self) -> String {
        let sources = self.lock().clone();
        let mut sheet = Sheet::default();
        for source in sources {
            source(&mut sheet);
        }
        sheet.render()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Source>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said at one scrape.
#[derive(Debug, Default)]
pub struct Sheet(BTreeMap<&'static str, Family>);

#[derive(Debug)]
struct Family {
    metric: &'static Metric,
    lines: String,
}

impl Sheet {
    /// One series of a metric that is no histogram.
    pub fn put(&mut self, metric: &'static Metric, labels: &[(&str, &str)], value: f64) {
        let empty = || Family {
            metric,
            lines: String::new(),
        };
        let lines = &mut self.0.entry(metric.name).or_insert_with(empty).lines;
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", sanitize_label_value(value)))
            .collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{}{labels} {value}", metric.name);
    }

    fn render(&self) -> String {
        let mut text = String::new();
        for (name, Family { metric, lines }) in &self.0 {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge | Kind::Histogram => "gauge",
            };
            write_help_line(&mut text, name, None, None, metric.help);
            write_type_line(&mut text, name, None, None, kind);
            text += lines;
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static QUEUE: Metric = Metric {
        name: "link_queue_bytes",
        kind: Kind::Gauge,
        help: "Bytes that wait, by peer.",
    };
    static CPU: Metric = Metric {
        name: "cpu_seconds_total",
        kind: Kind::Counter,
        help: "Processor time.",
    };

    #[test]
    fn each_family_is_told_once_and_what_is_gone_has_no_series() {
        let live = LiveMetrics::default();
        let peers = Arc::new(Mutex::new(vec!["gs-b", "a \"quoted\" one"]));
        let there = Arc::clone(&peers);
        live.ask(move |sheet| {
            for peer in there.lock().unwrap().iter() {
                sheet.put(&QUEUE, &[("peer", peer), ("lane", "0")], 7.0);
            }
        });
        live.ask(|sheet| sheet.put(&CPU, &[], 0.25));
        assert_eq!(
            live.render(),
            "# HELP cpu_seconds_total Processor time.\n# TYPE cpu_seconds_total counter\ncpu_seconds_total 0.25\n\n\
             # HELP link_queue_bytes Bytes that wait, by peer.\n# TYPE link_queue_bytes gauge\n\
             link_queue_bytes{peer=\"gs-b\",lane=\"0\"} 7\n\
             link_queue_bytes{peer=\"a \\\"quoted\\\" one\",lane=\"0\"} 7\n\n"
        );
        peers.lock().unwrap().clear();
        assert!(!live.render().contains("link_queue_bytes"), "nobody is there");
    }
}
