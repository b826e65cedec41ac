//! A game server that this proxy does not reach: its players go where it is reached, if it lives.

use protocol::Code;
use protocol::ids::Incarnation;

use super::*;
use crate::edge::HolderSign;

impl Table {
    /// Time passes in which the client is there and the store answers whoever asks for a holder: its lease is renewed ten times
    /// a second, or `step` is 0. How often it was asked.
    fn pass_with_holder(&mut self, ms: u64, handle: SessionHandle, step: u64) -> usize {
        let mut asked = 0;
        for _ in 0..ms / 100 {
            self.wait(100);
            self.client(handle, client::Ping::default());
            let asks = |effect: &&EdgeEffect| matches!(effect, EdgeEffect::ReadHolder(_));
            let questions = self.effects.iter().filter(asks).count();
            self.effects.retain(|effect| !asks(&effect));
            for _ in 0..questions {
                asked += 1;
                let sign = HolderSign {
                    node: A,
                    incarnation: Incarnation(1),
                    beat: step * self.now_ms / 100,
                };
                self.give(EdgeInput::Holder(WEST, Some(sign)));
            }
        }
        asked
    }

    fn sent_away(&self) -> Vec<Code> {
        let closed = self.effects.iter().filter_map(|effect| match effect {
            EdgeEffect::CloseClient(_, USER, code) => Some(*code),
            _ => None,
        });
        closed.collect()
    }
}

#[test]
fn players_of_a_server_that_lives_and_is_not_reached_are_sent_to_another_proxy() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.give(EdgeInput::ServerDown(A));
    table.pass_with_holder(1_400, handle, 1);
    assert_eq!(table.sent_away(), [], "its link may be back in a moment");
    table.pass_with_holder(800, handle, 1);
    assert_eq!(table.sent_away(), [Code::WorldRecovering]);
    assert_eq!(table.edge.sessions(), 0);
}

#[test]
fn players_of_a_server_that_shows_no_life_stay() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.give(EdgeInput::ServerDown(A));
    let asked = table.pass_with_holder(20_000, handle, 0);
    assert_eq!(table.sent_away(), []);
    assert!((64..=68).contains(&asked), "three times a second: {asked}");
    table.give(EdgeInput::Holder(WEST, None));
    table.pass_with_holder(600, handle, 0);
    assert_eq!(table.sent_away(), []);
}

#[test]
fn who_is_reached_again_keeps_its_players_and_nobody_asks_on() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.give(EdgeInput::ServerDown(A));
    table.pass_with_holder(1_000, handle, 1);
    table.give(EdgeInput::ServerUp(A));
    table.answer(Some(A), WEST, 7);
    table.server(A, joined(1, WEST, 7, 9));
    assert_eq!(table.edge.playing(), 1);
    assert_eq!(table.pass_with_holder(5_000, handle, 1), 0);
    assert_eq!(table.sent_away(), []);
}

#[test]
fn one_who_has_just_come_is_not_sent_round() {
    let mut table = Table::new();
    table.give(EdgeInput::ServerDown(A));
    let handle = table.admit(2);
    table.attach(handle, 2);
    let elsewhere = player::Elsewhere {
        user: USER.0,
        node: A.0.into(),
        region: WEST.0,
        owner_epoch: 7,
    };
    table.server(B, elsewhere);
    table.answer(Some(A), WEST, 7);
    table.pass_with_holder(9_500, handle, 1);
    assert_eq!(table.sent_away(), []);
    table.pass_with_holder(1_500, handle, 1);
    assert_eq!(table.sent_away(), [Code::WorldRecovering]);
}
