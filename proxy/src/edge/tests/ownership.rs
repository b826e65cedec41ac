//! Who gets the player's input, whose output is believed, and what a change of owner brings along.

use protocol::Code;
use protocol::message::family::{ProxyToClient, ProxyToServer};
use protocol::message::player;

use super::*;

fn asks_for_owner(effects: &[EdgeEffect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, EdgeEffect::ReadOwner(USER, _)))
}

#[test]
fn a_login_joins_at_the_last_known_region_and_plays_when_the_store_agrees() {
    let mut table = Table::new();
    let handle = table.admit(1);
    assert!(
        table.sent_to_servers().is_empty(),
        "no join before the client has attached"
    );
    table.attach(handle, 1);
    let sent = table.sent_to_servers();
    assert!(
        matches!(&sent[..], [(A, ProxyToServer::Join(join))] if join.user == USER.0 && join.attach_no == 1)
    );
    table.server(A, joined(1, WEST, 7, 9));
    assert!(asks_for_owner(&table.effects));
    assert_eq!(table.edge.playing(), 0);
    table.answer(Some(A), WEST, 7);
    assert_eq!(table.edge.playing(), 1);
    let playing = table.take().into_iter().any(
        |effect| matches!(effect, EdgeEffect::ToClient(_, ProxyToClient::Playing(playing)) if playing.owner_epoch == 7),
    );
    assert!(playing);
}

#[test]
fn inputs_and_commands_go_to_the_owner_under_its_epoch() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.client(handle, input(1));
    table.client(handle, input(1));
    table.client(handle, command(1));
    let sent = table.sent_to_servers();
    assert!(matches!(
        &sent[..],
        [
            (
                A,
                ProxyToServer::Inputs(player::Inputs {
                    number: 1,
                    owner_epoch: 7,
                    ..
                })
            ),
            (
                A,
                ProxyToServer::Command(player::Command {
                    number: 1,
                    owner_epoch: 7,
                    ..
                })
            ),
        ]
    ));
}

#[test]
fn output_for_a_player_is_refused_from_all_but_its_owner() {
    let mut table = Table::new();
    table.playing(7, 9);
    table.server(B, output(7, 9, b"lie"));
    table.server(A, output(6, 9, b"old"));
    table.server(B, output(1 << 40, 9, b"claim"));
    let refused: Vec<_> = table
        .take()
        .into_iter()
        .filter(|effect| matches!(effect, EdgeEffect::Refused(_)))
        .collect();
    // Only what an honest server never says stands out.
    assert_eq!(
        refused,
        ["output_not_owner", "output_late", "output_not_owner"].map(EdgeEffect::Refused)
    );
    table.server(A, output(7, 9, b"true"));
    table.tick_end(A, WEST, 1);
    assert_eq!(table.snapshot().unwrap().own, "true");
}

#[test]
fn a_crossing_takes_the_last_inputs_and_every_open_command_along() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.client(handle, input(4));
    table.client(handle, command(1));
    table.client(handle, command(2));
    table.server(
        A,
        player::CommandAck {
            user: USER.0,
            owner_epoch: 7,
            number: 1,
            session_generation: 4,
        },
    );
    table.take();
    table.server(A, moved(7, B, EAST, 8));
    let sent = table.sent_to_servers();
    assert!(matches!(
        &sent[..],
        [
            (B, ProxyToServer::EventAck(_)),
            (
                B,
                ProxyToServer::Inputs(player::Inputs {
                    number: 4,
                    owner_epoch: 8,
                    ..
                })
            ),
            (
                B,
                ProxyToServer::Command(player::Command {
                    number: 2,
                    owner_epoch: 8,
                    ..
                })
            ),
        ]
    ));
    table.server(A, output(7, 9, b"late"));
    assert!(table.take().contains(&EdgeEffect::Refused("output_late")));
    table.server(B, here(EAST, 8, 12));
    table.server(B, output(8, 12, b"there"));
    table.tick_end(B, EAST, 1);
    assert_eq!(table.snapshot().unwrap().own, "there");
}

/// The new owner may have begun a minute ago, and counts its ticks from there.
#[test]
fn what_the_former_owner_said_is_not_passed_on_as_the_new_ones() {
    let mut table = Table::new();
    table.playing(7, 9);
    let said = player::Output {
        tick: 9_000,
        ..output(7, 9, b"before")
    };
    table.server(A, said);
    table.server(A, moved(7, B, EAST, 8));
    table.tick_end(B, EAST, 1);
    let snapshot = table.snapshot().unwrap();
    assert_eq!(
        (snapshot.owner_epoch, snapshot.tick, snapshot.own.len()),
        (8, 0, 0)
    );
    table.server(B, here(EAST, 8, 12));
    table.server(B, output(8, 12, b"after"));
    table.tick_end(B, EAST, 2);
    let snapshot = table.snapshot().unwrap();
    assert_eq!((snapshot.tick, &snapshot.own[..]), (10, &b"after"[..]));
}

#[test]
fn a_move_that_the_owner_did_not_announce_changes_nothing() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.server(B, moved(7, B, EAST, 8));
    table.server(A, moved(6, B, EAST, 8));
    table.take();
    table.client(handle, input(1));
    assert!(matches!(table.sent_to_servers()[..], [(A, _)]));
}

#[test]
fn an_unexpected_here_is_checked_in_the_store() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.server(B, here(EAST, 1 << 40, 12));
    assert!(asks_for_owner(&table.take()));
    table.answer(Some(A), WEST, 7);
    table.client(handle, input(1));
    assert!(matches!(table.sent_to_servers()[..], [(A, _)]));
    table.server(B, here(EAST, 8, 12));
    table.answer(Some(B), EAST, 8);
    table.client(handle, input(2));
    assert!(
        table
            .sent_to_servers()
            .iter()
            .any(|(node, message)| *node == B && matches!(message, ProxyToServer::Inputs(_)))
    );
}

#[test]
fn a_dead_server_suspends_and_its_restart_brings_the_player_back_with_all_open_commands() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.client(handle, command(1));
    table.take();
    table.give(EdgeInput::ServerDown(A));
    let told = table.take().into_iter().any(|effect| {
        matches!(effect, EdgeEffect::ToClient(_, ProxyToClient::Notice(notice)) if notice.code == 14)
    });
    assert!(told, "the client is told that its world is being recovered");
    table.client(handle, command(2));
    assert!(table.sent_to_servers().is_empty(), "commands wait");

    table.server_starts(A, WEST, REGION_EPOCH + 1);
    assert!(asks_for_owner(&table.take()));
    table.answer(Some(A), WEST, 7);
    assert!(matches!(
        table.sent_to_servers()[..],
        [(A, ProxyToServer::Join(_))]
    ));
    table.server(A, joined(1, WEST, 8, 9));
    table.answer(Some(A), WEST, 8);
    let commands: Vec<u64> = table
        .sent_to_servers()
        .into_iter()
        .filter_map(|(_, message)| match message {
            ProxyToServer::Command(command) => Some(command.number),
            _ => None,
        })
        .collect();
    assert_eq!(commands, [1, 2]);
}

#[test]
fn suspended_players_keep_their_connection_and_their_picture() {
    let mut table = Table::new();
    table.playing(7, 9);
    table.give(EdgeInput::ServerDown(A));
    table.take();
    for _ in 0..40 {
        table.wait(50);
    }
    assert!(table.snapshot().is_some(), "snapshots go on");
    assert_eq!(table.edge.sessions(), 1);
    assert!(
        asks_for_owner(&table.effects),
        "the store is asked from time to time"
    );
}

#[test]
fn elsewhere_is_followed_to_the_owner() {
    let mut table = Table::new();
    let handle = table.admit(1);
    table.attach(handle, 1);
    table.take();
    let elsewhere = player::Elsewhere {
        user: USER.0,
        node: 2,
        region: EAST.0,
        owner_epoch: 7,
    };
    table.server(A, elsewhere);
    assert!(matches!(
        table.sent_to_servers()[..],
        [(B, ProxyToServer::Join(_))]
    ));
}

#[test]
fn a_second_login_supersedes_the_first_and_an_older_one_is_refused() {
    let mut table = Table::new();
    table.playing(7, 9);
    let newer = table.admit(2);
    let closed = table.take();
    assert!(
        closed
            .iter()
            .any(|effect| matches!(effect, EdgeEffect::CloseClient(_, USER, Code::Superseded)))
    );
    table.attach(newer, 2);
    table.server(A, joined(1, WEST, 7, 9));
    assert!(
        !asks_for_owner(&table.take()),
        "an answer to the older session is for nobody"
    );
    table.server(A, joined(2, WEST, 7, 9));
    table.answer(Some(A), WEST, 7);
    assert_eq!((table.edge.sessions(), table.edge.playing()), (1, 1));
}

#[test]
fn superseded_is_believed_only_from_the_owner() {
    let mut table = Table::new();
    table.playing(7, 9);
    let superseded = player::Superseded {
        user: USER.0,
        session: Some(key(1)),
    };
    table.server(B, superseded.clone());
    assert_eq!(table.edge.sessions(), 1);
    table.server(A, superseded);
    assert_eq!(table.edge.sessions(), 0);
}

#[test]
fn a_flood_of_commands_costs_only_the_flooder() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    for number in 1..=105 {
        table.client(handle, command(number));
        table.server(
            A,
            player::CommandAck {
                user: USER.0,
                owner_epoch: 7,
                number,
                session_generation: 4,
            },
        );
    }
    let closed = table.take();
    assert!(
        closed
            .iter()
            .any(|effect| matches!(effect, EdgeEffect::CloseClient(_, _, Code::RateLimited)))
    );
    let is_counted = |effect: &EdgeEffect| matches!(effect, EdgeEffect::Refused("command_rate"));
    assert_eq!(closed.iter().filter(|effect| is_counted(effect)).count(), 1);
    assert_eq!(table.edge.sessions(), 0);
}

#[test]
fn a_region_published_by_a_server_that_does_not_serve_it_is_refused() {
    let mut table = Table::new();
    table.playing(7, 9);
    let cell = CellIndex(9);
    let mut encoder = table.encoder();
    let keyframe = encoder.finish_keyframe(cell, 1);
    table.cells(B, WEST, 1, vec![keyframe]);
    assert!(table.take().contains(&EdgeEffect::Refused("cells_not_serving")));
}

#[test]
fn a_new_owner_is_spoken_to_at_once_so_that_it_lets_events_go() {
    let mut table = Table::new();
    let handle = table.admit(1);
    table.attach(handle, 1);
    table.server(A, joined(1, WEST, 7, 9));
    table.take();
    table.answer(Some(A), WEST, 7);
    let sent = table.sent_to_servers();
    assert!(
        matches!(&sent[..], [(A, ProxyToServer::EventAck(ack))] if ack.owner_epoch == 7 && ack.number == 0)
    );
}

#[test]
fn a_server_that_keeps_a_player_for_a_session_that_ended_is_told_to_let_go() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.give(EdgeInput::ClientGone(handle));
    table.take();
    table.server(B, here(EAST, 8, 12));
    let sent = table.sent_to_servers();
    assert!(matches!(&sent[..], [(B, ProxyToServer::Leave(leave))] if leave.session == Some(key(1))));
}

#[test]
fn an_owner_that_disowns_its_player_is_asked_again() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    let nobody = player::Elsewhere {
        user: USER.0,
        node: 0,
        region: WEST.0,
        owner_epoch: 7,
    };
    table.server(B, nobody);
    assert!(table.sent_to_servers().is_empty(), "B is not the owner");
    table.server(A, nobody);
    assert!(matches!(
        table.sent_to_servers()[..],
        [(A, ProxyToServer::Join(_))]
    ));
    table.server(A, joined(1, WEST, 7, 9));
    table.take();
    table.client(handle, input(1));
    assert!(matches!(
        table.sent_to_servers()[..],
        [(A, ProxyToServer::Inputs(_))]
    ));
}

#[test]
fn an_owner_that_raised_its_own_epoch_is_believed_when_the_store_agrees() {
    let mut table = Table::new();
    table.playing(7, 9);
    table.server(A, joined(1, WEST, 8, 9));
    assert!(asks_for_owner(&table.take()));
    table.answer(Some(A), WEST, 8);
    table.server(A, output(8, 9, b"again"));
    table.tick_end(A, WEST, 1);
    assert_eq!(table.snapshot().unwrap().own, "again");
}

#[test]
fn numbers_beyond_reason_cost_only_the_one_who_names_them() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.client(handle, input(u64::MAX));
    assert!(table.sent_to_servers().is_empty());
    let handle = table.admit(2);
    let attach = client::Attach {
        attach_no: 2,
        acked_command: u64::MAX,
        ..client::Attach::default()
    };
    table.client(handle, attach);
    assert_eq!(table.edge.sessions(), 0);
}

#[test]
fn acknowledged_inputs_do_not_go_back_for_a_client_that_resumes() {
    let mut table = Table::new();
    let handle = table.admit(1);
    table.attach(handle, 1);
    table.server(
        A,
        player::Joined {
            last_input: 40,
            ..joined(1, WEST, 7, 9)
        },
    );
    table.answer(Some(A), WEST, 7);
    table.wait(100);
    assert_eq!(table.snapshot().unwrap().input_ack, 40);
}

#[test]
fn a_logout_that_a_handover_passed_by_is_said_again_to_the_new_owner() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.client(handle, client::Logout {});
    let logged_out = |effect: &&EdgeEffect| matches!(effect, EdgeEffect::LoggedOut(USER, _));
    assert_eq!(table.effects.iter().filter(logged_out).count(), 1);
    let sent = table.sent_to_servers();
    let logout = i32::from(player::LeaveReason::Logout);
    assert!(matches!(&sent[..], [(A, ProxyToServer::Leave(leave))] if leave.reason == logout));
    // A had sent the CAS already: B is the owner when the leave arrives.
    table.server(B, here(EAST, 8, 10));
    let sent = table.sent_to_servers();
    assert!(
        matches!(&sent[..], [(B, ProxyToServer::Leave(leave))] if leave.reason == logout && leave.session == Some(key(1)))
    );
    table.wait(11_000);
    table.server(B, here(EAST, 8, 10));
    let sent = table.sent_to_servers();
    let linkdead = i32::from(player::LeaveReason::Linkdead);
    assert!(matches!(&sent[..], [(B, ProxyToServer::Leave(leave))] if leave.reason == linkdead));
}

#[test]
fn a_jump_of_its_player_reaches_the_client() {
    let mut table = Table::new();
    table.playing(7, 9);
    let jumped = player::Output {
        tick: 2,
        discontinuity: 9 << 8,
        ..output(7, 9, b"there")
    };
    table.server(A, jumped);
    table.tick_end(A, WEST, 2);
    assert_eq!(table.snapshot().unwrap().discontinuity, 9 << 8);
}
