//! Everything that can be under way: between servers, to the store and back, to the proxy and from it.

use std::fmt;

/// A node, which is also the region it serves: 0 is `A`, 1 is `B`.
pub(super) type Node = u8;

/// Owner epoch, state version and attempt of one claim on the player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Claim {
    pub(super) epoch: u8,
    /// How many of the player's commands are in the state.
    pub(super) version: u8,
    pub(super) attempt: u8,
}

/// One message under way. Any may be late, lost, doubled or overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Message {
    Prepare {
        to: Node,
        claim: Claim,
    },
    /// `serving`: the region epoch that the target prepared under.
    Prepared {
        to: Node,
        claim: Claim,
        serving: u8,
    },
    Commit {
        to: Node,
        claim: Claim,
    },
    Done {
        to: Node,
        epoch: u8,
    },
    Moved {
        from_epoch: u8,
        node: Node,
        epoch: u8,
    },
    Command {
        to: Node,
        number: u8,
    },
    /// To the store: the handover's CAS, from the epoch before `claim`'s. `by`: the process that waits; `under`: its service.
    Pass {
        by: u8,
        from: Node,
        under: u8,
        serving: u8,
        claim: Claim,
    },
    PassAnswer {
        by: u8,
        attempt: u8,
        done: bool,
    },
    /// `by`: the service of its sender.
    Save {
        owner: Node,
        by: u8,
        epoch: u8,
        version: u8,
    },
    Reclaim {
        owner: Node,
        serving: u8,
        epoch: u8,
    },
    Release {
        owner: Node,
        under: u8,
        epoch: u8,
        version: u8,
    },
}

pub(super) fn name(node: Node) -> char {
    if node == 0 { 'A' } else { 'B' }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "epoch {}, version {}, attempt {}",
            self.epoch, self.version, self.attempt
        )
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepare { to, claim } => write!(f, "Prepare to {} ({claim})", name(*to)),
            Self::Prepared { to, claim, .. } => write!(f, "Prepared to {} ({claim})", name(*to)),
            Self::Commit { to, claim } => write!(f, "Commit to {} ({claim})", name(*to)),
            Self::Done { to, epoch } => write!(f, "Done to {} (epoch {epoch})", name(*to)),
            Self::Moved { node, epoch, .. } => {
                write!(f, "Moved to the proxy ({}, epoch {epoch})", name(*node))
            }
            Self::Command { to, number } => write!(f, "command {number} to {}", name(*to)),
            Self::Pass { from, claim, .. } => write!(f, "{}'s handover CAS ({claim})", name(*from)),
            Self::PassAnswer {
                done: true, attempt, ..
            } => write!(f, "the store's yes to attempt {attempt}"),
            Self::PassAnswer { attempt, .. } => write!(f, "the store's no to attempt {attempt}"),
            Self::Save {
                owner,
                epoch,
                version,
                ..
            } => {
                write!(f, "{}'s save (epoch {epoch}, version {version})", name(*owner))
            }
            Self::Reclaim { owner, epoch, .. } => write!(f, "{}'s reclaim of epoch {epoch}", name(*owner)),
            Self::Release { owner, epoch, .. } => write!(f, "{}'s release of epoch {epoch}", name(*owner)),
        }
    }
}
