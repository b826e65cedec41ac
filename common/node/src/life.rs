//! The life of a process: config → build → start → drain, and how it ends.
//!
//! SIGTERM, SIGINT, SIGHUP and `POST /drain` drain; a signal later than a second after the first forces. A thread or task that the node cannot do without
//! ([`Owners`]) ends it when it is lost. Why a process ended is its exit code.

mod exit;
mod fatal;
mod owners;
mod parent;
mod pulse;
mod run;
mod shutdown;
mod signals;
mod watchdog;

pub use exit::{Exit, Failure};
pub use fatal::{Fatal, Loss};
pub use owners::{Ended, OwnerThread, Owners};
pub use parent::watch_parent;
pub use pulse::{Pulse, Sight};
pub use run::{Node, NodeProcess, run};
pub use shutdown::Shutdown;
pub use signals::drain_on_signals;
pub use watchdog::{LOOK_EVERY, Patience, Standing, Watch};
