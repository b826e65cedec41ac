//! TLS at the `http` address: the certificate that is shown there, read anew when its files change, and the handshake of each
//! connection, whose work with keys has a thread of its own: whoever repeats one holds up nobody but those who shake hands.

mod pair;
mod renewal;
mod standing;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use net::connection::Connection;
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(super) use pair::PairError;
use pair::{Pair, PairFiles};
pub(super) use standing::watch;

use super::settings::TlsTable;

/// What the first record of every client begins with. No request of HTTP does.
const HANDSHAKE: u8 = 0x16;

/// The certificate of the moment.
pub(super) struct Tls {
    files: PairFiles,
    /// Of the files that it was read from.
    digest: [u8; 32],
    pair: ArcSwap<Pair>,
}

impl Tls {
    /// Reads what the settings name, if they name something.
    pub(super) fn open(table: &TlsTable) -> Result<Option<Arc<Self>>, PairError> {
        if table.certificate.as_os_str().is_empty() {
            return Ok(None);
        }
        let files = PairFiles {
            certificate: table.certificate.clone(),
            key: table.key.clone(),
        };
        let bytes = files.read()?;
        Ok(Some(Arc::new(Self {
            pair: ArcSwap::from_pointee(files.parse(&bytes)?),
            digest: bytes.digest(),
            files,
        })))
    }

    /// The certificate with its chain and its key, for another protocol than HTTP.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.pair.load().certified)
    }
}

/// Where hands are shaken.
pub(super) struct TlsDoor {
    tls: Arc<Tls>,
    thread: Handle,
}

impl TlsDoor {
    /// Starts the thread; it ends with the drain.
    ///
    /// # Errors
    /// No thread or run time can be had.
    pub(super) fn start(tls: Arc<Tls>, drain: CancellationToken) -> io::Result<(Self, JoinHandle<()>)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let door = Self {
            tls,
            thread: runtime.handle().clone(),
        };
        let builder = std::thread::Builder::new().name("tls".to_owned());
        let thread = builder.spawn(move || runtime.block_on(drain.cancelled()))?;
        Ok((door, thread))
    }

    /// Shakes hands. Whoever comes in clear gets the connection back as it is.
    ///
    /// # Errors
    /// The label to count the refusal under.
    pub(super) async fn meet(&self, io: TcpStream, patience: Duration) -> Result<Connection, &'static str> {
        let met = timeout(patience, self.shake_hands(io)).await;
        met.map_err(|_| "tls_late")?.map_err(|error| {
            tracing::debug!(%error, "a handshake of TLS failed");
            "tls_handshake"
        })
    }

    async fn shake_hands(&self, io: TcpStream) -> io::Result<Connection> {
        let mut first = [0];
        if io.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first != [HANDSHAKE] {
            return Ok(io.into());
        }
        let config = Arc::clone(&self.tls.pair.load().config);
        let accepting = TlsAcceptor::from(config).accept(io);
        let accepted = AbortOnDropHandle::new(self.thread.spawn(accepting)).await??;
        Ok(TlsStream::Server(accepted).into())
    }
}
