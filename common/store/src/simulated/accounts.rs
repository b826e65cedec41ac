//! Users as such, on ordered maps.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use protocol::ids::SessionGeneration;

use super::account_rows::KeptSanction;
use super::tables::Tables;
use crate::account::{AccountReply, AccountRequest};
use crate::limits::SANCTIONS_READ_MAX;
use crate::rules::accounts::{read_until_ms, until_ms};
use crate::sanction::{NewSanction, Sanction, SanctionKind, SanctionPage, Subject};

impl Tables {
    pub(super) fn apply_to_accounts(&mut self, request: &AccountRequest) -> AccountReply {
        match request {
            AccountRequest::Sanction(new) => self.sanction(new),
            AccountRequest::ReadSanctions { after } => AccountReply::Sanctions(self.read_sanctions(*after)),
        }
    }

    fn sanction(&mut self, new: &NewSanction) -> AccountReply {
        let generation = match (new.subject, new.kind) {
            (Subject::User(user), SanctionKind::Kick | SanctionKind::Ban) => {
                if !self.sessions.contains_key(&user) {
                    return AccountReply::NoUser;
                }
                self.raise(user)
            }
            _ => SessionGeneration(0),
        };
        if new.kind == SanctionKind::Unban && !self.is_banned(new.subject) {
            return AccountReply::NoBan;
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
            .sanctions
            .iter()
            .filter(|kept| kept.row.subject == new.subject);
        let before = of_subject.map(|kept| kept.read_until_ms).max().unwrap_or(0);
        self.sanctions.push(KeptSanction {
            read_until_ms: before.max(read_until_ms(&sanction)),
            row: sanction.clone(),
        });
        AccountReply::Sanctioned(sanction)
    }

    fn newest_sanction(&self) -> u64 {
        self.sanctions.last().map_or(0, |kept| kept.row.seq)
    }

    fn is_banned(&self, subject: Subject) -> bool {
        let mut rows = self.sanctions.iter().map(|kept| &kept.row);
        let newest = rows.rfind(|row| row.subject == subject && row.kind != SanctionKind::Kick);
        newest.is_some_and(|row| row.kind == SanctionKind::Ban && row.until_ms > self.now_ms)
    }

    fn read_sanctions(&self, after: u64) -> SanctionPage {
        // Whoever reads on gets all of it, however late.
        let counts =
            |kept: &&KeptSanction| kept.row.seq > after && (after > 0 || kept.read_until_ms > self.now_ms);
        let rows = self.sanctions.iter().filter(counts).take(SANCTIONS_READ_MAX);
        let rows: Vec<Sanction> = rows.map(|kept| kept.row.clone()).collect();
        SanctionPage {
            store_generation: self.generation,
            newest: self.newest_sanction(),
            next: (rows.len() == SANCTIONS_READ_MAX).then(|| rows[SANCTIONS_READ_MAX - 1].seq),
            rows,
        }
    }
}
