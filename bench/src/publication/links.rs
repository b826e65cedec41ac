//! A publisher and its subscribers as nodes with certificates, linked over loopback by the real link stack.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::vec::Drain;

use anyhow::{Context as _, anyhow};
use net::entropy::OsEntropy;
use net::link::{
    DownReason, LinkConfig, LinkContext, LinkHandler, LinkId, LinkSender, LinkTarget, LinkUp, PeerDirectory,
    accept_links, dial_link,
};
use protocol::identity::{AuthorityKey, AuthorityKeys, Role, Validity};
use protocol::ids::{ClusterId, Incarnation, NodeNumber, NodeUuid, TopologyVersion};
use protocol::message::family::{ProxyToServer, ServerToProxy};
use protocol::node_handshake::{Lane, LocalNode, PeerStanding};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
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
    updates: AtomicU64,
    frames: AtomicU64,
    news: Notify,
}

#[derive(Clone)]
struct Publisher {
    subscribers: mpsc::UnboundedSender<LinkSender<ServerToProxy>>,
}

impl LinkHandler for Publisher {
    type In = ProxyToServer;
    type Out = ServerToProxy;

    fn handle_up(&mut self, up: LinkUp<ServerToProxy>) {
        let _ = self.subscribers.send(up.sender);
    }

    fn handle_batch(&mut self, _link: LinkId, _batch: Drain<'_, ProxyToServer>) {}

    fn handle_down(&mut self, _link: LinkId, _reason: DownReason) {}
}

struct Subscriber(Arc<Received>);

impl LinkHandler for Subscriber {
    type In = ServerToProxy;
    type Out = ProxyToServer;

    fn handle_up(&mut self, _up: LinkUp<ProxyToServer>) {}

    fn handle_batch(&mut self, _link: LinkId, batch: Drain<'_, ServerToProxy>) {
        let updates = batch.filter(|message| matches!(message, ServerToProxy::CellUpdates(_)));
        self.0
            .updates
            .fetch_add(updates.count() as u64, Ordering::Relaxed);
        self.0.frames.fetch_add(1, Ordering::Relaxed);
        self.0.news.notify_one();
    }

    fn handle_down(&mut self, _link: LinkId, _reason: DownReason) {}
}

/// The publisher's links, all up.
pub(super) struct Links {
    senders: Vec<LinkSender<ServerToProxy>>,
    received: Arc<Received>,
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
        let publisher = Publisher { subscribers: up };
        let context = node(&authority, &directory, PUBLISHER, Role::GameServer)?;
        tokio::spawn(accept_links(
            context,
            listener,
            &[Role::Proxy],
            publisher,
            shutdown.clone(),
        ));
        let mut senders = Vec::new();
        for number in 0..subscribers {
            let context = node(
                &authority,
                &directory,
                FIRST_SUBSCRIBER + number as u8,
                Role::Proxy,
            )?;
            let target = LinkTarget {
                address: Arc::new(move || Some(address)),
                responder: NodeUuid([PUBLISHER; 16]),
                role: Role::GameServer,
                lane: Lane::default(),
            };
            let subscriber = Subscriber(Arc::clone(&received));
            tokio::spawn(dial_link(context, target, subscriber, shutdown.clone()));
            let up = tokio::time::timeout(PATIENCE, ups.recv()).await?;
            senders.push(up.context("the publisher has ended")?);
        }
        Ok(Self {
            senders,
            received,
            sent: 0,
            shutdown,
        })
    }

    /// Publishes so many rounds and waits until the last has arrived.
    pub(super) async fn publish(&mut self, round: &[ServerToProxy], rounds: u64) -> anyhow::Result<()> {
        for _ in 0..rounds {
            self.wait_for((self.sent + ROUND).saturating_sub(WINDOW)).await?;
            for sender in &self.senders {
                // As regions do it: each hands its own updates of a tick to the link at once.
                for region in round.chunks(super::UPDATES_PER_REGION) {
                    sender.try_send_all(region)?;
                }
            }
            self.sent += ROUND;
        }
        self.wait_for(self.sent).await
    }

    /// Frames received so far.
    pub(super) fn frames(&self) -> u64 {
        self.received.frames.load(Ordering::Relaxed)
    }

    async fn wait_for(&self, updates: u64) -> anyhow::Result<()> {
        while self.received.updates.load(Ordering::Relaxed) < updates {
            let news = tokio::time::timeout(PATIENCE, self.received.news.notified()).await;
            news.map_err(|_| anyhow!("updates were lost"))?;
        }
        Ok(())
    }
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
    let now_ms = net::clock::wall_ms() as i64;
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
    Ok(Arc::new(LinkContext::new(config, local, role, directory)))
}
