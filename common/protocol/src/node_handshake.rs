//! How two nodes prove who they are and agree on keys: four messages, authenticated both ways, forward secret.
//!
//! 1. M1 `hello`, clear: the initiator's ephemeral key. The hello HMAC stops scanners before any public-key work.
//! 2. M2 `answer`: the responder's ephemeral key, and sealed under both its certificate and a signature over everything
//!    so far: stops whoever sits in between, whoever answers for another, and every downgrade.
//! 3. M3 `proof`: the initiator's certificate and signature, sealed: stops strangers, and hides identities from listeners.
//! 4. M4 `welcome`, the first frame under traffic keys: yes or no with a code; proves that both hold the same keys.
//!
//! [`Initiator`] and [`Responder`] are pure: frames in, frames out. Any error means: close without a word.
//! Byte tables and rules NH-n are in `docs/protocol.md`.

mod answer;
mod duplicate;
mod error;
mod established;
mod hello;
mod initiator;
mod lane;
mod local;
mod policy;
mod proof;
mod responder;
#[cfg(test)]
mod rogue;
mod schedule;
mod standing;
mod store;
mod version;
mod welcome;

pub use crate::ids::{Lane, Lanes};
pub use duplicate::{LinkChoice, newer_link};
pub use error::HandshakeError;
pub use established::{EstablishedNode, LinkTerms, VerifiedPeer};
pub use initiator::{Initiator, InitiatorStep};
pub use local::LocalNode;
pub use policy::{PeerPolicy, PeerStanding};
pub use responder::{Responder, ResponderStep};
pub use store::StoreIdentity;
pub use version::{VERSION, VERSION_MIN};
