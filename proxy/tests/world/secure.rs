//! Certificates of `tests/certificates`, and clients that believe one of them.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use net::connection::Connection;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::World;

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates");
    std::fs::read(folder.join(name)).unwrap()
}

impl World {
    /// Settings of a proxy that speaks TLS, with the certificate of this name.
    pub fn tls_settings(&self, name: &str) -> proxy::server::ProxySettings {
        let mut settings = self.settings("edge-1");
        settings.tls.certificate = self.path("http.pem");
        settings.tls.key = self.path("http.key");
        self.write_certificate(name);
        self.write_key(name);
        settings
    }

    /// Writes the certificate of this name over the one of before.
    pub fn write_certificate(&self, name: &str) {
        std::fs::write(self.path("http.pem"), file(&format!("{name}.pem"))).unwrap();
    }

    /// Its key, likewise.
    pub fn write_key(&self, name: &str) {
        let path = self.path("http.key");
        std::fs::write(&path, file(&format!("{name}.key"))).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// A client of HTTP that believes the certificate of this name and no other.
pub fn believer(name: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(&file(&format!("{name}.pem"))).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// A connection over TLS, on one that is there already.
pub async fn secured(io: TcpStream, name: &str) -> io::Result<Connection> {
    let server = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    let connected = believer(name).connect(server, io).await?;
    Ok(TlsStream::Client(connected).into())
}

/// A connection over TLS to a proxy that shows the certificate of this name.
pub async fn secure(at: SocketAddr, name: &str) -> io::Result<Connection> {
    secured(TcpStream::connect(at).await?, name).await
}
