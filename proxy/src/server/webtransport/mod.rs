//! Datagrams of browsers: sessions of WebTransport, whose datagrams are those that native clients send over UDP, sealed as
//! they are. One thread speaks QUIC and nothing else; shards are brought what comes and leave what goes in bounded queues, and
//! neither waits for the other. Who a datagram is from is decided by its shard, as for any other; how many sessions there may
//! be and from where is decided here.
//!
//! A session is an addition to one over WebSocket, and dies without a word: the client goes on there.

mod certificates;
mod relay;

use std::io;
use std::sync::Arc;

use topology::{Address, Url};

pub(super) use certificates::{Certificates, OwnPairs};
pub(super) use relay::{Relay, RelayParts};

/// Where sessions are asked for.
const PATH: &str = "/datagrams";

/// What browsers are told of it.
pub(super) struct WebTransport {
    /// Where it listens.
    pub(super) port: u16,
    pub(super) certificates: Arc<Certificates>,
}

impl WebTransport {
    /// Where browsers find it, which the topology has `advertised`.
    pub(super) fn url(&self, advertised: &Address) -> String {
        let mut address = advertised.clone();
        if address.port == 0 {
            address.port = self.port;
        }
        format!("{}{PATH}", Url::over_tls(&address))
    }
}

/// What goes wrong as it is started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// A certificate of its own could not be made.
    #[error("no certificate could be made for WebTransport: {0}")]
    Certificate(#[from] rcgen::Error),
    /// No run time can be had, or the socket is of no use.
    #[error("WebTransport could not be started: {0}")]
    Io(#[from] io::Error),
    /// The library refuses what it is given.
    #[error("WebTransport could not be started: {0}")]
    Tls(#[from] rustls::Error),
}
