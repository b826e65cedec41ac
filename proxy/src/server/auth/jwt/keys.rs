//! The public keys of an issuer: a JSON Web Key Set (RFC 7517) as identity providers publish it, kept in a file. Each key has one
//! algorithm, which follows from what the key is.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::Shown;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// The whole file, bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Keys that may sign.
const KEYS_MAX: usize = 64;
/// The name of a key, bytes.
pub(super) const KID_BYTES_MAX: usize = 256;
/// RSA below this is broken, and above it a check takes too long, bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

/// Why a file of keys is of no use. The operator's to change.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum KeysError {
    #[error("jwt.keys: {}: {error}", Shown(.file.display()))]
    File { file: PathBuf, error: std::io::Error },
    #[error("jwt.keys: {}: longer than {FILE_BYTES_MAX} bytes", Shown(.0.display()))]
    Long(PathBuf),
    #[error(
        "jwt.keys: {}: not a JSON Web Key Set ({{\"keys\": […]}}): line {line}, column {column}",
        Shown(.file.display())
    )]
    Json {
        file: PathBuf,
        line: usize,
        column: usize,
    },
    #[error("jwt.keys: {}: key {number}: {why}", Shown(.file.display()))]
    Key {
        file: PathBuf,
        number: usize,
        why: &'static str,
    },
    #[error(
        "jwt.keys: {}: none of its keys signs by EdDSA (Ed25519), ES256 (P-256) or RS256 (RSA)",
        Shown(.0.display())
    )]
    None(PathBuf),
}

/// By what a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    EdDsa,
    Es256,
    Rs256,
}

impl Algorithm {
    /// As a token names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    kid: Option<String>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Ed25519([u8; 32]),
    /// An uncompressed point.
    P256([u8; 65]),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl Key {
    pub(super) fn algorithm(&self) -> Algorithm {
        match self.public {
            Public::Ed25519(_) => Algorithm::EdDsa,
            Public::P256(_) => Algorithm::Es256,
            Public::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// Whether it has signed that.
    pub(super) fn has_signed(&self, said: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.public {
            Public::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(said, signature),
            Public::P256(key) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(said, signature)
            }
            Public::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, said, signature)
            }
        };
        verified.is_ok()
    }
}

/// All of a file.
#[derive(Debug)]
pub(super) struct Keys(Vec<Key>);

impl Keys {
    pub(super) fn read(file: &Path) -> Result<Self, KeysError> {
        Self::parse(file, &bytes_of(file)?)
    }

    /// The key of this name; without a name the only one that there is.
    pub(super) fn named(&self, kid: Option<&str>) -> Option<&Key> {
        match (kid, &self.0[..]) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(kid), all) => all.iter().find(|key| key.kid.as_deref() == Some(kid)),
        }
    }

    /// Names for people.
    pub(super) fn described(&self) -> String {
        let named = self.0.iter().map(|key| {
            let kid = key.kid.as_deref().unwrap_or("unnamed");
            format!("{} ({})", Shown(kid), key.algorithm().name())
        });
        named.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn parse(file: &Path, bytes: &[u8]) -> Result<Self, KeysError> {
        let set: Set = serde_json::from_slice(bytes).map_err(|error| KeysError::Json {
            file: file.to_owned(),
            line: error.line(),
            column: error.column(),
        })?;
        let mut keys: Vec<Key> = Vec::new();
        for (at, raw) in set.keys.into_iter().enumerate() {
            let wrong = |why| KeysError::Key {
                file: file.to_owned(),
                number: at + 1,
                why,
            };
            let Some(key) = raw.key().map_err(wrong)? else {
                continue;
            };
            if key.kid.is_some() && keys.iter().any(|other| other.kid == key.kid) {
                return Err(wrong("another one has the same `kid`"));
            }
            if keys.len() == KEYS_MAX {
                return Err(wrong("there are more than 64 keys"));
            }
            keys.push(key);
        }
        match keys.is_empty() {
            true => Err(KeysError::None(file.to_owned())),
            false => Ok(Self(keys)),
        }
    }
}

pub(super) fn bytes_of(file: &Path) -> Result<Vec<u8>, KeysError> {
    let failed = |error| KeysError::File {
        file: file.to_owned(),
        error,
    };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(failed)?;
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(KeysError::Long(file.to_owned())),
        false => Ok(bytes),
    }
}

/// A file as it is written. What else stands there is nothing to us.
#[derive(Deserialize)]
struct Set {
    keys: Vec<RawKey>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl RawKey {
    /// `None`: one of another kind, which signs nothing that counts here.
    fn key(self) -> Result<Option<Key>, &'static str> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        let public = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => Public::Ed25519(part(self.x.as_deref())?),
            ("EC", Some("P-256")) => {
                let (x, y): ([u8; 32], [u8; 32]) = (part(self.x.as_deref())?, part(self.y.as_deref())?);
                let mut point = [4; 65];
                point[1..33].copy_from_slice(&x);
                point[33..].copy_from_slice(&y);
                Public::P256(point)
            }
            ("RSA", _) => rsa(self.n.as_deref(), self.e.as_deref())?,
            _ => return Ok(None),
        };
        if self.kid.as_ref().is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
            return Err("its `kid` is longer than 256 bytes");
        }
        let key = Key {
            kid: self.kid,
            public,
        };
        match self.alg {
            // The same key for another algorithm is another key.
            Some(alg) if alg != key.algorithm().name() => Ok(None),
            _ => Ok(Some(key)),
        }
    }
}

fn rsa(n: Option<&str>, e: Option<&str>) -> Result<Public, &'static str> {
    let (mut n, e) = (decoded(n)?, decoded(e)?);
    n.drain(..n.iter().take_while(|byte| **byte == 0).count());
    let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err("an RSA key has to have 2048 to 4096 bits");
    }
    Ok(Public::Rsa { n, e })
}

fn part(text: Option<&str>) -> Result<[u8; 32], &'static str> {
    decoded(text)?
        .try_into()
        .map_err(|_| "a part of it is not 32 bytes long")
}

fn decoded(text: Option<&str>) -> Result<Vec<u8>, &'static str> {
    let text = text.ok_or("a part of it is missing")?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| "a part of it is not base64url")
}
