//! Who may want something of a region.

use protocol::ids::{NodeNumber, ProxyLane};

/// Who may want cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subscriber {
    /// One lane of a proxy: each wants cells of its own.
    Lane(ProxyLane),
    /// A game server, for its regions beside this one.
    Server(NodeNumber),
}
