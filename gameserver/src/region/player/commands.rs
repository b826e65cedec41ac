//! The commands of one player: those that wait for a tick, how far they are applied, and how far the proxy may know. Each
//! is taken once and in order, whoever repeats it.

use std::collections::VecDeque;

use bytes::Bytes;
use game::CommandKind;
use protocol::limits::COMMAND_WINDOW;
use sha2::{Digest as _, Sha256};

use super::held::Held;

/// A command that waits for the next tick.
#[derive(Clone, Debug)]
pub(in crate::region) struct QueuedCommand {
    pub(in crate::region) number: u64,
    pub(in crate::region) kind: CommandKind,
    pub(in crate::region) body: Bytes,
}

/// What became of a command that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::region) enum Received {
    /// It waits, and nothing waited before it.
    First,
    /// It waits behind others.
    Queued,
    /// Repeated, or after a gap, or too many: the proxy has to learn where to go on.
    Refused,
}

/// The hash chain over applied commands: `SHA256(h ‖ number u64 ‖ bytes)`.
pub(in crate::region) fn chain(hash: &[u8; 32], number: u64, body: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(hash)
        .chain_update(number.to_le_bytes())
        .chain_update(body)
        .finalize()
        .into()
}

/// All of one player.
#[derive(Clone, Debug)]
pub(in crate::region) struct Commands {
    waiting: VecDeque<QueuedCommand>,
    last: u64,
    told: u64,
    held: Held,
    chain_hash: [u8; 32],
}

impl Commands {
    /// As a row has them.
    pub(super) fn restore(last: u64, chain_hash: [u8; 32]) -> Self {
        Self {
            waiting: VecDeque::new(),
            last,
            told: last,
            held: Held::default(),
            chain_hash,
        }
    }

    /// A new login counts from 1 again; what is durable goes on.
    pub(super) fn start_again(&mut self) {
        *self = Self::restore(0, self.chain_hash);
    }

    /// The client has seen these acknowledged: a row that lags behind a crash must not open a gap before them.
    pub(super) fn seen(&mut self, number: u64) {
        self.last = self.last.max(number);
        self.told = self.told.max(number);
    }

    pub(in crate::region) fn receive(&mut self, command: QueuedCommand) -> Received {
        let waiting = self.waiting.len();
        if command.number != self.last + waiting as u64 + 1 || waiting >= COMMAND_WINDOW {
            return Received::Refused;
        }
        self.waiting.push_back(command);
        if waiting == 0 {
            Received::First
        } else {
            Received::Queued
        }
    }

    /// The next one to be applied.
    pub(in crate::region) fn next(&self) -> Option<&QueuedCommand> {
        self.waiting.front()
    }

    pub(in crate::region) fn take_next(&mut self) -> Option<QueuedCommand> {
        self.waiting.pop_front()
    }

    pub(in crate::region) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Those that wait are not applied here: whoever has the player next is told them again.
    pub(in crate::region) fn drop_waiting(&mut self) {
        self.waiting.clear();
    }

    /// A command is applied now. A durable one is acknowledged once what is captured after now is in the store.
    pub(in crate::region) fn apply(&mut self, command: &QueuedCommand) {
        self.chain_hash = chain(&self.chain_hash, command.number, &command.body);
        self.last = self.last.max(command.number);
        if command.kind == CommandKind::Durable {
            self.held.hold(command.number);
        }
    }

    pub(super) fn begin_commit(&mut self) {
        self.held.begin();
    }

    pub(super) fn finish_commit(&mut self) {
        self.held.release();
    }

    /// What waits for a commit may be told before it.
    #[cfg(feature = "broken-rules")]
    pub(in crate::region) fn hold_nothing(&mut self) {
        self.held = Held::default();
    }

    /// The last one applied.
    pub(in crate::region) fn last(&self) -> u64 {
        self.last
    }

    /// The last one that may be acknowledged.
    pub(in crate::region) fn ack(&self) -> u64 {
        self.held.limit(self.last)
    }

    /// The last one that may be acknowledged, if the proxy has not been told.
    pub(in crate::region) fn take_news(&mut self) -> Option<u64> {
        let ack = self.ack();
        (ack > self.told).then(|| {
            self.told = ack;
            ack
        })
    }

    /// The last one that the proxy was told of.
    pub(in crate::region) fn told(&self) -> u64 {
        self.told
    }

    pub(in crate::region) fn chain_hash(&self) -> [u8; 32] {
        self.chain_hash
    }

    /// The command counts as applied and is not.
    #[cfg(feature = "fault-injection")]
    pub(in crate::region) fn skip(&mut self, number: u64) {
        self.last = number;
    }

    #[cfg(test)]
    pub(in crate::region) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(number: u64, kind: CommandKind) -> QueuedCommand {
        QueuedCommand {
            number,
            kind,
            body: Bytes::from_static(b"x"),
        }
    }

    fn soft(number: u64) -> QueuedCommand {
        command(number, CommandKind::Soft)
    }

    #[test]
    fn each_command_is_taken_once_and_in_order() {
        let mut commands = Commands::restore(3, [0; 32]);
        assert_eq!(commands.receive(soft(3)), Received::Refused, "it is applied");
        assert_eq!(commands.receive(soft(5)), Received::Refused, "4 is missing");
        assert_eq!(commands.receive(soft(4)), Received::First);
        assert_eq!(commands.receive(soft(4)), Received::Refused, "it waits already");
        for number in 5..4 + COMMAND_WINDOW as u64 {
            assert_eq!(commands.receive(soft(number)), Received::Queued);
        }
        let beyond = soft(4 + COMMAND_WINDOW as u64);
        assert_eq!(commands.receive(beyond), Received::Refused, "the window is full");
        let next = commands.take_next().unwrap();
        commands.apply(&next);
        assert_eq!((next.number, commands.last()), (4, 4));
        assert_eq!(commands.chain_hash(), chain(&[0; 32], 4, b"x"));
        commands.drop_waiting();
        assert_eq!(commands.receive(soft(6)), Received::Refused, "5 is to come again");
        assert_eq!(commands.receive(soft(5)), Received::First);
    }

    #[test]
    fn a_durable_command_is_told_once_its_commit_is_done_and_holds_back_those_after_it() {
        let mut commands = Commands::restore(0, [0; 32]);
        commands.apply(&soft(1));
        assert_eq!((commands.take_news(), commands.take_news()), (Some(1), None));
        commands.apply(&command(2, CommandKind::Durable));
        commands.apply(&soft(3));
        assert_eq!((commands.ack(), commands.last()), (1, 3));
        commands.begin_commit();
        commands.apply(&command(4, CommandKind::Durable));
        assert_eq!(commands.take_news(), None);
        commands.finish_commit();
        assert_eq!(commands.take_news(), Some(3), "4 is not in that commit");
        commands.begin_commit();
        commands.finish_commit();
        assert_eq!((commands.take_news(), commands.told()), (Some(4), 4));
    }

    #[test]
    fn a_new_login_counts_again_and_a_client_may_be_ahead_of_the_row() {
        let mut commands = Commands::restore(3, [7; 32]);
        commands.seen(5);
        assert_eq!((commands.last(), commands.told()), (5, 5));
        assert_eq!(commands.receive(soft(6)), Received::First);
        commands.start_again();
        assert_eq!((commands.last(), commands.told(), commands.len()), (0, 0, 0));
        assert_eq!(commands.chain_hash(), [7; 32]);
    }
}
