//! The judge: compares what every bot was told with what the cluster's store and regions say.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::UserId;
use serde::Serialize;

use crate::bot::Record;
use crate::census::Census;
use crate::ledger::Audit;

/// Complaints that are spelled out.
const COMPLAINTS_MAX: usize = 20;

/// Gems, counted and compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct GemCount {
    /// In the store before and after.
    pub(crate) total_before: u64,
    pub(crate) total_after: u64,
    pub(crate) held: u64,
    pub(crate) on_ground: u64,
    /// In the store before and not after.
    pub(crate) lost: u64,
    /// In the store after and not before, or in more than one place.
    pub(crate) doubled: u64,
    /// Bots whose gems as told differ from the store's rows.
    pub(crate) players_wrong: u64,
    /// Events that cannot be: a gem that came twice, or went without having been there.
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
    pub(crate) min_per_player: u64,
}

/// Players and creatures, counted and compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct PopulationCount {
    pub(crate) players_expected: u64,
    pub(crate) players: u64,
    /// Entities that are there and should not be, or the other way round.
    pub(crate) entities_wrong: u64,
}

/// Everything the oracle says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Findings {
    pub(crate) commands: Audit,
    pub(crate) gems: GemCount,
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

/// Judges. `before`: the count before the first bot came; `after`: when all stood still.
pub(crate) fn judge(records: &[Record], before: &Census, after: &Census) -> Findings {
    let mut findings = Findings::default();
    commands(records, after, &mut findings);
    gems(records, before, after, &mut findings);
    population(records, before, after, &mut findings);
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

fn gems(records: &[Record], before: &Census, after: &Census, findings: &mut Findings) {
    let ids = |census: &Census| census.gems.iter().map(|gem| gem.id).collect::<BTreeSet<u64>>();
    let (earlier, later) = (ids(before), ids(after));
    let mut of_user: BTreeMap<UserId, BTreeSet<u64>> = BTreeMap::new();
    let mut on_ground = BTreeSet::new();
    for gem in &after.gems {
        match gem.user {
            Some(user) => {
                of_user.entry(UserId(user)).or_default().insert(gem.id);
            }
            None => {
                on_ground.insert(gem.id);
            }
        }
    }
    let count = &mut findings.gems;
    (count.total_before, count.total_after) = (before.gems.len() as u64, after.gems.len() as u64);
    count.held = of_user.values().map(|gems| gems.len() as u64).sum();
    count.on_ground = on_ground.len() as u64;
    count.lost = earlier.difference(&later).count() as u64;
    let twice_in_store = after.gems.len() - later.len();
    count.doubled =
        (later.difference(&earlier).count() + twice_in_store + shown_wrong(after, &on_ground)) as u64;
    let purses = || records.iter().map(|record| &record.purse);
    count.contradictions = purses().map(|purse| u64::from(purse.contradictions)).sum();
    count.collected = purses().map(|purse| u64::from(purse.collected)).sum();
    count.gives = purses().map(|purse| u64::from(purse.gives)).sum();
    let across = || purses().map(|purse| u64::from(purse.gives_across));
    count.gives_across_border = Share {
        total: across().sum(),
        min_per_player: across().min().unwrap_or(0),
    };
    let nothing = BTreeSet::new();
    for record in records.iter().filter(|record| !record.is_gone) {
        let rows = of_user.get(&record.user).unwrap_or(&nothing);
        if rows != record.purse.held() {
            findings.gems.players_wrong += 1;
            findings.complain(format!(
                "gems of user {}: was told {:?}, the store says {rows:?}",
                record.user.0,
                record.purse.held()
            ));
        }
    }
}

/// Gems that regions show and the store has not on the ground, the other way round, and those shown in two regions.
fn shown_wrong(after: &Census, on_ground: &BTreeSet<u64>) -> usize {
    let shown: Vec<u64> = after
        .regions
        .iter()
        .flat_map(|region| region.gems.iter().copied())
        .collect();
    let distinct: BTreeSet<u64> = shown.iter().copied().collect();
    distinct.symmetric_difference(on_ground).count() + shown.len() - distinct.len()
}

fn population(records: &[Record], before: &Census, after: &Census, findings: &mut Findings) {
    let here = records.iter().filter(|record| !record.is_gone).count() as u64;
    // Those whose session ended linger for the grace time; they may be counted or not.
    let lingering = records.iter().filter(|record| record.is_gone).count() as u64;
    let expected = before.players() + here;
    findings.population.players_expected = expected;
    findings.population.players = after.players();
    let surplus = after.players().saturating_sub(expected);
    let missing = expected.saturating_sub(after.players());
    if missing > 0 || surplus > lingering {
        let players = after.players();
        findings.population.entities_wrong += missing.max(surplus.saturating_sub(lingering));
        findings.complain(format!(
            "{players} players are simulated, {expected} are expected"
        ));
    }
    for region in &after.regions {
        let balance = region.players + region.spawned - region.despawned.min(region.spawned + region.players);
        if balance != region.population {
            findings.population.entities_wrong += balance.abs_diff(region.population);
            findings.complain(format!(
                "region {}: {} entities, but {} players and {} made less {} taken away",
                region.region, region.population, region.players, region.spawned, region.despawned
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::{GemRow, RegionCount};
    use protocol::demo::Event;

    fn held(id: u64, user: u64) -> GemRow {
        GemRow {
            id,
            user: Some(user),
            region: None,
        }
    }

    fn lying(id: u64) -> GemRow {
        GemRow {
            id,
            user: None,
            region: Some(1),
        }
    }

    /// One region with two creatures, and what lies there.
    fn census(gems: Vec<GemRow>, players: u64) -> Census {
        let on_ground: Vec<u64> = gems
            .iter()
            .filter(|gem| gem.user.is_none())
            .map(|gem| gem.id)
            .collect();
        let spawned = 2 + on_ground.len() as u64;
        let region = RegionCount {
            region: 1,
            players,
            population: players + spawned,
            spawned,
            gems: on_ground,
            gems_known: true,
            ..RegionCount::default()
        };
        Census {
            regions: vec![region],
            gems,
            chains: BTreeMap::new(),
        }
    }

    fn record(user: u64, gems: &[u64]) -> Record {
        let mut record = Record {
            user: UserId(user),
            ..Record::default()
        };
        for gem in gems {
            record.purse.handle(&Event::Collected { gem: *gem });
        }
        record
    }

    #[test]
    fn all_is_well_when_rows_and_bots_agree() {
        let records = [record(7, &[1]), record(8, &[])];
        let findings = judge(
            &records,
            &census(vec![lying(1), lying(2)], 0),
            &census(vec![held(1, 7), lying(2)], 2),
        );
        assert_eq!(findings.complaints, Vec::<String>::new());
        let gems = &findings.gems;
        assert_eq!((gems.lost, gems.doubled, gems.players_wrong), (0, 0, 0));
        assert_eq!((gems.held, gems.on_ground, gems.collected), (1, 1, 1));
        assert_eq!(findings.population.entities_wrong, 0);
    }

    #[test]
    fn a_gem_lost_doubled_or_in_wrong_hands_is_found() {
        let before = census(vec![lying(1), lying(2)], 0);
        let lost = judge(&[record(7, &[])], &before, &census(vec![lying(2)], 1));
        assert_eq!((lost.gems.lost, lost.gems.doubled), (1, 0));
        let doubled = census(vec![lying(1), lying(2), held(3, 7)], 1);
        let doubled = judge(&[record(7, &[3])], &before, &doubled);
        assert_eq!((doubled.gems.lost, doubled.gems.doubled), (0, 1));
        let wrong = judge(
            &[record(7, &[1]), record(8, &[])],
            &before,
            &census(vec![held(1, 8), lying(2)], 2),
        );
        assert_eq!(wrong.gems.players_wrong, 2);
        let mut shown = census(vec![held(1, 7), lying(2)], 1);
        shown.regions[0].gems.push(1);
        assert_eq!(judge(&[record(7, &[1])], &before, &shown).gems.doubled, 1);
    }

    #[test]
    fn missing_and_surplus_players_and_entities_are_found() {
        let nothing = census(Vec::new(), 0);
        let records = [record(7, &[]), record(8, &[])];
        for (players, wrong) in [(1, 1), (2, 0), (3, 1)] {
            let findings = judge(&records, &nothing, &census(Vec::new(), players));
            assert_eq!(findings.population.entities_wrong, wrong, "{players}");
        }
        let mut doubled = census(Vec::new(), 2);
        doubled.regions[0].population += 1;
        assert_eq!(judge(&records, &nothing, &doubled).population.entities_wrong, 1);
    }
}
