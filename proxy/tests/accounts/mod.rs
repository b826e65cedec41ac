//! Accounts at a real proxy: over HTTP, and in the handshake of a client.

mod sanctions;
mod tokens;

use std::net::SocketAddr;

use net::entropy::OsEntropy;
use protocol::Code;
use protocol::api_proof::ApiRequest;
use protocol::client_handshake::{Credentials, Refusal};
use protocol::identity::ClientKey;
use protocol::ticket::{AccountKind, RawTicket, TICKET_BYTES};
use proxy::server::{Proxy, ProxySettings};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::world::client::Client;
use super::world::{A, World};
use super::{answered, request};

const PASSWORD: &str = "correct horse battery staple";

/// A proxy whose passwords cost little.
async fn proxy(world: &World) -> Proxy {
    world.proxy_with(&cheap(world.settings("edge-1"))).await
}

fn cheap(mut settings: ProxySettings) -> ProxySettings {
    settings.auth.password_memory_kib = 64;
    settings.auth.password_rounds = 1;
    settings
}

/// Whoever asks: a key, and the ticket that it holds.
struct Caller<'a> {
    world: &'a World,
    at: SocketAddr,
    key: ClientKey,
    ticket: Option<[u8; TICKET_BYTES]>,
}

impl<'a> Caller<'a> {
    fn new(world: &'a World, at: SocketAddr) -> Self {
        let key = ClientKey::generate(&mut OsEntropy);
        Self {
            world,
            at,
            key,
            ticket: None,
        }
    }

    fn of(world: &'a World, at: SocketAddr, client: &Client) -> Self {
        let ticket = Some(client.welcome.ticket.encode());
        Self {
            key: client.key.clone(),
            ticket,
            ..Self::new(world, at)
        }
    }

    /// Asks; the status and the document of the answer.
    async fn ask(&self, method: &str, path: &str, body: &str, more: &str) -> (u16, Value) {
        let signed = ApiRequest {
            cluster_id: self.world.trust().cluster_id,
            method,
            path,
            body: body.as_bytes(),
        };
        let word = signed.authorization(&self.key, net::clock::wall_ms(), self.ticket.as_ref());
        let more = format!(
            "Authorization: {word}\r\nContent-Length: {}\r\n{more}",
            body.len()
        );
        let answer = answered(self.at, &(request(method, path, self.at, &more) + body)).await;
        parsed(&answer)
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("POST", path, &body.to_string(), "").await
    }

    async fn register(&self, name: &str, password: &str) -> (u16, Value) {
        let body = json!({"name": name, "password": password});
        self.post("/api/register", body).await
    }

    async fn login(&self, name: &str, password: &str) -> (u16, Value) {
        self.post("/api/login", json!({"name": name, "password": password}))
            .await
    }

    /// Comes into the world with the ticket of an answer.
    async fn come(&self, proxy: &Proxy, granted: &Value, attach_no: u32) -> Result<Client, Refusal> {
        let credentials = Credentials::Ticket {
            ticket: Box::new(ticket(granted)),
            name: "somebody else".to_owned(),
        };
        let (trust, at) = (self.world.trust(), proxy.addresses().tcp);
        Client::log_in(trust, at, self.key.clone(), credentials, attach_no).await
    }
}

fn parsed(answer: &str) -> (u16, Value) {
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.to_ascii_lowercase().contains("cache-control: no-store"),
        "{head}"
    );
    (status, serde_json::from_str(body).unwrap_or_else(|_| json!(body)))
}

fn ticket(granted: &Value) -> [u8; TICKET_BYTES] {
    let text = granted["ticket"].as_str().unwrap_or_else(|| panic!("{granted}"));
    node::files::parse_hex(text).unwrap()
}

fn error(code: Code) -> Value {
    json!(format!("{code:?}"))
}

fn is(answer: &(u16, Value), status: u16, code: Code) {
    assert_eq!(
        (answer.0, &answer.1["error"]),
        (status, &error(code)),
        "{}",
        answer.1
    );
    assert_eq!(answer.1["text"], code.text());
}

// AP-5
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_who_makes_an_account_stays_who_it_is_and_comes_back_by_its_password() {
    let mut world = World::new().await;
    let mut owner = world.server(A);
    let proxy = proxy(&world).await;
    let at = proxy.addresses().http;
    owner.serve(101, world.region_epoch).await;
    let mut guest = Client::guest(world.trust(), proxy.addresses().tcp, "Amber Otter").await;
    guest.attach().await;
    let user = guest.welcome.user;
    assert_eq!(owner.join(101).await.name, "Amber Otter");
    let caller = Caller::of(&world, at, &guest);
    let (_, me) = caller.ask("GET", "/api/me", "", "").await;
    assert_eq!(
        me,
        json!({"user": user.0.to_string(), "guest": true, "name": null})
    );

    let (status, granted) = caller.register("Ada", PASSWORD).await;
    assert_eq!(
        (status, &granted["name"], &granted["guest"]),
        (200, &json!("Ada"), &json!(false))
    );
    let claims = *RawTicket::parse(&ticket(&granted)).unwrap().claims();
    assert_eq!((claims.user, claims.account), (user, AccountKind::Registered));
    assert_eq!(
        claims.session_generation, guest.welcome.session_generation,
        "the login goes on"
    );
    is(&caller.register("Eve", PASSWORD).await, 409, Code::Generic);

    // The same player, called as its row says, whatever the client says.
    let mut again = caller.come(&proxy, &granted, 2).await.unwrap();
    again.attach().await;
    let join = owner.join(101).await;
    assert_eq!((join.user, join.name.as_str()), (user.0, "Ada"));

    // Another machine, another key.
    let elsewhere = Caller::new(&world, at);
    let (_, login) = elsewhere.login("ADA", PASSWORD).await;
    let claims = *RawTicket::parse(&ticket(&login)).unwrap().claims();
    assert!(claims.user == user && claims.session_generation > guest.welcome.session_generation);
    let mut later = elsewhere.come(&proxy, &login, 1).await.unwrap();
    assert_eq!(later.welcome.user, user);
    later.attach().await;
    // A stolen ticket is nobody's.
    let thief = Caller::new(&world, at);
    assert!(thief.come(&proxy, &login, 2).await.is_err());
    // And by a client that has nothing but the password.
    let credentials = |password: &str| Credentials::Password {
        name: "Ada".to_owned(),
        password: Zeroizing::new(password.to_owned()),
    };
    let (trust, tcp) = (world.trust(), proxy.addresses().tcp);
    let key = ClientKey::generate(&mut OsEntropy);
    let native = Client::log_in(trust, tcp, key.clone(), credentials(PASSWORD), 1)
        .await
        .unwrap();
    assert_eq!(native.welcome.user, user);
    assert_eq!(native.welcome.ticket.claims().account, AccountKind::Registered);
    let wrong = Client::log_in(trust, tcp, key, credentials("wrong horse"), 1).await;
    assert_eq!(wrong.err().unwrap().code, Code::AuthFailed);
    proxy.drain().await;
}

// AP-3, AP-6
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_name_or_a_password_is_said_and_strangers_hear_nothing() {
    let world = World::new().await;
    let proxy = proxy(&world).await;
    let at = proxy.addresses().http;
    let caller = Caller::new(&world, at);
    let (status, ada) = caller.register("Ada", PASSWORD).await;
    assert_eq!(status, 200, "{ada}");
    for (name, password, status, code) in [
        ("Ada", PASSWORD, 409, Code::NameTaken),
        ("ada", PASSWORD, 409, Code::NameTaken),
        // A Cyrillic А.
        ("Аda", PASSWORD, 409, Code::NameTaken),
        ("A\u{200b}da", PASSWORD, 422, Code::NameIllegal),
        ("", PASSWORD, 422, Code::NameIllegal),
        ("Bob", "short", 422, Code::PasswordTooWeak),
        ("Bob", "password123", 422, Code::PasswordTooWeak),
    ] {
        let answer = Caller::new(&world, at).register(name, password).await;
        is(&answer, status, code);
        assert!(
            code == Code::NameTaken || answer.1["reason"] != "",
            "{}",
            answer.1
        );
    }
    for name in ["می\u{200c}خواهم", "क्षत्रिय", "🦊"] {
        let (status, answer) = Caller::new(&world, at).register(name, PASSWORD).await;
        assert_eq!((status, &answer["name"]), (200, &json!(name)));
    }
    // The answers to a name that there is and to one that there is not are the same.
    let wrong = caller.login("Ada", "wrong horse battery").await;
    is(&wrong, 401, Code::AuthFailed);
    assert_eq!(caller.login("Nobody", PASSWORD).await, wrong);
    assert_eq!(caller.login("\u{200b}", PASSWORD).await, wrong);
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(caller.login("Ada", PASSWORD).await.0);
    }
    assert!(answers.contains(&200) && answers.ends_with(&[429]), "{answers:?}");
    // The public profile is everybody's.
    let profile = answered(at, &request("GET", "/api/players/ada", at, "")).await;
    let (status, profile) = parsed(&profile);
    assert_eq!(
        (status, &profile["name"], &profile["user"]),
        (200, &json!("Ada"), &ada["user"])
    );
    let nobody = answered(at, &request("GET", "/api/players/nobody", at, "")).await;
    assert_eq!(parsed(&nobody).0, 404);
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_ends_all_other_sessions_and_a_code_makes_up_for_a_forgotten_one() {
    let world = World::new().await;
    let mut settings = cheap(world.settings("edge-1"));
    settings.auth.password_tries = 100;
    let proxy = world.proxy_with(&settings).await;
    let at = proxy.addresses().http;
    let caller = Caller::new(&world, at);
    let (_, first) = caller.register("Ada", PASSWORD).await;
    let before = caller.come(&proxy, &first, 1).await.unwrap();
    let user = before.welcome.user;
    let change = |by: Value, to: &str| {
        let mut body = json!({"name": "Ada", "new_password": to});
        body.as_object_mut()
            .unwrap()
            .extend(by.as_object().unwrap().clone());
        body
    };
    let wrong = change(json!({"password": "wrong horse battery"}), "another good one");
    is(&caller.post("/api/password", wrong).await, 401, Code::AuthFailed);
    let weak = change(json!({"password": PASSWORD}), "short");
    is(
        &caller.post("/api/password", weak).await,
        422,
        Code::PasswordTooWeak,
    );
    let none = change(json!({}), "another good one");
    is(&caller.post("/api/password", none).await, 400, Code::Protocol);
    let good = change(json!({"password": PASSWORD}), "another good one");
    let (status, second) = caller.post("/api/password", good).await;
    assert_eq!(status, 200, "{second}");
    let claims = *RawTicket::parse(&ticket(&second)).unwrap().claims();
    assert!(claims.user == user && claims.session_generation > before.welcome.session_generation);
    super::eventually_async("the ticket of before counts no more", async || {
        caller
            .come(&proxy, &first, 2)
            .await
            .err()
            .map(|refused| refused.code)
            == Some(Code::Kicked)
    })
    .await;
    caller.come(&proxy, &second, 1).await.unwrap();
    is(&caller.login("Ada", PASSWORD).await, 401, Code::AuthFailed);

    let code = "k7f2-0d3m";
    world.allow_reset(user, code).await;
    let guessed = change(json!({"code": "k7f2-0d3n"}), "a third good one");
    is(
        &caller.post("/api/password", guessed).await,
        401,
        Code::AuthFailed,
    );
    let known = change(json!({"code": code}), "a third good one");
    assert_eq!(caller.post("/api/password", known.clone()).await.0, 200);
    is(&caller.post("/api/password", known).await, 401, Code::AuthFailed);
    assert_eq!(caller.login("Ada", "a third good one").await.0, 200);
    proxy.drain().await;
}

// AP-4
#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_taken_where_nobody_reads_along_and_of_whom_the_key_is() {
    let world = World::new().await;
    let mut settings = cheap(world.settings("edge-1"));
    settings.clients.exempt = Vec::new();
    settings.auth.requests_per_prefix_per_s = 9;
    let proxy = world.proxy_with(&settings).await;
    let at = proxy.addresses().http;
    let caller = Caller::new(&world, at);
    let body = json!({"name": "Ada", "password": PASSWORD}).to_string();
    // Passed on by something on this machine that tells nothing that counts.
    let relayed = caller
        .ask("POST", "/api/register", &body, "X-Forwarded-For: 203.0.113.9\r\n")
        .await;
    is(&relayed, 403, Code::RoleDenied);
    assert_eq!(proxy.refused("api_clear"), 1);
    let strange = caller
        .ask("POST", "/api/register", &body, "Origin: https://evil.example\r\n")
        .await;
    assert_eq!((strange.0, proxy.refused("http_origin")), (403, 1));
    // Not signed, or signed for something else.
    let length = format!("Content-Length: {}\r\n", body.len());
    let unsigned = answered(at, &(request("POST", "/api/register", at, &length) + &body)).await;
    is(&parsed(&unsigned), 400, Code::Protocol);
    let signed = ApiRequest {
        cluster_id: world.trust().cluster_id,
        method: "POST",
        path: "/api/login",
        body: body.as_bytes(),
    };
    let word = signed.authorization(&caller.key, net::clock::wall_ms(), None);
    let more = format!("Authorization: {word}\r\n{length}");
    let other = answered(at, &(request("POST", "/api/register", at, &more) + &body)).await;
    is(&parsed(&other), 400, Code::Protocol);
    for broken in [
        json!({"name": "Ada"}),
        json!({"name": "Ada", "password": PASSWORD, "more": 1}),
        json!({"name": "Ada", "password": "x".repeat(5_000)}),
    ] {
        let answer = caller.post("/api/register", broken).await;
        is(&answer, 400, Code::Protocol);
        assert!(!answer.1.to_string().contains("xxx"), "{}", answer.1);
    }
    assert_eq!(caller.register("Ada", PASSWORD).await.0, 200);
    let mut limited = (0, Value::Null);
    for _ in 0..12 {
        limited = caller.ask("GET", "/api/me", "", "").await;
        if limited.0 == 429 {
            break;
        }
    }
    is(&limited, 429, Code::RateLimited);
    proxy.drain().await;
}

// AP-7
#[tokio::test(flavor = "multi_thread")]
async fn a_device_brings_its_user_back_without_a_password_until_another_one_is_set() {
    let world = World::new().await;
    let proxy = proxy(&world).await;
    let (at, tcp) = (proxy.addresses().http, proxy.addresses().tcp);
    let guest = Client::guest(world.trust(), tcp, "Amber Otter").await;
    let user = guest.welcome.user;
    let caller = Caller::of(&world, at, &guest);
    let device = async |key: &ClientKey| {
        let credentials = Credentials::Device {
            name: "Amber Otter".to_owned(),
        };
        Client::log_in(world.trust(), tcp, key.clone(), credentials, 1).await
    };
    assert_eq!(device(&caller.key).await.err().unwrap().code, Code::AuthFailed);
    let stranger = Caller::new(&world, at);
    is(
        &stranger.ask("POST", "/api/device", "", "").await,
        401,
        Code::TicketInvalid,
    );
    assert_eq!(caller.ask("POST", "/api/device", "", "").await.0, 200);
    let back = device(&caller.key).await.unwrap();
    assert_eq!(back.welcome.user, user);
    assert_eq!(back.welcome.ticket.claims().account, AccountKind::Guest);
    assert!(back.welcome.session_generation > guest.welcome.session_generation);
    assert!(device(&stranger.key).await.is_err(), "another key is nobody's");

    let again = Caller::of(&world, at, &back);
    assert_eq!(again.register("Ada", PASSWORD).await.0, 200);
    let back = device(&caller.key).await.unwrap();
    assert_eq!(
        (back.welcome.user, back.welcome.ticket.claims().account),
        (user, AccountKind::Registered)
    );
    let change = json!({"name": "Ada", "password": PASSWORD, "new_password": "another good one"});
    assert_eq!(again.post("/api/password", change).await.0, 200);
    assert_eq!(device(&caller.key).await.err().unwrap().code, Code::AuthFailed);
    proxy.drain().await;
}
