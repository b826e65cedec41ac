//! TLS around a TCP stream, for a thread that owns it: it goes on where a handshake ended, and waits for nobody. What is to
//! be written is taken only as fast as the kernel takes what became of it, so that nothing gathers here.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use rustls::Connection;

/// Plain bytes that are taken at once: those of one record.
const TAKE_BYTES: usize = 16 * 1024;
/// Bytes that may arrive in one read without bringing anything: a record that is not whole yet, and some.
const BARREN_BYTES_MAX: usize = 32 * 1024;

/// Both directions of one connection.
#[derive(Debug)]
pub(crate) struct Tls {
    session: Connection,
    /// Whether the next read brings something that no poller knows of.
    has_more: bool,
}

impl Tls {
    /// Goes on where a handshake ended.
    pub(crate) fn new(session: Connection) -> Self {
        Self {
            session,
            has_more: true,
        }
    }

    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether something is to be written that the kernel has not taken.
    pub(crate) fn has_unsent(&self) -> bool {
        self.session.wants_write()
    }

    /// Reads what is there; 0 when there is nothing now.
    ///
    /// # Errors
    /// `eof` when the peer has closed or turned away, `io` when the connection is broken, `tls_broken` when the peer does not
    /// keep to TLS, `tls_flood` when much comes and nothing is said.
    pub(crate) fn read(&mut self, mut tcp: &TcpStream, scratch: &mut [u8]) -> Result<usize, &'static str> {
        let mut barren = 0;
        loop {
            let came = self.take(scratch)?;
            if came > 0 || scratch.is_empty() {
                return Ok(came);
            }
            if barren > BARREN_BYTES_MAX {
                return Err("tls_flood");
            }
            match self.session.read_tls(&mut tcp) {
                Ok(0) => return Err("eof"),
                Ok(read) => barren += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                Err(_) => return Err("io"),
            }
            if let Err(error) = self.session.process_new_packets() {
                // The peer is told, if it still listens.
                let _ = self.push_out(tcp);
                return Err(match error {
                    rustls::Error::AlertReceived(_) => "eof",
                    _ => "tls_broken",
                });
            }
        }
    }

    /// What has been decrypted.
    fn take(&mut self, scratch: &mut [u8]) -> Result<usize, &'static str> {
        let mut came = 0;
        self.has_more = false;
        while let Some(rest) = scratch.get_mut(came..).filter(|rest| !rest.is_empty()) {
            match self.session.reader().read(rest) {
                Ok(read) if read > 0 => came += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(came),
                // Over, with a goodbye or without.
                _ if came == 0 => return Err("eof"),
                _ => break,
            }
        }
        self.has_more = true;
        Ok(came)
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
