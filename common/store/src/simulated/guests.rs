//! Guests that left for good, on ordered maps.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::ops::Bound;

use protocol::ids::UserId;

use super::tables::{Kept, Tables};
use crate::limits::{BATCH_ROWS_MAX, FORGOTTEN_HOLDINGS_MAX, GUEST_USER_FIRST, GUESTS_LOOKED_AT_MAX};
use crate::reply::StoreReply;
use crate::request::ForgottenGuest;
use crate::row::{Serving, StaleGuest};

impl Tables {
    pub(super) fn stale_guests(&self, idle_ms: u64, after: Option<UserId>) -> StoreReply {
        let looked_at = || self.players.range(beyond(after)).take(GUESTS_LOOKED_AT_MAX);
        let stale = looked_at().filter(|(_, kept)| self.is_stale(kept, idle_ms));
        let guests: Vec<StaleGuest> = stale
            .take(BATCH_ROWS_MAX)
            .map(|(user, kept)| StaleGuest {
                user: *user,
                region: kept.row.region,
                home_cell: kept.row.body.home_cell,
                owner_epoch: kept.row.owner_epoch,
            })
            .collect();
        let last_named = guests.last().map(|guest| guest.user);
        let next = match guests.len() < BATCH_ROWS_MAX {
            true => looked_at().nth(GUESTS_LOOKED_AT_MAX - 1).map(|(user, _)| *user),
            false => last_named,
        };
        StoreReply::StaleGuests { guests, next }
    }

    fn is_stale(&self, kept: &Kept, idle_ms: u64) -> bool {
        let served = self.service(kept.row.region).map(|service| service.region_epoch);
        let is_owned = kept.row.owner.is_some() && served.is_some_and(|epoch| epoch <= kept.row.region_epoch);
        (!is_owned || self.is_without_login(kept.row.user, idle_ms))
            && !self.accounts.is_kept(kept.row.user, self.now_ms)
            && kept.written_ms.saturating_add(idle_ms) <= self.now_ms
    }

    /// Whether its last login is over for so long: whoever is its owner by the row has nobody to simulate it for.
    fn is_without_login(&self, user: UserId, idle_ms: u64) -> bool {
        let session = self.sessions.get(&user);
        session.is_some_and(|session| {
            let ended_ms = session.until_ms.unwrap_or(session.raised_ms);
            ended_ms.saturating_add(idle_ms) <= self.now_ms
        })
    }

    pub(super) fn forget_guests(
        &mut self,
        serving: Serving,
        idle_ms: u64,
        guests: &[ForgottenGuest],
    ) -> StoreReply {
        if !self.is_serving(serving) {
            let current = self.service(serving.region);
            return StoreReply::NotServing(current.map(|service| service.region_epoch));
        }
        let (mut gone, mut holdings) = (0, Vec::new());
        for guest in guests {
            if holdings.len() >= FORGOTTEN_HOLDINGS_MAX {
                break;
            }
            let kept = self.players.get(&guest.user);
            let is_stale = guest.user.0 >= GUEST_USER_FIRST
                && kept.is_some_and(|kept| {
                    kept.row.owner_epoch == guest.owner_epoch && self.is_stale(kept, idle_ms)
                });
            if !is_stale {
                continue;
            }
            let room = FORGOTTEN_HOLDINGS_MAX.saturating_sub(holdings.len());
            let place = (serving.region, guest.x, guest.y);
            self.valuables.cancel_all(guest.user);
            holdings.extend(self.valuables.fall(guest.user, place, room));
            if !self.valuables.holds_any(guest.user) {
                self.players.remove(&guest.user);
                self.sessions.remove(&guest.user);
                self.accounts.forget_devices(guest.user);
                gone += 1;
            }
        }
        holdings.sort_unstable_by_key(|holding| holding.id);
        StoreReply::Forgotten {
            guests: gone,
            holdings,
        }
    }

    pub(super) fn forget_sessions(&mut self, idle_ms: u64, after: Option<UserId>) -> StoreReply {
        let looked_at: Vec<_> = self
            .sessions
            .range(beyond(after))
            .take(GUESTS_LOOKED_AT_MAX)
            .map(|(user, session)| (*user, session.raised_ms))
            .collect();
        let next = looked_at.get(GUESTS_LOOKED_AT_MAX - 1).map(|(user, _)| *user);
        let mut sessions = 0;
        for (user, raised_ms) in looked_at {
            let is_old = raised_ms.saturating_add(idle_ms) <= self.now_ms;
            if is_old && !self.players.contains_key(&user) && !self.accounts.has(user) {
                self.sessions.remove(&user);
                sessions += 1;
            }
        }
        StoreReply::SessionsForgotten { sessions, next }
    }
}

fn beyond(after: Option<UserId>) -> (Bound<UserId>, Bound<UserId>) {
    let first = UserId(GUEST_USER_FIRST - 1);
    let after = after.map_or(first, |user| user.max(first));
    (Bound::Excluded(after), Bound::Unbounded)
}
