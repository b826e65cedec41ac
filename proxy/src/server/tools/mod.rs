//! Sessions for scripts and tools: the messages of a client by field names, in JSON or MessagePack, and the world as entities, a
//! few times a second. All of it lives on a thread of its own: for each of them it plays a client of this very proxy, with a
//! key that nobody else has, over a connection that ends in a shard like any other.

mod messagepack;
mod tool_session;
mod words;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use net::panics::guest;
use net::sealed_stream::RawStream;
use net::stream_socket::StreamSocket;
use net::websocket::Form;
use protocol::network::Network;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::arrivals::{Caller, Secrecy};
use super::client_context::ClientContext;
use super::client_door;
use super::handshake_permits::{HandshakePermit, HandshakePermits};

/// Sessions at once.
pub(super) const SESSIONS_MAX: u32 = 64;

/// How a tool spells its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    Json,
    MessagePack,
}

impl Spelling {
    /// Every one with its subprotocol.
    pub(super) const ALL: [(Self, &'static str); 2] = [
        (Self::Json, "regionmesh.v1.json"),
        (Self::MessagePack, "regionmesh.v1.msgpack"),
    ];

    fn spell(self, word: &Value) -> Vec<u8> {
        match self {
            Self::Json => word.to_string().into_bytes(),
            Self::MessagePack => messagepack::encode(word),
        }
    }

    fn form(self) -> Form {
        match self {
            Self::Json => Form::Text,
            Self::MessagePack => Form::Binary,
        }
    }
}

/// A tool behind its upgrade.
pub(super) struct Arrived {
    pub(super) io: StreamSocket,
    /// Bytes that came with the request.
    pub(super) came: Vec<u8>,
    pub(super) from: Caller,
    pub(super) spelling: Spelling,
    /// For the handshake that is made for it.
    pub(super) permit: HandshakePermit,
    /// The right to this session.
    pub(super) place: HandshakePermit,
}

/// The thread, for those who bring it something.
#[derive(Clone)]
pub(super) struct Tools {
    places: HandshakePermits,
    arrived: mpsc::UnboundedSender<Arrived>,
}

/// What all sessions share.
struct Shared {
    context: Arc<ClientContext>,
    /// Where shards' handshakes are made.
    control: Handle,
    peers: TaskTracker,
}

impl Tools {
    /// Starts the thread, for so many sessions at once; it ends when nobody can bring it anything any more and the last
    /// session is over.
    ///
    /// # Errors
    /// No thread or run time can be had.
    pub(super) fn start(
        context: Arc<ClientContext>,
        peers: TaskTracker,
        (sessions_max, exempt): (u32, Vec<Network>),
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (arrived, mut arrivals) = mpsc::unbounded_channel::<Arrived>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared {
            context,
            control: Handle::current(),
            peers,
        });
        let run = async move {
            let sessions = TaskTracker::new();
            while let Some(tool) = arrivals.recv().await {
                let session = tool_session::serve(Arc::clone(&shared), tool);
                drop(sessions.spawn(guest("tool", session)));
            }
            sessions.close();
            sessions.wait().await;
        };
        let builder = std::thread::Builder::new().name("tools".to_owned());
        let thread = builder.spawn(move || runtime.block_on(run))?;
        let places = HandshakePermits::of_tools(sessions_max as usize, exempt);
        Ok((Self { places, arrived }, thread))
    }

    /// A place for one more from this address.
    ///
    /// # Errors
    /// The label to count the refusal under.
    pub(super) fn take_place(&self, from: IpAddr) -> Result<HandshakePermit, &'static str> {
        self.places.take(from)
    }

    pub(super) fn bring(&self, tool: Arrived) {
        // The thread ends with the proxy.
        let _ = self.arrived.send(tool);
    }
}

impl Shared {
    /// A connection to a shard of this proxy, which goes by the tool's own address and permit.
    async fn connect(&self, from: Caller, permit: HandshakePermit) -> io::Result<TcpStream> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let ours = TcpStream::connect(listener.local_addr()?).await?;
        let (theirs, came_from) = listener.accept().await?;
        // Whoever else found the port meanwhile is not let in.
        if came_from != ours.local_addr()? {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let (theirs, context) = (theirs.into_std()?, Arc::clone(&self.context));
        let let_in = async move {
            let stream = TcpStream::from_std(theirs).map_err(net::sealed_stream::StreamError::from);
            if let Ok(stream) = stream.and_then(|io| RawStream::new(io, context.clock)) {
                client_door::let_in(&context, stream, (from, Secrecy::Kept), permit).await;
            }
        };
        drop(self.peers.spawn_on(guest("client", let_in), &self.control));
        Ok(ours)
    }
}
