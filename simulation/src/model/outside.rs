//! Deliveries in any order, and everything that goes wrong or is wished for from outside.

use super::bounds::{Bounds, Rules};
use super::message::{Message, Node};
use super::state::{Part, Player, Process, State, ZOMBIE};
use super::steps::{Cause, Step, Steps};
use super::{process, proxy, store};

/// All ways to go on from the state of `steps`.
pub(super) fn successors(steps: &mut Steps, bounds: Bounds, rules: Rules) {
    for index in 0..steps.from.processes.len() {
        process::act(steps, index, bounds, rules);
    }
    proxy::act(steps, bounds);
    for place in 0..steps.from.messages.len() {
        fate_of(steps, place, bounds, rules);
    }
    player(steps, bounds);
    faults(steps, bounds);
    takeovers(steps, bounds, rules);
}

fn fate_of(steps: &mut Steps, place: usize, bounds: Bounds, rules: Rules) {
    let message = steps.from.messages[place];
    for index in receivers(steps.from, message) {
        steps.add(Cause::Protocol, Step::Arrives(message), |state| {
            state.messages.remove(place);
            deliver(state, index, message, rules);
        });
        if steps.from.used.duplicates < bounds.duplicates {
            steps.add(Cause::Outside, Step::ArrivesTwice(message), |state| {
                state.used.duplicates += 1;
                deliver(state, index, message, rules);
            });
        }
    }
    if receivers(steps.from, message).is_empty() {
        steps.add(Cause::Protocol, Step::FindsNobody(message), |state| {
            state.messages.remove(place);
        });
    }
    if steps.from.used.drops < bounds.drops {
        steps.add(Cause::Outside, Step::Lost(message), |state| {
            state.used.drops += 1;
            state.messages.remove(place);
        });
    }
}

/// The processes that may get a message. The store and the proxy are always there and count as process 0.
fn receivers(state: &State, message: Message) -> Vec<usize> {
    let is_running = |index: &usize| state.processes[*index].is_running;
    match message {
        Message::Prepare { to, .. }
        | Message::Prepared { to, .. }
        | Message::Commit { to, .. }
        | Message::Done { to, .. } => [usize::from(to)].into_iter().filter(is_running).collect(),
        Message::PassAnswer { by, .. } => [usize::from(by)].into_iter().filter(is_running).collect(),
        Message::Command { to, .. } => {
            let zombie = Some(ZOMBIE).filter(|_| state.processes[ZOMBIE].node == to);
            [usize::from(to)]
                .into_iter()
                .chain(zombie)
                .filter(is_running)
                .collect()
        }
        _ => vec![0],
    }
}

fn deliver(state: &mut State, index: usize, message: Message, rules: Rules) {
    match message {
        Message::Pass {
            by,
            from,
            under,
            serving,
            claim,
        } => store::pass(state, rules, by, (from, under), serving, claim),
        Message::Save {
            owner,
            by,
            epoch,
            version,
        } => store::save(state, rules, owner, by, epoch, version),
        Message::Reclaim {
            owner,
            serving,
            epoch,
        } => store::reclaim(state, owner, serving, epoch),
        Message::Release {
            owner,
            under,
            epoch,
            version,
        } => store::release(state, rules, (owner, under), epoch, version),
        Message::Moved {
            from_epoch,
            node,
            epoch,
        } => proxy::handle_moved(state, from_epoch, node, epoch),
        _ => process::handle(state, index, message, rules),
    }
}

fn player(steps: &mut Steps, bounds: Bounds) {
    let state = steps.from;
    if state.player == Player::Playing && state.used.logouts < bounds.logouts {
        steps.add(Cause::Outside, Step::Happens("the player logs out"), |state| {
            state.used.logouts += 1;
            state.player = Player::Leaving;
        });
    }
    if state.player == Player::Leaving && state.row.owner.is_none() {
        steps.add(
            Cause::Outside,
            Step::Happens("the player logs in again"),
            |state| {
                state.player = Player::Playing;
            },
        );
    }
}

fn faults(steps: &mut Steps, bounds: Bounds) {
    for node in [0, 1] {
        let index = usize::from(node);
        if !steps.from.processes[index].is_running {
            continue;
        }
        if steps.from.used.crashes < bounds.crashes {
            steps.add(Cause::Outside, Step::Does(index, "CRASHES"), |state| {
                state.used.crashes += 1;
                let process = &mut state.processes[index];
                *process = Process {
                    is_running: false,
                    part: Part::Nothing,
                    ..*process
                };
            });
        }
        if steps.from.used.zombies < bounds.zombies {
            steps.add(
                Cause::Outside,
                Step::Does(index, "IS REPLACED and lives on as a zombie"),
                |state| {
                    replace(state, node);
                },
            );
        }
    }
}

fn takeovers(steps: &mut Steps, bounds: Bounds, rules: Rules) {
    if steps.from.used.takeovers >= bounds.takeovers || steps.from.processes[ZOMBIE].is_running {
        return;
    }
    for node in [0, 1] {
        let step = Step::Does(usize::from(node), "IS TAKEN OVER by one that stands by");
        steps.add(Cause::Outside, step, |state| {
            state.used.takeovers += 1;
            store::take_over(state, rules, node);
            succeed(state, node);
        });
    }
}

/// A new process serves the region, and the old one does not know it.
fn replace(state: &mut State, node: Node) {
    state.used.zombies += 1;
    state.serving[usize::from(node)] += 1;
    succeed(state, node);
}

/// The old process, if there is one, keeps what it has, and the answers that it waits for.
fn succeed(state: &mut State, node: Node) {
    let index = usize::from(node);
    state.processes[ZOMBIE] = state.processes[index];
    state.processes[index] = Process {
        is_running: true,
        node,
        serving: state.serving[index],
        part: Part::Nothing,
    };
    for message in &mut state.messages {
        if let Message::Pass { by, .. } | Message::PassAnswer { by, .. } = message
            && *by == node
        {
            *by = ZOMBIE as u8;
        }
    }
    state.messages.sort_unstable();
}
