//! Accounts for which somebody else vouches: a token that counts logs its account in, or makes it; and accounts that their owners
//! delete.

use net::key_work::key_work;
use protocol::Code;
use protocol::identity::ClientPublic;
use protocol::ids::UserId;
use protocol::limits::NAME_BYTES_MAX;
use protocol::name::PlayerName;
use protocol::ticket::Ticket;
use std::sync::Arc;
use store::{Account, AccountKey, AccountReply, AccountRequest, Identity, Verifier};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::accounts::away;
use super::guest::{STORE_PATIENCE, store_failed};
use super::jwt::{TokenError, Vouched};
use super::passwords::NO_PASSWORD;
use super::{AuthRole, Granted, TurnedAway, password_rules};

/// What shows that an account is one's own.
pub(in crate::server) enum Ownership {
    /// Its password.
    Password(Zeroizing<String>),
    /// A token of who vouches for it.
    Token(Zeroizing<String>),
}

/// What players are told whose account they have deleted.
const DELETED: &str = "the account was deleted";

impl From<TokenError> for TurnedAway {
    fn from(error: TokenError) -> Self {
        // Whose clock or settings are wrong is worth knowing; what keys there are is nobody's business.
        let reason = match error {
            TokenError::Expired | TokenError::Early | TokenError::TooLong => {
                format!("the token does not count: {error}")
            }
            _ => "the token does not count here".to_owned(),
        };
        tracing::debug!(%error, "a token does not count");
        away(Code::AuthFailed, &reason)
    }
}

impl AuthRole {
    /// Logs in whom a token is of. Whoever comes for the first time gets an account: the guest's whose ticket that is, or a new one.
    pub(in crate::server) async fn token(
        &self,
        (token, name): (&str, &str),
        (guest, client): (Option<Ticket>, ClientPublic),
        wall_ms: u64,
    ) -> Result<Granted, TurnedAway> {
        let vouched = self.vouched(token, wall_ms).await?;
        let key = || AccountKey::Identity(vouched.identity.clone());
        if let Some(account) = self.find(key()).await? {
            return self.log_in(account, client, wall_ms).await;
        }
        match self.make_vouched(&vouched, name, (guest, client), wall_ms).await {
            // Another login of the same one was faster.
            Err(away) if away.code == Code::Busy => match self.find(key()).await? {
                Some(account) => self.log_in(account, client, wall_ms).await,
                None => Err(away),
            },
            made => made,
        }
    }

    /// Whom a token names, if it counts.
    async fn vouched(&self, token: &str, wall_ms: u64) -> Result<Vouched, TurnedAway> {
        let tokens = self.tokens.clone();
        let tokens = tokens.ok_or_else(|| away(Code::AuthFailed, "nobody comes by a token here"))?;
        let token = Zeroizing::new(token.to_owned());
        let checked = key_work(move || tokens.check(&token, wall_ms)).await;
        Ok(checked.map_err(|_| TurnedAway::from(Code::Busy))??)
    }

    async fn log_in(
        &self,
        account: Account,
        client: ClientPublic,
        wall_ms: u64,
    ) -> Result<Granted, TurnedAway> {
        let raising = timeout(STORE_PATIENCE, self.raise_session(account.user)).await;
        let generation = raising.unwrap_or_else(|_| Err(store_failed(None)))?;
        Ok(self.registered(account.user, account.name, (generation, client), wall_ms))
    }

    async fn make_vouched(
        &self,
        vouched: &Vouched,
        name: &str,
        (guest, client): (Option<Ticket>, ClientPublic),
        wall_ms: u64,
    ) -> Result<Granted, TurnedAway> {
        let mut refused = TurnedAway::from(Code::NameTaken);
        for name in names(vouched, name, wall_ms) {
            let how = (Verifier(NO_PASSWORD.to_owned()), Some(vouched.identity.clone()));
            let made = timeout(STORE_PATIENCE, self.make(name.clone(), how, guest)).await;
            match made.unwrap_or_else(|_| Err(store_failed(None))) {
                Ok((user, generation)) => {
                    let granted = self.registered(user, name.into(), (generation, client), wall_ms);
                    return Ok(match guest {
                        // The same login goes on.
                        Some(guest) => self.granted_again(granted.name, guest, wall_ms),
                        None => granted,
                    });
                }
                Err(away) if away.code == Code::NameTaken => refused = away,
                Err(away) => return Err(away),
            }
        }
        Err(refused)
    }

    /// The owner of an account deletes it: its name is free, its sessions end, and what its player holds lies on the ground once it is
    /// forgotten as a guest. What it was called.
    pub(in crate::server) async fn delete_own(
        self: &Arc<Self>,
        user: UserId,
        shown: Ownership,
        wall_ms: u64,
    ) -> Result<String, TurnedAway> {
        let account = self.account(user).await?;
        let account = account.ok_or_else(|| away(Code::Generic, "a guest has no account to delete"))?;
        let is_own = match &shown {
            Ownership::Password(password) => {
                let tried = self.try_account(&account.name).await?;
                let verifier = tried.as_ref().map(|account| &account.verifier);
                self.passwords
                    .check(password_rules::normal(password), verifier)
                    .await?
            }
            Ownership::Token(token) => self.is_of(token, user, wall_ms).await?,
        };
        if !is_own {
            return Err(Code::AuthFailed.into());
        }
        let delete = AccountRequest::Delete {
            user,
            was: Some(account.verifier),
            reason: DELETED.to_owned(),
        };
        match self.ask_account(delete).await? {
            AccountReply::Sanctioned(_) => {
                tracing::info!(%user, "an account is deleted by its owner");
                Ok(account.name)
            }
            AccountReply::OtherPassword => Err(away(Code::Busy, "the password was just changed")),
            AccountReply::NoAccount => Err(away(Code::Generic, "a guest has no account to delete")),
            _ => Err(store_failed(None)),
        }
    }

    async fn is_of(&self, token: &str, user: UserId, wall_ms: u64) -> Result<bool, TurnedAway> {
        let Vouched { identity, .. } = self.vouched(token, wall_ms).await?;
        let found = self.find(AccountKey::Identity(identity)).await?;
        Ok(found.is_some_and(|account| account.user == user))
    }
}

/// What a new player may be called, the best first: as the token says, or as the client does, and with a number behind it.
fn names(vouched: &Vouched, said: &str, wall_ms: u64) -> Vec<PlayerName> {
    let told = [vouched.name.as_deref().unwrap_or_default(), said];
    let first = told.into_iter().find_map(|name| PlayerName::parse(name).ok());
    let base = first.clone().map_or_else(|| "Player".to_owned(), String::from);
    let number = number_of(&vouched.identity, wall_ms) % 100_000;
    let ends = [format!(" {}", number % 100), format!(" {number}")];
    let numbered = ends.iter().map(|end| {
        let room = NAME_BYTES_MAX.saturating_sub(end.len());
        format!("{}{end}", &base[..base.floor_char_boundary(room)])
    });
    let last = format!("Player {number}");
    let numbered = numbered.chain([last]);
    let parsed = numbered.filter_map(|name| PlayerName::parse(&name).ok());
    first.into_iter().chain(parsed).collect()
}

/// Another one for everybody, and at another time.
fn number_of(identity: &Identity, wall_ms: u64) -> u64 {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    hash.update(identity.issuer.as_bytes());
    hash.update([0]);
    hash.update(identity.subject.as_bytes());
    hash.update(wall_ms.to_le_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    digest
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_player_is_called_as_its_issuer_says_or_nearly_so() {
        let vouched = |name: Option<&str>| Vouched {
            identity: Identity {
                issuer: "https://id.example".to_owned(),
                subject: "1".to_owned(),
            },
            name: name.map(str::to_owned),
        };
        let all = |name: Option<&str>, said: &str| -> Vec<String> {
            let names = names(&vouched(name), said, 7);
            names.into_iter().map(String::from).collect()
        };
        let called = all(Some("Ada"), "Bob");
        assert_eq!((called.len(), called[0].as_str()), (4, "Ada"));
        assert!(
            called[1].starts_with("Ada ") && called[3].starts_with("Player "),
            "{called:?}"
        );
        assert_eq!(all(Some("a\u{200b}b"), "Bob")[0], "Bob");
        assert!(all(None, "").iter().all(|name| name.starts_with("Player ")));
        for name in all(Some(&"ñ".repeat(16)), "") {
            assert!(name.len() <= NAME_BYTES_MAX, "{name}");
        }
    }
}
