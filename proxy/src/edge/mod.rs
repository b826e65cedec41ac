//! The core of one edge shard: its sessions, their datagrams, their owners, their views. Pure: it is told what happened
//! and when, and says what to do; the shard's thread owns the socket and the clock.
//!
//! # Contract
//! * [`Edge::handle`] and [`Edge::handle_datagram`] bring in what happened, [`Edge::tick`] moves time, and
//!   [`Edge::take_effects`] brings out what must be done. Snapshots leave through the [`DatagramSink`] given to the call.
//! * `now_ms` is monotonic milliseconds; a smaller value than before is treated as no time passed.
//! * Nothing here waits, allocates per datagram in the steady state, or remembers a session that is gone for longer than a
//!   handover takes.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod client_messages;
mod closed_paths;
mod commands;
mod composition;
mod crowd;
mod cut_off;
mod deltas;
mod effect;
mod input;
mod inspect;
mod login;
pub(crate) mod map;
mod news;
mod path;
pub(crate) mod rate;
mod route;
mod section;
mod server_messages;
mod servers;
mod session;
mod sight;
mod snapshots;
mod steps;
#[cfg(test)]
pub(crate) mod tests;
mod views;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::awake::AwakeClock;
use protocol::geometry::{CellGrid, CellIndex};
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber, UserId};
use protocol::limits::GAME_ID_BYTES_MAX;
use protocol::message::checked::SessionIdentity;
use slotmap::SlotMap;
use topology::Topology;

pub use effect::{BrowserId, DatagramRoad, DatagramSink, EdgeEffect};
pub use input::{Admission, EdgeInput, HolderSign, OwnerAnswer, SessionHandle};
pub use inspect::{SessionView, Waiting};
pub use views::RegionCells;

use closed_paths::ClosedPaths;
use composition::Composer;
use cut_off::CutOff;
use map::FastMap;
use news::NewsRates;
use servers::Servers;
use session::Session;
use views::CellViews;

/// What a shard must know beside the topology.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Bytes of snapshots per second and player.
    pub snapshot_bytes_per_s: u32,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            snapshot_bytes_per_s: 16 * 1024,
        }
    }
}

/// One shard.
pub struct Edge {
    config: EdgeConfig,
    topology: Arc<Topology>,
    grid: CellGrid,
    tick_period_ms: u64,
    sessions: SlotMap<slotmap::DefaultKey, Session>,
    by_user: FastMap<UserId, SessionHandle>,
    by_cid: FastMap<[u8; 8], SessionHandle>,
    closed_paths: ClosedPaths,
    servers: Servers,
    news_rates: NewsRates,
    views: CellViews,
    composer: Composer,
    scratch: Vec<u8>,
    visible: Vec<CellIndex>,
    swept_ms: u64,
    /// What clients' silence is measured by.
    awake: AwakeClock,
    /// Who has logged out, by which session and when, milliseconds: a handover may have passed the leave by.
    logouts: BTreeMap<UserId, (SessionIdentity, u64)>,
    draining: bool,
    cut_off: CutOff,
    /// The game that servers play, and the newest version of it; empty while none has said so.
    game: (String, u32),
    effects: Vec<EdgeEffect>,
}

impl Edge {
    /// A shard without sessions, before any server is up.
    #[must_use]
    pub fn new(config: EdgeConfig, topology: Arc<Topology>) -> Self {
        let grid = topology.world().grid();
        Self {
            config,
            grid,
            tick_period_ms: topology.world().tick_us() / 1000,
            topology,
            sessions: SlotMap::new(),
            by_user: FastMap::default(),
            by_cid: FastMap::default(),
            closed_paths: ClosedPaths::default(),
            servers: Servers::default(),
            news_rates: NewsRates::default(),
            views: CellViews::new(&grid),
            composer: Composer::default(),
            scratch: Vec::new(),
            visible: Vec::new(),
            swept_ms: 0,
            awake: AwakeClock::default(),
            logouts: BTreeMap::new(),
            draining: false,
            cut_off: CutOff::default(),
            game: Default::default(),
            effects: Vec::new(),
        }
    }

    /// A server says which game it plays: clients are told so from now on. Of several versions, in an upgrade, the newest one.
    pub fn plays(&mut self, game: String, version: u32) {
        if game.len() <= GAME_ID_BYTES_MAX
            && !game.is_empty()
            && (version >= self.game.1 || game != self.game.0)
        {
            self.game = (game, version);
        }
    }

    /// Takes in one thing that happened outside.
    pub fn handle(&mut self, input: EdgeInput, now_ms: u64, sink: &mut dyn DatagramSink) {
        match input {
            EdgeInput::Admit(admission) => self.admit(*admission, now_ms),
            EdgeInput::FromClient(session, message) => self.client_message(session, message, now_ms),
            EdgeInput::ClientGone(session) => self.client_gone(session, now_ms),
            EdgeInput::Expelled(session) => self.expelled(session, now_ms),
            EdgeInput::TicketRenewed(session, ticket) => self.ticket_renewed(session, ticket),
            EdgeInput::FromServer(node, message) => self.server_message(node, message, now_ms),
            EdgeInput::Cells(cells) => self.cells(&cells, now_ms),
            EdgeInput::TickEnd(node, end) => self.tick_end(node, &end, now_ms, sink),
            EdgeInput::Serving(node, serving) => self.serving(node, &serving, now_ms),
            EdgeInput::ServerUp(node) => self.server_up(node, now_ms),
            EdgeInput::ServerDown(node) => self.server_down(node, now_ms),
            EdgeInput::Owner(user, trusted, answer) => self.owner_answered(user, trusted, answer, now_ms),
            EdgeInput::Holder(region, sign) => self.holder_seen(region, sign, now_ms),
            EdgeInput::Drain => self.drain(),
        }
    }

    /// Moves time: what was asked is asked again, and players whose owner is silent get their snapshot all the same.
    pub fn tick(&mut self, now_ms: u64, sink: &mut dyn DatagramSink) {
        self.awake.advance(now_ms);
        self.retry(now_ms);
        self.look_for_holders(now_ms);
        self.compose_overdue(now_ms, sink);
        if now_ms.saturating_sub(self.swept_ms) >= 1_000 {
            self.swept_ms = now_ms;
            self.closed_paths.tick(now_ms);
            self.end_silent(now_ms);
            self.note_places(now_ms);
            self.sweep_logouts(now_ms);
            self.composer.sweep(now_ms);
            let dropped = self.views.sweep(now_ms);
            self.effects.extend(dropped.into_iter().map(EdgeEffect::Unwatch));
        }
    }

    /// Moves everything that must be done into `out`.
    pub fn take_effects(&mut self, out: &mut Vec<EdgeEffect>) {
        out.append(&mut self.effects);
    }

    /// Sessions at this shard.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Whether this user has a session here.
    #[must_use]
    pub fn has(&self, user: UserId) -> bool {
        self.by_user.contains_key(&user)
    }

    /// Who serves a region, at which epoch, as the store last confirmed.
    #[must_use]
    pub fn server_of(&self, region: RegionNumber) -> Option<(NodeNumber, RegionEpoch)> {
        self.servers.serving(region)
    }

    /// The cells of a region that this shard subscribes to, in no particular order.
    pub fn watched_in(&self, region: RegionNumber) -> impl Iterator<Item = CellIndex> {
        let watched = self.views.watched();
        watched.filter_map(move |(cell, of)| (of == region).then_some(cell))
    }

    /// How many cells this shard subscribes to.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.views.len()
    }

    /// How many regions somebody serves who can be reached from here.
    #[must_use]
    pub fn regions_served(&self) -> usize {
        self.servers.regions_served()
    }

    /// The region of the player's owner, while it plays.
    #[must_use]
    pub fn region_of(&self, session: SessionHandle) -> Option<RegionNumber> {
        let session = self.sessions.get(session.0)?;
        session.route.playing().map(|owner| owner.region)
    }

    /// Sessions whose owner is known and up.
    #[must_use]
    pub fn playing(&self) -> usize {
        self.sessions
            .values()
            .filter(|session| session.route.playing().is_some())
            .count()
    }

    /// Sessions that wait until somebody serves their player again.
    #[must_use]
    pub fn suspended(&self) -> usize {
        self.sessions
            .values()
            .filter(|session| matches!(session.route.standing, route::Standing::Suspended { .. }))
            .count()
    }
}
