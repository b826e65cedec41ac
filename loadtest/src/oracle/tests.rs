//! What the judge finds in counts that are made up.

use super::*;
use crate::census::{HoldingRow, RegionCount, Whereabouts};
use game::bot::HoldingNews;

fn held(id: u64, user: u64) -> HoldingRow {
    HoldingRow {
        id,
        user: Some(user),
        region: None,
    }
}

fn lying(id: u64) -> HoldingRow {
    HoldingRow {
        id,
        user: None,
        region: Some(1),
    }
}

/// One region with two creatures, what lies there, and these players; anybody else's are `others`.
fn census(holdings: Vec<HoldingRow>, users: &[u64], others: u64) -> Census {
    let on_ground: Vec<u64> = holdings
        .iter()
        .filter(|holding| holding.user.is_none())
        .map(|holding| holding.id)
        .collect();
    let spawned = 2 + on_ground.len() as u64;
    let players = users.len() as u64 + others;
    let region = RegionCount {
        region: 1,
        players,
        population: players + spawned,
        spawned,
        holdings: on_ground,
        holdings_known: true,
        ..RegionCount::default()
    };
    let here = Whereabouts {
        region: 1,
        is_settled: true,
    };
    Census {
        regions: vec![region],
        holdings,
        counts: Vec::new(),
        chains: BTreeMap::new(),
        servers_empty: 0,
        players: users.iter().map(|user| (UserId(*user), vec![here])).collect(),
    }
}

fn record(user: u64, holdings: &[u64]) -> Record {
    let mut record = Record {
        user: UserId(user),
        ..Record::default()
    };
    for holding in holdings {
        record.purse.handle(HoldingNews::Collected(*holding));
    }
    record
}

fn judged(records: &[Record], before: &Census, after: &Census) -> Findings {
    judge(records, before, after, &look(records, before, after))
}

#[test]
fn all_is_well_when_rows_and_bots_agree_whoever_else_plays() {
    let records = [record(7, &[1]), record(8, &[])];
    for others in [0, 5] {
        let findings = judged(
            &records,
            &census(vec![lying(1), lying(2), lying(3)], &[], 73),
            &census(vec![held(1, 7), lying(2), held(3, 99)], &[7, 8], others),
        );
        assert_eq!(findings.complaints, Vec::<String>::new());
        let holdings = &findings.holdings;
        assert_eq!(
            (holdings.lost, holdings.doubled, holdings.players_wrong),
            (0, 0, 0)
        );
        assert_eq!((holdings.held, holdings.on_ground, holdings.collected), (2, 1, 1));
        let population = &findings.population;
        assert_eq!((population.entities_wrong, population.others), (0, others));
    }
}

#[test]
fn what_rules_make_and_destroy_is_believed_as_far_as_it_was_counted() {
    let counted = |census: Census, held, minted, burned| Census {
        counts: vec![KindCount {
            kind: 5,
            held,
            minted,
            burned,
            ..KindCount::default()
        }],
        ..census
    };
    let before = counted(census(vec![held(1, 7)], &[], 0), 1, 1, 0);
    // The first was destroyed, two were made.
    let after = |minted, burned| {
        let rows = vec![held(2, 7), held(3, 7)];
        counted(census(rows, &[7], 0), 2, minted, burned)
    };
    let found = |after: &Census| {
        let holdings = judged(&[record(7, &[2, 3])], &before, after).holdings;
        (holdings.lost, holdings.doubled)
    };
    assert_eq!(found(&after(3, 1)), (0, 0));
    assert_eq!(found(&after(2, 0)), (1, 2), "nobody has counted them all");
    assert_eq!(found(&after(4, 1)), (1, 0), "one was made that is nowhere");
    assert_eq!(found(&after(3, 2)), (0, 1), "one is there that was destroyed");
}

#[test]
fn a_holding_lost_doubled_or_in_wrong_hands_is_found() {
    let before = census(vec![lying(1), lying(2)], &[], 0);
    let lost = judged(&[record(7, &[])], &before, &census(vec![lying(2)], &[7], 0));
    assert_eq!((lost.holdings.lost, lost.holdings.doubled), (1, 0));
    let doubled = census(vec![lying(1), lying(2), held(3, 7)], &[7], 0);
    let doubled = judged(&[record(7, &[3])], &before, &doubled);
    assert_eq!((doubled.holdings.lost, doubled.holdings.doubled), (0, 1));
    let wrong = judged(
        &[record(7, &[1]), record(8, &[])],
        &before,
        &census(vec![held(1, 8), lying(2)], &[7, 8], 0),
    );
    assert_eq!(wrong.holdings.players_wrong, 2);
    let mut shown = census(vec![held(1, 7), lying(2)], &[7], 0);
    shown.regions[0].holdings.push(1);
    let findings = judged(&[record(7, &[1])], &before, &shown);
    assert_eq!(findings.holdings.doubled, 1);
    assert_eq!(
        findings.complaints,
        ["holding 1 lies nowhere by the store, and regions [1] show it"]
    );
    let mut unseen = census(vec![lying(1), lying(2)], &[7], 0);
    unseen.regions[0].holdings.clear();
    assert_eq!(judged(&[record(7, &[])], &before, &unseen).holdings.doubled, 2);
}

#[test]
fn missing_and_doubled_players_and_entities_are_found() {
    let nothing = census(Vec::new(), &[], 0);
    let mut records = [record(7, &[]), record(8, &[])];
    let missing = judged(&records, &nothing, &census(Vec::new(), &[7], 1));
    assert_eq!(missing.population.entities_wrong, 1);
    assert_eq!(missing.complaints, ["user 8 is simulated nowhere"]);
    let mut doubled = census(Vec::new(), &[7, 8], 1);
    let elsewhere = Whereabouts {
        region: 2,
        is_settled: true,
    };
    doubled.players.entry(UserId(8)).or_default().push(elsewhere);
    let doubled = judged(&records, &nothing, &doubled);
    assert_eq!(doubled.population.entities_wrong, 1);
    assert_eq!(doubled.complaints, ["user 8 is simulated in regions [1, 2]"]);
    let mut surplus = census(Vec::new(), &[7, 8], 0);
    surplus.regions[0].population += 1;
    assert_eq!(judged(&records, &nothing, &surplus).population.entities_wrong, 1);
    records[1].is_gone = true;
    for users in [&[7][..], &[7, 8]] {
        let lingering = judged(&records, &nothing, &census(Vec::new(), users, 0));
        assert_eq!(lingering.complaints, Vec::<String>::new(), "{users:?}");
    }
}
