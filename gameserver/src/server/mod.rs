//! The shell around the regions of one game server: settings, sockets, links, timers, the store. It carries and counts;
//! what it carries is decided in `region`, `dispatch` and `join_check`.

mod build;
mod census;
mod inbox;
mod link_room;
mod link_table;
mod metrics;
mod outbound;
mod peer_link;
mod peer_listener;
mod peer_messages;
mod proxy_listener;
mod proxy_peer;
mod recent_times;
mod region_task;
mod report;
mod run;
mod settings;
mod sorting;
mod status;
mod switchboard;
mod tick_schedule;
mod topology_gossip;

pub use metrics::METRICS;
pub use run::{run, serve};
pub use settings::{Args, GameServerSettings, GameSettings, LimitSettings, StoreTable};
