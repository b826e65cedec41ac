//! The cryptographic building blocks and the key schedule that node links, client streams and datagrams share.
//!
//! Everything here is a thin, named wrapper around the RustCrypto and dalek crates.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::entropy::{self, Entropy};

/// Length of an AES-GCM tag, bytes.
pub const TAG_BYTES: usize = 16;

/// Sealed bytes did not open: wrong key, wrong nonce, or somebody changed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not authentic")]
pub struct NotAuthentic;

/// SHA-256 over the parts, one after the other.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// A key for HMAC-SHA256, expanded once.
#[derive(Clone)]
pub struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// Prepares a key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        // A 32-byte key is always accepted; HMAC takes any length.
        match Hmac::<Sha256>::new_from_slice(key) {
            Ok(mac) => Self(mac),
            Err(_) => unreachable!("HMAC takes keys of any length"),
        }
    }

    /// HMAC-SHA256 over the parts, one after the other.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Compares in constant time.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], expected: &[u8; 32]) -> bool {
        self.mac(parts).ct_eq(expected).into()
    }
}

/// A pseudo-random key of the HKDF schedule.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Prk([u8; 32]);

impl Prk {
    /// HKDF-Extract(salt, ikm) with SHA-256.
    #[must_use]
    pub fn extract(salt: &[u8; 32], ikm: &[u8]) -> Self {
        let (prk, _) = Hkdf::<Sha256>::extract(Some(salt), ikm);
        Self(prk.into())
    }

    /// HKDF-Expand with a label: `N` ≤ 255 × 32 bytes.
    #[must_use]
    pub fn expand<const N: usize>(&self, label: &str) -> [u8; N] {
        expand(&self.0, label)
    }

    /// The key as a salt for the next extraction.
    #[must_use]
    pub fn as_salt(&self) -> &[u8; 32] {
        &self.0
    }
}

/// HKDF-Expand of a 32-byte secret with a label.
#[must_use]
pub fn expand<const N: usize>(secret: &[u8; 32], label: &str) -> [u8; N] {
    let mut out = [0; N];
    // Both lengths are constants of ours, well inside what HKDF allows.
    match Hkdf::<Sha256>::from_prk(secret).map(|hkdf| hkdf.expand(label.as_bytes(), &mut out)) {
        Ok(Ok(())) => out,
        _ => unreachable!("a 32-byte secret and at most 8160 bytes always expand"),
    }
}

/// AES-256-GCM with the iv of one direction; the nonce is the iv XOR a 96-bit number that never repeats.
#[derive(Clone)]
pub struct SealingKey {
    cipher: Aes256Gcm,
    iv: [u8; 12],
}

impl SealingKey {
    /// A key with its iv.
    #[must_use]
    pub fn new(key: &[u8; 32], iv: [u8; 12]) -> Self {
        Self {
            cipher: Aes256Gcm::new(key.into()),
            iv,
        }
    }

    /// A key for a single message: iv and number are zero.
    #[must_use]
    pub fn single_use(key: &[u8; 32]) -> Self {
        Self::new(key, [0; 12])
    }

    /// Encrypts in place and returns the tag.
    ///
    /// # Errors
    /// `NotAuthentic` when the plaintext is longer than AES-GCM allows (64 GiB).
    pub fn seal(
        &self,
        number: [u8; 12],
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], NotAuthentic> {
        let tag = self
            .cipher
            .encrypt_inout_detached(&self.nonce(number), aad, text.into());
        tag.map(Into::into).map_err(|_| NotAuthentic)
    }

    /// Decrypts in place.
    ///
    /// # Errors
    /// `NotAuthentic`; the text is unspecified then.
    pub fn open(
        &self,
        number: [u8; 12],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), NotAuthentic> {
        let tag = Tag::from(*tag);
        let opened = self
            .cipher
            .decrypt_inout_detached(&self.nonce(number), aad, text.into(), &tag);
        opened.map_err(|_| NotAuthentic)
    }

    /// Encrypts `plain` and appends ciphertext ‖ tag to `out`.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn seal_onto(
        &self,
        number: [u8; 12],
        aad: &[u8],
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), NotAuthentic> {
        let start = out.len();
        out.extend_from_slice(plain);
        let text = out.get_mut(start..).ok_or(NotAuthentic)?;
        let tag = self.seal(number, aad, text)?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// Decrypts ciphertext ‖ tag into a vector of its own.
    ///
    /// # Errors
    /// `NotAuthentic`, also when there is no room for a tag.
    pub fn open_vec(&self, number: [u8; 12], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let (text, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(NotAuthentic)?;
        let mut text = text.to_vec();
        self.open(number, aad, &mut text, tag)?;
        Ok(text)
    }

    fn nonce(&self, number: [u8; 12]) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = self.iv;
        for (byte, number) in nonce.iter_mut().zip(number) {
            *byte ^= number;
        }
        nonce.into()
    }
}

/// Which way bytes travel between the side that opened a connection and the side that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the initiator (dialing node, client) to the responder.
    InitiatorToResponder,
    /// From the responder (listening node, proxy) to the initiator.
    ResponderToInitiator,
}

impl Direction {
    /// The label that separates this direction's keys: `traffic i2r` or `traffic r2i`.
    #[must_use]
    pub const fn traffic_label(self) -> &'static str {
        match self {
            Self::InitiatorToResponder => "traffic i2r",
            Self::ResponderToInitiator => "traffic r2i",
        }
    }
}

/// The secret that one direction of an established stream derives its keys from; replaced by [`next`](Self::next) at a rekey.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TrafficSecret([u8; 32]);

impl TrafficSecret {
    /// The first secret of a direction.
    #[must_use]
    pub fn new(prk: &Prk, direction: Direction) -> Self {
        Self(prk.expand(direction.traffic_label()))
    }

    /// The secret after a rekey: Expand(secret, "ku", 32).
    #[must_use]
    pub fn next(&self) -> Self {
        Self(expand(&self.0, "ku"))
    }

    /// AEAD key with iv, and the separate key of the frame HMAC.
    #[must_use]
    pub fn keys(&self) -> (SealingKey, MacKey) {
        let sealing = SealingKey::new(&expand(&self.0, "key"), expand(&self.0, "iv"));
        (sealing, MacKey::new(&expand(&self.0, "mac")))
    }
}

/// The secret that one direction of datagrams derives its key and iv from; replaced by [`next`](Self::next) at each phase.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DatagramSecret([u8; 32]);

impl DatagramSecret {
    /// The first secret of a direction: `Expand(prk, "udp c2s", 32)`, or `udp s2c` (the client is the initiator).
    #[must_use]
    pub fn new(prk: &Prk, direction: Direction) -> Self {
        Self(match direction {
            Direction::InitiatorToResponder => prk.expand("udp c2s"),
            Direction::ResponderToInitiator => prk.expand("udp s2c"),
        })
    }

    /// The secret of the phase after this one: Expand(secret, "ku", 32).
    #[must_use]
    pub fn next(&self) -> Self {
        Self(expand(&self.0, "ku"))
    }

    /// Expand(secret, "key", 32) and Expand(secret, "iv", 12).
    #[must_use]
    pub fn key(&self) -> SealingKey {
        SealingKey::new(&expand(&self.0, "key"), expand(&self.0, "iv"))
    }
}

/// An ephemeral X25519 secret, good for one handshake.
pub struct KeyAgreement(StaticSecret);

impl KeyAgreement {
    /// A fresh secret.
    #[must_use]
    pub fn new(entropy: &mut dyn Entropy) -> Self {
        Self(StaticSecret::from(entropy::array::<32>(entropy)))
    }

    /// What the peer needs.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.0).to_bytes()
    }

    /// The shared secret; `None` when the peer's key forces it to zero.
    #[must_use]
    pub fn agree(self, peer: [u8; 32]) -> Option<[u8; 32]> {
        let shared = self.0.diffie_hellman(&PublicKey::from(peer));
        shared.was_contributory().then(|| shared.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::CountingEntropy;

    #[test]
    fn both_sides_agree_and_a_zero_key_is_refused() {
        let (a, b) = (
            KeyAgreement::new(&mut CountingEntropy(1)),
            KeyAgreement::new(&mut CountingEntropy(99)),
        );
        let (a_public, b_public) = (a.public(), b.public());
        assert_eq!(a.agree(b_public), b.agree(a_public));
        assert_eq!(KeyAgreement::new(&mut CountingEntropy(1)).agree([0; 32]), None);
    }

    #[test]
    fn sealed_bytes_open_only_with_the_same_key_number_and_data() {
        let key = SealingKey::new(&[7; 32], [1; 12]);
        let mut sealed = Vec::new();
        key.seal_onto([2; 12], b"aad", b"text", &mut sealed).unwrap();
        assert_eq!(key.open_vec([2; 12], b"aad", &sealed).unwrap(), b"text");
        assert!(key.open_vec([3; 12], b"aad", &sealed).is_err());
        assert!(key.open_vec([2; 12], b"abd", &sealed).is_err());
        assert!(
            SealingKey::new(&[8; 32], [1; 12])
                .open_vec([2; 12], b"aad", &sealed)
                .is_err()
        );
        assert!(key.open_vec([2; 12], b"aad", &sealed[..15]).is_err());
    }

    #[test]
    fn directions_and_rekeys_never_share_a_key() {
        let prk = Prk::extract(&[0; 32], b"shared");
        let i2r = TrafficSecret::new(&prk, Direction::InitiatorToResponder);
        let r2i = TrafficSecret::new(&prk, Direction::ResponderToInitiator);
        assert_ne!(i2r.0, r2i.0);
        assert_ne!(i2r.0, i2r.next().0);
    }
}
