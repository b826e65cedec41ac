//! What can be asked of a store about users as such: who may come in, and who not. None of it is about a region.

use std::fmt;

use protocol::ids::UserId;

use crate::report::{NewReport, ReportPage};
use crate::sanction::{NewSanction, Sanction, SanctionPage};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountRequest {
    /// An operator does something to a user or a network. The user's sessions end in the same step where it is a kick or a ban.
    /// Answer: [`Sanctioned`](AccountReply::Sanctioned), [`NoUser`](AccountReply::NoUser) or [`NoneToLift`](AccountReply::NoneToLift).
    Sanction(NewSanction),
    /// What counts of the sanctions with higher numbers: those that are not over, and those so young that a ticket of before them may
    /// live. Answer: [`Sanctions`](AccountReply::Sanctions).
    ReadSanctions {
        /// The highest number that was read; 0 from the start.
        after: u64,
    },
    /// A user is a guest no more: it is kept for good, under a name of its own. Answer: [`Created`](AccountReply::Created),
    /// [`NameTaken`](AccountReply::NameTaken), [`HasAccount`](AccountReply::HasAccount) or
    /// [`KnownIdentity`](AccountReply::KnownIdentity).
    Create(Box<NewAccount>),
    /// Answer: [`Account`](AccountReply::Account).
    Read(AccountKey),
    /// Another password: all sessions of the user end in the same step, and its device keys count no more. Answer: [`Sanctioned`](AccountReply::Sanctioned),
    /// [`NoAccount`](AccountReply::NoAccount) or [`OtherPassword`](AccountReply::OtherPassword).
    SetPassword {
        /// Whose.
        user: UserId,
        /// What the account had when it was read.
        was: Verifier,
        /// What it is to have. A code for a forgotten password counts no more.
        verifier: Verifier,
    },
    /// The same password, checked against something else from now on: what it costs to check one has changed. Nothing ends. Answer:
    /// [`VerifierRenewed`](AccountReply::VerifierRenewed) or [`OtherPassword`](AccountReply::OtherPassword).
    RenewVerifier {
        /// Whose.
        user: UserId,
        /// What the account had when it was read.
        was: Verifier,
        /// What it is to have.
        verifier: Verifier,
    },
    /// Whoever knows a code may set the password, once, until its time is over. Answer:
    /// [`ResetUntil`](AccountReply::ResetUntil) or [`NoAccount`](AccountReply::NoAccount).
    AllowReset {
        /// Whose.
        user: UserId,
        /// SHA-256 of the code.
        code_hash: [u8; 32],
        /// Milliseconds.
        for_ms: u64,
    },
    /// Whoever holds this key comes back as the user, guest or not, until its time is over; what it was before it is no more. Answer:
    /// [`DeviceKept`](AccountReply::DeviceKept).
    KeepDevice {
        /// Whose.
        user: UserId,
        /// The public half.
        key: [u8; 32],
        /// Milliseconds.
        for_ms: u64,
    },
    /// Answer: [`Device`](AccountReply::Device).
    ReadDevice {
        /// The public half.
        key: [u8; 32],
    },
    /// The account is no more, its name is free, and its sessions end in the same step. The user is a guest again, whose player and
    /// goods stay until they are pruned. Answer: [`Sanctioned`](AccountReply::Sanctioned), [`NoAccount`](AccountReply::NoAccount) or
    /// [`OtherPassword`](AccountReply::OtherPassword).
    Delete {
        /// Whose.
        user: UserId,
        /// What the account had when it was read, where its owner wants it; an operator does not ask.
        was: Option<Verifier>,
        /// For people; at most [`SANCTION_REASON_BYTES_MAX`](crate::limits::SANCTION_REASON_BYTES_MAX).
        reason: String,
    },
    /// A player reports another one. Answer: [`Reported`](AccountReply::Reported) or [`TooManyReports`](AccountReply::TooManyReports).
    Report(Box<NewReport>),
    /// Answer: [`Reports`](AccountReply::Reports).
    ReadReports {
        /// The highest number that was read; 0 from the start.
        after: u64,
        /// Also those that an operator was done with.
        with_closed: bool,
    },
    /// An operator is done with a report. Answer: [`ReportClosed`](AccountReply::ReportClosed) or
    /// [`NoReport`](AccountReply::NoReport).
    CloseReport {
        /// Its number.
        id: u64,
        /// For operators; at most [`REPORT_WHY_BYTES_MAX`](crate::report::REPORT_WHY_BYTES_MAX).
        note: String,
    },
}

/// Who somebody is to somebody else who vouches for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Who vouches; at most [`IDENTITY_BYTES_MAX`](crate::limits::IDENTITY_BYTES_MAX).
    pub issuer: String,
    /// Whom it names; as many.
    pub subject: String,
}

/// What a password is checked against. Not shown to anybody.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(pub String);

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

/// An account to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Whose. Every user has at most one.
    pub user: UserId,
    /// As it is shown.
    pub name: String,
    /// As it is looked for; no two accounts have the same.
    pub fold: String,
    /// As it looks; no two accounts have the same.
    pub look: String,
    /// What its password is checked against.
    pub verifier: Verifier,
    /// Whose tokens bring its user back; no two accounts have the same.
    pub identity: Option<Identity>,
}

/// How an account is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountKey {
    /// By its user.
    User(UserId),
    /// By its name as it is looked for.
    Fold(String),
    /// By who vouches for it.
    Identity(Identity),
}

/// A user who is kept for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub user: UserId,
    /// As it is shown.
    pub name: String,
    /// What its password is checked against.
    pub verifier: Verifier,
    /// When it was made, by the store's clock, Unix milliseconds.
    pub made_ms: u64,
    /// SHA-256 of the code by which the password may be set, while one counts.
    pub reset_hash: Option<[u8; 32]>,
}

/// The answer to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountReply {
    /// To `Sanction`, `SetPassword` and `Delete`.
    Sanctioned(Sanction),
    /// To `Sanction`: nobody of that number has an account or ever logged in. Nothing was changed.
    NoUser,
    /// To `Sanction`: there is no ban, or no mute, to be lifted. Nothing was changed.
    NoneToLift,
    /// To `ReadSanctions`.
    Sanctions(SanctionPage),
    /// To `Create`.
    Created,
    /// To `Create`: another account is called so, or looks like that. Nothing was changed.
    NameTaken,
    /// To `Create`: the user has one. Nothing was changed.
    HasAccount,
    /// To `Read`.
    Account(Option<Box<Account>>),
    /// To `SetPassword`, `AllowReset` and `Delete`: there is none. Nothing was changed.
    NoAccount,
    /// To `Create`: another account has this identity. Nothing was changed.
    KnownIdentity,
    /// To `RenewVerifier`.
    VerifierRenewed,
    /// To `SetPassword`, `RenewVerifier` and `Delete`: somebody else has set it meanwhile. Nothing was changed.
    OtherPassword,
    /// To `AllowReset`: by the store's clock, Unix milliseconds.
    ResetUntil(u64),
    /// To `KeepDevice`.
    DeviceKept,
    /// To `ReadDevice`: whose it is, if it counts.
    Device(Option<UserId>),
    /// To `Report`: its number.
    Reported(u64),
    /// To `Report`: too many of this user lately, or of all that nobody has closed. Nothing was changed.
    TooManyReports,
    /// To `ReadReports`.
    Reports(ReportPage),
    /// To `CloseReport`.
    ReportClosed,
    /// To `CloseReport`: none of this number is open. Nothing was changed.
    NoReport,
}

impl AccountRequest {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_read(&self) -> bool {
        matches!(
            self,
            Self::ReadSanctions { .. } | Self::Read(_) | Self::ReadDevice { .. } | Self::ReadReports { .. }
        )
    }

    /// Memory that it takes beside its own size while it waits, about, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Sanction(new) => new.reason.len(),
            Self::ReadSanctions { .. }
            | Self::AllowReset { .. }
            | Self::KeepDevice { .. }
            | Self::ReadReports { .. }
            | Self::ReadDevice { .. } => 0,
            Self::Create(new) => {
                size_of::<NewAccount>()
                    + new.name.len()
                    + new.fold.len()
                    + new.look.len()
                    + new.verifier.0.len()
                    + new.identity.as_ref().map_or(0, Identity::bytes)
            }
            Self::Read(key) => match key {
                AccountKey::User(_) => 0,
                AccountKey::Fold(fold) => fold.len(),
                AccountKey::Identity(identity) => identity.bytes(),
            },
            Self::SetPassword { was, verifier, .. } | Self::RenewVerifier { was, verifier, .. } => {
                was.0.len() + verifier.0.len()
            }
            Self::Delete { was, reason, .. } => reason.len() + was.as_ref().map_or(0, |was| was.0.len()),
            Self::Report(new) => size_of::<NewReport>() + new.why.len() + new.lines.len(),
            Self::CloseReport { note, .. } => note.len(),
        }
    }
}

impl Identity {
    fn bytes(&self) -> usize {
        self.issuer.len() + self.subject.len()
    }
}
