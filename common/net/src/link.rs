//! Links between nodes: one sealed TCP stream per (initiator, responder, lane), with messages of fixed enums both ways.
//!
//! [`dial_link`] dials one peer and redials for ever; [`accept_links`] serves a listener. Each link is three things: a
//! reader, which calls the owner's [`LinkHandler`] once per frame; a writer, which alone writes; and any number of
//! [`LinkSender`]s, which only queue. Reader and writer live and die together. Nobody here ever waits for a peer:
//! heartbeats, dead peers, revocations and expired certificates are seen to even while a write hangs.
//!
//! Links do not resume. What must arrive is repeated by whoever sent it, when [`LinkHandler::handle_up`] is called again.

mod context;
mod control;
mod handed;
mod handler;
mod handshake;
mod load_board;
mod meters;
mod node_link;
mod node_listener;
mod peer;
mod permits;
mod registry;
mod run;
mod sender;
mod stats;
mod writer_task;

pub use context::{LinkConfig, LinkContext};
pub use control::DownReason;
pub use handed::{HandedLink, LinkLease};
pub use handler::{LinkHandler, LinkUp};
pub use load_board::{LoadBoard, PeerLoad};
pub use meters::{LinkMeters, LinkSight};
pub use node_link::{AddressSource, LinkTarget, dial_link, keep_linked};
pub use node_listener::{accept_links, admit_links};
pub use peer::{LinkId, PeerDirectory, recheck};
pub use registry::{LinkRegistry, LinkStatus};
pub use sender::{LinkSender, SendError};
pub use stats::LinkStats;
