//! TLS to a database, with its certificate and its name checked: against authorities that the operator names, or those of the
//! system.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use protocol::Shown;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as RustlsStream;

/// Where systems keep the authorities that they trust.
const OF_SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Who may vouch for a database.
#[derive(Clone, Debug)]
pub(super) struct Trust(Arc<ClientConfig>);

/// Why nobody may.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read.
    #[error("cannot read the certificates of the database's authority in {}: {cause}", Shown(path.display()))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The system has no list.
    #[error(
        "this system has no list of certificate authorities; name the one of the database with sslrootcert=FILE in its address"
    )]
    NoList,
    /// The library refuses.
    #[error("TLS cannot be used: {0}")]
    Library(#[from] rustls::Error),
}

impl Trust {
    /// Reads the authorities in `root`, or the system's.
    pub(super) fn read(root: Option<&str>) -> Result<Self, TrustError> {
        let of_system = || OF_SYSTEM.iter().map(Path::new).find(|path| path.exists());
        let path = match root {
            Some(path) if path != "system" => Path::new(path),
            _ => of_system().ok_or(TrustError::NoList)?,
        };
        let failed = |cause: String| TrustError::File {
            path: path.to_owned(),
            cause,
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| failed(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(failed("there is no certificate in it".to_owned()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// Makes connections that are secret where there is trust. Without, none is asked for.
#[derive(Clone, Debug)]
pub(super) struct Secrecy(pub(super) Option<Trust>);

/// Towards one host.
pub(super) struct Towards {
    name: ServerName<'static>,
    trust: Option<Trust>,
}

impl<S> MakeTlsConnect<S> for Secrecy
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Secret<S>;
    type TlsConnect = Towards;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Towards, InvalidDnsNameError> {
        // Without trust nobody is asked for a name, and a socket in a folder has none.
        let name = match self.0 {
            Some(_) => ServerName::try_from(host.to_owned())?,
            None => ServerName::from(std::net::IpAddr::from([127, 0, 0, 1])),
        };
        Ok(Towards {
            name,
            trust: self.0.clone(),
        })
    }
}

impl<S> TlsConnect<S> for Towards
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Secret<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Secret<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let trust = self
                .trust
                .ok_or_else(|| io::Error::other("nobody vouches for the database"))?;
            let connected = TlsConnector::from(trust.0).connect(self.name, stream);
            connected.await.map(Secret)
        })
    }
}

/// A stream under TLS.
pub(super) struct Secret<S>(RustlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Secret<S> {
    /// The database is known by its certificate; a password is never sent to anybody else.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secret<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secret<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
