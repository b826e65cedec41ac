//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// As far as the connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) from: SocketAddr,
}
