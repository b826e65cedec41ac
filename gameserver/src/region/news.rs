//! What rules say to users who may be anywhere, and to all. It goes straight to the user's proxy, past the owner: unnumbered, once,
//! and dropped wherever something is not known. Whose proxy it is the row says; that is remembered for a while.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::ids::{NodeNumber, UserId};

use super::allowance::Allowance;

/// Users whose proxies are known, or asked for.
const USERS_MAX: usize = 1024;

/// Where a user is reached.
#[derive(Debug)]
pub(super) enum Reached {
    /// The row is being read; this waits for it.
    Asked(Vec<Bytes>),
    /// At this proxy, or at none, until then, milliseconds.
    Known(Option<NodeNumber>, u64),
}

/// News of one region.
#[derive(Debug)]
pub(super) struct News {
    pub(super) users: BTreeMap<UserId, Reached>,
    pub(super) notify: Allowance,
    pub(super) announce: Allowance,
}

impl Default for News {
    fn default() -> Self {
        Self {
            users: BTreeMap::new(),
            notify: Allowance::new(256, 1_000 / 64),
            announce: Allowance::new(4, 1_000),
        }
    }
}

impl News {
    /// Room for one more user; what is not believed any more is given up for it.
    pub(super) fn has_room(&mut self, now_ms: u64) -> bool {
        if self.users.len() >= USERS_MAX {
            self.users
                .retain(|_, at| !matches!(at, Reached::Known(_, until_ms) if *until_ms <= now_ms));
        }
        self.users.len() < USERS_MAX
    }
}
