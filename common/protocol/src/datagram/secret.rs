//! The chain of secrets of one direction, one per key phase, forward only.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::keys::{Prk, SealingKey, expand};

/// Which way a datagram travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramDirection {
    /// From the client to the proxy.
    ClientToProxy,
    /// From the proxy to the client.
    ProxyToClient,
}

impl DatagramDirection {
    const fn label(self) -> &'static str {
        match self {
            Self::ClientToProxy => "udp c2s",
            Self::ProxyToClient => "udp s2c",
        }
    }
}

/// The secret that a phase's key and iv come from.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct PhaseSecret([u8; 32]);

impl PhaseSecret {
    /// Phase 0 of a direction: Expand(prk, label, 32).
    pub(super) fn new(prk: &Prk, direction: DatagramDirection) -> Self {
        Self(prk.expand(direction.label()))
    }

    /// The phase after this one: Expand(secret, "ku", 32).
    pub(super) fn next(&self) -> Self {
        Self(expand(&self.0, "ku"))
    }

    /// Expand(secret, "key", 32) and Expand(secret, "iv", 12).
    pub(super) fn key(&self) -> SealingKey {
        SealingKey::new(&expand(&self.0, "key"), expand(&self.0, "iv"))
    }
}
