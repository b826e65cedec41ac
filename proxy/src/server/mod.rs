//! The proxy process around the pure edge: sockets, threads, links and the auth role. What it decides by itself is small
//! and in files of its own; everything about players is decided in [`edge`](crate::edge).

mod auth;
mod build;
mod client_context;
mod client_listener;
mod client_login;
mod client_peer;
mod client_queue;
mod directory;
mod handshake_permits;
mod inbox;
mod metrics;
mod other_proxies;
mod owner_reads;
mod prefix;
mod proxy_task;
mod rate_limits;
mod ready;
mod refusals;
mod run;
mod server_link;
mod server_links;
mod services;
mod settings;
mod shard_effects;
mod shard_handle;
mod shard_thread;
mod status_task;
mod subscriptions;
mod topology_news;

pub use proxy_task::{Addresses, Proxy};
pub use run::{run, serve};
pub use settings::{AuthTable, ClientTable, EdgeTable, GuestPolicy, ProxyArgs, ProxySettings, StoreTable};
pub use shard_handle::SessionCounts;
