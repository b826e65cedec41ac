//! What is kept of users as such.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use protocol::ids::UserId;

use crate::account::{Account, AccountKey, Identity};
use crate::limits::DEVICES_MAX;
use crate::report::Report;
use crate::sanction::Sanction;

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    pub(super) sanctions: Vec<KeptSanction>,
    pub(super) reports: Vec<Report>,
    /// The newest number of one.
    pub(super) last_report: u64,
    by_user: BTreeMap<UserId, KeptAccount>,
    /// Whose, and until when.
    devices: BTreeMap<[u8; 32], (UserId, u64)>,
    identities: BTreeMap<Identity, UserId>,
}

/// A sanction, and how long it is read.
#[derive(Clone, Debug)]
pub(super) struct KeptSanction {
    pub(super) row: Sanction,
    pub(super) read_until_ms: u64,
}

/// An account with the forms of its name, and how long its code counts.
#[derive(Clone, Debug)]
pub(super) struct KeptAccount {
    pub(super) row: Account,
    pub(super) fold: String,
    pub(super) look: String,
    pub(super) reset_until_ms: u64,
}

impl Accounts {
    pub(super) fn has(&self, user: UserId) -> bool {
        self.by_user.contains_key(&user)
    }

    pub(super) fn is_taken(&self, fold: &str, look: &str) -> bool {
        let mut all = self.by_user.values();
        all.any(|kept| kept.fold == fold || kept.look == look)
    }

    pub(super) fn insert(&mut self, kept: KeptAccount) {
        self.by_user.insert(kept.row.user, kept);
    }

    pub(super) fn get_mut(&mut self, user: UserId) -> Option<&mut KeptAccount> {
        self.by_user.get_mut(&user)
    }

    pub(super) fn is_known(&self, identity: Option<&Identity>) -> bool {
        identity.is_some_and(|identity| self.identities.contains_key(identity))
    }

    pub(super) fn keep_identity(&mut self, identity: Identity, user: UserId) {
        self.identities.insert(identity, user);
    }

    pub(super) fn remove(&mut self, user: UserId) -> bool {
        self.identities.retain(|_, whose| *whose != user);
        self.by_user.remove(&user).is_some()
    }

    pub(super) fn keep_device(&mut self, key: [u8; 32], user: UserId, until_ms: u64) {
        self.devices.insert(key, (user, until_ms));
        let of_user = self.devices.iter().filter(|(_, (whose, _))| *whose == user);
        let mut of_user: Vec<_> = of_user.map(|(key, (_, until_ms))| (*until_ms, *key)).collect();
        of_user.sort_unstable();
        let over = of_user.len().saturating_sub(DEVICES_MAX);
        for (_, key) in of_user.into_iter().take(over) {
            self.devices.remove(&key);
        }
    }

    pub(super) fn device(&self, key: &[u8; 32], now_ms: u64) -> Option<UserId> {
        let (user, until_ms) = self.devices.get(key)?;
        (*until_ms > now_ms).then_some(*user)
    }

    pub(super) fn forget_devices(&mut self, user: UserId) {
        self.devices.retain(|_, (whose, _)| *whose != user);
    }

    /// Whether a guest may come back by a key of its own, or has an account.
    pub(super) fn is_kept(&self, user: UserId, now_ms: u64) -> bool {
        let mut devices = self.devices.values();
        self.has(user) || devices.any(|(whose, until_ms)| *whose == user && *until_ms > now_ms)
    }

    pub(super) fn find(&self, key: &AccountKey, now_ms: u64) -> Option<Account> {
        let found = match key {
            AccountKey::User(user) => self.by_user.get(user),
            AccountKey::Identity(identity) => self
                .identities
                .get(identity)
                .and_then(|user| self.by_user.get(user)),
            AccountKey::Fold(fold) => self.by_user.values().find(|kept| kept.fold == *fold),
        };
        found.map(|kept| Account {
            reset_hash: kept.row.reset_hash.filter(|_| kept.reset_until_ms > now_ms),
            ..kept.row.clone()
        })
    }
}
