//! The live map: who may look, and the thread on which the world is drawn for all who do. Nothing of it runs while nobody looks, and
//! nothing of it where players are served: a shard leaves what game servers tell on a board, and that is all.

mod board;
mod picture;
mod viewer;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use net::panics::guest;
use net::stream_socket::StreamSocket;
use protocol::ids::Lane;
use protocol::network::Network;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;

use super::client_context::ClientContext;
use super::directory::ShardIndex;
use super::handshake_permits::{HandshakePermit, HandshakePermits};
use super::mailbox::Order;
use super::settings::MapAudience;
use super::shard_handle::counts;
pub(super) use board::MapBoard;
use picture::Sight;

/// What is spoken.
pub(super) const SUBPROTOCOL: &str = "regionmesh.map.v1";
/// How many may look at once.
pub(super) const VIEWERS_MAX: u32 = 32;
/// Between two pictures, milliseconds, and between two briefs of a region.
const PERIOD_MS: u32 = 150;

/// Somebody who looks, behind the upgrade.
pub(super) struct Arrived {
    pub(super) io: StreamSocket,
    /// Bytes that came with the request.
    pub(super) came: Vec<u8>,
    /// The right to look.
    pub(super) place: HandshakePermit,
}

/// One picture, as all who look are sent it.
#[derive(Clone, Debug, Default)]
struct Picture {
    /// What does not change under one topology.
    world: Bytes,
    /// Which of those it is.
    edition: u64,
    /// How it is now.
    now: Bytes,
}

/// The map, for those who bring it somebody.
#[derive(Clone)]
pub(super) struct Map {
    audience: MapAudience,
    places: HandshakePermits,
    /// `None` where nobody may look.
    arrived: Option<mpsc::UnboundedSender<Arrived>>,
}

impl Map {
    /// Starts the thread, if anybody may look; it ends when nobody can bring it anybody any more and all are gone.
    ///
    /// # Errors
    /// No thread or run time can be had.
    pub(super) fn start(
        context: &Arc<ClientContext>,
        board: Arc<MapBoard>,
        (audience, exempt): (MapAudience, Vec<Network>),
    ) -> io::Result<(Self, Option<JoinHandle<()>>)> {
        let mut map = Self {
            audience,
            places: HandshakePermits::of_map(VIEWERS_MAX as usize, exempt),
            arrived: None,
        };
        if audience == MapAudience::Off {
            return Ok((map, None));
        }
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let painter = Painter::new(Arc::clone(context), board);
        let builder = std::thread::Builder::new().name("map".to_owned());
        let thread = builder.spawn(move || runtime.block_on(painter.run(arrivals)))?;
        map.arrived = Some(arrived);
        Ok((map, Some(thread)))
    }

    /// Whether anybody may look at all.
    pub(super) fn is_on(&self) -> bool {
        self.arrived.is_some()
    }

    /// Whether somebody may look who comes from there, directly or passed on by another program.
    pub(super) fn is_open_to(&self, from: IpAddr, is_relayed: bool) -> bool {
        match self.audience {
            MapAudience::Off => false,
            MapAudience::Operators => from.to_canonical().is_loopback() && !is_relayed,
            MapAudience::Public => true,
        }
    }

    /// A place for one more from this address.
    ///
    /// # Errors
    /// The label to count the refusal under.
    pub(super) fn take_place(&self, from: IpAddr) -> Result<HandshakePermit, &'static str> {
        self.places.take(from)
    }

    pub(super) fn bring(&self, viewer: Arrived) {
        if let Some(arrived) = &self.arrived {
            // The thread ends with the proxy.
            let _ = arrived.send(viewer);
        }
    }
}

/// Draws the world while somebody looks.
struct Painter {
    context: Arc<ClientContext>,
    board: Arc<MapBoard>,
    pictures: watch::Sender<Picture>,
    viewers: TaskTracker,
    is_watching: bool,
}

impl Painter {
    fn new(context: Arc<ClientContext>, board: Arc<MapBoard>) -> Self {
        Self {
            context,
            board,
            pictures: watch::Sender::default(),
            viewers: TaskTracker::new(),
            is_watching: false,
        }
    }

    async fn run(mut self, mut arrivals: mpsc::UnboundedReceiver<Arrived>) {
        let mut drawing = interval(Duration::from_millis(u64::from(PERIOD_MS)));
        drawing.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                arrived = arrivals.recv() => match arrived {
                    Some(arrived) => self.let_in(arrived),
                    None => break,
                },
                _ = drawing.tick(), if self.is_watching => self.draw(),
            }
        }
        self.viewers.close();
        self.viewers.wait().await;
    }

    fn let_in(&mut self, arrived: Arrived) {
        let serving = viewer::serve(Arc::clone(&self.context), arrived, self.pictures.subscribe());
        drop(self.viewers.spawn(guest("map", serving)));
        if !self.is_watching {
            self.watch(Some(PERIOD_MS));
        }
    }

    fn watch(&mut self, period_ms: Option<u32>) {
        self.is_watching = period_ms.is_some();
        self.board.begin();
        // The first lane asks for all: what servers tell is the same for each.
        self.context
            .tell(ShardIndex(Lane::FIRST), Order::WatchMap(period_ms));
    }

    fn draw(&mut self) {
        if self.viewers.is_empty() {
            return self.watch(None);
        }
        let context = &self.context;
        let (view, now_ms) = (context.topology.view(), context.clock.now_ms());
        let (edition, before) = (view.version().0, self.pictures.borrow().clone());
        let is_known = before.edition == edition && !before.world.is_empty();
        let (topology, own) = (view.topology(), context.own.number);
        let world = match is_known {
            true => before.world,
            false => picture::world(topology, own).to_string().into(),
        };
        let sight = Sight {
            own,
            sessions: counts(&context.shards).sessions,
            sessions_max: context.sessions_max,
            lanes: context
                .shards
                .iter()
                .flat_map(|shard| shard.gauges.lanes())
                .collect(),
            loads: &context.links.loads,
            told: self.board.told(),
            now_ms,
        };
        let now = picture::now(topology, &sight).to_string().into();
        self.pictures.send_replace(Picture { world, edition, now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_look_from_this_machine_itself_and_strangers_where_it_is_public() {
        let open = |audience, from: &str, is_relayed| {
            let map = Map {
                audience,
                places: HandshakePermits::of_map(1, Vec::new()),
                arrived: None,
            };
            map.is_open_to(from.parse().unwrap(), is_relayed)
        };
        for from in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(open(MapAudience::Operators, from, false), "{from}");
            assert!(!open(MapAudience::Operators, from, true), "{from} passed on");
            assert!(!open(MapAudience::Off, from, false));
        }
        for from in ["10.0.0.1", "192.168.1.2", "2001:db8::1"] {
            assert!(!open(MapAudience::Operators, from, false), "{from}");
            assert!(open(MapAudience::Public, from, false) && open(MapAudience::Public, from, true));
        }
    }
}
