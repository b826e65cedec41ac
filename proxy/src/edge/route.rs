//! Which server gets this player: who owns it, as far as this proxy may believe, and what to do about what it hears.
//!
//! A higher epoch is adopted only from the current owner's `Moved`, if it is the one that comes next, or after reading it
//! from the store. Never from outputs, and never because a server says so: that is how no hostile server can claim a player by
//! a large epoch. And what the store has never issued is given up as soon as the store says so.

use faultpoint::faultpoint;
use protocol::ids::{NodeNumber, OwnerEpoch, RegionNumber};

use super::input::OwnerAnswer;

/// Servers asked one after the other before the store is asked instead.
const HOPS_MAX: u8 = 3;
/// A store read that is not answered, or a join without a reply, is repeated after this, milliseconds.
const RETRY_MS: u64 = 500;

/// The owner of a player, as trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) node: NodeNumber,
    pub(super) region: RegionNumber,
    pub(super) epoch: OwnerEpoch,
}

/// Where a session stands with its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The client has not attached yet.
    Attaching,
    /// A join is on its way.
    Joining {
        asked: NodeNumber,
        hops: u8,
        since_ms: u64,
    },
    /// A server says that the player is active there; the store is asked whether that is so.
    Confirming { claim: Owner, since_ms: u64 },
    /// The owner is known and its link is up.
    Playing,
    /// The owner's server is gone, or nobody knows the owner; asked again from time to time.
    Suspended { since_ms: u64, asked_ms: u64 },
}

/// Why a trusted owner is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// Somebody claims the player by a higher epoch, or the owner says nothing any more.
    Claimed,
    /// The owner says that it has not got the player.
    Denied,
}

/// What the session must do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Stay,
    /// Send a join to this server.
    Join(NodeNumber),
    /// Ask the store who owns the player.
    ReadOwner,
    /// The owner is the one in the route now: send it what is open.
    Adopted,
    /// Tell the client that its part of the world is being recovered.
    Suspended,
}

/// The trusted owner and the standing with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) owner: Option<Owner>,
    pub(super) standing: Standing,
    /// While playing: why the owner is in doubt, and when the store was asked, milliseconds.
    doubt: Option<(Doubt, u64)>,
}

impl Route {
    pub(super) fn new() -> Self {
        Self {
            owner: None,
            standing: Standing::Attaching,
            doubt: None,
        }
    }

    /// Whether per-user output from this node at this epoch is to be believed.
    pub(super) fn trusts(&self, node: NodeNumber, epoch: OwnerEpoch) -> bool {
        matches!(self.owner, Some(owner) if owner.node == node && owner.epoch == epoch)
            && self.standing == Standing::Playing
    }

    /// Whether a word about the session's binding is to be heeded from this node: its owner, or whom it has asked.
    pub(super) fn heeds(&self, node: NodeNumber) -> bool {
        match self.standing {
            Standing::Joining { asked, .. } => asked == node,
            Standing::Confirming { claim, .. } => claim.node == node,
            Standing::Attaching | Standing::Playing | Standing::Suspended { .. } => {
                self.owner.is_some_and(|owner| owner.node == node)
            }
        }
    }

    /// The trusted owner does not know that its player is here: a join tells it, or makes it say where the player is.
    pub(super) fn disowned(&mut self, from: NodeNumber, now_ms: u64) -> Step {
        match self.owner {
            Some(owner) if owner.node == from => self.join(Some(from), now_ms),
            _ => Step::Stay,
        }
    }

    /// The owner that inputs and commands go to just now.
    pub(super) fn playing(&self) -> Option<Owner> {
        self.owner.filter(|_| self.standing == Standing::Playing)
    }

    /// Begins, or begins again, at this server; `None` when no server is known to be up for the player.
    pub(super) fn join(&mut self, target: Option<NodeNumber>, now_ms: u64) -> Step {
        match target {
            Some(asked) => {
                self.standing = Standing::Joining {
                    asked,
                    hops: 0,
                    since_ms: now_ms,
                };
                Step::Join(asked)
            }
            None => self.suspend(now_ms),
        }
    }

    /// A server answered a join: the player is active there.
    pub(super) fn joined(&mut self, claim: Owner, now_ms: u64) -> Step {
        if self.owner == Some(claim) {
            self.standing = Standing::Playing;
            return Step::Adopted;
        }
        let stale = self.owner.is_some_and(|owner| claim.epoch <= owner.epoch);
        match self.standing {
            // A lower epoch may be old news, or the one that is trusted was never issued.
            Standing::Joining { asked, .. } if asked == claim.node => {
                faultpoint!(RouteConfirms);
                self.standing = Standing::Confirming {
                    claim,
                    since_ms: now_ms,
                };
                Step::ReadOwner
            }
            // The owner itself may have begun again with its player, at a higher epoch.
            Standing::Playing if !stale && self.owner.is_some_and(|owner| owner.node == claim.node) => {
                self.doubt(Doubt::Claimed, now_ms)
            }
            _ => Step::Stay,
        }
    }

    /// Asks the store about a claim while the owner is still believed.
    fn doubt(&mut self, doubt: Doubt, now_ms: u64) -> Step {
        match doubt {
            Doubt::Claimed => faultpoint!(RouteClaimed),
            Doubt::Denied => faultpoint!(RouteDenied),
        }
        self.doubt = Some((doubt, now_ms));
        Step::ReadOwner
    }

    /// Whether something was asked that has to be asked again if no answer comes.
    pub(super) fn waits(&self) -> bool {
        match self.standing {
            Standing::Attaching => false,
            Standing::Playing => self.doubt.is_some(),
            Standing::Joining { .. } | Standing::Confirming { .. } | Standing::Suspended { .. } => true,
        }
    }

    /// A server answered a join: the row names somebody else.
    pub(super) fn elsewhere(&mut self, from: NodeNumber, target: Option<NodeNumber>, now_ms: u64) -> Step {
        match (self.standing, target) {
            (Standing::Joining { asked, hops, .. }, Some(next)) if asked == from && hops < HOPS_MAX => {
                faultpoint!(RouteSentOn);
                self.standing = Standing::Joining {
                    asked: next,
                    hops: hops + 1,
                    since_ms: now_ms,
                };
                Step::Join(next)
            }
            (Standing::Joining { asked, .. }, _) if asked == from => self.suspend(now_ms),
            (Standing::Playing, _) if self.owner.is_some_and(|owner| owner.node == from) => {
                self.doubt(Doubt::Denied, now_ms)
            }
            _ => Step::Stay,
        }
    }

    /// The owner says that the player now belongs to somebody else. `up`: whether the new owner's link is up.
    pub(super) fn moved(
        &mut self,
        from: NodeNumber,
        from_epoch: OwnerEpoch,
        to: Owner,
        up: LinkUp,
        now_ms: u64,
    ) -> Step {
        let current = self
            .owner
            .is_some_and(|owner| owner.node == from && owner.epoch == from_epoch);
        if !current || to.epoch <= from_epoch {
            return Step::Stay;
        }
        // A handover raises the epoch by one; an owner in doubt takes its player back at the one after.
        let handover = from_epoch.next();
        let reclaim = handover.and_then(OwnerEpoch::next);
        if handover == Ok(to.epoch) || to.node == from && reclaim == Ok(to.epoch) {
            return self.adopt(to, up, now_ms);
        }
        // Whatever this is, the store knows.
        match self.standing {
            Standing::Playing => self.doubt(Doubt::Claimed, now_ms),
            _ => Step::ReadOwner,
        }
    }

    /// The owner has said nothing of the player for long: whoever handed it over may have lied.
    pub(super) fn silent(&mut self, now_ms: u64) -> Step {
        match self.standing {
            Standing::Playing => self.doubt(Doubt::Claimed, now_ms),
            _ => Step::Stay,
        }
    }

    /// The epoch that is trusted, 0 for none.
    pub(super) fn trusted_epoch(&self) -> OwnerEpoch {
        self.owner.map_or(OwnerEpoch(0), |owner| owner.epoch)
    }

    /// How the store's answer stands to what is trusted. `trusted`: the epoch that was trusted when it was asked.
    pub(super) fn age_of(&self, answer: OwnerAnswer, trusted: OwnerEpoch) -> AnswerAge {
        let epoch = match answer {
            OwnerAnswer::Row { epoch, .. } => epoch,
            OwnerAnswer::NoRow => OwnerEpoch(0),
            OwnerAnswer::Unavailable => return AnswerAge::Old,
        };
        match self.owner {
            Some(owner) if epoch < owner.epoch && trusted == owner.epoch => AnswerAge::Overrides,
            Some(owner) if epoch < owner.epoch => AnswerAge::Old,
            _ => AnswerAge::Current,
        }
    }

    /// A server says that the player is active there. Believed when it is the trusted owner; else the store is asked.
    pub(super) fn here(&mut self, claim: Owner, now_ms: u64) -> Step {
        match self.owner {
            Some(owner) if owner == claim => {
                self.standing = Standing::Playing;
                Step::Adopted
            }
            Some(owner) if claim.epoch > owner.epoch && self.standing == Standing::Playing => {
                self.doubt(Doubt::Claimed, now_ms)
            }
            Some(owner) if claim.epoch > owner.epoch => Step::ReadOwner,
            _ => Step::Stay,
        }
    }

    /// The store's word on the owner, of this age. `serving`: the server to join at for the answered region when the row's
    /// owner is gone.
    pub(super) fn answered(
        &mut self,
        answer: OwnerAnswer,
        age: AnswerAge,
        serving: Option<NodeNumber>,
        up: LinkUp,
        now_ms: u64,
    ) -> Step {
        let (row_node, row) = match answer {
            OwnerAnswer::Row { node, region, epoch } => {
                (node, node.map(|node| Owner { node, region, epoch }))
            }
            OwnerAnswer::NoRow | OwnerAnswer::Unavailable => (None, None),
        };
        match age {
            AnswerAge::Old => {
                faultpoint!(RouteOldAnswer);
                return Step::Stay;
            }
            AnswerAge::Overrides => self.owner = None,
            AnswerAge::Current => {}
        }
        let doubt = self.doubt.take().map(|(doubt, _)| doubt);
        match self.standing {
            Standing::Confirming { claim, .. } if row == Some(claim) => self.adopt(claim, up, now_ms),
            Standing::Confirming { .. } => {
                faultpoint!(RouteNotConfirmed);
                self.join(row_node.or(serving), now_ms)
            }
            Standing::Playing => match (row, self.owner) {
                (Some(row), Some(owner)) if row.epoch > owner.epoch => self.adopt(row, up, now_ms),
                (None, _) => self.join(serving, now_ms),
                (_, None) => self.join(row_node.filter(|_| up == LinkUp::Yes).or(serving), now_ms),
                // It was the owner's, and the owner has begun anew since: it has to be asked to take the player.
                _ if doubt == Some(Doubt::Denied) => {
                    self.join(row_node.filter(|_| up == LinkUp::Yes).or(serving), now_ms)
                }
                _ => Step::Stay,
            },
            Standing::Suspended { .. } => {
                if let Some(row) = row.filter(|row| self.owner.is_none_or(|owner| row.epoch > owner.epoch)) {
                    self.owner = Some(row);
                }
                match row_node.filter(|_| up == LinkUp::Yes).or(serving) {
                    Some(node) => self.join(Some(node), now_ms),
                    None => Step::Stay,
                }
            }
            Standing::Attaching | Standing::Joining { .. } => Step::Stay,
        }
    }

    /// The store says that another server serves a region: if that is where the player is, its owner is nobody any more.
    pub(super) fn served_by(&mut self, region: RegionNumber, node: NodeNumber, now_ms: u64) -> Step {
        let is_former = |owner: Owner| owner.region == region && owner.node != node;
        match self.standing {
            Standing::Playing if self.owner.is_some_and(is_former) => {
                faultpoint!(RouteServedByOther);
                self.join(Some(node), now_ms)
            }
            Standing::Confirming { claim, .. } if is_former(claim) => self.join(Some(node), now_ms),
            _ => Step::Stay,
        }
    }

    /// The region of the owner that it waits for, and since when, milliseconds; `None` while it does not wait.
    pub(super) fn waits_for(&self) -> Option<(RegionNumber, u64)> {
        match self.standing {
            Standing::Suspended { since_ms, .. } => self.owner.map(|owner| (owner.region, since_ms)),
            _ => None,
        }
    }

    /// The link to a server is gone.
    pub(super) fn server_down(&mut self, node: NodeNumber, now_ms: u64) -> Step {
        let concerned = match self.standing {
            Standing::Playing => self.owner.is_some_and(|owner| owner.node == node),
            Standing::Joining { asked, .. } => asked == node,
            Standing::Confirming { claim, .. } => claim.node == node,
            Standing::Attaching | Standing::Suspended { .. } => false,
        };
        if concerned {
            self.suspend(now_ms)
        } else {
            Step::Stay
        }
    }

    /// Waits until somebody serves the player again.
    pub(super) fn suspend(&mut self, now_ms: u64) -> Step {
        faultpoint!(RouteSuspended);
        self.standing = Standing::Suspended {
            since_ms: now_ms,
            asked_ms: now_ms,
        };
        Step::Suspended
    }

    /// Time passes: what was asked and not answered is asked again.
    pub(super) fn tick(&mut self, now_ms: u64) -> Step {
        let due = |since: u64| now_ms.saturating_sub(since) >= RETRY_MS;
        match &mut self.standing {
            Standing::Playing => match self.doubt {
                Some((doubt, since_ms)) if due(since_ms) => self.doubt(doubt, now_ms),
                _ => Step::Stay,
            },
            Standing::Joining { asked, since_ms, .. } if due(*since_ms) => {
                faultpoint!(RouteAsksAgain);
                *since_ms = now_ms;
                Step::Join(*asked)
            }
            Standing::Confirming { since_ms, .. } if due(*since_ms) => {
                *since_ms = now_ms;
                Step::ReadOwner
            }
            Standing::Suspended { asked_ms, .. } if due(*asked_ms) => {
                *asked_ms = now_ms;
                Step::ReadOwner
            }
            _ => Step::Stay,
        }
    }

    fn adopt(&mut self, to: Owner, up: LinkUp, now_ms: u64) -> Step {
        self.owner = Some(to);
        match up {
            LinkUp::Yes => {
                self.standing = Standing::Playing;
                Step::Adopted
            }
            LinkUp::No => self.suspend(now_ms),
        }
    }
}

/// How an answer of the store stands to what is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerAge {
    /// It says nothing, or it was asked for before an epoch above it was adopted.
    Old,
    /// It is no lower than what is trusted.
    Current,
    /// The epoch that is trusted was never issued: the row counts, and nothing else.
    Overrides,
}

/// Whether the link to a server is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkUp {
    Yes,
    No,
}

#[cfg(test)]
mod tests;
