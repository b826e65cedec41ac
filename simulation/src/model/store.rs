//! The store: each request is one conditional statement on the row. The conditions are those of `common/store`.

use super::bounds::{Rule, Rules};
use super::message::{Claim, Message, Node};
use super::state::{Row, State};

/// Whether a durable write may be made under this service of a node.
fn is_served(state: &State, rules: Rules, (owner, under): (Node, u8)) -> bool {
    state.serving[usize::from(owner)] == under || !rules.keep(Rule::WriteIsServed)
}

/// The handover's CAS; `claim` is the target's.
pub(super) fn pass(state: &mut State, rules: Rules, by: u8, from: (Node, u8), serving: u8, claim: Claim) {
    let (source, under) = from;
    let to = 1 - source;
    let is_current = !rules.keep(Rule::ServiceIsCurrent) || state.serving[usize::from(to)] == serving;
    let done = is_current
        && is_served(state, rules, from)
        && state.is_owned(source, claim.epoch - 1)
        && state.row.claim.version <= claim.version;
    if done {
        state.unserved |= state.serving[usize::from(source)] != under;
        state.row = Row {
            owner: Some(to),
            region: to,
            serving,
            claim,
        };
        state.durable = state.durable.max(claim.version);
    }
    state.send(Message::PassAnswer {
        by,
        attempt: claim.attempt,
        done,
    });
}

/// A save is counted as confirmed as soon as it was applied: its answer may be faster than anything else.
pub(super) fn save(state: &mut State, rules: Rules, owner: Node, by: u8, epoch: u8, version: u8) {
    let owned = state.is_owned(owner, epoch);
    let passes_fence = owned || !rules.keep(Rule::SaveIsFenced);
    let is_newer = state.row.claim.version < version || !rules.keep(Rule::SaveIsNewer);
    if passes_fence && is_newer {
        state.overwritten |= !owned;
        state.outlived |= by < state.taken_by[usize::from(owner)];
        state.row.claim.version = version;
        state.durable = state.durable.max(version);
    }
}

pub(super) fn reclaim(state: &mut State, owner: Node, serving: u8, epoch: u8) {
    if state.is_owned(owner, epoch) && state.serving[usize::from(owner)] == serving {
        state.row.claim.epoch += 2;
        state.row.claim.attempt = 0;
        state.row.serving = serving;
    }
}

pub(super) fn release(state: &mut State, rules: Rules, by: (Node, u8), epoch: u8, version: u8) {
    let (owner, under) = by;
    let is_served = is_served(state, rules, by);
    if is_served && state.is_owned(owner, epoch) && state.row.claim.version <= version {
        state.unserved |= state.serving[usize::from(owner)] != under;
        state.row.owner = None;
        state.row.claim.version = version;
        state.durable = state.durable.max(version);
    }
}

/// Another server has the region from now on, and every player in it. To the owner that was it is another node: the epoch says so.
pub(super) fn take_over(state: &mut State, rules: Rules, region: Node) {
    let serving = state.serving[usize::from(region)] + 1;
    state.serving[usize::from(region)] = serving;
    state.taken_by[usize::from(region)] = serving;
    if state.row.owner == Some(region) && rules.keep(Rule::TakeOverReowns) {
        state.row.claim.epoch += 1;
        state.row.claim.attempt = 0;
        state.row.serving = serving;
    }
}

/// A server takes the player for itself; says with what.
pub(super) fn activate(state: &mut State, node: Node, serving: u8) -> Claim {
    state.row.claim.epoch += 1;
    state.row.claim.attempt = 0;
    state.row.owner = Some(node);
    state.row.serving = serving;
    state.row.claim
}
