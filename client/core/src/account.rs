//! What a client needs to speak with the accounts' API of a proxy: the key that signs its requests, and what a ticket that was granted
//! makes of its session. Who carries the requests is the driver's affair.

use protocol::Entropy;
use protocol::api_proof::ApiRequest;
use protocol::identity::ClientKey;
use protocol::ids::{AttachNo, ClusterId};
use protocol::keys::KeyAgreement;
use protocol::sealed_deed::{AuthNodes, Deed, SealedDeedError};
use protocol::ticket::{RawTicket, TICKET_BYTES};

use crate::kept::{Kept, NotKept, Progress};

/// A client of the API.
#[derive(Debug)]
pub struct AccountClient {
    key: ClientKey,
    /// The session that it asks for, as it was kept; `None`: one that is to begin.
    kept: Option<Kept>,
}

impl AccountClient {
    /// One with a key of its own, for a login.
    #[must_use]
    pub fn new(entropy: &mut dyn Entropy) -> Self {
        Self {
            key: ClientKey::generate(entropy),
            kept: None,
        }
    }

    /// One that asks for a session that there is, as [`Session::keep`](crate::Session::keep) gives it.
    ///
    /// # Errors
    /// `NotKept`: the bytes are no session.
    pub fn of(kept: &[u8]) -> Result<Self, NotKept> {
        let kept = Kept::parse(kept)?;
        Ok(Self {
            key: kept.key.clone(),
            kept: Some(kept),
        })
    }

    /// The value of the header `Authorization` for a request, with the session's ticket where there is one.
    #[must_use]
    pub fn authorization(
        &self,
        cluster_id: ClusterId,
        (method, path): (&str, &str),
        body: &[u8],
        wall_ms: u64,
    ) -> String {
        let ticket = self.kept.as_ref().map(|kept| kept.ticket.encode());
        let request = ApiRequest {
            cluster_id,
            method,
            path,
            body,
        };
        request.authorization(&self.key, wall_ms, ticket.as_ref())
    }

    /// What an auth node is asked to do, for the field `sealed` of a document in base64; `None`: the cluster has none, and the document says
    /// it to the proxy.
    ///
    /// # Errors
    /// `TooLong`: a text is.
    pub fn sealed(
        &self,
        (cluster_id, auth): (ClusterId, &AuthNodes),
        deed: &Deed,
        entropy: &mut dyn Entropy,
    ) -> Result<Option<Vec<u8>>, SealedDeedError> {
        let Some(to) = auth.pick(entropy) else {
            return Ok(None);
        };
        let agreement = KeyAgreement::new(entropy);
        deed.seal(&to, (cluster_id, self.key.public()), agreement)
            .map(Some)
    }

    /// What was granted, as bytes to [go on](crate::StreamedClient::going_on) with: the session that there was, where its login goes
    /// on, or the new one. `name` is the account's.
    ///
    /// # Errors
    /// `NotKept`: it is no ticket, or that of another key.
    pub fn granted(self, ticket: &[u8; TICKET_BYTES], name: &str) -> Result<Vec<u8>, NotKept> {
        let ticket = RawTicket::parse(ticket).map_err(|_| NotKept)?;
        if ticket.claims().holder != self.key.public() {
            return Err(NotKept);
        }
        let goes_on = |kept: &Kept| kept.ticket.claims().session == ticket.claims().session;
        let (attach_no, progress) = match self.kept.filter(goes_on) {
            Some(kept) => (kept.attach_no, kept.progress),
            None => (AttachNo(0), Progress::default()),
        };
        let kept = Kept {
            ticket,
            key: self.key,
            attach_no,
            name: name.to_owned(),
            progress,
        };
        Ok(kept.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::identity::{NodeKey, Validity};
    use protocol::ids::{NodeUuid, RegionNumber, SessionGeneration, SessionId, UserId};
    use protocol::ticket::{AccountKind, Ticket};

    fn ticket(key: &ClientKey, session: u8, account: AccountKind) -> RawTicket {
        let claims = Ticket {
            issuer: NodeUuid([1; 16]),
            user: UserId(7),
            session: SessionId([session; 16]),
            session_generation: SessionGeneration(1),
            holder: key.public(),
            validity: Validity {
                from_ms: 0,
                until_ms: 1,
            },
            auth_time_ms: 0,
            region_hint: RegionNumber(0),
            account,
        };
        claims.issue(ClusterId([2; 16]), &NodeKey::from_seed(&[3; 32]))
    }

    #[test]
    fn a_guest_that_made_an_account_goes_on_and_a_login_begins() {
        let key = ClientKey::from_seed(&[4; 32]);
        let kept = Kept {
            ticket: ticket(&key, 1, AccountKind::Guest),
            key: key.clone(),
            attach_no: AttachNo(3),
            name: "guest".to_owned(),
            progress: Progress {
                input: 9,
                ..Progress::default()
            },
        };
        let guest = || AccountClient::of(&kept.encode()).unwrap();
        let word = guest().authorization(ClusterId([2; 16]), ("GET", "/api/me"), b"", 5);
        let proof = protocol::api_proof::ApiProof::parse(&word).unwrap();
        assert_eq!(proof.ticket.as_deref(), Some(&kept.ticket.encode()));

        let registered = ticket(&key, 1, AccountKind::Registered);
        let granted = guest().granted(&registered.encode(), "Ada").unwrap();
        let granted = Kept::parse(&granted).unwrap();
        assert_eq!((granted.ticket, granted.attach_no), (registered, AttachNo(3)));
        assert_eq!((granted.name.as_str(), granted.progress.input), ("Ada", 9));
        // Another password: another session, whose numbers begin anew.
        let other = ticket(&key, 2, AccountKind::Registered);
        let granted = guest().granted(&other.encode(), "Ada").unwrap();
        let granted = Kept::parse(&granted).unwrap();
        assert_eq!((granted.attach_no, granted.progress.input), (AttachNo(0), 0));
        let foreign = ticket(&ClientKey::from_seed(&[5; 32]), 1, AccountKind::Registered);
        assert!(guest().granted(&foreign.encode(), "Ada").is_err());
        assert!(guest().granted(&[0; TICKET_BYTES], "Ada").is_err());
    }
}
