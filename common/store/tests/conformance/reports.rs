//! What players report of one another.

use protocol::ids::*;
use store::report::*;
use store::*;

use crate::scene::*;

fn reply(scene: &Scene, request: AccountRequest) -> AccountReply {
    match scene.ask(StoreRequest::Account(request)) {
        StoreReply::Account(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn new(by: UserId, about: UserId) -> NewReport {
    NewReport {
        by,
        about,
        why: "spam".to_owned(),
        lines: "Bob: buy gems\nBob: buy gems".to_owned(),
    }
}

fn report(scene: &Scene, by: UserId, about: UserId) -> AccountReply {
    reply(scene, AccountRequest::Report(Box::new(new(by, about))))
}

fn read(scene: &Scene, after: u64, with_closed: bool) -> ReportPage {
    let read = AccountRequest::ReadReports { after, with_closed };
    match ask(&scene.other, StoreRequest::Account(read)) {
        StoreReply::Account(AccountReply::Reports(page)) => page,
        other => panic!("{other:?}"),
    }
}

fn close(scene: &Scene, id: u64) -> AccountReply {
    let note = "muted".to_owned();
    reply(scene, AccountRequest::CloseReport { id, note })
}

pub(crate) fn a_report_is_read_until_it_is_closed_and_a_reporter_is_held_to_a_few(scene: &Scene) {
    assert_eq!(read(scene, 0, true).rows, []);
    let mut numbers = Vec::new();
    for _ in 0..REPORTS_EACH_MAX {
        match report(scene, ANN, BOB) {
            AccountReply::Reported(id) => numbers.push(id),
            other => panic!("{other:?}"),
        }
    }
    assert!(numbers.is_sorted_by(|a, b| a < b));
    assert_eq!(report(scene, ANN, UserId(13)), AccountReply::TooManyReports);
    assert!(matches!(report(scene, BOB, ANN), AccountReply::Reported(_)));
    let all = read(scene, 0, false);
    assert_eq!((all.rows.len(), all.next), (REPORTS_EACH_MAX + 1, None));
    let first = &all.rows[0];
    assert_eq!((first.id, &first.what), (numbers[0], &new(ANN, BOB)));
    assert!(first.closed.is_none());

    assert_eq!(close(scene, numbers[0]), AccountReply::ReportClosed);
    assert_eq!(close(scene, numbers[0]), AccountReply::NoReport);
    assert_eq!(close(scene, 999), AccountReply::NoReport);
    let open = read(scene, 0, false);
    assert_eq!(open.rows, all.rows[1..]);
    let closed = read(scene, 0, true).rows.swap_remove(0);
    let (at_ms, note) = closed.closed.unwrap();
    assert!(at_ms >= closed.at_ms && note == "muted");
    assert_eq!(
        report(scene, ANN, BOB),
        AccountReply::TooManyReports,
        "closed ones count as well"
    );
    assert_eq!(read(scene, numbers[2], true).rows, all.rows[3..]);
}

pub(crate) fn reports_are_read_in_portions_and_what_breaks_a_limit_is_refused(scene: &Scene) {
    let count = REPORTS_READ_MAX as u64 + 3;
    let many: Vec<StoreRequest> = (0..count)
        .map(|by| AccountRequest::Report(Box::new(new(UserId(100 + by), BOB))))
        .map(StoreRequest::Account)
        .collect();
    for portion in many.chunks(64) {
        assert!(scene.store.execute(portion).iter().all(Result::is_ok));
    }
    let first = read(scene, 0, false);
    assert_eq!(first.rows.len(), REPORTS_READ_MAX);
    let rest = read(scene, first.next.unwrap(), false);
    assert_eq!((rest.rows.len(), rest.next), (3, None));
    let broken = [
        NewReport {
            why: "x".repeat(REPORT_WHY_BYTES_MAX + 1),
            ..new(ANN, BOB)
        },
        NewReport {
            why: "a\nb".to_owned(),
            ..new(ANN, BOB)
        },
        NewReport {
            lines: "x".repeat(REPORT_LINES_BYTES_MAX + 1),
            ..new(ANN, BOB)
        },
        NewReport {
            lines: "a\u{1b}[0m".to_owned(),
            ..new(ANN, BOB)
        },
        new(UserId(u64::MAX), BOB),
    ];
    for report in broken {
        let request = StoreRequest::Account(AccountRequest::Report(Box::new(report)));
        let answered = scene.store.execute(std::slice::from_ref(&request));
        assert!(
            matches!(answered[..], [Err(StoreError::Invalid(_))]),
            "{request:?}"
        );
    }
}
