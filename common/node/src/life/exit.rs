//! Exit codes that mean something, and errors that know theirs.

use super::fatal::{Fatal, Loss};
use crate::admin::AdminError;
use crate::authority_dir::AuthorityDirError;
use crate::config::ConfigError;
use crate::data_dir::DataDirError;
use crate::telemetry::TelemetryError;
use std::fmt;
use std::process::ExitCode;

/// Why a process ended. Scripts and service managers read it; `docs/operating.md` lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked to, or drained.
    Ok = 0,
    /// It failed while running, or did not finish draining in time.
    Failed = 1,
    /// Command line, configuration, topology or data directory: the operator must change something first.
    BadInput = 2,
    /// What it needs cannot be reached.
    Unreachable = 3,
    /// The load generator could not keep up with its own plan.
    Saturated = 4,
    /// A second signal cut the drain short, or the parent process ended.
    Forced = 5,
    /// A thread or task that the process cannot do without panicked, or ended by itself.
    OwnerLost = 6,
    /// A thread that the process cannot do without was stuck for too long.
    OwnerStuck = 7,
    /// A threshold or the oracle of a load test is broken.
    Broken = 99,
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
