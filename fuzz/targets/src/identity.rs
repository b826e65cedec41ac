//! Certificates, vouchers and tickets, which strangers present.

use protocol::identity::{DiskCertificate, RoleVoucher, WireCertificate};
use protocol::ticket::RawTicket;

/// Bytes that claim to be any of them.
pub(crate) fn identity(data: &[u8]) {
    let on_disk = DiskCertificate::parse(data).is_ok();
    let on_wire = WireCertificate::parse(data).is_ok();
    assert!(!(on_disk && on_wire), "one form was taken for the other");
    let _ = RoleVoucher::parse(data);
    let _ = RawTicket::parse(data);
}
