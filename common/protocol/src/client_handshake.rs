//! The client handshake: a client proves its session key, a proxy its certificate and role, and both get fresh keys.
//!
//! Pure: entropy and time are arguments; what goes in and out are payloads of frames under `HandshakeKey::client`
//! (`ClientHello`, `ProxyAnswer`, `ClientLogin`, `ProxyWelcome`). A proxy that trusts two authority keys tries both hello keys,
//! and answers as the [`ProxyIdentity`] whose key fits.
//!
//! 1. [`ClientInitiator::start`] makes **C1**: versions and an ephemeral key. Padded, so that an answer is never much larger.
//! 2. [`ProxyResponder::receive_c1`] answers **P2**: certificate, role voucher and a signature over the transcript, sealed.
//!    The signature stops a man in the middle and a downgrade; the voucher stops a game server that poses as a proxy.
//! 3. [`ClientInitiator::receive_p2`] checks all three and makes **C3**: the login, sealed to this proxy alone and of one size
//!    whatever is in it, and the client key's signature, which stops a stolen ticket.
//! 4. [`ProxyResponder::open_c3`] gives the [`LoginRequest`]; the caller takes its time and then says
//!    [`PendingLogin::accept`] or [`PendingLogin::refuse`], which make **P4**, sealed under a key of its own.
//! 5. [`ClientAwaitingWelcome::receive_p4`] opens it. Everything after travels under the keys of [`EstablishedClient`].
//!
//! Layouts and numbered rules: `docs/protocol.md`, *Client handshake*.

mod error;
mod hello;
mod initiator;
mod login;
mod responder;
mod schedule;
mod welcome;

pub use error::ClientHandshakeError;
pub use hello::{C1_BYTES, P2_BYTES, PROTOCOL_VERSION, Versions, hello_refusal};
pub use initiator::{ClientAnswer, ClientAwaitingWelcome, ClientInitiator, ClientTrust, Login, ProxyPeer};
pub use login::{C3_BYTES, Credentials, LoginRequest};
pub use responder::{PendingLogin, ProxyIdentity, ProxyResponder};
pub use schedule::EstablishedClient;
pub use welcome::{Refusal, Welcome};
