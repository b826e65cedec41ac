//! Who is who: the authority of a cluster, nodes with certificates, roles with vouchers, and the keys of client sessions.
//!
//! Wire layouts and numbered rules: `docs/protocol.md`, *Identities*. Every time is `i64` Unix milliseconds.

mod authority;
mod certificate;
mod key;
mod validity;
mod voucher;

pub use authority::AuthorityKeys;
pub use certificate::{
    CERTIFICATE_BYTES, CertificateError, DiskCertificate, VerifiedCertificate, WireCertificate,
};
pub use key::{
    AuthorityKey, AuthorityPublic, BadPublicKey, BadSignature, ClientKey, ClientPublic, NodeKey, NodePublic,
};
pub use validity::{Clock, OutsideValidity, Validity};
pub use voucher::{Role, RoleVoucher, VOUCHER_BYTES, VoucherError};
