//! Users as such, on ordered maps.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use protocol::ids::{SessionGeneration, UserId};

use super::account_rows::{KeptAccount, KeptSanction};
use super::tables::Tables;
use crate::account::{Account, AccountReply, AccountRequest, NewAccount, Verifier};
use crate::limits::SANCTIONS_READ_MAX;
use crate::rules::accounts::{PASSWORD_CHANGED, read_until_ms, until_ms, with_account};
use crate::sanction::{FOREVER_MS, NewSanction, Sanction, SanctionKind, SanctionPage, Subject};

impl Tables {
    pub(super) fn apply_to_accounts(&mut self, request: &AccountRequest) -> AccountReply {
        match request {
            AccountRequest::Sanction(new) => self.sanction(new),
            AccountRequest::ReadSanctions { after } => AccountReply::Sanctions(self.read_sanctions(*after)),
            AccountRequest::Create(new) => self.create_account(new),
            AccountRequest::Read(key) => {
                AccountReply::Account(self.accounts.find(key, self.now_ms).map(Box::new))
            }
            AccountRequest::SetPassword { user, was, verifier } => self.set_password(*user, was, verifier),
            AccountRequest::RenewVerifier { user, was, verifier } => {
                self.renew_verifier(*user, was, verifier)
            }
            AccountRequest::AllowReset {
                user,
                code_hash,
                for_ms,
            } => self.allow_reset(*user, *code_hash, *for_ms),
            AccountRequest::KeepDevice { user, key, for_ms } => {
                let until_ms = self.now_ms.saturating_add(*for_ms).min(FOREVER_MS);
                self.accounts.keep_device(*key, *user, until_ms);
                AccountReply::DeviceKept
            }
            AccountRequest::ReadDevice { key } => {
                AccountReply::Device(self.accounts.device(key, self.now_ms))
            }
            AccountRequest::Delete { user, was, reason } => self.delete_account(*user, was.as_ref(), reason),
            AccountRequest::Report(new) => self.add_report(new),
            AccountRequest::ReadReports { after, with_closed } => self.read_reports(*after, *with_closed),
            AccountRequest::CloseReport { id, note } => self.close_report(*id, note),
        }
    }

    fn create_account(&mut self, new: &NewAccount) -> AccountReply {
        if self.accounts.has(new.user) {
            return AccountReply::HasAccount;
        }
        if self.accounts.is_known(new.identity.as_ref()) {
            return AccountReply::KnownIdentity;
        }
        if self.accounts.is_taken(&new.fold, &new.look) {
            return AccountReply::NameTaken;
        }
        self.accounts.insert(KeptAccount {
            row: Account {
                user: new.user,
                name: new.name.clone(),
                verifier: new.verifier.clone(),
                made_ms: self.now_ms,
                reset_hash: None,
            },
            fold: new.fold.clone(),
            look: new.look.clone(),
            reset_until_ms: 0,
        });
        if let Some(identity) = new.identity.clone() {
            self.accounts.keep_identity(identity, new.user);
        }
        AccountReply::Created
    }

    fn set_password(&mut self, user: UserId, was: &Verifier, verifier: &Verifier) -> AccountReply {
        let Some(kept) = self.accounts.get_mut(user) else {
            return AccountReply::NoAccount;
        };
        if kept.row.verifier != *was {
            return AccountReply::OtherPassword;
        }
        kept.row.verifier = verifier.clone();
        kept.row.reset_hash = None;
        self.do_to(&with_account(user, SanctionKind::Password, PASSWORD_CHANGED))
    }

    fn renew_verifier(&mut self, user: UserId, was: &Verifier, verifier: &Verifier) -> AccountReply {
        let kept = self
            .accounts
            .get_mut(user)
            .filter(|kept| kept.row.verifier == *was);
        let Some(kept) = kept else {
            return AccountReply::OtherPassword;
        };
        kept.row.verifier = verifier.clone();
        AccountReply::VerifierRenewed
    }

    fn delete_account(&mut self, user: UserId, was: Option<&Verifier>, reason: &str) -> AccountReply {
        match self.accounts.get_mut(user) {
            None => return AccountReply::NoAccount,
            Some(kept) if was.is_some_and(|was| kept.row.verifier != *was) => {
                return AccountReply::OtherPassword;
            }
            Some(_) => self.accounts.remove(user),
        };
        self.do_to(&with_account(user, SanctionKind::Deleted, reason))
    }

    fn allow_reset(&mut self, user: UserId, code_hash: [u8; 32], for_ms: u64) -> AccountReply {
        let until_ms = self.now_ms.saturating_add(for_ms).min(FOREVER_MS);
        let Some(kept) = self.accounts.get_mut(user) else {
            return AccountReply::NoAccount;
        };
        kept.row.reset_hash = Some(code_hash);
        kept.reset_until_ms = until_ms;
        AccountReply::ResetUntil(until_ms)
    }

    fn sanction(&mut self, new: &NewSanction) -> AccountReply {
        if let Subject::User(user) = new.subject
            && new.kind.lifts().is_none()
            && !self.sessions.contains_key(&user)
            && self.accounts.get_mut(user).is_none()
        {
            return AccountReply::NoUser;
        }
        if let Some(kind) = new.kind.lifts()
            && !self.is_in_force(new.subject, kind)
        {
            return AccountReply::NoneToLift;
        }
        self.do_to(new)
    }

    fn do_to(&mut self, new: &NewSanction) -> AccountReply {
        let generation = match new.subject {
            Subject::User(user) if new.kind.ends_sessions() => self.raise(user),
            _ => SessionGeneration(0),
        };
        if let (Subject::User(user), SanctionKind::Password | SanctionKind::Deleted) = (new.subject, new.kind)
        {
            self.accounts.forget_devices(user);
        }
        let (seq, at_ms) = (self.newest_sanction() + 1, self.now_ms);
        let sanction = Sanction {
            seq,
            subject: new.subject,
            kind: new.kind,
            generation,
            at_ms,
            until_ms: until_ms(new, at_ms),
            reason: new.reason.clone(),
        };
        let of_subject = self
            .accounts
            .sanctions
            .iter()
            .filter(|kept| kept.row.subject == new.subject);
        let before = of_subject.map(|kept| kept.read_until_ms).max().unwrap_or(0);
        self.accounts.sanctions.push(KeptSanction {
            read_until_ms: before.max(read_until_ms(&sanction)),
            row: sanction.clone(),
        });
        AccountReply::Sanctioned(sanction)
    }

    fn newest_sanction(&self) -> u64 {
        self.accounts.sanctions.last().map_or(0, |kept| kept.row.seq)
    }

    fn is_in_force(&self, subject: Subject, kind: SanctionKind) -> bool {
        let mut rows = self.accounts.sanctions.iter().map(|kept| &kept.row);
        let is_about =
            |row: &&Sanction| row.subject == subject && (row.kind == kind || row.kind.lifts() == Some(kind));
        let newest = rows.rfind(is_about);
        newest.is_some_and(|row| row.kind == kind && row.until_ms > self.now_ms)
    }

    fn read_sanctions(&self, after: u64) -> SanctionPage {
        // Whoever reads on gets all of it, however late.
        let counts =
            |kept: &&KeptSanction| kept.row.seq > after && (after > 0 || kept.read_until_ms > self.now_ms);
        let rows = self
            .accounts
            .sanctions
            .iter()
            .filter(counts)
            .take(SANCTIONS_READ_MAX);
        let rows: Vec<Sanction> = rows.map(|kept| kept.row.clone()).collect();
        SanctionPage {
            store_generation: self.generation,
            newest: self.newest_sanction(),
            next: (rows.len() == SANCTIONS_READ_MAX).then(|| rows[SANCTIONS_READ_MAX - 1].seq),
            rows,
        }
    }
}
