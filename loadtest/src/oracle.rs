//! The judge: compares what every bot was told with what the cluster's store and regions say. It judges the swarm's own
//! players; holdings it judges of the whole world, since none may be lost or doubled whoever plays.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use protocol::ids::UserId;
use serde::Serialize;

use crate::bot::Record;
use crate::census::{Census, KindCount};
use crate::ledger::Audit;

/// Complaints that are spelled out.
const COMPLAINTS_MAX: usize = 20;

/// Holdings, counted and compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct HoldingCount {
    /// In the store before and after.
    pub(crate) total_before: u64,
    pub(crate) total_after: u64,
    pub(crate) held: u64,
    pub(crate) on_ground: u64,
    /// In the store before and not after.
    pub(crate) lost: u64,
    /// In the store after and not before, or in more than one place.
    pub(crate) doubled: u64,
    /// Bots whose holdings as told differ from the store's rows.
    pub(crate) players_wrong: u64,
    /// Events that cannot be: a holding that came twice, or went without having been there.
    pub(crate) contradictions: u64,
    pub(crate) collected: u64,
    pub(crate) gives: u64,
    /// Those across a border, while measured.
    pub(crate) gives_across_border: Share,
}

/// A number of the whole swarm, and the least of any bot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Share {
    pub(crate) total: u64,
    pub(crate) min_per_player: Option<u64>,
}

/// The swarm's own players, and creatures, counted and compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct PopulationCount {
    pub(crate) players_expected: u64,
    pub(crate) players: u64,
    /// Players simulated beside these: somebody else's, and bodies of sessions that are over.
    pub(crate) others: u64,
    /// Entities that are there and should not be, or the other way round.
    pub(crate) entities_wrong: u64,
}

/// Everything the oracle says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Findings {
    pub(crate) commands: Audit,
    pub(crate) holdings: HoldingCount,
    pub(crate) population: PopulationCount,
    /// What is wrong, in words; the first few.
    pub(crate) complaints: Vec<String>,
}

impl Findings {
    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(complaint);
        }
    }
}

/// One thing that is not as it should be. While others play, a count may see something under way; what two counts see
/// alike is not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// In the store before, and not any more.
    HoldingLost(u64),
    /// In the store, and not before.
    HoldingNew(u64),
    /// In the store more than once.
    HoldingTwice(u64),
    /// Of a kind there are so many more than were made and not destroyed.
    Sum { kind: u32, surplus: i64 },
    /// Regions show it where the store does not have it, or do not show it where it lies.
    HoldingShown {
        holding: u64,
        lies_in: Option<u32>,
        shown_in: Vec<u32>,
    },
    /// A bot was told of others than the store has for it.
    Purse {
        user: UserId,
        told: Vec<u64>,
        rows: Vec<u64>,
    },
    /// One of the swarm's players whom no region simulates.
    Missing(UserId),
    /// One whom several do.
    Doubled { user: UserId, regions: Vec<u32> },
    /// A region whose entities are not its players and what was made less what was taken away: so many too many.
    Balance { region: u32, surplus: i64 },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HoldingLost(holding) => {
                write!(f, "holding {holding} was in the store, and is not any more")
            }
            Self::HoldingNew(holding) => write!(f, "holding {holding} is in the store, and was not"),
            Self::Sum { kind, surplus } => write!(
                f,
                "of kind {kind} there are {surplus} holdings more than were made and not destroyed"
            ),
            Self::HoldingTwice(holding) => write!(f, "holding {holding} is in the store more than once"),
            Self::HoldingShown {
                holding,
                lies_in: Some(region),
                shown_in,
            } => write!(
                f,
                "holding {holding} lies in region {region} by the store, and regions {shown_in:?} show it"
            ),
            Self::HoldingShown {
                holding, shown_in, ..
            } => write!(
                f,
                "holding {holding} lies nowhere by the store, and regions {shown_in:?} show it"
            ),
            Self::Purse { user, told, rows } => write!(
                f,
                "holdings of user {}: was told {told:?}, the store says {rows:?}",
                user.0
            ),
            Self::Missing(user) => write!(f, "user {} is simulated nowhere", user.0),
            Self::Doubled { user, regions } => {
                write!(f, "user {} is simulated in regions {regions:?}", user.0)
            }
            Self::Balance { region, surplus } => write!(
                f,
                "region {region} has {surplus} entities more than its players and what was made less what was taken away"
            ),
        }
    }
}

/// What looks wrong at one count. `before`: the count before the first bot came.
pub(crate) fn look(records: &[Record], before: &Census, now: &Census) -> BTreeSet<Wrong> {
    let mut wrongs = BTreeSet::new();
    holdings_in_store(before, now, &mut wrongs);
    holdings_shown(now, &mut wrongs);
    purses(records, now, &mut wrongs);
    population(records, now, &mut wrongs);
    wrongs
}

fn holdings_in_store(before: &Census, now: &Census, wrongs: &mut BTreeSet<Wrong>) {
    let ids = |census: &Census| {
        census
            .holdings
            .iter()
            .map(|holding| holding.id)
            .collect::<BTreeSet<u64>>()
    };
    let (earlier, later) = (ids(before), ids(now));
    // What rules make and destroy is counted by whoever does it, in the same commit.
    let all = |census: &Census, of: fn(&KindCount) -> u64| census.counts.iter().map(of).sum::<u64>();
    let since = |of| all(now, of).saturating_sub(all(before, of));
    let lost: Vec<u64> = earlier.difference(&later).copied().collect();
    if lost.len() as u64 > since(|kind| kind.burned) {
        wrongs.extend(lost.into_iter().map(Wrong::HoldingLost));
    }
    let new: Vec<u64> = later.difference(&earlier).copied().collect();
    if new.len() as u64 > since(|kind| kind.minted) {
        wrongs.extend(new.into_iter().map(Wrong::HoldingNew));
    }
    let off = now.counts.iter().filter(|kind| kind.surplus() != 0);
    wrongs.extend(off.map(|kind| Wrong::Sum {
        kind: kind.kind,
        surplus: kind.surplus(),
    }));
    let mut seen = BTreeSet::new();
    let twice = now.holdings.iter().filter(|holding| !seen.insert(holding.id));
    wrongs.extend(twice.map(|holding| Wrong::HoldingTwice(holding.id)));
}

fn holdings_shown(now: &Census, wrongs: &mut BTreeSet<Wrong>) {
    let mut places: BTreeMap<u64, (Option<u32>, Vec<u32>)> = BTreeMap::new();
    for holding in &now.holdings {
        if let (None, Some(region)) = (holding.user, holding.region) {
            places.entry(holding.id).or_default().0 = Some(region);
        }
    }
    for region in &now.regions {
        for holding in &region.holdings {
            places.entry(*holding).or_default().1.push(region.region);
        }
    }
    let wrong = places.into_iter().filter(|(_, (lies_in, shown_in))| {
        let agree = matches!((lies_in, &shown_in[..]), (Some(lies), [shown]) if lies == shown);
        !agree
    });
    wrongs.extend(wrong.map(|(holding, (lies_in, shown_in))| Wrong::HoldingShown {
        holding,
        lies_in,
        shown_in,
    }));
}

fn purses(records: &[Record], now: &Census, wrongs: &mut BTreeSet<Wrong>) {
    let mut rows: BTreeMap<UserId, BTreeSet<u64>> = BTreeMap::new();
    for holding in &now.holdings {
        if let Some(user) = holding.user {
            rows.entry(UserId(user)).or_default().insert(holding.id);
        }
    }
    let nothing = BTreeSet::new();
    for record in records.iter().filter(|record| !record.is_gone) {
        let rows = rows.get(&record.user).unwrap_or(&nothing);
        if rows != record.purse.held() {
            wrongs.insert(Wrong::Purse {
                user: record.user,
                told: record.purse.held().iter().copied().collect(),
                rows: rows.iter().copied().collect(),
            });
        }
    }
}

fn population(records: &[Record], now: &Census, wrongs: &mut BTreeSet<Wrong>) {
    for record in records {
        let places = now.players.get(&record.user).map_or(&[][..], Vec::as_slice);
        match places {
            // Bodies of sessions that are over linger for the grace time, and are then no more.
            [] if record.is_gone => {}
            [] => {
                wrongs.insert(Wrong::Missing(record.user));
            }
            [_] => {}
            [..] => {
                let regions = places.iter().map(|place| place.region).collect();
                let user = record.user;
                wrongs.insert(Wrong::Doubled { user, regions });
            }
        }
    }
    for region in &now.regions {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let (made, taken) = (signed(region.spawned), signed(region.despawned));
        let balance = signed(region.players) + made - taken.min(made + signed(region.players));
        let surplus = signed(region.population) - balance;
        if surplus != 0 {
            let region = region.region;
            wrongs.insert(Wrong::Balance { region, surplus });
        }
    }
}

/// Judges, when everything of the swarm has come to rest. `wrongs`: what stayed wrong from count to count.
pub(crate) fn judge(
    records: &[Record],
    before: &Census,
    after: &Census,
    wrongs: &BTreeSet<Wrong>,
) -> Findings {
    let mut findings = Findings {
        holdings: holding_count(records, before, after),
        population: population_count(records, after),
        ..Findings::default()
    };
    commands(records, after, &mut findings);
    for wrong in wrongs {
        match wrong {
            Wrong::HoldingLost(_) => findings.holdings.lost += 1,
            Wrong::HoldingNew(_) | Wrong::HoldingTwice(_) | Wrong::HoldingShown { .. } => {
                findings.holdings.doubled += 1;
            }
            Wrong::Sum { surplus, .. } if *surplus < 0 => findings.holdings.lost += surplus.unsigned_abs(),
            Wrong::Sum { surplus, .. } => findings.holdings.doubled += surplus.unsigned_abs(),
            Wrong::Purse { .. } => findings.holdings.players_wrong += 1,
            Wrong::Missing(_) => findings.population.entities_wrong += 1,
            Wrong::Doubled { regions, .. } => {
                findings.population.entities_wrong += regions.len().saturating_sub(1) as u64;
            }
            Wrong::Balance { surplus, .. } => findings.population.entities_wrong += surplus.unsigned_abs(),
        }
        findings.complain(wrong.to_string());
    }
    for record in records.iter().filter(|record| record.purse.contradictions > 0) {
        let times = record.purse.contradictions;
        findings.complain(format!(
            "user {} was told {times} times of a holding what cannot be",
            record.user.0
        ));
    }
    findings
}

fn commands(records: &[Record], after: &Census, findings: &mut Findings) {
    for record in records {
        let row = after.chains.get(&record.user).copied();
        let audit = record.ledger.audit(row);
        findings.commands.add(&audit);
        let wrong = [audit.durable, audit.soft]
            .map(|fate| fate.lost + fate.duplicated + fate.reordered)
            .iter()
            .sum::<u64>()
            + audit.unexplained;
        if wrong > 0 {
            let last = row.map(|row| row.last_command);
            findings.complain(format!(
                "commands of user {}: {audit:?}, the row's last is {last:?}",
                record.user.0
            ));
        }
    }
}

fn holding_count(records: &[Record], before: &Census, after: &Census) -> HoldingCount {
    let purses = || records.iter().map(|record| &record.purse);
    let across = || purses().map(|purse| u64::from(purse.gives_across));
    let held = after
        .holdings
        .iter()
        .filter(|holding| holding.user.is_some())
        .count();
    HoldingCount {
        total_before: before.holdings.len() as u64,
        total_after: after.holdings.len() as u64,
        held: held as u64,
        on_ground: (after.holdings.len() - held) as u64,
        contradictions: purses().map(|purse| u64::from(purse.contradictions)).sum(),
        collected: purses().map(|purse| u64::from(purse.collected)).sum(),
        gives: purses().map(|purse| u64::from(purse.gives)).sum(),
        gives_across_border: Share {
            total: across().sum(),
            min_per_player: across().min(),
        },
        ..HoldingCount::default()
    }
}

fn population_count(records: &[Record], after: &Census) -> PopulationCount {
    let here = records.iter().filter(|record| !record.is_gone);
    let expected = here.clone().count() as u64;
    let simulated = |record: &&Record| after.players.contains_key(&record.user);
    let players = here.filter(simulated).count() as u64;
    PopulationCount {
        players_expected: expected,
        players,
        others: after.all_players().saturating_sub(players),
        entities_wrong: 0,
    }
}

#[cfg(test)]
mod tests;
