//! What an operator did wrong in the configuration, where, and what to do about it.

use std::path::PathBuf;

/// A value that has the right type and is wrong all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Dotted key of the setting.
    pub key: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Mistake {
    /// A mistake in the setting `key`.
    pub fn new(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            what: what.into(),
        }
    }
}

/// The configuration cannot be used. The process exits with code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named cannot be read; a missing one is never replaced by defaults.
    #[error("cannot read the configuration file {}: {reason}; name an existing file with --config, or leave --config out", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is no TOML, has an unknown key or a value of the wrong type.
    #[error("{}:{line}:{column}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1, in characters.
        column: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// Mistakes in the environment, in flags or in values, one per line, each with its place.
    #[error("{}", .0.join("\n"))]
    Values(Vec<String>),
}
