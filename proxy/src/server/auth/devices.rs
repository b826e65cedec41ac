//! Device keys: whoever was away for longer than a ticket lives comes back without a password, guests as well. The key is the one that
//! the client's sessions have anyway; what is new is that the store knows whose it is.

use protocol::Code;
use protocol::identity::ClientPublic;
use protocol::ids::UserId;
use protocol::limits::DEVICE_LASTS_MS;
use protocol::name::PlayerName;
use protocol::ticket::{AccountKind, Ticket};
use store::{AccountReply, AccountRequest};
use tokio::time::timeout;

use super::guest::{STORE_PATIENCE, store_failed};
use super::{AuthRole, Granted, GuestPolicy, TurnedAway};

impl AuthRole {
    /// The holder of this ticket comes back by the ticket's key from now on.
    pub(in crate::server) async fn keep_device(&self, claims: &Ticket) -> Result<(), TurnedAway> {
        let keep = AccountRequest::KeepDevice {
            user: claims.user,
            key: claims.holder.to_bytes(),
            for_ms: DEVICE_LASTS_MS,
        };
        match self.ask_account(keep).await? {
            AccountReply::DeviceKept => Ok(()),
            _ => Err(store_failed(None)),
        }
    }

    /// Lets in whose device this is: the account's user, or the guest of before under the name that it says.
    pub(super) async fn device(
        &self,
        name: &str,
        client: ClientPublic,
        wall_ms: u64,
    ) -> Result<Granted, TurnedAway> {
        let user = self.user_of(client).await?.ok_or(Code::AuthFailed)?;
        let account = self.account(user).await?;
        if account.is_none() && self.guests == GuestPolicy::Refused {
            return Err(Code::AuthFailed.into());
        }
        let raising = timeout(STORE_PATIENCE, self.raise_session(user)).await;
        let generation = raising.unwrap_or_else(|_| Err(store_failed(None)))?;
        let (kind, name) = match account {
            Some(account) => (AccountKind::Registered, account.name),
            None => {
                let name = PlayerName::parse(name).map_or_else(|_| format!("guest {user}"), String::from);
                (AccountKind::Guest, name)
            }
        };
        let claims = self.first_claims(user, generation, client, kind, wall_ms);
        let (claims, ticket) = self.renew(claims, None, wall_ms);
        Ok(Granted { name, claims, ticket })
    }

    async fn user_of(&self, client: ClientPublic) -> Result<Option<UserId>, TurnedAway> {
        let key = client.to_bytes();
        match self.ask_account(AccountRequest::ReadDevice { key }).await? {
            AccountReply::Device(user) => Ok(user),
            _ => Err(store_failed(None)),
        }
    }
}
