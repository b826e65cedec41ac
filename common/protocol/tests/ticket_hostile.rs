//! Tickets and attaches as bytes: golden vectors, and everything that must be refused.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "identity_world/mod.rs"]
mod world;

use proptest::prelude::*;
use protocol::Code;
use protocol::attach::Attach;
use protocol::identity::*;
use protocol::ids::*;
use protocol::limits;
use protocol::ticket::*;
use world::*;

// Computed from docs/protocol.md alone, not by the code under test.
const GOLDEN_TICKET: &str = "5332535401010000a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a008070605040302015e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e4d00000000000000ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7ca0d52bc899010000409139c8990100009fd52bc89901000004000000862aa464a7361fe10f42c6bd15d9399b6417d7a9cc919ee29ff7ea57bc84bf8eb5160fb79d5968029f65aad6cf87de997add9c2980270b429002275fc8666c0c";
const GOLDEN_ATTACH: &str = "35a4ae38c0eab1ee9ece33dcad1f97347f10662b3e60c1380ce67d1586b4e17267e3374a91a32bb5bc75b3cde6dd914eac959207d85a03100f799c761bc48b04";

fn issuer(uuid: NodeUuid) -> Option<NodePublic> {
    (uuid == ISSUER).then(|| issuer_key().public())
}

fn verify(bytes: &[u8]) -> Result<Ticket, TicketError> {
    RawTicket::parse(bytes)?.verify(CLUSTER, issuer, clock())
}

fn attach() -> Attach {
    Attach {
        cluster_id: CLUSTER,
        attach_no: AttachNo(5),
        proxy: PROXY,
    }
}

#[test]
fn tk_1_the_layout_is_frozen_and_says_what_was_issued() {
    assert_eq!(hex(&ticket().encode()), GOLDEN_TICKET);
    assert_eq!(verify(&ticket().encode()), Ok(claims()));
    let registered = Ticket {
        account: AccountKind::Registered,
        ..claims()
    };
    let bytes = registered.issue(CLUSTER, &issuer_key()).encode();
    assert_eq!(bytes[5], 0);
    assert_eq!(verify(&bytes), Ok(registered));
}

#[test]
fn tk_2_no_changed_bit_and_no_other_length_passes() {
    let bytes = ticket().encode();
    for wrong in wrong_lengths(&bytes) {
        assert_eq!(verify(&wrong), Err(TicketError::Malformed));
    }
    for (at, flipped) in flips(&bytes) {
        let error = verify(&flipped).unwrap_err();
        match at {
            0..=4 | 6..=7 => assert_eq!(error, TicketError::Malformed, "byte {at}"),
            8..=23 => assert_eq!(error, TicketError::UnknownIssuer),
            // Guest turned registered has a layout; other flags and half of all client keys have none.
            5 | 56..=87 => assert!(matches!(error, TicketError::Malformed | TicketError::NotSigned)),
            _ => assert_eq!(error, TicketError::NotSigned, "byte {at}"),
        }
    }
}

#[test]
fn tk_3_only_a_known_issuer_counts_and_only_in_its_cluster() {
    let nobody = ticket().verify(CLUSTER, |_| None, clock());
    assert_eq!(nobody, Err(TicketError::UnknownIssuer));
    let other_key = ticket().verify(CLUSTER, |_| Some(NodeKey::from_seed(&[9; 32]).public()), clock());
    assert_eq!(other_key, Err(TicketError::NotSigned));
    let elsewhere = ticket().verify(ClusterId([1; 16]), issuer, clock());
    assert_eq!(elsewhere, Err(TicketError::NotSigned));
}

#[test]
fn tk_5_a_ticket_ends_and_none_lives_longer_than_fifteen_minutes() {
    let at = |now_ms| {
        ticket()
            .verify(CLUSTER, issuer, Clock::of_node(now_ms))
            .map(|_| ())
    };
    let (from_ms, until_ms) = (
        claims().validity.from_ms as u64,
        claims().validity.until_ms as u64,
    );
    assert_eq!(at(until_ms - 1), Ok(()));
    let expired = at(until_ms).unwrap_err();
    assert_eq!(expired.code(), Code::TicketExpired);
    let early = at(from_ms - 120_001).unwrap_err();
    assert_eq!(
        (at(from_ms - 120_000), early.code()),
        (Ok(()), Code::TicketInvalid)
    );
    let mut eternal = claims();
    eternal.validity.until_ms = eternal.validity.from_ms + limits::TICKET_LIFETIME_MS_MAX as i64;
    assert!(verify(&eternal.issue(CLUSTER, &issuer_key()).encode()).is_ok());
    eternal.validity.until_ms += 1;
    assert_eq!(
        verify(&eternal.issue(CLUSTER, &issuer_key()).encode()),
        Err(TicketError::LifeTooLong)
    );
}

#[test]
fn tk_6_an_attach_counts_for_one_session_one_number_and_one_proxy() {
    let signature = attach().sign(&claims(), &client_key());
    assert_eq!(hex(&signature), GOLDEN_ATTACH);
    assert_eq!(attach().verify(&claims(), &signature), Ok(()));
    let other_attaches = [
        Attach {
            cluster_id: ClusterId([0; 16]),
            ..attach()
        },
        Attach {
            attach_no: AttachNo(6),
            ..attach()
        },
        Attach {
            proxy: ISSUER,
            ..attach()
        },
    ];
    for other in other_attaches {
        assert_eq!(other.verify(&claims(), &signature), Err(BadSignature));
    }
    let other_sessions = [
        Ticket {
            user: UserId(1),
            ..claims()
        },
        Ticket {
            session: SessionId([0; 16]),
            ..claims()
        },
        Ticket {
            session_generation: SessionGeneration(78),
            ..claims()
        },
        Ticket {
            holder: ClientKey::from_seed(&[9; 32]).public(),
            ..claims()
        },
    ];
    for other in other_sessions {
        assert_eq!(attach().verify(&other, &signature), Err(BadSignature));
    }
    for (_, flipped) in flips(&signature) {
        let flipped = flipped.try_into().unwrap();
        assert_eq!(attach().verify(&claims(), &flipped), Err(BadSignature));
    }
    // A renewed ticket is the same session: the attach stays good.
    let renewed = Ticket {
        auth_time_ms: 0,
        region_hint: RegionNumber(9),
        ..claims()
    };
    assert_eq!(attach().verify(&renewed, &signature), Ok(()));
}

proptest! {
    #[test]
    fn tk_2_random_bytes_never_pass(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        prop_assert!(verify(&bytes).is_err());
    }

    #[test]
    fn tk_1_every_ticket_round_trips(
        ids in any::<([u8; 16], u64, [u8; 16], u64)>(),
        seed in any::<[u8; 32]>(),
        times in any::<(i64, i64, i64)>(),
        hint in any::<u32>(),
    ) {
        let ticket = Ticket {
            issuer: NodeUuid(ids.0),
            user: UserId(ids.1),
            session: SessionId(ids.2),
            session_generation: SessionGeneration(ids.3),
            holder: ClientKey::from_seed(&seed).public(),
            validity: Validity { from_ms: times.0, until_ms: times.1 },
            auth_time_ms: times.2,
            region_hint: RegionNumber(hint),
            account: AccountKind::Registered,
        };
        let raw = ticket.issue(CLUSTER, &issuer_key());
        let read = RawTicket::parse(&raw.encode()).unwrap();
        prop_assert_eq!(read, raw);
        // Never a panic, whatever the times are.
        let _ = read.verify(CLUSTER, |_| Some(issuer_key().public()), clock());
    }
}
