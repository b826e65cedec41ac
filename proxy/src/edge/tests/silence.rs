//! Clients of which nothing is heard.

use protocol::Code;
use protocol::message::family::ProxyToServer;

use super::*;

/// The shard's loop runs on for so long.
fn run(table: &mut Table, ms: u64) {
    for _ in 0..ms / 20 {
        table.wait(20);
    }
}

fn closed(table: &Table) -> Option<Code> {
    table.effects.iter().find_map(|effect| match effect {
        EdgeEffect::CloseClient(_, USER, code) => Some(*code),
        _ => None,
    })
}

// SI-3
#[test]
fn si_3_ten_silent_seconds_end_a_session_with_a_code_that_means_to_come_back() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    run(&mut table, 9_000);
    table.client(handle, input(1));
    run(&mut table, 9_000);
    assert_eq!(closed(&table), None);
    run(&mut table, 2_000);
    assert_eq!(closed(&table), Some(Code::TimedOut));
    let leaves = table
        .sent_to_servers()
        .into_iter()
        .filter_map(|(node, message)| match message {
            ProxyToServer::Leave(leave) => Some((node, leave.reason)),
            _ => None,
        });
    let linkdead = i32::from(player::LeaveReason::Linkdead);
    assert_eq!(
        leaves.collect::<Vec<_>>(),
        [(A, linkdead)],
        "the owner keeps the body"
    );
    table.admit(2);
    run(&mut table, 11_000);
    assert_eq!(table.edge.sessions(), 0, "nor is one that never attaches kept");
}

// SI-4
#[test]
fn si_4_what_the_shard_slept_through_is_not_its_clients_silence() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    run(&mut table, 9_000);
    table.wait(3_600_000);
    assert_eq!(closed(&table), None);
    run(&mut table, 500);
    table.client(handle, input(1));
    run(&mut table, 9_000);
    assert_eq!((closed(&table), table.edge.sessions()), (None, 1));
}

// SI-1
#[test]
fn si_1_a_ping_is_answered_wherever_the_player_is() {
    let mut table = Table::new();
    let handle = table.admit(1);
    table.take();
    let ping = client::Ping {
        sent_at_us: 5,
        echo_us: 0,
    };
    table.client(handle, ping);
    let answer = client::Ping {
        sent_at_us: 0,
        echo_us: 5,
    };
    assert_eq!(table.take(), [EdgeEffect::ToClient(handle, answer.into())]);
}
