//! Who asks for too much, says too much or speaks for others: what it costs is its own.

use protocol::Code;
use protocol::limits::{COMMAND_BYTES_MAX, COMMAND_WINDOW, EVENT_BYTES_MAX, OWN_STATE_BYTES_MAX};
use protocol::message::family::ProxyToServer;
use protocol::message::node::Kick;

use super::*;

fn refused(effects: &[EdgeEffect], label: &'static str) -> usize {
    effects
        .iter()
        .filter(|effect| **effect == EdgeEffect::Refused(label))
        .count()
}

fn closed(effects: &[EdgeEffect]) -> Option<Code> {
    effects.iter().find_map(|effect| match effect {
        EdgeEffect::CloseClient(_, USER, code) => Some(*code),
        _ => None,
    })
}

fn inputs(effects: &[EdgeEffect]) -> usize {
    let is_input = |effect: &&EdgeEffect| matches!(effect, EdgeEffect::ToServer(_, ProxyToServer::Inputs(_)));
    effects.iter().filter(is_input).count()
}

#[test]
fn inputs_beyond_the_rate_are_dropped_and_the_session_goes_on() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    for number in 1..=200 {
        table.client(handle, input(number));
    }
    let effects = table.take();
    assert_eq!((inputs(&effects), refused(&effects, "input_rate")), (120, 80));
    table.wait(1_000);
    table.take();
    for number in 201..=300 {
        table.client(handle, input(number));
    }
    assert_eq!(
        inputs(&table.take()),
        60,
        "a second later there is a second's worth"
    );
    assert_eq!(table.edge.sessions(), 1);
}

#[test]
fn a_command_too_long_or_before_the_attach_ends_the_session() {
    let long = |len| client::Command {
        body: Bytes::from(vec![0; len]),
        ..command(1)
    };
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.client(handle, long(COMMAND_BYTES_MAX));
    assert_eq!(closed(&table.take()), None);
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.client(handle, long(COMMAND_BYTES_MAX + 1));
    let effects = table.take();
    assert_eq!(
        (closed(&effects), refused(&effects, "command_malformed")),
        (Some(Code::Protocol), 1)
    );
    let mut table = Table::new();
    let handle = table.admit(1);
    table.client(handle, command(1));
    assert_eq!(closed(&table.take()), Some(Code::Protocol));
}

#[test]
fn more_commands_than_a_window_without_an_answer_end_the_session() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    for number in 1..=COMMAND_WINDOW as u64 {
        table.client(handle, command(number));
    }
    assert_eq!(closed(&table.take()), None);
    table.client(handle, command(COMMAND_WINDOW as u64 + 1));
    let effects = table.take();
    assert_eq!(
        (closed(&effects), refused(&effects, "command_window")),
        (Some(Code::Protocol), 1)
    );
}

#[test]
fn only_the_owner_kicks() {
    let kick = Kick {
        user: USER.0,
        ..Kick::default()
    };
    let mut table = Table::new();
    table.playing(7, 9);
    table.server(B, kick.clone());
    assert_eq!((closed(&table.take()), table.edge.sessions()), (None, 1));
    table.server(A, kick);
    assert_eq!(closed(&table.take()), Some(Code::Kicked));
}

#[test]
fn an_owner_that_misses_a_command_gets_all_that_are_open_again() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.client(handle, command(1));
    table.client(handle, command(2));
    table.take();
    let ack = player::CommandAck {
        user: USER.0,
        owner_epoch: 7,
        number: 0,
        session_generation: 4,
    };
    table.server(A, ack);
    let numbers: Vec<u64> = table
        .sent_to_servers()
        .into_iter()
        .filter_map(|(node, message)| match message {
            ProxyToServer::Command(command) if node == A => Some(command.number),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn ms_11_a_presence_that_cannot_be_moves_nobody_and_is_counted() {
    let mut table = Table::new();
    let handle = table.admit(1);
    table.attach(handle, 1);
    table.take();
    let whole = joined(1, WEST, 7, 9);
    let broken = [
        player::Joined {
            home_cell: u32::MAX,
            ..whole.clone()
        },
        player::Joined {
            region: 0,
            ..whole.clone()
        },
        player::Joined {
            session: None,
            ..whole.clone()
        },
        player::Joined {
            last_input: u64::MAX,
            ..whole.clone()
        },
    ];
    for message in broken {
        table.server(A, message.clone());
        let here = player::Here {
            user: message.user,
            owner_epoch: 7,
            region: message.region,
            region_epoch: message.region_epoch,
            home_cell: message.home_cell,
            entity: message.entity,
            last_input: message.last_input,
            last_command: 0,
            session: message.session,
        };
        table.server(A, here);
        let effects = table.take();
        assert_eq!(refused(&effects, "joined_malformed"), 1, "{effects:?}");
        assert_eq!(refused(&effects, "here_malformed"), 1, "{effects:?}");
        assert_eq!(effects.len(), 2, "{effects:?}");
    }
    table.server(A, whole);
    assert_eq!(refused(&table.take(), "joined_malformed"), 0);
    let session = table.edge.session_views().next().unwrap();
    assert_eq!(session.user, USER);
}

#[test]
fn what_an_owner_says_beyond_the_limits_does_not_reach_the_client() {
    let mut table = Table::new();
    table.playing(7, 9);
    let own = |len| player::Output {
        own: Bytes::from(vec![0; len]),
        ..output(7, 9, b"")
    };
    table.server(A, own(OWN_STATE_BYTES_MAX));
    assert_eq!(refused(&table.take(), "output_malformed"), 0);
    table.server(A, own(OWN_STATE_BYTES_MAX + 1));
    table.server(A, output(7, 8 * 4, b""));
    assert_eq!(refused(&table.take(), "output_malformed"), 2);
    let event = |len| player::Event {
        user: USER.0,
        session_generation: 4,
        owner_epoch: 7,
        number: 1,
        body: Bytes::from(vec![0; len]),
    };
    let told = |effects: &[EdgeEffect]| {
        let is_event =
            |effect: &&EdgeEffect| matches!(effect, EdgeEffect::ToClient(_, ProxyToClient::Event(_)));
        effects.iter().filter(is_event).count()
    };
    table.server(A, event(EVENT_BYTES_MAX));
    assert_eq!(told(&table.take()), 1);
    table.server(A, event(EVENT_BYTES_MAX + 1));
    assert_eq!(told(&table.take()), 0);
}

#[test]
fn a_client_that_acknowledges_nothing_gets_one_snapshot_in_eight() {
    let mut table = Table::new();
    table.playing(7, 9);
    let mut made = Vec::new();
    for tick in 1..=300_u64 {
        table.now_ms += 50;
        table.tick_end(A, WEST, tick);
        made.push(table.snapshot().is_some());
        table.effects.clear();
    }
    let of = |ticks: std::ops::Range<usize>| made[ticks].iter().filter(|made| **made).count();
    assert_eq!((of(0..100), of(140..300)), (100, 20));
}

#[test]
fn an_older_login_that_comes_late_does_not_take_the_session() {
    let mut table = Table::new();
    let handle = table.admit(2);
    table.attach(handle, 2);
    table.take();
    table.give(EdgeInput::Admit(Box::new(table.admission(1))));
    let effects = table.take();
    assert_eq!(
        (refused(&effects, "superseded_admission"), closed(&effects)),
        (1, None)
    );
    assert_eq!(table.edge.sessions(), 1);
}

#[test]
fn cells_of_a_session_that_ended_are_unwatched_after_a_while() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.give(EdgeInput::ClientGone(handle));
    table.take();
    table.wait(5_000);
    let unwatched = |effect: &EdgeEffect| matches!(effect, EdgeEffect::Unwatch(_));
    assert_eq!(table.take().into_iter().filter(unwatched).count(), 9);
}
