//! What is kept of users as such.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::sanction::Sanction;

/// A sanction, and how long it is read.
#[derive(Clone, Debug)]
pub(super) struct KeptSanction {
    pub(super) row: Sanction,
    pub(super) read_until_ms: u64,
}
