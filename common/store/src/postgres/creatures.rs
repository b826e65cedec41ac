//! Requests about creatures as the functions of the database take them, each a call of its own.

use tokio_postgres::types::Type;

use protocol::ids::{EntityId, NodeNumber, OwnerEpoch, RegionNumber, StateVersion};

use super::answers::Answer;
use super::outcome::Outcome;
use super::parameter::Parameter;
use crate::creature::{CreatureChange, CreatureOutcome, CreatureRow, CreaturesWanted};
use crate::limits::CREATURES_READ_MAX;
use crate::row::Serving;
use crate::{StoreError, StoreReply, StoreRequest, StoreResult};

/// What a change does, as the database numbers it.
#[derive(Clone, Copy, Debug)]
#[repr(i16)]
enum Change {
    Bear = 1,
    Save = 2,
    Pass = 3,
    End = 4,
}

/// A request that writes.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    is_soft: bool,
    node: i32,
    region: i64,
    region_epoch: i64,
    version: i64,
    kinds: Vec<i16>,
    creatures: Vec<i64>,
    epochs: Vec<Option<i64>>,
    to_nodes: Vec<Option<i32>>,
    to_regions: Vec<Option<i64>>,
    to_epochs: Vec<Option<i64>>,
    bodies: Vec<Option<&'a [u8]>>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(serving: Serving, version: StateVersion, changes: &'a [CreatureChange]) -> Self {
        let mut writing = Self {
            is_soft: changes.iter().all(CreatureChange::is_soft),
            node: node(serving.node),
            region: i64::from(serving.region.0),
            region_epoch: serving.region_epoch.0.cast_signed(),
            version: version.0.cast_signed(),
            kinds: Vec::new(),
            creatures: Vec::new(),
            epochs: Vec::new(),
            to_nodes: Vec::new(),
            to_regions: Vec::new(),
            to_epochs: Vec::new(),
            bodies: Vec::new(),
        };
        for change in changes {
            writing.push(change);
        }
        writing
    }

    fn push(&mut self, change: &'a CreatureChange) {
        let (kind, epoch, to) = match change {
            CreatureChange::Bear { .. } => (Change::Bear, None, None),
            CreatureChange::Save { epoch, .. } => (Change::Save, Some(epoch), None),
            CreatureChange::Pass { epoch, to, .. } => (Change::Pass, Some(epoch), Some(to)),
            CreatureChange::End { epoch, .. } => (Change::End, Some(epoch), None),
        };
        self.kinds.push(kind as i16);
        self.creatures.push(change.creature().0.cast_signed());
        self.epochs.push(epoch.map(|epoch| epoch.0.cast_signed()));
        self.to_nodes.push(to.map(|to| node(to.node)));
        self.to_regions.push(to.map(|to| i64::from(to.region.0)));
        self.to_epochs.push(to.map(|to| to.region_epoch.0.cast_signed()));
        self.bodies.push(change.body().map(AsRef::as_ref));
    }

    /// As `write_creatures` has them.
    pub(super) fn parameters(&self) -> [Parameter<'_>; 12] {
        [
            (&self.is_soft, Type::BOOL),
            (&self.node, Type::INT4),
            (&self.region, Type::INT8),
            (&self.region_epoch, Type::INT8),
            (&self.version, Type::INT8),
            (&self.kinds, Type::INT2_ARRAY),
            (&self.creatures, Type::INT8_ARRAY),
            (&self.epochs, Type::INT8_ARRAY),
            (&self.to_nodes, Type::INT4_ARRAY),
            (&self.to_regions, Type::INT8_ARRAY),
            (&self.to_epochs, Type::INT8_ARRAY),
            (&self.bodies, Type::BYTEA_ARRAY),
        ]
    }
}

/// A request that reads.
#[derive(Debug)]
pub(super) struct Reading {
    region: i64,
    only_arriving: bool,
    above: i64,
    most: i32,
}

impl Reading {
    pub(super) fn new(region: RegionNumber, wanted: CreaturesWanted, after: Option<EntityId>) -> Self {
        Self {
            region: i64::from(region.0),
            only_arriving: wanted == CreaturesWanted::Arriving,
            above: after.map_or(i64::MIN, |after| after.0.cast_signed()),
            most: super::parameter::count(CREATURES_READ_MAX),
        }
    }

    /// As `read_creatures` has them.
    pub(super) fn parameters(&self) -> [Parameter<'_>; 4] {
        [
            (&self.region, Type::INT8),
            (&self.only_arriving, Type::BOOL),
            (&self.above, Type::INT8),
            (&self.most, Type::INT4),
        ]
    }
}

fn node(node: NodeNumber) -> i32 {
    i32::from(node.0)
}

/// What was said of a request.
pub(super) fn reply(request: &StoreRequest, answers: &[Answer]) -> StoreResult {
    if let StoreRequest::ReadCreatures { region, .. } = request {
        let rows = answers.iter().map(|answer| row(*region, answer));
        return Ok(StoreReply::Creatures(rows.collect::<Result<_, _>>()?));
    }
    let outcome = match answers.first().map(|answer| answer.outcome) {
        Some(Outcome::Applied) => {
            let staying = answers.iter().filter(|answer| answer.outcome == Outcome::End);
            let staying = staying.map(|answer| answer.number(0).map(EntityId));
            CreatureOutcome::Applied {
                staying: staying.collect::<Result<_, _>>()?,
            }
        }
        Some(Outcome::Older) => CreatureOutcome::Older,
        _ => CreatureOutcome::Fenced,
    };
    Ok(StoreReply::CreaturesWritten(outcome))
}

fn row(region: RegionNumber, answer: &Answer) -> Result<CreatureRow, StoreError> {
    Ok(CreatureRow {
        creature: EntityId(answer.number(0)?),
        region,
        epoch: OwnerEpoch(answer.number(1)?),
        is_arriving: answer.number(2)? != 0,
        body: answer.bytes().to_vec().into(),
    })
}
