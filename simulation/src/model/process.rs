//! A game server's part: what it does of its own accord, and what it does with a message.

use super::bounds::{Bounds, Rule, Rules};
use super::message::{Claim, Message};
use super::state::{Part, Player, Process, State, ZOMBIE};
use super::steps::{Cause, Step, Steps};
use super::store;

/// Saves of one owner under way at once; two suffice to overtake each other.
const SAVES_MAX: usize = 2;

/// Everything that process `index` may do now.
pub(super) fn act(steps: &mut Steps, index: usize, bounds: Bounds, rules: Rules) {
    let process = steps.from.processes[index];
    if !process.is_running {
        return restart(steps, index);
    }
    match process.part {
        Part::Nothing => take_over(steps, index),
        Part::Active(claim) => while_active(steps, index, claim, bounds),
        Part::Frozen(claim) => while_frozen(steps, index, claim),
        Part::Doubt(claim) => in_doubt(steps, index, claim, rules),
        Part::Reclaiming(claim) => while_reclaiming(steps, index, claim),
        Part::Releasing(claim) => while_releasing(steps, index, claim),
        Part::Shadow(claim) => as_shadow(steps, index, claim, rules),
        Part::Retained(claim) => while_retained(steps, index, claim),
    }
    if index == ZOMBIE {
        does(steps, index, "learns that it was replaced, and ends", |state| {
            state.processes[ZOMBIE] = Process {
                is_running: false,
                part: Part::Nothing,
                ..process
            };
        });
    }
}

fn does(steps: &mut Steps, index: usize, deed: &'static str, change: impl FnOnce(&mut State)) {
    steps.add(Cause::Protocol, Step::Does(index, deed), change);
}

fn restart(steps: &mut Steps, index: usize) {
    if index != ZOMBIE {
        does(
            steps,
            index,
            "starts again under a higher region epoch",
            |state| {
                state.serving[index] += 1;
                let process = &mut state.processes[index];
                *process = Process {
                    is_running: true,
                    serving: state.serving[index],
                    ..*process
                };
            },
        );
    }
}

/// The store refuses this to a service that is not the current one.
fn take_over(steps: &mut Steps, index: usize) {
    let (row, process) = (steps.from.row, steps.from.processes[index]);
    let is_current = steps.from.serving[usize::from(process.node)] == process.serving;
    let is_wanted =
        row.owner == Some(process.node) || (row.owner.is_none() && steps.from.player == Player::Playing);
    if is_current && is_wanted && row.region == process.node {
        does(
            steps,
            index,
            "activates the player from the row under a new epoch",
            |state| {
                let claim = store::activate(state, process.node, process.serving);
                state.processes[index].part = Part::Active(claim);
            },
        );
    }
}

fn while_active(steps: &mut Steps, index: usize, claim: Claim, bounds: Bounds) {
    let state = steps.from;
    let node = state.processes[index].node;
    let saves = state
        .messages
        .iter()
        .filter(|message| matches!(message, Message::Save { .. }))
        .count();
    if claim.version > state.row.claim.version && saves < SAVES_MAX {
        does(steps, index, "sends a save to the store", |state| {
            state.send(Message::Save {
                owner: node,
                by: state.processes[index].serving,
                epoch: claim.epoch,
                version: claim.version,
            });
        });
    }
    if !state.is_owned(node, claim.epoch) {
        does(
            steps,
            index,
            "finds itself superseded and drops the player",
            |state| {
                state.processes[index].part = Part::Nothing;
            },
        );
    }
    if state.attempts < bounds.handovers {
        steps.add(
            Cause::Outside,
            Step::Does(index, "freezes the player and prepares a handover"),
            |state| {
                state.attempts += 1;
                let frozen = Claim {
                    attempt: state.attempts,
                    ..claim
                };
                state.processes[index].part = Part::Frozen(frozen);
                state.send(prepare(node, frozen));
            },
        );
    }
    log_out(steps, index, claim);
}

fn prepare(from: u8, frozen: Claim) -> Message {
    Message::Prepare {
        to: 1 - from,
        claim: Claim {
            epoch: frozen.epoch + 1,
            ..frozen
        },
    }
}

fn log_out(steps: &mut Steps, index: usize, claim: Claim) {
    let node = steps.from.processes[index].node;
    if steps.from.player == Player::Leaving && steps.from.proxy.route == node {
        does(
            steps,
            index,
            "hears the logout and sends a release to the store",
            |state| {
                state.processes[index].part = Part::Releasing(claim);
                let under = state.processes[index].serving;
                state.send(Message::Release {
                    owner: node,
                    under,
                    epoch: claim.epoch,
                    version: claim.version,
                });
            },
        );
    }
}

fn while_frozen(steps: &mut Steps, index: usize, claim: Claim) {
    let node = steps.from.processes[index].node;
    does(
        steps,
        index,
        "gives up waiting for Prepared and resumes the player",
        |state| {
            state.processes[index].part = Part::Active(claim);
        },
    );
    does(steps, index, "repeats Prepare", |state| {
        state.send(prepare(node, claim));
    });
    log_out(steps, index, claim);
}

fn in_doubt(steps: &mut Steps, index: usize, claim: Claim, rules: Rules) {
    let process = steps.from.processes[index];
    if !rules.keep(Rule::NoResumeAfterCas) {
        does(
            steps,
            index,
            "has no answer from the store and resumes the player",
            |state| {
                state.processes[index].part = Part::Active(claim);
            },
        );
    }
    if is_committed(steps.from, process, claim) {
        does(steps, index, "reads the row: committed", |state| {
            commit(state, index, claim);
        });
    } else if !steps.from.is_owned(process.node, claim.epoch) {
        does(
            steps,
            index,
            "reads the row: not mine, and drops the player",
            |state| {
                state.processes[index].part = Part::Nothing;
            },
        );
    } else if rules.keep(Rule::BurnTheEpoch) {
        does(
            steps,
            index,
            "reads the row: still mine, and sends a reclaim to the store",
            |state| {
                state.processes[index].part = Part::Reclaiming(claim);
                state.send(reclaim(process, claim));
            },
        );
    } else {
        does(
            steps,
            index,
            "reads the row: still mine, and resumes the player at the old epoch",
            |state| {
                state.processes[index].part = Part::Active(claim);
            },
        );
    }
}

fn reclaim(process: Process, claim: Claim) -> Message {
    Message::Reclaim {
        owner: process.node,
        serving: process.serving,
        epoch: claim.epoch,
    }
}

fn is_committed(state: &State, process: Process, claim: Claim) -> bool {
    state.is_owned(1 - process.node, claim.epoch + 1) && state.row.claim.attempt == claim.attempt
}

fn commit(state: &mut State, index: usize, held: Claim) {
    let node = state.processes[index].node;
    let claim = Claim {
        epoch: held.epoch + 1,
        ..held
    };
    state.processes[index].part = Part::Retained(claim);
    state.send(Message::Commit { to: 1 - node, claim });
    state.send(Message::Moved {
        from_epoch: held.epoch,
        node: 1 - node,
        epoch: claim.epoch,
    });
}

/// `(own node, epoch + 2, no attempt, own service)` can only be what this process asked for.
fn while_reclaiming(steps: &mut Steps, index: usize, claim: Claim) {
    let (row, process) = (steps.from.row, steps.from.processes[index]);
    let burnt = steps.from.is_owned(process.node, claim.epoch + 2)
        && row.claim.attempt == 0
        && row.serving == process.serving;
    if burnt {
        does(
            steps,
            index,
            "reads the row: reclaimed, and resumes the player two epochs on",
            |state| {
                let claim = Claim {
                    epoch: claim.epoch + 2,
                    attempt: 0,
                    ..claim
                };
                state.processes[index].part = Part::Active(claim);
            },
        );
    } else if is_committed(steps.from, process, claim) {
        does(steps, index, "reads the row: committed after all", |state| {
            commit(state, index, claim);
        });
    } else if steps.from.is_owned(process.node, claim.epoch) {
        does(steps, index, "repeats the reclaim", |state| {
            state.send(reclaim(process, claim));
        });
        stop_if_replaced(steps, index);
    } else {
        does(
            steps,
            index,
            "reads the row: not mine, and drops the player",
            |state| {
                state.processes[index].part = Part::Nothing;
            },
        );
    }
}

fn stop_if_replaced(steps: &mut Steps, index: usize) {
    let process = steps.from.processes[index];
    if steps.from.serving[usize::from(process.node)] != process.serving {
        does(
            steps,
            index,
            "is refused for its region epoch and drops the player",
            |state| {
                state.processes[index].part = Part::Nothing;
            },
        );
    }
}

fn while_releasing(steps: &mut Steps, index: usize, claim: Claim) {
    let node = steps.from.processes[index].node;
    if steps.from.is_owned(node, claim.epoch) {
        does(steps, index, "repeats the release", |state| {
            let under = state.processes[index].serving;
            state.send(Message::Release {
                owner: node,
                under,
                epoch: claim.epoch,
                version: claim.version,
            });
        });
    } else {
        does(
            steps,
            index,
            "reads the row: released, and drops the player",
            |state| {
                state.processes[index].part = Part::Nothing;
            },
        );
    }
}

fn as_shadow(steps: &mut Steps, index: usize, claim: Claim, rules: Rules) {
    if !rules.keep(Rule::NoSelfPromotion) {
        does(
            steps,
            index,
            "has waited long enough and promotes its shadow",
            |state| {
                state.processes[index].part = Part::Active(claim);
            },
        );
    }
    if row_gives(steps.from, index, claim, rules) {
        does(
            steps,
            index,
            "reads the row: mine, and activates its shadow",
            |state| {
                enter(state, index, claim);
            },
        );
    }
    does(steps, index, "forgets its shadow", |state| {
        state.processes[index].part = Part::Nothing;
    });
}

/// Whether the row names this very service at the claim's epoch and attempt.
fn row_gives(state: &State, index: usize, claim: Claim, rules: Rules) -> bool {
    let (row, process) = (state.row, state.processes[index]);
    let is_same_attempt = row.claim.attempt == claim.attempt || !rules.keep(Rule::AttemptIsNamed);
    let is_same_service = row.serving == process.serving || !rules.keep(Rule::ServiceIsCurrent);
    state.is_owned(process.node, claim.epoch) && is_same_attempt && is_same_service
}

fn enter(state: &mut State, index: usize, claim: Claim) {
    let node = state.processes[index].node;
    state.processes[index].part = Part::Active(claim);
    state.send(Message::Done {
        to: 1 - node,
        epoch: claim.epoch,
    });
}

fn while_retained(steps: &mut Steps, index: usize, claim: Claim) {
    let node = steps.from.processes[index].node;
    if steps.from.is_owned(1 - node, claim.epoch) {
        does(steps, index, "repeats Commit", |state| {
            state.send(Message::Commit { to: 1 - node, claim });
        });
    } else {
        does(
            steps,
            index,
            "reads the row: it has moved on, and drops its copy",
            |state| {
                state.processes[index].part = Part::Nothing;
            },
        );
    }
}

/// What process `index` does with a message from another server, the store's answer or a command.
pub(super) fn handle(state: &mut State, index: usize, message: Message, rules: Rules) {
    let process = state.processes[index];
    match (message, process.part) {
        (Message::Prepare { claim, .. }, part) => handle_prepare(state, index, claim, part),
        (Message::Prepared { claim, serving, .. }, Part::Frozen(held)) if held.epoch + 1 == claim.epoch => {
            let is_exact = (held.version, held.attempt) == (claim.version, claim.attempt);
            if is_exact || !rules.keep(Rule::AttemptIsNamed) {
                handle_prepared(state, index, held, serving, rules);
            }
        }
        (Message::PassAnswer { attempt, done, .. }, Part::Doubt(held)) if held.attempt == attempt => {
            if done {
                commit(state, index, held);
            } else if !rules.keep(Rule::NoIsDoubt) {
                state.processes[index].part = Part::Active(held);
            }
        }
        (Message::Commit { claim, .. }, part) => handle_commit(state, index, claim, part, rules),
        (Message::Done { epoch, .. }, Part::Retained(kept)) if kept.epoch == epoch => {
            state.processes[index].part = Part::Nothing;
        }
        (Message::Command { number, .. }, Part::Active(claim)) if number == claim.version + 1 => {
            state.processes[index].part = Part::Active(Claim {
                version: number,
                ..claim
            });
            state.applied = state.applied.max(number);
        }
        _ => {}
    }
}

fn handle_prepare(state: &mut State, index: usize, claim: Claim, part: Part) {
    let is_newer = match part {
        Part::Nothing => true,
        Part::Shadow(kept) => kept <= claim,
        Part::Retained(kept) => kept.epoch < claim.epoch,
        _ => false,
    };
    if is_newer {
        let Process { node, serving, .. } = state.processes[index];
        state.processes[index].part = Part::Shadow(claim);
        state.send(Message::Prepared {
            to: 1 - node,
            claim,
            serving,
        });
    }
}

fn handle_prepared(state: &mut State, index: usize, held: Claim, serving: u8, rules: Rules) {
    let node = state.processes[index].node;
    if !rules.keep(Rule::OwnershipByRow) {
        return commit(state, index, held);
    }
    let claim = Claim {
        epoch: held.epoch + 1,
        ..held
    };
    state.processes[index].part = Part::Doubt(held);
    let under = state.processes[index].serving;
    state.send(Message::Pass {
        by: index as u8,
        from: node,
        under,
        serving,
        claim,
    });
}

/// State comes from the row, or from the shadow that the row names.
fn handle_commit(state: &mut State, index: usize, claim: Claim, part: Part, rules: Rules) {
    let row_is_read = rules.keep(Rule::ReadBeforeActive) && rules.keep(Rule::OwnershipByRow);
    match part {
        Part::Shadow(shadow) if !row_is_read && shadow == claim => enter(state, index, shadow),
        Part::Active(held) if held.epoch >= claim.epoch => {
            let node = state.processes[index].node;
            state.send(Message::Done {
                to: 1 - node,
                epoch: claim.epoch,
            });
        }
        Part::Nothing | Part::Shadow(_) | Part::Retained(_)
            if row_is_read && row_gives(state, index, claim, rules) =>
        {
            let row = state.row.claim;
            enter(state, index, row);
        }
        _ => {}
    }
}
