//! What a test can look at: users as their clients have them, and regions as their servers do.

use bytes::Bytes;
use game::{EntityId, Position, RegionNumber, UserId};
use gameserver::region::Region;
use store::{AccountReply, AccountRequest, Holder, Holding, NewReport, StoreReply, StoreRequest};

use super::Playground;

/// An entity as its region has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Thing {
    /// Who it is.
    pub id: EntityId,
    /// What it is; the numbers are the game's.
    pub kind: u16,
    /// Where it is.
    pub at: Position,
    /// The game's own published bytes.
    pub state: Vec<u8>,
}

impl Playground {
    /// The region that simulates the user; `None` while it is on its way.
    #[must_use]
    pub fn region_of(&self, user: UserId) -> Option<RegionNumber> {
        let mut regions = self.regions.values();
        let here = regions.find(|region| region.player(user).is_some_and(|player| player.is_active));
        here.map(Region::number)
    }

    /// Where the user's entity stands.
    #[must_use]
    pub fn position(&self, user: UserId) -> Option<Position> {
        let region = self.regions.get(&self.region_of(user)?)?;
        region.player(user).map(|player| player.at)
    }

    /// The newest own state that the client got.
    #[must_use]
    pub fn own_state(&self, user: UserId) -> Bytes {
        self.player(user).own.clone()
    }

    /// How often the rules have counted this name up, in all regions.
    #[must_use]
    pub fn counted(&self, name: &str) -> u64 {
        self.seen.counted(name)
    }

    /// What a region's gauge of this name shows.
    #[must_use]
    pub fn gauge(&self, region: RegionNumber, name: &str) -> Option<f64> {
        self.seen.gauge(region, name)
    }

    /// The lines that rules wrote into the log since this was asked last, in order.
    pub fn take_log(&mut self) -> Vec<String> {
        self.seen.take_log()
    }

    /// The events that the client got since this was asked last, in order.
    pub fn take_events(&mut self, user: UserId) -> Vec<Bytes> {
        std::mem::take(&mut self.player_mut(user).events)
    }

    /// What the client was told by `notify` and `announce` since this was asked last: by which region, and what.
    pub fn take_news(&mut self, user: UserId) -> Vec<(RegionNumber, Bytes)> {
        std::mem::take(&mut self.player_mut(user).news)
    }

    /// What the user holds, as the store says, ascending.
    #[must_use]
    pub fn holdings(&self, user: UserId) -> Vec<u64> {
        let all = self.all_holdings();
        let mine = all.iter().filter(|holding| holding.holder == Holder::User(user));
        mine.map(|holding| holding.id).collect()
    }

    /// What players have reported of one another, in order.
    #[must_use]
    pub fn reports(&mut self) -> Vec<NewReport> {
        let read = AccountRequest::ReadReports {
            after: 0,
            with_closed: true,
        };
        match self.store.apply(&StoreRequest::Account(read)) {
            Ok(StoreReply::Account(AccountReply::Reports(page))) => {
                page.rows.into_iter().map(|row| row.what).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What lies in a region, as the store says, ascending.
    #[must_use]
    pub fn on_ground(&self, region: RegionNumber) -> Vec<u64> {
        let here =
            |holding: &&Holding| matches!(holding.holder, Holder::Ground { region: at, .. } if at == region);
        let all = self.all_holdings();
        all.iter().filter(here).map(|holding| holding.id).collect()
    }

    /// The entities that a region simulates, players among them.
    #[must_use]
    pub fn things(&self, region: RegionNumber) -> Vec<Thing> {
        let entities = self.regions.get(&region).into_iter().flat_map(Region::entities);
        let thing = |entity: game::EntityView<'_>| Thing {
            id: entity.id,
            kind: entity.kind,
            at: entity.at,
            state: entity.state.to_vec(),
        };
        entities.map(thing).collect()
    }
}
