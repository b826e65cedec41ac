//! A publisher and its subscribers as nodes with certificates, linked over loopback by the real link stack. The publisher
//! owns all its links on one thread, as a game server does; each subscriber has a thread of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use net::clock::{Monotonic, wall_ms};
use net::entropy::OsEntropy;
use net::link::{
    HandedLink, Heard, LinkConfig, LinkContext, LinkLease, LinkTarget, PeerDirectory, admit_links, drive,
    keep_linked,
};
use net::link_core::{DownReason, LinkCore, LinkTime, Sealed};
use net::stream_socket::StreamSocket;
use net::udp::{Interest, Poller};
use protocol::identity::{AuthorityKey, AuthorityKeys, Role, Validity};
use protocol::ids::{ClusterId, Incarnation, Lane, NodeNumber, NodeUuid, TopologyVersion};
use protocol::message::family::{ProxyToServer, ServerToProxy};
use protocol::node_handshake::{LocalNode, PeerStanding};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ROUND, WINDOW};

const CLUSTER: ClusterId = ClusterId([9; 16]);
const PUBLISHER: u8 = 1;
const FIRST_SUBSCRIBER: u8 = 101;
/// What does not arrive within this never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who is who.
#[derive(Default)]
struct Directory(Mutex<BTreeMap<NodeUuid, PeerStanding>>);

impl PeerDirectory for Directory {
    fn standing(&self, uuid: NodeUuid) -> PeerStanding {
        let standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        standings.get(&uuid).copied().unwrap_or(PeerStanding::Unknown)
    }

    fn topology_version(&self) -> TopologyVersion {
        TopologyVersion(1)
    }
}

/// What all subscribers have received.
#[derive(Default)]
struct Received {
    updates: Mutex<u64>,
    news: Condvar,
}

impl Received {
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for(&self, updates: u64) -> anyhow::Result<()> {
        let (received, waited) = self
            .news
            .wait_timeout_while(self.lock(), PATIENCE, |received| *received < updates)
            .unwrap_or_else(PoisonError::into_inner);
        ensure!(
            !waited.timed_out(),
            "updates were lost: {} of {updates} have come",
            *received
        );
        Ok(())
    }
}

/// The publisher's end of one link.
struct End {
    core: LinkCore<ProxyToServer, ServerToProxy, Sealed>,
    socket: StreamSocket,
    poller: Poller,
    scratch: Vec<u8>,
    _lease: LinkLease,
}

impl End {
    fn new(link: HandedLink, now: LinkTime) -> anyhow::Result<Self> {
        let poller = Poller::new()?;
        poller.watch(&link.socket, 0, Interest::Write)?;
        Ok(Self {
            core: LinkCore::new(link.sealing, link.life, now),
            socket: link.socket,
            poller,
            scratch: vec![0; 64 * 1024],
            _lease: link.lease,
        })
    }

    /// Says all of it, and waits until the kernel has taken it.
    fn say(&mut self, round: &[ServerToProxy], now: LinkTime) -> anyhow::Result<()> {
        self.hear(now)?;
        if let Some(beat) = self.core.tick(now).map_err(ended)? {
            self.core.push(&beat.into());
        }
        for update in round {
            self.core.push(update);
        }
        self.core.flush(now);
        while !self.core.unsent().is_empty() {
            let written = self.socket.write(self.core.unsent());
            self.core
                .wrote(written.map_err(|label| anyhow!("a link is {label}"))?);
            self.core.flush(now);
            if !self.core.unsent().is_empty() {
                drop(self.poller.wait(Some(PATIENCE))?);
            }
        }
        Ok(())
    }

    /// Heartbeats.
    fn hear(&mut self, now: LinkTime) -> anyhow::Result<()> {
        loop {
            let read = self.socket.read(&mut self.scratch);
            match read.map_err(|label| anyhow!("a link is {label}"))? {
                0 => return Ok(()),
                read => self.core.receive(self.scratch.get(..read).unwrap_or_default()),
            }
            while self.core.next(now).map_err(ended)?.is_some() {}
        }
    }
}

fn ended(reason: DownReason) -> anyhow::Error {
    anyhow!("a link has ended: {reason:?}")
}

/// The publisher's links, all up.
pub(super) struct Links {
    ends: Vec<End>,
    received: Arc<Received>,
    clock: Monotonic,
    sent: u64,
    shutdown: CancellationToken,
}

impl Links {
    /// Starts the nodes and waits until all are linked.
    pub(super) async fn connect(subscribers: usize) -> anyhow::Result<Self> {
        let authority = AuthorityKey::generate(&mut OsEntropy);
        let directory = Arc::new(Directory::default());
        let (received, shutdown) = (Arc::new(Received::default()), CancellationToken::new());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (up, mut ups) = mpsc::unbounded_channel();
        let context = node(&authority, &directory, PUBLISHER, Role::GameServer)?;
        let clock = context.clock;
        let hand_over = move |link| drop(up.send(link));
        let admitting = admit_links(context, listener, &[Role::Proxy], hand_over, shutdown.clone());
        tokio::spawn(admitting);
        let mut ends = Vec::new();
        for number in 0..subscribers {
            let number = FIRST_SUBSCRIBER + number as u8;
            let context = node(&authority, &directory, number, Role::Proxy)?;
            let target = LinkTarget {
                address: Arc::new(move || Some(address.into())),
                responder: NodeUuid([PUBLISHER; 16]),
                role: Role::GameServer,
                lane: Lane::FIRST,
            };
            let (of_all, clock) = (Arc::clone(&received), context.clock);
            let hand_over = move |link| subscribe(link, clock, &of_all);
            tokio::spawn(keep_linked(context, target, hand_over, shutdown.clone()));
            let up = tokio::time::timeout(PATIENCE, ups.recv()).await?;
            ends.push(End::new(up.context("the publisher has ended")?, now(clock))?);
        }
        Ok(Self {
            ends,
            received,
            clock,
            sent: 0,
            shutdown,
        })
    }

    /// Publishes so many rounds and waits until the last has arrived.
    pub(super) fn publish(&mut self, round: &[ServerToProxy], rounds: u64) -> anyhow::Result<()> {
        for _ in 0..rounds {
            self.received
                .wait_for((self.sent + ROUND).saturating_sub(WINDOW))?;
            let now = now(self.clock);
            for end in &mut self.ends {
                end.say(round, now)?;
            }
            self.sent += ROUND;
        }
        self.received.wait_for(self.sent)
    }

    /// Frames sent so far.
    pub(super) fn frames(&self) -> u64 {
        self.ends.iter().map(|end| end.core.counts().frames[1]).sum()
    }
}

fn now(clock: Monotonic) -> LinkTime {
    LinkTime {
        mono_us: clock.now_us(),
        wall_ms: wall_ms(),
    }
}

/// A subscriber counts what it hears.
fn subscribe(link: HandedLink, clock: Monotonic, received: &Arc<Received>) {
    let received = Arc::clone(received);
    let hear = move |heard| {
        if let Heard::Message(ServerToProxy::CellUpdates(_)) = heard {
            let mut updates = received.lock();
            *updates += 1;
            // Whoever waits, waits for whole rounds.
            if (*updates).is_multiple_of(ROUND) {
                received.news.notify_one();
            }
        }
    };
    // A subscriber without a thread hears nothing, which is told as updates that were lost.
    let _ = drive::<ServerToProxy, ProxyToServer>(link, clock, drop, hear);
}

impl Drop for Links {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn node(
    authority: &AuthorityKey,
    directory: &Arc<Directory>,
    number: u8,
    role: Role,
) -> anyhow::Result<Arc<LinkContext>> {
    let now_ms = wall_ms() as i64;
    let validity = Validity {
        from_ms: now_ms - 3_600_000,
        until_ms: now_ms + 3_600_000,
    };
    let uuid = NodeUuid([number; 16]);
    let certificate = authority.issue(CLUSTER, uuid, validity, &[number; 32]);
    let standing = PeerStanding::Listed {
        number: NodeNumber(number.into()),
        role,
        public: certificate.node_key().public(),
    };
    let mut standings = directory.0.lock().unwrap_or_else(PoisonError::into_inner);
    standings.insert(uuid, standing);
    let config = LinkConfig::default();
    let authorities = AuthorityKeys::new(authority.public());
    let local = LocalNode::new(&certificate, CLUSTER, authorities, Incarnation(1))?;
    let directory = Arc::clone(directory);
    Ok(Arc::new(LinkContext::new(config, local, directory)))
}
