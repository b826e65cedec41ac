//! Ed25519 keys, one pair of types per holder, so that a node's key can never stand where the authority's belongs.
//!
//! Verification is strict only: small-order keys and non-canonical signatures are refused.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::entropy::{self, Entropy};

/// 32 bytes that are no usable Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a usable Ed25519 public key")]
pub struct BadPublicKey;

/// A signature that this key did not make over these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit the bytes and the key")]
pub struct BadSignature;

macro_rules! key_pair {
    ($(#[$secret_doc:meta])* $secret:ident, $(#[$public_doc:meta])* $public:ident) => {
        $(#[$secret_doc])*
        /// Wiped from memory when dropped; its `Debug` shows the public half only.
        #[derive(Clone)]
        pub struct $secret(SigningKey);

        impl $secret {
            /// The key with this 32-byte Ed25519 seed.
            #[must_use]
            pub fn from_seed(seed: &[u8; 32]) -> Self {
                Self(SigningKey::from_bytes(seed))
            }

            /// A fresh key.
            #[must_use]
            pub fn generate(entropy: &mut dyn Entropy) -> Self {
                let seed = zeroize::Zeroizing::new(entropy::array::<32>(entropy));
                Self::from_seed(&seed)
            }

            /// The public half.
            #[must_use]
            pub fn public(&self) -> $public {
                $public(self.0.verifying_key())
            }

            /// Signs `message`, which must start with a context string of its own.
            #[must_use]
            pub fn sign(&self, message: &[u8]) -> [u8; 64] {
                self.0.sign(message).to_bytes()
            }
        }

        impl fmt::Debug for $secret {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($secret), self.public())
            }
        }

        $(#[$public_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $public(VerifyingKey);

        impl $public {
            /// Checks that the 32 bytes are a point that can have made a signature.
            ///
            /// # Errors
            /// `BadPublicKey` when they are no point of the curve, or one of small order.
            pub fn parse(bytes: &[u8; 32]) -> Result<Self, BadPublicKey> {
                let key = VerifyingKey::from_bytes(bytes).map_err(|_| BadPublicKey)?;
                if key.is_weak() { Err(BadPublicKey) } else { Ok(Self(key)) }
            }

            /// The 32 bytes on the wire.
            #[must_use]
            pub fn to_bytes(&self) -> [u8; 32] {
                self.0.to_bytes()
            }

            /// Strict verification.
            ///
            /// # Errors
            /// `BadSignature` when this key did not sign `message`.
            pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
                let signature = Signature::from_bytes(signature);
                self.0.verify_strict(message, &signature).map_err(|_| BadSignature)
            }
        }

        impl fmt::Display for $public {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $public {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($public))
            }
        }
    };
}

key_pair!(
    /// The operator's key: signs certificates, vouchers and the topology. Never on a node.
    AuthorityKey,
    /// What every node and client knows of the authority.
    AuthorityPublic
);
key_pair!(
    /// A node's own key: proves its certificate in a handshake, and signs tickets where the node has the auth role.
    NodeKey,
    /// A node's public key, as its certificate and the topology name it.
    NodePublic
);
key_pair!(
    /// A client's key for one login session: a ticket is worth nothing without it.
    ClientKey,
    /// What a ticket is bound to.
    ClientPublic
);

impl ClientKey {
    /// The seed, for a client that keeps its session where only it can read it.
    #[must_use]
    pub fn seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }
}

impl NodeKey {
    /// The secret shared with whoever has made this X25519 key; `None` when that forces it to zero. The same seed serves signatures, which
    /// begin with contexts of their own.
    #[must_use]
    pub fn agree(&self, ephemeral: [u8; 32]) -> Option<[u8; 32]> {
        let secret = x25519_dalek::StaticSecret::from(self.0.to_scalar_bytes());
        let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(ephemeral));
        shared.was_contributory().then(|| shared.to_bytes())
    }
}

impl NodePublic {
    /// The same key as one of X25519: see [`NodeKey::agree`].
    #[must_use]
    pub fn agreement(&self) -> [u8; 32] {
        self.0.to_montgomery().to_bytes()
    }
}
