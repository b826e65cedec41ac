//! Unit costs, solved from what clusters took: as many runs as costs, each part linear in what was measured.

use anyhow::ensure;
use topology::{Load, Size, Spread, Topology, UnitCosts};

use super::run::Run;
use crate::machine::{Machine, commit};
use crate::publication::Published;
use crate::samples::Samples;

/// Samples of the links.
const LINK_SAMPLES: usize = 5;
/// A snapshot is a datagram of at most so many bytes.
const DATAGRAM_BYTES_MAX: f64 = 1200.0;

/// Three clusters: few wanderers, many, and players at borders, who see many others and cross much.
pub(super) struct Costs {
    pub(super) few: Run,
    pub(super) many: Run,
    pub(super) borders: Run,
    pub(super) link_us_per_kib: f64,
    pub(super) rows_max: f64,
}

/// Bytes per second on links.
pub(super) struct OnLinks {
    pub(super) to_proxies: f64,
    pub(super) to_servers: f64,
    pub(super) between_servers: f64,
}

/// One of them.
type Pick = fn(&OnLinks) -> f64;

impl OnLinks {
    /// As predicted.
    pub(super) fn of(topology: &Topology, size: &Size) -> Self {
        let is_proxy = |name: &str| topology.proxy_by_name(name).is_some();
        let sum = |ends: [bool; 2]| {
            let pairs = size.pairs.iter();
            let pairs = pairs.filter(|pair| [0, 1].map(|end| is_proxy(&pair.names[end])) == ends);
            pairs.map(|pair| pair.bytes).sum()
        };
        Self {
            to_proxies: sum([false, true]),
            to_servers: sum([true, false]),
            between_servers: sum([false, false]),
        }
    }
}

/// CPU of either end of a link per KiB.
pub(super) fn link_us_per_kib() -> anyhow::Result<f64> {
    let mut published = Published::connect()?;
    let samples: anyhow::Result<Samples> = (0..LINK_SAMPLES).map(|_| published.sample()).collect();
    // Seconds per million updates are microseconds per update, of both ends.
    Ok(samples?.median() / 2.0 / (published.update_bytes() as f64 / 1024.0))
}

impl Costs {
    /// The table.
    pub(super) fn solve(&self, topology: &Topology) -> anyhow::Result<UnitCosts> {
        let runs = [&self.few, &self.many, &self.borders];
        let (proxies, servers) = (topology.proxies().len() as f64, topology.servers().len() as f64);
        let link_us = |bytes: f64| bytes / 1024.0 * self.link_us_per_kib;
        let [proxy_cores, proxy_us, proxy_us_per_visible] = solved(runs.map(|run| {
            let us = run.proxy_cores * 1e6 - link_us(run.to_proxies + run.to_servers);
            (
                [proxies * 1e6, run.player_ticks, run.player_ticks * run.visible],
                us,
            )
        }))?;
        let [server_cores, server_us, crossing_us] = solved(runs.map(|run| {
            let links = run.to_proxies + run.to_servers + 2.0 * run.between_servers;
            let us = run.server_cores * 1e6 - link_us(links);
            ([servers * 1e6, run.player_ticks, run.crossings], us)
        }))?;
        let per_visible = slope(
            [self.many.visible, self.borders.visible],
            [self.many.snapshot_bytes, self.borders.snapshot_bytes],
        );
        let snapshot_bytes = (self.many.snapshot_bytes - per_visible * self.many.visible).max(0.0);
        let mut units = UnitCosts {
            machine: format!(
                "{} cores of {}, commit {}, the demo game",
                Machine::this().cores,
                Machine::this().cpu,
                commit()
            ),
            proxy_cores,
            proxy_us,
            proxy_us_per_visible,
            server_cores,
            server_us,
            crossing_us,
            link_us_per_kib: self.link_us_per_kib,
            visible_max: ((DATAGRAM_BYTES_MAX - snapshot_bytes) / per_visible.max(0.1)).round(),
            input_bytes: self.many.input_bytes,
            input_link_bytes: 0.0,
            snapshot_bytes,
            snapshot_bytes_per_visible: per_visible,
            cell_bytes: 0.0,
            entity_bytes: 0.0,
            own_state_bytes: 0.0,
            crossing_bytes: UnitCosts::default().crossing_bytes,
            soft_saves_hz: UnitCosts::default().soft_saves_hz,
            rows_max: self.rows_max,
        };
        self.solve_links(topology, &mut units)?;
        Ok(units)
    }

    /// What a cell, a player in it, a player's own state and an input take on links: how often each of them is sent is what the
    /// prediction says, and so is what the wire format takes beside, which is taken off. Between servers there are no own states, so
    /// these tell them from cells.
    fn solve_links(&self, topology: &Topology, units: &mut UnitCosts) -> anyhow::Result<()> {
        let predicted = |run: &Run, costs: &UnitCosts| {
            OnLinks::of(topology, &Size::predict(topology, &load(run.players, 0.0), costs))
        };
        let nothing = units.clone();
        let beside = |run: &Run, of: Pick| of(&predicted(run, &nothing));
        let row = |run: &Run, of: Pick, measured: f64| {
            let parts: [fn(&mut UnitCosts); 3] = [
                |units| units.cell_bytes = 1.0,
                |units| units.entity_bytes = 1.0,
                |units| units.own_state_bytes = 1.0,
            ];
            let counts = parts.map(|set| {
                let mut one = nothing.clone();
                set(&mut one);
                of(&predicted(run, &one)) - beside(run, of)
            });
            (counts, measured - beside(run, of))
        };
        let (few, many) = (&self.few, &self.many);
        let handovers = |run: &Run| run.crossings * nothing.crossing_bytes;
        let rows = [
            row(few, |on| on.to_proxies, few.to_proxies),
            row(many, |on| on.to_proxies, many.to_proxies),
            row(few, |on| on.between_servers, few.between_servers - handovers(few)),
            row(
                many,
                |on| on.between_servers,
                many.between_servers - handovers(many),
            ),
        ];
        let inputs = many.to_servers - beside(many, |on| on.to_servers);
        units.input_link_bytes = inputs.max(0.0) / many.player_ticks;
        [units.cell_bytes, units.entity_bytes, units.own_state_bytes] = solved(rows)?;
        Ok(())
    }

    /// How fast wanderers walk on average: as fast as it takes to cross as often as they did.
    pub(super) fn speed(&self, topology: &Topology) -> f64 {
        let size = Size::predict(topology, &load(self.many.players, 1.0), &UnitCosts::default());
        self.many.crossings / size.store.crossings.max(f64::MIN_POSITIVE)
    }
}

fn load(players: u32, speed: f64) -> Load {
    Load {
        players,
        spread: Spread::default(),
        speed,
        durable_hz: 0.0,
        network: 125e6,
    }
}

fn slope(x: [f64; 2], y: [f64; 2]) -> f64 {
    ((y[1] - y[0]) / (x[1] - x[0]).max(f64::MIN_POSITIVE)).max(0.0)
}

/// The three costs, none below zero, that come nearest to three sums or more: one that would be less than nothing is nothing, and the
/// others are solved again without it, for the least error relative to each sum.
fn solved<const N: usize>(rows: [([f64; 3], f64); N]) -> anyhow::Result<[f64; 3]> {
    ensure!(
        rows.iter().all(|(_, sum)| sum.is_finite() && *sum > 0.0),
        "a run took nothing: {rows:?}"
    );
    let scaled = rows.map(|(counts, sum)| counts.map(|count| count / sum));
    let mut best = ([0.0; 3], f64::INFINITY);
    // Which of the costs take part, as bits.
    for mask in 1..8_u8 {
        let part = |index: usize| mask & (1 << index) != 0;
        let Some(costs) = least_squares(&scaled, part) else {
            continue;
        };
        if costs.iter().any(|cost| *cost < 0.0) {
            continue;
        }
        let error = |counts: [f64; 3]| {
            let sum: f64 = counts.iter().zip(costs).map(|(count, cost)| count * cost).sum();
            (sum - 1.0).powi(2)
        };
        let error = scaled.map(error).iter().sum::<f64>();
        if error < best.1 {
            best = (costs, error);
        }
    }
    ensure!(best.1.is_finite(), "no costs explain {rows:?}");
    Ok(best.0)
}

/// Costs of which the sums come nearest to one in every row; `None` when the rows cannot tell them apart.
fn least_squares(rows: &[[f64; 3]], part: impl Fn(usize) -> bool) -> Option<[f64; 3]> {
    // The normal equations, with a line of its own for whatever takes no part.
    let mut lines = [[0.0; 4]; 3];
    for (index, line) in lines.iter_mut().enumerate() {
        if !part(index) {
            line[index] = 1.0;
            continue;
        }
        for other in (0..3).filter(|other| part(*other)) {
            line[other] = rows.iter().map(|row| row[index] * row[other]).sum();
        }
        line[3] = rows.iter().map(|row| row[index]).sum();
    }
    for pivot in 0..3 {
        let best = (pivot..3)
            .max_by(|one, other| lines[*one][pivot].abs().total_cmp(&lines[*other][pivot].abs()))?;
        lines.swap(pivot, best);
        let head = lines[pivot];
        if head[pivot].abs() < f64::MIN_POSITIVE {
            return None;
        }
        for (index, line) in lines.iter_mut().enumerate() {
            if index != pivot {
                let factor = line[pivot] / head[pivot];
                for (cell, above) in line.iter_mut().zip(head) {
                    *cell -= factor * above;
                }
            }
        }
    }
    Some([0, 1, 2].map(|index| lines[index][3] / lines[index][index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_found_from_their_sums() {
        let counts = [[1.0, 250.0, 2.0], [1.0, 1_000.0, 9.0], [1.0, 1_000.0, 57.0]];
        let rows = counts.map(|row| (row, 3.0 * row[0] + 0.5 * row[1] + 7.0 * row[2]));
        let costs = solved(rows).unwrap();
        for (cost, wanted) in costs.iter().zip([3.0, 0.5, 7.0]) {
            assert!((cost - wanted).abs() < 1e-6, "{costs:?}");
        }
    }

    #[test]
    fn nothing_costs_less_than_nothing() {
        let counts = [[1.0, 250.0, 2.0], [1.0, 1_000.0, 9.0], [1.0, 1_000.0, 57.0]];
        let rows = counts.map(|row| (row, 2.0 * row[1] - 3.0 * row[2]));
        let costs = solved(rows).unwrap();
        assert!(costs.iter().all(|cost| *cost >= 0.0), "{costs:?}");
        assert!((1.8..2.0).contains(&costs[1]), "{costs:?}");
        assert!(solved([([1.0; 3], 0.0); 3]).is_err());
    }
}
