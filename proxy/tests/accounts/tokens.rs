//! Tokens of somebody else who vouches for players, accounts that their owners delete, and secrets that others could read.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use net::entropy::OsEntropy;
use protocol::Code;
use protocol::client_handshake::{Credentials, Refusal};
use protocol::identity::ClientKey;
use protocol::limits::TOKEN_BYTES_MAX;
use protocol::ticket::AccountKind;
use proxy::server::{Proxy, ProxySettings};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::super::world::World;
use super::super::world::client::Client;
use super::super::{eventually_async, header};
use super::{Caller, PASSWORD, cheap, error, is};

const ISSUER: &str = "https://id.example";

/// Signs tokens.
struct Issuer(Ed25519KeyPair);

impl Issuer {
    fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn publish(&self, file: &Path) {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key().as_ref());
        let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "now", "x": x}]});
        std::fs::write(file, set.to_string()).unwrap();
    }

    fn token(&self, subject: &str, change: &Value) -> String {
        let until_s = net::clock::wall_ms() / 1_000 + 60;
        let mut claims = json!({"iss": ISSUER, "sub": subject, "aud": "game", "exp": until_s});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = json!({"alg": "EdDSA", "kid": "now"});
        let part = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let said = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(said.as_bytes()));
        format!("{said}.{signature}")
    }
}

fn with_tokens(world: &World, issuer: &Issuer) -> ProxySettings {
    let mut settings = cheap(world.settings("edge-1"));
    let keys = world.path("keys.json");
    issuer.publish(&keys);
    settings.jwt.keys = keys;
    settings.jwt.issuer = ISSUER.to_owned();
    settings.jwt.audience = "game".to_owned();
    settings
}

async fn native(world: &World, proxy: &Proxy, token: &str, name: &str) -> Result<Client, Refusal> {
    let credentials = Credentials::Token {
        token: Zeroizing::new(token.to_owned()),
        name: name.to_owned(),
    };
    let key = ClientKey::generate(&mut OsEntropy);
    Client::log_in(world.trust(), proxy.addresses().tcp, key, credentials, 1).await
}

// AP-8, AP-9
#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_a_token_is_the_user_of_its_subject_by_any_door() {
    let world = World::new().await;
    let issuer = Issuer::new(1);
    let proxy = world.proxy_with(&with_tokens(&world, &issuer)).await;
    let at = proxy.addresses().http;
    // For the first time as a client, with a name of the token's.
    let ada = issuer.token("1", &json!({"name": "Ada"}));
    let first = native(&world, &proxy, &ada, "somebody").await.unwrap();
    assert_eq!(first.welcome.ticket.claims().account, AccountKind::Registered);
    let user = first.welcome.user;
    let stranger = Caller::new(&world, at);
    let (status, again) = stranger.post("/api/token", json!({"token": ada})).await;
    assert_eq!(
        (status, &again["user"], &again["name"]),
        (200, &json!(user.0.to_string()), &json!("Ada"))
    );
    assert_eq!(stranger.come(&proxy, &again, 1).await.unwrap().welcome.user, user);
    // A padded one that takes the largest step, and one that is too long to be sent.
    let pad = |bytes: usize| issuer.token("1", &json!({"pad": "x".repeat(bytes)}));
    let long = pad(1_000);
    assert!(
        long.len() > 1_400 && long.len() <= TOKEN_BYTES_MAX,
        "{}",
        long.len()
    );
    assert_eq!(
        native(&world, &proxy, &long, "").await.unwrap().welcome.user,
        user
    );
    let longer = stranger.post("/api/token", json!({"token": pad(2_000)})).await;
    is(&longer, 401, Code::AuthFailed);
    // Another subject of the same name, and a guest who stays who it is.
    let other = issuer.token("2", &json!({"name": "Ada"}));
    let (_, other) = stranger.post("/api/token", json!({"token": other})).await;
    let called = other["name"].as_str().unwrap_or_else(|| panic!("{other}"));
    assert!(
        called.starts_with("Ada ") && other["user"] != again["user"],
        "{other}"
    );
    let guest = Client::guest(world.trust(), proxy.addresses().tcp, "Amber Otter").await;
    let caller = Caller::of(&world, at, &guest);
    let grace = json!({"token": issuer.token("3", &json!({})), "name": "Grace"});
    let (_, grace) = caller.post("/api/token", grace).await;
    assert_eq!(
        (&grace["user"], &grace["name"]),
        (&json!(guest.welcome.user.0.to_string()), &json!("Grace"))
    );
    proxy.drain().await;
}

// AP-8, AP-9
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_count_lets_nobody_in_and_keys_are_changed_by_their_file() {
    let world = World::new().await;
    let issuer = Issuer::new(1);
    let proxy = world.proxy_with(&with_tokens(&world, &issuer)).await;
    let stranger = Caller::new(&world, proxy.addresses().http);
    let ada = issuer.token("1", &json!({"name": "Ada"}));
    assert!(native(&world, &proxy, &ada, "").await.is_ok());
    // No password is one of theirs.
    is(&stranger.login("Ada", PASSWORD).await, 401, Code::AuthFailed);
    is(&stranger.login("Ada", "!").await, 401, Code::AuthFailed);
    for (what, token) in [
        ("another audience", issuer.token("1", &json!({"aud": "others"}))),
        ("over", issuer.token("1", &json!({"exp": 1}))),
        ("another key", Issuer::new(2).token("1", &json!({}))),
        ("nonsense", "a.b.c".to_owned()),
    ] {
        let refused = native(&world, &proxy, &token, "").await.err().unwrap();
        assert_eq!(refused.code, Code::AuthFailed, "{what}");
        let (status, answer) = stranger.post("/api/token", json!({"token": token})).await;
        assert_eq!(
            (status, &answer["error"]),
            (401, &error(Code::AuthFailed)),
            "{what}"
        );
        assert!(!answer.to_string().contains(&token), "{answer}");
    }
    // The issuer takes another key.
    let next = Issuer::new(2);
    next.publish(&world.path("keys.json"));
    let renewed = next.token("1", &json!({}));
    eventually_async("the new key counts", async || {
        native(&world, &proxy, &renewed, "").await.is_ok()
    })
    .await;
    assert!(
        native(&world, &proxy, &ada, "").await.is_err(),
        "and the old one no more"
    );
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_tokens_or_no_passwords_are_taken_it_is_said() {
    let world = World::new().await;
    let issuer = Issuer::new(1);
    let mut settings = with_tokens(&world, &issuer);
    settings.auth.passwords = proxy::server::PasswordPolicy::Refused;
    let by_tokens = world.proxy_with(&settings).await;
    let caller = Caller::new(&world, by_tokens.addresses().http);
    let refused = caller.register("Ada", PASSWORD).await;
    is(&refused, 401, Code::AuthFailed);
    assert_eq!(refused.1["reason"], "nobody comes by a password here");
    is(&caller.login("Ada", PASSWORD).await, 401, Code::AuthFailed);
    by_tokens.drain().await;

    let by_passwords = world.proxy_with(&cheap(world.settings("edge-1"))).await;
    let caller = Caller::new(&world, by_passwords.addresses().http);
    let token = issuer.token("1", &json!({}));
    let refused = caller.post("/api/token", json!({"token": token})).await;
    is(&refused, 401, Code::AuthFailed);
    assert_eq!(refused.1["reason"], "nobody comes by a token here");
    by_passwords.drain().await;
}

// AP-10
#[tokio::test(flavor = "multi_thread")]
async fn whoever_deletes_its_account_is_out_everywhere_and_its_name_is_free() {
    let world = World::new().await;
    let issuer = Issuer::new(1);
    let proxy = world.proxy_with(&with_tokens(&world, &issuer)).await;
    let at = proxy.addresses().http;
    let guest = Client::guest(world.trust(), proxy.addresses().tcp, "Amber Otter").await;
    let mut caller = Caller::of(&world, at, &guest);
    let delete = |password: &str| json!({"password": password});
    let of_guest = caller.post("/api/delete", delete(PASSWORD)).await;
    is(&of_guest, 409, Code::Generic);
    let (_, granted) = caller.register("Ada", PASSWORD).await;
    caller.ticket = Some(super::ticket(&granted));
    let mut playing = caller.come(&proxy, &granted, 2).await.unwrap();
    is(
        &caller.post("/api/delete", delete("wrong horse battery")).await,
        401,
        Code::AuthFailed,
    );
    is(&caller.post("/api/delete", json!({})).await, 400, Code::Protocol);
    let stranger = Caller::new(&world, at);
    is(
        &stranger.post("/api/delete", delete(PASSWORD)).await,
        401,
        Code::TicketInvalid,
    );
    // A token of somebody else shows nothing.
    let bob = issuer.token("2", &json!({"name": "Bob"}));
    let (_, granted_bob) = stranger.post("/api/token", json!({"token": bob})).await;
    is(
        &caller.post("/api/delete", json!({"token": bob})).await,
        401,
        Code::AuthFailed,
    );
    let (status, answer) = caller.post("/api/delete", delete(PASSWORD)).await;
    assert_eq!((status, &answer), (200, &json!({"deleted": "Ada"})));
    let began = std::time::Instant::now();
    assert_eq!(playing.closed().await.code, Code::Kicked);
    assert!(began.elapsed().as_millis() < 3_000, "{:?}", began.elapsed());
    let back = caller.come(&proxy, &granted, 3).await.err().unwrap();
    assert_eq!(back.code, Code::TicketInvalid, "there is no such account");
    is(&stranger.login("Ada", PASSWORD).await, 401, Code::AuthFailed);
    assert_eq!(stranger.register("Ada", PASSWORD).await.0, 200);
    // Whoever has no password shows a token.
    let mut of_bob = Caller::new(&world, at);
    of_bob.key = stranger.key.clone();
    of_bob.ticket = Some(super::ticket(&granted_bob));
    let (status, answer) = of_bob.post("/api/delete", json!({"token": bob})).await;
    assert_eq!((status, &answer), (200, &json!({"deleted": "Bob"})));
    proxy.drain().await;
}

// AP-4
#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_the_handshake_of_a_page_is_taken_where_nobody_reads_along() {
    let world = World::new().await;
    let mut settings = cheap(world.settings("edge-1"));
    settings.clients.balancers = vec!["127.0.0.0/8".to_owned()];
    let behind = world.proxy_with(&settings).await;
    let at = behind.addresses().http;
    let come = async |over_tls: bool, credentials: Credentials| {
        let mut io = TcpStream::connect(at).await.unwrap();
        io.write_all(&header([203, 0, 113, 9], over_tls)).await.unwrap();
        Client::browser_with(io.into(), world.trust(), at, credentials).await
    };
    let password = || Credentials::Password {
        name: "Ada".to_owned(),
        password: Zeroizing::new(PASSWORD.to_owned()),
    };
    let token = || Credentials::Token {
        token: Zeroizing::new("a.b.c".to_owned()),
        name: String::new(),
    };
    for secret in [password(), token()] {
        let refused = come(false, secret.clone()).await.err().unwrap();
        assert_eq!(refused.code, Code::RoleDenied);
        assert!(refused.reason.contains("over TLS"), "{}", refused.reason);
        // Over TLS it is looked at, as the balancer says so.
        let looked_at = come(true, secret).await.err().unwrap();
        assert_eq!(looked_at.code, Code::AuthFailed);
    }
    assert_eq!(behind.refused("login_clear"), 2);
    let guest = Credentials::Guest {
        name: "Amber".to_owned(),
    };
    assert!(come(false, guest).await.is_ok());
    behind.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_made_at_another_cost_is_made_anew_at_a_login() {
    let world = World::new().await;
    let settings = cheap(world.settings("edge-1"));
    let before = world.proxy_with(&settings).await;
    let caller = Caller::new(&world, before.addresses().http);
    let (_, granted) = caller.register("Ada", PASSWORD).await;
    before.drain().await;
    let verifier = async || world.verifier("ada").await;
    assert!(verifier().await.contains("m=64,t=1,"));
    let mut costlier = settings;
    costlier.auth.password_rounds = 2;
    let after = world.proxy_with(&costlier).await;
    let caller = Caller::new(&world, after.addresses().http);
    is(
        &caller.login("Ada", "wrong horse battery").await,
        401,
        Code::AuthFailed,
    );
    let (_, again) = caller.login("Ada", PASSWORD).await;
    eventually_async("it is made anew", async || verifier().await.contains("m=64,t=2,")).await;
    assert_eq!(again["user"], granted["user"]);
    assert_eq!(
        caller
            .come(&after, &again, 1)
            .await
            .unwrap()
            .welcome
            .user
            .0
            .to_string(),
        granted["user"]
    );
    assert_eq!(caller.login("Ada", PASSWORD).await.0, 200);
    after.drain().await;
}
