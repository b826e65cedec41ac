//! What a game of its own says must hold when all is calm.

use bytes::Bytes;
use protocol::ids::UserId;
use store::{Holder, StoreReply, StoreRequest};

use super::state::{Cluster, Server};
use crate::bot::Presence;
use crate::own_game::{Calm, CalmEntity, CalmPlayer, Held};

/// How often, and at what distance, a game is looked at again in whose calm something does not hold: its rules may be in the
/// middle of something, but not for ever.
const LOOKS_MAX: u32 = 25;
const LOOK_US: u64 = 130_000;

impl Cluster {
    /// Looks until all holds at one moment, or for so long.
    pub(super) fn look_when_own_is_calm(&mut self) {
        let mut looks = 0;
        while let Err(what) = self.all_is_well().and_then(|()| self.own_holds()) {
            looks += 1;
            if looks > LOOKS_MAX {
                self.checks.fail(what);
            }
            self.run_until(self.now_us() + LOOK_US);
            if self.checks.broken().is_some() {
                return;
            }
        }
    }

    fn own_holds(&mut self) -> Result<(), String> {
        let Some(game) = self.options.game.clone() else {
            return Ok(());
        };
        let Ok(StoreReply::Holdings(stored)) = self.store.apply(&StoreRequest::AllHoldings { after: None })
        else {
            return Err("the store does not count".to_owned());
        };
        let of_user = |user: UserId| {
            let mine = stored
                .iter()
                .filter(|holding| holding.holder == Holder::User(user));
            let held = mine.map(|holding| Held {
                id: holding.id,
                kind: holding.kind,
                payload: holding.payload.clone(),
            });
            let mut held: Vec<Held> = held.collect();
            held.sort_by_key(|held| held.id);
            held
        };
        let regions = || self.servers.values().flat_map(Server::regions);
        let players = regions().flat_map(|region| {
            let here = region.players().map(|player| (player.user, region.number()));
            here.collect::<Vec<_>>()
        });
        let players = players.map(|(user, region)| {
            let (own, events) = self.told(user);
            CalmPlayer {
                user,
                region,
                own,
                events,
                holdings: of_user(user),
            }
        });
        let mut players: Vec<CalmPlayer> = players.collect();
        players.sort_by_key(|player| player.user);
        let entities = regions().flat_map(|region| {
            let simulated = region.entities().map(|entity| CalmEntity {
                id: entity.id,
                kind: entity.kind,
                at: entity.at,
                region: region.number(),
                state: Bytes::copy_from_slice(entity.state),
            });
            simulated.collect::<Vec<_>>()
        });
        let entities = entities.collect();
        game.look(&Calm { players, entities })
    }

    /// What a user's devices were told: the own state of the one that plays, and all events.
    fn told(&self, user: UserId) -> (Bytes, Vec<Bytes>) {
        let (mut own, mut events) = (Bytes::new(), Vec::new());
        for bot in self.bots.iter().filter(|bot| bot.user == user) {
            let Some((state, heard)) = bot.own_bot.as_ref().map(crate::own_bot::OwnBot::told) else {
                continue;
            };
            events.extend_from_slice(heard);
            if bot.presence != Presence::Retired {
                own = state.clone();
            }
        }
        (own, events)
    }
}
