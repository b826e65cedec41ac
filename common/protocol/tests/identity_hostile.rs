//! Certificates and vouchers as bytes: golden vectors, and everything that must be refused.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "identity_world/mod.rs"]
mod world;

use proptest::prelude::*;
use protocol::Code;
use protocol::identity::*;
use protocol::ids::*;
use world::*;

// Computed from docs/protocol.md alone, not by the code under test.
const GOLDEN_WIRE: &str = "5332534381505050505050505050505050505050500058e71e96010000002872719d0100008139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b3949cf6781e3bde2653de418712e338d57b622a9af4a193c7e4e7c2b4c010bdc88181e537f9b83987bbd4f9d582c7f3712e0dba7bd525415d71a1a1aa8a33a88d07";
const GOLDEN_VOUCHER: &str = "5332535601020000c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c150505050505050505050505050505050007e26b699010000000233da99010000be9bbccbeee58680a52a7f7f5a98db457c2117ab62e56cd0e74234f5ec438bc3cc17a6d9f70e275be81d67e44a13e2bef62408047559c235dda6d431fe1d9a01";

fn wire_bytes() -> [u8; CERTIFICATE_BYTES] {
    disk_certificate().wire().encode()
}

fn verify_certificate(bytes: &[u8]) -> Result<VerifiedCertificate, CertificateError> {
    WireCertificate::parse(bytes)?.verify(&authorities(), CLUSTER, clock())
}

fn verify_voucher(bytes: &[u8]) -> Result<(), VoucherError> {
    RoleVoucher::parse(bytes)?.verify(&authorities(), CLUSTER, PROXY, Role::Proxy, clock())
}

#[test]
fn id_1_each_form_refuses_the_other_and_versions_to_come() {
    let disk = disk_certificate().encode();
    assert_eq!(
        WireCertificate::parse(disk.as_slice()),
        Err(CertificateError::WrongForm(1))
    );
    let error = DiskCertificate::parse(&wire_bytes()).unwrap_err();
    assert_eq!(error, CertificateError::WrongForm(0x81));
    for version in (0..=255).filter(|version| *version != 0x81) {
        let mut bytes = wire_bytes();
        bytes[4] = version;
        assert_eq!(
            WireCertificate::parse(&bytes),
            Err(CertificateError::WrongForm(version))
        );
    }
}

#[test]
fn id_2_the_layouts_are_frozen_and_one_signature_serves_both_forms() {
    assert_eq!(hex(&wire_bytes()), GOLDEN_WIRE);
    let disk = disk_certificate().encode();
    let wire = wire_bytes();
    assert_eq!(disk[..4], wire[..4]);
    assert_eq!(disk[5..37], wire[5..37]);
    assert_eq!(disk[37..69], PROXY_SEED);
    assert_eq!(disk[69..], wire[69..]);
    let read = DiskCertificate::parse(disk.as_slice()).unwrap();
    assert_eq!(read.wire(), disk_certificate().wire());
    let verified = verify_certificate(&wire).unwrap();
    assert_eq!((verified.uuid(), verified.validity()), (PROXY, YEAR));
    assert_eq!(verified.public(), read.node_key().public());
}

#[test]
fn id_3_keys_of_small_order_are_refused() {
    let small_order = [
        [0; 32],
        std::array::from_fn(|at| u8::from(at == 0)),
        std::array::from_fn(|at| match at {
            0 => 0xec,
            31 => 0x7f,
            _ => 0xff,
        }),
    ];
    for bytes in small_order {
        assert_eq!(NodePublic::parse(&bytes), Err(BadPublicKey));
        assert_eq!(ClientPublic::parse(&bytes), Err(BadPublicKey));
        assert_eq!(AuthorityPublic::parse(&bytes), Err(BadPublicKey));
    }
}

#[test]
fn id_3_a_signature_that_was_made_to_look_different_is_refused() {
    // s + L verifies like s unless the verifier insists on the canonical one.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut signature = authority().sign(b"message");
    let public = authority().public();
    assert_eq!(public.verify(b"message", &signature), Ok(()));
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(public.verify(b"message", &signature), Err(BadSignature));
}

#[test]
fn id_4_no_changed_bit_and_no_other_length_passes() {
    let wire = wire_bytes();
    for bytes in wrong_lengths(&wire) {
        assert_eq!(verify_certificate(&bytes), Err(CertificateError::Malformed));
    }
    for (at, bytes) in flips(&wire) {
        let error = verify_certificate(&bytes).unwrap_err();
        match at {
            0..=3 => assert_eq!(error, CertificateError::Malformed),
            4 => assert_eq!(error, CertificateError::WrongForm(bytes[4])),
            _ => assert_eq!(error, CertificateError::NotSigned, "byte {at}"),
        }
    }
    let disk = disk_certificate().encode();
    for bytes in wrong_lengths(disk.as_slice()) {
        assert_eq!(
            DiskCertificate::parse(&bytes).unwrap_err(),
            CertificateError::Malformed
        );
    }
    for (at, bytes) in flips(disk.as_slice()) {
        let read = DiskCertificate::parse(&bytes).and_then(|disk| verify_certificate(&disk.wire().encode()));
        assert!(read.is_err(), "byte {at}");
    }
}

#[test]
fn id_5_only_the_disk_form_holds_the_secret() {
    // A seed that stands nowhere else in the certificate.
    let seed: [u8; 32] = std::array::from_fn(|at| 0xb0 ^ (at as u8 * 7));
    let disk = authority().issue(CLUSTER, PROXY, YEAR, &seed);
    let holds = |bytes: &[u8]| {
        bytes
            .windows(8)
            .any(|window| seed.windows(8).any(|part| part == window))
    };
    assert!(holds(disk.encode().as_slice()));
    assert!(!holds(&disk.wire().encode()));
    let shown = format!("{disk:?} {:?} {:?}", disk.wire(), disk.node_key());
    assert!(!shown.contains(&hex(&seed)[..16]), "{shown}");
    assert!(!shown.contains(&format!("{seed:?}")[1..20]), "{shown}");
}

#[test]
fn id_6_a_certificate_counts_within_its_time_only() {
    let wire = disk_certificate().wire();
    let at = |now_ms| {
        wire.verify(&authorities(), CLUSTER, Clock::of_node(now_ms))
            .map(|_| ())
    };
    let (from_ms, until_ms) = (YEAR.from_ms as u64, YEAR.until_ms as u64);
    assert_eq!(at(until_ms - 1), Ok(()));
    assert_eq!(at(until_ms), Err(OutsideValidity::Expired.into()));
    assert_eq!(at(from_ms - 120_000), Ok(()));
    assert_eq!(at(from_ms - 120_001), Err(OutsideValidity::NotYet.into()));
    assert_eq!(
        CertificateError::from(OutsideValidity::Expired).code(),
        Code::CertExpired
    );
}

#[test]
fn id_7_papers_of_one_cluster_mean_nothing_in_another() {
    let other = ClusterId([0xc2; 16]);
    let certificate = disk_certificate().wire().verify(&authorities(), other, clock());
    assert_eq!(certificate, Err(CertificateError::NotSigned));
    let voucher = proxy_voucher().verify(&authorities(), other, PROXY, Role::Proxy, clock());
    assert_eq!(voucher, Err(VoucherError::WrongCluster));
}

#[test]
fn id_8_a_voucher_speaks_of_one_node_one_role_and_one_time() {
    let voucher = proxy_voucher();
    assert_eq!(hex(&voucher.encode()), GOLDEN_VOUCHER);
    assert_eq!(RoleVoucher::parse(&voucher.encode()), Ok(voucher));
    let check = |uuid, role, clock| voucher.verify(&authorities(), CLUSTER, uuid, role, clock);
    assert_eq!(check(PROXY, Role::Proxy, clock()), Ok(()));
    assert_eq!(check(ISSUER, Role::Proxy, clock()), Err(VoucherError::WrongNode));
    for role in [Role::GameServer, Role::Auth, Role::Operator] {
        assert_eq!(check(PROXY, role, clock()), Err(VoucherError::WrongRole));
        assert_eq!(Role::from_number(role.number()), Some(role));
    }
    let late = Clock::of_node(WEEK.until_ms as u64);
    assert_eq!(
        check(PROXY, Role::Proxy, late),
        Err(OutsideValidity::Expired.into())
    );
    assert_eq!(VoucherError::WrongRole.code(), Code::RoleDenied);
}

#[test]
fn id_8_no_changed_bit_of_a_voucher_and_no_other_length_passes() {
    let bytes = proxy_voucher().encode();
    for wrong in wrong_lengths(&bytes) {
        assert_eq!(verify_voucher(&wrong), Err(VoucherError::Malformed));
    }
    for (at, flipped) in flips(&bytes) {
        let error = verify_voucher(&flipped).unwrap_err();
        let expected = match at {
            0..=4 | 6..=7 => VoucherError::Malformed,
            _ => VoucherError::NotSigned,
        };
        assert_eq!(error, expected, "byte {at}");
    }
}

#[test]
fn id_9_either_authority_key_counts_and_no_third() {
    let next = AuthorityKey::from_seed(&[60; 32]);
    let both = authorities().with_next(next.public());
    let issued_by = |key: &AuthorityKey| key.issue(CLUSTER, PROXY, YEAR, &PROXY_SEED).wire();
    for key in [&authority(), &next] {
        assert!(issued_by(key).verify(&both, CLUSTER, clock()).is_ok());
    }
    let third = issued_by(&AuthorityKey::from_seed(&[61; 32]));
    assert_eq!(
        third.verify(&both, CLUSTER, clock()),
        Err(CertificateError::NotSigned)
    );
    assert_eq!(
        issued_by(&next).verify(&authorities(), CLUSTER, clock()),
        Err(CertificateError::NotSigned)
    );
}

#[test]
fn id_10_no_signature_counts_for_anything_else_the_same_key_signs() {
    // The authority signs the bare layout, without the context that says what it is for.
    let mut certificate = wire_bytes();
    let bare = authority().sign(&[&CLUSTER.0, &certificate[..69]].concat());
    certificate[69..].copy_from_slice(&bare);
    assert_eq!(verify_certificate(&certificate), Err(CertificateError::NotSigned));
    let mut voucher = proxy_voucher().encode();
    let bare = authority().sign(&voucher[..56]);
    voucher[56..].copy_from_slice(&bare);
    assert_eq!(verify_voucher(&voucher), Err(VoucherError::NotSigned));
    // One context in place of the other.
    let swapped = authority().sign(&[b"S2SC/1\0", &voucher[..56]].concat());
    voucher[56..].copy_from_slice(&swapped);
    assert_eq!(verify_voucher(&voucher), Err(VoucherError::NotSigned));
}

proptest! {
    #[test]
    fn id_4_random_bytes_never_pass(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(verify_certificate(&bytes).is_err());
        prop_assert!(verify_voucher(&bytes).is_err());
    }

    #[test]
    fn id_2_every_certificate_and_voucher_round_trips(
        uuid in any::<[u8; 16]>(),
        cluster in any::<[u8; 16]>(),
        seed in any::<[u8; 32]>(),
        from_ms in any::<i64>(),
        until_ms in any::<i64>(),
    ) {
        let (uuid, cluster, validity) = (NodeUuid(uuid), ClusterId(cluster), Validity { from_ms, until_ms });
        let disk = authority().issue(cluster, uuid, validity, &seed);
        let read = DiskCertificate::parse(disk.encode().as_slice()).unwrap();
        prop_assert_eq!(read.encode(), disk.encode());
        prop_assert_eq!(WireCertificate::parse(&disk.wire().encode()), Ok(disk.wire()));
        let voucher = authority().vouch(cluster, uuid, Role::Auth, validity);
        prop_assert_eq!(RoleVoucher::parse(&voucher.encode()), Ok(voucher));
        // Never a panic, whatever the times are.
        let _ = disk.wire().verify(&authorities(), cluster, clock());
    }
}
