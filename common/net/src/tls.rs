//! TLS around a TCP stream, for a thread that owns it: it goes on where a handshake ended, and waits for nobody. What is to
//! be written is taken only as fast as the kernel takes what became of it, so that nothing gathers here.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use rustls::Connection;

/// Plain bytes that are taken at once: those of one record.
const TAKE_BYTES: usize = 16 * 1024;
/// Bytes that may arrive beyond those that bring something: a record that is not whole yet, and some …
const BARREN_BYTES_MAX: usize = 32 * 1024;
/// … where each byte that is brought makes up for so many.
const FRUIT: usize = 16;

/// Both directions of one connection.
#[derive(Debug)]
pub(crate) struct Tls {
    session: Connection,
    barren: usize,
    /// Why nothing comes any more, told once everything before it was taken.
    over: Option<&'static str>,
    /// Whether the next read brings something that no poller knows of.
    has_more: bool,
}

impl Tls {
    /// Goes on where a handshake ended.
    pub(crate) fn new(session: Connection) -> Self {
        let mut tls = Self {
            session,
            barren: 0,
            over: None,
            has_more: true,
        };
        tls.decrypt();
        tls
    }

    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether nothing comes any more, and what is said is of no use.
    pub(crate) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Whether something is to be written that the kernel has not taken.
    pub(crate) fn has_unsent(&self) -> bool {
        self.session.wants_write()
    }

    /// Reads what is there; 0 when there is nothing now.
    ///
    /// # Errors
    /// `eof` when the peer has closed or turned away, `io` when the connection is broken, `tls_broken` when the peer does not
    /// keep to TLS, `tls_flood` when much comes and little is said.
    pub(crate) fn read(&mut self, mut tcp: &TcpStream, scratch: &mut [u8]) -> Result<usize, &'static str> {
        loop {
            let came = self.take(scratch);
            self.barren = self.barren.saturating_sub(FRUIT * came);
            if came > 0 || scratch.is_empty() {
                return Ok(came);
            }
            if self.barren > BARREN_BYTES_MAX {
                self.over.get_or_insert("tls_flood");
            }
            if let Some(over) = self.over {
                // The peer is told, if it still listens.
                let _ = self.push_out(tcp);
                self.has_more = true;
                return Err(over);
            }
            match self.session.read_tls(&mut tcp) {
                Ok(0) => self.over = Some("eof"),
                Ok(read) => self.barren += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                Err(_) => self.over = Some("io"),
            }
            self.decrypt();
        }
    }

    fn decrypt(&mut self) {
        if let Err(error) = self.session.process_new_packets() {
            self.over.get_or_insert(match error {
                rustls::Error::AlertReceived(_) => "eof",
                _ => "tls_broken",
            });
        }
    }

    /// What has been decrypted.
    fn take(&mut self, scratch: &mut [u8]) -> usize {
        let mut came = 0;
        while let Some(rest) = scratch.get_mut(came..).filter(|rest| !rest.is_empty()) {
            match self.session.reader().read(rest) {
                Ok(read) if read > 0 => came += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.has_more = self.over.is_some();
                    return came;
                }
                // Over, with a goodbye or without.
                _ => {
                    self.over.get_or_insert("eof");
                    break;
                }
            }
        }
        self.has_more = true;
        came
    }

    /// Takes as much as leaves now, and one record more; the number of bytes.
    ///
    /// # Errors
    /// `io` when the connection is broken.
    pub(crate) fn write(&mut self, tcp: &TcpStream, bytes: &[u8]) -> Result<usize, &'static str> {
        let mut taken = 0;
        loop {
            self.push_out(tcp)?;
            let rest = bytes.get(taken..).unwrap_or_default();
            if rest.is_empty() || self.has_unsent() {
                return Ok(taken);
            }
            let record = rest.get(..TAKE_BYTES).unwrap_or(rest);
            taken += self.session.writer().write(record).map_err(|_| "io")?;
        }
    }

    /// Nothing more is written, and the peer is told so. Only the first time counts.
    pub(crate) fn close(&mut self) {
        self.session.send_close_notify();
    }

    fn push_out(&mut self, mut tcp: &TcpStream) -> Result<(), &'static str> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut tcp) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err("io"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
    use std::net::TcpListener;
    use std::sync::Arc;

    /// A client behind its handshake, and the server's end of it.
    fn pair() -> ((ClientConnection, TcpStream), (Tls, TcpStream)) {
        let certificate = include_bytes!("../../../proxy/tests/certificates/one.pem");
        let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
        let key = include_bytes!("../../../proxy/tests/certificates/one.key");
        let key = PrivateKeyDer::from_pem_slice(key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let client = client.with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let server = ServerConfig::builder_with_provider(provider);
        let server = server.with_safe_default_protocol_versions().unwrap();
        let server = server
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut ours = listener.accept().unwrap().0;
        let mut server = ServerConnection::new(Arc::new(server.unwrap())).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let shaking = std::thread::spawn(move || {
            while client.is_handshaking() {
                client.complete_io(&mut theirs).unwrap();
            }
            (client, theirs)
        });
        while server.is_handshaking() || server.wants_write() {
            server.complete_io(&mut ours).unwrap();
        }
        ours.set_nonblocking(true).unwrap();
        let (client, theirs) = shaking.join().unwrap();
        theirs.set_nodelay(true).unwrap();
        ((client, theirs), (Tls::new(server.into()), ours))
    }

    fn sealed(client: &mut ClientConnection) -> Vec<u8> {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// The next read that is not 0.
    fn read(tls: &mut Tls, tcp: &TcpStream, scratch: &mut [u8]) -> Result<usize, &'static str> {
        for _ in 0..10_000 {
            match tls.read(tcp, scratch) {
                Ok(0) => std::thread::sleep(std::time::Duration::from_millis(1)),
                read => return read,
            }
        }
        panic!("nothing comes")
    }

    #[test]
    fn what_came_before_the_peer_broke_tls_is_told_before_the_end() {
        let ((mut client, mut theirs), (mut tls, ours)) = pair();
        client.writer().write_all(b"hello").unwrap();
        let mut bytes = sealed(&mut client);
        bytes.extend([0xFF; 32]);
        theirs.write_all(&bytes).unwrap();
        let mut scratch = [0; 64];
        assert_eq!(read(&mut tls, &ours, &mut scratch), Ok(5));
        assert_eq!(&scratch[..5], b"hello");
        assert_eq!(read(&mut tls, &ours, &mut scratch), Err("tls_broken"));
        assert!(tls.has_more() && tls.is_over());
    }

    #[test]
    fn who_changes_keys_all_the_time_and_says_little_is_a_flood_however_it_is_cut() {
        let ((mut client, mut theirs), (mut tls, ours)) = pair();
        let mut scratch = [0; 64];
        let mut said = 0;
        let flood = (0..2_000).find_map(|round| {
            client.refresh_traffic_keys().unwrap();
            if round % 32 == 0 {
                client.writer().write_all(b".").unwrap();
            }
            theirs.write_all(&sealed(&mut client)).unwrap();
            match tls.read(&ours, &mut scratch) {
                Ok(read) => {
                    said += read;
                    None
                }
                Err(label) => Some(label),
            }
        });
        assert_eq!(flood, Some("tls_flood"), "{said} bytes were said");
        let ((mut client, mut theirs), (mut tls, ours)) = pair();
        for _ in 0..4_000 {
            client.writer().write_all(b"a short word").unwrap();
            theirs.write_all(&sealed(&mut client)).unwrap();
            assert!(
                read(&mut tls, &ours, &mut scratch).is_ok(),
                "honest ones are none"
            );
        }
    }
}
