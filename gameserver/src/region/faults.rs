//! One mistake made on purpose, of the kinds that must never happen: who counts commands and holdings has to find it, and a
//! panic has to end the process.
//! Only in builds with the feature `fault-injection`.

use std::str::FromStr;

use protocol::ids::UserId;

use super::player::QueuedCommand;

/// Which mistake a region makes, once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// None.
    #[default]
    None,
    /// A command is acknowledged and not applied.
    DropCommand,
    /// A command is applied twice.
    DoubleCommand,
    /// A player's command is applied after the next one.
    SwapCommands,
    /// A holding that somebody takes stays where it lies.
    DoubleHolding,
    /// The first tick panics.
    Panic,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "" => Ok(Self::None),
            "drop-command" => Ok(Self::DropCommand),
            "double-command" => Ok(Self::DoubleCommand),
            "swap-commands" => Ok(Self::SwapCommands),
            "double-holding" => Ok(Self::DoubleHolding),
            "panic" => Ok(Self::Panic),
            other => Err(format!("`{other}` is no fault")),
        }
    }
}

/// How far a region is with its mistake.
#[derive(Debug, Default)]
pub(super) struct Mischief {
    pub(super) applied: u64,
    pub(super) done: bool,
    pub(super) held: Option<(UserId, QueuedCommand)>,
}
