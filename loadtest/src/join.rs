//! The join file, from a file or from an address.

use std::path::Path;

use client::{JoinFile, JoinFileError};

use crate::http::{self, HttpError};

/// Why there is no join file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    /// From a file.
    #[error(transparent)]
    File(#[from] JoinFileError),
    /// From an address.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Nobody to connect to.
    #[error("the join file names no proxy")]
    NoProxies,
}

impl JoinError {
    /// Whether it is the cluster that is missing, rather than the user's words that are wrong.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Http(HttpError::Io { .. } | HttpError::TimedOut(_)))
            || matches!(self, Self::File(JoinFileError::Resolve { .. }))
    }
}

/// Reads it.
///
/// # Errors
/// `JoinError` says what is wrong with which file.
pub(crate) async fn read(file_or_url: &str) -> Result<JoinFile, JoinError> {
    let join = if file_or_url.contains("://") {
        let text = http::get(file_or_url).await?;
        JoinFile::parse(file_or_url, &text)?
    } else {
        JoinFile::read(Path::new(file_or_url))?
    };
    if join.proxies.is_empty() {
        return Err(JoinError::NoProxies);
    }
    Ok(join)
}
