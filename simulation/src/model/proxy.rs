//! The proxy: repeats commands to whom it trusts, and trusts only the owner's word and the row.

use super::bounds::Bounds;
use super::message::{Message, Node};
use super::state::{Part, Player, Proxy, State};
use super::steps::{Cause, Step, Steps};

/// Everything that the proxy may do now.
pub(super) fn act(steps: &mut Steps, bounds: Bounds) {
    let state = steps.from;
    if let Some(owner) = state.row.owner
        && state.row.claim.epoch > state.proxy.epoch
    {
        steps.add(
            Cause::Protocol,
            Step::Happens("the proxy reads owner and epoch from the row"),
            |state| {
                state.proxy = Proxy {
                    route: owner,
                    epoch: state.row.claim.epoch,
                };
            },
        );
    }
    let command = next_command(state);
    let is_idle = !state
        .messages
        .iter()
        .any(|message| matches!(message, Message::Command { .. }));
    if command <= bounds.commands && is_idle && state.player == Player::Playing {
        steps.add(
            Cause::Protocol,
            Step::Happens("the proxy sends the next command to its route"),
            |state| {
                state.send(Message::Command {
                    to: state.proxy.route,
                    number: command,
                });
            },
        );
    }
}

/// The owner says where it stands; nobody else's word is needed.
fn next_command(state: &State) -> u8 {
    match state.processes[usize::from(state.proxy.route)].part {
        Part::Active(claim) => claim.version + 1,
        _ => state.applied + 1,
    }
}

/// `Moved` counts only from the owner that the proxy trusts now.
pub(super) fn handle_moved(state: &mut State, from_epoch: u8, node: Node, epoch: u8) {
    if from_epoch == state.proxy.epoch {
        state.proxy = Proxy { route: node, epoch };
    }
}
