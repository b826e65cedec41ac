//! What a batch does to holdings, in arrays beside those of its ops.

use protocol::ids::{RegionNumber, UserId};
use tokio_postgres::types::Type;

use super::parameter::{Parameter, count, limited};
use crate::holding::{GroundChange, Holder, Holding, HoldingChange, Offer};

/// What a change does to its holding, or to its trade.
#[derive(Clone, Copy, Debug)]
#[repr(i16)]
enum Change {
    Take = 1,
    Give = 2,
    Drop = 3,
    Seed = 4,
    Pass = 5,
    Mint = 6,
    Burn = 7,
    Offer = 8,
    Accept = 9,
    Cancel = 10,
    Given = 11,
    Wanted = 12,
}

/// What is done to holdings; an op says which of these are its own.
#[derive(Debug, Default)]
pub(super) struct Changes<'a> {
    kinds: Vec<i16>,
    holdings: Vec<i64>,
    types: Vec<Option<i64>>,
    holders: Vec<Option<i64>>,
    regions: Vec<Option<i64>>,
    xs: Vec<Option<f64>>,
    ys: Vec<Option<f64>>,
    payloads: Vec<Option<&'a [u8]>>,
}

/// One element of each array.
#[derive(Clone, Copy, Default)]
struct Element<'a> {
    of: Option<i64>,
    holder: Option<UserId>,
    region: Option<RegionNumber>,
    place: Option<(f32, f32)>,
    payload: Option<&'a [u8]>,
}

impl<'a> Changes<'a> {
    /// The number of the next one; the database counts from 1.
    pub(super) fn next(&self) -> i32 {
        count(self.kinds.len() + 1)
    }

    /// How many there are since that number.
    pub(super) fn since(&self, next: i32) -> i32 {
        self.next().saturating_sub(next)
    }

    pub(super) fn change(&mut self, change: &'a HoldingChange) {
        match change {
            HoldingChange::Take { holding, region } => self.push(
                Change::Take,
                *holding,
                Element {
                    region: Some(*region),
                    ..Element::default()
                },
            ),
            HoldingChange::Give { holding, to } => self.push(Change::Give, *holding, Element::of(*to)),
            HoldingChange::Drop {
                holding,
                region,
                x,
                y,
            } => self.push(
                Change::Drop,
                *holding,
                Element {
                    region: Some(*region),
                    place: Some((*x, *y)),
                    ..Element::default()
                },
            ),
            HoldingChange::Mint {
                holding,
                kind,
                payload,
            } => self.push(
                Change::Mint,
                *holding,
                Element {
                    of: Some(i64::from(*kind)),
                    payload: Some(payload),
                    ..Element::default()
                },
            ),
            HoldingChange::Burn { holding } => self.push(Change::Burn, *holding, Element::default()),
            HoldingChange::Offer(offer) => self.offer(offer),
            HoldingChange::Accept { trade, from } => self.push(Change::Accept, trade.0, Element::of(*from)),
            HoldingChange::Cancel { trade, from } => self.push(Change::Cancel, trade.0, Element::of(*from)),
        }
    }

    fn offer(&mut self, offer: &Offer) {
        let lasts = Element {
            of: Some(limited(offer.lasts_ms)),
            ..Element::of(offer.to)
        };
        self.push(Change::Offer, offer.trade.0, lasts);
        for holding in &offer.gives {
            self.push(Change::Given, *holding, Element::default());
        }
        for holding in &offer.wants {
            self.push(Change::Wanted, *holding, Element::default());
        }
    }

    pub(super) fn ground(&mut self, change: &'a GroundChange) {
        match change {
            GroundChange::Mint {
                holding,
                kind,
                payload,
                x,
                y,
            } => self.push(
                Change::Mint,
                *holding,
                Element {
                    of: Some(i64::from(*kind)),
                    place: Some((*x, *y)),
                    payload: Some(payload),
                    ..Element::default()
                },
            ),
            GroundChange::Burn { holding } => self.push(Change::Burn, *holding, Element::default()),
        }
    }

    pub(super) fn seed(&mut self, holding: &'a Holding) {
        let element = Element {
            of: Some(i64::from(holding.kind)),
            payload: Some(&holding.payload),
            ..match holding.holder {
                Holder::User(user) => Element::of(user),
                Holder::Ground { region, x, y } => Element {
                    region: Some(region),
                    place: Some((x, y)),
                    ..Element::default()
                },
                // No world begins with trades.
                Holder::Trade(_) => Element::default(),
            }
        };
        self.push(Change::Seed, holding.id, element);
    }

    /// It stays where it lies, but in another region.
    pub(super) fn pass(&mut self, holding: u64, to: RegionNumber) {
        let element = Element {
            region: Some(to),
            ..Element::default()
        };
        self.push(Change::Pass, holding, element);
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
            (&self.payloads, Type::BYTEA_ARRAY),
        ]
    }

    fn push(&mut self, kind: Change, id: u64, element: Element<'a>) {
        self.kinds.push(kind as i16);
        self.holdings.push(id.cast_signed());
        self.types.push(element.of);
        self.holders.push(element.holder.map(|user| user.0.cast_signed()));
        self.regions
            .push(element.region.map(|region| i64::from(region.0)));
        self.xs.push(element.place.map(|(x, _)| f64::from(x)));
        self.ys.push(element.place.map(|(_, y)| f64::from(y)));
        self.payloads.push(element.payload);
    }
}

impl Element<'_> {
    fn of(holder: UserId) -> Self {
        Self {
            holder: Some(holder),
            ..Self::default()
        }
    }
}
