//! The made-up network between nodes: one stream per dialer and listener, in order, lost as a whole.

use net::link::LinkId;
use protocol::ids::{Incarnation, Lane, NodeNumber};

use crate::dice::Dice;

/// Index of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkNumber(pub(crate) usize);

/// One end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Dialer,
    Listener,
}

impl End {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Dialer => 0,
            Self::Listener => 1,
        }
    }
}

/// Where the network delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) link: LinkNumber,
    pub(crate) generation: u64,
    pub(crate) to: End,
}

/// How a listener's kernel takes little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Throttle {
    /// Nothing at all.
    Shut,
    /// Nothing most of the time.
    Stuck,
    /// Everything, but its process has so many bytes for each tick alone.
    Thin(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) dialer: NodeNumber,
    pub(crate) listener: NodeNumber,
    /// Which of the dialer's lanes.
    pub(crate) lane: Lane,
    /// Counts connections.
    pub(crate) generation: u64,
    /// Which start of the dialer made the connection.
    pub(crate) incarnation: Incarnation,
    /// Whether bytes still get through.
    pub(crate) is_alive: bool,
    /// Who believes that it is up.
    is_up: [bool; 2],
    /// No connection before this time.
    pub(crate) cut_until_us: u64,
    /// Nothing arrives at this end before this time.
    held_until_us: [u64; 2],
    /// The listener's kernel takes little until this time.
    pub(crate) throttled_until_us: u64,
    pub(crate) throttle: Throttle,
    /// Last arrival by end.
    last_us: [u64; 2],
}

impl Link {
    pub(crate) fn new(dialer: NodeNumber, lane: Lane, listener: NodeNumber) -> Self {
        Self {
            dialer,
            listener,
            lane,
            generation: 0,
            incarnation: Incarnation(0),
            is_alive: false,
            is_up: [false; 2],
            cut_until_us: 0,
            held_until_us: [0; 2],
            throttled_until_us: 0,
            throttle: Throttle::Stuck,
            last_us: [0; 2],
        }
    }

    pub(crate) fn node(&self, end: End) -> NodeNumber {
        match end {
            End::Dialer => self.dialer,
            End::Listener => self.listener,
        }
    }

    pub(crate) fn end_of(&self, node: NodeNumber) -> Option<End> {
        [End::Dialer, End::Listener]
            .into_iter()
            .find(|end| self.node(*end) == node)
    }

    pub(crate) fn is_up(&self, end: End) -> bool {
        self.is_up[end.index()]
    }

    pub(crate) fn set_up(&mut self, end: End, is_up: bool) {
        self.is_up[end.index()] = is_up;
    }

    pub(crate) fn hold(&mut self, end: End, until_us: u64) {
        self.held_until_us[end.index()] = until_us;
    }

    /// A new connection; returns when each end hears of it. The listener's first bytes come after the dialer's.
    pub(crate) fn connect(&mut self, incarnation: Incarnation, now_us: u64, dice: &mut Dice) -> (u64, u64) {
        self.generation += 1;
        self.incarnation = incarnation;
        self.is_alive = true;
        let listener_us = now_us + dice.between(200, 3_000);
        let dialer_us = listener_us + dice.between(200, 3_000);
        self.held_until_us = [0; 2];
        self.last_us = [dialer_us, listener_us];
        (dialer_us, listener_us)
    }

    /// What both ends call this connection.
    pub(crate) fn id(&self) -> LinkId {
        let ends = u64::from(self.dialer.0) << 16 | u64::from(self.listener.0);
        LinkId(self.generation << 36 | u64::from(self.lane.number()) << 32 | ends)
    }

    /// When bytes sent now arrive at `to`.
    pub(crate) fn arrival(&mut self, to: End, wanted_us: u64) -> u64 {
        let last = &mut self.last_us[to.index()];
        let at_us = wanted_us.max(self.held_until_us[to.index()]).max(*last);
        *last = at_us;
        at_us
    }
}
