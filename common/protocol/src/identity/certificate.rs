//! Node certificates in two forms that are two types: on disk with the secret, on the wire with the public key.
//!
//! ```text
//! disk : "S2SC" 4 | version 0x01 | uuid 16 | issued_at i64 | expires_at i64 | secret 32     | signature 64
//! wire : "S2SC" 4 | version 0x81 | uuid 16 | issued_at i64 | expires_at i64 | public key 32 | signature 64
//! signature = Ed25519(authority, "S2SC/1\0" ‖ cluster_id 16 ‖ wire[0..69])
//! ```
//! One signature serves both; nothing but [`DiskCertificate::encode`] gives out bytes with the secret in them.

use std::fmt;

use zeroize::Zeroizing;

use super::authority::AuthorityKeys;
use super::key::{AuthorityKey, NodeKey, NodePublic};
use super::validity::{Clock, OutsideValidity, Validity};
use crate::Code;
use crate::ids::{ClusterId, NodeUuid};
use crate::wire::{Reader, Truncated};

/// Length of either form.
pub const CERTIFICATE_BYTES: usize = 133;
const SIGNED_BYTES: usize = CERTIFICATE_BYTES - 64;
const MAGIC: [u8; 4] = *b"S2SC";
const VERSION_DISK: u8 = 0x01;
const VERSION_WIRE: u8 = 0x81;
const CONTEXT: &[u8] = b"S2SC/1\0";

/// Why a certificate does not count. The blame is the bearer's, but for a wrong clock of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not 133 bytes, or not one of ours.
    #[error("these bytes are no node certificate")]
    Malformed,
    /// The other form, or a version to come.
    #[error("certificate version {0:#04x} does not belong here")]
    WrongForm(u8),
    /// Neither authority key signed it for this cluster.
    #[error("the authority of this cluster did not sign this certificate")]
    NotSigned,
    /// The public key in it cannot make signatures.
    #[error("the certificate holds no usable public key")]
    BadPublicKey,
    /// Too early or too late.
    #[error("the certificate is {0}")]
    OutsideValidity(#[from] OutsideValidity),
}

impl CertificateError {
    /// What the bearer is told, where it may be told anything.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Malformed | Self::WrongForm(_) | Self::BadPublicKey => Code::Protocol,
            Self::NotSigned => Code::NotInTopology,
            Self::OutsideValidity(_) => Code::CertExpired,
        }
    }
}

impl From<Truncated> for CertificateError {
    fn from(_: Truncated) -> Self {
        Self::Malformed
    }
}

/// A node's certificate as its own disk holds it (mode 0600): with the Ed25519 seed. Wiped when dropped, never shown.
pub struct DiskCertificate {
    wire: WireCertificate,
    seed: Zeroizing<[u8; 32]>,
}

impl AuthorityKey {
    /// Certifies the node with this uuid and Ed25519 seed for one cluster.
    #[must_use]
    pub fn issue(
        &self,
        cluster_id: ClusterId,
        uuid: NodeUuid,
        validity: Validity,
        seed: &[u8; 32],
    ) -> DiskCertificate {
        let mut wire = WireCertificate {
            uuid,
            validity,
            public: NodeKey::from_seed(seed).public().to_bytes(),
            signature: [0; 64],
        };
        wire.signature = self.sign(&wire.signed_bytes(cluster_id));
        DiskCertificate {
            wire,
            seed: Zeroizing::new(*seed),
        }
    }
}

impl DiskCertificate {
    /// Reads the form on disk; whether the authority signed it, [`wire`](Self::wire) and `verify` tell.
    ///
    /// # Errors
    /// `Malformed` or `WrongForm`.
    pub fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        let (mut wire, seed) = parse(bytes, VERSION_DISK)?;
        let seed = Zeroizing::new(seed);
        wire.public = NodeKey::from_seed(&seed).public().to_bytes();
        Ok(Self { wire, seed })
    }

    /// The bytes for a file of mode 0600: the one place where the secret comes out.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<[u8; CERTIFICATE_BYTES]> {
        Zeroizing::new(self.wire.layout(VERSION_DISK, &self.seed))
    }

    /// The form for peers.
    #[must_use]
    pub fn wire(&self) -> WireCertificate {
        self.wire
    }

    /// The key to prove the certificate with.
    #[must_use]
    pub fn node_key(&self) -> NodeKey {
        NodeKey::from_seed(&self.seed)
    }
}

impl fmt::Debug for DiskCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("DiskCertificate");
        out.field("uuid", &self.wire.uuid).finish_non_exhaustive()
    }
}

/// A node's certificate as peers see it: as written, nothing checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireCertificate {
    uuid: NodeUuid,
    validity: Validity,
    public: [u8; 32],
    signature: [u8; 64],
}

/// What a certificate says, once the authority's signature and the time are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedCertificate {
    uuid: NodeUuid,
    public: NodePublic,
    validity: Validity,
}

impl WireCertificate {
    /// Reads the form on the wire.
    ///
    /// # Errors
    /// `Malformed` or `WrongForm`.
    pub fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        let (wire, _) = parse(bytes, VERSION_WIRE)?;
        Ok(wire)
    }

    /// The 133 bytes for peers.
    #[must_use]
    pub fn encode(&self) -> [u8; CERTIFICATE_BYTES] {
        self.layout(VERSION_WIRE, &self.public)
    }

    /// Whom it claims to name; believe it only after [`verify`](Self::verify).
    #[must_use]
    pub fn claimed_uuid(&self) -> NodeUuid {
        self.uuid
    }

    /// From when until when, as it says: nobody has looked at its signature.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Checks signature, key and time. Whether the bearer holds the key, and what it may do, others check.
    ///
    /// # Errors
    /// `NotSigned`, `BadPublicKey` or `OutsideValidity`.
    pub fn verify(
        &self,
        authorities: &AuthorityKeys,
        cluster_id: ClusterId,
        clock: Clock,
    ) -> Result<VerifiedCertificate, CertificateError> {
        let signed = authorities.verify(&self.signed_bytes(cluster_id), &self.signature);
        signed.map_err(|_| CertificateError::NotSigned)?;
        let public = NodePublic::parse(&self.public).map_err(|_| CertificateError::BadPublicKey)?;
        self.validity.check(clock)?;
        Ok(VerifiedCertificate {
            uuid: self.uuid,
            public,
            validity: self.validity,
        })
    }

    fn signed_bytes(&self, cluster_id: ClusterId) -> Vec<u8> {
        let wire = self.encode();
        [CONTEXT, &cluster_id.0, wire.split_at(SIGNED_BYTES).0].concat()
    }

    fn layout(&self, version: u8, key: &[u8; 32]) -> [u8; CERTIFICATE_BYTES] {
        let mut bytes = [0; CERTIFICATE_BYTES];
        let fields = MAGIC
            .iter()
            .chain(std::iter::once(&version))
            .chain(&self.uuid.0)
            .copied()
            .chain(self.validity.from_ms.to_le_bytes())
            .chain(self.validity.until_ms.to_le_bytes())
            .chain(*key)
            .chain(self.signature);
        bytes
            .iter_mut()
            .zip(fields)
            .for_each(|(byte, field)| *byte = field);
        bytes
    }
}

impl VerifiedCertificate {
    /// The node.
    #[must_use]
    pub fn uuid(&self) -> NodeUuid {
        self.uuid
    }

    /// The node's key.
    #[must_use]
    pub fn public(&self) -> NodePublic {
        self.public
    }

    /// From issue until expiry; a link is closed when it ends.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

/// Reads either form: the common fields with an empty or public key, and the 32 key bytes.
fn parse(bytes: &[u8], version_wanted: u8) -> Result<(WireCertificate, [u8; 32]), CertificateError> {
    let mut reader = Reader::new(bytes);
    if bytes.len() != CERTIFICATE_BYTES || reader.array()? != MAGIC {
        return Err(CertificateError::Malformed);
    }
    let version = reader.u8()?;
    if version != version_wanted {
        return Err(CertificateError::WrongForm(version));
    }
    let uuid = NodeUuid(reader.array()?);
    let validity = Validity {
        from_ms: reader.i64()?,
        until_ms: reader.i64()?,
    };
    let key = reader.array()?;
    let signature = reader.array()?;
    let public = if version_wanted == VERSION_WIRE {
        key
    } else {
        [0; 32]
    };
    let wire = WireCertificate {
        uuid,
        validity,
        public,
        signature,
    };
    Ok((wire, key))
}
