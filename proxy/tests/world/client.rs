//! A client that does what a test says, over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use net::clock::Monotonic;
use net::connection::Connection;
use net::entropy::OsEntropy;
use net::sealed_stream::{READ_BYTES, RawStream, StreamError, SweptStream};
use net::websocket::upgrade::Request;
use net::websocket::{End, SEALED, WebSocket};
use prost::Message as _;
use protocol::Code;
use protocol::attach::Attach;
use protocol::client_handshake::{
    ClientAnswer, ClientInitiator, ClientTrust, Credentials, Login, Refusal, Versions, Welcome,
};
use protocol::datagram::{BIND_PAYLOAD, ConnectionId, DatagramKind, DatagramOpener, DatagramSealer};
use protocol::frame::{Close, Frame, FrameOpener, FrameSealer, FrameType, HandshakeKey};
use protocol::identity::ClientKey;
use protocol::ids::{AttachNo, NodeUuid};
use protocol::limits;
use protocol::message::client;
use protocol::message::family::{BatchMessage as _, BatchReader, ClientToProxy, ProxyToClient};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// A connected client.
pub struct Client {
    pub key: ClientKey,
    pub welcome: Welcome,
    trust: ClientTrust,
    proxy: NodeUuid,
    attach_no: AttachNo,
    stream: SweptStream,
    scratch: Box<[u8; READ_BYTES]>,
    udp: UdpSocket,
    sealer: DatagramSealer,
    opener: DatagramOpener,
    clock: Monotonic,
    messages: Vec<ProxyToClient>,
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(10), future).await {
        Ok(done) => done,
        Err(_) => panic!("never: {what}"),
    }
}

impl Client {
    pub async fn guest(trust: ClientTrust, at: SocketAddr, name: &str) -> Self {
        let credentials = Credentials::Guest {
            name: name.to_owned(),
        };
        let key = ClientKey::generate(&mut OsEntropy);
        Self::log_in(trust, at, key, credentials, 1).await.unwrap()
    }

    /// Goes to another proxy with the same session.
    pub async fn resume(self, at: SocketAddr) -> Result<Self, Refusal> {
        self.resume_as(at, "").await
    }

    /// The same, and says which name the session was begun with.
    pub async fn resume_as(self, at: SocketAddr, name: &str) -> Result<Self, Refusal> {
        let credentials = Credentials::Ticket {
            ticket: Box::new(self.welcome.ticket.encode()),
            name: name.to_owned(),
        };
        let attach_no = self.attach_no.0 + 1;
        let (trust, key) = (self.trust, self.key.clone());
        Self::log_in(trust, at, key, credentials, attach_no).await
    }

    pub async fn log_in(
        trust: ClientTrust,
        at: SocketAddr,
        key: ClientKey,
        credentials: Credentials,
        attach_no: u32,
    ) -> Result<Self, Refusal> {
        let clock = Monotonic::default();
        let stream = RawStream::new(TcpStream::connect(at).await.unwrap(), clock).unwrap();
        let shaken = Self::shake_hands(stream, clock, trust, (key, credentials), AttachNo(attach_no));
        within("a handshake", shaken).await
    }

    /// A guest that comes by HTTP, and speaks WebSocket from then on.
    pub async fn browser(trust: ClientTrust, at: SocketAddr, name: &str) -> Self {
        let io = TcpStream::connect(at).await.unwrap();
        Self::browser_on(io.into(), trust, at, name).await
    }

    /// The same, on a connection to that address.
    pub async fn browser_on(io: Connection, trust: ClientTrust, at: SocketAddr, name: &str) -> Self {
        let credentials = Credentials::Guest {
            name: name.to_owned(),
        };
        Self::browser_with(io, trust, at, credentials).await.unwrap()
    }

    /// The same, with whatever it shows.
    pub async fn browser_with(
        io: Connection,
        trust: ClientTrust,
        at: SocketAddr,
        credentials: Credentials,
    ) -> Result<Self, Refusal> {
        let (key, clock) = (ClientKey::generate(&mut OsEntropy), Monotonic::default());
        let stream = upgraded_on(io, at, clock).await;
        let shaken = Self::shake_hands(stream, clock, trust, (key, credentials), AttachNo(1));
        within("a handshake", shaken).await
    }

    async fn shake_hands(
        mut stream: RawStream,
        clock: Monotonic,
        trust: ClientTrust,
        (key, credentials): (ClientKey, Credentials),
        attach_no: AttachNo,
    ) -> Result<Self, Refusal> {
        let hello = HandshakeKey::client(&trust.authorities.current.to_bytes(), trust.cluster_id);
        let (initiator, c1) = ClientInitiator::start(trust, Versions::default(), &mut OsEntropy);
        send(&mut stream, &hello, FrameType::ClientHello, &c1).await;
        let p2 = receive(&mut stream, &hello, FrameType::ProxyAnswer).await;
        let login = Login {
            key: &key,
            credentials,
            attach_no,
        };
        let (awaiting, c3) = initiator.receive_p2(&p2, login, net::clock::wall_ms()).unwrap();
        send(&mut stream, &hello, FrameType::ClientLogin, &c3).await;
        let proxy = awaiting.proxy().certificate.uuid();
        let p4 = receive(&mut stream, &hello, FrameType::ProxyWelcome).await;
        let (welcome, established) = match awaiting.receive_p4(&p4).unwrap() {
            ClientAnswer::Welcome(welcome, established) => (*welcome, *established),
            ClientAnswer::Refused(refusal) => return Err(refusal),
        };
        let mut opener = FrameOpener::new(established.proxy_to_client);
        opener.establish(limits::FRAME_PAYLOAD_BYTES_MAX);
        let sealer = FrameSealer::new(established.client_to_proxy, limits::CLIENT_RECORD_BYTES_MAX, 1);
        let stream = stream.into_swept(opener, sealer).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        udp.connect(welcome.datagram_address.unwrap()).await.unwrap();
        let cid = ConnectionId(welcome.datagram_cid);
        Ok(Self {
            key,
            trust,
            proxy,
            attach_no,
            stream,
            scratch: Box::new([0; READ_BYTES]),
            udp,
            sealer: DatagramSealer::new(established.datagrams_to_proxy, cid, 1),
            opener: DatagramOpener::new(established.datagrams_to_client, cid, 1),
            clock,
            welcome,
            messages: Vec::new(),
        })
    }

    pub async fn attach(&mut self) {
        self.attach_with(None).await;
    }

    /// Attaches with a signature that may be another one than ours.
    pub async fn attach_with(&mut self, signature: Option<[u8; 64]>) {
        let attach = Attach {
            cluster_id: self.trust.cluster_id,
            attach_no: self.attach_no,
            proxy: self.proxy,
        };
        let signature = signature.unwrap_or_else(|| attach.sign(self.welcome.ticket.claims(), &self.key));
        let message = client::Attach {
            attach_no: self.attach_no.0,
            signature: bytes::Bytes::copy_from_slice(&signature),
            acked_command: 0,
            acked_event: 0,
        };
        self.say(message).await;
    }

    pub async fn say(&mut self, message: impl Into<ClientToProxy>) {
        self.say_at_once(&[message.into()]).await;
    }

    /// In one record: who is closed half-way could not write the rest of several.
    pub async fn say_at_once(&mut self, messages: &[ClientToProxy]) {
        let encode = |out: &mut _| messages.iter().for_each(|message| message.encode(out));
        self.stream.stage_batch(self.clock.now_ms(), encode).unwrap();
        let flushed = async {
            while self.stream.staged() > 0 {
                self.stream.flush().unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within("a write", flushed).await;
    }

    async fn next_frame(&mut self) -> Result<Frame, StreamError> {
        loop {
            if let Some(frame) = self.stream.take_frame(self.clock.now_ms())? {
                return Ok(frame);
            }
            if self.stream.receive(&mut self.scratch)? == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Says what no WebSocket says, past everything that would keep it from that.
    pub async fn break_framing(&mut self) {
        let io = std::os::fd::AsFd::as_fd(&self.stream)
            .try_clone_to_owned()
            .unwrap();
        std::io::Write::write_all(&mut std::net::TcpStream::from(io), &[0xFF; 16]).unwrap();
    }

    /// How the stream ends; what comes before is dropped.
    pub async fn over(&mut self) -> StreamError {
        loop {
            if let Err(error) = within("an end", self.next_frame()).await {
                return error;
            }
        }
    }

    /// The next message that `wanted` takes; everything before it is dropped.
    pub async fn heard<T>(&mut self, what: &str, mut wanted: impl FnMut(&ProxyToClient) -> Option<T>) -> T {
        loop {
            while !self.messages.is_empty() {
                if let Some(found) = wanted(&self.messages.remove(0)) {
                    return found;
                }
            }
            let frame = within(what, self.next_frame()).await.unwrap();
            assert_eq!(frame.frame_type, FrameType::Batch, "while waiting for {what}");
            let mut batch = BatchReader::new(frame.payload);
            while let Some(message) = batch.next_message().unwrap() {
                self.messages.push(message);
            }
        }
    }

    pub async fn playing(&mut self) -> client::Playing {
        self.heard("playing", |message| match message {
            ProxyToClient::Playing(playing) => Some(*playing),
            _ => None,
        })
        .await
    }

    /// The goodbye; messages before it are dropped.
    pub async fn closed(&mut self) -> Close {
        loop {
            let frame = within("a goodbye", self.next_frame()).await.unwrap();
            if frame.frame_type == FrameType::Close {
                return Close::parse(&frame.payload).unwrap();
            }
        }
    }

    pub async fn send_datagram(&mut self, kind: DatagramKind, plain: &[u8]) {
        let datagram = self.sealed(kind, plain);
        self.udp.send(&datagram).await.unwrap();
    }

    /// A datagram, for whatever carries it.
    pub fn sealed(&mut self, kind: DatagramKind, plain: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::new();
        let now_ms = self.clock.now_ms();
        self.sealer.seal_onto(kind, plain, &mut datagram, now_ms).unwrap();
        datagram
    }

    /// What one says that came, if it is of this kind.
    pub fn open(&mut self, datagram: &mut [u8], kind: DatagramKind) -> Option<Vec<u8>> {
        let opened = self.opener.open(datagram, self.clock.now_ms()).unwrap();
        (opened.kind == kind).then(|| opened.plain.to_vec())
    }

    pub async fn send_input(&mut self, number: u64) {
        let input = client::Input {
            number,
            inputs: vec![bytes::Bytes::from_static(b"go")],
            sent_at_ms: 40,
            ..client::Input::default()
        };
        self.send_datagram(DatagramKind::Data, &input.encode_to_vec())
            .await;
    }

    /// The next datagram of this kind; others are dropped.
    pub async fn datagram(&mut self, kind: DatagramKind) -> Vec<u8> {
        let mut buffer = [0; 2048];
        loop {
            let length = within("a datagram", self.udp.recv(&mut buffer)).await.unwrap();
            let now_ms = self.clock.now_ms();
            let opened = self.opener.open(&mut buffer[..length], now_ms).unwrap();
            if opened.kind == kind {
                return opened.plain.to_vec();
            }
        }
    }

    /// BIND, CHALLENGE, RESPONSE. A BIND that overtakes its stream on the way to the shard is for nobody, so it is sent
    /// again, as clients do.
    pub async fn bind(&mut self) {
        for _ in 0..20 {
            self.send_datagram(DatagramKind::Bind, &BIND_PAYLOAD).await;
            let challenge = self.datagram(DatagramKind::Challenge);
            if let Ok(token) = tokio::time::timeout(Duration::from_millis(500), challenge).await {
                return self.send_datagram(DatagramKind::Response, &token).await;
            }
        }
        panic!("never: a challenge");
    }

    pub fn udp(&self) -> &UdpSocket {
        &self.udp
    }
}

/// The notice that a code stands for.
pub fn is_notice(message: &ProxyToClient, code: Code) -> Option<()> {
    match message {
        ProxyToClient::Notice(notice) if notice.code == u32::from(code.number()) => Some(()),
        _ => None,
    }
}

/// A connection behind its upgrade.
pub async fn upgraded(at: SocketAddr, clock: Monotonic) -> RawStream {
    let io = TcpStream::connect(at).await.unwrap();
    upgraded_on(io.into(), at, clock).await
}

async fn upgraded_on(mut io: Connection, at: SocketAddr, clock: Monotonic) -> RawStream {
    let request = Request::new(SEALED, *b"the sample nonce");
    io.write_all(&request.bytes(&at.to_string(), "/mesh"))
        .await
        .unwrap();
    io.flush().await.unwrap();
    let mut answer = Vec::new();
    let end = loop {
        assert_ne!(within("an answer", io.read_buf(&mut answer)).await.unwrap(), 0);
        if let Some(end) = request.answered(&answer).unwrap() {
            break end;
        }
    };
    let stream = RawStream::new(io, clock).unwrap();
    stream
        .dressed(WebSocket::new(End::Client(7)), &answer[end..])
        .unwrap()
}

async fn send(stream: &mut RawStream, key: &HandshakeKey, kind: FrameType, payload: &[u8]) {
    let mut bytes = Vec::new();
    key.seal(kind, payload, net::clock::wall_ms(), &mut bytes)
        .unwrap();
    stream.write(&bytes).await.unwrap();
}

async fn receive(stream: &mut RawStream, key: &HandshakeKey, expected: FrameType) -> bytes::Bytes {
    let raw = stream.next_raw().await.unwrap();
    key.open(raw, expected, net::clock::wall_ms()).unwrap().payload
}
