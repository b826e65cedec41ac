//! The link to one game server: dialed for ever, and what comes over it sorted to the shards, one batch per shard and
//! frame. A cell is decoded here once for all shards; a server that publishes what it does not serve is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::vec::Drain;

use net::link::{DownReason, LinkHandler, LinkId, LinkSender, LinkTarget, LinkUp, dial_link};
use node::dial_plan::Dialed;
use node::topology_in_force::TopologyInForce;
use protocol::Code;
use protocol::cell::DecodedCell;
use protocol::geometry::CellGrid;
use protocol::identity::Role;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber, TopologyVersion, UserId};
use protocol::message::checked::CheckedCellUpdates;
use protocol::message::family::{ProxyToServer, ServerToProxy};
use protocol::message::node::Heartbeat;
use protocol::message::subscription::{CellUpdates, Serving, TickEnd};
use protocol::node_handshake::Lane;
use tokio_util::sync::CancellationToken;

use super::directory::Directory;
use super::inbox::ShardInput;
use super::refusals::Refusals;
use super::server_links::ServerLinks;
use super::services::Services;
use super::shard_handle::Shards;
use super::subscriptions::Subscriptions;
use super::topology_news::TopologyNews;
use crate::edge::{EdgeInput, RegionCells};

/// What all links of the proxy share.
pub(super) struct LinkWorld {
    pub(super) news: TopologyNews,
    pub(super) grid: CellGrid,
    pub(super) directory: Directory,
    pub(super) shards: Shards,
    pub(super) links: Arc<ServerLinks>,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) services: Arc<Services>,
    pub(super) refusals: Arc<Refusals>,
}

/// The game servers that the topology in force lists; who is revoked has no record.
pub(super) fn servers(topology: &TopologyInForce) -> BTreeSet<Dialed> {
    let view = topology.view();
    let servers = view.topology().servers().iter();
    servers
        .filter_map(|server| Some((server.number, view.node(server.number)?.uuid)))
        .collect()
}

/// Keeps the link to one game server until `stop`.
pub(super) async fn dial(world: Arc<LinkWorld>, (node, uuid): Dialed, stop: CancellationToken) {
    let topology = Arc::clone(&world.news.topology);
    // Asked before each dial: a newer topology may have moved it.
    let address = move || {
        let view = topology.view();
        let server = view.topology().server(node)?;
        Some(server.proxy).filter(|address| address.port() != 0)
    };
    let target = LinkTarget {
        address: Arc::new(address),
        responder: uuid,
        role: Role::GameServer,
        lane: Lane::default(),
    };
    let context = Arc::clone(&world.news.links);
    dial_link(context, target, ServerLink::new(world, node), stop).await;
}

/// One server's messages, on their way to the shards.
struct ServerLink {
    world: Arc<LinkWorld>,
    node: NodeNumber,
    sender: Option<LinkSender<ProxyToServer>>,
    serving: BTreeMap<RegionNumber, RegionEpoch>,
    /// By shard: per-user messages since the last thing for everybody, and the batch.
    users: Vec<Vec<ServerToProxy>>,
    batches: Vec<Vec<ShardInput>>,
    asked: TopologyVersion,
}

impl ServerLink {
    fn new(world: Arc<LinkWorld>, node: NodeNumber) -> Self {
        let shards = world.shards.len();
        Self {
            world,
            node,
            sender: None,
            serving: BTreeMap::new(),
            users: (0..shards).map(|_| Vec::new()).collect(),
            batches: (0..shards).map(|_| Vec::new()).collect(),
            asked: TopologyVersion(0),
        }
    }

    fn message(&mut self, message: ServerToProxy) {
        match message {
            ServerToProxy::Output(ref it) => self.pass_on(it.user, message),
            ServerToProxy::CellUpdates(updates) => self.cells(updates),
            // What the tick said came before, in the same class.
            ServerToProxy::TickEnd(end) => self.tick_end(end),
            ServerToProxy::Serving(serving) => self.serving(&serving),
            ServerToProxy::GetTopology(asked) => self.reply(self.world.news.answer(&asked)),
            ServerToProxy::Topology(offered) => {
                if let Err(error) = self.world.news.handle(&offered) {
                    self.world.refusals.count("topology_refused");
                    tracing::warn!(node = %self.node, %error, "a topology was refused");
                }
            }
            ServerToProxy::CommandAck(ref it) => self.pass_on(it.user, message),
            ServerToProxy::Event(ref it) => self.pass_on(it.user, message),
            ServerToProxy::Joined(ref it) => self.pass_on(it.user, message),
            ServerToProxy::JoinRefused(ref it) => self.pass_on(it.user, message),
            ServerToProxy::Moved(ref it) => self.pass_on(it.user, message),
            ServerToProxy::Here(ref it) => self.pass_on(it.user, message),
            ServerToProxy::Elsewhere(ref it) => self.pass_on(it.user, message),
            ServerToProxy::Superseded(ref it) => self.pass_on(it.user, message),
            ServerToProxy::Kick(ref it) => self.pass_on(it.user, message),
            // Links take heartbeats out themselves.
            ServerToProxy::Heartbeat(_) => {}
        }
    }

    fn tick_end(&mut self, end: TickEnd) {
        let node = self.node;
        self.pass_to_all(|| EdgeInput::TickEnd(node, end));
    }

    fn pass_on(&mut self, user: u64, message: ServerToProxy) {
        let shard = self.world.directory.shard_of(UserId(user));
        if let Some(users) = self.users.get_mut(usize::from(shard.0)) {
            users.push(message);
        }
    }

    fn serving(&mut self, serving: &Serving) {
        let (region, epoch) = (RegionNumber(serving.region), RegionEpoch(serving.region_epoch));
        // A newer topology may have listed it since this proxy started.
        if !self
            .world
            .news
            .topology
            .view()
            .topology()
            .may_serve(self.node, region)
        {
            return self.world.refusals.count("serving_denied");
        }
        self.serving.insert(region, epoch);
        self.world.services.announce(store::Serving {
            node: self.node,
            region,
            region_epoch: epoch,
        });
    }

    fn cells(&mut self, updates: CellUpdates) {
        let Ok(updates) = CheckedCellUpdates::try_from(updates) else {
            return self.world.refusals.count("cells_malformed");
        };
        if self.serving.get(&updates.region) != Some(&updates.region_epoch) {
            return self.world.refusals.count("cells_not_serving");
        }
        let (region, tick, count) = (updates.region, updates.tick.0, updates.cells.len());
        let grid = self.world.grid;
        let decoded = updates.cells.into_iter().filter_map(|bytes| {
            let decoded = DecodedCell::parse(bytes.clone(), &grid).ok()?;
            Some((bytes, decoded))
        });
        let cells: Vec<_> = decoded.collect();
        if cells.len() < count {
            self.world
                .refusals
                .add("cell_malformed", (count - cells.len()) as u64);
        }
        let cells = Arc::new(RegionCells {
            node: self.node,
            region,
            region_epoch: updates.region_epoch,
            tick,
            server_time_ms: updates.server_time_ms,
            cells,
        });
        self.pass_to_all(|| EdgeInput::Cells(Arc::clone(&cells)));
    }

    /// Something that concerns every shard; what came before for its users goes before.
    fn pass_to_all(&mut self, input: impl Fn() -> EdgeInput) {
        self.close_users();
        for batch in &mut self.batches {
            batch.push(input().into());
        }
    }

    fn close_users(&mut self) {
        for (users, batch) in self.users.iter_mut().zip(&mut self.batches) {
            if !users.is_empty() {
                batch.push(EdgeInput::FromServer(self.node, std::mem::take(users)).into());
            }
        }
    }

    /// Hands each shard its batch. A shard that cannot take it would miss what must arrive: the link starts anew, and
    /// everything is said again.
    fn deliver(&mut self) {
        self.close_users();
        for (batch, shard) in self.batches.iter_mut().zip(self.world.shards.iter()) {
            if shard.inbox.push_all(batch).is_err()
                && let Some(sender) = &self.sender
            {
                tracing::warn!(node = %self.node, shard = shard.index.0, "a shard does not keep up; its link starts anew");
                sender.close(Code::SlowConsumer);
            }
        }
    }

    /// News of the link itself.
    fn tell_all(&self, news: impl Fn(NodeNumber) -> EdgeInput) {
        for shard in self.world.shards.iter() {
            shard.inbox.push_news(news(self.node));
        }
    }

    fn reply(&self, message: Option<impl Into<ProxyToServer>>) {
        if let (Some(message), Some(sender)) = (message, &self.sender) {
            let _ = sender.try_send(&message.into());
        }
    }
}

impl LinkHandler for ServerLink {
    type In = ServerToProxy;
    type Out = ProxyToServer;

    fn handle_up(&mut self, up: LinkUp<ProxyToServer>) {
        self.world.links.set_up(self.node, &up.sender);
        self.sender = Some(up.sender);
        self.tell_all(EdgeInput::ServerUp);
    }

    fn handle_batch(&mut self, _: LinkId, batch: Drain<'_, ServerToProxy>) {
        for message in batch {
            self.message(message);
        }
        self.deliver();
    }

    fn handle_heartbeat(&mut self, _: LinkId, heartbeat: &Heartbeat) {
        let theirs = TopologyVersion(heartbeat.topology_version);
        if theirs > self.asked {
            self.asked = theirs;
            self.reply(self.world.news.question(theirs));
        }
    }

    fn handle_down(&mut self, link: LinkId, reason: DownReason) {
        tracing::warn!(node = %self.node, ?reason, "a game server is gone");
        self.world.links.set_down(self.node, link);
        self.world.subscriptions.handle_down(self.node);
        (self.sender, self.asked) = (None, TopologyVersion(0));
        self.serving.clear();
        self.tell_all(EdgeInput::ServerDown);
    }
}
