//! The life of a process: config → build → start → drain, and how it ends.
//!
//! SIGTERM, SIGINT and `POST /drain` drain; a second signal forces. Why a process ended is its exit code.

mod exit;
mod parent;
mod run;
mod shutdown;
mod signals;

pub use exit::{Exit, Failure};
pub use parent::watch_parent;
pub use run::{Node, NodeProcess, run};
pub use shutdown::Shutdown;
pub use signals::drain_on_signals;
