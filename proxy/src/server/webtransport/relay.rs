//! The thread that speaks QUIC: lets sessions in, and carries their datagrams to shards and back.
//!
//! An address has to answer a Retry before anything else is done for it, so that nobody is sent more than was sent in its name.
//! A session that no shard says anything to is over after a while: nobody plays by it. One that no shard has ever said anything
//! to gives way to others before that.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, counter};
use net::clock::wall_ms;
use net::panics::guest;
use protocol::limits::DATAGRAM_BYTES_MAX;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use topology::Host;
use wtransport::config::QuicTransportConfig;
use wtransport::endpoint::{IncomingSession, endpoint_side};
use wtransport::proto::WEBTRANSPORT_ALPN;
use wtransport::{Connection, Endpoint, ServerConfig, VarInt};

use super::certificates::Certificates;
use super::{PATH, StartError};
use crate::edge::BrowserId;
use crate::edge::rate::Bucket;
use crate::server::browser_queues::Sent;
use crate::server::client_context::ClientContext;
use crate::server::directory::place_of;
use crate::server::door_keeper::DoorKeeper;
use crate::server::handshake_permits::HandshakePermit;
use crate::server::tls::Tls;

/// How long a session may take to begin.
const BEGIN: Duration = Duration::from_secs(5);
/// A session to which a shard has said nothing for so long is over, milliseconds.
const UNUSED_MS_MAX: u64 = 10_000;
/// And one whose browser has not been heard of at all.
const SILENCE: Duration = Duration::from_secs(10);
/// Datagrams that one browser may send in a second; clients send thirty or so.
const DATAGRAMS_PER_S: u32 = 200;
/// And at once.
const DATAGRAMS_BURST: u32 = 400;
/// Between two looks at certificates and unused sessions.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of datagrams that wait for one browser; the oldest is dropped for a newer one.
const TO_BROWSER_BYTES_MAX: usize = 16 * 1024;
/// Bytes of datagrams that have come from one browser, likewise.
const FROM_BROWSER_BYTES_MAX: usize = 32 * 1024;
/// Bytes of one stream, and of all of a connection: HTTP/3 needs a few hundred of each.
const STREAM_BYTES_MAX: u32 = 16 * 1024;
const STREAMS_BYTES_MAX: u32 = 64 * 1024;
/// Streams that a browser may have open: HTTP/3 has three one way, and the session is one both ways.
const STREAMS_MAX: u32 = 8;
/// Connections of which nobody knows yet whether they are let in, and bytes that came with each and with all.
const INCOMING_MAX: usize = 256;
const INCOMING_BYTES_MAX: u64 = 16 * 1024;
const INCOMING_ALL_BYTES_MAX: u64 = 1024 * 1024;
/// How long all of them may take to hear it at the end.
const GOODBYES: Duration = Duration::from_millis(200);
/// Goodbye, for whatever reason: the client goes on over its stream.
const OVER: VarInt = VarInt::from_u32(0);

/// Judges the origin of a web page.
type Admits = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// What the thread needs.
pub(in crate::server) struct RelayParts {
    pub(in crate::server) context: Arc<ClientContext>,
    /// The certificate of HTTPS, if there is one.
    pub(in crate::server) tls: Option<Arc<Tls>>,
    /// By which browsers find this proxy.
    pub(in crate::server) host: Host,
    /// Whether pages of this origin may come in.
    pub(in crate::server) admits: Admits,
    pub(in crate::server) keeper: DoorKeeper,
    /// Woken when shards have left something.
    pub(in crate::server) left: Arc<Notify>,
}

/// The thread, before it runs.
pub(in crate::server) struct Relay {
    runtime: Runtime,
    endpoint: Endpoint<endpoint_side::Server>,
    keeper: DoorKeeper,
    shared: Arc<Shared>,
}

struct Shared {
    context: Arc<ClientContext>,
    certificates: Arc<Certificates>,
    admits: Admits,
    left: Arc<Notify>,
    /// Locked by this one thread, for the time of one call.
    sessions: Mutex<BTreeMap<BrowserId, Arc<Session>>>,
    count: Arc<AtomicUsize>,
    next: AtomicU64,
    received: Counter,
    sent: Counter,
}

struct Session {
    connection: Connection,
    permit: HandshakePermit,
    /// When a shard last said something to it.
    used_ms: AtomicU64,
    /// Whether one ever has: from then on somebody plays by it, and it gives way to nobody.
    is_played: AtomicBool,
}

/// Takes a session off the list when it is over, however it ends.
struct Listed<'a>(&'a Shared, BrowserId);

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let session = self.0.with(|sessions| sessions.remove(&self.1));
        if let Some(session) = session {
            session.connection.close(OVER, b"");
        }
    }
}

impl Relay {
    /// Takes the socket over; nobody is let in before it [runs](Self::run).
    ///
    /// # Errors
    /// No run time can be had, or the library refuses what it is given.
    pub(in crate::server) fn new(socket: std::net::UdpSocket, parts: RelayParts) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let certificates = Arc::new(Certificates::new(parts.tls, &parts.host, wall_ms())?);
        let config = server_config(socket, &certificates)?;
        let endpoint = {
            let _inside = runtime.enter();
            Endpoint::server(config)?
        };
        let datagrams =
            |direction| counter!("regionmesh_proxy_webtransport_datagrams_total", "direction" => direction);
        Ok(Self {
            runtime,
            endpoint,
            keeper: parts.keeper,
            shared: Arc::new(Shared {
                context: parts.context,
                certificates,
                admits: parts.admits,
                left: parts.left,
                sessions: Mutex::default(),
                count: Arc::default(),
                next: AtomicU64::new(1),
                received: datagrams("in"),
                sent: datagrams("out"),
            }),
        })
    }

    /// How many sessions there are.
    pub(in crate::server) fn sessions(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.shared.count)
    }

    /// What it proves itself by.
    pub(in crate::server) fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.shared.certificates)
    }

    /// Runs on a thread of its own until the drain: then browsers are told that it is over, and go on by their streams.
    pub(in crate::server) async fn run(self) {
        let stop = self.shared.context.drain.clone();
        let (alive, over) = oneshot::channel::<()>();
        let builder = std::thread::Builder::new().name("webtransport".to_owned());
        let Self {
            runtime,
            endpoint,
            keeper,
            shared,
        } = self;
        let started = builder.spawn(move || {
            let _alive = alive;
            let serving = serve(&shared, &endpoint, keeper);
            runtime.block_on(async {
                stop.run_until_cancelled(serving).await;
                endpoint.close(OVER, b"");
                let _ = timeout(GOODBYES, endpoint.wait_idle()).await;
            });
        });
        match started {
            Ok(_) => drop(over.await),
            Err(error) => tracing::error!(%error, "no thread can be had for WebTransport"),
        }
    }
}

fn server_config(
    socket: std::net::UdpSocket,
    certificates: &Arc<Certificates>,
) -> Result<ServerConfig, StartError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(certificates) as _);
    tls.alpn_protocols = vec![WEBTRANSPORT_ALPN.to_vec()];
    let mut transport = QuicTransportConfig::default();
    transport
        .max_concurrent_bidi_streams(STREAMS_MAX.into())
        .max_concurrent_uni_streams(STREAMS_MAX.into())
        .stream_receive_window(STREAM_BYTES_MAX.into())
        .receive_window(STREAMS_BYTES_MAX.into())
        .send_window(STREAMS_BYTES_MAX.into())
        .datagram_receive_buffer_size(Some(FROM_BROWSER_BYTES_MAX))
        .datagram_send_buffer_size(TO_BROWSER_BYTES_MAX);
    let builder = ServerConfig::builder()
        .with_bind_socket(socket)
        .with_custom_tls_and_transport(tls, transport)
        .max_idle_timeout(Some(SILENCE))
        .map_err(|_| std::io::Error::other("the time of silence is too long"))?;
    let mut config = builder.build();
    config
        .quic_config_mut()
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_ALL_BYTES_MAX);
    Ok(config)
}

async fn serve(shared: &Arc<Shared>, endpoint: &Endpoint<endpoint_side::Server>, mut keeper: DoorKeeper) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut left = Vec::new();
    loop {
        tokio::select! {
            // Who plays goes before who comes.
            biased;
            () = shared.left.notified() => shared.deliver(&mut left),
            _ = look.tick() => shared.look(),
            incoming = endpoint.accept() => shared.meet(incoming, &mut keeper),
        }
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        self.context.clock.now_ms()
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<BrowserId, Arc<Session>>) -> T) -> T {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut sessions);
        self.count.store(sessions.len(), Ordering::Relaxed);
        result
    }

    /// What shards have left goes to browsers. One that takes nothing loses the oldest of what waits for it.
    fn deliver(&self, left: &mut Vec<Sent>) {
        let now_ms = self.now_ms();
        for shard in self.context.shards.iter() {
            shard.browsers.fetch(left);
            for (browser, datagram) in left.drain(..) {
                let session = self.with(|sessions| sessions.get(&browser).cloned());
                // Of a browser that is gone, or of a path that is too narrow, the client hears nothing and turns to its stream.
                if let Some(session) = session
                    && session.connection.send_datagram(&datagram).is_ok()
                {
                    session.used_ms.store(now_ms, Ordering::Relaxed);
                    if !session.is_played.swap(true, Ordering::Relaxed) {
                        session.permit.heard();
                    }
                    self.sent.increment(1);
                }
            }
        }
    }

    fn look(&self) {
        if let Err(error) = self.certificates.turn(wall_ms()) {
            tracing::warn!(%error, "the certificate of WebTransport stays as it is");
        }
        let now_ms = self.now_ms();
        let is_unused = |session: &Session| {
            now_ms.saturating_sub(session.used_ms.load(Ordering::Relaxed)) > UNUSED_MS_MAX
        };
        let unused: Vec<Arc<Session>> = self.with(|sessions| {
            let unused = sessions.values().filter(|session| is_unused(session));
            unused.cloned().collect()
        });
        for session in unused {
            self.context.refusals.count("webtransport_unused");
            session.connection.close(OVER, b"");
        }
    }

    /// Somebody knocks. Nothing is awaited.
    fn meet(self: &Arc<Self>, incoming: IncomingSession, keeper: &mut DoorKeeper) {
        if !incoming.remote_address_validated() {
            return incoming.retry();
        }
        let from = incoming.remote_address();
        if self.context.is_draining() {
            return incoming.refuse();
        }
        match keeper.admit(from.ip().to_canonical(), self.now_ms()) {
            Ok(permit) => {
                let session = Arc::clone(self).host(incoming, from, permit);
                drop(tokio::spawn(guest("webtransport", session)));
            }
            Err(label) => {
                self.context.refusals.count(label);
                incoming.refuse();
            }
        }
    }

    /// From the first packet to the end, which comes early to whoever has to give way.
    async fn host(self: Arc<Self>, incoming: IncomingSession, from: SocketAddr, permit: HandshakePermit) {
        let way = permit.give_way();
        let hosted = self.carry(incoming, from, permit);
        if way.run_until_cancelled(hosted).await.is_none() {
            self.context.refusals.count("webtransport_gave_way");
        }
    }

    async fn carry(&self, incoming: IncomingSession, from: SocketAddr, permit: HandshakePermit) {
        let begun = timeout(BEGIN, self.begin(incoming)).await;
        let connection = match begun {
            Ok(Ok(connection)) => connection,
            Ok(Err(label)) => return self.context.refusals.count(label),
            Err(_) => return self.context.refusals.count("webtransport_late"),
        };
        let browser = BrowserId(self.next.fetch_add(1, Ordering::Relaxed));
        let session = Arc::new(Session {
            connection,
            permit,
            used_ms: AtomicU64::new(self.now_ms()),
            is_played: AtomicBool::new(false),
        });
        let _listed = Listed(self, browser);
        tracing::debug!(%from, session = browser.0, "a session of WebTransport begins");
        self.with(|sessions| sessions.insert(browser, Arc::clone(&session)));
        let mut bucket = Bucket::new(DATAGRAMS_PER_S, DATAGRAMS_BURST, self.now_ms());
        while let Ok(datagram) = session.connection.receive_datagram().await {
            if let Err(label) = self.take(browser, &datagram.payload(), &mut bucket) {
                self.context.refusals.count(label);
            }
        }
    }

    /// From the first packet to the session. The error is a label for metrics.
    async fn begin(&self, incoming: IncomingSession) -> Result<Connection, &'static str> {
        let request = incoming.await.map_err(|_| "webtransport_handshake")?;
        if request.path() != PATH {
            request.not_found().await;
            return Err("webtransport_path");
        }
        if let Some(origin) = request.origin()
            && !(self.admits)(origin)
        {
            request.forbidden().await;
            return Err("http_origin");
        }
        request.accept().await.map_err(|_| "webtransport_handshake")
    }

    /// A browser's datagram goes to its shard as it is.
    fn take(&self, from: BrowserId, datagram: &[u8], bucket: &mut Bucket) -> Result<(), &'static str> {
        if !bucket.take(1, self.now_ms()) {
            return Err("webtransport_flood");
        }
        let place = place_of(datagram).filter(|_| datagram.len() <= DATAGRAM_BYTES_MAX);
        let shard = place.and_then(|place| self.context.shards.get(place));
        let shard = shard.ok_or("webtransport_datagram")?;
        self.received.increment(1);
        shard.browsers.bring((from, datagram.to_vec()));
        Ok(())
    }
}
