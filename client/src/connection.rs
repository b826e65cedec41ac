//! One connection to one proxy: the handshake, then a sealed stream and a UDP socket, driven by hand.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use net::clock::{Monotonic, wall_ms};
use net::entropy::OsEntropy;
use net::sealed_stream::{RawStream, SealedReader, SealedWriter, StreamError};
use protocol::Code;
use protocol::attach::Attach;
use protocol::client_handshake::{
    ClientAnswer, ClientHandshakeError, ClientInitiator, ClientTrust, Credentials, EstablishedClient, Login,
    Refusal, Versions, Welcome,
};
use protocol::frame::{
    Close, Frame, FrameError, FrameOpener, FrameSealer, FrameType, HEADER_BYTES, HandshakeKey,
};
use protocol::identity::ClientKey;
use protocol::ids::AttachNo;
use protocol::keys::TAG_BYTES;
use protocol::limits;
use protocol::message::family::{BatchMessage as _, BatchReader, ClientToProxy, MessageError, ProxyToClient};
use tokio::io::ReadBuf;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UdpSocket};

use crate::core::{Attachment, DatagramKeys};

/// Errors of a UDP socket in a row that are not looked at: one for each datagram that was sent to a closed port.
const REFUSALS_PASSED_OVER: usize = 8;

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
    #[error("the handshake failed: {0}")]
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
    #[error("refused: {}", .0.code.text())]
    Refused(Refusal),
    /// The proxy said goodbye.
    #[error("closed: {}", .0.code.text())]
    Closed(Close),
}

impl ConnectionError {
    /// The code the proxy gave, if it gave one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::Closed(close) => Some(close.code),
            _ => None,
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

/// An established connection.
pub(crate) struct Connection {
    reader: SealedReader<OwnedReadHalf>,
    pub(crate) writer: SealedWriter<OwnedWriteHalf>,
    pub(crate) udp: Option<UdpSocket>,
    pub(crate) welcome: Welcome,
}

/// What came in.
pub(crate) enum Incoming {
    /// With the frame's length on the wire.
    Messages {
        messages: Vec<ProxyToClient>,
        bytes: usize,
    },
    Datagram(usize),
}

impl Connection {
    /// Connects, shakes hands, and prepares the attach.
    pub(crate) async fn dial(dial: Dial<'_>) -> Result<(Self, Attachment), ConnectionError> {
        let limit = Duration::from_millis(limits::CLIENT_HANDSHAKE_MS_MAX);
        match tokio::time::timeout(limit, Self::shake_hands(dial)).await {
            Ok(result) => result,
            Err(_) => Err(ConnectionError::TimedOut),
        }
    }

    async fn shake_hands(dial: Dial<'_>) -> Result<(Self, Attachment), ConnectionError> {
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
        let udp = match (dial.datagrams, welcome.datagram_address) {
            (Datagrams::Allowed, Some(address)) => Some(connect_udp(address).await?),
            _ => None,
        };
        Ok(Self::establish(
            stream,
            *established,
            *welcome,
            udp,
            &dial,
            signature,
        ))
    }

    fn establish(
        stream: RawStream,
        established: EstablishedClient,
        welcome: Welcome,
        udp: Option<UdpSocket>,
        dial: &Dial<'_>,
        signature: [u8; 64],
    ) -> (Self, Attachment) {
        let mut opener = FrameOpener::new(established.proxy_to_client);
        opener.establish(limits::FRAME_PAYLOAD_BYTES_MAX);
        let now_ms = dial.clock.now_ms();
        let sealer = FrameSealer::new(
            established.client_to_proxy,
            limits::CLIENT_RECORD_BYTES_MAX,
            now_ms,
        );
        let (reader, writer) = stream.into_sealed(opener, sealer);
        let datagrams = udp.is_some().then_some(DatagramKeys {
            cid: welcome.datagram_cid,
            to_proxy: established.datagrams_to_proxy,
            to_client: established.datagrams_to_client,
        });
        let attachment = Attachment {
            attach_no: dial.attach_no,
            signature,
            datagrams,
        };
        (
            Self {
                reader,
                writer,
                udp,
                welcome,
            },
            attachment,
        )
    }

    /// Waits for the next messages or datagram. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self, datagram: &mut [u8]) -> Result<Incoming, ConnectionError> {
        tokio::select! {
            frame = self.reader.next_frame() => incoming(&frame?),
            length = receive_datagram(self.udp.as_ref(), datagram) => Ok(Incoming::Datagram(length)),
            flushed = self.writer.flush(), if self.writer.staged() > 0 => {
                flushed?;
                Ok(Incoming::Messages { messages: Vec::new(), bytes: 0 })
            }
        }
    }

    /// Waits for the next messages only. Dropping the future loses nothing.
    pub(crate) async fn next_messages(&mut self) -> Result<Incoming, ConnectionError> {
        incoming(&self.reader.next_frame().await?)
    }

    /// The next datagram if one is here; otherwise the task of `cx` is woken by it. A refused port shows as an error
    /// of a single call, so a few of them are passed over.
    pub(crate) fn poll_datagram(&self, cx: &mut Context<'_>, datagram: &mut [u8]) -> Poll<usize> {
        let Some(udp) = &self.udp else {
            return Poll::Pending;
        };
        for _ in 0..REFUSALS_PASSED_OVER {
            let mut buffer = ReadBuf::new(datagram);
            match udp.poll_recv(cx, &mut buffer) {
                Poll::Ready(Ok(())) => return Poll::Ready(buffer.filled().len()),
                Poll::Ready(Err(_)) => {}
                Poll::Pending => break,
            }
        }
        Poll::Pending
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
        let room = self.writer.plain_bytes_max();
        let mut rest = messages;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|message| {
                bytes += message.encoded_len();
                bytes <= room
            });
            let (batch, later) = rest.split_at(fits.count().max(1));
            self.writer
                .stage_batch(|out| batch.iter().for_each(|message| message.encode(out)))?;
            rest = later;
        }
        Ok(())
    }
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

fn incoming(frame: &Frame) -> Result<Incoming, ConnectionError> {
    let bytes = HEADER_BYTES + frame.payload.len() + TAG_BYTES;
    let messages = messages(frame)?;
    Ok(Incoming::Messages { messages, bytes })
}

fn messages(frame: &Frame) -> Result<Vec<ProxyToClient>, ConnectionError> {
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

async fn connect_udp(proxy: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match proxy {
        SocketAddr::V4(at) if at.ip().is_loopback() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let udp = UdpSocket::bind((any, 0)).await?;
    udp.connect(proxy).await?;
    Ok(udp)
}
