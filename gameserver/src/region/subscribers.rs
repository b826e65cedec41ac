//! Who wants which cells of a region, and what each still needs of them.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{NodeNumber, ProxyLane};

/// Who may want cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subscriber {
    /// One lane of a proxy: each wants cells of its own.
    Lane(ProxyLane),
    /// A game server, for its regions beside this one.
    Server(NodeNumber),
}

/// What a subscriber has of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Nothing,
    Deltas,
    Keyframe,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) wants: Vec<Wants>,
    /// Cells that want a keyframe.
    pub(super) keyframes: BTreeSet<u32>,
    pub(super) subscribed: usize,
    /// Outputs of this tick to players on this lane.
    pub(super) outputs: u32,
}

/// All subscribers of a region.
#[derive(Debug)]
pub(super) struct Publication {
    cells: usize,
    pub(super) subscribers: BTreeMap<Subscriber, Subscription>,
}

impl Publication {
    pub(super) fn new(cells: usize) -> Self {
        Self {
            cells,
            subscribers: BTreeMap::new(),
        }
    }

    pub(super) fn subscribe(&mut self, by: Subscriber, cell: u32) {
        let subscriber = self.subscription(by);
        let Some(wants) = subscriber.wants.get_mut(cell as usize) else {
            return;
        };
        if *wants == Wants::Nothing {
            subscriber.subscribed += 1;
        }
        *wants = Wants::Keyframe;
        subscriber.keyframes.insert(cell);
    }

    pub(super) fn unsubscribe(&mut self, by: Subscriber, cell: u32) {
        let Some(subscriber) = self.subscribers.get_mut(&by) else {
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
    pub(super) fn dropped(&mut self, by: Subscriber) {
        let Some(subscriber) = self.subscribers.get_mut(&by) else {
            return;
        };
        for (cell, wants) in subscriber.wants.iter_mut().enumerate() {
            if *wants != Wants::Nothing {
                *wants = Wants::Keyframe;
                subscriber.keyframes.insert(cell as u32);
            }
        }
    }

    pub(super) fn gone(&mut self, by: Subscriber) {
        self.subscribers.remove(&by);
    }

    /// An output is on its way to this lane in this tick.
    pub(super) fn output(&mut self, lane: ProxyLane) {
        self.subscription(Subscriber::Lane(lane)).outputs += 1;
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.subscribers
            .values()
            .map(|subscriber| subscriber.subscribed)
            .sum()
    }

    fn subscription(&mut self, by: Subscriber) -> &mut Subscription {
        let cells = self.cells;
        self.subscribers.entry(by).or_insert_with(|| Subscription {
            wants: vec![Wants::Nothing; cells],
            keyframes: BTreeSet::new(),
            subscribed: 0,
            outputs: 0,
        })
    }
}
