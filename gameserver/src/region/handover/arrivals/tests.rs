//! What is kept of those who may be about to arrive, and what makes them arrive.

use super::*;
use crate::region::RegionEffect;
use protocol::ids::{EventNumber, RegionEpoch, SessionGeneration};
use protocol::message::checked::UserSays;

const B: Serving = Serving {
    node: NodeNumber(2),
    region: RegionNumber(2),
    region_epoch: RegionEpoch(3),
};
const USER: UserId = UserId(5);
const EPOCH: OwnerEpoch = OwnerEpoch(4);

fn sender(attempt: u64, version: u64) -> Sender {
    Sender {
        node: NodeNumber(1),
        region: RegionNumber(1),
        attempt: AttemptId(attempt),
        version: StateVersion(version),
    }
}

/// The row after the CAS of an attempt.
fn row(attempt: u64) -> PlayerRow {
    PlayerRow {
        user: USER,
        owner: Some(B.node),
        region: B.region,
        region_epoch: B.region_epoch,
        owner_epoch: EPOCH,
        attempt: AttemptId(attempt),
        version: Default::default(),
        entity: Default::default(),
        body: Default::default(),
    }
}

fn questions(out: &mut Outgoing) -> usize {
    let effects = out.take().into_iter();
    effects
        .filter(|effect| matches!(effect, RegionEffect::Store(..)))
        .count()
}

/// The question for holdings, if it is among what is asked.
fn holdings_asked(out: &mut Outgoing) -> Option<HoldingsQuestion> {
    let effects = out.take().into_iter();
    let tickets = effects.filter_map(|effect| match effect {
        RegionEffect::Store(ticket, _) => Some(ticket),
        _ => None,
    });
    let asked: Vec<Asked> = tickets.filter_map(|ticket| out.answered(ticket)).collect();
    asked.into_iter().find_map(|asked| match asked {
        Asked::ArrivalHoldings(_, question) => Some(question),
        _ => None,
    })
}

fn announced() -> Arrivals {
    let mut arrivals = Arrivals::new(B);
    arrivals.prepare(USER, EPOCH, sender(9, 7), 1_000);
    arrivals
}

#[test]
fn a_shadow_is_only_a_reason_to_look_at_the_row_and_only_the_row_makes_it_more() {
    let (mut arrivals, mut out) = (announced(), Outgoing::default());
    let before = PlayerRow {
        owner: Some(NodeNumber(1)),
        owner_epoch: OwnerEpoch(3),
        ..row(8)
    };
    assert_eq!(
        arrivals.row_read(USER, Some(&before), 1_000, &mut out),
        RowSays::Nothing
    );
    assert_eq!(
        arrivals.row_read(USER, Some(&row(8)), 1_000, &mut out),
        RowSays::Nothing,
        "another attempt"
    );
    let earlier_service = PlayerRow {
        region_epoch: RegionEpoch(2),
        ..row(9)
    };
    assert_eq!(
        arrivals.row_read(USER, Some(&earlier_service), 1_000, &mut out),
        RowSays::Elsewhere
    );
    let later_owner = PlayerRow {
        owner_epoch: OwnerEpoch(5),
        ..row(9)
    };
    assert_eq!(
        arrivals.row_read(USER, Some(&later_owner), 1_000, &mut out),
        RowSays::Elsewhere
    );
    arrivals.read_row(USER, 1_000, &mut out);
    assert_eq!(questions(&mut out), 1);
    assert_eq!(
        arrivals.row_read(USER, Some(&row(9)), 1_000, &mut out),
        RowSays::Here
    );
    assert!(
        arrivals.take_arrived(USER).is_none(),
        "its holdings are not known"
    );
    let question = holdings_asked(&mut out).unwrap();
    arrivals.holdings_read(USER, question, Belongings::default());
    let arrived = arrivals.take_arrived(USER).unwrap();
    assert_eq!((arrived.row, arrived.sender), (row(9), Some(sender(9, 7))));
    assert_eq!(arrivals.len(), 0);
}

#[test]
fn holdings_are_those_of_a_moment_after_the_commit() {
    let (mut arrivals, mut out) = (announced(), Outgoing::default());
    arrivals.read_row(USER, 1_000, &mut out);
    assert_eq!(
        holdings_asked(&mut out),
        None,
        "its former server may still change them"
    );
    assert_eq!(
        arrivals.row_read(USER, Some(&row(9)), 1_010, &mut out),
        RowSays::Here
    );
    let first = holdings_asked(&mut out).unwrap();
    // The commit is heard of: both are asked at once, and what was asked before counts no more.
    assert!(arrivals.commit(USER, EPOCH, sender(9, 7), 1_020));
    arrivals.read_row(USER, 1_020, &mut out);
    let second = holdings_asked(&mut out).unwrap();
    arrivals.holdings_read(USER, first, Belongings::default());
    assert_eq!(
        arrivals.row_read(USER, Some(&row(9)), 1_030, &mut out),
        RowSays::Here
    );
    assert!(arrivals.take_arrived(USER).is_none());
    assert_eq!(holdings_asked(&mut out), None, "they are asked for");
    // Another attempt is announced: its holdings are those after its own commit.
    arrivals.prepare(USER, EPOCH, sender(10, 8), 1_040);
    arrivals.holdings_read(USER, second, Belongings::default());
    arrivals.read_row(USER, 1_040, &mut out);
    assert_eq!(
        arrivals.row_read(USER, Some(&row(10)), 1_050, &mut out),
        RowSays::Here
    );
    assert!(arrivals.take_arrived(USER).is_none());
    let third = holdings_asked(&mut out).unwrap();
    arrivals.holdings_read(USER, third, Belongings::default());
    assert!(arrivals.take_arrived(USER).is_some());
}

#[test]
fn what_was_read_before_a_commit_was_heard_of_is_read_again() {
    let (mut arrivals, mut out) = (announced(), Outgoing::default());
    arrivals.read_row(USER, 1_000, &mut out);
    assert!(arrivals.commit(USER, EPOCH, sender(9, 7), 1_050));
    arrivals.read_row(USER, 1_050, &mut out);
    assert_eq!(questions(&mut out), 1, "one question at a time");
    let before = PlayerRow {
        owner_epoch: OwnerEpoch(3),
        ..row(8)
    };
    assert_eq!(
        arrivals.row_read(USER, Some(&before), 1_060, &mut out),
        RowSays::ReadAgain
    );
    let turned = arrivals.turn_away(USER).unwrap();
    assert_eq!(turned.done, Some((EPOCH, sender(9, 7))));
}

#[test]
fn of_one_node_only_newer_words_count_and_of_two_the_row_decides() {
    let mut arrivals = announced();
    assert!(arrivals.is_news(USER, EPOCH, sender(9, 7)), "the same once more");
    assert!(!arrivals.is_news(USER, EPOCH, sender(10, 7)));
    assert!(!arrivals.is_news(USER, EPOCH, sender(9, 6)));
    assert!(arrivals.is_news(USER, EPOCH, sender(10, 8)));
    let other_node = Sender {
        node: NodeNumber(3),
        ..sender(10, 1)
    };
    assert!(arrivals.is_news(USER, OwnerEpoch(1), other_node));
    assert!(
        !arrivals.commit(USER, OwnerEpoch(3), sender(8, 6), 1_000),
        "it is over"
    );
    assert!(arrivals.commit(USER, OwnerEpoch(3), other_node, 1_000));
}

#[test]
fn who_does_not_come_is_forgotten_and_asked_about_less_and_less() {
    let (mut arrivals, mut out) = (announced(), Outgoing::default());
    arrivals.read_again(999 + READ_MS, &mut out);
    assert_eq!(questions(&mut out), 0);
    arrivals.read_again(1_000 + READ_MS, &mut out);
    assert_eq!(questions(&mut out), 1);
    assert_eq!(arrivals.row_read(USER, None, 1_250, &mut out), RowSays::Nothing);
    arrivals.read_row(USER, 1_000 + EARLY_MS, &mut out);
    arrivals.row_read(USER, None, 3_100, &mut out);
    out.take();
    arrivals.read_again(3_000 + READ_MS, &mut out);
    assert_eq!(questions(&mut out), 0, "the source has been silent for long");
    assert_eq!(arrivals.take_over(999 + SHADOW_MS), []);
    assert_eq!(arrivals.take_over(1_000 + SHADOW_MS), [USER]);
}

#[test]
fn early_messages_are_few_and_their_senders_take_no_room_from_who_is_announced() {
    let (mut arrivals, mut out) = (announced(), Outgoing::default());
    let ack = |user, owner_epoch| UserWord {
        user,
        owner_epoch,
        says: UserSays::EventAck(SessionGeneration(1), EventNumber(0)),
    };
    let lane = LiveLane::default();
    for user in 100..100 + EARLY_ONLY_MAX as u64 {
        arrivals.keep_early(lane, ack(UserId(user), EPOCH), 1_000, &mut out);
    }
    out.take();
    arrivals.keep_early(lane, ack(UserId(99), EPOCH), 1_000, &mut out);
    assert_eq!(out.take(), [RegionEffect::Count("early_full")]);
    for _ in 0..EARLY_MAX {
        arrivals.keep_early(lane, ack(USER, EPOCH), 1_000, &mut out);
    }
    assert_eq!(out.take(), [], "it is announced");
    arrivals.keep_early(lane, ack(USER, EPOCH), 1_000, &mut out);
    arrivals.keep_early(lane, ack(UserId(100), OwnerEpoch(3)), 1_000, &mut out);
    let refused = RegionEffect::Count("early_refused");
    assert_eq!(out.take(), [refused.clone(), refused]);
    assert_eq!(arrivals.take_over(1_000 + EARLY_MS).len(), EARLY_ONLY_MAX);
}
