//! One token: a JSON Web Token in its compact form (RFC 7519), signed. Nothing of what it says is read before its signature is
//! verified, but for which key that is by.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::limits::TOKEN_BYTES_MAX;
use serde::Deserialize;
use serde_json::{Map, Value};
use store::Identity;
use store::limits::IDENTITY_BYTES_MAX;

use super::keys::{KID_BYTES_MAX, Keys};
use super::{Vouched, Wanted};

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::server::auth) enum TokenError {
    #[error("it is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    #[error("it is no signed token")]
    Malformed,
    #[error("no key of this name is known")]
    UnknownKey,
    #[error("it names another algorithm than its key has")]
    Algorithm,
    #[error("its key has not signed it")]
    Signature,
    #[error("another issuer made it")]
    Issuer,
    #[error("it is meant for others")]
    Audience,
    #[error("it has expired")]
    Expired,
    #[error("it does not count yet")]
    Early,
    #[error("it names nobody")]
    Subject,
}

/// Parts that have no meaning here are left alone; one that has to be understood is `crit`, and none is.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

pub(super) fn check(token: &str, keys: &Keys, wanted: &Wanted, wall_ms: u64) -> Result<Vouched, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    let (said, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = said.split_once('.').ok_or(TokenError::Malformed)?;
    let (header, signature) = (decoded(header)?, decoded(signature)?);
    let header: Header = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
    if header.crit.is_some() || header.kid.as_ref().is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
        return Err(TokenError::Malformed);
    }
    let key = keys.named(header.kid.as_deref()).ok_or(TokenError::UnknownKey)?;
    if header.alg != key.algorithm().name() {
        return Err(TokenError::Algorithm);
    }
    if !key.has_signed(said.as_bytes(), &signature) {
        return Err(TokenError::Signature);
    }
    let claims: Claims = serde_json::from_slice(&decoded(claims)?).map_err(|_| TokenError::Malformed)?;
    claims.check(wanted, wall_ms as f64 / 1_000.0)
}

fn decoded(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

/// Times are seconds since 1970, whole or not.
#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Claims {
    fn check(self, wanted: &Wanted, now_s: f64) -> Result<Vouched, TokenError> {
        let issuer = self.iss.filter(|issuer| *issuer == wanted.issuer);
        let issuer = issuer.ok_or(TokenError::Issuer)?;
        let is_meant = match &self.aud {
            Some(Audience::One(one)) => *one == wanted.audience,
            Some(Audience::Several(all)) => all.contains(&wanted.audience),
            None => false,
        };
        if !is_meant {
            return Err(TokenError::Audience);
        }
        // One that never ends is none.
        if self.exp.is_none_or(|until_s| now_s >= until_s + wanted.skew_s) {
            return Err(TokenError::Expired);
        }
        if [self.nbf, self.iat]
            .into_iter()
            .flatten()
            .any(|from_s| now_s + wanted.skew_s < from_s)
        {
            return Err(TokenError::Early);
        }
        let is_somebody =
            |text: &String| (1..=IDENTITY_BYTES_MAX).contains(&text.len()) && !text.contains('\0');
        let subject = self.sub.filter(is_somebody).ok_or(TokenError::Subject)?;
        let name = self.others.get(&wanted.name_claim).and_then(Value::as_str);
        Ok(Vouched {
            identity: Identity { issuer, subject },
            name: name.map(str::to_owned),
        })
    }
}
