//! A client's commands between it and the owner: kept until acknowledged, repeated at every change of owner.

use std::collections::VecDeque;

use protocol::ids::{CommandNumber, OwnerEpoch, SessionGeneration, UserId};
use protocol::limits;
use protocol::message::checked::CheckedCommand;
use protocol::message::player;

/// What became of a command that a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// New: kept, and to be sent to the owner.
    New,
    /// Known already: the client repeated it.
    Repeated,
    /// Commands before it are missing, or more are open than the window allows: the client broke the protocol.
    OutOfWindow,
}

/// The commands of one session that await acknowledgement.
#[derive(Debug, Default)]
pub(super) struct CommandLog {
    acked: u64,
    pending: VecDeque<CheckedCommand>,
    repeated_at_ms: u64,
    /// When the oldest open command became the oldest.
    waiting_since_ms: u64,
}

/// At most this often a duplicate acknowledgement makes the log repeat, milliseconds.
const REPEAT_MS_MIN: u64 = 100;
/// Without any acknowledgement for so long everything open is repeated, whatever became of it, milliseconds.
const OVERDUE_MS: u64 = 1_000;

impl CommandLog {
    /// Starts after the last command that the client says it saw acknowledged.
    pub(super) fn new(acked: CommandNumber) -> Self {
        Self {
            acked: acked.0,
            ..Self::default()
        }
    }

    /// The newest acknowledged command.
    pub(super) fn acked(&self) -> CommandNumber {
        CommandNumber(self.acked)
    }

    /// Takes a command from the client.
    pub(super) fn take(&mut self, command: &CheckedCommand, now_ms: u64) -> Taken {
        let next = self.acked + self.pending.len() as u64 + 1;
        if command.number.0 < next {
            return Taken::Repeated;
        }
        if command.number.0 > next || self.pending.len() >= limits::COMMAND_WINDOW {
            return Taken::OutOfWindow;
        }
        if self.pending.is_empty() {
            self.waiting_since_ms = now_ms;
        }
        self.pending.push_back(command.clone());
        Taken::New
    }

    /// Takes an acknowledgement from the owner. `true` when the owner says again what it said before although more is
    /// open: it misses a command, and everything open must be repeated.
    pub(super) fn acknowledge(&mut self, number: CommandNumber, now_ms: u64) -> bool {
        if number.0 > self.acked {
            while self.pending.front().is_some_and(|first| first.number <= number) {
                self.pending.pop_front();
            }
            self.acked = number.0;
            self.waiting_since_ms = now_ms;
            return false;
        }
        let again = !self.pending.is_empty()
            && number.0 == self.acked
            && now_ms.saturating_sub(self.repeated_at_ms) >= REPEAT_MS_MIN;
        if again {
            self.repeated_at_ms = now_ms;
        }
        again
    }

    /// Whether the owner has been silent about the open commands for so long that they must be repeated.
    pub(super) fn is_overdue(&mut self, now_ms: u64) -> bool {
        let since_ms = self.waiting_since_ms.max(self.repeated_at_ms);
        let overdue = !self.pending.is_empty() && now_ms.saturating_sub(since_ms) >= OVERDUE_MS;
        if overdue {
            self.repeated_at_ms = now_ms;
        }
        overdue
    }

    /// All open commands of a user's login, addressed to the owner of this epoch.
    pub(super) fn open(
        &self,
        (user, generation): (UserId, SessionGeneration),
        epoch: OwnerEpoch,
    ) -> impl Iterator<Item = player::Command> {
        self.pending.iter().map(move |command| player::Command {
            user: user.0,
            owner_epoch: epoch.0,
            number: command.number.0,
            class: command.class.into(),
            body: command.body.clone(),
            session_generation: generation.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use protocol::message::player::CommandClass;

    fn command(number: u64) -> CheckedCommand {
        CheckedCommand {
            number: CommandNumber(number),
            class: CommandClass::Soft,
            body: Bytes::from_static(b"x"),
        }
    }

    fn open(log: &CommandLog) -> Vec<u64> {
        log.open((UserId(1), SessionGeneration(1)), OwnerEpoch(1))
            .map(|command| command.number)
            .collect()
    }

    #[test]
    fn commands_are_kept_in_order_until_acknowledged() {
        let mut log = CommandLog::new(CommandNumber(4));
        assert_eq!(log.take(&command(5), 0), Taken::New);
        assert_eq!(log.take(&command(6), 0), Taken::New);
        assert_eq!(log.take(&command(5), 0), Taken::Repeated);
        assert_eq!(log.take(&command(8), 0), Taken::OutOfWindow);
        assert!(!log.acknowledge(CommandNumber(5), 0));
        assert_eq!(open(&log), [6]);
        assert_eq!(log.acked(), CommandNumber(5));
    }

    #[test]
    fn a_repeated_acknowledgement_asks_for_what_is_open_but_not_in_a_loop() {
        let mut log = CommandLog::new(CommandNumber(0));
        log.take(&command(1), 0);
        assert!(log.acknowledge(CommandNumber(0), 1_000));
        assert!(!log.acknowledge(CommandNumber(0), 1_050));
        assert!(log.acknowledge(CommandNumber(0), 1_100));
        log.acknowledge(CommandNumber(1), 1_200);
        assert!(!log.acknowledge(CommandNumber(1), 9_000));
    }

    #[test]
    fn what_nobody_speaks_about_is_repeated_once_a_second() {
        let mut log = CommandLog::new(CommandNumber(0));
        assert!(!log.is_overdue(9_000));
        log.take(&command(1), 9_000);
        assert!(!log.is_overdue(9_999));
        assert!(log.is_overdue(10_000));
        assert!(!log.is_overdue(10_500));
        log.take(&command(2), 10_500);
        log.acknowledge(CommandNumber(1), 10_900);
        assert!(!log.is_overdue(11_500));
        assert!(log.is_overdue(11_900));
    }

    #[test]
    fn the_window_is_bounded() {
        let mut log = CommandLog::default();
        for number in 1..=limits::COMMAND_WINDOW as u64 {
            assert_eq!(log.take(&command(number), 0), Taken::New);
        }
        assert_eq!(
            log.take(&command(limits::COMMAND_WINDOW as u64 + 1), 0),
            Taken::OutOfWindow
        );
    }
}
