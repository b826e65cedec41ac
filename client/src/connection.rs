//! One connection to one proxy: the handshake, then a sealed stream and a UDP socket, driven by hand.

use std::time::Duration;

use client_core::{
    Attachment, Comeback, ConnectOptions, ConnectionError, DatagramPath, Dial, Established, Logins, Reading,
    STAGED_BYTES_MAX, Session, batches,
};
use net::clock::{Monotonic, wall_ms};
use net::entropy::OsEntropy;
use net::sealed_stream::{RawStream, SealedReader, SealedWriter, SweptStream};
use protocol::frame::Frame;
use protocol::identity::ClientKey;
use protocol::limits;
use protocol::message::family::{BatchMessage as _, ClientToProxy};
use rand::Rng as _;
use tokio::net::UdpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::carrier::{Carrier, ended};

/// Logs in at the first proxy that answers, with a key of its own.
pub(crate) async fn log_in(
    options: ConnectOptions,
    reading: Reading,
    over: (&Carrier, Monotonic),
) -> Result<(Session, Dialed), ConnectionError> {
    log_in_with(ClientKey::generate(&mut OsEntropy), options, reading, over).await
}

/// The same with this key.
pub(crate) async fn log_in_with(
    key: ClientKey,
    options: ConnectOptions,
    reading: Reading,
    (carrier, clock): (&Carrier, Monotonic),
) -> Result<(Session, Dialed), ConnectionError> {
    let mut logins = Logins::new(&options, &key);
    if matches!(carrier, Carrier::WebSocket(_)) {
        // Proxies are named by the address of their streams.
        logins = logins.staying();
    }
    while let Some(login) = logins.next_dial() {
        match dial(login, carrier, clock).await {
            Ok(dialed) => {
                let session = Session::new(options, key, &dialed.established, reading);
                return Ok((session, dialed));
            }
            Err(error) => logins.failed(error)?,
        }
    }
    Err(logins.in_vain())
}

/// Goes where a session says that it comes back, until it does or gives up.
pub(crate) async fn return_by(
    mut comeback: Comeback,
    carrier: Carrier,
    clock: Monotonic,
) -> Result<Dialed, ConnectionError> {
    loop {
        while let Some(next) = comeback.next_dial() {
            match dial(next, &carrier, clock).await {
                Ok(dialed) => return Ok(dialed),
                Err(error) => comeback.failed(error)?,
            }
        }
        let pause_ms = comeback.pause_ms(clock.now_ms(), rand::rng().next_u64())?;
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}

async fn dial(dial: Dial, carrier: &Carrier, clock: Monotonic) -> Result<Dialed, ConnectionError> {
    let limit = Duration::from_millis(limits::CLIENT_HANDSHAKE_MS_MAX);
    match tokio::time::timeout(limit, shake_hands(dial, carrier, clock)).await {
        Ok(result) => result,
        Err(_) => Err(ConnectionError::TimedOut),
    }
}

async fn shake_hands(dial: Dial, carrier: &Carrier, clock: Monotonic) -> Result<Dialed, ConnectionError> {
    let stream = carrier.connect(dial.proxy, clock).await?;
    greet(dial, stream, clock).await
}

/// The handshake alone.
pub(crate) async fn greet(
    dial: Dial,
    mut stream: RawStream,
    clock: Monotonic,
) -> Result<Dialed, ConnectionError> {
    let (handshake, hello) = dial.start(wall_ms(), &mut OsEntropy)?;
    stream.write(&hello).await.map_err(ended)?;
    let answer = stream.next_raw().await.map_err(ended)?;
    let (handshake, login) = handshake.answered(answer, wall_ms())?;
    stream.write(&login).await.map_err(ended)?;
    let welcome = stream.next_raw().await.map_err(ended)?;
    let established = handshake.welcomed(welcome, wall_ms(), clock.now_ms())?;
    Ok(Dialed { stream, established })
}

/// A connection that nobody drives yet.
pub(crate) struct Dialed {
    stream: RawStream,
    pub(crate) established: Established,
}

/// An established connection on a run time.
pub(crate) struct Connection {
    reader: SealedReader<OwnedReadHalf>,
    pub(crate) writer: SealedWriter<OwnedWriteHalf>,
    udp: Option<UdpSocket>,
}

/// What came in.
pub(crate) enum Incoming {
    Frame(Frame),
    /// Of so many bytes.
    Datagram(usize),
    /// Nothing: what was staged has left.
    Flushed,
}

impl Dialed {
    /// Gives the connection to a loop without a run time.
    pub(crate) fn into_swept(self) -> Result<(SweptStream, Attachment), ConnectionError> {
        let Established {
            opener,
            sealer,
            attachment,
            ..
        } = self.established;
        let stream = self.stream.into_swept(opener, sealer)?;
        Ok((stream, attachment))
    }

    /// Drives the connection on the run time it was made on.
    pub(crate) async fn into_driven(self) -> Result<(Connection, Attachment), ConnectionError> {
        let udp = match self.established.datagram_path() {
            Some(path) => connect_udp(path).await,
            None => None,
        };
        let Established {
            opener,
            sealer,
            mut attachment,
            ..
        } = self.established;
        attachment.datagrams = attachment.datagrams.filter(|_| udp.is_some());
        let (reader, writer) = self.stream.into_sealed(opener, sealer)?;
        let connection = Connection { reader, writer, udp };
        Ok((connection, attachment))
    }
}

impl Connection {
    /// Waits for the next messages or datagram. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self, datagram: &mut [u8]) -> Result<Incoming, ConnectionError> {
        tokio::select! {
            frame = self.reader.next_frame() => Ok(Incoming::Frame(frame.map_err(ended)?)),
            length = receive_datagram(self.udp.as_ref(), datagram) => Ok(Incoming::Datagram(length)),
            flushed = self.writer.flush(), if self.writer.staged() > 0 => {
                flushed.map_err(ended)?;
                Ok(Incoming::Flushed)
            }
        }
    }

    /// Another datagram that is here already.
    pub(crate) fn try_datagram(&self, datagram: &mut [u8]) -> Option<usize> {
        self.udp.as_ref()?.try_recv(datagram).ok()
    }

    /// Sends a datagram; one that the system does not take is lost, as datagrams may be.
    pub(crate) fn send_datagram(&self, datagram: &[u8]) {
        if let Some(udp) = &self.udp {
            let _ = udp.try_send(datagram);
        }
    }

    /// Stages messages for the stream; they leave with the next wait or flush.
    pub(crate) fn stage(&mut self, messages: &[ClientToProxy]) -> Result<(), ConnectionError> {
        if self.writer.staged() > STAGED_BYTES_MAX {
            return Err(ConnectionError::Stuck);
        }
        for batch in batches(messages, self.writer.plain_bytes_max()) {
            self.writer
                .stage_batch(|out| batch.iter().for_each(|message| message.encode(out)))
                .map_err(ended)?;
        }
        Ok(())
    }
}

/// As [`Connection::stage`], on a swept stream.
pub(crate) fn stage_swept(
    stream: &mut SweptStream,
    messages: &[ClientToProxy],
    now_ms: u64,
) -> Result<(), ConnectionError> {
    if stream.staged() > STAGED_BYTES_MAX {
        return Err(ConnectionError::Stuck);
    }
    for batch in batches(messages, stream.plain_bytes_max()) {
        stream
            .stage_batch(now_ms, |out| batch.iter().for_each(|message| message.encode(out)))
            .map_err(ended)?;
    }
    Ok(())
}

async fn receive_datagram(udp: Option<&UdpSocket>, datagram: &mut [u8]) -> usize {
    let Some(udp) = udp else {
        return std::future::pending().await;
    };
    loop {
        // A refused port shows as an error here; datagrams may come all the same later.
        match udp.recv(datagram).await {
            Ok(length) => return length,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// `None` where the system knows no way there, or allows none: then everything stays on the stream, which got through.
async fn connect_udp(path: DatagramPath) -> Option<UdpSocket> {
    let udp = UdpSocket::bind(path.local_address()).await.ok()?;
    udp.connect(path.proxy).await.ok()?;
    Some(udp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::datagram::ConnectionId;
    use std::net::SocketAddr;

    #[tokio::test]
    async fn an_address_that_datagrams_cannot_reach_is_one_without_datagrams() {
        let cid = ConnectionId([1; 8]);
        let path = |proxy: SocketAddr| DatagramPath { proxy, cid };
        // Nobody may send to a broadcast address who has not asked to: EACCES, wherever this runs.
        let broadcast = SocketAddr::from(([255; 4], 7_000));
        assert!(connect_udp(path(broadcast)).await.is_none());
        let loopback = SocketAddr::from(([127, 0, 0, 1], 7_000));
        assert!(connect_udp(path(loopback)).await.is_some());
    }
}
