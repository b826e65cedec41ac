//! How many players a cluster carries on this machine: the most of whom 99 of 100 acknowledgements still come within two
//! ticks, beside the number that would fill the machine if only the kernel had to work.

use std::path::Path;

use super::{ACK_MS_MAX, FLOOR_SAMPLES, Played, READY, SystemCalls};
use crate::figure::{Figure, publish};
use crate::floor::{Floor, Load};
use crate::live::{LiveCluster, SwarmOptions};
use crate::machine::Others;

/// The floor's players may be so many times ours: 28 of 100.
const GOAL: f64 = 1.0 / 0.28;
/// From one step to the next while looking for two numbers with the limit between them.
const STRIDE: f64 = 1.3;
/// How far the two may lie apart in the end, as a ratio.
const CLOSE: f64 = 1.08;
/// Fewer are not looked for.
const PLAYERS_MIN: u32 = 20;
/// More bots than this a swarm does not drive.
const PLAYERS_MAX: u32 = 20_000;
/// What must come of the inputs and snapshots that are due: with fewer of them an acknowledgement is easily in time.
const DELIVERED_MIN: f64 = 0.95;
/// Inputs and snapshots that are due per second and player.
const DUE_HZ: f64 = 20.0;

/// The search: the highest number that holds and the lowest that does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bracket {
    holds: Option<u32>,
    fails: Option<u32>,
}

impl Bracket {
    /// The number to try next; `None` when the two are close, or an end of the range is reached.
    fn next(self, first: u32) -> Option<u32> {
        let times = |players: u32, factor: f64| (f64::from(players) * factor).round() as u32;
        match (self.holds, self.fails) {
            (None, None) => Some(first.clamp(PLAYERS_MIN, PLAYERS_MAX)),
            (Some(holds), None) => (holds < PLAYERS_MAX).then(|| times(holds, STRIDE).min(PLAYERS_MAX)),
            (None, Some(fails)) => (fails > PLAYERS_MIN).then(|| times(fails, 1.0 / STRIDE).max(PLAYERS_MIN)),
            (Some(holds), Some(fails)) => {
                let middle = (f64::from(holds) * f64::from(fails)).sqrt().round() as u32;
                (f64::from(fails) > f64::from(holds) * CLOSE && middle > holds && middle < fails)
                    .then_some(middle)
            }
        }
    }
}

/// One number of players.
struct Step {
    players: u32,
    ack_p99_ms: f64,
    delivered: f64,
    load: Load,
}

impl Step {
    fn measure(program: &Path, options: &SwarmOptions, seconds: u64) -> anyhow::Result<Self> {
        let mut cluster = LiveCluster::start(program, None, READY)?;
        let played = Played::take(program, &mut cluster, options, seconds, SystemCalls::Left)?;
        let due = f64::from(options.players) * DUE_HZ;
        Ok(Self {
            players: options.players,
            ack_p99_ms: played.report.number("ack_ms.p99")?,
            delivered: played.report.player_ticks_hz()? / due,
            load: played.load(options)?,
        })
    }

    fn holds(&self) -> bool {
        self.ack_p99_ms <= ACK_MS_MAX && self.delivered >= DELIVERED_MIN
    }
}

/// Searches and publishes.
pub(super) fn run(program: &Path, options: &SwarmOptions, seconds: u64) -> anyhow::Result<()> {
    let others = Others::watch();
    let (mut bracket, mut steps) = (Bracket::default(), Vec::new());
    while let Some(players) = bracket.next(options.players) {
        let options = SwarmOptions {
            players,
            ..options.clone()
        };
        let step = Step::measure(program, &options, seconds)?;
        program::say(format_args!(
            "  {players:>5} players: ack p99 {:.1} ms, {:.1} % of inputs and snapshots delivered",
            step.ack_p99_ms,
            step.delivered * 100.0
        ));
        let end = if step.holds() {
            &mut bracket.holds
        } else {
            &mut bracket.fails
        };
        *end = Some(players);
        steps.push(step);
    }
    publish_found(options, bracket, &steps, seconds, &others)
}

fn publish_found(
    options: &SwarmOptions,
    bracket: Bracket,
    steps: &[Step],
    seconds: u64,
    others: &Others,
) -> anyhow::Result<()> {
    let name = format!("cluster-find-{}", options.behaviour);
    let what = format!(
        "players, {}, of whom ack p99 is at most {ACK_MS_MAX} ms with four game servers, two proxies and the swarm on this \
         machine, {seconds} s each; bare: players who would fill the machine if only the kernel had to work (the ratio \
         is bare by figure)",
        options.behaviour
    );
    let players = bracket.holds.unwrap_or(0);
    let mut figure = Figure::alone(&name, what, "players", f64::from(players));
    if let Some(step) = steps.iter().find(|step| step.players == players) {
        let floor = Floor::measure(&step.load, FLOOR_SAMPLES)?;
        figure.baseline = Some(floor.players());
        figure.ratio = Some(floor.players() / f64::from(players));
        figure.detail("share of the bare floor", f64::from(players) / floor.players());
    } else {
        figure.not_measured("not even the fewest players are acknowledged in time");
    }
    figure.goal = Some(GOAL);
    if let Some(fails) = bracket.fails {
        figure.detail("players who are too many", f64::from(fails));
    }
    for step in steps {
        let players = step.players;
        figure.detail(format!("{players:>5} players: ack p99, ms"), step.ack_p99_ms);
        figure.detail(format!("{players:>5} players: delivered share"), step.delivered);
    }
    publish(&name, vec![figure], others)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who holds up to a limit is found wherever the search begins.
    #[test]
    fn the_limit_is_found_from_below_and_from_above() {
        for limit in [20, 700, 1_234, 19_999] {
            for first in [20, 1_000, 20_000] {
                let (mut bracket, mut steps) = (Bracket::default(), 0);
                while let Some(players) = bracket.next(first) {
                    steps += 1;
                    assert!(steps < 40, "{limit} from {first}");
                    let end = if players <= limit {
                        &mut bracket.holds
                    } else {
                        &mut bracket.fails
                    };
                    *end = Some(players);
                }
                let (holds, fails) = (bracket.holds.unwrap(), bracket.fails.unwrap_or(u32::MAX));
                assert!(holds <= limit && limit < fails, "{limit}: {bracket:?}");
                let near = f64::from(limit) <= f64::from(holds) * CLOSE || limit - holds <= 1;
                assert!(near, "{limit}: {bracket:?}");
            }
        }
    }

    #[test]
    fn the_search_ends_at_the_ends_of_the_range() {
        let nobody = Bracket {
            holds: None,
            fails: Some(PLAYERS_MIN),
        };
        let everybody = Bracket {
            holds: Some(PLAYERS_MAX),
            fails: None,
        };
        assert_eq!((nobody.next(1_000), everybody.next(1_000)), (None, None));
    }
}
