//! What must be well again a while after the last fault: H4, H5, H6 and H7.

use client::core::World;
use demo::KIND_PLAYER;
use game::Visibility;
use protocol::geometry::{CellIndex, Position};
use protocol::ids::{EntityId, UserId};
use protocol::message::player::CommandClass;
use store::{Holder, Holding, StoreReply, StoreRequest};

use super::state::{Cluster, Phase, Proxy, Server};
use crate::bot::{Bot, Presence};
use crate::sights;

/// A calm so long that everything kept for a while must be forgotten, milliseconds.
const LONG_CALM_MS: u64 = 13_000;
/// The oldest a snapshot may be, milliseconds.
const FRESH_MS: u64 = 400;

/// A player that stands somewhere in the world.
struct Standing {
    user: UserId,
    entity: EntityId,
    at: Position,
    visibility: Visibility,
    /// Where it is published: who overhangs the border, in the nearest cell of its own region.
    cell: CellIndex,
}

impl Cluster {
    pub(super) fn look_when_calm(&mut self) {
        if self.options.game.is_some() {
            self.look_when_own_is_calm();
        } else if let Err(what) = self.all_is_well() {
            self.checks.fail(what);
        }
    }

    pub(super) fn all_is_well(&mut self) -> Result<(), String> {
        self.processes_well()?;
        self.regions_served_once()?;
        self.regions_where_they_belong()?;
        let standing = self.everybody_once()?;
        for index in 0..self.bots.len() {
            if self.bots[index].presence != Presence::Retired {
                self.routed(index)?;
                self.seen(index, &standing)?;
                self.heard(index)?;
            }
        }
        self.sessions_gone()?;
        self.holdings_add_up()?;
        self.creatures_where_their_rows_are()?;
        self.creatures_of_who_serves()?;
        self.tables_small()
    }

    fn processes_well(&self) -> Result<(), String> {
        let nodes = self.servers.keys().chain(self.proxies.keys());
        for &node in nodes {
            if self.phase_of(node) != Phase::Up {
                return Err(format!("H5: node {node} is not up"));
            }
        }
        Ok(())
    }

    /// Every player who plays is in exactly one region, active.
    fn everybody_once(&self) -> Result<Vec<Standing>, String> {
        let mut standing: Vec<Standing> = Vec::new();
        let grid = self.topology.world().grid();
        for region in self.servers.values().flat_map(Server::regions) {
            let rect = self.topology.region(region.number()).map(|region| region.rect);
            for player in region.players() {
                if standing.iter().any(|other| other.user == player.user) {
                    return Err(format!("H4: {player:?} is in two regions"));
                }
                if !player.is_active {
                    return Err(format!("H5: not active: {player:?}"));
                }
                let entity = region.entities().find(|entity| entity.id == player.entity);
                standing.push(Standing {
                    visibility: entity.map_or(Visibility::Near, |entity| entity.visibility),
                    user: player.user,
                    entity: player.entity,
                    at: player.at,
                    cell: grid.cell_at(rect.map_or(player.at, |rect| rect.clamp(player.at, 1.0 / 128.0))),
                });
            }
            let status = region.status();
            let is_demo = self.options.game.is_none();
            if is_demo && status.npcs != 1 + status.roaming {
                return Err(format!(
                    "H4: {} creatures in region {}, {} of which roam",
                    status.npcs, status.region, status.roaming
                ));
            }
        }
        let playing = self.bots.iter().filter(|bot| bot.presence != Presence::Retired);
        let count = playing.count();
        if standing.len() == count {
            Ok(standing)
        } else {
            let who: Vec<_> = standing.iter().map(|standing| standing.user.0).collect();
            Err(format!("H4: {count} play and {who:?} stand in the world"))
        }
    }

    /// Store, owner, proxy and device agree on who simulates the player.
    fn routed(&self, index: usize) -> Result<(), String> {
        let bot = &self.bots[index];
        let user = bot.user;
        let Some(conn) = bot.conn.filter(|_| bot.presence == Presence::Online) else {
            return Err(format!("H5: device {index} of user {user} is {:?}", bot.presence));
        };
        let proxy = self.conns[conn].proxy;
        let row = self
            .checks
            .row(user)
            .ok_or_else(|| format!("H5: user {user} has no row"))?;
        let owner = row.owner.ok_or_else(|| format!("H5: nobody owns user {user}"))?;
        let region = self
            .servers
            .get(&owner)
            .and_then(|server| server.region(row.region));
        let player = region.and_then(|region| region.player(user));
        let player = player.ok_or_else(|| format!("H5: the owner of user {user} has not got it: {row:?}"))?;
        if player.epoch != row.owner_epoch || player.binding.proxy != Some(proxy) {
            return Err(format!(
                "H5: user {user} is at proxy {proxy}, its region says {player:?}"
            ));
        }
        let mut sessions = self.proxies.get(&proxy).into_iter().flat_map(Proxy::sessions);
        let session = sessions
            .find(|session| session.user == user)
            .ok_or_else(|| format!("H5: proxy {proxy} has no session of user {user}"))?;
        if session.owner != Some((owner, row.region, row.owner_epoch)) || !session.is_playing {
            return Err(format!(
                "H5: user {user} is routed by {session:?}, its row is {row:?}"
            ));
        }
        let age_ms = self.now_ms().saturating_sub(bot.snapshot_at_ms);
        if age_ms > FRESH_MS || bot.epoch != row.owner_epoch {
            return Err(format!(
                "H5: user {user} had its last snapshot {age_ms} ms ago and knows epoch {}, its row is {row:?}",
                bot.epoch
            ));
        }
        let own_age_ms = self.now_ms().saturating_sub(bot.own_at_ms);
        if own_age_ms > FRESH_MS {
            return Err(format!(
                "H5: user {user} has heard nothing new of itself for {own_age_ms} ms, its row is {row:?}"
            ));
        }
        Ok(())
    }

    /// The device sees every player in its view where it stands, and nobody who is not there.
    fn seen(&self, index: usize, standing: &[Standing]) -> Result<(), String> {
        let bot = &self.bots[index];
        let grid = self.topology.world().grid();
        let (Some(world), Some(own)) = (
            bot.core.world(),
            standing.iter().find(|standing| standing.user == bot.user),
        ) else {
            return Err(format!("H5: user {} has no world", bot.user));
        };
        for other in standing {
            let rings = grid.rings_between(own.cell, other.cell);
            let shown = world.entity(other.entity);
            let near = shown.is_some_and(|shown| shown.at.distance_squared(other.at) < 0.05);
            let is_for_all = matches!(other.visibility, Visibility::Near | Visibility::Far);
            let is_for_me = other.visibility == Visibility::Only(bot.user);
            if shown.is_some() && !is_for_all && !is_for_me {
                return Err(format!(
                    "H6: user {} sees user {}, who is shown to {:?}",
                    bot.user, other.user, other.visibility
                ));
            }
            if rings <= world.shape().view_rings && !near && is_for_all {
                return Err(format!(
                    "H6: user {} at {:?} sees user {} at {:?}, who stands at {:?}",
                    bot.user,
                    own.at,
                    other.user,
                    shown.map(|shown| shown.at),
                    other.at
                ));
            }
        }
        if self.options.game.is_none() {
            self.creatures_seen(bot, world, own)?;
        }
        let game = self.options.game.as_ref();
        let kind_of_player = game.map_or(u16::from(KIND_PLAYER), |game| game.rules().kind_of_player());
        let players = world.entities().filter(|entity| entity.kind == kind_of_player);
        for entity in players {
            if !standing.iter().any(|standing| standing.entity == entity.id) {
                return Err(format!(
                    "H6: user {} sees somebody who is not there: {entity:?}",
                    bot.user
                ));
            }
        }
        Ok(())
    }

    /// The device sees the creatures that are shown to it, as far as they walk nowhere near a border meanwhile.
    fn creatures_seen(&self, bot: &Bot, world: &World, own: &Standing) -> Result<(), String> {
        let grid = self.topology.world().grid();
        for region in self.servers.values().flat_map(Server::regions) {
            let Some(place) = self.topology.region(region.number()) else {
                continue;
            };
            let well_inside = |at: Position| place.rect.clamp(at, 2.0) == at;
            let mut creatures = region.entities().filter(|one| sights::KINDS.contains(&one.kind));
            let unseen = creatures.find(|one| {
                let rings = grid.rings_between(own.cell, grid.cell_at(one.at));
                let is_shown = match one.visibility {
                    Visibility::Near => rings < world.shape().view_rings,
                    Visibility::Far => rings < world.shape().far_rings,
                    Visibility::Only(user) => user == bot.user && place.rect.contains(own.at),
                    Visibility::Hidden => false,
                };
                is_shown && well_inside(one.at) && well_inside(own.at) && world.entity(one.id).is_none()
            });
            if let Some(one) = unseen {
                let (user, at) = (bot.user, own.at);
                return Err(format!("H6: user {user} at {at:?} does not see {one:?}"));
            }
        }
        Ok(())
    }

    /// Everything said was heard: commands are acknowledged and stored, and each durable one had its event.
    fn heard(&self, index: usize) -> Result<(), String> {
        let bot = &self.bots[index];
        let user = bot.user;
        let open = bot.core.open_commands();
        if open > 0 {
            return Err(format!("H5: user {user} waits for {open} commands"));
        }
        let Some((ticket, _)) = &bot.session else {
            return Err(format!("H5: user {user} has no ticket"));
        };
        let generation = ticket.session_generation;
        let Some(login) = self.checks.login(user, generation) else {
            return Ok(());
        };
        let row = self.checks.row(user).ok_or("no row")?;
        if row.body.binding.session_generation != generation
            || row.body.last_command.0 != login.issued.len() as u64
        {
            return Err(format!(
                "H2: user {user} issued {} commands, its row has {row:?}",
                login.issued.len()
            ));
        }
        let durable = login
            .issued
            .iter()
            .filter(|command| command.class == CommandClass::Durable);
        let durable = durable.count();
        // That each has an event is a habit of the demo.
        if self.options.game.is_none() && durable != login.outcomes {
            return Err(format!(
                "H2: user {user} sent {durable} durable commands and heard of {}",
                login.outcomes
            ));
        }
        Ok(())
    }

    /// H7: proxies keep no session without a device.
    fn sessions_gone(&self) -> Result<(), String> {
        for (node, proxy) in &self.proxies {
            for session in proxy.sessions() {
                let has_device = self.bots.iter().any(|bot| {
                    let conn = bot.conn.map(|conn| &self.conns[conn]);
                    bot.user == session.user && conn.is_some_and(|conn| conn.proxy == *node)
                });
                if !has_device {
                    return Err(format!("H7: proxy {node} keeps {session:?}"));
                }
            }
        }
        Ok(())
    }

    /// What lies in regions and what players hold is what the store says.
    fn holdings_add_up(&mut self) -> Result<(), String> {
        let Ok(StoreReply::Holdings(stored)) = self.store.apply(&StoreRequest::AllHoldings { after: None })
        else {
            return Err("H4: the store does not count".to_owned());
        };
        let of_user = |user: UserId| -> Vec<u64> {
            let mine = |holding: &&Holding| holding.holder == Holder::User(user);
            stored.iter().filter(mine).map(|holding| holding.id).collect()
        };
        for region in self.servers.values().flat_map(Server::regions) {
            let number = region.number();
            let here = |holding: &&Holding| matches!(holding.holder, Holder::Ground { region, .. } if region == number);
            let lies: Vec<u64> = stored.iter().filter(here).map(|holding| holding.id).collect();
            let shown = region.status().holdings;
            if lies != shown {
                return Err(format!(
                    "H4: holdings {lies:x?} lie in region {number}, it shows {shown:x?}"
                ));
            }
            for player in region.players() {
                let holds = of_user(player.user);
                if player.holdings != holds {
                    return Err(format!("H4: the store says {holds:x?} of {player:?}"));
                }
            }
        }
        if let Ok(StoreReply::HoldingCounts(counts)) = self.store.apply(&StoreRequest::CountHoldings) {
            self.checks.sums(&counts);
        }
        let tells = |bot: &&Bot| bot.presence != Presence::Retired && bot.own_bot.is_none();
        for bot in self.bots.iter().filter(tells) {
            let holds = of_user(bot.user).len();
            if usize::from(bot.held_shown) != holds {
                return Err(format!(
                    "H4: user {} is shown {} holdings of {holds}",
                    bot.user, bot.held_shown
                ));
            }
        }
        Ok(())
    }

    /// Each creature that has a row is simulated in the region of its row, once, and nobody else is of those who should have one.
    fn creatures_where_their_rows_are(&self) -> Result<(), String> {
        let mut rows: Vec<_> = self.store.tables().creatures().collect();
        let mut crossing = 0;
        for region in self.servers.values().flat_map(Server::regions) {
            for (creature, epoch, is_active) in region.persistent() {
                let number = region.number();
                let at = |row: &&store::CreatureRow| row.creature == creature;
                let Some(index) = rows.iter().position(at) else {
                    return Err(format!(
                        "H4: creature {creature} in region {number} has no row, or is there twice"
                    ));
                };
                let row = rows.swap_remove(index);
                if is_active && (row.region, row.epoch) != (number, epoch) {
                    return Err(format!(
                        "H4: creature {creature} is in region {number} at epoch {epoch}: {row:?}"
                    ));
                }
                crossing += usize::from(!is_active);
            }
        }
        // One that is over a border by its row may not have been read there yet: that is a matter of moments.
        if let Some(lost) = rows.iter().find(|row| !row.is_arriving) {
            return Err(format!("H4: nobody has a creature: {lost:?}"));
        }
        if rows.len() + crossing > 3 {
            return Err(format!(
                "H5: {crossing} creatures cross and these arrive: {rows:?}"
            ));
        }
        Ok(())
    }

    /// Creatures without a row are of services that go on.
    fn creatures_of_who_serves(&self) -> Result<(), String> {
        for region in self.servers.values().flat_map(Server::regions) {
            for (creature, birth, epoch) in region.births() {
                let now = self
                    .store
                    .tables()
                    .service(birth)
                    .map(|service| service.region_epoch);
                if now != Some(epoch) {
                    return Err(format!(
                        "H7: creature {creature} in region {} was made by region {birth} at epoch {epoch}, and it is at {now:?}",
                        region.number()
                    ));
                }
            }
        }
        Ok(())
    }

    fn tables_small(&self) -> Result<(), String> {
        for region in self.servers.values().flat_map(Server::regions) {
            let status = region.status();
            let kept = if self.options.calm_ms >= LONG_CALM_MS {
                status.handovers
            } else {
                0
            };
            if status.frozen + status.joining + kept > 0 || status.store_waiting > 3 {
                return Err(format!("H7: region {} keeps too much: {status:?}", status.region));
            }
        }
        Ok(())
    }
}
