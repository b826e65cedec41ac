//! Tickets: what a user logs in with once and then shows to any proxy, which checks it offline.
//!
//! ```text
//! "S2ST" 4 | version 1 | flags u8 (bit 0: guest) | reserved 2 | issuer_uuid 16 | user_id u64 | session_id 16
//! | session_generation u64 | client_pub 32 | issued i64 | expires i64 | auth_time i64 | region_hint u32 | signature 64
//! signature = Ed25519(issuer's node key, "RMC/1 ticket\0" ‖ cluster_id ‖ ticket[0..116])
//! ```
//! A ticket is bound to the client's session key, so a stolen one is worth nothing; it dies with its issuer's uuid.

use crate::Code;
use crate::identity::{ClientPublic, Clock, NodeKey, NodePublic, OutsideValidity, Validity};
use crate::ids::{ClusterId, NodeUuid, RegionNumber, SessionGeneration, SessionId, UserId};
use crate::limits::TICKET_LIFETIME_MS_MAX;
use crate::wire::{Reader, Truncated};

/// Length of a ticket.
pub const TICKET_BYTES: usize = 180;
const SIGNED_BYTES: usize = TICKET_BYTES - 64;
const MAGIC: [u8; 4] = *b"S2ST";
const VERSION: u8 = 1;
const FLAG_GUEST: u8 = 1;
const CONTEXT: &[u8] = b"RMC/1 ticket\0";

/// Why a ticket does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Not 180 bytes, not one of ours, or of a version to come.
    #[error("these bytes are no ticket")]
    Malformed,
    /// No node of this uuid may issue tickets: not in the topology, not of the auth role, or revoked.
    #[error("the ticket's issuer may not issue tickets")]
    UnknownIssuer,
    /// The issuer did not sign it for this cluster.
    #[error("the ticket's issuer did not sign it")]
    NotSigned,
    /// Somebody else's ticket.
    #[error("the ticket is bound to another client key")]
    WrongHolder,
    /// Longer than any ticket may live.
    #[error("the ticket's life is too long")]
    LifeTooLong,
    /// Too early or too late.
    #[error("the ticket is {0}")]
    OutsideValidity(#[from] OutsideValidity),
}

impl TicketError {
    /// What the client is told.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::OutsideValidity(OutsideValidity::Expired) => Code::TicketExpired,
            _ => Code::TicketInvalid,
        }
    }
}

impl From<Truncated> for TicketError {
    fn from(_: Truncated) -> Self {
        Self::Malformed
    }
}

/// Whether an account outlives its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// Has credentials to come back with.
    Registered,
    /// Made for this session; deleted after a day without holdings.
    Guest,
}

/// What a ticket says: what its issuer fills in, and what [`RawTicket::verify`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The node whose key signs it.
    pub issuer: NodeUuid,
    /// The user.
    pub user: UserId,
    /// The login.
    pub session: SessionId,
    /// Which login of the user this is; a newer one supersedes it.
    pub session_generation: SessionGeneration,
    /// The only key that may present it.
    pub holder: ClientPublic,
    /// From issue to expiry, Unix milliseconds; at most 15 minutes.
    pub validity: Validity,
    /// When credentials were last checked, Unix milliseconds.
    pub auth_time_ms: i64,
    /// Where the user was last known to be.
    pub region_hint: RegionNumber,
    /// Guest or not.
    pub account: AccountKind,
}

/// A ticket as written: its claims count after [`verify`](Self::verify) only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawTicket {
    claims: Ticket,
    signature: [u8; 64],
}

impl Ticket {
    /// Signs the ticket for one cluster; `key` is the key of the node that `issuer` names.
    #[must_use]
    pub fn issue(self, cluster_id: ClusterId, key: &NodeKey) -> RawTicket {
        let mut ticket = RawTicket {
            claims: self,
            signature: [0; 64],
        };
        ticket.signature = key.sign(&ticket.signed_bytes(cluster_id));
        ticket
    }
}

impl RawTicket {
    /// Reads the 180 bytes.
    ///
    /// # Errors
    /// `Malformed`, also for unknown flags, reserved bytes that are not zero and an unusable client key.
    pub fn parse(bytes: &[u8]) -> Result<Self, TicketError> {
        let mut reader = Reader::new(bytes);
        if bytes.len() != TICKET_BYTES || reader.array()? != MAGIC || reader.u8()? != VERSION {
            return Err(TicketError::Malformed);
        }
        let account = match reader.u8()? {
            0 => AccountKind::Registered,
            FLAG_GUEST => AccountKind::Guest,
            _ => return Err(TicketError::Malformed),
        };
        if reader.u16()? != 0 {
            return Err(TicketError::Malformed);
        }
        let claims = Ticket {
            issuer: NodeUuid(reader.array()?),
            user: UserId(reader.u64()?),
            session: SessionId(reader.array()?),
            session_generation: SessionGeneration(reader.u64()?),
            holder: ClientPublic::parse(&reader.array()?).map_err(|_| TicketError::Malformed)?,
            validity: Validity {
                from_ms: reader.i64()?,
                until_ms: reader.i64()?,
            },
            auth_time_ms: reader.i64()?,
            region_hint: RegionNumber(reader.u32()?),
            account,
        };
        let signature = reader.array()?;
        Ok(Self { claims, signature })
    }

    /// The 180 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; TICKET_BYTES] {
        let claims = &self.claims;
        let flags = match claims.account {
            AccountKind::Registered => 0,
            AccountKind::Guest => FLAG_GUEST,
        };
        let fields = MAGIC
            .into_iter()
            .chain([VERSION, flags, 0, 0])
            .chain(claims.issuer.0)
            .chain(claims.user.0.to_le_bytes())
            .chain(claims.session.0)
            .chain(claims.session_generation.0.to_le_bytes())
            .chain(claims.holder.to_bytes())
            .chain(claims.validity.from_ms.to_le_bytes())
            .chain(claims.validity.until_ms.to_le_bytes())
            .chain(claims.auth_time_ms.to_le_bytes())
            .chain(claims.region_hint.0.to_le_bytes())
            .chain(self.signature);
        let mut bytes = [0; TICKET_BYTES];
        bytes
            .iter_mut()
            .zip(fields)
            .for_each(|(byte, field)| *byte = field);
        bytes
    }

    /// What it claims. Its holder may read when to renew it; nobody else may act on it before [`verify`](Self::verify).
    #[must_use]
    pub fn claims(&self) -> &Ticket {
        &self.claims
    }

    /// Checks issuer, signature and time. `issuer_key` names the key of a node that may issue tickets now, or `None`.
    /// Whether the client holds the key is shown by its signature in the handshake or in an attach.
    ///
    /// # Errors
    /// Any `TicketError` but `Malformed` and `WrongHolder`.
    pub fn verify(
        &self,
        cluster_id: ClusterId,
        issuer_key: impl FnOnce(NodeUuid) -> Option<NodePublic>,
        clock: Clock,
    ) -> Result<Ticket, TicketError> {
        let key = issuer_key(self.claims.issuer).ok_or(TicketError::UnknownIssuer)?;
        let signed = key.verify(&self.signed_bytes(cluster_id), &self.signature);
        signed.map_err(|_| TicketError::NotSigned)?;
        let Validity { from_ms, until_ms } = self.claims.validity;
        if until_ms.saturating_sub(from_ms) > TICKET_LIFETIME_MS_MAX as i64 {
            return Err(TicketError::LifeTooLong);
        }
        self.claims.validity.check(clock)?;
        Ok(self.claims)
    }

    fn signed_bytes(&self, cluster_id: ClusterId) -> Vec<u8> {
        let ticket = self.encode();
        [CONTEXT, &cluster_id.0, ticket.split_at(SIGNED_BYTES).0].concat()
    }
}
