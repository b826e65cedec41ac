//! What must hold in every state, and what must be reachable from every state.

use super::message::Claim;
use super::state::{Part, Player, State, ZOMBIE};

/// The property that `state` breaks, if any.
pub(super) fn broken(state: &State) -> Option<&'static str> {
    let active: Vec<Claim> = state.active().map(|(_, claim)| claim).collect();
    let epoch = state.row.claim.epoch;
    if active
        .iter()
        .enumerate()
        .any(|(i, one)| active[..i].iter().any(|other| one.epoch == other.epoch))
    {
        return Some("H1: two servers simulate the player at the same epoch");
    }
    if active.iter().any(|claim| claim.epoch > epoch) {
        return Some("H1: a server simulates the player ahead of the row");
    }
    if state.used.zombies + state.used.takeovers == 0 && active.len() > 1 {
        return Some("H1: two servers simulate the player although none was replaced");
    }
    if state.overwritten {
        return Some("H1: a server that does not own the player wrote its row");
    }
    if state.outlived {
        return Some("H4: a server that was taken over wrote after the next one had read");
    }
    if state.unserved {
        return Some("H4: a durable write under a service that is over");
    }
    if state.row.claim.version < state.durable {
        return Some("H8: what was confirmed as durable is gone from the row");
    }
    if state.proxy.epoch > epoch {
        return Some("H9: the proxy trusts an epoch that the row never had");
    }
    lost_command(state)
}

/// Unless a process died, a command once applied is in the state of whoever owns the player, for ever.
fn lost_command(state: &State) -> Option<&'static str> {
    if state.used.crashes + state.used.zombies + state.used.takeovers > 0 {
        return None;
    }
    let owner = state
        .active()
        .find(|(_, claim)| claim.epoch == state.row.claim.epoch);
    let parts = state.processes.iter().filter_map(|process| process.part.claim());
    let best = || {
        parts
            .map(|claim| claim.version)
            .chain([state.row.claim.version])
            .max()
    };
    let kept = owner.map(|(_, claim)| claim.version).or_else(best);
    (kept < Some(state.applied)).then_some("H2: an applied command is lost although nothing crashed")
}

/// Everybody agrees: the owner of the row simulates the player and the proxy knows it, or the player is gone.
pub(super) fn is_settled(state: &State) -> bool {
    match (state.player, state.row.owner) {
        (Player::Leaving, None) => state.active().next().is_none(),
        (Player::Playing, Some(owner)) => {
            let process = state.processes[usize::from(owner)];
            let holds = matches!(process.part, Part::Active(claim) if claim.epoch == state.row.claim.epoch);
            let is_routed = state.proxy.route == owner && state.proxy.epoch == state.row.claim.epoch;
            let is_alone = state.active().count() == 1 && !state.processes[ZOMBIE].is_running;
            holds && is_routed && is_alone
        }
        _ => false,
    }
}
