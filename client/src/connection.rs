//! One connection to one proxy: the handshake, then a sealed stream and a UDP socket, driven by hand.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use net::clock::{Monotonic, wall_ms};
use net::entropy::OsEntropy;
use net::sealed_stream::{RawStream, SealedReader, SealedWriter, StreamError, SweptStream};
use protocol::Code;
use protocol::attach::Attach;
use protocol::client_handshake::{
    ClientAnswer, ClientHandshakeError, ClientInitiator, ClientTrust, Credentials, EstablishedClient, Login,
    Refusal, Versions, Welcome,
};
use protocol::datagram::ConnectionId;
use protocol::frame::{
    Close, Frame, FrameError, FrameOpener, FrameSealer, FrameType, HEADER_BYTES, HandshakeKey,
};
use protocol::identity::{CertificateError, ClientKey, VoucherError};
use protocol::ids::AttachNo;
use protocol::keys::TAG_BYTES;
use protocol::limits;
use protocol::message::family::{BatchMessage as _, BatchReader, ClientToProxy, MessageError, ProxyToClient};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UdpSocket};

use crate::core::{Attachment, DatagramKeys};

/// Bytes that may wait for a proxy that takes none before the connection counts as lost.
const STAGED_BYTES_MAX: usize = 256 * 1024;

/// Why a connection could not be made, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The network.
    #[error("cannot reach the proxy: {0}")]
    Io(#[from] io::Error),
    /// The proxy did not answer in time.
    #[error("the proxy did not finish the handshake within {} s", limits::CLIENT_HANDSHAKE_MS_MAX / 1000)]
    TimedOut,
    /// The peer is not the proxy it should be, or the bytes were changed on the way.
    #[error("the handshake failed: {0}{remedy}", remedy = remedy(.0))]
    Handshake(#[from] ClientHandshakeError),
    /// The stream broke the rules, or ended.
    #[error("the connection ended: {0}")]
    Stream(#[from] StreamError),
    /// A frame broke the rules.
    #[error("the proxy sent a bad frame: {0}")]
    Frame(#[from] FrameError),
    /// A message broke the rules.
    #[error("the proxy sent a bad message: {0}")]
    Message(#[from] MessageError),
    /// The proxy does not let this client in.
    #[error("refused: {}", said(.0.code, &.0.reason))]
    Refused(Refusal),
    /// The proxy said goodbye.
    #[error("closed: {}", said(.0.code, &.0.reason))]
    Closed(Close),
    /// The proxy says nothing any more.
    #[error("nothing was heard from the proxy for {} s", limits::PROXY_SILENCE_MS_MAX / 1000)]
    Silent,
    /// The proxy takes nothing any more.
    #[error("the proxy has not taken {STAGED_BYTES_MAX} bytes")]
    Stuck,
    /// Whoever plays has not taken its events; those that found no room come again with the next connection.
    #[error("too many events were not taken")]
    Overrun,
}

impl ConnectionError {
    /// The code the proxy gave, if it gave one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::Closed(close) => Some(close.code),
            // Ours, and no proxy will say anything else.
            Self::Handshake(error @ ClientHandshakeError::LoginTooLong) => Some(error.code()),
            _ => None,
        }
    }

    /// Whether the proxy's papers have expired, or are not valid yet, by this machine's clock. Whoever waits waits in vain.
    #[must_use]
    pub fn is_about_papers(&self) -> bool {
        matches!(self, Self::Handshake(error) if is_of_validity(*error))
    }

    /// Whether neither another proxy nor another time would do: somebody has to change something first.
    #[must_use]
    pub fn is_in_vain(&self) -> bool {
        self.is_about_papers() || !self.is_passing()
    }

    /// Whether another proxy, or another time, could help. Papers that have expired are one proxy's; whether all have expired, who
    /// tries all of them finds out.
    pub(crate) fn is_passing(&self) -> bool {
        match self.code() {
            None => true,
            Some(code) => matches!(
                code,
                Code::Busy
                    | Code::Full
                    | Code::Draining
                    | Code::RateLimited
                    | Code::WorldRecovering
                    | Code::SlowConsumer
                    | Code::TimedOut
            ),
        }
    }

    /// Where else the proxy said to go.
    #[must_use]
    pub fn proxies(&self) -> &[SocketAddr] {
        match self {
            Self::Refused(refusal) => &refusal.proxies,
            Self::Closed(close) => &close.proxies,
            _ => &[],
        }
    }
}

/// A code in words, and the reason where one was given.
fn said(code: Code, reason: &str) -> String {
    match reason {
        "" => code.text().to_owned(),
        reason => format!("{} ({reason})", code.text()),
    }
}

fn is_of_validity(error: ClientHandshakeError) -> bool {
    matches!(
        error,
        ClientHandshakeError::Certificate(CertificateError::OutsideValidity(_))
            | ClientHandshakeError::Voucher(VoucherError::OutsideValidity(_))
    )
}

fn remedy(error: &ClientHandshakeError) -> &'static str {
    if is_of_validity(*error) {
        "; set this machine's clock if it is wrong, or have the operator issue the proxy new papers"
    } else {
        ""
    }
}

/// What a connection needs to begin.
pub(crate) struct Dial<'a> {
    pub(crate) proxy: SocketAddr,
    pub(crate) trust: ClientTrust,
    pub(crate) key: &'a ClientKey,
    pub(crate) credentials: Credentials,
    pub(crate) attach_no: AttachNo,
    pub(crate) clock: Monotonic,
    pub(crate) datagrams: Datagrams,
}

/// Whether to use datagrams at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Datagrams {
    /// Where they get through.
    #[default]
    Allowed,
    /// Everything stays on the stream.
    Off,
}

/// A connection that nobody drives yet.
pub(crate) struct Established {
    stream: RawStream,
    opener: FrameOpener,
    sealer: FrameSealer,
    pub(crate) welcome: Welcome,
    pub(crate) attachment: Attachment,
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

impl Established {
    /// Connects, shakes hands, and prepares the attach.
    pub(crate) async fn dial(dial: Dial<'_>) -> Result<Self, ConnectionError> {
        let limit = Duration::from_millis(limits::CLIENT_HANDSHAKE_MS_MAX);
        match tokio::time::timeout(limit, Self::shake_hands(dial)).await {
            Ok(result) => result,
            Err(_) => Err(ConnectionError::TimedOut),
        }
    }

    async fn shake_hands(dial: Dial<'_>) -> Result<Self, ConnectionError> {
        let io = TcpStream::connect(dial.proxy).await?;
        let mut stream = RawStream::new(io, dial.clock)?;
        let key = HandshakeKey::client(&dial.trust.authorities.current.to_bytes(), dial.trust.cluster_id);
        let (client, c1) = ClientInitiator::start(dial.trust, Versions::default(), &mut OsEntropy);
        send(&mut stream, &key, FrameType::ClientHello, &c1).await?;
        let p2 = receive(&mut stream, &key, FrameType::ProxyAnswer).await?;
        let login = Login {
            key: dial.key,
            credentials: dial.credentials.clone(),
            attach_no: dial.attach_no,
        };
        let (client, c3) = client.receive_p2(&p2, login, wall_ms())?;
        send(&mut stream, &key, FrameType::ClientLogin, &c3).await?;
        let proxy = client.proxy().certificate.uuid();
        let p4 = receive(&mut stream, &key, FrameType::ProxyWelcome).await?;
        let (welcome, established) = match client.receive_p4(&p4)? {
            ClientAnswer::Welcome(welcome, established) => (welcome, established),
            ClientAnswer::Refused(refusal) => return Err(ConnectionError::Refused(refusal)),
        };
        let attach = Attach {
            cluster_id: dial.trust.cluster_id,
            attach_no: dial.attach_no,
            proxy,
        };
        let signature = attach.sign(welcome.ticket.claims(), dial.key);
        Ok(Self::new(stream, *established, *welcome, &dial, signature))
    }

    fn new(
        stream: RawStream,
        established: EstablishedClient,
        welcome: Welcome,
        dial: &Dial<'_>,
        signature: [u8; 64],
    ) -> Self {
        let mut opener = FrameOpener::new(established.proxy_to_client);
        opener.establish(limits::FRAME_PAYLOAD_BYTES_MAX);
        let now_ms = dial.clock.now_ms();
        let sealer = FrameSealer::new(
            established.client_to_proxy,
            limits::CLIENT_RECORD_BYTES_MAX,
            now_ms,
        );
        let has_datagrams = dial.datagrams == Datagrams::Allowed && welcome.datagram_address.is_some();
        let datagrams = has_datagrams.then_some(DatagramKeys {
            cid: welcome.datagram_cid,
            to_proxy: established.datagrams_to_proxy,
            to_client: established.datagrams_to_client,
        });
        let attachment = Attachment {
            attach_no: dial.attach_no,
            signature,
            datagrams,
        };
        Self {
            stream,
            opener,
            sealer,
            welcome,
            attachment,
        }
    }

    /// Where datagrams go, and the name they bear; `None`: there are none.
    pub(crate) fn datagram_path(&self) -> Option<DatagramPath> {
        let keys = self.attachment.datagrams.as_ref()?;
        Some(DatagramPath {
            proxy: self.welcome.datagram_address?,
            cid: ConnectionId(keys.cid),
        })
    }

    /// Gives the connection to a loop without a run time.
    pub(crate) fn into_swept(self) -> Result<(SweptStream, Attachment), ConnectionError> {
        let stream = self.stream.into_swept(self.opener, self.sealer)?;
        Ok((stream, self.attachment))
    }

    /// Drives the connection on the run time it was made on.
    pub(crate) async fn into_driven(self) -> Result<(Connection, Attachment), ConnectionError> {
        let udp = match self.datagram_path() {
            Some(path) => connect_udp(path).await,
            None => None,
        };
        let mut attachment = self.attachment;
        attachment.datagrams = attachment.datagrams.filter(|_| udp.is_some());
        let (reader, writer) = self.stream.into_sealed(self.opener, self.sealer);
        let connection = Connection { reader, writer, udp };
        Ok((connection, attachment))
    }
}

/// Where a client's datagrams go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramPath {
    /// The address that the proxy receives them at.
    pub proxy: SocketAddr,
    /// The name that they bear in both directions, by which clients that share a socket tell theirs apart.
    pub cid: ConnectionId,
}

impl DatagramPath {
    /// The address to bind a socket to that reaches the proxy; the system chooses the port.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        let any: IpAddr = match self.proxy {
            SocketAddr::V4(at) if at.ip().is_loopback() => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        SocketAddr::new(any, 0)
    }
}

impl Connection {
    /// Waits for the next messages or datagram. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self, datagram: &mut [u8]) -> Result<Incoming, ConnectionError> {
        tokio::select! {
            frame = self.reader.next_frame() => Ok(Incoming::Frame(frame?)),
            length = receive_datagram(self.udp.as_ref(), datagram) => Ok(Incoming::Datagram(length)),
            flushed = self.writer.flush(), if self.writer.staged() > 0 => {
                flushed?;
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
                .stage_batch(|out| batch.iter().for_each(|message| message.encode(out)))?;
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
        stream.stage_batch(now_ms, |out| batch.iter().for_each(|message| message.encode(out)))?;
    }
    Ok(())
}

/// The messages in the fewest frames of at most `room` bytes, in order.
fn batches(messages: &[ClientToProxy], room: usize) -> impl Iterator<Item = &[ClientToProxy]> {
    let mut rest = messages;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fits = rest.iter().take_while(|message| {
            bytes += message.encoded_len();
            bytes <= room
        });
        let (batch, later) = rest.split_at(fits.count().max(1));
        rest = later;
        Some(batch)
    })
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

/// Bytes of a frame on the wire.
pub(crate) fn frame_bytes(frame: &Frame) -> u64 {
    (HEADER_BYTES + frame.payload.len() + TAG_BYTES) as u64
}

/// The messages of a frame.
pub(crate) fn messages(frame: &Frame) -> Result<Vec<ProxyToClient>, ConnectionError> {
    match frame.frame_type {
        FrameType::Batch => {
            let mut reader = BatchReader::new(frame.payload.clone());
            let mut messages = Vec::new();
            while let Some(message) = reader.next_message()? {
                messages.push(message);
            }
            Ok(messages)
        }
        FrameType::Close => Err(ConnectionError::Closed(Close::parse(&frame.payload)?)),
        other => Err(FrameError::Type(other.number()).into()),
    }
}

async fn send(
    stream: &mut RawStream,
    key: &HandshakeKey,
    frame_type: FrameType,
    payload: &[u8],
) -> Result<(), ConnectionError> {
    let mut bytes = Vec::new();
    key.seal(frame_type, payload, wall_ms(), &mut bytes)?;
    Ok(stream.write(&bytes).await?)
}

async fn receive(
    stream: &mut RawStream,
    key: &HandshakeKey,
    expected: FrameType,
) -> Result<bytes::Bytes, ConnectionError> {
    let raw = stream.next_raw().await?;
    Ok(key.open(raw, expected, wall_ms())?.payload)
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
