//! Client and proxy meet: every way in, every way to be turned away, and who must not be believed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

#[path = "identity_world/mod.rs"]
mod world;

use std::net::SocketAddr;

use protocol::Code;
use protocol::client_handshake::*;
use protocol::entropy::CountingEntropy;
use protocol::identity::*;
use protocol::ids::*;
use protocol::limits;
use protocol::sealed_deed::{AuthNode, AuthNodes, Deed};
use protocol::ticket::{RawTicket, TICKET_BYTES, TicketError};
use world::*;
use zeroize::Zeroizing;

type Both = (ClientAwaitingWelcome, LoginRequest, PendingLogin);

/// Runs C1 to C3 between an honest client and the proxy given.
fn up_to_login(proxy: &ProxyIdentity, credentials: Credentials) -> Result<Both, ClientHandshakeError> {
    let (client, c1) = ClientInitiator::start(trust(), Versions::default(), &mut CountingEntropy(1));
    let (proxy, p2) = ProxyResponder::receive_c1(proxy, &c1, NOW_MS + 700, &mut CountingEntropy(100))?;
    let (client, c3) = client.receive_p2(&p2, login(credentials), NOW_MS)?;
    let (request, pending) = proxy.open_c3(&c3)?;
    assert_eq!((p2.len(), c3.len()), (P2_BYTES, C3_BYTES));
    Ok((client, request, pending))
}

fn login_error(proxy: &ProxyIdentity) -> ClientHandshakeError {
    up_to_login(proxy, guest()).map(|_| ()).unwrap_err()
}

#[test]
fn ch_1_both_sides_end_with_the_same_keys_and_no_two_keys_are_equal() {
    let (client, request, pending) = up_to_login(&proxy_identity(), guest()).unwrap();
    assert_eq!(request.client, client_key().public());
    assert_eq!(request.attach_no, AttachNo(3));
    assert_eq!(request.credentials, guest());
    assert_eq!(client.proxy().certificate.uuid(), PROXY);
    let (p4, at_proxy) = pending.accept(&welcome()).unwrap();
    let ClientAnswer::Welcome(received, at_client) = client.receive_p4(&p4).unwrap() else {
        panic!("refused")
    };
    assert_eq!(*received, welcome());
    assert_eq!(at_client.transcript, at_proxy.transcript);
    let secrets = |e: &EstablishedClient| {
        [
            sealed_with(&e.client_to_proxy),
            sealed_with(&e.proxy_to_client),
            datagram_with(&e.datagrams_to_proxy),
            datagram_with(&e.datagrams_to_client),
        ]
    };
    assert_eq!(secrets(&at_client), secrets(&at_proxy));
    let distinct: std::collections::BTreeSet<_> = secrets(&at_client).into_iter().collect();
    assert_eq!(distinct.len(), 4);
}

fn sealed_with(secret: &protocol::keys::TrafficSecret) -> Vec<u8> {
    let mut sealed = Vec::new();
    secret
        .keys()
        .0
        .seal_onto([0; 12], &[], &[0; 32], &mut sealed)
        .unwrap();
    sealed
}

fn datagram_with(secret: &protocol::keys::DatagramSecret) -> Vec<u8> {
    let mut sealed = Vec::new();
    secret
        .key()
        .seal_onto([0; 12], &[], &[0; 32], &mut sealed)
        .unwrap();
    sealed
}

// CH-20: all that a proxy has of such a login, opened with all the keys that it has.
#[test]
fn ch_20_where_auth_nodes_are_named_a_proxy_is_shown_no_password_and_no_token() {
    let (uuid, key) = (NodeUuid([0xa7; 16]), NodeKey::from_seed(&[77; 32]));
    let node = AuthNode {
        uuid,
        public: key.public(),
    };
    let trust = ClientTrust {
        auth: AuthNodes::new([node]).unwrap(),
        ..trust()
    };
    let proxy = proxy_identity();
    let shown = |credentials| {
        let (client, c1) = ClientInitiator::start(trust, Versions::default(), &mut CountingEntropy(1));
        let (at_proxy, p2) =
            ProxyResponder::receive_c1(&proxy, &c1, NOW_MS, &mut CountingEntropy(100)).unwrap();
        let (_, c3) = client.receive_p2(&p2, login(credentials), NOW_MS).unwrap();
        (at_proxy.open_c3(&c3).unwrap().0, c3.len())
    };
    let secret = |text: &str| Zeroizing::new(text.to_owned());
    let (name, password) = ("ada".to_owned(), secret("correct horse battery staple"));
    let token = secret(&"t".repeat(limits::TOKEN_BYTES_MAX));
    let deeds = [
        (
            Credentials::Password {
                name: name.clone(),
                password: password.clone(),
            },
            Deed::LogIn {
                name: name.clone(),
                password,
            },
            C3_BYTES,
        ),
        (
            Credentials::Token {
                token: token.clone(),
                name: name.clone(),
            },
            Deed::ShowToken { token, name },
            C3_STEPS[2],
        ),
    ];
    let whose = (CLUSTER, client_key().public());
    for (credentials, deed, length) in deeds {
        let (request, sent) = shown(credentials);
        let Credentials::Sealed { sealed } = request.credentials else {
            panic!("the proxy is shown {:?}", request.credentials);
        };
        assert_eq!(sent, length, "nobody on the way can tell it from others");
        assert_eq!(Deed::addressee(&sealed), Some(uuid));
        let with = |key: &NodeKey| Deed::open(&sealed, (uuid, key), whose);
        assert!(with(&proxy.key).is_err() && with(&issuer_key()).is_err());
        assert_eq!(with(&key), Ok(deed));
    }
    // Whatever is no secret of the auth role stays as it is.
    assert_eq!(shown(guest()).0.credentials, guest());
}

#[test]
fn ch_2_the_newest_common_version_is_spoken_and_a_stranger_is_told_so() {
    let versions = |lowest, highest| Versions { highest, lowest };
    let mut proxy = proxy_identity();
    proxy.versions = versions(2, 4);
    let (client, c1) = ClientInitiator::start(trust(), versions(1, 3), &mut CountingEntropy(1));
    let (at_proxy, p2) = ProxyResponder::receive_c1(&proxy, &c1, NOW_MS, &mut CountingEntropy(100)).unwrap();
    assert_eq!(at_proxy.version(), 3);
    let (client, _) = client.receive_p2(&p2, login(guest()), NOW_MS).unwrap();
    assert_eq!(client.proxy().version, 3);

    let (client, c1) = ClientInitiator::start(trust(), versions(1, 1), &mut CountingEntropy(1));
    let refused = ProxyResponder::receive_c1(&proxy, &c1, NOW_MS, &mut CountingEntropy(100));
    assert_eq!(refused.map(|_| ()).unwrap_err(), ClientHandshakeError::Version);
    let told = client.receive_p2(&hello_refusal(Code::Version), login(guest()), NOW_MS);
    assert_eq!(
        told.map(|_| ()).unwrap_err(),
        ClientHandshakeError::TurnedAway(Code::Version)
    );
}

#[test]
fn ch_3_a_refusal_in_the_clear_cannot_cost_a_client_its_ticket() {
    for number in 0..=255 {
        let (client, _) = ClientInitiator::start(trust(), Versions::default(), &mut CountingEntropy(1));
        let refusal = hello_refusal(Code::from_number(number));
        let error = client
            .receive_p2(&refusal, login(guest()), NOW_MS)
            .map(|_| ())
            .unwrap_err();
        let heeded = matches!(
            Code::from_number(number),
            Code::Version | Code::Busy | Code::Draining | Code::Maintenance
        );
        let expected = if heeded {
            ClientHandshakeError::TurnedAway(Code::from_number(number))
        } else {
            ClientHandshakeError::Malformed("P2")
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn ch_4_a_game_server_that_poses_as_a_proxy_never_sees_a_login() {
    let mut impostor = proxy_identity();
    impostor.voucher = authority().vouch(CLUSTER, PROXY, Role::GameServer, WEEK);
    assert_eq!(login_error(&impostor), VoucherError::WrongRole.into());
    impostor.voucher = authority().vouch(CLUSTER, NodeUuid([9; 16]), Role::Proxy, WEEK);
    assert_eq!(login_error(&impostor), VoucherError::WrongNode.into());
    impostor.voucher = AuthorityKey::from_seed(&[66; 32]).vouch(CLUSTER, PROXY, Role::Proxy, WEEK);
    assert_eq!(login_error(&impostor), VoucherError::NotSigned.into());
}

#[test]
fn ch_19_only_a_client_that_says_so_goes_elsewhere_and_other_flags_say_nothing() {
    let heard = |flags: u16| {
        let (_, mut c1) = ClientInitiator::start(trust(), Versions::default(), &mut CountingEntropy(1));
        c1[6..8].copy_from_slice(&flags.to_le_bytes());
        let proxy = ProxyResponder::receive_c1(&proxy_identity(), &c1, NOW_MS, &mut CountingEntropy(9));
        proxy.unwrap().0.moving()
    };
    for moving in [Moving::Stays, Moving::Goes] {
        let trust = trust();
        let (_, c1) = ClientInitiator::start_as(moving, trust, Versions::default(), &mut CountingEntropy(1));
        let flags = u16::from_le_bytes([c1[6], c1[7]]);
        assert_eq!((heard(flags), flags), (moving, u16::from(moving == Moving::Goes)));
    }
    assert_eq!([0xFFFE, 0xFFFF].map(heard), [Moving::Stays, Moving::Goes]);
}

#[test]
fn ch_5_papers_without_their_key_or_from_another_authority_are_refused() {
    let mut thief = proxy_identity();
    thief.key = NodeKey::from_seed(&[67; 32]);
    assert_eq!(login_error(&thief), ClientHandshakeError::ProxySignature);
    let mut stranger = proxy_identity();
    stranger.certificate = AuthorityKey::from_seed(&[66; 32])
        .issue(CLUSTER, PROXY, YEAR, &PROXY_SEED)
        .wire();
    assert_eq!(login_error(&stranger), CertificateError::NotSigned.into());
    let mut staging = proxy_identity();
    staging.certificate = authority()
        .issue(ClusterId([8; 16]), PROXY, YEAR, &PROXY_SEED)
        .wire();
    assert_eq!(login_error(&staging), CertificateError::NotSigned.into());
}

#[test]
fn ch_6_either_authority_key_of_a_rotation_may_have_signed_the_papers() {
    let next = AuthorityKey::from_seed(&[68; 32]);
    let mut proxy = proxy_identity();
    proxy.certificate = next.issue(CLUSTER, PROXY, YEAR, &PROXY_SEED).wire();
    proxy.voucher = next.vouch(CLUSTER, PROXY, Role::Proxy, WEEK);
    let mut trust = trust();
    trust.authorities = trust.authorities.with_next(next.public());
    let (client, c1) = ClientInitiator::start(trust, Versions::default(), &mut CountingEntropy(1));
    let (_, p2) = ProxyResponder::receive_c1(&proxy, &c1, NOW_MS, &mut CountingEntropy(9)).unwrap();
    assert!(client.receive_p2(&p2, login(guest()), NOW_MS).is_ok());
}

#[test]
fn ch_7_a_wrong_clock_is_reported_up_to_a_day_and_refused_only_by_the_papers() {
    let skewed = |client_now_ms: u64| {
        let (client, c1) = ClientInitiator::start(trust(), Versions::default(), &mut CountingEntropy(1));
        let (_, p2) =
            ProxyResponder::receive_c1(&proxy_identity(), &c1, NOW_MS, &mut CountingEntropy(9)).unwrap();
        let after = client.receive_p2(&p2, login(guest()), client_now_ms);
        after.map(|(client, _)| client.proxy().clock_skew_ms)
    };
    assert_eq!(skewed(NOW_MS - 7_200_000), Ok(7_200_000));
    assert_eq!(skewed(NOW_MS + 7_200_000), Ok(-7_200_000));
    let end_ms = WEEK.until_ms as u64 + limits::CLIENT_CLOCK_LEEWAY_MS;
    assert!(skewed(end_ms - 1).is_ok());
    assert_eq!(
        skewed(end_ms),
        Err(VoucherError::OutsideValidity(OutsideValidity::Expired).into())
    );
    let begin_ms = WEEK.from_ms as u64 - limits::CLIENT_CLOCK_LEEWAY_MS;
    assert!(skewed(begin_ms).is_ok());
    assert_eq!(
        skewed(begin_ms - 1),
        Err(VoucherError::OutsideValidity(OutsideValidity::NotYet).into())
    );
}

#[test]
fn ch_8_every_kind_of_login_arrives_whole_and_has_one_size() {
    let longest = Credentials::Password {
        name: "ü".repeat(127),
        password: Zeroizing::new("p".repeat(limits::PASSWORD_BYTES_MAX)),
    };
    let ticket = Credentials::Ticket {
        ticket: Box::new(ticket().encode()),
        name: "Ada".to_owned(),
    };
    let nameless = Credentials::Guest { name: String::new() };
    for credentials in [guest(), nameless, longest, ticket] {
        let (_, request, _) = up_to_login(&proxy_identity(), credentials.clone()).unwrap();
        assert_eq!(request.credentials, credentials);
    }
    let too_long = Credentials::Guest {
        name: "x".repeat(256),
    };
    let error = up_to_login(&proxy_identity(), too_long).map(|_| ()).unwrap_err();
    assert_eq!(error, ClientHandshakeError::LoginTooLong);
}

#[test]
fn ch_9_a_refusal_carries_its_code_and_places_to_go_and_never_reads_as_a_welcome() {
    let refusal = |code| Refusal {
        code,
        retry_ms: 1500,
        reason: "because".to_owned(),
        proxies: vec![address("10.0.0.1:7000"), address("[2001:db8::1]:7001")],
        wall_ms: NOW_MS,
    };
    for &code in Code::ALL {
        let (client, _, pending) = up_to_login(&proxy_identity(), guest()).unwrap();
        let p4 = pending.refuse(&refusal(code)).unwrap();
        let ClientAnswer::Refused(received) = client.receive_p4(&p4).unwrap() else {
            panic!("welcomed")
        };
        let told = if code == Code::Ok { Code::Generic } else { code };
        assert_eq!(received, refusal(told));
    }
}

#[test]
fn ch_10_at_most_sixteen_proxies_are_named() {
    let (client, _, pending) = up_to_login(&proxy_identity(), guest()).unwrap();
    let mut crowded = welcome();
    crowded.proxies = (1..=40)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .collect();
    crowded.datagram_address = None;
    let (p4, _) = pending.accept(&crowded).unwrap();
    let ClientAnswer::Welcome(received, _) = client.receive_p4(&p4).unwrap() else {
        panic!("refused")
    };
    assert_eq!(received.proxies, crowded.proxies[..limits::PROXIES_NAMED_MAX]);
    assert_eq!(received.datagram_address, None);
}

#[test]
fn ch_11_a_welcome_that_contradicts_its_ticket_is_refused() {
    let mut others_key = claims();
    others_key.holder = ClientKey::from_seed(&[70; 32]).public();
    let wrong: [fn(&mut Welcome); 3] = [
        |w| w.user = UserId(1),
        |w| w.session = SessionId([0; 16]),
        |w| w.session_generation = SessionGeneration(0),
    ];
    let mut welcomes: Vec<Welcome> = vec![Welcome {
        ticket: others_key.issue(CLUSTER, &issuer_key()),
        ..welcome()
    }];
    for change in wrong {
        let mut welcome = welcome();
        change(&mut welcome);
        welcomes.push(welcome);
    }
    for welcome in welcomes {
        let (client, _, pending) = up_to_login(&proxy_identity(), guest()).unwrap();
        let (p4, _) = pending.accept(&welcome).unwrap();
        let error = client.receive_p4(&p4).map(|_| ()).unwrap_err();
        assert_eq!(error, ClientHandshakeError::WelcomeContradicts);
    }
}

#[test]
fn tk_4_a_stolen_ticket_is_refused_in_a_login() {
    let stolen: [u8; TICKET_BYTES] = ticket().encode();
    let credentials = Credentials::Ticket {
        ticket: Box::new(stolen),
        name: String::new(),
    };
    let mut request = up_to_login(&proxy_identity(), credentials).unwrap().1;
    let verify = |request: &LoginRequest| {
        request.verify_ticket(
            &stolen,
            CLUSTER,
            |uuid| (uuid == ISSUER).then(|| issuer_key().public()),
            clock(),
        )
    };
    assert_eq!(verify(&request), Ok(*RawTicket::parse(&stolen).unwrap().claims()));
    request.client = ClientKey::from_seed(&[70; 32]).public();
    assert_eq!(verify(&request), Err(TicketError::WrongHolder));
}
