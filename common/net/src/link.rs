//! Links between nodes: one sealed TCP stream per (initiator, responder, lane), with messages of fixed enums both ways.
//!
//! Tasks here do what is rare and slow: [`keep_linked`] dials one peer and redials for ever, [`admit_links`] serves a
//! listener; both shake hands and give each connection away as a [`HandedLink`]. Who owns it from then on, on a thread
//! without a run time, drives a [`LinkCore`](crate::link_core::LinkCore) over its [`StreamSocket`](crate::stream_socket::StreamSocket).
//!
//! Links do not resume. What must arrive is repeated by whoever sent it, when the next one is up.

mod context;
mod driven;
mod handed;
mod handshake;
mod load_board;
mod meters;
mod node_link;
mod node_listener;
mod peer;
mod permits;
mod stats;
mod store_peers;

pub use context::{LinkConfig, LinkContext};
pub use driven::{DrivenLink, Heard, drive, drive_as};
pub use handed::{HandedLink, LinkLease};
pub use load_board::{LoadBoard, PeerLoad};
pub use meters::{LinkMeters, LinkSight};
pub use node_link::{AddressSource, LinkTarget, keep_linked};
pub use node_listener::admit_links;
pub use peer::{LinkId, PeerDirectory, recheck};
pub use stats::{ClockTrouble, LinkStats, PaperTrouble, PapersOf};
pub use store_peers::{StorePeers, StoresMet};
