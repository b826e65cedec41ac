//! What a batch does to holdings, in arrays beside those of its ops.

use protocol::ids::{RegionNumber, UserId};
use tokio_postgres::types::Type;

use super::parameter::{Parameter, count};
use crate::holding::{Holder, Holding, HoldingChange};

/// What a change does to its holding.
#[derive(Clone, Copy, Debug)]
#[repr(i16)]
enum Change {
    Take = 1,
    Give = 2,
    Drop = 3,
    Seed = 4,
    Pass = 5,
}

/// What is done to holdings; an op says which of these are its own.
#[derive(Debug, Default)]
pub(super) struct Changes {
    kinds: Vec<i16>,
    holdings: Vec<i64>,
    types: Vec<Option<i64>>,
    holders: Vec<Option<i64>>,
    regions: Vec<Option<i64>>,
    xs: Vec<Option<f64>>,
    ys: Vec<Option<f64>>,
}

impl Changes {
    /// The number of the next one; the database counts from 1.
    pub(super) fn next(&self) -> i32 {
        count(self.kinds.len() + 1)
    }

    pub(super) fn change(&mut self, change: &HoldingChange) {
        let id = change.holding();
        match *change {
            HoldingChange::Take { region, .. } => self.push(Change::Take, id, None, Some(region.0), None),
            HoldingChange::Give { to, .. } => self.push(Change::Give, id, Some(to), None, None),
            HoldingChange::Drop { region, x, y, .. } => {
                self.push(Change::Drop, id, None, Some(region.0), Some((x, y)));
            }
        }
    }

    pub(super) fn seed(&mut self, holding: &Holding) {
        match holding.holder {
            Holder::User(user) => self.push(Change::Seed, holding.id, Some(user), None, None),
            Holder::Ground { region, x, y } => {
                self.push(Change::Seed, holding.id, None, Some(region.0), Some((x, y)));
            }
        }
        if let Some(kind) = self.types.last_mut() {
            *kind = Some(i64::from(holding.kind));
        }
    }

    /// It stays where it lies, but in another region.
    pub(super) fn pass(&mut self, holding: u64, to: RegionNumber) {
        self.push(Change::Pass, holding, None, Some(to.0), None);
    }

    /// As `write_batch` has them.
    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        vec![
            (&self.kinds, Type::INT2_ARRAY),
            (&self.holdings, Type::INT8_ARRAY),
            (&self.types, Type::INT8_ARRAY),
            (&self.holders, Type::INT8_ARRAY),
            (&self.regions, Type::INT8_ARRAY),
            (&self.xs, Type::FLOAT8_ARRAY),
            (&self.ys, Type::FLOAT8_ARRAY),
        ]
    }

    fn push(
        &mut self,
        kind: Change,
        holding: u64,
        holder: Option<UserId>,
        region: Option<u32>,
        place: Option<(f32, f32)>,
    ) {
        self.kinds.push(kind as i16);
        self.holdings.push(holding.cast_signed());
        self.types.push(None);
        self.holders.push(holder.map(|user| user.0.cast_signed()));
        self.regions.push(region.map(i64::from));
        self.xs.push(place.map(|(x, _)| f64::from(x)));
        self.ys.push(place.map(|(_, y)| f64::from(y)));
    }
}
