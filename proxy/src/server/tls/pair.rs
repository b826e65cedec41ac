//! A certificate with its key, as two files have them.

use std::path::PathBuf;
use std::sync::Arc;

use node::files::{self, Access, FileError};
use protocol::Shown;
use protocol::keys::sha256;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig};
use topology::Host;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::time::Time;

/// Bytes of a file with a chain of certificates; of one with a key there are always fewer.
const FILE_BYTES_MAX: usize = 256 * 1024;
/// The one protocol that is spoken here.
const ALPN: &[u8] = b"http/1.1";

/// Where they are.
#[derive(Clone, Debug)]
pub(in crate::server) struct PairFiles {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// What stands in the two files.
pub(super) struct PairBytes {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Why they are of no use. Each is one sentence with what to do.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum PairError {
    /// A file cannot be had.
    #[error(transparent)]
    File(#[from] FileError),
    /// No certificate.
    #[error("{} (tls.certificate) holds no certificate in PEM; write the proxy's own into it, and behind it those that vouch for it", Shown(.0.display()))]
    NoCertificate(PathBuf),
    /// Something that calls itself one.
    #[error("{} (tls.certificate) begins with a certificate that cannot be read; have it issued anew", Shown(.0.display()))]
    Illegible(PathBuf),
    /// No key.
    #[error("{} (tls.key) holds no private key in PEM; write into it the one that the certificate was issued for", Shown(.0.display()))]
    NoKey(PathBuf),
    /// A key behind a password, which nobody is here to give.
    #[error("{} (tls.key) holds a key that is encrypted; write it without a password: openssl pkey -in OLD -out NEW", Shown(.0.display()))]
    EncryptedKey(PathBuf),
    /// They do not belong together.
    #[error("the key in {} is not that of the first certificate in {}; name files that were issued together, the proxy's own certificate first", Shown(.0.key.display()), Shown(.0.certificate.display()))]
    Strangers(PairFiles),
    /// The library refuses them.
    #[error("{} and {} cannot be used together: {why}; have them issued anew", Shown(files.certificate.display()), Shown(files.key.display()))]
    Unusable {
        /// The files.
        files: PairFiles,
        /// What it says.
        why: rustls::Error,
    },
}

/// A certificate that connections are made with.
pub(super) struct Pair {
    pub(super) config: Arc<ServerConfig>,
    pub(super) validity: Validity,
    own: CertificateDer<'static>,
    /// The same for other protocols.
    pub(super) certified: Arc<CertifiedKey>,
}

/// From when until when a certificate is good, Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
}

impl Validity {
    /// `None`: it is no certificate.
    fn of(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let validity = certificate.tbs_certificate().validity();
        let ms = |time: Time| i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX);
        Some(Self {
            from_ms: ms(validity.not_before),
            until_ms: ms(validity.not_after),
        })
    }
}

impl PairFiles {
    /// Both, as far as they can be read at all.
    pub(super) fn read(&self) -> Result<PairBytes, PairError> {
        let read = |path, access, remedy| files::read_or(path, FILE_BYTES_MAX, access, remedy);
        let certificate = "name the certificate's file with tls.certificate";
        Ok(PairBytes {
            certificate: read(&self.certificate, Access::Public, certificate)?,
            key: read(
                &self.key,
                Access::Secret,
                "name the file of its private key with tls.key",
            )?,
        })
    }

    /// What they make together.
    pub(super) fn parse(&self, bytes: &PairBytes) -> Result<Pair, PairError> {
        let certificate = || self.certificate.clone();
        let chain = CertificateDer::pem_slice_iter(&bytes.certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| PairError::NoCertificate(certificate()))?;
        let own = chain.first().cloned();
        let own = own.ok_or_else(|| PairError::NoCertificate(certificate()))?;
        let validity = Validity::of(&own).ok_or_else(|| PairError::Illegible(certificate()))?;
        let key = PrivateKeyDer::from_pem_slice(&bytes.key).map_err(|_| self.no_key(&bytes.key))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|why| self.unusable(why))?;
        let certified = Arc::new(certified);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| self.unusable(why))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&certified))));
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Pair {
            config: Arc::new(config),
            validity,
            own,
            certified,
        })
    }

    fn unusable(&self, why: rustls::Error) -> PairError {
        let files = self.clone();
        match why {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => PairError::Strangers(files),
            why => PairError::Unusable { files, why },
        }
    }

    fn no_key(&self, bytes: &[u8]) -> PairError {
        let is_encrypted = bytes.windows(9).any(|word| word == b"ENCRYPTED");
        match is_encrypted {
            true => PairError::EncryptedKey(self.key.clone()),
            false => PairError::NoKey(self.key.clone()),
        }
    }
}

impl PairBytes {
    /// Other files, another digest.
    pub(super) fn digest(&self) -> [u8; 32] {
        sha256(&[&sha256(&[&self.certificate]), &self.key])
    }
}

impl Pair {
    /// Whether a browser that comes to this host takes the certificate for its own. What the certificate does not tell is
    /// not held against it.
    pub(super) fn is_of(&self, host: &Host) -> bool {
        let name = match host {
            Host::Ip(ip) => Ok(ServerName::from(*ip)),
            Host::Name(name) => ServerName::try_from(name.clone()),
        };
        match (name, ParsedCertificate::try_from(&self.own)) {
            (Ok(name), Ok(own)) => rustls::client::verify_server_name(&own, &name).is_ok(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_certificate_are_read_and_a_cut_one_is_none() {
        let of = |pem: &[u8]| CertificateDer::from_pem_slice(pem).unwrap();
        let one = of(include_bytes!("../../../tests/certificates/one.pem"));
        let expired = of(include_bytes!("../../../tests/certificates/expired.pem"));
        let wanted = |until_ms| {
            Some(Validity {
                from_ms: 1_577_836_800_000,
                until_ms,
            })
        };
        assert_eq!(Validity::of(&one), wanted(4_922_899_200_000));
        assert_eq!(Validity::of(&expired), wanted(1_609_459_200_000));
        for cut in 0..one.len() {
            assert_eq!(Validity::of(&one[..cut]), None, "{cut}");
        }
    }
}
