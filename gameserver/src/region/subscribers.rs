//! Who wants which cells of a region, and what each still needs of them.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::NodeNumber;

/// Which kind of node a subscriber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Proxy,
    Server,
}

/// What a subscriber has of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Nothing,
    Deltas,
    Keyframe,
}

#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) wants: Vec<Wants>,
    /// Cells that want a keyframe.
    pub(super) keyframes: BTreeSet<u32>,
    pub(super) subscribed: usize,
    /// Outputs of this tick to players at this proxy.
    pub(super) outputs: u32,
}

/// All subscribers of a region.
#[derive(Debug)]
pub(super) struct Publication {
    cells: usize,
    pub(super) subscribers: BTreeMap<(Role, NodeNumber), Subscriber>,
}

impl Publication {
    pub(super) fn new(cells: usize) -> Self {
        Self {
            cells,
            subscribers: BTreeMap::new(),
        }
    }

    pub(super) fn subscribe(&mut self, role: Role, node: NodeNumber, cell: u32) {
        let subscriber = self.subscriber(role, node);
        let Some(wants) = subscriber.wants.get_mut(cell as usize) else {
            return;
        };
        if *wants == Wants::Nothing {
            subscriber.subscribed += 1;
        }
        *wants = Wants::Keyframe;
        subscriber.keyframes.insert(cell);
    }

    pub(super) fn unsubscribe(&mut self, role: Role, node: NodeNumber, cell: u32) {
        let Some(subscriber) = self.subscribers.get_mut(&(role, node)) else {
            return;
        };
        let Some(wants) = subscriber.wants.get_mut(cell as usize) else {
            return;
        };
        if *wants != Wants::Nothing {
            subscriber.subscribed -= 1;
        }
        *wants = Wants::Nothing;
        subscriber.keyframes.remove(&cell);
    }

    /// Everything that the subscriber wants has to start again.
    pub(super) fn dropped(&mut self, node: NodeNumber) {
        for role in [Role::Proxy, Role::Server] {
            let Some(subscriber) = self.subscribers.get_mut(&(role, node)) else {
                continue;
            };
            for (cell, wants) in subscriber.wants.iter_mut().enumerate() {
                if *wants != Wants::Nothing {
                    *wants = Wants::Keyframe;
                    subscriber.keyframes.insert(cell as u32);
                }
            }
        }
    }

    pub(super) fn gone(&mut self, role: Role, node: NodeNumber) {
        self.subscribers.remove(&(role, node));
    }

    /// An output is on its way to this proxy in this tick.
    pub(super) fn output(&mut self, proxy: NodeNumber) {
        self.subscriber(Role::Proxy, proxy).outputs += 1;
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.subscribers
            .values()
            .map(|subscriber| subscriber.subscribed)
            .sum()
    }

    fn subscriber(&mut self, role: Role, node: NodeNumber) -> &mut Subscriber {
        let cells = self.cells;
        self.subscribers
            .entry((role, node))
            .or_insert_with(|| Subscriber {
                wants: vec![Wants::Nothing; cells],
                keyframes: BTreeSet::new(),
                subscribed: 0,
                outputs: 0,
            })
    }
}
