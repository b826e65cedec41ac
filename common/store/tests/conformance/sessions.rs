//! Sessions end: by a newer login, by a logout, by their time. What is asked for whom nobody owns has to come from one that lasts.

use protocol::ids::*;
use store::*;

use crate::scene::*;

/// Ann, logged out of a region that B serves now.
fn logged_out(scene: &Scene) -> (PlayerRow, Serving) {
    let row = scene.spawn(ANN, scene.serve(A, WEST));
    let release = StoreRequest::Release {
        serving: under(A, &row),
        save: save(&row, 2),
    };
    assert_eq!(scene.ask(release), StoreReply::Released);
    (scene.row(ANN), scene.serve(B, WEST))
}

fn generation(row: &PlayerRow) -> SessionGeneration {
    row.body.binding.session_generation
}

fn of(row: &PlayerRow, generation: SessionGeneration) -> PlayerRow {
    let mut row = row.clone();
    row.body.binding.session_generation = generation;
    row
}

fn end(row: &PlayerRow) -> StoreRequest {
    StoreRequest::EndSession {
        user: row.user,
        generation: generation(row),
    }
}

fn extend(row: &PlayerRow) -> StoreRequest {
    StoreRequest::ExtendSession {
        user: row.user,
        generation: generation(row),
    }
}

pub(crate) fn whom_nobody_owns_is_activated_for_the_newest_login_alone(scene: &Scene) {
    let (free, west) = logged_out(scene);
    let forged = of(&free, SessionGeneration(generation(&free).0 + 1));
    assert_eq!(
        scene.ask(activate(&forged, west)),
        StoreReply::SessionOver,
        "nobody has logged in since"
    );
    let newest = of(&free, scene.log_in(ANN));
    assert_eq!(scene.ask(activate(&free, west)), StoreReply::SessionOver);
    assert_eq!(scene.row(ANN), free, "nothing was changed");
    let elsewhere = Serving { node: A, ..west };
    assert_eq!(
        scene.ask(activate(&free, elsewhere)),
        StoreReply::Refused(vec![free.clone()]),
        "what else is wrong is said first"
    );
    let StoreReply::Activated(back) = scene.ask(activate(&newest, west)) else {
        panic!("the newest login is not let in");
    };
    assert_eq!((back.owner, generation(&back)), (Some(B), generation(&newest)));
}

pub(crate) fn a_session_that_was_ended_brings_nobody_back(scene: &Scene) {
    let (free, west) = logged_out(scene);
    let newest = of(&free, scene.log_in(ANN));
    assert_eq!(
        scene.ask(end(&free)),
        StoreReply::SessionOver,
        "a late word of an older login"
    );
    assert_eq!(scene.ask(extend(&free)), StoreReply::SessionOver);
    assert_eq!(scene.ask(extend(&newest)), StoreReply::SessionExtended);
    for _ in 0..2 {
        assert_eq!(scene.ask(end(&newest)), StoreReply::SessionOver);
    }
    assert_eq!(
        scene.ask(extend(&newest)),
        StoreReply::SessionOver,
        "it stays over"
    );
    assert_eq!(scene.ask(activate(&newest, west)), StoreReply::SessionOver);
    let again = of(&free, scene.log_in(ANN));
    assert!(generation(&again) > generation(&newest));
    let back = scene.ask(activate(&again, west));
    assert!(matches!(back, StoreReply::Activated(_)), "{back:?}");
    // Nobody has ever logged in.
    let stranger = PlayerRow { user: BOB, ..again };
    assert_eq!(scene.ask(extend(&stranger)), StoreReply::SessionOver);
    assert_eq!(scene.ask(end(&stranger)), StoreReply::SessionOver);
}

pub(crate) fn a_session_lasts_until_its_end_and_can_be_extended(scene: &Scene) {
    let (free, west) = logged_out(scene);
    (scene.lapse)();
    assert_eq!(scene.ask(activate(&free, west)), StoreReply::SessionOver);
    assert_eq!(scene.row(ANN), free);
    // The store was away while its ticket was renewed.
    assert_eq!(scene.ask(extend(&free)), StoreReply::SessionExtended);
    let back = scene.ask(activate(&free, west));
    assert!(matches!(back, StoreReply::Activated(_)), "{back:?}");
}

pub(crate) fn whoever_is_owned_is_activated_though_the_session_is_over(scene: &Scene) {
    let row = scene.spawn(ANN, scene.serve(A, WEST));
    let west = scene.serve(B, WEST);
    scene.ask(end(&row));
    (scene.lapse)();
    // Its server has died with it: the player is the region's, and whoever serves that may go on.
    let back = scene.ask(activate(&row, west));
    assert!(matches!(back, StoreReply::Activated(_)), "{back:?}");
}
