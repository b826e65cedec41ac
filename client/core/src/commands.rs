//! This client's commands until they are acknowledged: numbered once, repeated after each attach.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::ids::CommandNumber;
use protocol::limits;
use protocol::message::client;
use protocol::message::player::CommandClass;

/// A command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// As many commands as the window allows await acknowledgement: wait for one.
    #[error("{max} commands await acknowledgement", max = limits::COMMAND_WINDOW)]
    WindowFull,
    /// The body is longer than a command may be.
    #[error("a command of {0} bytes is too long, at most {max} are allowed", max = limits::COMMAND_BYTES_MAX)]
    TooLong(usize),
}

/// Commands that await acknowledgement.
#[derive(Debug, Default)]
pub(super) struct Commands {
    acked: u64,
    open: VecDeque<client::Command>,
}

impl Commands {
    /// As many as were open when another client was given up, whose player this is.
    pub(super) fn going_on(acked: u64, open: Vec<(CommandClass, Bytes)>) -> Self {
        let numbered = open.into_iter().zip(acked.saturating_add(1)..);
        let open = numbered.map(|((class, body), number)| client::Command {
            number,
            class: class.into(),
            body,
        });
        Self {
            acked,
            open: open.collect(),
        }
    }

    pub(super) fn push(&mut self, class: CommandClass, body: Bytes) -> Result<client::Command, CommandError> {
        if body.len() > limits::COMMAND_BYTES_MAX {
            return Err(CommandError::TooLong(body.len()));
        }
        if self.open.len() >= limits::COMMAND_WINDOW {
            return Err(CommandError::WindowFull);
        }
        let number = self.acked + self.open.len() as u64 + 1;
        let command = client::Command {
            number,
            class: class.into(),
            body,
        };
        self.open.push_back(command.clone());
        Ok(command)
    }

    /// Takes an acknowledgement; `None` when it says nothing new.
    pub(super) fn acknowledge(&mut self, number: u64) -> Option<CommandNumber> {
        let newest = self.acked + self.open.len() as u64;
        if number <= self.acked || number > newest {
            return None;
        }
        self.open.drain(..(number - self.acked) as usize);
        self.acked = number;
        Some(CommandNumber(number))
    }

    pub(super) fn acked(&self) -> CommandNumber {
        CommandNumber(self.acked)
    }

    pub(super) fn open(&self) -> impl ExactSizeIterator<Item = &client::Command> {
        self.open.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_numbered_on_and_kept_until_acknowledged() {
        let mut commands = Commands::default();
        for number in 1..=3 {
            let command = commands.push(CommandClass::Soft, Bytes::new()).unwrap();
            assert_eq!(command.number, number);
        }
        assert_eq!(commands.acknowledge(2), Some(CommandNumber(2)));
        assert_eq!(commands.acknowledge(2), None);
        assert_eq!(commands.acknowledge(9), None);
        let open: Vec<u64> = commands.open().map(|command| command.number).collect();
        assert_eq!(open, [3]);
        assert_eq!(
            commands.push(CommandClass::Durable, Bytes::new()).unwrap().number,
            4
        );
    }

    #[test]
    fn the_window_and_the_length_are_bounded() {
        let mut commands = Commands::default();
        let long = Bytes::from(vec![0; limits::COMMAND_BYTES_MAX + 1]);
        assert_eq!(
            commands.push(CommandClass::Soft, long),
            Err(CommandError::TooLong(1025))
        );
        for _ in 0..limits::COMMAND_WINDOW {
            commands.push(CommandClass::Soft, Bytes::new()).unwrap();
        }
        assert_eq!(
            commands.push(CommandClass::Soft, Bytes::new()),
            Err(CommandError::WindowFull)
        );
    }
}
