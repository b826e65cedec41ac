//! What other regions say, on this server or another: each message is believed as far as the topology and the epochs
//! let its sender speak.

use std::sync::Arc;

use bytes::Bytes;
use game::{Ctx as _, Place};
use protocol::ids::{EntityId, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, UserId};
use protocol::limits::EFFECT_BYTES_MAX;
use protocol::message::checked::CheckedEffect;
use protocol::message::effect::{Effect, Refresh};
use protocol::message::family::ServerToServer;
use protocol::message::subscription;
use store::Serving;
use topology::Listing;

use super::letters::RULES;
use super::publication::Subscriber::Server;
use super::state::{Notice, RegionState};
use super::words::PeerWord;

impl RegionState {
    pub(super) fn peer_up(&mut self, node: NodeNumber) {
        self.announce(Server(node));
        self.neighbourhood.peer_up(node, &mut self.out);
        self.creature_rows.look_soon();
        // What was given over the border meanwhile may not have been heard of, but only by who could be seen from there.
        // They are read in turn, as always: not all of them at once, and not before those who wait for the store.
        for player in self.players.values_mut() {
            player.was_at_rim |= player.knows_rim;
        }
    }

    pub(super) fn listed(&mut self, listing: Arc<Listing>) {
        self.neighbourhood.listed(listing, &mut self.out);
    }

    pub(super) fn peer_down(&mut self, node: NodeNumber) {
        self.publication.gone(Server(node));
        self.neighbourhood.peer_down(node, self.now.mono_ms);
    }

    pub(super) fn peer_says(&mut self, node: NodeNumber, message: ServerToServer) {
        let word = match PeerWord::check(message) {
            Ok(word) => word,
            Err(label) => return self.count(label),
        };
        match word {
            PeerWord::Serving(message) => self.hear_of_service(node, &message),
            PeerWord::Subscribe(cells) => self.subscribe(Server(node), &cells),
            PeerWord::Unsubscribe(cells) => self.unsubscribe(Server(node), &cells),
            PeerWord::Cells(cells) => self.neighbourhood.shows(node, cells, &mut self.out),
            PeerWord::Prepare(prepare) => self.prepare(node, &prepare),
            PeerWord::Prepared(prepared) => self.prepared(node, &prepared),
            PeerWord::Refuse(attempt, code) => self.refused(node, attempt, code),
            PeerWord::Commit(commit) => self.commit(node, &commit),
            PeerWord::Done(done) => self.departures.done(node, &done, &mut self.out),
            PeerWord::Effect(effect) => self.effect_arrived(node, effect),
            PeerWord::Refresh(refresh) => self.refresh_arrived(node, &refresh),
            PeerWord::Roam(roam) => self.roam_arrived(node, roam),
            PeerWord::Arrivals(arrivals) => self.hear_of_arrivals(node, arrivals),
        }
    }

    /// A node says which region it serves. Newer rules are heard of: it is they who know whether older ones may get their players.
    fn hear_of_service(&mut self, node: NodeNumber, message: &subscription::Serving) {
        let other = self.config.edition.reads(&message.game, 0);
        if let Err(why) = other {
            let what = format!("region {} of server {node}", message.region);
            self.note_unreadable(&what, &why);
            return self.count("serving_other_game");
        }
        let claim = Serving {
            node,
            region: RegionNumber(message.region),
            region_epoch: RegionEpoch(message.region_epoch),
        };
        if !message.game.is_empty() {
            self.neighbourhood
                .played(claim.region, node, message.game_version);
        }
        self.neighbourhood.announced(claim, &mut self.out);
        // A region of this process is believed at once.
        self.end_who_was_made_before(claim.region);
    }

    /// The effect on a foreign or own entity, for whoever simulates it.
    pub(super) fn send_effect(&mut self, source: EntityId, target: EntityId, body: Bytes) {
        if body.len() > EFFECT_BYTES_MAX {
            return self.count("effect_too_long");
        }
        let Some(place) = self.entity(target).map(|entity| entity.place) else {
            return;
        };
        match place {
            Place::Here => self.notices.push_back(Notice::Effect { source, target, body }),
            Place::Ghost(region) => {
                let Some(serving) = self.neighbourhood.serving(region) else {
                    return;
                };
                let effect = Effect {
                    from_region: self.config.number.0,
                    to_region: region.0,
                    to_region_epoch: serving.region_epoch.0,
                    source_entity: source.0,
                    target_entity: target.0,
                    made_us: self.now.mono_ms * 1000,
                    body,
                };
                self.tell_server(serving.node, effect);
            }
        }
    }

    fn effect_arrived(&mut self, node: NodeNumber, effect: CheckedEffect) {
        if !self.neighbourhood.is_listed(node, effect.from, &mut self.out) {
            return;
        }
        // Rules are spoken to whichever service they are of; an entity is of one.
        let is_letter = effect.target == RULES;
        if effect.to_epoch != self.config.epoch && !is_letter {
            return self.count("effect_stale_epoch");
        }
        if !self.creature_rows.is_loaded() {
            // Nobody is told of anything yet, and what waits has to end somewhere.
            return self.count("effect_early");
        }
        if is_letter {
            return self.notices.push_back(Notice::Told(effect.from, effect.body));
        }
        let (source, target) = (effect.source, effect.target);
        // Nobody speaks for whom it does not simulate. Of whom nothing is seen from here nothing is known.
        if self.is_of_another(source, effect.from) {
            return self.count("effect_foreign_source");
        }
        if self.entities.key(target).is_some() {
            let body = effect.body;
            self.notices.push_back(Notice::Effect { source, target, body });
        }
    }

    /// Whether an entity is one that the region does not simulate, as far as is known here. Who is about to leave this one may be there
    /// already.
    fn is_of_another(&self, entity: EntityId, region: RegionNumber) -> bool {
        match self.entity(entity).map(|entity| entity.place) {
            Some(Place::Ghost(of)) => of != region,
            Some(Place::Here) => {
                let key = self.entities.key(entity);
                let user = key.and_then(|key| self.entities.get(key)?.user);
                !self.is_leaving(entity) && !self.is_held(user)
            }
            None => false,
        }
    }

    fn refresh_arrived(&mut self, node: NodeNumber, message: &Refresh) {
        let from = RegionNumber(message.from_region);
        if self.neighbourhood.is_listed(node, from, &mut self.out) {
            self.tell_receiver(UserId(message.user), OwnerEpoch(message.owner_epoch), None);
        }
    }
}
