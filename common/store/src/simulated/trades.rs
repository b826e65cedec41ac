//! Trades in memory: open until they are accepted, cancelled or found to be overdue.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeSet;

use protocol::ids::UserId;

use super::valuables::{By, Trade, Valuables};
use crate::holding::{Holder, Holding, Offer, TradeId};
use crate::limits::{BATCH_ROWS_MAX, TRADES_OPEN_MAX};
use crate::reply::CommitOutcome;

impl Valuables {
    pub(super) fn offer(
        &mut self,
        by: &By,
        offer: &Offer,
        has_row: impl Fn(UserId) -> bool,
    ) -> Result<(), CommitOutcome> {
        let id = offer.trade;
        let open = self
            .trades()
            .values()
            .filter(|trade| trade.from == by.user)
            .count();
        if open >= TRADES_OPEN_MAX || self.trades().contains_key(&id) {
            return Err(CommitOutcome::TradeClosed(id.0));
        }
        if !has_row(offer.to) {
            return Err(CommitOutcome::NoReceiver(id.0));
        }
        for holding in &offer.gives {
            let mine = |holder| holder == Holder::User(by.user);
            self.pass(*holding, mine, Holder::Trade(id))?;
        }
        let trade = Trade {
            from: by.user,
            to: offer.to,
            wants: offer.wants.clone(),
            until_ms: by.now_ms.saturating_add(offer.lasts_ms),
        };
        self.put_trade(id, Some(trade));
        Ok(())
    }

    pub(super) fn accept(&mut self, by: &By, id: TradeId, from: UserId) -> Result<(), CommitOutcome> {
        let trade = self.trades().get(&id);
        let is_open =
            |trade: &&Trade| trade.from == from && trade.to == by.user && trade.until_ms > by.now_ms;
        let Some(trade) = trade.filter(is_open).cloned() else {
            return Err(CommitOutcome::TradeClosed(id.0));
        };
        for holding in trade.wants {
            let mine = |holder| holder == Holder::User(by.user);
            self.pass(holding, mine, Holder::User(from))?;
        }
        self.close(id, by.user);
        Ok(())
    }

    pub(super) fn cancel(&mut self, by: &By, id: TradeId, from: UserId) -> Result<(), CommitOutcome> {
        let trade = self.trades().get(&id);
        let is_theirs = |trade: &&Trade| trade.from == from && (from == by.user || trade.to == by.user);
        trade.filter(is_theirs).ok_or(CommitOutcome::TradeClosed(id.0))?;
        self.close(id, from);
        Ok(())
    }

    /// After how long the first of a user's offers ends.
    pub(super) fn offer_ends_ms(&self, user: UserId, now_ms: u64) -> Option<u64> {
        let offers = self.trades().values().filter(|trade| trade.from == user);
        let first = offers.map(|trade| trade.until_ms).min();
        first.map(|until_ms| until_ms.saturating_sub(now_ms))
    }

    /// How many of a user's offers were overdue.
    pub(super) fn cancel_overdue(&mut self, user: UserId, now_ms: u64) -> usize {
        self.cancel_where(|trade| trade.from == user && trade.until_ms <= now_ms)
    }

    /// Who has offers that ended by then, of as many trades as a batch has rows.
    pub(super) fn overdue(&self, by_ms: Option<u64>) -> Vec<UserId> {
        let Some(by_ms) = by_ms else { return Vec::new() };
        let mut overdue: Vec<(u64, TradeId, UserId)> = self
            .trades()
            .iter()
            .filter(|(_, trade)| trade.until_ms <= by_ms)
            .map(|(id, trade)| (trade.until_ms, *id, trade.from))
            .collect();
        overdue.sort_unstable();
        overdue.truncate(BATCH_ROWS_MAX);
        let users: BTreeSet<UserId> = overdue.into_iter().map(|(.., user)| user).collect();
        users.into_iter().collect()
    }

    /// All of a user's offers.
    pub(super) fn cancel_all(&mut self, user: UserId) {
        self.cancel_where(|trade| trade.from == user);
    }

    fn cancel_where(&mut self, ends: impl Fn(&Trade) -> bool) -> usize {
        let ended: Vec<(TradeId, UserId)> = self
            .trades()
            .iter()
            .filter(|(_, trade)| ends(trade))
            .map(|(id, trade)| (*id, trade.from))
            .collect();
        for (id, from) in &ended {
            self.close(*id, *from);
        }
        ended.len()
    }

    /// What is in a trade is somebody's from now on.
    fn close(&mut self, id: TradeId, user: UserId) {
        self.put_trade(id, None);
        let inside = self
            .holdings()
            .filter(|holding| holding.holder == Holder::Trade(id));
        let back = inside.map(|holding| Holding {
            holder: Holder::User(user),
            ..holding.clone()
        });
        for holding in back.collect::<Vec<_>>() {
            self.put(holding.id, Some(holding));
        }
    }
}
