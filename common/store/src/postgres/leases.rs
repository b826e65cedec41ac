//! Leases, and what passes a region with its players from one node to another: requests as `read_holders` and `lease_batch` take
//! them, and what those answer.

use protocol::ids::{EntityId, Incarnation, NodeNumber, RegionEpoch, RegionNumber};
use tokio_postgres::types::Type;

use super::answers::{Answer, service};
use super::fields::{damaged, some};
use super::ops::Ops;
use super::outcome::Outcome;
use super::parameter::{Parameter, limited};
use crate::request::StoreRequest;
use crate::row::{Lease, LiveLease, RegionHolder, Serving};
use crate::{StoreError, StoreReply, StoreResult};

/// What the database calls each kind of request; listed in the migration that makes its functions.
#[derive(Clone, Copy, Debug)]
#[repr(i16)]
enum Kind {
    Start = 20,
    Renew = 38,
    TakeOver = 39,
    Give = 40,
}

/// Regions whose holders are asked for.
#[derive(Debug, Default)]
pub(super) struct HolderBatch(Vec<i64>);

impl HolderBatch {
    pub(super) fn push(&mut self, request: &StoreRequest) -> Ops {
        let first = self.0.len();
        if let StoreRequest::ReadHolder { region } = request {
            self.0.push(i64::from(region.0));
        }
        first..self.0.len()
    }

    /// As `read_holders` has them.
    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        vec![(&self.0, Type::INT8_ARRAY)]
    }
}

/// Requests that change leases.
#[derive(Debug, Default)]
pub(super) struct LeaseBatch {
    kinds: Vec<i16>,
    nodes: Vec<i32>,
    incarnations: Vec<Option<i64>>,
    regions: Vec<Option<i64>>,
    region_epochs: Vec<Option<i64>>,
    takers: Vec<Option<i32>>,
    taker_incarnations: Vec<Option<i64>>,
    numbers: Vec<Option<i64>>,
}

/// One element of every array.
#[derive(Debug, Default)]
struct Op {
    node: NodeNumber,
    incarnation: Option<Incarnation>,
    served: Option<(RegionNumber, RegionEpoch)>,
    taker: Option<NodeNumber>,
    taker_incarnation: Option<Incarnation>,
    number: Option<u64>,
}

impl LeaseBatch {
    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(super) fn push(&mut self, request: &StoreRequest) -> Ops {
        let first = self.kinds.len();
        match request {
            StoreRequest::StartNode { node } => self.op(
                Kind::Start,
                &Op {
                    node: *node,
                    number: Some(EntityId::START_MAX),
                    ..Op::default()
                },
            ),
            StoreRequest::RenewLease { lease } => self.op(
                Kind::Renew,
                &Op {
                    node: lease.node,
                    incarnation: Some(lease.incarnation),
                    ..Op::default()
                },
            ),
            StoreRequest::TakeOver { taker, holder } => self.take_over(*taker, holder),
            StoreRequest::GiveRegion { from, to } => self.op(
                Kind::Give,
                &Op {
                    taker: Some(*to),
                    ..Op::of(*from)
                },
            ),
            // Everything else is another batch's.
            _ => {}
        }
        first..self.kinds.len()
    }

    fn take_over(&mut self, taker: Lease, holder: &RegionHolder) {
        let op = Op {
            incarnation: Some(holder.since),
            taker: Some(taker.node),
            taker_incarnation: Some(taker.incarnation),
            number: holder.live().map(|lease| lease.beat),
            ..Op::of(holder.service)
        };
        self.op(Kind::TakeOver, &op);
    }

    fn op(&mut self, kind: Kind, op: &Op) {
        let incarnation = |start: Option<Incarnation>| start.map(|start| limited(start.0));
        self.kinds.push(kind as i16);
        self.nodes.push(i32::from(op.node.0));
        self.incarnations.push(incarnation(op.incarnation));
        self.regions
            .push(op.served.map(|(region, _)| i64::from(region.0)));
        self.region_epochs
            .push(op.served.map(|(_, epoch)| limited(epoch.0)));
        self.takers.push(op.taker.map(|taker| i32::from(taker.0)));
        self.taker_incarnations.push(incarnation(op.taker_incarnation));
        self.numbers.push(op.number.map(limited));
    }

    /// As `lease_batch` has them.
    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        vec![
            (&self.kinds, Type::INT2_ARRAY),
            (&self.nodes, Type::INT4_ARRAY),
            (&self.incarnations, Type::INT8_ARRAY),
            (&self.regions, Type::INT8_ARRAY),
            (&self.region_epochs, Type::INT8_ARRAY),
            (&self.takers, Type::INT4_ARRAY),
            (&self.taker_incarnations, Type::INT8_ARRAY),
            (&self.numbers, Type::INT8_ARRAY),
        ]
    }
}

impl Op {
    fn of(service: Serving) -> Self {
        Self {
            node: service.node,
            served: Some((service.region, service.region_epoch)),
            ..Self::default()
        }
    }
}

/// The reply to a request of which this was said.
pub(super) fn reply(request: &StoreRequest, said: &[Answer]) -> StoreResult {
    let first = some(said.first())?;
    if first.outcome == Outcome::LeaseEnded {
        return Ok(StoreReply::LeaseEnded(first.optional(0).map(Incarnation)));
    }
    let applied = first.outcome == Outcome::Applied;
    Ok(match request {
        StoreRequest::StartNode { .. } => StoreReply::Started(Incarnation(first.number(0)?)),
        StoreRequest::RenewLease { .. } => StoreReply::LeaseRenewed(first.number(0)?),
        StoreRequest::ReadHolder { region } => StoreReply::Holder(holder(*region, said)?),
        StoreRequest::TakeOver { .. } | StoreRequest::GiveRegion { .. } if applied => {
            StoreReply::Serving(RegionEpoch(first.number(0)?))
        }
        StoreRequest::TakeOver { holder: read, .. } => StoreReply::Holder(holder(read.service.region, said)?),
        StoreRequest::GiveRegion { from, .. } => StoreReply::Service(service(from.region, Some(first))?),
        _ => return Err(damaged("an answer to another question")),
    })
}

fn holder(region: RegionNumber, said: &[Answer]) -> Result<Option<RegionHolder>, StoreError> {
    let first = some(said.first())?;
    let Some(service) = service(region, Some(first))? else {
        return Ok(None);
    };
    let lease = said.iter().find(|answer| answer.outcome == Outcome::End);
    let live = |lease: &Answer| {
        Ok::<_, StoreError>(LiveLease {
            incarnation: Incarnation(lease.number(0)?),
            beat: lease.number(1)?,
        })
    };
    Ok(Some(RegionHolder {
        service,
        since: Incarnation(first.number(2)?),
        newest: Incarnation(first.number(3)?),
        lease: lease.map(live).transpose()?,
    }))
}
