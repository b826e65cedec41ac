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
//! [`Client`] drives sockets on tokio. [`SweptClient`] is for a loop of one's own that plays many players. [`core`] is all of
//! it without any IO, for other drivers and for tests.

mod carrier;
mod client;
mod connection;
mod join_file;
mod swept_client;

pub use crate::carrier::Carrier;
pub use crate::client::Client;
pub use crate::join_file::{AuthKey, JoinFile, JoinFileError, ObservedNode, ProxyAddress};
pub use crate::swept_client::{Scratch, SweptClient};
pub use client_core as core;
pub use client_core::{
    ClientEvent, CommandError, ConnectOptions, ConnectionError, DatagramPath, Datagrams, Entity,
    SnapshotNews, Traffic, World, WorldShape,
};
pub use protocol::client_handshake::{ClientTrust, Credentials};
pub use protocol::datagram::{ConnectionId, Transport};
pub use protocol::message::player::CommandClass;
