//! Users with a password.

use protocol::ids::*;
use store::limits::{GUEST_IDLE_MS_MIN, GUEST_USER_FIRST};
use store::request::ForgottenGuest;
use store::*;

use crate::scene::*;

/// What was a guest.
const GUEST: UserId = UserId(GUEST_USER_FIRST + 7);

fn verifier(text: &str) -> Verifier {
    Verifier(format!("$argon2id${text}"))
}

fn account(user: UserId, name: &str) -> NewAccount {
    NewAccount {
        user,
        name: name.to_owned(),
        fold: name.to_lowercase(),
        look: name.to_lowercase().replace('0', "o"),
        verifier: verifier("first"),
        identity: None,
    }
}

fn create(new: NewAccount) -> StoreRequest {
    StoreRequest::Account(AccountRequest::Create(Box::new(new)))
}

fn set_password(user: UserId, was: &str, to: &str) -> StoreRequest {
    let (was, verifier) = (verifier(was), verifier(to));
    StoreRequest::Account(AccountRequest::SetPassword { user, was, verifier })
}

fn allow_reset(user: UserId, for_ms: u64) -> StoreRequest {
    StoreRequest::Account(AccountRequest::AllowReset {
        user,
        code_hash: [7; 32],
        for_ms,
    })
}

fn delete(user: UserId) -> StoreRequest {
    delete_if(user, None)
}

fn delete_if(user: UserId, was: Option<&str>) -> StoreRequest {
    let (was, reason) = (was.map(verifier), "as asked".to_owned());
    StoreRequest::Account(AccountRequest::Delete { user, was, reason })
}

fn reply(scene: &Scene, request: StoreRequest) -> AccountReply {
    match scene.ask(request) {
        StoreReply::Account(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn read(scene: &Scene, key: AccountKey) -> Option<Account> {
    // As another process sees it.
    match ask(&scene.other, StoreRequest::Account(AccountRequest::Read(key))) {
        StoreReply::Account(AccountReply::Account(account)) => account.map(|account| *account),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn an_account_is_made_once_under_a_name_that_is_nobody_elses(scene: &Scene) {
    assert_eq!(read(scene, AccountKey::User(ANN)), None);
    assert_eq!(reply(scene, create(account(ANN, "Bob"))), AccountReply::Created);
    let made = read(scene, AccountKey::User(ANN)).unwrap();
    assert_eq!((made.user, made.name.as_str()), (ANN, "Bob"));
    assert_eq!(
        (made.verifier.clone(), made.reset_hash),
        (verifier("first"), None)
    );
    assert_eq!(
        read(scene, AccountKey::Fold("bob".to_owned())),
        Some(made.clone())
    );
    assert_eq!(read(scene, AccountKey::Fold("Bob".to_owned())), None);
    assert_eq!(
        reply(scene, create(account(ANN, "Ann"))),
        AccountReply::HasAccount
    );
    for taken in ["Bob", "BOB", "b0b"] {
        assert_eq!(reply(scene, create(account(BOB, taken))), AccountReply::NameTaken);
    }
    assert_eq!(
        reply(scene, create(account(BOB, "می\u{200c}خواهم"))),
        AccountReply::Created
    );
    assert_eq!(read(scene, AccountKey::User(ANN)), Some(made));
    let broken = [
        create(account(UserId(u64::MAX), "x")),
        create(account(UserId(99), "")),
        create(account(UserId(99), &"x".repeat(1_025))),
        create(NewAccount {
            verifier: Verifier("x".repeat(257)),
            ..account(UserId(99), "x")
        }),
    ];
    for request in broken {
        let answered = scene.store.execute(std::slice::from_ref(&request));
        assert!(
            matches!(answered[..], [Err(StoreError::Invalid(_))]),
            "{request:?}"
        );
    }
}

pub(crate) fn another_password_ends_all_sessions_and_of_two_who_set_it_one_does(scene: &Scene) {
    assert_eq!(
        reply(scene, set_password(ANN, "first", "second")),
        AccountReply::NoAccount
    );
    reply(scene, create(account(ANN, "Ann")));
    let session = scene.log_in(ANN);
    let AccountReply::Sanctioned(done) = reply(scene, set_password(ANN, "first", "second")) else {
        panic!("not set");
    };
    assert_eq!(
        (done.subject, done.kind),
        (Subject::User(ANN), SanctionKind::Password)
    );
    assert!(done.generation > session);
    let now = scene.ask(StoreRequest::ReadSession { user: ANN });
    assert_eq!(now, StoreReply::Session(done.generation));
    assert_eq!(
        reply(scene, set_password(ANN, "first", "third")),
        AccountReply::OtherPassword
    );
    let found = read(scene, AccountKey::User(ANN)).unwrap();
    assert_eq!(found.verifier, verifier("second"));
    let page = reply(
        scene,
        StoreRequest::Account(AccountRequest::ReadSanctions { after: 0 }),
    );
    let AccountReply::Sanctions(page) = page else {
        panic!("{page:?}");
    };
    assert_eq!(page.rows, std::slice::from_ref(&done));
    let mut sanctions = Sanctions::default();
    sanctions.take(page, done.at_ms);
    assert!(sanctions.check_session(ANN, session, done.at_ms).is_err());
    assert_eq!(sanctions.check_session(ANN, done.generation, done.at_ms), Ok(()));
}

pub(crate) fn a_code_lets_a_password_be_set_until_it_was_or_its_time_is_over(scene: &Scene) {
    let hash = |scene: &Scene| read(scene, AccountKey::User(ANN)).unwrap().reset_hash;
    assert_eq!(reply(scene, allow_reset(ANN, 60_000)), AccountReply::NoAccount);
    reply(scene, create(account(ANN, "Ann")));
    assert!(matches!(
        reply(scene, allow_reset(ANN, 60_000)),
        AccountReply::ResetUntil(_)
    ));
    assert_eq!(hash(scene), Some([7; 32]));
    reply(scene, set_password(ANN, "first", "second"));
    assert_eq!(hash(scene), None);
    reply(scene, allow_reset(ANN, 0));
    assert_eq!(hash(scene), None);
    assert!(matches!(
        reply(scene, allow_reset(ANN, u64::MAX)),
        AccountReply::ResetUntil(_)
    ));
    assert_eq!(hash(scene), Some([7; 32]));
}

pub(crate) fn a_deleted_account_is_a_guests_again_and_its_name_is_free(scene: &Scene) {
    assert_eq!(reply(scene, delete(ANN)), AccountReply::NoAccount);
    reply(scene, create(account(ANN, "Ann")));
    let session = scene.log_in(ANN);
    let AccountReply::Sanctioned(done) = reply(scene, delete(ANN)) else {
        panic!("not deleted");
    };
    assert_eq!(
        (done.kind, done.reason.as_str()),
        (SanctionKind::Deleted, "as asked")
    );
    assert!(done.generation > session);
    assert_eq!(read(scene, AccountKey::User(ANN)), None);
    assert_eq!(reply(scene, create(account(BOB, "Ann"))), AccountReply::Created);
}

pub(crate) fn whoever_has_an_account_is_never_pruned(scene: &Scene) {
    let serving = scene.serve(A, WEST);
    let mut row = row(GUEST, serving);
    row.body.binding.session_generation = scene.log_in(GUEST);
    let StoreReply::Inserted(row) = scene.ask(StoreRequest::InsertPlayer { row }) else {
        panic!("not inserted");
    };
    let StoreReply::Released = scene.ask(StoreRequest::Release {
        serving,
        save: save(&row, 2),
    }) else {
        panic!("not released");
    };
    // One who never came to play.
    let absent = UserId(GUEST.0 + 1);
    let session = scene.log_in(absent);
    reply(scene, create(account(GUEST, "Gus")));
    reply(scene, create(account(absent, "Abe")));
    (scene.lapse)();
    let stale = |scene: &Scene| match scene.ask(StoreRequest::StaleGuests {
        idle_ms: 0,
        after: None,
    }) {
        StoreReply::StaleGuests { guests, .. } => guests.len(),
        other => panic!("{other:?}"),
    };
    let forget = |scene: &Scene| {
        let guest = ForgottenGuest {
            user: GUEST,
            owner_epoch: scene.row(GUEST).owner_epoch,
            x: 1.0,
            y: 1.0,
        };
        match scene.ask(StoreRequest::ForgetGuests {
            serving,
            idle_ms: 0,
            guests: vec![guest],
        }) {
            StoreReply::Forgotten { guests, .. } => guests,
            other => panic!("{other:?}"),
        }
    };
    let forget_sessions = StoreRequest::ForgetSessions {
        idle_ms: 0,
        after: None,
    };
    assert_eq!((stale(scene), forget(scene)), (0, 0));
    scene.ask(forget_sessions.clone());
    let read = scene.ask(StoreRequest::ReadSession { user: absent });
    assert_eq!(read, StoreReply::Session(session));
    reply(scene, delete(GUEST));
    assert_eq!((stale(scene), forget(scene)), (1, 1));
    assert!(GUEST_IDLE_MS_MIN > 0 && scene.load(GUEST).is_none());
}

pub(crate) fn of_two_who_want_one_name_exactly_one_gets_it(scene: &Scene) {
    for round in 0..20 {
        let name = format!("name {round}");
        let made = |store: &std::sync::Arc<dyn Store>, user: u64| {
            let new = account(UserId(1_000 + 2 * round + user), &name);
            match ask(store, create(new)) {
                StoreReply::Account(AccountReply::Created) => true,
                StoreReply::Account(AccountReply::NameTaken) => false,
                other => panic!("{other:?}"),
            }
        };
        let (one, other) = both(|| made(&scene.store, 0), || made(&scene.other, 1));
        assert!(one != other, "{name} was given {one} {other}");
    }
}

fn keep_device(user: UserId, key: u8, for_ms: u64) -> StoreRequest {
    let key = [key; 32];
    StoreRequest::Account(AccountRequest::KeepDevice { user, key, for_ms })
}

fn device(scene: &Scene, key: u8) -> Option<UserId> {
    let key = [key; 32];
    match ask(
        &scene.other,
        StoreRequest::Account(AccountRequest::ReadDevice { key }),
    ) {
        StoreReply::Account(AccountReply::Device(user)) => user,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn a_device_comes_back_as_its_user_until_its_time_is_over_or_another_password_is_set(
    scene: &Scene,
) {
    assert_eq!(device(scene, 1), None);
    for (user, key, for_ms) in [(ANN, 1, 60_000), (ANN, 2, 0), (BOB, 3, u64::MAX)] {
        assert_eq!(
            reply(scene, keep_device(user, key, for_ms)),
            AccountReply::DeviceKept
        );
    }
    let all = [1, 2, 3].map(|key| device(scene, key));
    assert_eq!(all, [Some(ANN), None, Some(BOB)]);
    reply(scene, keep_device(BOB, 1, 60_000));
    assert_eq!(device(scene, 1), Some(BOB), "a device is one user's");
    reply(scene, keep_device(ANN, 4, 60_000));
    reply(scene, create(account(ANN, "Ann")));
    reply(scene, set_password(ANN, "not this", "second"));
    assert_eq!(device(scene, 4), Some(ANN), "nothing was changed");
    reply(scene, set_password(ANN, "first", "second"));
    assert_eq!((device(scene, 4), device(scene, 3)), (None, Some(BOB)));
    reply(scene, keep_device(ANN, 4, 60_000));
    reply(scene, delete(ANN));
    assert_eq!(device(scene, 4), None);
    // Those that end last stay.
    for key in 10..10 + limits::DEVICES_MAX as u8 + 2 {
        reply(scene, keep_device(ANN, key, 60_000 + u64::from(key) * 1_000));
    }
    let kept = (10..10 + limits::DEVICES_MAX as u8 + 2).filter(|key| device(scene, *key).is_some());
    assert_eq!(
        kept.collect::<Vec<u8>>(),
        (12..10 + limits::DEVICES_MAX as u8 + 2).collect::<Vec<u8>>()
    );
}

pub(crate) fn a_guest_is_kept_while_a_device_may_bring_it_back(scene: &Scene) {
    let serving = scene.serve(A, WEST);
    let guests = [GUEST, UserId(GUEST.0 + 1)];
    for guest in guests {
        let row = scene.spawn(guest, serving);
        let released = scene.ask(StoreRequest::Release {
            serving,
            save: save(&row, 2),
        });
        assert_eq!(released, StoreReply::Released);
    }
    reply(scene, keep_device(guests[0], 1, u64::MAX));
    reply(scene, keep_device(guests[1], 2, 0));
    let all = guests.map(|user| ForgottenGuest {
        user,
        owner_epoch: scene.row(user).owner_epoch,
        x: 1.0,
        y: 1.0,
    });
    let forget = || match scene.ask(StoreRequest::ForgetGuests {
        serving,
        idle_ms: 0,
        guests: all.to_vec(),
    }) {
        StoreReply::Forgotten { guests, .. } => guests,
        other => panic!("{other:?}"),
    };
    assert_eq!(forget(), 1);
    assert!(scene.load(guests[0]).is_some() && scene.load(guests[1]).is_none());
    reply(scene, keep_device(guests[0], 1, 0));
    assert_eq!(forget(), 1);
    assert_eq!(device(scene, 1), None);
}

pub(crate) fn an_account_is_deleted_by_whoever_knows_what_its_password_is_now(scene: &Scene) {
    assert_eq!(
        reply(scene, delete_if(ANN, Some("first"))),
        AccountReply::NoAccount
    );
    reply(scene, create(account(ANN, "Ann")));
    let session = scene.log_in(ANN);
    reply(scene, set_password(ANN, "first", "second"));
    assert_eq!(
        reply(scene, delete_if(ANN, Some("first"))),
        AccountReply::OtherPassword
    );
    assert!(read(scene, AccountKey::User(ANN)).is_some());
    let AccountReply::Sanctioned(done) = reply(scene, delete_if(ANN, Some("second"))) else {
        panic!("not deleted");
    };
    assert_eq!(
        (done.subject, done.kind),
        (Subject::User(ANN), SanctionKind::Deleted)
    );
    assert!(done.generation > session);
    assert_eq!(read(scene, AccountKey::User(ANN)), None);
    assert_eq!(reply(scene, create(account(BOB, "Ann"))), AccountReply::Created);
}

fn identity(issuer: &str, subject: &str) -> Identity {
    Identity {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
    }
}

fn account_of(user: UserId, name: &str, subject: &str) -> NewAccount {
    NewAccount {
        identity: Some(identity("https://id.example", subject)),
        ..account(user, name)
    }
}

pub(crate) fn whoever_is_vouched_for_has_one_account_and_no_other_has_it(scene: &Scene) {
    let key = |issuer, subject| AccountKey::Identity(identity(issuer, subject));
    assert_eq!(read(scene, key("https://id.example", "1")), None);
    assert_eq!(
        reply(scene, create(account_of(ANN, "Ann", "1"))),
        AccountReply::Created
    );
    let made = read(scene, AccountKey::User(ANN)).unwrap();
    assert_eq!(read(scene, key("https://id.example", "1")), Some(made));
    for (issuer, subject) in [
        ("https://id.example", "2"),
        ("https://id.example", "1 "),
        ("https://ID.example", "1"),
    ] {
        assert_eq!(read(scene, key(issuer, subject)), None, "{issuer} {subject}");
    }
    assert_eq!(
        reply(scene, create(account_of(BOB, "Bob", "1"))),
        AccountReply::KnownIdentity
    );
    assert_eq!(
        reply(scene, create(account_of(BOB, "Ann", "2"))),
        AccountReply::NameTaken
    );
    assert_eq!(
        read(scene, key("https://id.example", "2")),
        None,
        "both or neither"
    );
    assert_eq!(
        reply(scene, create(account_of(ANN, "Ann", "2"))),
        AccountReply::HasAccount
    );
    assert_eq!(
        reply(scene, create(account_of(BOB, "Bob", "2"))),
        AccountReply::Created
    );
    // With the account its identity goes: whoever comes again begins anew.
    assert!(matches!(reply(scene, delete(ANN)), AccountReply::Sanctioned(_)));
    assert_eq!(read(scene, key("https://id.example", "1")), None);
    assert_eq!(
        reply(scene, create(account_of(GUEST, "Ann", "1"))),
        AccountReply::Created
    );
    let long = NewAccount {
        identity: Some(identity("x", &"x".repeat(limits::IDENTITY_BYTES_MAX + 1))),
        ..account(UserId(99), "Eve")
    };
    let answered = scene.store.execute(&[create(long)]);
    assert!(matches!(answered[..], [Err(StoreError::Invalid(_))]));
}

pub(crate) fn of_two_who_are_the_same_to_who_vouches_one_is_made(scene: &Scene) {
    for round in 0..8 {
        let subject = round.to_string();
        let (one, other) = both(
            || {
                let new = account_of(UserId(100 + round), &format!("a{round}"), &subject);
                ask(&scene.store, create(new))
            },
            || {
                let new = account_of(UserId(200 + round), &format!("b{round}"), &subject);
                ask(&scene.other, create(new))
            },
        );
        let mut made = [one, other].map(|reply| match reply {
            StoreReply::Account(AccountReply::Created) => 1,
            StoreReply::Account(AccountReply::KnownIdentity) => 0,
            other => panic!("{other:?}"),
        });
        made.sort_unstable();
        assert_eq!(made, [0, 1]);
    }
}

pub(crate) fn what_a_password_is_checked_against_is_made_anew_and_nothing_ends(scene: &Scene) {
    let renew = |was: &str, to: &str| {
        let (was, verifier) = (verifier(was), verifier(to));
        let user = ANN;
        StoreRequest::Account(AccountRequest::RenewVerifier { user, was, verifier })
    };
    assert_eq!(
        reply(scene, renew("first", "second")),
        AccountReply::OtherPassword
    );
    reply(scene, create(account(ANN, "Ann")));
    let session = scene.log_in(ANN);
    reply(scene, keep_device(ANN, 1, 60_000));
    assert_eq!(
        reply(scene, renew("other", "second")),
        AccountReply::OtherPassword
    );
    assert_eq!(
        reply(scene, renew("first", "second")),
        AccountReply::VerifierRenewed
    );
    let found = read(scene, AccountKey::User(ANN)).unwrap();
    assert_eq!(found.verifier, verifier("second"));
    let now = scene.ask(StoreRequest::ReadSession { user: ANN });
    assert_eq!(now, StoreReply::Session(session));
    assert_eq!(device(scene, 1), Some(ANN));
}
