//! The shell of a proxy as far as the simulation needs one: subscriptions, decoded cells, connections of devices.

use protocol::cell::DecodedCell;
use protocol::geometry::CellIndex;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};
use protocol::message::family::{BatchMessage, ProxyToServer, ServerToProxy};
use protocol::message::subscription::{CellUpdates, Serving, Subscribe, Unsubscribe};
use proxy::edge::{EdgeEffect, EdgeInput, RegionCells};
use store::claims::ASK_AGAIN_MS;
use store::{Announced, StoreRequest, StoreResult};

use super::event::{Asker, Event, ToClient};
use super::state::{Cluster, Phase};

/// Between ticks of a shard, microseconds.
const EDGE_TICK_US: u64 = 20_000;

impl Cluster {
    pub(super) fn edge_tick(&mut self, node: NodeNumber, life: u32) {
        let now_ms = self.now_ms();
        let Some(proxy) = self.proxies.get_mut(&node).filter(|proxy| proxy.life == life) else {
            return;
        };
        let mut datagrams = Vec::new();
        proxy.edge.tick(now_ms, &mut datagrams);
        self.schedule.after(EDGE_TICK_US, Event::EdgeTick(node, life));
        self.after_edge(node, datagrams);
    }

    pub(super) fn edge_input(&mut self, node: NodeNumber, input: EdgeInput) {
        let now_ms = self.now_ms();
        let Some(proxy) = self.proxies.get_mut(&node) else {
            return;
        };
        let mut datagrams = Vec::new();
        proxy.edge.handle(input, now_ms, &mut datagrams);
        self.after_edge(node, datagrams);
    }

    pub(super) fn after_edge(&mut self, node: NodeNumber, datagrams: Vec<(std::net::SocketAddr, Vec<u8>)>) {
        let Some(proxy) = self.proxies.get_mut(&node) else {
            return;
        };
        let mut effects = Vec::new();
        proxy.edge.take_effects(&mut effects);
        self.checks
            .routes(node, proxy.life, proxy.edge.session_views(), &effects);
        for (to, bytes) in datagrams {
            self.trace.bytes(&bytes);
            self.datagram_down(to, &bytes);
        }
        for effect in effects {
            self.edge_effect(node, effect);
        }
        self.flush_lanes(node);
    }

    fn edge_effect(&mut self, node: NodeNumber, effect: EdgeEffect) {
        match effect {
            EdgeEffect::Admitted(_, handle, cid) => self.admitted(node, handle, cid),
            EdgeEffect::ToServer(server, message) => self.say_to(node, server, &message),
            EdgeEffect::ToClient(handle, message) => {
                self.trace.encoded(|out| message.encode(out));
                if let Some(conn) = self.conn_of(node, handle) {
                    self.stream_down(conn, ToClient::Message(message));
                }
            }
            EdgeEffect::CloseClient(handle, _, code) => {
                if let Some(conn) = self.conn_of(node, handle) {
                    self.stream_down(conn, ToClient::Close(code));
                    self.forget_handle(node, handle);
                }
            }
            EdgeEffect::Watch(cell) => self.watch(node, cell),
            EdgeEffect::Unwatch(cell) => self.unwatch(node, cell),
            EdgeEffect::ReadOwner(user, trusted) => {
                let life = self.proxies.get(&node).map_or(0, |proxy| proxy.life);
                let asker = Asker::Owner {
                    proxy: node,
                    life,
                    user,
                    trusted,
                };
                self.ask(asker, StoreRequest::ReadOwner { user });
            }
            EdgeEffect::Refused(label) => {
                let now_us = self.now_us();
                self.trace
                    .line(now_us, || format!("  proxy {node} counts {label}"));
                if label == "owner_epoch_unissued" {
                    self.checks.fail(format!(
                        "proxy {node} trusted an owner epoch that nobody has issued"
                    ));
                }
                *self.counts.entry(label).or_default() += 1;
            }
        }
    }

    fn watch(&mut self, node: NodeNumber, cell: CellIndex) {
        let region = self.topology.region_of_cell(cell);
        let Some(proxy) = self.proxies.get_mut(&node) else {
            return;
        };
        proxy.watched.insert(cell);
        if let Some(serving) = region.and_then(|region| proxy.services.serving(region)) {
            self.subscribe(node, serving, vec![cell.0]);
        }
    }

    fn unwatch(&mut self, node: NodeNumber, cell: CellIndex) {
        let region = self.topology.region_of_cell(cell);
        let Some(proxy) = self.proxies.get_mut(&node) else {
            return;
        };
        proxy.watched.remove(&cell);
        if let Some(serving) = region.and_then(|region| proxy.services.serving(region)) {
            let unsubscribe = Unsubscribe {
                region: serving.region.0,
                region_epoch: serving.region_epoch.0,
                cells: vec![cell.0],
            };
            self.say_to(node, serving.node, &unsubscribe.into());
        }
    }

    /// Says something to a game server; what leaves together leaves in one sweep. Lost without a link.
    fn say_to(&mut self, node: NodeNumber, server: NodeNumber, message: &ProxyToServer) {
        let proxy = self.proxies.get_mut(&node);
        if let Some(core) = proxy.and_then(|proxy| proxy.links.get_mut(&server)) {
            core.push(message);
        }
    }

    /// What the proxy has said leaves.
    fn flush_lanes(&mut self, node: NodeNumber) {
        let linked: Vec<NodeNumber> = self
            .proxies
            .get(&node)
            .map(|proxy| proxy.links.keys().copied().collect())
            .unwrap_or_default();
        for server in linked {
            self.flush_lane(node, server);
        }
    }

    fn subscribe(&mut self, node: NodeNumber, serving: store::Serving, cells: Vec<u32>) {
        let subscribe = Subscribe {
            region: serving.region.0,
            region_epoch: serving.region_epoch.0,
            cells,
        };
        self.say_to(node, serving.node, &subscribe.into());
    }

    pub(super) fn proxy_hears(&mut self, node: NodeNumber, from: NodeNumber, message: ServerToProxy) {
        if self.phase_of(node) != Phase::Up {
            return;
        }
        match message {
            ServerToProxy::Serving(serving) => self.proxy_hears_serving(node, from, serving),
            ServerToProxy::CellUpdates(updates) => {
                if let Some(cells) = self.decoded(from, &updates) {
                    self.edge_input(node, EdgeInput::Cells(cells));
                }
            }
            ServerToProxy::TickEnd(end) => self.edge_input(node, EdgeInput::TickEnd(from, end)),
            message => {
                if let Some(proxy) = self.proxies.get(&node) {
                    self.checks.expect(&message, proxy.edge.session_views());
                }
                self.edge_input(node, EdgeInput::FromServer(from, message));
            }
        }
    }

    /// A server says what it serves: the store is asked, unless it has said so before.
    fn proxy_hears_serving(&mut self, node: NodeNumber, from: NodeNumber, serving: Serving) {
        let claim = store::Serving {
            node: from,
            region: RegionNumber(serving.region),
            region_epoch: RegionEpoch(serving.region_epoch),
        };
        let Some(proxy) = self.proxies.get_mut(&node) else {
            return;
        };
        let life = proxy.life;
        match proxy.services.announce(claim) {
            Announced::Known => {
                self.subscribe_all(node, claim);
                self.flush_lanes(node);
            }
            Announced::Ask => self.ask_service(node, life, claim.region),
            Announced::Waits => {}
        }
    }

    fn ask_service(&mut self, proxy: NodeNumber, life: u32, region: RegionNumber) {
        let asker = Asker::Service { proxy, life, region };
        self.ask(asker, StoreRequest::ReadService { region });
    }

    pub(super) fn service_again(&mut self, node: NodeNumber, life: u32, region: RegionNumber) {
        let proxy = self.proxies.get_mut(&node).filter(|proxy| proxy.life == life);
        if proxy.is_some_and(|proxy| proxy.services.ask_again(region)) {
            self.ask_service(node, life, region);
        }
    }

    pub(super) fn service_answered(&mut self, node: NodeNumber, region: RegionNumber, answer: &StoreResult) {
        let Some(proxy) = self.proxies.get_mut(&node) else {
            return;
        };
        let (life, verdict) = (proxy.life, proxy.services.answer(region, answer));
        if let Some(serving) = verdict.confirmed {
            self.subscribe_all(node, serving);
            let news = Serving {
                region: region.0,
                region_epoch: serving.region_epoch.0,
            };
            self.edge_input(node, EdgeInput::Serving(serving.node, news));
        }
        if verdict.again {
            let again = Event::AskService(node, life, region);
            self.schedule.after(ASK_AGAIN_MS * 1000, again);
        }
    }

    /// Everything watched in a region is subscribed to (again).
    fn subscribe_all(&mut self, node: NodeNumber, serving: store::Serving) {
        let Some(proxy) = self.proxies.get(&node) else {
            return;
        };
        let there = |cell: &&CellIndex| self.topology.region_of_cell(**cell) == Some(serving.region);
        let cells: Vec<u32> = proxy.watched.iter().filter(there).map(|cell| cell.0).collect();
        if !cells.is_empty() {
            self.subscribe(node, serving, cells);
        }
    }

    fn decoded(&mut self, from: NodeNumber, updates: &CellUpdates) -> Option<RegionCells> {
        let grid = self.topology.world().grid();
        let cells: Result<Vec<_>, _> = updates
            .cells
            .iter()
            .map(|bytes| DecodedCell::parse(bytes.clone(), &grid).map(|cell| (bytes.clone(), cell)))
            .collect();
        match cells {
            Ok(cells) => Some(RegionCells {
                node: from,
                region: RegionNumber(updates.region),
                region_epoch: RegionEpoch(updates.region_epoch),
                tick: updates.tick,
                server_time_ms: updates.server_time_ms,
                cells,
            }),
            Err(error) => {
                self.checks
                    .fail(format!("server {from} published a malformed cell: {error}"));
                None
            }
        }
    }
}
