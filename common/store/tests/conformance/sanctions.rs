//! What operators do to users and networks.

use std::collections::BTreeSet;

use protocol::ids::*;
use protocol::network::Network;
use store::limits::{SANCTION_REASON_BYTES_MAX, SANCTIONS_READ_MAX};
use store::sanction::{FOREVER_MS, SanctionPage};
use store::*;

use crate::scene::*;

fn new(subject: Subject, kind: SanctionKind, for_ms: Option<u64>) -> StoreRequest {
    StoreRequest::Account(AccountRequest::Sanction(NewSanction {
        subject,
        kind,
        for_ms,
        reason: "because".to_owned(),
    }))
}

fn done(scene: &Scene, subject: Subject, kind: SanctionKind, for_ms: Option<u64>) -> Sanction {
    match scene.ask(new(subject, kind, for_ms)) {
        StoreReply::Account(AccountReply::Sanctioned(sanction)) => sanction,
        other => panic!("{other:?}"),
    }
}

fn refused(scene: &Scene, subject: Subject, kind: SanctionKind) -> AccountReply {
    match scene.ask(new(subject, kind, None)) {
        StoreReply::Account(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn page(store: &std::sync::Arc<dyn Store>, after: u64) -> SanctionPage {
    match ask(
        store,
        StoreRequest::Account(AccountRequest::ReadSanctions { after }),
    ) {
        StoreReply::Account(AccountReply::Sanctions(page)) => page,
        other => panic!("{other:?}"),
    }
}

fn login(scene: &Scene, user: UserId) -> SessionGeneration {
    match scene.ask(StoreRequest::RaiseSession { user }) {
        StoreReply::Session(generation) => generation,
        other => panic!("{other:?}"),
    }
}

fn network(text: &str) -> Subject {
    Subject::Network(Network::parse(text).unwrap())
}

pub(crate) fn a_kick_raises_the_session_in_the_same_step_and_is_read_in_order(scene: &Scene) {
    assert_eq!(page(&scene.store, 0).rows, []);
    let before = [ANN, BOB].map(|user| login(scene, user));
    let kicks = [ANN, BOB].map(|user| done(scene, Subject::User(user), SanctionKind::Kick, None));
    for ((kick, before), user) in kicks.iter().zip(before).zip([ANN, BOB]) {
        assert_eq!(kick.subject, Subject::User(user));
        assert_eq!((kick.kind, kick.reason.as_str()), (SanctionKind::Kick, "because"));
        assert_eq!(kick.until_ms, kick.at_ms);
        assert!(kick.generation > before);
        let session = scene.ask(StoreRequest::ReadSession { user });
        assert_eq!(session, StoreReply::Session(kick.generation));
        assert!(login(scene, user) > kick.generation, "a login of later counts");
    }
    let read = page(&scene.other, 0);
    assert_eq!((read.store_generation, read.newest), (1, kicks[1].seq));
    assert_eq!(read.rows, kicks);
    assert_eq!(page(&scene.store, kicks[0].seq).rows, kicks[1..]);
    let nothing = page(&scene.store, kicks[1].seq);
    assert_eq!((nothing.newest, nothing.rows), (kicks[1].seq, Vec::new()));
    scene.ask(StoreRequest::RaiseStoreGeneration);
    assert_eq!(page(&scene.other, 0).store_generation, 2);
}

pub(crate) fn a_ban_lasts_until_it_is_over_or_lifted_and_its_shorter_successor_counts(scene: &Scene) {
    let ann = Subject::User(ANN);
    let before = login(scene, ANN);
    assert_eq!(refused(scene, ann, SanctionKind::Unban), AccountReply::NoneToLift);
    let long = done(scene, ann, SanctionKind::Ban, None);
    assert!(long.generation > before);
    assert_eq!(long.until_ms, FOREVER_MS);
    let short = done(scene, ann, SanctionKind::Ban, Some(60_000));
    assert_eq!(short.until_ms, short.at_ms + 60_000);
    let kick = done(scene, ann, SanctionKind::Kick, None);
    let lifted = done(scene, ann, SanctionKind::Unban, None);
    assert_eq!(lifted.generation, SessionGeneration(0), "it ends nothing");
    assert_eq!(refused(scene, ann, SanctionKind::Unban), AccountReply::NoneToLift);
    // One that is over cannot be lifted either.
    done(scene, ann, SanctionKind::Ban, Some(0));
    assert_eq!(refused(scene, ann, SanctionKind::Unban), AccountReply::NoneToLift);
    let read = page(&scene.store, 0);
    assert_eq!(read.rows[..4], [long, short, kick, lifted]);
    let mut sanctions = Sanctions::default();
    let now_ms = read.rows.last().unwrap().until_ms;
    sanctions.take(page(&scene.other, 0), now_ms);
    assert_eq!(sanctions.check_user(ANN, now_ms), Ok(()));
    assert!(sanctions.check_session(ANN, before, now_ms).is_err());
}

pub(crate) fn a_mute_ends_no_session_and_lasts_until_it_is_over_or_lifted(scene: &Scene) {
    let ann = Subject::User(ANN);
    assert_eq!(refused(scene, ann, SanctionKind::Mute), AccountReply::NoUser);
    assert_eq!(
        refused(scene, ann, SanctionKind::Unmute),
        AccountReply::NoneToLift
    );
    let session = login(scene, ANN);
    done(scene, ann, SanctionKind::Ban, None);
    assert_eq!(
        refused(scene, ann, SanctionKind::Unmute),
        AccountReply::NoneToLift,
        "a ban is no mute"
    );
    done(scene, ann, SanctionKind::Unban, None);
    let session = login(scene, ANN).max(session);
    let mute = done(scene, ann, SanctionKind::Mute, Some(60_000));
    assert_eq!(mute.generation, SessionGeneration(0), "it ends nothing");
    assert_eq!(mute.until_ms, mute.at_ms + 60_000);
    assert_eq!(refused(scene, ann, SanctionKind::Unban), AccountReply::NoneToLift);
    assert_eq!(
        scene.ask(StoreRequest::ReadSession { user: ANN }),
        StoreReply::Session(session)
    );
    let read = || {
        let mut sanctions = Sanctions::default();
        sanctions.take(page(&scene.other, 0), mute.at_ms);
        assert_eq!(sanctions.check_session(ANN, session, mute.at_ms), Ok(()));
        sanctions.mutes(mute.at_ms)
    };
    assert_eq!(read(), Mutes::from([(ANN, mute.until_ms)]));
    done(scene, ann, SanctionKind::Kick, None);
    assert_eq!(
        done(scene, ann, SanctionKind::Unmute, None).generation,
        SessionGeneration(0)
    );
    assert_eq!(
        refused(scene, ann, SanctionKind::Unmute),
        AccountReply::NoneToLift
    );
    let mut sanctions = Sanctions::default();
    sanctions.take(page(&scene.other, 0), mute.at_ms);
    assert_eq!(sanctions.mutes(mute.at_ms), Mutes::new());
    let muted = done(scene, ann, SanctionKind::Mute, None);
    assert_eq!(muted.until_ms, FOREVER_MS);
    assert_eq!(
        page(&scene.other, muted.seq - 1).rows,
        [muted],
        "read from the start as well, however old"
    );
}

pub(crate) fn networks_are_banned_and_nobody_who_is_unknown_is(scene: &Scene) {
    let nobody = Subject::User(UserId(99));
    for kind in [SanctionKind::Kick, SanctionKind::Ban] {
        assert_eq!(refused(scene, nobody, kind), AccountReply::NoUser);
    }
    assert_eq!(
        refused(scene, nobody, SanctionKind::Unban),
        AccountReply::NoneToLift
    );
    for (text, written) in [
        ("203.0.113.9/24", "203.0.113.0/24"),
        ("2001:db8::7/48", "2001:db8::/48"),
    ] {
        let ban = done(scene, network(text), SanctionKind::Ban, Some(u64::MAX));
        assert_eq!((ban.generation, ban.until_ms), (SessionGeneration(0), FOREVER_MS));
        assert_eq!(ban.subject, network(written));
        assert_eq!(page(&scene.other, ban.seq - 1).rows, [ban]);
        assert_eq!(
            refused(scene, network("198.51.100.0/24"), SanctionKind::Unban),
            AccountReply::NoneToLift
        );
        done(scene, network(written), SanctionKind::Unban, None);
    }
    let limits = [
        new(network("203.0.113.0/24"), SanctionKind::Kick, None),
        new(network("203.0.113.0/24"), SanctionKind::Mute, None),
        new(Subject::User(UserId(u64::MAX)), SanctionKind::Ban, None),
        StoreRequest::Account(AccountRequest::Sanction(NewSanction {
            subject: network("203.0.113.0/24"),
            kind: SanctionKind::Ban,
            for_ms: None,
            reason: "x".repeat(SANCTION_REASON_BYTES_MAX + 1),
        })),
    ];
    for request in limits {
        let answered = scene.store.execute(std::slice::from_ref(&request));
        assert!(
            matches!(answered[..], [Err(StoreError::Invalid(_))]),
            "{request:?}"
        );
    }
}

pub(crate) fn an_account_is_banned_before_its_first_login(scene: &Scene) {
    let ann = Subject::User(ANN);
    for kind in [SanctionKind::Kick, SanctionKind::Ban, SanctionKind::Mute] {
        assert_eq!(refused(scene, ann, kind), AccountReply::NoUser);
    }
    let made = NewAccount {
        user: ANN,
        name: "Ann".to_owned(),
        fold: "ann".to_owned(),
        look: "ann".to_owned(),
        verifier: Verifier("$argon2id$".to_owned()),
        identity: None,
    };
    let create = StoreRequest::Account(AccountRequest::Create(Box::new(made)));
    assert_eq!(scene.ask(create), StoreReply::Account(AccountReply::Created));
    done(scene, ann, SanctionKind::Mute, None);
    let ban = done(scene, ann, SanctionKind::Ban, None);
    let mut sanctions = Sanctions::default();
    sanctions.take(page(&scene.other, 0), ban.at_ms);
    assert!(sanctions.check_user(ANN, ban.at_ms).is_err());
    done(scene, ann, SanctionKind::Unban, None);
    assert!(
        login(scene, ANN) > ban.generation,
        "what comes after the ban is newer"
    );
}

pub(crate) fn sanctions_are_read_in_portions(scene: &Scene) {
    let count = SANCTIONS_READ_MAX + 3;
    let ban = new(network("203.0.113.0/24"), SanctionKind::Ban, None);
    for portion in vec![ban; count].chunks(64) {
        assert!(scene.store.execute(portion).iter().all(Result::is_ok));
    }
    let first = page(&scene.store, 0);
    assert_eq!(
        (first.rows.len(), first.newest),
        (SANCTIONS_READ_MAX, count as u64)
    );
    assert_eq!(first.next, Some(SANCTIONS_READ_MAX as u64));
    let rest = page(&scene.store, first.rows.last().unwrap().seq);
    assert_eq!((rest.rows.len(), rest.newest, rest.next), (3, count as u64, None));
}

// A number that is given before another one and committed behind it would never be read.
pub(crate) fn whoever_has_seen_a_number_has_seen_all_below_it(scene: &Scene) {
    const EACH: u64 = 40;
    for user in [ANN, BOB] {
        login(scene, user);
    }
    let write = |store: &std::sync::Arc<dyn Store>, user| {
        for _ in 0..EACH {
            ask(store, new(Subject::User(user), SanctionKind::Kick, None));
        }
    };
    let mut seen = BTreeSet::new();
    std::thread::scope(|scope| {
        let one = scope.spawn(|| write(&scene.store, ANN));
        let other = scope.spawn(|| write(&scene.other, BOB));
        let mut read_to = 0;
        while seen.len() < 2 * EACH as usize {
            let is_over = one.is_finished() && other.is_finished();
            let page = page(&scene.store, read_to);
            seen.extend(page.rows.iter().map(|row| row.seq));
            read_to = page.newest;
            assert!(
                !is_over || seen.len() == 2 * EACH as usize,
                "one was not read: {seen:?}"
            );
        }
    });
    assert_eq!(seen, (1..=2 * EACH).collect());
}
