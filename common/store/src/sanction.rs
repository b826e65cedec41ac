//! What operators do to users and networks, as rows that are only ever added to. Whoever lets users in reads what is new of them,
//! and keeps what counts: no node has to be told anything by another.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use protocol::Code;
use protocol::ids::{SessionGeneration, UserId};
use protocol::limits::TICKET_LIFETIME_MS_MAX;
use protocol::network::Network;

/// A sanction counts for as long as a ticket of before may live: renewed unchecked while the store was away, for a lifetime at most, and
/// then for its own, and a little longer by the clocks of others. Milliseconds.
pub const SANCTION_READ_MS: u64 = 2 * TICKET_LIFETIME_MS_MAX + 300_000;

/// Whom a sanction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// One user.
    User(UserId),
    /// Everybody who comes from there.
    Network(Network),
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SanctionKind {
    /// The user's sessions end, and its tickets count no more.
    Kick = 1,
    /// The same, and nobody is let in until it is over.
    Ban = 2,
    /// A ban is over.
    Unban = 3,
    /// The user has another password: sessions of before it end.
    Password = 4,
    /// The user's account is no more.
    Deleted = 5,
    /// The user says nothing to others until it is over; it plays on.
    Mute = 6,
    /// A mute is over.
    Unmute = 7,
}

impl SanctionKind {
    /// The kind of this number.
    #[must_use]
    pub fn of(number: i64) -> Option<Self> {
        const ALL: [SanctionKind; 7] = [
            SanctionKind::Kick,
            SanctionKind::Ban,
            SanctionKind::Unban,
            SanctionKind::Password,
            SanctionKind::Deleted,
            SanctionKind::Mute,
            SanctionKind::Unmute,
        ];
        ALL.into_iter().find(|kind| i64::from(*kind as u8) == number)
    }

    /// Whether it ends the sessions that a user has.
    #[must_use]
    pub fn ends_sessions(self) -> bool {
        !matches!(self, Self::Unban | Self::Mute | Self::Unmute)
    }

    /// Whether it lasts for a time of its own.
    #[must_use]
    pub fn lasts(self) -> bool {
        matches!(self, Self::Ban | Self::Mute)
    }

    /// What it takes back before its time.
    #[must_use]
    pub fn lifts(self) -> Option<Self> {
        match self {
            Self::Unban => Some(Self::Ban),
            Self::Unmute => Some(Self::Mute),
            _ => None,
        }
    }

    /// Whether it says until when a subject is banned, or that it is not.
    #[must_use]
    pub fn is_about_a_ban(self) -> bool {
        matches!(self, Self::Ban | Self::Unban)
    }
}

/// What is asked of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSanction {
    /// Whom.
    pub subject: Subject,
    /// What.
    pub kind: SanctionKind,
    /// How long a ban or a mute lasts, milliseconds; `None`: until it is lifted.
    pub for_ms: Option<u64>,
    /// For people, the user among them; at most [`SANCTION_REASON_BYTES_MAX`](crate::limits::SANCTION_REASON_BYTES_MAX).
    pub reason: String,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sanction {
    /// Its number; whoever sees a number has seen all below it.
    pub seq: u64,
    /// Whom.
    pub subject: Subject,
    /// What.
    pub kind: SanctionKind,
    /// The user's session generation since; those below it have ended. 0 where none has.
    pub generation: SessionGeneration,
    /// When, by the store's clock, Unix milliseconds.
    pub at_ms: u64,
    /// Until when a ban or a mute counts, likewise; of everything else, when it was.
    pub until_ms: u64,
    /// For people.
    pub reason: String,
}

/// A portion of what counts, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SanctionPage {
    /// The generation of the store: another one may have lost rows.
    pub store_generation: u16,
    /// The highest number that was ever given.
    pub newest: u64,
    /// At most [`SANCTIONS_READ_MAX`](crate::limits::SANCTIONS_READ_MAX), without those that this program does not understand.
    pub rows: Vec<Sanction>,
    /// After which number to read on; `None`: there is nothing more.
    pub next: Option<u64>,
}

/// Why somebody is not let in, or has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Barred {
    /// Its session was ended by an operator.
    Kicked {
        /// For people.
        reason: String,
    },
    /// It is banned.
    Banned {
        /// Unix milliseconds; [`FOREVER_MS`]: until it is lifted.
        until_ms: u64,
        /// For people.
        reason: String,
    },
}

impl Barred {
    /// What a client is told.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Kicked { .. } => Code::Kicked,
            Self::Banned { .. } => Code::Banned,
        }
    }
}

/// Whose sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Those of a user below this generation.
    User {
        /// Whose.
        user: UserId,
        /// Later ones go on.
        below: SessionGeneration,
    },
    /// Those that come from there.
    Network(Network),
}

impl Ending {
    /// Every session of a user.
    #[must_use]
    pub fn all_of(user: UserId) -> Self {
        let below = SessionGeneration(u64::MAX);
        Self::User { user, below }
    }

    /// Whether this session is among them.
    #[must_use]
    pub fn holds(&self, user: UserId, generation: SessionGeneration, from: IpAddr) -> bool {
        match self {
            Self::User { user: whose, below } => *whose == user && generation < *below,
            Self::Network(network) => network.holds(from),
        }
    }
}

/// Who may say nothing to others, and until when: Unix milliseconds, or [`FOREVER_MS`].
pub type Mutes = BTreeMap<UserId, u64>;

/// No end.
pub const FOREVER_MS: u64 = i64::MAX as u64;

/// What counts of all sanctions, as far as they were read.
#[derive(Clone, Debug, Default)]
pub struct Sanctions {
    store_generation: u16,
    read_to: u64,
    users: BTreeMap<UserId, OfUser>,
    // Few: each login goes through all of them.
    networks: BTreeMap<Network, Ban>,
}

#[derive(Clone, Debug, Default)]
struct OfUser {
    /// Sessions below it have ended, and why. It is kept until then.
    least: SessionGeneration,
    why: String,
    keep_until_ms: u64,
    ban: Option<Ban>,
    muted_until_ms: u64,
}

#[derive(Clone, Debug)]
struct Ban {
    until_ms: u64,
    reason: String,
}

/// What became of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Everything is read; these have changed since.
    All(Vec<Subject>),
    /// These have changed, and there is more.
    More(Vec<Subject>),
    /// The store is not the one that was read before: read it from the start, and throw away what was read.
    Anew,
}

impl Sanctions {
    /// The number after which to read on.
    #[must_use]
    pub fn read_to(&self) -> u64 {
        self.read_to
    }

    /// Takes in what was read after [`read_to`](Self::read_to).
    pub fn take(&mut self, page: SanctionPage, now_ms: u64) -> Taken {
        let is_first = self.read_to == 0 && self.store_generation == 0;
        let is_other = page.newest < self.read_to || page.store_generation != self.store_generation;
        if is_other && !is_first {
            return Taken::Anew;
        }
        self.store_generation = page.store_generation;
        self.read_to = page.next.unwrap_or(page.newest);
        let changed = page.rows.into_iter().map(|row| self.count(row, now_ms));
        let changed = changed.collect();
        match page.next {
            Some(_) => Taken::More(changed),
            None => {
                self.forget(now_ms);
                Taken::All(changed)
            }
        }
    }

    fn count(&mut self, row: Sanction, now_ms: u64) -> Subject {
        let ban = (row.kind == SanctionKind::Ban).then(|| Ban {
            until_ms: row.until_ms,
            reason: row.reason.clone(),
        });
        match row.subject {
            Subject::Network(network) => match ban {
                Some(ban) => drop(self.networks.insert(network, ban)),
                None => drop(self.networks.remove(&network)),
            },
            Subject::User(user) => {
                let of_user = self.users.entry(user).or_default();
                // However late it is read, it ends what there is.
                let since_ms = row.at_ms.max(now_ms);
                let keep_until_ms = since_ms.saturating_add(SANCTION_READ_MS);
                of_user.keep_until_ms = of_user.keep_until_ms.max(keep_until_ms);
                if row.generation > of_user.least {
                    of_user.least = row.generation;
                    of_user.why = row.reason;
                }
                if row.kind.is_about_a_ban() {
                    of_user.ban = ban;
                }
                match row.kind {
                    SanctionKind::Mute => of_user.muted_until_ms = row.until_ms,
                    SanctionKind::Unmute => of_user.muted_until_ms = 0,
                    _ => {}
                }
            }
        }
        row.subject
    }

    /// Forgets what does not count any more.
    fn forget(&mut self, now_ms: u64) {
        self.networks.retain(|_, ban| ban.until_ms > now_ms);
        self.users.retain(|_, of_user| {
            of_user.ban = of_user.ban.take().filter(|ban| ban.until_ms > now_ms);
            of_user.ban.is_some() || of_user.keep_until_ms.max(of_user.muted_until_ms) > now_ms
        });
    }

    /// Whether a login from there may be tried.
    ///
    /// # Errors
    /// Its network is banned.
    pub fn check_network(&self, from: IpAddr, now_ms: u64) -> Result<(), Barred> {
        let mut bans = self.networks.iter().filter(|(network, _)| network.holds(from));
        bans.try_for_each(|(_, ban)| ban.check(now_ms))
    }

    /// Whether this user may log in.
    ///
    /// # Errors
    /// The user is banned.
    pub fn check_user(&self, user: UserId, now_ms: u64) -> Result<(), Barred> {
        let ban = self.users.get(&user).and_then(|of_user| of_user.ban.as_ref());
        ban.map_or(Ok(()), |ban| ban.check(now_ms))
    }

    /// Whether a session goes on.
    ///
    /// # Errors
    /// The user is banned, or the session has ended.
    pub fn check_session(
        &self,
        user: UserId,
        generation: SessionGeneration,
        now_ms: u64,
    ) -> Result<(), Barred> {
        self.check_user(user, now_ms)?;
        self.check_generation(user, generation)
    }

    /// Whether a session was not ended, whether or not its user is banned: a ban ends those that there are.
    ///
    /// # Errors
    /// The session was ended.
    pub fn check_generation(&self, user: UserId, generation: SessionGeneration) -> Result<(), Barred> {
        match self.users.get(&user) {
            Some(of_user) if generation < of_user.least => Err(Barred::Kicked {
                reason: of_user.why.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Who may say nothing to others, and until when.
    #[must_use]
    pub fn mutes(&self, now_ms: u64) -> Mutes {
        let muted = self
            .users
            .iter()
            .map(|(user, of_user)| (*user, of_user.muted_until_ms));
        muted.filter(|(_, until_ms)| *until_ms > now_ms).collect()
    }

    /// Whose sessions have to end because of what was done to this one, and why.
    #[must_use]
    pub fn ending(&self, subject: Subject, now_ms: u64) -> Option<(Ending, Barred)> {
        match subject {
            Subject::Network(network) => {
                let barred = self.networks.get(&network)?.check(now_ms).err()?;
                Some((Ending::Network(network), barred))
            }
            Subject::User(user) => {
                let of_user = self.users.get(&user)?;
                if let Err(banned) = self.check_user(user, now_ms) {
                    return Some((Ending::all_of(user), banned));
                }
                let (below, reason) = (of_user.least, of_user.why.clone());
                Some((Ending::User { user, below }, Barred::Kicked { reason }))
            }
        }
    }

    /// Users about whom something is known, and networks that are banned.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len() + self.networks.len()
    }

    /// Whether nothing is known of anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Ban {
    fn check(&self, now_ms: u64) -> Result<(), Barred> {
        if self.until_ms <= now_ms {
            return Ok(());
        }
        Err(Barred::Banned {
            until_ms: self.until_ms,
            reason: self.reason.clone(),
        })
    }
}
