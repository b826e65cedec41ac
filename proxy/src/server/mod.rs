//! The proxy process around its pure shards: control, which accepts, shakes hands, logs in and dials; and a thread for each
//! shard, which owns its sockets. Everything about players is decided in [`edge`](crate::edge), everything about streams in
//! [`shard`](crate::shard).

mod arrivals;
mod auth;
mod auth_links;
mod auth_node;
mod balance;
mod browser_queues;
mod build;
mod client_context;
mod client_door;
mod client_listener;
mod client_login;
mod control_task;
mod datagrams;
mod descriptors;
mod directory;
mod door_keeper;
mod handshake_permits;
mod known_names;
mod lane_peers;
mod listeners;
mod live_metrics;
mod mailbox;
mod map;
mod message_line;
mod metrics;
mod other_proxies;
mod owner_reads;
mod proxy_header;
mod proxy_task;
mod rate_limits;
mod ready;
mod refusals;
mod run;
mod sanction_watch;
mod server_dialer;
mod services;
mod settings;
mod shard_desk;
mod shard_handle;
mod shard_meters;
mod shard_thread;
mod status_task;
mod store_table;
mod streams;
mod tls;
mod tools;
mod topology_news;
mod web;
mod webtransport;

pub use auth_node::{AuthNode, AuthSettings, run_auth};
pub use proxy_task::{Addresses, Proxy};
pub use run::{run, serve};
pub use settings::{
    AuthTable, ClientTable, EdgeTable, GuestPolicy, HttpTable, JwtTable, MapAudience, PasswordPolicy,
    ProxyArgs, ProxySettings, TlsTable,
};
pub use shard_handle::SessionCounts;
pub use store_table::StoreTable;
