//! Tokens that count, and all that do not.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use protocol::limits::TOKEN_BYTES_MAX;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

use super::*;

const NOW_S: u64 = 2_000_000_000;
const ISSUER: &str = "https://id.example";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer with a key of each kind.
struct Issuer {
    ed25519: Ed25519KeyPair,
    p256: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let p256 = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let rsa: String = include_str!("test-key.base64").split_whitespace().collect();
        Self {
            ed25519: Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap(),
            p256: EcdsaKeyPair::from_pkcs8(kind, p256.as_ref(), &random).unwrap(),
            rsa: RsaKeyPair::from_der(&STANDARD.decode(rsa).unwrap()).unwrap(),
        }
    }

    /// Its public keys, as it publishes them.
    fn set(&self) -> Value {
        let point = self.p256.public_key().as_ref();
        let rsa: ring::rsa::PublicKeyComponents<Vec<u8>> = self.rsa.public().into();
        json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(self.ed25519.public_key().as_ref())},
            {"kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256", "use": "sig",
                "x": b64(&point[1..33]), "y": b64(&point[33..])},
            {"kty": "RSA", "kid": "rsa", "n": b64(rsa.n), "e": b64(rsa.e), "x5c": ["…"]},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": "AQAB", "e": "AQAB"},
            {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        ]})
    }

    fn sign(&self, kid: &str, said: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match kid {
            "ed" => self.ed25519.sign(said).as_ref().to_vec(),
            "ec" => self.p256.sign(&random, said).unwrap().as_ref().to_vec(),
            _ => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                self.rsa
                    .sign(&RSA_PKCS1_SHA256, &random, said, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let said = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let kid = header["kid"].as_str().unwrap_or("ed");
        format!("{said}.{}", b64(self.sign(kid, said.as_bytes())))
    }
}

fn wanted() -> Wanted {
    Wanted {
        issuer: ISSUER.to_owned(),
        audience: "game".to_owned(),
        skew_s: 30.0,
        name_claim: "name".to_owned(),
    }
}

fn claims(change: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "user-1", "aud": "game", "exp": NOW_S + 60, "iat": NOW_S, "name": "Ada", "roles": ["x"],
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

struct Scene {
    issuer: Issuer,
    keys: Keys,
}

impl Scene {
    fn new() -> Self {
        let issuer = Issuer::new();
        let keys = Keys::parse("keys.json".as_ref(), issuer.set().to_string().as_bytes()).unwrap();
        Self { issuer, keys }
    }

    fn check(&self, token: &str) -> Result<Vouched, TokenError> {
        token::check(token, &self.keys, &wanted(), NOW_S * 1_000)
    }

    /// Of a token that is signed as it should be.
    fn said(&self, change: &Value) -> Result<Vouched, TokenError> {
        let header = json!({"alg": "EdDSA", "kid": "ed"});
        self.check(&self.issuer.token(&header, &claims(change)))
    }
}

#[test]
fn a_token_of_each_algorithm_counts_by_its_own_key_alone() {
    let scene = Scene::new();
    let all = [("ed", "EdDSA"), ("ec", "ES256"), ("rsa", "RS256")];
    for (kid, alg) in all {
        let token = scene.issuer.token(
            &json!({"alg": alg, "kid": kid, "typ": "JWT"}),
            &claims(&json!({})),
        );
        let vouched = scene.check(&token).unwrap();
        assert_eq!(
            (
                vouched.identity.issuer.as_str(),
                vouched.identity.subject.as_str()
            ),
            (ISSUER, "user-1")
        );
        assert_eq!(vouched.name.as_deref(), Some("Ada"));
        // A key has one algorithm, whatever a token says.
        for other in ["none", "None", "HS256", "HS512", "RS512", "PS256", ""] {
            let token = scene
                .issuer
                .token(&json!({"alg": other, "kid": kid}), &claims(&json!({})));
            assert_eq!(scene.check(&token), Err(TokenError::Algorithm), "{kid} {other}");
        }
        for (other, _) in all.iter().filter(|(other, _)| *other != kid) {
            let said = format!(
                "{}.{}",
                b64(json!({"alg": alg, "kid": kid}).to_string()),
                b64(claims(&json!({})).to_string())
            );
            let signature = b64(scene.issuer.sign(other, said.as_bytes()));
            assert_eq!(
                scene.check(&format!("{said}.{signature}")),
                Err(TokenError::Signature),
                "{other} signed for {kid}"
            );
        }
    }
}

#[test]
fn what_is_not_signed_or_was_changed_does_not_count() {
    let scene = Scene::new();
    let (header, body) = (json!({"alg": "EdDSA", "kid": "ed"}), claims(&json!({})));
    let token = scene.issuer.token(&header, &body);
    let parts: Vec<&str> = token.split('.').collect();
    let none = b64(json!({"alg": "none"}).to_string());
    let mallory = b64(claims(&json!({"sub": "user-2"})).to_string());
    // An attacker who takes the public key for a secret: every key has an algorithm of its own, and no secret is one.
    let hs256 = b64(json!({"alg": "HS256", "kid": "rsa"}).to_string());
    let secret = b64(json!({"alg": "HS256", "kid": "secret"}).to_string());
    for (what, token, error) in [
        (
            "no signature",
            format!("{}.{}.", parts[0], parts[1]),
            TokenError::Signature,
        ),
        (
            "alg none",
            format!("{none}.{}.", parts[1]),
            TokenError::UnknownKey,
        ),
        (
            "HS256",
            format!("{hs256}.{}.{}", parts[1], parts[2]),
            TokenError::Algorithm,
        ),
        (
            "a secret",
            format!("{secret}.{}.{}", parts[1], parts[2]),
            TokenError::UnknownKey,
        ),
        (
            "others' claims",
            format!("{}.{mallory}.{}", parts[0], parts[2]),
            TokenError::Signature,
        ),
        (
            "two parts",
            format!("{}.{}", parts[0], parts[1]),
            TokenError::Malformed,
        ),
        (
            "four parts",
            format!("{token}.{}", parts[2]),
            TokenError::Signature,
        ),
        ("nothing", String::new(), TokenError::Malformed),
        ("padding", format!("{token}="), TokenError::Malformed),
        ("a space", format!(" {token}"), TokenError::Malformed),
    ] {
        assert_eq!(scene.check(&token), Err(error), "{what}");
    }
}

#[test]
fn a_header_that_is_not_understood_does_not_count() {
    let scene = Scene::new();
    let (header, body) = (json!({"alg": "EdDSA", "kid": "ed"}), claims(&json!({})));
    let token = scene.issuer.token(&header, &body);
    let parts: Vec<&str> = token.split('.').collect();
    for kid in [json!("rsa2"), json!("../ed"), json!("")] {
        let header = b64(json!({"alg": "EdDSA", "kid": kid}).to_string());
        let token = format!("{header}.{}.{}", parts[1], parts[2]);
        assert_eq!(scene.check(&token), Err(TokenError::UnknownKey), "{kid}");
    }
    for header in [
        json!({"alg": "EdDSA", "kid": "ed", "crit": ["exp"]}),
        json!({"kid": "ed"}),
        json!({"alg": ["EdDSA"], "kid": "ed"}),
        json!([]),
    ] {
        let token = scene.issuer.token(&header, &body);
        assert_eq!(scene.check(&token), Err(TokenError::Malformed), "{header}");
    }
    let twice = format!(
        "{}.{}",
        b64(r#"{"alg":"EdDSA","alg":"none","kid":"ed"}"#),
        parts[1]
    );
    let twice = format!("{twice}.{}", b64(scene.issuer.sign("ed", twice.as_bytes())));
    assert_eq!(scene.check(&twice), Err(TokenError::Malformed));
    // Each bit of it.
    for at in (0..token.len()).step_by(7) {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(scene.check(&String::from_utf8(bytes).unwrap()).is_err(), "{at}");
    }
    let long = scene.said(&json!({"pad": "x".repeat(TOKEN_BYTES_MAX)}));
    assert_eq!(long, Err(TokenError::TooLong));
}

#[test]
fn who_made_it_for_whom_and_when_is_looked_at() {
    let scene = Scene::new();
    for (change, said) in [
        (json!({"iss": "https://evil.example"}), Err(TokenError::Issuer)),
        (json!({"iss": null}), Err(TokenError::Issuer)),
        (json!({"iss": format!("{ISSUER}/")}), Err(TokenError::Issuer)),
        (json!({"aud": "other"}), Err(TokenError::Audience)),
        (json!({"aud": null}), Err(TokenError::Audience)),
        (json!({"aud": []}), Err(TokenError::Audience)),
        (json!({"aud": ["other", "game"]}), Ok(())),
        (json!({"aud": {"game": true}}), Err(TokenError::Malformed)),
        (json!({"exp": NOW_S - 29}), Ok(())),
        (json!({"exp": NOW_S - 30}), Err(TokenError::Expired)),
        (json!({"exp": null}), Err(TokenError::Expired)),
        (json!({"exp": "never"}), Err(TokenError::Malformed)),
        (json!({"exp": NOW_S as f64 + 0.5}), Ok(())),
        (json!({"nbf": NOW_S + 30}), Ok(())),
        (json!({"nbf": NOW_S + 31}), Err(TokenError::Early)),
        (json!({"iat": NOW_S + 31}), Err(TokenError::Early)),
        (json!({"sub": ""}), Err(TokenError::Subject)),
        (json!({"sub": null}), Err(TokenError::Subject)),
        (json!({"sub": 7}), Err(TokenError::Malformed)),
        (json!({"sub": "x".repeat(257)}), Err(TokenError::Subject)),
        (json!({"sub": "a\u{0}b"}), Err(TokenError::Subject)),
        (json!({"name": 7}), Ok(())),
    ] {
        let named = change.to_string();
        assert_eq!(scene.said(&change).map(drop), said, "{named}");
    }
}

#[test]
fn a_token_without_the_name_of_a_key_counts_where_there_is_one_key() {
    let issuer = Issuer::new();
    let token = issuer.token(&json!({"alg": "EdDSA"}), &claims(&json!({})));
    let one = json!({"keys": [issuer.set()["keys"][0]]});
    let keys = |set: &Value| Keys::parse("keys.json".as_ref(), set.to_string().as_bytes());
    let check = |set: &Value| token::check(&token, &keys(set).unwrap(), &wanted(), NOW_S * 1_000);
    assert!(check(&one).is_ok());
    assert_eq!(check(&issuer.set()), Err(TokenError::UnknownKey));
    // Of a key that is said to be for another algorithm none counts, and a file without any is refused.
    let mut other = one.clone();
    other["keys"][0]["alg"] = json!("ES256");
    let mut short = one.clone();
    short["keys"][0]["x"] = json!("AAAA");
    let twice = json!({"keys": [issuer.set()["keys"][0], issuer.set()["keys"][0]]});
    let weak = json!({"keys": [{"kty": "RSA", "n": b64([0xff; 128]), "e": "AQAB"}]});
    for (set, why) in [
        (other, "none of its keys"),
        (short, "key 1: a part of it is not 32 bytes long"),
        (twice, "key 2: another one has the same `kid`"),
        (weak, "2048 to 4096 bits"),
        (json!({"keys": []}), "none of its keys"),
        (json!([]), "not a JSON Web Key Set"),
    ] {
        let said = keys(&set).unwrap_err().to_string();
        assert!(said.contains(why) && said.contains("keys.json"), "{said}");
    }
}
