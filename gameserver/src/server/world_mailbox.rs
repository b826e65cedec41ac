//! What control and the world thread say to each other. Each side's words are taken all at once, a sweep's worth at a
//! time; neither ever waits for the other.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use net::link::{HandedLink, LinkId};
use protocol::ids::{Incarnation, NodeNumber, NodeUuid, RegionEpoch, RegionNumber, UserId};
use protocol::message::player::Join;
use protocol::message::subscription::Topology;
use store::{Holding, Mutes};
use tokio::sync::oneshot;
use topology::Listing;

use crate::join_check::{JoinError, VerifiedJoin};
use crate::region::{Answer, Region, Reload, Whereabouts};
use crate::world::{NotGiven, Side, WorkId};

/// Which listener or dialer a link came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// A proxy dialed.
    Proxies,
    /// A game server dialed, or was dialed.
    Peers(Side),
}

/// What a join's signatures say.
pub(super) struct Verdict {
    pub(super) link: LinkId,
    pub(super) join: Join,
    pub(super) said: Result<(VerifiedJoin, RegionNumber), JoinError>,
}

/// Which of these users are here, for a census.
pub(super) struct Search {
    pub(super) users: BTreeSet<UserId>,
    pub(super) found: oneshot::Sender<Vec<Whereabouts>>,
}

/// Hears what came of a region that was to be given away.
pub(super) type Given = oneshot::Sender<Result<(), NotGiven>>;

/// What control says.
pub(super) enum Order {
    /// A link is up; the thread alone owns it from now on.
    Link(Door, Box<HandedLink>),
    /// What a join's signatures say.
    Verified(Box<Verdict>),
    /// The topology in force has changed: every peer is looked at again, and this says who may serve what.
    Recheck(Arc<Listing>),
    /// Holdings of guests that are forgotten lie in a region now.
    Fallen(RegionNumber, Vec<Holding>),
    /// What the game has answered, or why it has not.
    Worked(WorkId, Answer),
    /// Somebody counts players.
    Find(Box<Search>),
    /// Whether the thread comes round: it answers when it does.
    Ping(oneshot::Sender<()>),
    /// One more region is served.
    Serve(Box<Region>),
    /// Nothing is served any more: the lease has ended.
    LetGo,
    /// A region goes to another server; or why it stays.
    Give(RegionNumber, NodeNumber, Given),
    /// An operator says something to the rules of a region.
    Operate(RegionNumber, String, oneshot::Sender<Result<String, String>>),
    /// The settings of the game were read anew; answered with how many regions play by them.
    Reload(Reload, oneshot::Sender<usize>),
    /// Who may say nothing to others, all of them.
    Muted(Arc<Mutes>),
    /// Take nobody new, write everything down.
    Drain,
    /// Control refused something: the label of a metric.
    Refused(&'static str),
    /// Say goodbye to everybody, and end.
    Stop,
    /// Control is gone: end at once.
    Abandoned,
}

/// Control's words, on their way to the thread.
pub(super) type Mailbox = net::mailbox::Mailbox<Order>;

/// Ends the thread however control ends.
pub(super) struct EndsThread(pub(super) Mailbox);

impl Drop for EndsThread {
    fn drop(&mut self) {
        self.0.send(Order::Abandoned);
    }
}

/// What a drain could not write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unsaved {
    pub(super) players: usize,
    /// Changes of what lies in regions, of creatures and of what rules keep.
    pub(super) changes: usize,
    /// What the store said last, if anything.
    pub(super) why: String,
}

impl Unsaved {
    pub(super) fn is_nothing(&self) -> bool {
        self.players + self.changes == 0
    }
}

impl fmt::Display for Unsaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} players", self.players)?;
        if self.changes > 0 {
            write!(f, " and {} changes of regions", self.changes)?;
        }
        Ok(())
    }
}

/// What the thread says.
#[derive(Debug)]
pub(super) enum News {
    /// A proxy's join, to be verified.
    Join(LinkId, NodeUuid, Join),
    /// A peer offers a topology.
    Topology(Topology),
    /// Another process serves this region now, and this one did by this epoch.
    Superseded(RegionNumber, RegionEpoch),
    /// Another process of this node has started later.
    Foreign(Incarnation),
    /// Everything is written down, or the time for it is over and this is not.
    WrittenDown(Unsaved),
}
