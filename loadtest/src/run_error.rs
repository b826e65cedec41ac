//! Why a run has no result, and the exit code that says so.

use protocol::Shown;

use crate::census::CensusError;
use crate::join::JoinError;
use crate::verdict::Verdict;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The join file.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// It is of no use.
    #[error(transparent)]
    Trust(#[from] client::JoinFileError),
    /// Its own pages cannot be read.
    #[error(
        "the cluster cannot be counted: {0}; without `observe` in the join file bots play all the same, and what they do is not counted"
    )]
    Uncountable(CensusError),
    /// A signal came before anything was measured.
    #[error("interrupted {when}: nothing was measured")]
    Interrupted {
        /// How far it had come.
        when: String,
    },
    /// Nobody lets anybody in.
    #[error("no bot could log in: {0}")]
    Unreachable(String),
    /// Some are let in, and others never.
    #[error("{missing} of {players} bots did not get in, and for {seconds} s none came: {why}")]
    LeftOut {
        /// How many are not in.
        missing: u32,
        /// How many should be.
        players: u32,
        /// How long the others waited.
        seconds: u64,
        /// What the last refusal said.
        why: String,
    },
    /// A threshold on nothing.
    #[error("`{name}` is no number of the result, so nothing can be demanded of it; its numbers are {names}")]
    NoSuchNumber {
        /// What the threshold says.
        name: String,
        /// What it could say.
        names: String,
    },
    /// The generator itself.
    #[error("thread {name} of the generator ended: {why}")]
    Thread {
        /// Which.
        name: String,
        /// What it died of.
        why: String,
    },
    /// The operating system.
    #[error("cannot start: {0}")]
    Io(#[from] std::io::Error),
    /// The result could not be written.
    #[error("cannot write {}: {error}", Shown(path.display()))]
    Output {
        /// Where to.
        path: std::path::PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

impl RunError {
    /// The same, with what the nodes say of themselves.
    pub(crate) fn explained(mut self, nodes: &[String]) -> Self {
        if let Self::Unreachable(why) | Self::LeftOut { why, .. } = &mut self {
            for node in nodes {
                why.push_str("; ");
                why.push_str(node);
            }
        }
        self
    }

    /// 3 when the cluster cannot be reached, 99 when it does not let all bots in, 4 when the generator failed, 130 when a signal came, 2 when the user must do something.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Unreachable(_) | Self::Uncountable(_) => 3,
            Self::LeftOut { .. } => Verdict::Failed.exit_code(),
            Self::Thread { .. } => Verdict::Invalid.exit_code(),
            Self::Interrupted { .. } => Verdict::Interrupted.exit_code(),
            Self::Join(error) if error.is_unreachable() => 3,
            _ => 2,
        }
    }
}
