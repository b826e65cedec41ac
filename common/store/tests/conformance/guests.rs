//! Guests that left for good are forgotten, nobody else is, and no holding is lost with them.

use bytes::Bytes;
use protocol::geometry::CellIndex;
use protocol::ids::*;
use store::limits::{BATCH_ROWS_MAX, FORGOTTEN_HOLDINGS_MAX};
use store::request::ForgottenGuest;
use store::*;

use crate::scene::*;

const LONG_MS: u64 = 3_600_000;

fn guest(number: u64) -> UserId {
    UserId((1 << 40) + number)
}

fn stale(scene: &Scene, idle_ms: u64, after: Option<UserId>) -> (Vec<StaleGuest>, Option<UserId>) {
    match scene.ask(StoreRequest::StaleGuests { idle_ms, after }) {
        StoreReply::StaleGuests { guests, next } => (guests, next),
        other => panic!("{other:?}"),
    }
}

fn users(guests: &[StaleGuest]) -> Vec<UserId> {
    guests.iter().map(|guest| guest.user).collect()
}

fn forget(scene: &Scene, serving: Serving, idle_ms: u64, guests: &[StaleGuest]) -> StoreReply {
    let guests = guests.iter().map(|guest| ForgottenGuest {
        user: guest.user,
        owner_epoch: guest.owner_epoch,
        x: 8.5,
        y: 9.5,
    });
    scene.ask(StoreRequest::ForgetGuests {
        serving,
        idle_ms,
        guests: guests.collect(),
    })
}

fn forgotten(guests: u64, holdings: Vec<Holding>) -> StoreReply {
    StoreReply::Forgotten { guests, holdings }
}

fn fallen(id: u64) -> Holding {
    Holding {
        id,
        kind: 7,
        holder: Holder::Ground {
            region: WEST,
            x: 8.5,
            y: 9.5,
        },
        payload: Bytes::new(),
    }
}

fn take(scene: &Scene, row: &PlayerRow, holdings: std::ops::Range<u64>) {
    let take = |holding| HoldingChange::Take {
        holding,
        region: WEST,
    };
    for (version, chunk) in (2..).zip(holdings.collect::<Vec<_>>().chunks(64)) {
        let changes: Vec<_> = chunk.iter().map(|holding| take(*holding)).collect();
        assert_eq!(
            scene.commit(A, save(row, version), &changes),
            CommitOutcome::Applied
        );
    }
}

fn log_out(scene: &Scene, row: &PlayerRow) {
    let save = save(row, 100);
    let released = scene.ask(StoreRequest::Release {
        serving: under(A, row),
        save,
    });
    assert_eq!(released, StoreReply::Released);
}

pub(crate) fn stale_guests_go_with_their_sessions_and_nobody_else(scene: &Scene) {
    let west = scene.serve(A, WEST);
    for user in [ANN, guest(1), guest(2), guest(3)] {
        scene.ask(StoreRequest::RaiseSession { user });
        let row = scene.spawn(user, west);
        if user != guest(2) {
            log_out(scene, &row);
        }
    }
    assert_eq!(
        stale(scene, LONG_MS, None),
        (Vec::new(), None),
        "nobody is that old"
    );
    let (found, next) = stale(scene, 0, None);
    assert_eq!(
        users(&found),
        [guest(1), guest(3)],
        "one is owned, one is no guest"
    );
    assert_eq!(next, None);
    assert_eq!(found[0].region, WEST);
    assert_eq!(found[0].home_cell, CellIndex(100));
    assert_eq!(users(&stale(scene, 0, Some(guest(1))).0), [guest(3)]);
    assert_eq!(forget(scene, west, LONG_MS, &found), forgotten(0, Vec::new()));
    assert_eq!(forget(scene, west, 0, &found), forgotten(2, Vec::new()));
    assert_eq!((scene.load(guest(1)), scene.load(guest(3))), (None, None));
    let session = |user| scene.ask(StoreRequest::ReadSession { user });
    assert_eq!(session(guest(1)), StoreReply::Session(SessionGeneration(0)));
    assert_ne!(session(guest(2)), StoreReply::Session(SessionGeneration(0)));
    assert!(scene.load(ANN).is_some() && scene.load(guest(2)).is_some());
    // Its owner was restarted: nobody has it any more.
    let again = scene.serve(A, WEST);
    let (found, _) = stale(scene, 0, None);
    assert_eq!(users(&found), [guest(2)]);
    assert_eq!(
        forget(scene, west, 0, &found),
        StoreReply::NotServing(Some(again.region_epoch)),
        "who does not serve the ground has nobody's holdings put there"
    );
    assert_eq!(forget(scene, again, 0, &found), forgotten(1, Vec::new()));
}

pub(crate) fn a_guest_whose_login_has_ended_is_stale_whoever_owns_it(scene: &Scene) {
    let west = scene.serve(A, WEST);
    for user in [ANN, guest(1), guest(2), guest(3)] {
        scene.spawn(user, west);
    }
    assert_eq!(stale(scene, 0, None), (Vec::new(), None), "all may be there");
    for user in [ANN, guest(1), guest(3)] {
        let StoreReply::Session(generation) = scene.ask(StoreRequest::ReadSession { user }) else {
            panic!()
        };
        scene.ask(StoreRequest::EndSession { user, generation });
    }
    assert_eq!(
        stale(scene, LONG_MS, None).0,
        Vec::new(),
        "it has only just ended"
    );
    let (found, _) = stale(scene, 0, None);
    assert_eq!(users(&found), [guest(1), guest(3)]);
    // One logs in again before it is its turn.
    scene.ask(StoreRequest::RaiseSession { user: guest(3) });
    assert_eq!(forget(scene, west, 0, &found), forgotten(1, Vec::new()));
    assert_eq!(scene.load(guest(1)), None);
    for user in [ANN, guest(2), guest(3)] {
        assert!(scene.load(user).is_some(), "{user}");
    }
}

pub(crate) fn what_a_forgotten_guest_holds_lies_on_the_ground_and_the_sum_stays(scene: &Scene) {
    let west = scene.serve(A, WEST);
    scene.seed(10);
    let (one, other) = (scene.spawn(guest(1), west), scene.spawn(guest(2), west));
    take(scene, &one, 0..3);
    take(scene, &other, 5..6);
    log_out(scene, &one);
    log_out(scene, &other);
    let (found, _) = stale(scene, 0, None);
    // One comes back meanwhile: what was found of it does not count any more.
    let back = scene.ask(activate(&scene.row(guest(2)), west));
    assert!(matches!(back, StoreReply::Activated(_)));
    let fell = (0..3).map(fallen).collect();
    assert_eq!(forget(scene, west, 0, &found), forgotten(1, fell));
    assert_eq!(
        forget(scene, west, 0, &found),
        forgotten(0, Vec::new()),
        "twice is once"
    );
    let StoreReply::HoldingCounts(counts) = scene.ask(StoreRequest::CountHoldings) else {
        panic!()
    };
    assert_eq!((counts[0].held, counts[0].on_ground), (1, 9));
    let lying = scene.holdings(StoreRequest::HoldingsOnGround { region: WEST });
    assert_eq!(lying.len(), 9);
    // A gift to who is forgotten does not come through, and stays with the giver.
    let giver = scene.row(guest(2));
    let gift = HoldingChange::Give {
        holding: 5,
        to: guest(1),
    };
    assert_eq!(
        scene.commit(A, save(&giver, 101), &[gift]),
        CommitOutcome::NoReceiver(5)
    );
}

pub(crate) fn portions_of_guests_and_of_holdings_are_bounded_and_end(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let count = BATCH_ROWS_MAX as u64 + 6;
    let held = FORGOTTEN_HOLDINGS_MAX as u64 + 44;
    scene.seed(held);
    for number in 0..count {
        let row = scene.spawn(guest(number), west);
        if number == 0 {
            take(scene, &row, 0..held);
        }
        log_out(scene, &row);
    }
    let (first, next) = stale(scene, 0, None);
    assert_eq!(
        (first.len(), next),
        (BATCH_ROWS_MAX, Some(guest(BATCH_ROWS_MAX as u64 - 1)))
    );
    let (second, end) = stale(scene, 0, next);
    assert_eq!((second.len(), end), (6, None));
    let StoreReply::Forgotten { guests, holdings } = forget(scene, west, 0, &first) else {
        panic!()
    };
    assert_eq!((guests, holdings.len()), (0, FORGOTTEN_HOLDINGS_MAX));
    assert!(scene.load(guest(0)).is_some(), "it holds the rest");
    let StoreReply::Forgotten { guests, holdings } = forget(scene, west, 0, &first) else {
        panic!()
    };
    assert_eq!((guests, holdings.len()), (BATCH_ROWS_MAX as u64, 44));
    assert_eq!(users(&stale(scene, 0, None).0), users(&second));
}

pub(crate) fn sessions_of_guests_that_never_came_are_forgotten(scene: &Scene) {
    let west = scene.serve(A, WEST);
    for user in [ANN, guest(1), guest(2)] {
        scene.ask(StoreRequest::RaiseSession { user });
    }
    scene.spawn(guest(2), west);
    let forget = |idle_ms, after| scene.ask(StoreRequest::ForgetSessions { idle_ms, after });
    let gone = |sessions| StoreReply::SessionsForgotten { sessions, next: None };
    assert_eq!(forget(LONG_MS, None), gone(0));
    assert_eq!(forget(0, Some(guest(1))), gone(0));
    assert_eq!(forget(0, None), gone(1));
    for (user, is_there) in [(ANN, true), (guest(1), false), (guest(2), true)] {
        let session = scene.ask(StoreRequest::ReadSession { user });
        assert_eq!(session != StoreReply::Session(SessionGeneration(0)), is_there);
    }
}
