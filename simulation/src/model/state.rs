//! The whole world of the model at one moment.

use super::message::{Claim, Message, Node};

/// Index of the process that has been replaced and does not know it.
pub(super) const ZOMBIE: usize = 2;

/// One moment. Small numbers throughout: millions of these are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// `A`, `B`, and the zombie if there is one.
    pub(super) processes: [Process; 3],
    pub(super) row: Row,
    /// The region epochs issued last, by region.
    pub(super) serving: [u8; 2],
    /// By which of them a region was taken over last.
    pub(super) taken_by: [u8; 2],
    /// Under way, sorted: order of arrival is not promised. Equal ones are one; a second copy costs a duplicate.
    pub(super) messages: Vec<Message>,
    pub(super) proxy: Proxy,
    pub(super) player: Player,
    /// Highest command that any server applied and confirmed.
    pub(super) applied: u8,
    /// Highest version that the store took from somebody.
    pub(super) durable: u8,
    /// Attempts begun.
    pub(super) attempts: u8,
    /// Whether one who did not own the player wrote its row.
    pub(super) overwritten: bool,
    /// Whether a process that was taken over has written since.
    pub(super) outlived: bool,
    /// Whether somebody wrote durably under a service that was over.
    pub(super) unserved: bool,
    pub(super) used: Used,
}

/// Outside events so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Used {
    pub(super) drops: u8,
    pub(super) duplicates: u8,
    pub(super) crashes: u8,
    pub(super) zombies: u8,
    pub(super) takeovers: u8,
    pub(super) logouts: u8,
}

/// The player's row in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) owner: Option<Node>,
    pub(super) region: Node,
    /// The service that got the player.
    pub(super) serving: u8,
    pub(super) claim: Claim,
}

/// Where the proxy sends commands, and the epoch it trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Proxy {
    pub(super) route: Node,
    pub(super) epoch: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Player {
    Playing,
    Leaving,
}

/// One process of a game server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) is_running: bool,
    pub(super) node: Node,
    /// The region epoch that it was given at its start.
    pub(super) serving: u8,
    pub(super) part: Part,
}

/// What a process knows of the player. `Claim::epoch` is the epoch held, for `Shadow` and `Retained` the target's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Nothing,
    /// Simulates the player.
    Active(Claim),
    /// Prepare sent; commands are dropped.
    Frozen(Claim),
    /// CAS sent, outcome not known.
    Doubt(Claim),
    /// The row said that the CAS had not been applied: reclaim sent, outcome not known.
    Reclaiming(Claim),
    /// Logout: release sent, outcome not known.
    Releasing(Claim),
    /// Prepared by the other server.
    Shadow(Claim),
    /// Given away; kept until the target says Done.
    Retained(Claim),
}

impl Part {
    pub(super) fn claim(self) -> Option<Claim> {
        match self {
            Self::Nothing => None,
            Self::Active(claim)
            | Self::Frozen(claim)
            | Self::Doubt(claim)
            | Self::Reclaiming(claim)
            | Self::Releasing(claim)
            | Self::Shadow(claim)
            | Self::Retained(claim) => Some(claim),
        }
    }
}

impl State {
    /// `A` simulates the player at epoch 1; nothing is under way.
    pub(super) fn start() -> Self {
        let claim = Claim {
            epoch: 1,
            version: 0,
            attempt: 0,
        };
        let process = |node, part| Process {
            is_running: true,
            node,
            serving: 1,
            part,
        };
        let absent = Process {
            is_running: false,
            ..process(0, Part::Nothing)
        };
        Self {
            processes: [process(0, Part::Active(claim)), process(1, Part::Nothing), absent],
            row: Row {
                owner: Some(0),
                region: 0,
                serving: 1,
                claim,
            },
            serving: [1, 1],
            taken_by: [0, 0],
            messages: Vec::new(),
            proxy: Proxy { route: 0, epoch: 1 },
            player: Player::Playing,
            applied: 0,
            durable: 0,
            attempts: 0,
            overwritten: false,
            outlived: false,
            unserved: false,
            used: Used::default(),
        }
    }

    pub(super) fn send(&mut self, message: Message) {
        if let Err(place) = self.messages.binary_search(&message) {
            self.messages.insert(place, message);
        }
    }

    /// Whether the row gives the player to this process's node at exactly this epoch.
    pub(super) fn is_owned(&self, node: Node, epoch: u8) -> bool {
        self.row.owner == Some(node) && self.row.claim.epoch == epoch
    }

    /// The claims of all that simulate the player.
    pub(super) fn active(&self) -> impl Iterator<Item = (usize, Claim)> + '_ {
        self.processes
            .iter()
            .enumerate()
            .filter_map(|(index, process)| match process.part {
                Part::Active(claim) if process.is_running => Some((index, claim)),
                _ => None,
            })
    }
}
