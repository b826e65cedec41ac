//! Exit codes that mean something, and errors that know theirs.

use super::fatal::{Fatal, Loss};
use crate::admin::AdminError;
use crate::authority_dir::AuthorityDirError;
use crate::config::ConfigError;
use crate::data_dir::DataDirError;
use crate::telemetry::TelemetryError;
use std::fmt;
use std::process::ExitCode;

macro_rules! exits {
    ($($name:ident = $code:literal: $meaning:literal,)*) => {
        /// Why a process ended. Scripts and service managers read it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Exit {
            $(#[doc = $meaning] $name = $code,)*
        }

        impl Exit {
            /// All of them, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it means, for people.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }
        }
    };
}

exits! {
    Ok = 0: "did what it was asked to, or drained",
    Failed = 1: "failed while running, or did not finish draining in time",
    BadInput = 2: "bad command line, configuration, topology or data directory: change something first; a busy port too",
    Unreachable = 3: "what it needs cannot be reached",
    Saturated = 4: "the load generator could not keep up with its own plan",
    Forced = 5: "a second signal cut the drain short, or the parent process ended",
    OwnerLost = 6: "a thread or task that the process cannot do without panicked or ended by itself: the last line says which",
    OwnerStuck = 7: "such a thread was stuck for 100 looks of the watchdog",
    Unsaved = 8: "drained, but the store did not take every player: the last line says how many and why",
    RulesHung = 9: "the rules of the game did not come back from a call within 2 s: the last line says from which",
    Broken = 99: "a threshold, the oracle or a player's continuity is broken in a load test, or some of its bots were not let in",
    Interrupted = 130: "a load test, or `up` with bots and `--for`, was interrupted before its time was up",
}

impl Exit {
    /// The table of `--help`.
    #[must_use]
    pub fn table() -> String {
        let rows = Self::ALL
            .iter()
            .map(|exit| format!("\n  {:<3}  {}", *exit as u8, exit.meaning()));
        format!("Exit codes:{}", rows.collect::<String>())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error with the exit code it leads to, and one clear sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened and what to do.
    pub message: String,
}

impl Failure {
    /// The operator must change something first.
    pub fn bad_input(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::BadInput,
            message: message.to_string(),
        }
    }

    /// It went wrong while running.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Failed,
            message: message.to_string(),
        }
    }

    /// The store did not take everything before the time for it was over.
    pub fn unsaved(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Unsaved,
            message: message.to_string(),
        }
    }

    /// What it needs cannot be reached.
    pub fn unreachable(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Unreachable,
            message: message.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Fatal> for Failure {
    fn from(fatal: Fatal) -> Self {
        let exit = match fatal.loss {
            Loss::Ended(_) | Loss::Panicked(_) => Exit::OwnerLost,
            Loss::Stalled(_) => Exit::OwnerStuck,
            Loss::Hung(_) => Exit::RulesHung,
        };
        Self {
            exit,
            message: fatal.to_string(),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::bad_input(error)
    }
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        Self::bad_input(error)
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Bind { .. } => Self::bad_input(error),
            AdminError::Start(_) => Self::failed(error),
        }
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        Self::bad_input(error)
    }
}

impl From<AuthorityDirError> for Failure {
    fn from(error: AuthorityDirError) -> Self {
        Self::bad_input(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_lists_every_code_and_no_other() {
        let page = include_str!("../../../../docs/operating.md");
        let (_, after) = page.split_once("## Exit codes\n").unwrap();
        let table = after.split("\n## ").next().unwrap();
        let rows: Vec<&str> = table
            .lines()
            .filter(|line| line.starts_with("| "))
            .skip(1)
            .collect();
        let expected = Exit::ALL.iter();
        let expected = expected.map(|exit| format!("| {} | {} |", *exit as u8, exit.meaning()));
        assert_eq!(rows, expected.collect::<Vec<_>>());
    }

    #[test]
    fn codes_ascend_and_the_help_has_a_line_for_each() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| *exit as u8).collect();
        assert!(codes.is_sorted_by(|one, next| one < next), "{codes:?}");
        assert_eq!(Exit::table().lines().count(), 1 + codes.len());
    }
}
