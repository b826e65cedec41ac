//! Role vouchers: the authority's word, for clients who never see the topology, that a node is what it poses as.
//!
//! ```text
//! "S2SV" 4 | version 1 | role u8 | reserved 2 | cluster_id 16 | uuid 16 | not_before i64 | not_after i64 | signature 64
//! signature = Ed25519(authority, "S2SV/1\0" ‖ voucher[0..56])
//! ```
//! Without it a compromised game server could pose as a proxy and collect passwords.

use super::authority::AuthorityKeys;
use super::key::AuthorityKey;
use super::validity::{Clock, OutsideValidity, Validity};
use crate::Code;
use crate::ids::{ClusterId, NodeUuid};
use crate::wire::{Reader, Truncated};

/// Length of a voucher.
pub const VOUCHER_BYTES: usize = 120;
const SIGNED_BYTES: usize = VOUCHER_BYTES - 64;
const MAGIC: [u8; 4] = *b"S2SV";
const VERSION: u8 = 1;
const CONTEXT: &[u8] = b"S2SV/1\0";

/// What a node may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Simulates regions.
    GameServer = 1,
    /// Serves clients.
    Proxy = 2,
    /// Checks credentials, issues tickets.
    Auth = 3,
    /// Gives orders to nodes.
    Operator = 4,
}

impl Role {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The role with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::GameServer),
            2 => Some(Self::Proxy),
            3 => Some(Self::Auth),
            4 => Some(Self::Operator),
            _ => None,
        }
    }
}

/// Why a voucher does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// Not 120 bytes, or not one of ours.
    #[error("these bytes are no role voucher")]
    Malformed,
    /// Neither authority key signed it.
    #[error("the authority of this cluster did not sign this voucher")]
    NotSigned,
    /// It speaks of another cluster.
    #[error("the voucher is for another cluster")]
    WrongCluster,
    /// It speaks of another node.
    #[error("the voucher is for another node")]
    WrongNode,
    /// The node has another role.
    #[error("the voucher is for another role")]
    WrongRole,
    /// Too early or too late.
    #[error("the voucher is {0}")]
    OutsideValidity(#[from] OutsideValidity),
}

impl VoucherError {
    /// What the bearer is told, where it may be told anything.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Malformed => Code::Protocol,
            Self::NotSigned | Self::WrongCluster | Self::WrongNode => Code::NotInTopology,
            Self::WrongRole => Code::RoleDenied,
            Self::OutsideValidity(_) => Code::CertExpired,
        }
    }
}

impl From<Truncated> for VoucherError {
    fn from(_: Truncated) -> Self {
        Self::Malformed
    }
}

/// A voucher as written; [`verify`](Self::verify) says whether it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleVoucher {
    role: u8,
    cluster_id: ClusterId,
    uuid: NodeUuid,
    validity: Validity,
    signature: [u8; 64],
}

impl AuthorityKey {
    /// Vouches for a node's role in one cluster; seven days are usual.
    #[must_use]
    pub fn vouch(
        &self,
        cluster_id: ClusterId,
        uuid: NodeUuid,
        role: Role,
        validity: Validity,
    ) -> RoleVoucher {
        let mut voucher = RoleVoucher {
            role: role.number(),
            cluster_id,
            uuid,
            validity,
            signature: [0; 64],
        };
        voucher.signature = self.sign(&voucher.signed_bytes());
        voucher
    }
}

impl RoleVoucher {
    /// Reads the 120 bytes.
    ///
    /// # Errors
    /// `Malformed`, also when the reserved bytes are not zero.
    pub fn parse(bytes: &[u8]) -> Result<Self, VoucherError> {
        let mut reader = Reader::new(bytes);
        if bytes.len() != VOUCHER_BYTES || reader.array()? != MAGIC || reader.u8()? != VERSION {
            return Err(VoucherError::Malformed);
        }
        let role = reader.u8()?;
        if reader.u16()? != 0 {
            return Err(VoucherError::Malformed);
        }
        Ok(Self {
            role,
            cluster_id: ClusterId(reader.array()?),
            uuid: NodeUuid(reader.array()?),
            validity: Validity {
                from_ms: reader.i64()?,
                until_ms: reader.i64()?,
            },
            signature: reader.array()?,
        })
    }

    /// The 120 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; VOUCHER_BYTES] {
        let mut bytes = [0; VOUCHER_BYTES];
        let fields = MAGIC
            .into_iter()
            .chain([VERSION, self.role, 0, 0])
            .chain(self.cluster_id.0)
            .chain(self.uuid.0)
            .chain(self.validity.from_ms.to_le_bytes())
            .chain(self.validity.until_ms.to_le_bytes())
            .chain(self.signature);
        bytes
            .iter_mut()
            .zip(fields)
            .for_each(|(byte, field)| *byte = field);
        bytes
    }

    /// From when until when it counts: what an operator renews by.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Checks that the authority vouches for this node, in this role and cluster, now.
    ///
    /// # Errors
    /// Any `VoucherError` but `Malformed`.
    pub fn verify(
        &self,
        authorities: &AuthorityKeys,
        cluster_id: ClusterId,
        uuid: NodeUuid,
        role: Role,
        clock: Clock,
    ) -> Result<(), VoucherError> {
        let signed = authorities.verify(&self.signed_bytes(), &self.signature);
        signed.map_err(|_| VoucherError::NotSigned)?;
        if self.cluster_id != cluster_id {
            return Err(VoucherError::WrongCluster);
        }
        if self.uuid != uuid {
            return Err(VoucherError::WrongNode);
        }
        if self.role != role.number() {
            return Err(VoucherError::WrongRole);
        }
        Ok(self.validity.check(clock)?)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let voucher = self.encode();
        [CONTEXT, voucher.split_at(SIGNED_BYTES).0].concat()
    }
}
