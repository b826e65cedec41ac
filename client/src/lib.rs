//! Client SDK: connect, send, receive, view the world, resume.
//!
//! ```no_run
//! # async fn play() -> Result<(), Box<dyn std::error::Error>> {
//! use client::{Client, ClientEvent, ConnectOptions, Credentials, Datagrams, JoinFile};
//!
//! let join = JoinFile::read(std::path::Path::new("join.json"))?;
//! let credentials = Credentials::Guest { name: "Ada".to_owned() };
//! let options = ConnectOptions {
//!     proxies: join.addresses(),
//!     trust: join.trust()?,
//!     credentials,
//!     datagrams: Datagrams::Allowed,
//! };
//! let mut client = Client::connect(options).await?;
//! loop {
//!     if let ClientEvent::Snapshot(news) = client.next_event().await? {
//!         println!("tick {}, {} in view", news.tick, client.world().map_or(0, |world| world.entities().len()));
//!     }
//! }
//! # }
//! ```
//!
//! [`Client`] drives sockets on tokio; [`core::Core`] is the same session without any IO, for other drivers and for tests.

mod client;
mod connection;
pub mod core;
mod join_file;

pub use crate::client::{Client, ConnectOptions, Traffic};
pub use crate::connection::{ConnectionError, Datagrams};
pub use crate::core::{ClientEvent, CommandError, Entity, SnapshotNews, World, WorldShape};
pub use crate::join_file::{JoinFile, JoinFileError, ObservedNode, ProxyAddress};
pub use protocol::client_handshake::{ClientTrust, Credentials};
pub use protocol::datagram::Transport;
pub use protocol::message::player::CommandClass;
