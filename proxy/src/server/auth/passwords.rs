//! Work with passwords: argon2id, so many at once and so many that wait, each no longer than its deadline. It costs the same whether
//! or not there is an account.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use protocol::Code;
use protocol::entropy::array;
use store::Verifier;
use subtle::ConstantTimeEq as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::TurnedAway;
use crate::server::settings::{
    AuthTable, PASSWORD_MEMORY_KIB_MAX, PASSWORD_MEMORY_KIB_MIN, PASSWORD_ROUNDS_MAX,
};

/// When to try again where too many wait, milliseconds.
const BUSY_RETRY_MS: u32 = 2_000;
/// Of an account that has no password: whoever has it comes by tokens.
pub(super) const NO_PASSWORD: &str = "!";
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// What one computation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    rounds: u32,
}

/// A verifier, read: `$argon2id$v=19$m=…,t=…,p=1$salt$hash`.
#[derive(Clone, Copy)]
struct Parsed {
    cost: Cost,
    salt: [u8; SALT_BYTES],
    hash: [u8; HASH_BYTES],
}

/// See the module.
pub(in crate::server) struct Passwords {
    cost: Cost,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
    deadline: Duration,
    computed: AtomicU64,
    counter: &'static str,
}

impl Passwords {
    /// Each computation is counted under this metric.
    pub(in crate::server) fn new(settings: &AuthTable, counter: &'static str) -> Self {
        Self {
            counter,
            cost: Cost {
                memory_kib: settings.password_memory_kib,
                rounds: settings.password_rounds,
            },
            permits: Arc::new(Semaphore::new(settings.passwords_at_once as usize)),
            waiting: AtomicUsize::new(0),
            waiting_max: settings.passwords_waiting as usize,
            deadline: Duration::from_millis(settings.password_wait_ms),
            computed: AtomicU64::new(0),
        }
    }

    /// Whether it is the password of this verifier. Of nobody's none is; that takes the same time.
    pub(super) async fn check(
        &self,
        password: Zeroizing<String>,
        verifier: Option<&Verifier>,
    ) -> Result<bool, TurnedAway> {
        let verifier = verifier.filter(|verifier| verifier.0 != NO_PASSWORD);
        let known = verifier.and_then(|verifier| Parsed::parse(&verifier.0));
        if verifier.is_some() && known.is_none() {
            tracing::error!("what a password is checked against cannot be read: the store is damaged");
        }
        let parsed = known.unwrap_or_else(|| self.nobodys());
        let is_right = self.compute(move || parsed.is_of(&password)).await?;
        Ok(is_right && known.is_some())
    }

    /// Whether it is as it would be made now.
    pub(super) fn is_current(&self, verifier: &Verifier) -> bool {
        Parsed::parse(&verifier.0).is_some_and(|parsed| parsed.cost == self.cost)
    }

    /// What this password is to be checked against from now on.
    pub(super) async fn make(&self, password: Zeroizing<String>) -> Result<Verifier, TurnedAway> {
        let (cost, salt) = (self.cost, array(&mut node::OsEntropy));
        let made = self
            .compute(move || {
                let hash = cost.hash(&password, &salt)?;
                Some(Parsed { cost, salt, hash }.encode())
            })
            .await?;
        made.map(Verifier).ok_or_else(|| Code::Generic.into())
    }

    /// How many were computed: what a try costs, whatever the clock says.
    #[cfg(test)]
    fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// Of no password.
    fn nobodys(&self) -> Parsed {
        Parsed {
            cost: self.cost,
            salt: array(&mut node::OsEntropy),
            hash: array(&mut node::OsEntropy),
        }
    }

    async fn compute<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TurnedAway> {
        let permit = self.permit().await?;
        self.computed.fetch_add(1, Ordering::Relaxed);
        metrics::counter!(self.counter).increment(1);
        let working = tokio::task::spawn_blocking(move || {
            // It is given back when the work is done, also when nobody waits for it any more.
            let _permit = permit;
            job()
        });
        working.await.map_err(|_| Code::Generic.into())
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, TurnedAway> {
        let room = |waiting| (waiting < self.waiting_max).then_some(waiting + 1);
        let entered = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        entered.map_err(|_| busy())?;
        let _place = Place(&self.waiting);
        let permit = timeout(self.deadline, Arc::clone(&self.permits).acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or_else(busy)
    }
}

/// One who waits.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn busy() -> TurnedAway {
    TurnedAway {
        retry_ms: BUSY_RETRY_MS,
        reason: "too many passwords are being checked".to_owned(),
        ..Code::Busy.into()
    }
}

impl Cost {
    fn hash(self, password: &str, salt: &[u8; SALT_BYTES]) -> Option<[u8; HASH_BYTES]> {
        let params = Params::new(self.memory_kib, self.rounds, 1, Some(HASH_BYTES)).ok()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut hash = [0; HASH_BYTES];
        argon2
            .hash_password_into(password.as_bytes(), salt, &mut hash)
            .ok()?;
        Some(hash)
    }
}

impl Parsed {
    fn is_of(&self, password: &str) -> bool {
        let hash = self.cost.hash(password, &self.salt);
        hash.is_some_and(|hash| bool::from(hash.ct_eq(&self.hash)))
    }

    fn encode(&self) -> String {
        let Cost { memory_kib, rounds } = self.cost;
        let [salt, hash] = [&self.salt[..], &self.hash[..]].map(|bytes| STANDARD_NO_PAD.encode(bytes));
        format!("$argon2id$v=19$m={memory_kib},t={rounds},p=1${salt}${hash}")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("$argon2id$v=19$m=")?.split('$');
        let (cost, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
        let (memory, rounds) = cost.strip_suffix(",p=1")?.split_once(",t=")?;
        let cost = Cost {
            memory_kib: memory.parse().ok()?,
            rounds: rounds.parse().ok()?,
        };
        let fits = (PASSWORD_MEMORY_KIB_MIN..=PASSWORD_MEMORY_KIB_MAX).contains(&cost.memory_kib)
            && (1..=PASSWORD_ROUNDS_MAX).contains(&cost.rounds)
            && parts.next().is_none();
        fits.then_some(Self {
            cost,
            salt: STANDARD_NO_PAD.decode(salt).ok()?.try_into().ok()?,
            hash: STANDARD_NO_PAD.decode(hash).ok()?.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(at_once: u32, waiting: u32) -> Passwords {
        Passwords::new(
            &AuthTable {
                password_memory_kib: 64,
                password_rounds: 1,
                passwords_at_once: at_once,
                passwords_waiting: waiting,
                password_wait_ms: 50,
                ..AuthTable::default()
            },
            "test_passwords_total",
        )
    }

    fn word(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_nobody_has_one_at_the_same_cost() {
        let passwords = passwords(1, 4);
        let one = passwords.make(word("correct horse")).await.unwrap();
        let other = passwords.make(word("correct horse")).await.unwrap();
        assert_ne!(one, other, "each has a salt of its own");
        assert!(one.0.starts_with("$argon2id$v=19$m=64,t=1,p=1$") && one.0.len() < 128);
        assert!(!format!("{one:?}").contains("argon2"));
        let checked = async |text: &str, verifier: Option<&Verifier>| {
            let before = passwords.computed();
            let is_right = passwords.check(word(text), verifier).await.unwrap();
            (is_right, passwords.computed() - before)
        };
        assert_eq!(checked("correct horse", Some(&one)).await, (true, 1));
        assert_eq!(checked("correct horsf", Some(&one)).await, (false, 1));
        assert_eq!(checked("correct horse", None).await, (false, 1));
        for broken in ["", "x", NO_PASSWORD, "$argon2id$v=19$m=9999999,t=1,p=1$AAAA$AAAA"] {
            let broken = Verifier(broken.to_owned());
            assert_eq!(checked("correct horse", Some(&broken)).await, (false, 1));
        }
    }

    #[tokio::test]
    async fn what_was_made_at_another_cost_is_known_again_and_not_current() {
        let (before, mut after) = (passwords(1, 4), passwords(1, 4));
        after.cost.rounds = 2;
        let old = before.make(word("correct horse")).await.unwrap();
        assert!(before.is_current(&old) && !after.is_current(&old));
        assert!(after.check(word("correct horse"), Some(&old)).await.unwrap());
        let new = after.make(word("correct horse")).await.unwrap();
        assert!(after.is_current(&new) && new.0.contains(",t=2,"));
    }

    #[test]
    fn a_verifier_is_read_as_it_was_written() {
        let cost = Cost {
            memory_kib: 64,
            rounds: 1,
        };
        let salt = *b"somesaltsomesalt";
        let hash = cost.hash("password", &salt).unwrap();
        let again = Parsed::parse(&Parsed { cost, salt, hash }.encode()).unwrap();
        assert!(again.is_of("password") && !again.is_of("Password"));
    }

    #[tokio::test]
    async fn too_many_at_once_are_told_to_come_again_and_the_pool_goes_on() {
        let passwords = Arc::new(passwords(1, 1));
        let held = Arc::clone(&passwords.permits).acquire_owned().await.unwrap();
        let waiting = tokio::spawn({
            let passwords = Arc::clone(&passwords);
            async move { passwords.check(word("x"), None).await }
        });
        while passwords.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let full = passwords.check(word("x"), None).await.unwrap_err();
        assert_eq!((full.code, full.retry_ms), (Code::Busy, BUSY_RETRY_MS));
        let late = waiting.await.unwrap().unwrap_err();
        assert_eq!(late.code, Code::Busy, "it waited for longer than it may");
        drop(held);
        assert_eq!(passwords.computed(), 0);
        assert!(!passwords.check(word("x"), None).await.unwrap());
    }
}
