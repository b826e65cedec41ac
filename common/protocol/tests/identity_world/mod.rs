//! The small cluster that the identity, ticket and client handshake tests share: every key from a fixed seed.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "a module of tests, of which no target uses all"
)]

use std::net::SocketAddr;

use protocol::client_handshake::{ClientTrust, Credentials, Login, ProxyIdentity, Versions, Welcome};
use protocol::identity::*;
use protocol::ids::*;
use protocol::ticket::{AccountKind, RawTicket, Ticket};

pub const NOW_MS: u64 = 1_760_000_000_000;
pub const CLUSTER: ClusterId = ClusterId([0xc1; 16]);
pub const PROXY: NodeUuid = NodeUuid([0x50; 16]);
pub const ISSUER: NodeUuid = NodeUuid([0xa0; 16]);
pub const PROXY_SEED: [u8; 32] = [2; 32];
pub const WEEK: Validity = around(3 * 86_400_000 + 43_200_000);
pub const YEAR: Validity = around(182 * 86_400_000);

const fn around(half_ms: i64) -> Validity {
    Validity {
        from_ms: NOW_MS as i64 - half_ms,
        until_ms: NOW_MS as i64 + half_ms,
    }
}

pub fn clock() -> Clock {
    Clock::of_node(NOW_MS)
}

pub fn authority() -> AuthorityKey {
    AuthorityKey::from_seed(&[1; 32])
}

pub fn authorities() -> AuthorityKeys {
    AuthorityKeys::new(authority().public())
}

pub fn disk_certificate() -> DiskCertificate {
    authority().issue(CLUSTER, PROXY, YEAR, &PROXY_SEED)
}

pub fn proxy_voucher() -> RoleVoucher {
    authority().vouch(CLUSTER, PROXY, Role::Proxy, WEEK)
}

pub fn proxy_identity() -> ProxyIdentity {
    ProxyIdentity {
        cluster_id: CLUSTER,
        authority: authority().public(),
        certificate: disk_certificate().wire(),
        voucher: proxy_voucher(),
        key: disk_certificate().node_key(),
        versions: Versions::default(),
    }
}

pub fn trust() -> ClientTrust {
    ClientTrust {
        auth: Default::default(),
        authorities: authorities(),
        cluster_id: CLUSTER,
    }
}

pub fn issuer_key() -> NodeKey {
    NodeKey::from_seed(&[3; 32])
}

pub fn client_key() -> ClientKey {
    ClientKey::from_seed(&[4; 32])
}

pub fn login(credentials: Credentials) -> Login<'static> {
    static KEY: std::sync::LazyLock<ClientKey> = std::sync::LazyLock::new(client_key);
    Login {
        key: &KEY,
        credentials,
        attach_no: AttachNo(3),
    }
}

pub fn guest() -> Credentials {
    Credentials::Guest { name: "ada".into() }
}

pub fn claims() -> Ticket {
    Ticket {
        issuer: ISSUER,
        user: UserId(0x0102_0304_0506_0708),
        session: SessionId([0x5e; 16]),
        session_generation: SessionGeneration(77),
        holder: client_key().public(),
        validity: Validity {
            from_ms: NOW_MS as i64 - 60_000,
            until_ms: NOW_MS as i64 + 840_000,
        },
        auth_time_ms: NOW_MS as i64 - 60_001,
        region_hint: RegionNumber(4),
        account: AccountKind::Guest,
    }
}

pub fn ticket() -> RawTicket {
    claims().issue(CLUSTER, &issuer_key())
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub fn welcome() -> Welcome {
    Welcome {
        user: claims().user,
        session: claims().session,
        session_generation: claims().session_generation,
        ticket: ticket(),
        datagram_cid: *b"cidcidci",
        datagram_address: Some(address("192.0.2.7:7001")),
        proxies: vec![address("198.51.100.1:7000"), address("[2001:db8::2]:7000")],
        wall_ms: NOW_MS + 1_234,
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every proper prefix, and one byte more.
pub fn wrong_lengths(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let longer = [bytes, &[0]].concat();
    (0..bytes.len())
        .map(|length| bytes[..length].to_vec())
        .chain([longer])
}

/// Every way to flip one bit, with the flipped byte's position.
pub fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit / 8, flipped)
    })
}
