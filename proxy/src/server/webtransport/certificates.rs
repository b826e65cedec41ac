//! What WebTransport proves itself by: the certificate of HTTPS where there is one, else one of its own that lives for less than two weeks, and
//! of which browsers are told the digest. They take such a one without any authority, if it is for a key on P-256 and for 14 days
//! at most (W3C, WebTransport, "custom certificate requirements").

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use node::files::hex;
use protocol::keys::sha256;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use topology::Host;

use super::StartError;
use crate::server::tls::Tls;

/// How long one is good.
const LIFE: Duration = Duration::from_hours(13 * 24);
/// How long before it is made: clocks of browsers may be slow.
const EARLY: Duration = Duration::from_hours(24);
/// How long each is shown. The one after it is there by then, and told as long before.
const TURN: Duration = Duration::from_hours(4 * 24);

const _: () = assert!(EARLY.as_secs() + 2 * TURN.as_secs() < LIFE.as_secs());

/// What is shown.
pub(in crate::server) enum Certificates {
    /// The one of HTTPS, whatever it is at the moment.
    OfHttps(Arc<Tls>),
    /// Its own, for this host.
    Own(Host, ArcSwap<OwnPairs>),
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OfHttps(_) => "OfHttps",
            Self::Own(..) => "Own",
        })
    }
}

/// The one that is shown and the one that will be.
pub(in crate::server) struct OwnPairs {
    shown: OwnPair,
    next: OwnPair,
    since_ms: u64,
}

impl OwnPairs {
    /// SHA-256 of both, in hexadecimal digits.
    pub(in crate::server) fn digests(&self) -> [String; 2] {
        [&self.shown, &self.next].map(|pair| hex(&sha256(&[&pair.certificate])))
    }
}

#[derive(Clone)]
struct OwnPair {
    certificate: CertificateDer<'static>,
    certified: Arc<CertifiedKey>,
}

impl Certificates {
    /// The one of HTTPS, or else its own for this host.
    ///
    /// # Errors
    /// None can be made.
    pub(in crate::server) fn new(
        of_https: Option<Arc<Tls>>,
        host: &Host,
        wall_ms: u64,
    ) -> Result<Self, StartError> {
        if let Some(tls) = of_https {
            return Ok(Self::OfHttps(tls));
        }
        let pairs = OwnPairs {
            shown: OwnPair::make(host, wall_ms)?,
            next: OwnPair::make(host, wall_ms)?,
            since_ms: wall_ms,
        };
        Ok(Self::Own(host.clone(), ArcSwap::from_pointee(pairs)))
    }

    /// What browsers are told by digest; `None`: authorities vouch for what is shown.
    pub(in crate::server) fn own(&self) -> Option<Arc<OwnPairs>> {
        match self {
            Self::OfHttps(_) => None,
            Self::Own(_, pairs) => Some(pairs.load_full()),
        }
    }

    /// Shows the next one when it is time, and makes one after that.
    ///
    /// # Errors
    /// None can be made: the one that is shown stays.
    pub(super) fn turn(&self, wall_ms: u64) -> Result<(), StartError> {
        let Self::Own(host, pairs) = self else {
            return Ok(());
        };
        let now = pairs.load_full();
        // A clock that was set back makes one that is good too late.
        let is_due = wall_ms.abs_diff(now.since_ms) >= TURN.as_millis() as u64;
        if is_due {
            pairs.store(Arc::new(OwnPairs {
                shown: now.next.clone(),
                next: OwnPair::make(host, wall_ms)?,
                since_ms: wall_ms,
            }));
        }
        Ok(())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(match self {
            Self::OfHttps(tls) => tls.certified(),
            Self::Own(_, pairs) => Arc::clone(&pairs.load().shown.certified),
        })
    }
}

impl OwnPair {
    fn make(host: &Host, wall_ms: u64) -> Result<Self, StartError> {
        let from = SystemTime::UNIX_EPOCH + Duration::from_millis(wall_ms).saturating_sub(EARLY);
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "regionmesh");
        params.not_before = from.into();
        params.not_after = (from + LIFE).into();
        params.subject_alt_names = vec![match host {
            Host::Ip(ip) => SanType::IpAddress(*ip),
            Host::Name(name) => SanType::DnsName(name.as_str().try_into()?),
        }];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.self_signed(&key)?.der().clone();
        let provider = rustls::crypto::ring::default_provider();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let certified = CertifiedKey::from_der(vec![certificate.clone()], key, &provider)?;
        Ok(Self {
            certificate,
            certified: Arc::new(certified),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
    use x509_cert::Certificate;
    use x509_cert::der::{Decode as _, Encode as _};

    const DAY_MS: u64 = 24 * 3_600_000;
    /// 30 November 2026.
    const NOW_MS: u64 = 1_796_000_000_000;

    fn shown(certificates: &Certificates) -> CertificateDer<'static> {
        certificates.own().unwrap().shown.certificate.clone()
    }

    #[test]
    fn its_own_is_what_browsers_take_by_digest() {
        for (host, now_ms) in [
            ("127.0.0.1:1", NOW_MS),
            ("[::1]:1", NOW_MS),
            ("edge-1.example:1", 2_600_000_000_000),
        ] {
            let host = host.parse::<topology::Address>().unwrap().host;
            let der = shown(&Certificates::new(None, &host, now_ms).unwrap());
            let certificate = Certificate::from_der(&der).unwrap();
            let body = certificate.tbs_certificate();
            let ms = |time: x509_cert::time::Time| time.to_unix_duration().as_millis() as u64;
            let (from, until) = (ms(body.validity().not_before), ms(body.validity().not_after));
            assert!(from < now_ms && now_ms + 8 * DAY_MS < until && until - from <= 14 * DAY_MS);
            let key = body.subject_public_key_info().subject_public_key.raw_bytes();
            assert_eq!(key.len(), 65, "a point on P-256");
            let signed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key);
            let signature = certificate.signature().raw_bytes();
            signed.verify(&body.to_der().unwrap(), signature).unwrap();
            let name = match &host {
                Host::Ip(ip) => rustls::pki_types::ServerName::from(*ip),
                Host::Name(name) => rustls::pki_types::ServerName::try_from(name.clone()).unwrap(),
            };
            let parsed = rustls::server::ParsedCertificate::try_from(&der).unwrap();
            rustls::client::verify_server_name(&parsed, &name).unwrap();
        }
    }

    #[test]
    fn each_is_told_before_it_is_shown_and_gone_before_its_end() {
        let host = Host::Name("localhost".to_owned());
        let certificates = Certificates::new(None, &host, NOW_MS).unwrap();
        let mut told = certificates.own().unwrap().digests();
        for day in 1..60 {
            let now_ms = NOW_MS + day * DAY_MS;
            certificates.turn(now_ms).unwrap();
            let pairs = certificates.own().unwrap();
            let digests = pairs.digests();
            assert!(
                told.contains(&digests[0]),
                "a page that was told yesterday comes in"
            );
            told = digests;
            let parsed = Certificate::from_der(&pairs.shown.certificate).unwrap();
            let until = parsed.tbs_certificate().validity().not_after.to_unix_duration();
            assert!(u128::from(now_ms + DAY_MS) < until.as_millis(), "day {day}");
        }
        assert_ne!(told[0], told[1]);
    }
}
