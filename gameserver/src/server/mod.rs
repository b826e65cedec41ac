//! The process around a world: settings, the thread that owns its sockets, and control, which shakes hands, verifies and
//! tells. What is said to whom is decided in `world` and `region`.

mod build;
mod census;
mod control_task;
mod game_settings;
mod give;
mod give_away;
mod guest_task;
mod hang_watch;
mod homeless;
mod lease_task;
mod live_metrics;
mod metrics;
mod offer_task;
mod open_store;
mod operate;
mod peer_dialer;
mod played;
mod process;
mod push_task;
mod ready;
mod region_maker;
mod reload;
mod report;
mod run;
mod sanction_watch;
mod settings;
mod status;
mod take_over;
mod topology_gossip;
mod workers;
mod world_mailbox;
mod world_thread;

pub use metrics::METRICS;
pub use played::Played;
pub use process::run;
pub use run::serve;
pub use settings::{Args, GameServerSettings, LimitSettings, StoreTable};
