//! The border between wire messages and typed values: every limit at its last good and first bad value (MS).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test says so")]

use bytes::Bytes;
use protocol::cell::{CellEncoder, CellEntity, PositionForm, UpdateKind};
use protocol::geometry::{CellGrid, CellIndex, Layer};
use protocol::ids::UserId;
use protocol::limits::{
    COMMAND_BYTES_MAX, CREATURE_MEMORY_BYTES_MAX, CREATURE_TIMERS_MAX, EFFECT_BYTES_MAX,
    ENTITY_STATE_BYTES_MAX, EVENT_BYTES_MAX, EVENTS_PENDING_BYTES_MAX, EVENTS_PENDING_MAX,
    GAME_STATE_BYTES_MAX, HANDOVER_GROUP_MAX, HOLDINGS_TOLD_MAX, INPUT_BYTES_MAX, MESSAGE_BYTES_MAX,
    NEWS_BYTES_MAX, NUMBER_MAX, OWN_STATE_BYTES_MAX, OWNER_ONLY_BYTES_MAX, OWNER_ONLY_MAX, PLAYER_TIMERS_MAX,
    SUBSCRIPTION_CELLS_MAX,
};
use protocol::message::checked::{
    CheckError, CheckedAttach, CheckedClaims, CheckedCommand, CheckedEffect, CheckedEvent, CheckedInput,
    CheckedLeave, CheckedNews, CheckedOutput, CheckedPlayer, CheckedPrepare, CheckedRoam,
    CheckedSubscription, InputRun, SessionIdentity, SnapshotAck, node_number,
};
use protocol::message::effect::{Effect, Roam, RoamTimer};
use protocol::message::family::{BatchMessage as _, ProxyToClient, ServerToProxy, ServerToServer};
use protocol::message::handover::{
    Claim, Commit, Destination, Passenger, PendingEvent, PlayerState, Prepare, Timer,
};
use protocol::message::player::{self, SessionKey};
use protocol::message::{client, subscription};

fn grid() -> CellGrid {
    CellGrid::new([1024, 1024], 32).unwrap()
}

fn bytes(length: usize) -> Bytes {
    vec![7; length].into()
}

#[test]
fn ms_1_at_most_three_inputs_of_64_bytes_with_numbers_from_one() {
    let run =
        |number, lengths: &[usize]| InputRun::check(number, lengths.iter().map(|l| bytes(*l)).collect());
    assert!(run(3, &[INPUT_BYTES_MAX, 0, 1]).is_ok());
    assert!(run(0, &[]).is_ok(), "it brings none");
    assert_eq!(run(4, &[0; 4]).unwrap_err().field(), "inputs");
    assert!(matches!(
        run(3, &[1, INPUT_BYTES_MAX + 1]),
        Err(CheckError::TooLong { .. })
    ));
    assert_eq!(run(0, &[0]), Err(CheckError::Missing("number")));
    assert!(run(NUMBER_MAX, &[0]).is_ok());
    for lengths in [&[0][..], &[]] {
        assert_eq!(
            run(NUMBER_MAX + 1, lengths),
            Err(CheckError::OutOfRange("number"))
        );
    }
    let pace = |pace_ms| {
        let input = client::Input {
            pace_ms,
            ..client::Input::default()
        };
        CheckedInput::try_from(input).unwrap().pace_ms
    };
    assert_eq!([0, 1_000, 2_001].map(pace), [0, 1_000, 2_000]);
}

#[test]
fn ms_2_an_acknowledgement_says_yes_no_or_nothing() {
    let message = client::Input {
        snapshot_ack: 40,
        snapshot_mask: 0b101 | 1 << 31,
        ..client::Input::default()
    };
    let ack = CheckedInput::try_from(message).unwrap().ack;
    let said = [41, 40, 39, 38, 37, 8, 7].map(|number| ack.received(number));
    let yes = Some(true);
    assert_eq!(said, [None, yes, yes, Some(false), yes, yes, None]);
    assert_eq!(SnapshotAck::default().received(1), None);
}

#[test]
fn ms_3_commands_and_events_count_from_one_and_have_a_kilobyte() {
    let command = |number, class, length| {
        let body = bytes(length);
        CheckedCommand::try_from(client::Command { number, class, body }).map(|_| ())
    };
    assert_eq!(command(1, 1, COMMAND_BYTES_MAX), Ok(()));
    assert_eq!(command(0, 1, 1), Err(CheckError::Missing("number")));
    assert!(command(NUMBER_MAX + 1, 1, 1).is_err());
    assert_eq!(command(1, 2, 1), Err(CheckError::OutOfRange("class")));
    assert_eq!(command(1, 0, COMMAND_BYTES_MAX + 1).unwrap_err().field(), "body");
    let event = |number, length| {
        let body = bytes(length);
        CheckedEvent::try_from(client::Event { number, body }).map(|_| ())
    };
    assert_eq!(event(1, EVENT_BYTES_MAX), Ok(()));
    assert_eq!(event(1, EVENT_BYTES_MAX + 1).unwrap_err().field(), "body");
    assert_eq!(event(0, 1), Err(CheckError::Missing("number")));
}

#[test]
fn ms_4_subscriptions_name_a_region_and_so_many_cells() {
    let subscribe = |region, cells| {
        let message = subscription::Subscribe {
            region,
            region_epoch: 1,
            cells,
        };
        CheckedSubscription::try_from(&message).map(|checked| checked.cells.len())
    };
    assert_eq!(
        subscribe(1, vec![5; SUBSCRIPTION_CELLS_MAX]),
        Ok(SUBSCRIPTION_CELLS_MAX)
    );
    assert!(subscribe(1, vec![5; SUBSCRIPTION_CELLS_MAX + 1]).is_err());
    assert_eq!(subscribe(0, vec![]), Err(CheckError::Missing("region")));
}

#[test]
fn ms_5_sessions_and_proofs_have_their_exact_lengths() {
    let key = |length| SessionKey {
        session_id: bytes(length),
        session_generation: 3,
        attach_no: 4,
    };
    let session = SessionIdentity::check(Some(&key(16))).unwrap();
    assert_eq!(SessionKey::from(session), key(16));
    for length in [0, 15, 17] {
        assert_eq!(
            SessionIdentity::check(Some(&key(length))).unwrap_err().field(),
            "session_id"
        );
    }
    assert_eq!(SessionIdentity::check(None), Err(CheckError::Missing("session")));
    let leave = |length, reason| {
        let message = player::Leave {
            user: 5,
            session: Some(key(length)),
            reason,
        };
        CheckedLeave::try_from(message).map_err(CheckError::field)
    };
    assert_eq!(leave(16, 1).unwrap().session, session);
    assert_eq!((leave(15, 1), leave(16, 2)), (Err("session_id"), Err("reason")));
    let attach = |length, acked| {
        let message = client::Attach {
            signature: bytes(length),
            acked_command: acked,
            acked_event: acked,
            ..client::Attach::default()
        };
        let checked = CheckedAttach::try_from(message);
        checked.map_err(CheckError::field).map(|_| ())
    };
    assert_eq!(attach(64, NUMBER_MAX), Ok(()));
    assert_eq!(attach(65, 0), Err("signature"));
    assert_eq!(attach(64, NUMBER_MAX + 1), Err("acked_command"));
}

#[test]
fn ms_6_outputs_hold_256_bytes_and_a_home_in_the_world() {
    let output = |length, home_cell| {
        let message = player::Output {
            own: bytes(length),
            home_cell,
            ..player::Output::default()
        };
        CheckedOutput::check(message, &grid())
            .map_err(CheckError::field)
            .map(|_| ())
    };
    assert_eq!(output(OWN_STATE_BYTES_MAX, 1023), Ok(()));
    assert_eq!(output(OWN_STATE_BYTES_MAX + 1, 0), Err("own"));
    assert_eq!(output(0, 1024), Err("home_cell"));
}

#[test]
fn ms_15_whom_a_player_alone_sees_is_in_few_short_whole_cells_of_the_unseen_layer() {
    let cell = |cell: CellIndex, entities: u16, kind: UpdateKind| {
        let mut encoder = CellEncoder::new(PositionForm::of(&grid()));
        for slot in 0..entities {
            encoder.put_add(slot, &CellEntity::default()).unwrap();
        }
        match kind {
            UpdateKind::Keyframe => encoder.finish_keyframe(cell, 1),
            UpdateKind::Partial => encoder.finish_partial(cell, 1),
            UpdateKind::Delta => encoder.finish_delta(cell, 1, 2),
        }
    };
    let of = |layer| grid().on(CellIndex(3), layer);
    let output = |cells: Vec<Bytes>| {
        let message = player::Output {
            cells,
            ..player::Output::default()
        };
        let checked = CheckedOutput::check(message, &grid()).map_err(CheckError::field);
        checked.map(|checked| checked.only.len())
    };
    let one = cell(of(Layer::Unseen), 1, UpdateKind::Keyframe);
    assert_eq!(output(vec![one.clone(); OWNER_ONLY_MAX]), Ok(OWNER_ONLY_MAX));
    assert_eq!(output(vec![one; OWNER_ONLY_MAX + 1]), Err("cells"));
    let many = |entities| output(vec![cell(of(Layer::Unseen), entities, UpdateKind::Keyframe)]);
    let fit = (1..100).find(|entities| many(*entities) != Ok(1)).unwrap() - 1;
    let longest = cell(of(Layer::Unseen), fit, UpdateKind::Keyframe).len();
    assert!((OWNER_ONLY_BYTES_MAX - 30..=OWNER_ONLY_BYTES_MAX).contains(&longest));
    for layer in [Layer::Near, Layer::Far] {
        assert_eq!(
            output(vec![cell(of(layer), 1, UpdateKind::Keyframe)]),
            Err("cells")
        );
    }
    for kind in [UpdateKind::Partial, UpdateKind::Delta] {
        assert_eq!(output(vec![cell(of(Layer::Unseen), 1, kind)]), Err("cells"));
    }
    assert_eq!(output(vec![Bytes::from_static(&[0xff])]), Err("cells"));
}

fn events(count: usize, length: usize) -> Vec<PendingEvent> {
    let numbers = 1..=count as u64;
    let event = |number| PendingEvent {
        number,
        body: bytes(length),
    };
    numbers.map(event).collect()
}

fn player_state() -> PlayerState {
    PlayerState {
        user: 1,
        entity: 2,
        kind: 65_535,
        name: "n".repeat(32),
        x: 1.5,
        y: -0.5,
        heading: 65_535,
        speed: 6.0,
        session: Some(SessionKey {
            session_id: bytes(16),
            session_generation: 3,
            attach_no: 4,
        }),
        proxy: 1023,
        client_pub: bytes(32),
        last_input: 5,
        last_command: 6,
        chain_hash: bytes(32),
        last_event: 64,
        events: events(EVENTS_PENDING_MAX, EVENTS_PENDING_BYTES_MAX / EVENTS_PENDING_MAX),
        game: bytes(GAME_STATE_BYTES_MAX),
        told_holdings: (0..HOLDINGS_TOLD_MAX as u64).collect(),
        destination: Some(Destination { x: 500.5, y: 3.0 }),
        game_id: "g".repeat(64),
        game_version: 9,
        refused_command: 7,
        visibility: 2,
        only_user: 9,
        discontinuity: 7 << 8,
        timers: (1..=PLAYER_TIMERS_MAX as u64)
            .map(|ticks| Timer { ticks, token: 8 })
            .collect(),
    }
}

/// The field for which a changed state is refused.
fn refused(change: impl FnOnce(&mut PlayerState)) -> &'static str {
    let mut state = player_state();
    change(&mut state);
    CheckedPlayer::try_from(state).unwrap_err().field()
}

#[test]
fn ms_7_a_player_at_all_its_limits_is_the_same_after_the_border() {
    let state = player_state();
    let player = CheckedPlayer::try_from(state.clone()).unwrap();
    assert_eq!(PlayerState::from(player), state);
    let linkdead = PlayerState { proxy: 0, ..state };
    assert_eq!(CheckedPlayer::try_from(linkdead).unwrap().proxy, None);
}

#[test]
fn ms_7_a_player_one_step_beyond_any_limit_is_refused() {
    assert_eq!(refused(|state| state.entity = 0), "entity");
    assert_eq!(refused(|state| state.kind = 65_536), "kind");
    assert_eq!(refused(|state| state.name.push('n')), "name");
    assert_eq!(refused(|state| state.x = f32::NAN), "x, y");
    assert_eq!(refused(|state| state.y = f32::INFINITY), "x, y");
    assert_eq!(refused(|state| state.heading = 65_536), "heading");
    assert_eq!(refused(|state| state.speed = -1.0), "speed");
    assert_eq!(refused(|state| state.session = None), "session");
    assert_eq!(refused(|state| state.proxy = 1024), "proxy");
    assert_eq!(refused(|state| state.client_pub = bytes(31)), "client_pub");
    assert_eq!(refused(|state| state.chain_hash = bytes(33)), "chain_hash");
    assert_eq!(
        refused(|state| state.game = bytes(GAME_STATE_BYTES_MAX + 1)),
        "game"
    );
    assert_eq!(refused(|state| state.told_holdings.push(9)), "told_holdings");
    let nowhere = Destination { x: 1.0, y: f32::NAN };
    assert_eq!(refused(|state| state.destination = Some(nowhere)), "x, y");
    assert_eq!(refused(|state| state.game_id.push('g')), "game_id");
    assert_eq!(refused(|state| state.timers.push(Timer::default())), "timers");
}

#[test]
fn ms_7_pending_events_are_few_small_and_in_order() {
    assert_eq!(
        refused(|state| state.events = events(EVENTS_PENDING_MAX + 1, 0)),
        "events"
    );
    assert_eq!(refused(|state| state.events[63].body = bytes(257)), "events");
    assert_eq!(
        refused(|state| state.events = events(1, EVENT_BYTES_MAX + 1)),
        "body"
    );
    assert_eq!(refused(|state| state.events[5].number = 5), "events");
    assert_eq!(refused(|state| state.events[0].number = 0), "number");
    assert_eq!(refused(|state| state.last_event = 63), "events");
}

#[test]
fn ms_8_a_group_of_which_everybody_is_at_all_limits_is_a_message_between_nodes() {
    let passengers = (1..=HANDOVER_GROUP_MAX as u64).map(|user| Passenger {
        user: u64::MAX - user,
        state: Some(player_state()),
        ..Passenger::default()
    });
    let prepare = Prepare {
        from_region: u32::MAX,
        passengers: passengers.collect(),
        ..Prepare::default()
    };
    assert!(CheckedPrepare::try_from(&prepare).is_ok());
    let bytes = ServerToServer::from(prepare).encoded_len();
    assert!(
        bytes > 16 * EVENTS_PENDING_BYTES_MAX && bytes <= MESSAGE_BYTES_MAX / 2,
        "{bytes}"
    );
}

#[test]
fn ms_8_a_group_is_bounded_and_names_everybody_once() {
    let prepare = |users: Vec<u64>| {
        let passengers = users.into_iter().map(|user| Passenger {
            user,
            owner_epoch: 2,
            version: 3,
            state: None,
            home_cell: 0,
        });
        let message = Prepare {
            from_region: 1,
            passengers: passengers.collect(),
            ..Prepare::default()
        };
        CheckedPrepare::try_from(&message).map(|checked| checked.claims.len())
    };
    let group = |count: usize| (1..=count as u64).collect::<Vec<_>>();
    assert_eq!(prepare(group(HANDOVER_GROUP_MAX)), Ok(HANDOVER_GROUP_MAX));
    assert!(matches!(
        prepare(group(HANDOVER_GROUP_MAX + 1)),
        Err(CheckError::TooMany { .. })
    ));
    assert_eq!(prepare(vec![]), Err(CheckError::Missing("passengers")));
    assert_eq!(prepare(vec![1, 2, 1]), Err(CheckError::OutOfRange("user")));
    let claims = |users: &[u64]| {
        let claim = |user: &u64| Claim {
            user: *user,
            owner_epoch: 2,
            version: 3,
        };
        let message = Commit {
            from_region: 1,
            claims: users.iter().map(claim).collect(),
            ..Commit::default()
        };
        CheckedClaims::try_from(&message).map(|checked| checked.claims)
    };
    assert_eq!(claims(&[1, 2]).unwrap()[1].user, UserId(2));
    assert_eq!(claims(&[2, 2]), Err(CheckError::OutOfRange("user")));
    assert_eq!(claims(&[]), Err(CheckError::Missing("claims")));
}

#[test]
fn ms_9_node_numbers_are_1_to_1023() {
    assert_eq!(node_number("node", 1023).unwrap().0, 1023);
    assert_eq!(node_number("node", 0), Err(CheckError::Missing("node")));
    for too_high in [1024, 65_537, u32::MAX] {
        assert_eq!(node_number("node", too_high), Err(CheckError::OutOfRange("node")));
    }
}

#[test]
fn ms_10_an_effect_has_a_kilobyte() {
    let effect = |length| {
        let message = Effect {
            from_region: 1,
            body: bytes(length),
            ..Effect::default()
        };
        CheckedEffect::try_from(message).map(|checked| checked.body.len())
    };
    assert_eq!(effect(EFFECT_BYTES_MAX), Ok(EFFECT_BYTES_MAX));
    assert_eq!(effect(EFFECT_BYTES_MAX + 1).unwrap_err().field(), "body");
}

#[test]
fn ms_12_a_creature_that_crosses_is_within_all_limits() {
    let good = || Roam {
        from_region: 1,
        birth_region: 2,
        epoch: 2,
        state: bytes(ENTITY_STATE_BYTES_MAX),
        memory: bytes(CREATURE_MEMORY_BYTES_MAX),
        timers: vec![RoamTimer { ticks: 3, token: 4 }; CREATURE_TIMERS_MAX],
        ..Roam::default()
    };
    let refused = |spoil: fn(&mut Roam)| {
        let mut roam = good();
        spoil(&mut roam);
        CheckedRoam::try_from(roam).unwrap_err().field()
    };
    assert_eq!(CheckedRoam::try_from(good()).unwrap().timers[7], (3, 4));
    assert_eq!(refused(|roam| roam.from_region = 0), "from_region");
    assert_eq!(refused(|roam| roam.birth_region = 0), "birth_region");
    let message = good();
    let memory = CheckedRoam::try_from(message.clone()).unwrap().memory;
    assert_ne!(
        memory.as_ptr(),
        message.memory.as_ptr(),
        "the frame is not kept for it"
    );
    assert_eq!(refused(|roam| roam.epoch = 1), "epoch");
    assert_eq!(refused(|roam| roam.epoch = u64::MAX), "epoch");
    assert_eq!(refused(|roam| roam.kind = 65_536), "kind");
    assert_eq!(refused(|roam| roam.heading = 256), "heading");
    assert_eq!(refused(|roam| roam.x = f32::NAN), "x");
    assert_eq!(refused(|roam| roam.y = f32::INFINITY), "y");
    assert_eq!(refused(|roam| roam.speed = -1.0), "speed");
    assert_eq!(
        refused(|roam| roam.state = bytes(ENTITY_STATE_BYTES_MAX + 1)),
        "state"
    );
    assert_eq!(
        refused(|roam| roam.memory = bytes(CREATURE_MEMORY_BYTES_MAX + 1)),
        "memory"
    );
    assert_eq!(refused(|roam| roam.timers.push(RoamTimer::default())), "timers");
}

#[test]
fn ms_13_news_of_a_region_have_512_bytes_and_these_bytes() {
    let notify = |length| player::Notify {
        user: 7,
        region: 3,
        region_epoch: 1 << 48 | 2,
        body: bytes(length),
    };
    let announce = |length| player::Announce {
        region: 3,
        region_epoch: 2,
        body: bytes(length),
    };
    let checked = CheckedNews::try_from(notify(NEWS_BYTES_MAX)).unwrap();
    assert_eq!((checked.user, checked.from.0.0), (Some(UserId(7)), 3));
    assert_eq!(
        CheckedNews::try_from(announce(NEWS_BYTES_MAX)).unwrap().user,
        None
    );
    for too_long in [
        CheckedNews::try_from(notify(NEWS_BYTES_MAX + 1)),
        CheckedNews::try_from(announce(NEWS_BYTES_MAX + 1)),
    ] {
        assert_eq!(too_long.unwrap_err().field(), "body");
    }
    let nowhere = CheckedNews::try_from(player::Notify::default());
    assert_eq!(nowhere.unwrap_err(), CheckError::Missing("region"));
    let on_wire = |encode: &dyn Fn(&mut Vec<u8>)| {
        let mut wire = Vec::new();
        encode(&mut wire);
        wire
    };
    let said = ServerToProxy::from(notify(2));
    let golden = [
        0x5e, 16, 8, 7, 16, 3, 24, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 34, 2, 7, 7,
    ];
    assert_eq!(on_wire(&|wire| said.encode(wire)), golden);
    let said = ServerToProxy::from(announce(1));
    assert_eq!(
        on_wire(&|wire| said.encode(wire)),
        [0x5f, 7, 8, 3, 16, 2, 26, 1, 7]
    );
    let told = ProxyToClient::from(client::News {
        region: 3,
        to_all: true,
        body: bytes(1),
    });
    assert_eq!(
        on_wire(&|wire| told.encode(wire)),
        [0x9f, 7, 8, 3, 16, 1, 26, 1, 7]
    );
}
