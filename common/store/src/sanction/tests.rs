//! What counts of rows that were read, and how long.

use super::*;

const ANN: UserId = UserId(11);
const NOW: u64 = 1_000_000_000;

fn row(seq: u64, kind: SanctionKind, generation: u64, until_ms: u64) -> Sanction {
    Sanction {
        seq,
        subject: Subject::User(ANN),
        kind,
        generation: SessionGeneration(generation),
        at_ms: NOW,
        until_ms,
        reason: format!("because of {seq}"),
    }
}

fn page(rows: Vec<Sanction>) -> SanctionPage {
    SanctionPage {
        store_generation: 1,
        newest: rows.last().map_or(0, |row| row.seq),
        rows,
        next: None,
    }
}

fn read(rows: Vec<Sanction>) -> Sanctions {
    let mut sanctions = Sanctions::default();
    let taken = sanctions.take(page(rows), NOW);
    assert!(matches!(taken, Taken::All(_)), "{taken:?}");
    sanctions
}

fn session(sanctions: &Sanctions, generation: u64, now_ms: u64) -> Result<(), Barred> {
    sanctions.check_session(ANN, SessionGeneration(generation), now_ms)
}

fn kicked(seq: u64) -> Result<(), Barred> {
    let reason = format!("because of {seq}");
    Err(Barred::Kicked { reason })
}

#[test]
fn a_kick_ends_what_was_and_nothing_that_begins_after_it() {
    let sanctions = read(vec![row(1, SanctionKind::Kick, 5, NOW)]);
    assert_eq!(session(&sanctions, 4, NOW), kicked(1));
    assert_eq!(session(&sanctions, 5, NOW), Ok(()), "a later login");
    let (whose, _) = sanctions.ending(Subject::User(ANN), NOW).unwrap();
    let from = IpAddr::from([127, 0, 0, 1]);
    let ends = |user, generation| whose.holds(user, SessionGeneration(generation), from);
    assert_eq!(
        [ends(ANN, 4), ends(ANN, 5), ends(UserId(12), 4)],
        [true, false, false]
    );
    assert_eq!(sanctions.check_user(ANN, NOW), Ok(()));
    assert_eq!(
        sanctions.check_session(UserId(12), SessionGeneration(1), NOW),
        Ok(())
    );
}

#[test]
fn a_ban_keeps_out_every_session_until_it_is_over_or_lifted() {
    let until = NOW + 60_000;
    let sanctions = read(vec![row(1, SanctionKind::Ban, 5, until)]);
    let banned = Err(Barred::Banned {
        until_ms: until,
        reason: "because of 1".to_owned(),
    });
    for generation in [4, 9] {
        assert_eq!(session(&sanctions, generation, until - 1), banned);
    }
    assert_eq!(sanctions.check_user(ANN, until - 1), banned);
    assert_eq!(sanctions.check_user(ANN, until), Ok(()));
    assert_eq!(session(&sanctions, 4, until), kicked(1), "its tickets stay dead");
    let lifted = read(vec![
        row(1, SanctionKind::Ban, 5, FOREVER_MS),
        row(2, SanctionKind::Unban, 0, NOW),
    ]);
    assert_eq!(lifted.check_user(ANN, NOW), Ok(()));
    assert_eq!(session(&lifted, 4, NOW), kicked(1));
}

#[test]
fn a_kick_does_not_lift_a_ban() {
    let sanctions = read(vec![
        row(1, SanctionKind::Ban, 5, FOREVER_MS),
        row(2, SanctionKind::Kick, 6, NOW),
    ]);
    assert!(matches!(
        sanctions.check_user(ANN, NOW),
        Err(Barred::Banned { .. })
    ));
}

#[test]
fn a_mute_keeps_nobody_out_and_is_kept_until_it_is_over() {
    let until = NOW + 2 * SANCTION_READ_MS;
    let mut sanctions = read(vec![
        row(1, SanctionKind::Mute, 0, until),
        row(2, SanctionKind::Kick, 5, NOW),
    ]);
    assert_eq!(sanctions.check_user(ANN, NOW), Ok(()));
    assert_eq!(session(&sanctions, 5, NOW), Ok(()));
    assert_eq!(sanctions.mutes(NOW), Mutes::from([(ANN, until)]));
    let nothing = SanctionPage {
        newest: 2,
        ..page(Vec::new())
    };
    sanctions.take(nothing.clone(), until - 1);
    assert_eq!(sanctions.mutes(until - 1), Mutes::from([(ANN, until)]));
    assert_eq!(sanctions.mutes(until), Mutes::new());
    sanctions.take(nothing, until);
    assert!(sanctions.is_empty());
    let lifted = read(vec![
        row(1, SanctionKind::Mute, 0, FOREVER_MS),
        row(2, SanctionKind::Unmute, 0, NOW),
    ]);
    assert_eq!(lifted.mutes(NOW), Mutes::new());
}

#[test]
fn a_banned_network_keeps_out_its_addresses_alone() {
    let network = Network::parse("203.0.113.0/24").unwrap();
    let of_network = |seq, kind| Sanction {
        subject: Subject::Network(network),
        ..row(seq, kind, 0, FOREVER_MS)
    };
    let mut sanctions = read(vec![of_network(1, SanctionKind::Ban)]);
    let from = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(sanctions.check_network(from("::ffff:203.0.113.9"), NOW).is_err());
    let (whose, _) = sanctions.ending(Subject::Network(network), NOW).unwrap();
    let ends = |text: &str| whose.holds(ANN, SessionGeneration(7), from(text));
    assert_eq!([ends("203.0.113.9"), ends("203.0.114.9")], [true, false]);
    assert_eq!(sanctions.check_network(from("203.0.114.9"), NOW), Ok(()));
    sanctions.take(page(vec![of_network(2, SanctionKind::Unban)]), NOW);
    assert_eq!(sanctions.check_network(from("203.0.113.9"), NOW), Ok(()));
    assert_eq!(sanctions.ending(Subject::Network(network), NOW), None);
}

#[test]
fn what_no_ticket_can_need_any_more_is_forgotten() {
    let mut sanctions = read(vec![row(1, SanctionKind::Kick, 5, NOW)]);
    let later = |sanctions: &mut Sanctions, now_ms| {
        let page = SanctionPage {
            store_generation: 1,
            newest: 1,
            rows: Vec::new(),
            next: None,
        };
        assert_eq!(sanctions.take(page, now_ms), Taken::All(Vec::new()));
    };
    // Renewed for the last time as the store came back, and good for its own time then.
    later(&mut sanctions, NOW + 2 * TICKET_LIFETIME_MS_MAX);
    assert_eq!(sanctions.len(), 1);
    later(&mut sanctions, NOW + SANCTION_READ_MS);
    assert!(sanctions.is_empty());
}

#[test]
fn a_kick_that_is_read_late_ends_what_there_is() {
    let mut sanctions = Sanctions::default();
    let late_ms = NOW + 10 * SANCTION_READ_MS;
    sanctions.take(page(vec![row(1, SanctionKind::Kick, 5, NOW)]), late_ms);
    assert_eq!(session(&sanctions, 4, late_ms), kicked(1));
    assert!(sanctions.ending(Subject::User(ANN), late_ms).is_some());
}

#[test]
fn pages_follow_each_other_and_a_store_that_went_back_is_read_anew() {
    let full: Vec<_> = (1..=crate::limits::SANCTIONS_READ_MAX as u64)
        .map(|seq| row(seq, SanctionKind::Kick, seq, NOW))
        .collect();
    let last = full.len() as u64;
    let first = SanctionPage {
        newest: last + 7,
        next: Some(last),
        ..page(full)
    };
    let mut sanctions = Sanctions::default();
    assert!(matches!(sanctions.take(first, NOW), Taken::More(_)));
    assert_eq!(sanctions.read_to(), last);
    let rest = page(vec![row(last + 7, SanctionKind::Kick, 900, NOW)]);
    assert_eq!(
        sanctions.take(rest.clone(), NOW),
        Taken::All(vec![Subject::User(ANN)])
    );
    assert_eq!(sanctions.read_to(), last + 7);
    let back = SanctionPage {
        newest: last,
        rows: Vec::new(),
        ..rest.clone()
    };
    assert_eq!(sanctions.clone().take(back, NOW), Taken::Anew);
    let restored = SanctionPage {
        store_generation: 2,
        ..rest
    };
    assert_eq!(sanctions.take(restored, NOW), Taken::Anew);
}
