//! The word by which a client shows, in a request of the HTTP API, that it holds its session's key: a ticket is given to nobody
//! else, and counts for nobody else. It goes into the header `Authorization`.
//!
//! ```text
//! Authorization: Regionmesh KEY.TIME.PROOF[.TICKET]
//! KEY 32, PROOF 64 and TICKET 180 bytes in small hexadecimal digits, TIME Unix milliseconds in decimal ones
//! PROOF = Ed25519(client key, "RMC/1 api\0" ‖ cluster_id 16 ‖ TIME u64 ‖ SHA256(METHOD ‖ " " ‖ PATH ‖ "\n" ‖ body))
//! ```

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::identity::{ClientKey, ClientPublic};
use crate::ids::ClusterId;
use crate::ticket::TICKET_BYTES;

const CONTEXT: &[u8] = b"RMC/1 api\0";
const SCHEME: &str = "Regionmesh ";
/// A word as old as this, or as far ahead, counts no more, milliseconds.
pub const PROOF_AGE_MS_MAX: u64 = 120_000;

/// What a request asks for, as it is signed.
#[derive(Clone, Copy, Debug)]
pub struct ApiRequest<'a> {
    /// The cluster that is asked.
    pub cluster_id: ClusterId,
    /// Such as `POST`.
    pub method: &'a str,
    /// As it stands in the request, such as `/api/login`.
    pub path: &'a str,
    /// All of it.
    pub body: &'a [u8],
}

/// A word as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiProof {
    /// Whose.
    pub client: ClientPublic,
    /// When, by the client, Unix milliseconds.
    pub time_ms: u64,
    proof: [u8; 64],
    /// Of the session, where there is one. Nobody has verified it.
    pub ticket: Option<Box<[u8; TICKET_BYTES]>>,
}

/// Why a word does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiProofError {
    /// It is none.
    #[error("`Authorization` is not `Regionmesh KEY.TIME.PROOF` or `Regionmesh KEY.TIME.PROOF.TICKET`")]
    Malformed,
    /// The key did not sign this request.
    #[error("the key did not sign this request")]
    NotSigned,
    /// The clocks are too far apart, or it is an old one.
    #[error("the request was signed more than two minutes ago, or ahead; set the clock")]
    Late,
}

impl ApiRequest<'_> {
    /// Signs the request: the value of `Authorization`.
    #[must_use]
    pub fn authorization(
        &self,
        key: &ClientKey,
        time_ms: u64,
        ticket: Option<&[u8; TICKET_BYTES]>,
    ) -> String {
        let mut text = SCHEME.to_owned();
        put_hex(&mut text, &key.public().to_bytes());
        let _ = write!(text, ".{time_ms}.");
        put_hex(&mut text, &key.sign(&self.signed(time_ms)));
        if let Some(ticket) = ticket {
            text.push('.');
            put_hex(&mut text, ticket);
        }
        text
    }

    fn signed(&self, time_ms: u64) -> Vec<u8> {
        let digest = Sha256::new()
            .chain_update(self.method)
            .chain_update(" ")
            .chain_update(self.path)
            .chain_update("\n")
            .chain_update(self.body)
            .finalize();
        [
            CONTEXT,
            &self.cluster_id.0,
            &time_ms.to_le_bytes(),
            digest.as_slice(),
        ]
        .concat()
    }
}

impl ApiProof {
    /// Reads a value of `Authorization`.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(text: &str) -> Result<Self, ApiProofError> {
        let malformed = ApiProofError::Malformed;
        let mut parts = text.strip_prefix(SCHEME).ok_or(malformed)?.split('.');
        let mut part = || parts.next().ok_or(malformed);
        let client = ClientPublic::parse(&hex(part()?).ok_or(malformed)?).map_err(|_| malformed)?;
        let time = part()?;
        let is_decimal = !time.is_empty() && time.bytes().all(|digit| digit.is_ascii_digit());
        let time_ms = time.parse().ok().filter(|_| is_decimal).ok_or(malformed)?;
        let proof = hex(part()?).ok_or(malformed)?;
        let ticket = match parts.next() {
            Some(ticket) => Some(Box::new(hex(ticket).ok_or(malformed)?)),
            None => None,
        };
        match parts.next() {
            Some(_) => Err(malformed),
            None => Ok(Self {
                client,
                time_ms,
                proof,
                ticket,
            }),
        }
    }

    /// Checks that the key's holder has asked for this, and now.
    ///
    /// # Errors
    /// `NotSigned` and `Late`.
    pub fn verify(&self, request: &ApiRequest<'_>, wall_ms: u64) -> Result<(), ApiProofError> {
        if self.time_ms.abs_diff(wall_ms) > PROOF_AGE_MS_MAX {
            return Err(ApiProofError::Late);
        }
        let signed = request.signed(self.time_ms);
        let verified = self.client.verify(&signed, &self.proof);
        verified.map_err(|_| ApiProofError::NotSigned)
    }
}

fn put_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn request<'a>(path: &'a str, body: &'a [u8]) -> ApiRequest<'a> {
        ApiRequest {
            cluster_id: ClusterId([1; 16]),
            method: "POST",
            path,
            body,
        }
    }

    #[test]
    fn ap_1_a_word_counts_for_its_request_its_cluster_and_its_time_alone() {
        let key = ClientKey::from_seed(&[7; 32]);
        let asked = request("/api/login", b"{}");
        let text = asked.authorization(&key, NOW, None);
        let proof = ApiProof::parse(&text).unwrap();
        assert_eq!(
            (proof.client, proof.time_ms, &proof.ticket),
            (key.public(), NOW, &None)
        );
        assert_eq!(proof.verify(&asked, NOW + PROOF_AGE_MS_MAX), Ok(()));
        assert_eq!(proof.verify(&asked, NOW - PROOF_AGE_MS_MAX), Ok(()));
        for late in [NOW + PROOF_AGE_MS_MAX + 1, NOW - PROOF_AGE_MS_MAX - 1] {
            assert_eq!(proof.verify(&asked, late), Err(ApiProofError::Late));
        }
        let other_cluster = ApiRequest {
            cluster_id: ClusterId([2; 16]),
            ..asked
        };
        let other_method = ApiRequest {
            method: "GET",
            ..asked
        };
        for other in [
            request("/api/login", b"{} "),
            request("/api/password", b"{}"),
            other_cluster,
            other_method,
        ] {
            assert_eq!(proof.verify(&other, NOW), Err(ApiProofError::NotSigned));
        }
        let moved = ApiProof {
            time_ms: NOW + 1,
            ..proof
        };
        assert_eq!(moved.verify(&asked, NOW), Err(ApiProofError::NotSigned));
    }

    #[test]
    fn ap_2_what_is_not_such_a_word_is_refused() {
        let key = ClientKey::from_seed(&[7; 32]);
        let text = request("/api/me", b"").authorization(&key, NOW, Some(&[9; TICKET_BYTES]));
        let proof = ApiProof::parse(&text).unwrap();
        assert_eq!(proof.ticket.as_deref(), Some(&[9; TICKET_BYTES]));
        for wrong in [
            String::new(),
            "Bearer x".to_owned(),
            text.replace("Regionmesh", "regionmesh"),
            text.to_uppercase(),
            format!("{text}."),
            format!("{text}00"),
            text.replace(&NOW.to_string(), "+1"),
            text.replace(&NOW.to_string(), ""),
            text.replace(&NOW.to_string(), &"9".repeat(21)),
            text.chars().take(100).collect(),
            text.replace('.', ".é"),
        ] {
            assert_eq!(ApiProof::parse(&wrong), Err(ApiProofError::Malformed), "{wrong}");
        }
    }
}
