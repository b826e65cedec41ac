//! An auth node: a process that alone reads passwords and tokens. Proxies pass on what clients have sealed to its key, and it answers
//! with a ticket or with why not. It has nothing of the world.

mod desk;
mod node_task;
mod settings;

pub use node_task::{AuthNode, run_auth};
pub use settings::AuthSettings;
