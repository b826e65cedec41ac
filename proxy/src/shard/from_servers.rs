//! What arrives on the lanes of game servers, and their bytes out. A server that publishes what it does not serve, or
//! speaks of another lane's user, is refused.

use net::link::LinkId;
use net::link_core::{Received, Sealing};
use protocol::Code;
use protocol::cell::DecodedCell;
use protocol::ids::{NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, UserId, lane_of};
use protocol::message::checked::CheckedCellUpdates;
use protocol::message::family::ServerToProxy;
use protocol::message::node::Heartbeat;
use protocol::message::subscription::{CellUpdates, Serving};
use store::RegionHolder;

use super::effect::{Question, ShardEffect, TopologyWord};
use super::server_links::ServerLinkCore;
use super::{Moment, Shard};
use crate::edge::{DatagramSink, EdgeInput, HolderSign, OwnerAnswer, RegionCells};

impl<S: Sealing> Shard<S> {
    /// The shard's lane to a game server is up. An older one ends for it.
    pub fn link_up(
        &mut self,
        id: LinkId,
        node: NodeNumber,
        core: ServerLinkCore<S>,
        now: Moment,
        sink: &mut dyn DatagramSink,
    ) {
        if let Some(older) = self.links.add(id, node, core) {
            self.close_link(older, Code::DuplicateLink, now);
            self.edge
                .handle(EdgeInput::ServerDown(node), now.mono_us / 1000, sink);
        }
        self.edge
            .handle(EdgeInput::ServerUp(node), now.mono_us / 1000, sink);
        // Bytes may have come with the handshake.
        self.from_server(id, &[], now, sink);
    }

    /// Bytes arrived on a lane.
    pub fn from_server(&mut self, id: LinkId, bytes: &[u8], now: Moment, sink: &mut dyn DatagramSink) {
        self.links.receive(id, bytes);
        while let Some((node, received)) = self.links.next(id, now) {
            match received {
                Received::Message(message) => self.server_says(id, node, message, now, sink),
                Received::Heartbeat(heartbeat) => self.effects.push(ShardEffect::Heard(id, heartbeat)),
            }
        }
    }

    fn server_says(
        &mut self,
        id: LinkId,
        node: NodeNumber,
        message: ServerToProxy,
        now: Moment,
        sink: &mut dyn DatagramSink,
    ) {
        let user = match &message {
            ServerToProxy::Output(it) => it.user,
            ServerToProxy::CommandAck(it) => it.user,
            ServerToProxy::Event(it) => it.user,
            ServerToProxy::Joined(it) => it.user,
            ServerToProxy::JoinRefused(it) => it.user,
            ServerToProxy::Moved(it) => it.user,
            ServerToProxy::Here(it) => it.user,
            ServerToProxy::Elsewhere(it) => it.user,
            ServerToProxy::Superseded(it) => it.user,
            ServerToProxy::Kick(it) => it.user,
            ServerToProxy::Notify(it) => it.user,
            // Each lane is told, for its own users.
            ServerToProxy::Announce(_) => {
                let input = EdgeInput::FromServer(node, message);
                return self.edge.handle(input, now.mono_us / 1000, sink);
            }
            ServerToProxy::CellUpdates(_)
            | ServerToProxy::TickEnd(_)
            | ServerToProxy::Serving(_)
            | ServerToProxy::GetTopology(_)
            | ServerToProxy::Topology(_)
            | ServerToProxy::RegionBrief(_)
            | ServerToProxy::Heartbeat(_) => {
                return self.server_says_to_all(id, node, message, now, sink);
            }
        };
        if lane_of(UserId(user), self.config.lanes) == self.config.lane {
            let input = EdgeInput::FromServer(node, message);
            self.edge.handle(input, now.mono_us / 1000, sink);
        } else {
            self.count("wrong_lane");
        }
    }

    fn server_says_to_all(
        &mut self,
        id: LinkId,
        node: NodeNumber,
        message: ServerToProxy,
        now: Moment,
        sink: &mut dyn DatagramSink,
    ) {
        match message {
            ServerToProxy::CellUpdates(updates) => self.cells(node, updates, now, sink),
            ServerToProxy::TickEnd(end) => {
                self.edge
                    .handle(EdgeInput::TickEnd(node, end), now.mono_us / 1000, sink);
            }
            ServerToProxy::Serving(serving) => {
                let Serving {
                    region,
                    region_epoch,
                    game,
                    game_version,
                    briefs,
                } = serving;
                self.edge.plays(game, game_version);
                if briefs {
                    self.tells_briefs(id);
                }
                self.serving(node, RegionNumber(region), RegionEpoch(region_epoch));
            }
            ServerToProxy::RegionBrief(brief) => self.brief(node, &brief),
            ServerToProxy::GetTopology(asked) => {
                let word = TopologyWord::Question(asked);
                self.effects.push(ShardEffect::Topology(id, word));
            }
            ServerToProxy::Topology(offered) => {
                let word = TopologyWord::Bundle(offered);
                self.effects.push(ShardEffect::Topology(id, word));
            }
            // Links take heartbeats out themselves, and the rest went to its user.
            _ => {}
        }
    }

    fn cells(&mut self, node: NodeNumber, updates: CellUpdates, now: Moment, sink: &mut dyn DatagramSink) {
        let Ok(updates) = CheckedCellUpdates::try_from(updates) else {
            return self.count("cells_malformed");
        };
        // Decoding costs: nothing is decoded for who does not serve the region.
        if self.edge.server_of(updates.region) != Some((node, updates.region_epoch)) {
            return self.count("cells_not_serving");
        }
        let grid = self.topology.world().grid();
        let mut cells = Vec::with_capacity(updates.cells.len());
        for bytes in updates.cells {
            match DecodedCell::parse(&bytes, &grid) {
                Ok(decoded) => cells.push((bytes, decoded)),
                Err(_) => self.count("cell_malformed"),
            }
        }
        let cells = RegionCells {
            node,
            region: updates.region,
            region_epoch: updates.region_epoch,
            tick: updates.tick.0,
            server_time_ms: updates.server_time_ms,
            cells,
        };
        self.edge
            .handle(EdgeInput::Cells(cells), now.mono_us / 1000, sink);
    }

    /// A server says that it serves a region. What the store has confirmed before needs no question; the server's link is
    /// new then, and it has to be asked for everything again.
    pub(super) fn serving(&mut self, node: NodeNumber, region: RegionNumber, region_epoch: RegionEpoch) {
        if !self.listing.may_serve(node, region) {
            if self.topology.region(region).is_some() {
                self.denied.insert((region, node), region_epoch);
            }
            return self.count("serving_denied");
        }
        if self.edge.server_of(region) == Some((node, region_epoch)) {
            return self.watch_all(region);
        }
        self.ask(Question::Service(store::Serving {
            node,
            region,
            region_epoch,
        }));
    }

    /// The store says who serves a region: it is asked for all that is watched there.
    pub fn service_confirmed(&mut self, serving: store::Serving, now: Moment, sink: &mut dyn DatagramSink) {
        let news = Serving {
            region: serving.region.0,
            region_epoch: serving.region_epoch.0,
            ..Serving::default()
        };
        let input = EdgeInput::Serving(serving.node, news);
        self.edge.handle(input, now.mono_us / 1000, sink);
        self.watch_all(serving.region);
    }

    fn watch_all(&mut self, region: RegionNumber) {
        for cell in self.edge.watched_in(region) {
            self.wishes.watch(cell);
        }
    }

    /// The store's word on who holds a region whose players wait.
    pub fn holder_seen(
        &mut self,
        region: RegionNumber,
        holder: Option<RegionHolder>,
        now: Moment,
        sink: &mut dyn DatagramSink,
    ) {
        let sign = holder.and_then(|holder| {
            let live = holder.live()?;
            Some(HolderSign {
                node: holder.service.node,
                incarnation: live.incarnation,
                beat: live.beat,
            })
        });
        self.edge
            .handle(EdgeInput::Holder(region, sign), now.mono_us / 1000, sink);
    }

    /// The store's answer about a player's owner, with the epoch that was trusted when it was asked.
    pub fn owner_answered(
        &mut self,
        user: UserId,
        trusted: OwnerEpoch,
        answer: OwnerAnswer,
        now: Moment,
        sink: &mut dyn DatagramSink,
    ) {
        let input = EdgeInput::Owner(user, trusted, answer);
        self.edge.handle(input, now.mono_us / 1000, sink);
    }

    /// A heartbeat, filled in.
    pub fn beat(&mut self, id: LinkId, heartbeat: Heartbeat) {
        if let Some(core) = self.links.get_mut(id) {
            core.push(&heartbeat.into());
        }
    }

    /// Says something about topologies.
    pub fn say(&mut self, id: LinkId, word: TopologyWord) {
        if let Some(core) = self.links.get_mut(id) {
            match word {
                TopologyWord::Question(asked) => core.push(&asked.into()),
                TopologyWord::Bundle(bundle) => core.push(&bundle.into()),
            }
        }
    }

    /// A lane's stream broke.
    pub fn link_broke(&mut self, id: LinkId, label: &'static str) {
        if let Some(core) = self.links.get_mut(id) {
            core.broke(label);
        }
    }

    /// Ends a lane. A server that is left in peace (`Draining`) hears all that waits before the goodbye.
    pub fn close_link(&mut self, id: LinkId, code: Code, now: Moment) {
        if let Some(core) = self.links.get_mut(id) {
            core.close(code, now);
        }
    }

    /// Ends all lanes.
    pub fn close_links(&mut self, code: Code, now: Moment) {
        for id in self.links.ids() {
            self.close_link(id, code, now);
        }
    }

    /// Seals what waits on a lane, as much as is about to be written.
    pub fn flush_link(&mut self, id: LinkId, now: Moment) {
        if let Some(core) = self.links.get_mut(id) {
            core.flush(now);
        }
    }

    /// Sealed bytes of a lane that wait for the kernel.
    #[must_use]
    pub fn link_unsent(&self, id: LinkId) -> &[u8] {
        self.links.unsent(id)
    }

    /// So many of them have been written.
    pub fn link_wrote(&mut self, id: LinkId, bytes: usize) {
        if let Some(core) = self.links.get_mut(id) {
            core.wrote(bytes);
        }
    }
}
