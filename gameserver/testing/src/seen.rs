//! What rules have shown operators: kept for the test to ask.

use std::collections::BTreeMap;

use game::RegionNumber;
use gameserver::region::Observation;

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    counts: BTreeMap<&'static str, u64>,
    gauges: BTreeMap<(RegionNumber, &'static str), f64>,
    log: Vec<String>,
}

impl Seen {
    pub(crate) fn note(&mut self, region: RegionNumber, news: Observation) {
        match news {
            Observation::Count(name, by) => *self.counts.entry(name).or_default() += by,
            Observation::Gauge(name, value) => drop(self.gauges.insert((region, name), value)),
            Observation::Line(_, line, _) => self.log.push(line),
        }
    }

    pub(crate) fn counted(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn gauge(&self, region: RegionNumber, name: &str) -> Option<f64> {
        let mut gauges = self.gauges.iter();
        let found = gauges.find(|((of, called), _)| *of == region && *called == name);
        found.map(|(_, value)| *value)
    }

    pub(crate) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}
