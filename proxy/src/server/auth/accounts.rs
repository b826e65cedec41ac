//! Accounts: a name that is nobody else's, a password, and a user who is kept for good. A guest who makes one stays the same user.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use net::panics;
use protocol::Code;
use protocol::identity::ClientPublic;
use protocol::ids::{SessionGeneration, UserId};
use protocol::name::PlayerName;
use protocol::ticket::{AccountKind, Ticket};
use sha2::{Digest as _, Sha256};
use store::{
    Account, AccountKey, AccountReply, AccountRequest, Identity, NewAccount, Sanction, StoreReply,
    StoreRequest, Verifier,
};
use subtle::ConstantTimeEq as _;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::guest::{STORE_PATIENCE, store_failed};
use super::password_rules::{self, PasswordError};
use super::{AuthRole, Granted, TurnedAway};

/// When one who tried too often may try again, milliseconds.
const ATTEMPT_RETRY_MS: u32 = 1_000;

/// How long somebody who comes back waits for its name.
const NAME_PATIENCE: Duration = Duration::from_millis(500);

/// What a password is changed by.
pub(in crate::server) enum Proof {
    /// The password that it had.
    Password(Zeroizing<String>),
    /// A code that an operator has given.
    Code(Zeroizing<String>),
}

impl From<PasswordError> for TurnedAway {
    fn from(error: PasswordError) -> Self {
        Self {
            reason: error.to_string(),
            ..Code::PasswordTooWeak.into()
        }
    }
}

impl AuthRole {
    /// Logs an account in by its password.
    pub(in crate::server) async fn password(
        self: &Arc<Self>,
        name: &str,
        password: &str,
        client: ClientPublic,
        wall_ms: u64,
    ) -> Result<Granted, TurnedAway> {
        let account = self.try_account(name).await?;
        let verifier = account.as_ref().map(|account| &account.verifier);
        let is_right = self
            .passwords
            .check(password_rules::normal(password), verifier)
            .await?;
        let account = account.filter(|_| is_right).ok_or(Code::AuthFailed)?;
        self.renew_verifier(&account, password);
        let raising = timeout(STORE_PATIENCE, self.raise_session(account.user)).await;
        let generation = raising.unwrap_or_else(|_| Err(store_failed(None)))?;
        Ok(self.registered(account.user, account.name, (generation, client), wall_ms))
    }

    /// What checking a password costs has been set otherwise since this one was: it is made anew, beside the login.
    fn renew_verifier(self: &Arc<Self>, account: &Account, password: &str) {
        if self.passwords.is_current(&account.verifier) {
            return;
        }
        let (auth, password) = (Arc::clone(self), password_rules::normal(password));
        let (user, was) = (account.user, account.verifier.clone());
        let renewing = async move {
            // Too busy, or a store that is away: the next login tries again.
            let Ok(verifier) = auth.passwords.make(password).await else {
                return;
            };
            let renew = AccountRequest::RenewVerifier { user, was, verifier };
            if let Ok(AccountReply::VerifierRenewed) = auth.ask_account(renew).await {
                tracing::info!(%user, "a password is checked at the cost that is set now");
            }
        };
        tokio::spawn(panics::guest("password", renewing));
    }

    /// Makes an account, of the guest whose ticket this is or of a new user.
    pub(in crate::server) async fn register(
        &self,
        name: &str,
        password: &str,
        (guest, client): (Option<Ticket>, ClientPublic),
        wall_ms: u64,
    ) -> Result<Granted, TurnedAway> {
        self.check_passwords()?;
        let name = PlayerName::parse(name)?;
        let password = password_rules::normal(password);
        password_rules::check(&password, &name)?;
        if self.find(AccountKey::Fold(name.fold())).await?.is_some() {
            return Err(Code::NameTaken.into());
        }
        let verifier = self.passwords.make(password).await?;
        let made = timeout(STORE_PATIENCE, self.make(name.clone(), (verifier, None), guest)).await;
        let (user, generation) = made.unwrap_or_else(|_| Err(store_failed(None)))?;
        let granted = self.registered(user, name.into(), (generation, client), wall_ms);
        Ok(match guest {
            // The same login goes on.
            Some(guest) => self.granted_again(granted.name, guest, wall_ms),
            None => granted,
        })
    }

    pub(super) async fn make(
        &self,
        name: PlayerName,
        (verifier, identity): (Verifier, Option<Identity>),
        guest: Option<Ticket>,
    ) -> Result<(UserId, SessionGeneration), TurnedAway> {
        let user = match guest {
            Some(ticket) => ticket.user,
            None => self.next_guest().await?,
        };
        let new = NewAccount {
            user,
            fold: name.fold(),
            look: name.look(),
            name: name.into(),
            verifier,
            identity,
        };
        match self.ask_account(AccountRequest::Create(Box::new(new))).await? {
            AccountReply::Created => {}
            AccountReply::NameTaken => return Err(Code::NameTaken.into()),
            AccountReply::KnownIdentity => return Err(Code::Busy.into()),
            AccountReply::HasAccount => return Err(away(Code::Generic, "you have an account already")),
            _ => return Err(store_failed(None)),
        }
        tracing::info!(%user, was_guest = guest.is_some(), "an account is made");
        match guest {
            Some(ticket) => Ok((user, ticket.session_generation)),
            None => Ok((user, self.raise_session(user).await?)),
        }
    }

    /// Gives an account another password. All its sessions end; the one that is granted is new.
    pub(in crate::server) async fn change_password(
        &self,
        (name, proof): (&str, Proof),
        password: &str,
        client: ClientPublic,
        wall_ms: u64,
    ) -> Result<Granted, TurnedAway> {
        let written = PlayerName::parse(name).map_err(|_| TurnedAway::from(Code::AuthFailed))?;
        let account = self.try_account(name).await?;
        // Nothing is said of the new one to who does not know the old one.
        let is_right = match proof {
            Proof::Password(old) => {
                let verifier = account.as_ref().map(|account| &account.verifier);
                self.passwords
                    .check(password_rules::normal(&old), verifier)
                    .await?
            }
            Proof::Code(code) => account.as_ref().is_some_and(|account| is_code(account, &code)),
        };
        let account = account.filter(|_| is_right).ok_or(Code::AuthFailed)?;
        let password = password_rules::normal(password);
        password_rules::check(&password, &written)?;
        let set = AccountRequest::SetPassword {
            user: account.user,
            was: account.verifier,
            verifier: self.passwords.make(password).await?,
        };
        let Sanction { generation, .. } = match self.ask_account(set).await? {
            AccountReply::Sanctioned(ended) => ended,
            AccountReply::OtherPassword => return Err(away(Code::Busy, "the password was just changed")),
            AccountReply::NoAccount => return Err(Code::AuthFailed.into()),
            _ => return Err(store_failed(None)),
        };
        tracing::info!(user = %account.user, "a password is changed");
        Ok(self.registered(account.user, account.name, (generation, client), wall_ms))
    }

    /// The account of this name; `None` also where the name is none.
    pub(in crate::server) async fn account_of(&self, name: &str) -> Result<Option<Account>, TurnedAway> {
        match PlayerName::parse(name) {
            Ok(name) => self.find(AccountKey::Fold(name.fold())).await,
            Err(_) => Ok(None),
        }
    }

    /// The account of a user; `None`: a guest.
    pub(in crate::server) async fn account(&self, user: UserId) -> Result<Option<Account>, TurnedAway> {
        self.find(AccountKey::User(user)).await
    }

    /// What the account of a user is called. Empty where the store does not say so soon: then the player is called what its row says.
    pub(super) async fn name_of(&self, user: UserId) -> Result<String, TurnedAway> {
        match timeout(NAME_PATIENCE, self.account(user)).await {
            Ok(Ok(Some(account))) => Ok(account.name),
            // Somebody has deleted it.
            Ok(Ok(None)) => Err(Code::TicketInvalid.into()),
            Ok(Err(_)) | Err(_) => Ok(String::new()),
        }
    }

    /// What a ticket says, if it counts and is this client's.
    pub(in crate::server) fn verified(
        &self,
        ticket: &[u8; protocol::ticket::TICKET_BYTES],
        client: ClientPublic,
        wall_ms: u64,
    ) -> Result<Ticket, TurnedAway> {
        let clock = protocol::identity::Clock::of_node(wall_ms);
        let raw =
            protocol::ticket::RawTicket::parse(ticket).map_err(|error| TurnedAway::from(error.code()))?;
        let verified = raw.verify(self.cluster_id, |uuid| self.issuer_key(uuid), clock);
        let claims = verified.map_err(|error| TurnedAway::from(error.code()))?;
        match claims.holder == client {
            true => Ok(claims),
            false => Err(Code::TicketInvalid.into()),
        }
    }

    /// The account that a try is about, if it is not one too many.
    pub(super) async fn try_account(&self, name: &str) -> Result<Option<Account>, TurnedAway> {
        self.check_passwords()?;
        let fold = PlayerName::parse(name).map(|name| name.fold());
        let key = fold.as_deref().unwrap_or_default();
        if !self.take_attempt(key) {
            return Err(TurnedAway {
                retry_ms: ATTEMPT_RETRY_MS,
                reason: "too many tries for this name".to_owned(),
                ..Code::RateLimited.into()
            });
        }
        match fold {
            Ok(fold) => self.find(AccountKey::Fold(fold)).await,
            Err(_) => Ok(None),
        }
    }

    fn check_passwords(&self) -> Result<(), TurnedAway> {
        match self.has_passwords {
            true => Ok(()),
            false => Err(away(Code::AuthFailed, "nobody comes by a password here")),
        }
    }

    fn take_attempt(&self, fold: &str) -> bool {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.take(fold, self.clock.now_ms())
    }

    pub(super) async fn find(&self, key: AccountKey) -> Result<Option<Account>, TurnedAway> {
        match self.ask_account(AccountRequest::Read(key)).await? {
            AccountReply::Account(account) => Ok(account.map(|account| *account)),
            _ => Err(store_failed(None)),
        }
    }

    pub(super) async fn ask_account(&self, request: AccountRequest) -> Result<AccountReply, TurnedAway> {
        let asked = self.store.ask(StoreRequest::Account(request));
        match timeout(STORE_PATIENCE, asked).await {
            Ok(Ok(StoreReply::Account(reply))) => Ok(reply),
            Ok(answered) => Err(store_failed(answered.err().as_ref())),
            Err(_) => Err(store_failed(None)),
        }
    }

    pub(super) fn registered(
        &self,
        user: UserId,
        name: String,
        (generation, client): (SessionGeneration, ClientPublic),
        wall_ms: u64,
    ) -> Granted {
        let claims = self.first_claims(user, generation, client, AccountKind::Registered, wall_ms);
        self.granted_again(name, claims, wall_ms)
    }

    pub(super) fn granted_again(&self, name: String, claims: Ticket, wall_ms: u64) -> Granted {
        let claims = Ticket {
            account: AccountKind::Registered,
            ..claims
        };
        let (claims, ticket) = self.renew(claims, None, wall_ms);
        Granted { name, claims, ticket }
    }
}

fn is_code(account: &Account, code: &str) -> bool {
    let hash: [u8; 32] = Sha256::digest(code.trim().as_bytes()).into();
    account
        .reset_hash
        .is_some_and(|known| bool::from(known.ct_eq(&hash)))
}

pub(super) fn away(code: Code, reason: &str) -> TurnedAway {
    TurnedAway {
        reason: reason.to_owned(),
        ..code.into()
    }
}
