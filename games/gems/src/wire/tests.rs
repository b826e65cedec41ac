//! Golden bytes and hostile samples of the game's formats.

use super::*;

fn commands() -> [Command; 4] {
    [
        Command::Say("hé".into()),
        Command::Emote(3),
        Command::Collect { thing: 5 },
        Command::Give {
            thing: 6,
            to: UserId(7),
        },
    ]
}

fn events() -> [Event; 8] {
    let entity = EntityId(9);
    [
        Event::Said {
            entity,
            text: "ho".into(),
        },
        Event::Emoted { entity, emote: 1 },
        Event::Collected { thing: 1 },
        Event::Given {
            thing: 2,
            to: UserId(3),
        },
        Event::Received { thing: 4 },
        Event::Refused {
            command: 8,
            reason: Refusal::Taken,
        },
        Event::Refused {
            command: 9,
            reason: Refusal::Muted { until_ms: 10 },
        },
        Event::Reported {
            user: UserId(5),
            outcome: ReportOutcome::TooMany,
        },
    ]
}

#[test]
fn commands_and_events_round_trip_and_refuse_every_cut() {
    for command in commands() {
        assert_eq!(Command::parse(&command.encode()), Ok(command));
    }
    for event in events() {
        assert_eq!(Event::parse(&event.encode()), Ok(event));
    }
    for bytes in commands()[1..].iter().map(Command::encode) {
        assert!((0..bytes.len()).all(|cut| Command::parse(&bytes[..cut]).is_err()));
    }
    for bytes in events()[1..].iter().map(Event::encode) {
        assert!((0..bytes.len()).all(|cut| Event::parse(&bytes[..cut]).is_err()));
    }
}

#[test]
fn layouts_stay_as_they_are() {
    assert_eq!(
        commands()[3].encode()[..],
        [0x12, 6, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(events()[5].encode()[..], [0x1f, 8, 0, 0, 0, 0, 0, 0, 0, 4]);
    assert_eq!(
        events()[6].encode()[..],
        [0x1f, 9, 0, 0, 0, 0, 0, 0, 0, 6, 10, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(events()[7].encode()[..], [0x03, 5, 0, 0, 0, 0, 0, 0, 0, 1]);
    let report = Command::Report {
        user: UserId(5),
        why: "ho".into(),
    };
    assert_eq!(report.encode()[..], *b"\x03\x05\0\0\0\0\0\0\0ho");
    assert_eq!(Command::parse(&report.encode()), Ok(report));
    let own = OwnState {
        entity: EntityId(1),
        at: Position { x: 1.0, y: -2.0 },
        walk: Input {
            heading: 64,
            speed: 255,
        },
        region: RegionNumber(4),
        things: 5,
    };
    let mut bytes = Vec::new();
    own.encode(&mut bytes);
    assert_eq!(
        bytes,
        [
            1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 64, 255, 4, 0, 0, 0, 5, 0
        ]
    );
    assert_eq!(bytes.len(), OWN_STATE_BYTES);
    assert_eq!(OwnState::parse(&bytes), Ok(own));
}

#[test]
fn what_is_too_long_or_left_over_is_refused() {
    let long = Command::Say("x".repeat(SAY_BYTES_MAX + 1)).encode();
    assert_eq!(Command::parse(&long), Err(NotOfThisGame::Text));
    assert_eq!(Command::parse(&[EMOTE, 1, 1]), Err(NotOfThisGame::Trailing));
    assert_eq!(Command::parse(&[0x77]), Err(NotOfThisGame::UnknownKind(0x77)));
    assert_eq!(Command::parse(&[SAY, 0xff]), Err(NotOfThisGame::Text));
}

#[test]
fn a_quarter_turn_walks_south() {
    let (east, south) = Input {
        heading: 64,
        speed: 255,
    }
    .velocity();
    assert!(east.abs() < 1e-3 && (south - SPEED_MAX).abs() < 1e-3);
    let there = Input::towards(Position { x: 1.0, y: 1.0 }, Position { x: 1.0, y: 5.0 });
    assert_eq!(
        there,
        Input {
            heading: 64,
            speed: 255
        }
    );
}

#[test]
fn players_carry_user_and_name() {
    let long = "é".repeat(20);
    assert_eq!(
        parse_player(&encode_player(UserId(5), "ann")),
        Ok((UserId(5), "ann"))
    );
    let cut = format!("x{}", &long[..30]);
    let state = encode_player(UserId(6), &format!("x{long}"));
    assert_eq!(parse_player(&state), Ok((UserId(6), cut.as_str())));
    assert!(parse_player(&[1; 7]).is_err());
}

/// Whoever writes a client in another language has nothing but the page.
#[test]
fn the_page_shows_these_bytes() {
    let page = include_str!("../../README.md");
    let own = OwnState {
        entity: EntityId(1),
        at: Position { x: 1.0, y: -2.0 },
        walk: Input {
            heading: 64,
            speed: 255,
        },
        region: RegionNumber(4),
        things: 5,
    };
    let mut own_state = Vec::new();
    own.encode(&mut own_state);
    let samples = [
        own.walk.encode().to_vec(),
        commands()[3].encode().to_vec(),
        events()[5].encode().to_vec(),
        own_state,
    ];
    for bytes in samples {
        let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = format!("`{}`", bytes.join(" "));
        assert!(page.contains(&shown), "the page has no {shown}");
    }
    for (kind, what) in [
        (SAY, "says it"),
        (EMOTE, "shows this"),
        (COLLECT, "picks"),
        (GIVE, "gives the gem"),
    ] {
        assert!(
            page.lines()
                .any(|line| line.contains(&format!("`{kind:02x}`")) && line.contains(what))
        );
    }
    for (kind, what) in [
        (SAID, "said it"),
        (GIVEN, "is this user's"),
        (RECEIVED, "gave you"),
        (REFUSED, "changed nothing"),
    ] {
        assert!(
            page.lines()
                .any(|line| line.contains(&format!("`{kind:02x}`")) && line.contains(what))
        );
    }
    let numbers = [SPEED_MAX, REACH, HEARING].map(|units| format!("{units} units"));
    assert!(numbers.iter().all(|number| page.contains(number)), "{numbers:?}");
    assert!(page.contains(&format!("at most {SAY_BYTES_MAX} bytes")));
}
