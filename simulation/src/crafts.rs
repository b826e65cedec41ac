//! What the rules of a storm do to holdings: they make, destroy, lay down and sweep away, and they offer, accept and withdraw over
//! all borders, of everybody and at any moment; and they put players anywhere. What cannot be done is not done, or refused by the store: both are to be met.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use game::{Ctx, Holding, Offer, Place};
use protocol::geometry::Position;
use protocol::ids::{CommandNumber, RegionNumber, UserId};

use crate::scenario::Scenario;

/// Something is done in each region once in so many ticks.
const CRAFT_TICKS: u64 = 5;
/// What is made, beside what the demo game has.
const MADE: u32 = 77;
/// Offers that are remembered.
const OFFERS_MAX: usize = 16;
/// How long the longest offer stands, milliseconds: it is over before all has to be well again.
const OFFER_MS_MAX: u64 = 2_000;
/// A trade that there never was.
const NO_TRADE: u64 = 1 << 62;
/// Every so many commands, of those that may exchange, one accepts that trade.
const STUBBORN_COMMANDS: u64 = 7;

/// An offer that somebody's rules have made.
#[derive(Clone, Copy, Debug)]
struct Offered {
    trade: u64,
    from: UserId,
    to: UserId,
    at: RegionNumber,
}

/// What rules tell each other, as players would: who there is, and what was offered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Market(Arc<Mutex<(BTreeSet<UserId>, VecDeque<Offered>)>>);

impl Market {
    fn enter(&self, user: UserId) {
        let mut market = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        market.0.insert(user);
    }

    /// Somebody, and not `user`.
    fn other(&self, user: UserId, dice: u64) -> Option<UserId> {
        let market = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = || market.0.iter().filter(|other| **other != user);
        let count = others().count() as u64;
        others().nth(dice.checked_rem(count)? as usize).copied()
    }

    fn put(&self, offered: Offered) {
        let mut market = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        market.1.push_back(offered);
        if market.1.len() > OFFERS_MAX {
            market.1.pop_front();
        }
    }

    fn take(&self, wanted: impl Fn(&Offered) -> bool) -> Option<Offered> {
        let mut market = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = market.1.iter().position(wanted)?;
        market.1.remove(at)
    }
}

/// Those of one region.
#[derive(Debug)]
pub(crate) struct Crafts {
    here: BTreeSet<UserId>,
    lying: BTreeSet<u64>,
    market: Market,
    /// Whether players are put anywhere.
    teleports: bool,
}

impl Crafts {
    /// Whose players stay where they are, or do not.
    pub(crate) fn new(market: Market, scenario: Scenario) -> Self {
        Self {
            here: BTreeSet::new(),
            lying: BTreeSet::new(),
            market,
            // Who gives to others stays near them.
            teleports: scenario != Scenario::Bank,
        }
    }

    pub(crate) fn lies_here(&mut self, holding: &Holding) {
        if holding.kind == MADE {
            self.lying.insert(holding.id);
        }
    }

    pub(crate) fn entered(&mut self, user: UserId) {
        self.here.insert(user);
        self.market.enter(user);
    }

    pub(crate) fn left(&mut self, user: UserId) {
        self.here.remove(&user);
    }

    /// Some commands want what no store grants: applied again after the refusal, they are not to be refused for ever.
    pub(crate) fn command(&self, ctx: &mut dyn Ctx, user: UserId, number: CommandNumber) {
        if number.0.is_multiple_of(STUBBORN_COMMANDS) {
            let from = self.market.other(user, number.0).unwrap_or(UserId(0));
            let _ = ctx.accept(user, NO_TRADE, from, Place::Here);
        }
    }

    pub(crate) fn tick(&mut self, ctx: &mut dyn Ctx) {
        if !ctx.tick().0.is_multiple_of(CRAFT_TICKS) {
            return;
        }
        let dice = ctx.random();
        let part = |from: u32, sides: u64| dice.rotate_right(from) % sides;
        let [x, y] = ctx.rect().min;
        let at = Position {
            x: x as f32 + 1.0 + part(8, 30) as f32,
            y: y as f32 + 1.0 + part(16, 30) as f32,
        };
        let who = part(24, self.here.len().max(1) as u64) as usize;
        let Some(user) = self.here.iter().nth(who).copied() else {
            return;
        };
        if part(48, 4) == 0 && self.teleports {
            let [width, height] = ctx.world().size();
            let x = part(4, u64::from(width)) as f32;
            let y = part(12, u64::from(height)) as f32;
            ctx.teleport(user, Position { x, y });
        }
        ctx.after_for(user, 1 + part(20, 60), part(32, 4));
        let held = made_of(ctx, user);
        let lying = self.lying.first().copied();
        let _ = match (part(40, 10), held, lying) {
            (0 | 1, ..) => ctx.mint(user, MADE, b"made").map(drop),
            (2, Some(id), _) => ctx.burn(user, id),
            (3, Some(id), _) => ctx.drop(user, id, at),
            (4, _, Some(id)) => {
                self.lying.remove(&id);
                ctx.sweep(id)
            }
            (5, _, Some(id)) => ctx.take(user, id),
            (6 | 7, held, _) => {
                self.offer(ctx, user, held, dice);
                Ok(())
            }
            (8, ..) => self.close(ctx, user, true),
            (9, ..) => self.close(ctx, user, false),
            _ => ctx.lay(MADE, b"laid", at).map(drop),
        };
    }

    fn offer(&self, ctx: &mut dyn Ctx, from: UserId, held: Option<u64>, dice: u64) {
        let Some(to) = self.market.other(from, dice.rotate_right(32)) else {
            return;
        };
        let wants = made_of(ctx, to);
        let offer = Offer {
            to,
            place: Place::Here,
            gives: held.as_slice(),
            wants: wants.as_slice(),
            lasts_ms: dice.rotate_right(48) % OFFER_MS_MAX,
        };
        if let Ok(trade) = ctx.offer(from, offer) {
            let at = ctx.region();
            self.market.put(Offered { trade, from, to, at });
        }
    }

    fn close(&self, ctx: &mut dyn Ctx, user: UserId, accepts: bool) -> Result<(), game::HoldingRefused> {
        let is_mine = |offered: &Offered| offered.to == user || (!accepts && offered.from == user);
        let Some(Offered { trade, from, at, .. }) = self.market.take(is_mine) else {
            return Ok(());
        };
        let place = match at == ctx.region() {
            true => Place::Here,
            false => Place::Ghost(at),
        };
        match accepts {
            true => ctx.accept(user, trade, from, place),
            false => ctx.cancel(user, trade, from, place),
        }
    }
}

/// One of the things that somebody has made.
fn made_of(ctx: &dyn Ctx, user: UserId) -> Option<u64> {
    let is_made = |id: &&u64| ctx.holding(user, **id).is_some_and(|thing| thing.kind == MADE);
    ctx.holdings(user).iter().find(is_made).copied()
}
