//! Which server gets this player: who owns it, as far as this proxy may believe, and what to do about what it hears.
//!
//! A higher epoch is adopted only from the current owner's `Moved`, or after reading it from the store. Never from
//! outputs, and never because a server says so: that is how no hostile server can claim a player by a large epoch.

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
    /// Somebody claims the player by a higher epoch.
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
            Standing::Joining { asked, .. } if asked == claim.node && !stale => {
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
        self.adopt(to, up, now_ms)
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

    /// The store's word on the owner. `serving`: the server to join at for the answered region when the row's owner is gone.
    pub(super) fn answered(
        &mut self,
        answer: OwnerAnswer,
        serving: Option<NodeNumber>,
        up: LinkUp,
        now_ms: u64,
    ) -> Step {
        let (row_node, row) = match answer {
            OwnerAnswer::Row { node, region, epoch } => {
                (node, node.map(|node| Owner { node, region, epoch }))
            }
            OwnerAnswer::NoRow => (None, None),
            OwnerAnswer::Unavailable => return Step::Stay,
        };
        let doubt = self.doubt.take().map(|(doubt, _)| doubt);
        match self.standing {
            Standing::Confirming { claim, .. } if row == Some(claim) => self.adopt(claim, up, now_ms),
            Standing::Confirming { .. } => self.join(row_node.or(serving), now_ms),
            Standing::Playing => match (row, self.owner) {
                (Some(row), Some(owner)) if row.epoch > owner.epoch => self.adopt(row, up, now_ms),
                (None, _) => self.join(serving, now_ms),
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

/// Whether the link to a server is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkUp {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeNumber = NodeNumber(1);
    const B: NodeNumber = NodeNumber(2);

    fn owner(node: NodeNumber, epoch: u64) -> Owner {
        Owner {
            node,
            region: RegionNumber(u32::from(node.0)),
            epoch: OwnerEpoch(epoch),
        }
    }

    fn row(node: NodeNumber, epoch: u64) -> OwnerAnswer {
        OwnerAnswer::Row {
            node: Some(node),
            region: owner(node, epoch).region,
            epoch: OwnerEpoch(epoch),
        }
    }

    fn playing(at: Owner) -> Route {
        Route {
            owner: Some(at),
            standing: Standing::Playing,
            doubt: None,
        }
    }

    #[test]
    fn a_first_owner_is_believed_only_when_the_store_says_the_same() {
        let mut route = Route::new();
        assert_eq!(route.join(Some(A), 0), Step::Join(A));
        assert_eq!(route.joined(owner(B, 9), 1), Step::Stay, "nobody asked B");
        assert_eq!(route.joined(owner(A, 5), 1), Step::ReadOwner);
        assert!(!route.trusts(A, OwnerEpoch(5)));
        assert_eq!(route.answered(row(A, 5), None, LinkUp::Yes, 2), Step::Adopted);
        assert!(route.trusts(A, OwnerEpoch(5)));
    }

    #[test]
    fn a_lie_about_the_owner_leads_to_the_one_in_the_row() {
        let mut route = Route::new();
        route.join(Some(A), 0);
        route.joined(owner(A, 1 << 40), 1);
        assert_eq!(route.answered(row(B, 5), None, LinkUp::Yes, 2), Step::Join(B));
        assert_eq!(route.owner, None);
    }

    #[test]
    fn only_the_current_owner_moves_a_player() {
        let mut route = playing(owner(A, 5));
        assert_eq!(
            route.moved(B, OwnerEpoch(5), owner(B, 6), LinkUp::Yes, 0),
            Step::Stay
        );
        assert_eq!(
            route.moved(A, OwnerEpoch(4), owner(B, 6), LinkUp::Yes, 0),
            Step::Stay
        );
        assert_eq!(
            route.moved(A, OwnerEpoch(5), owner(B, 5), LinkUp::Yes, 0),
            Step::Stay
        );
        assert_eq!(
            route.moved(A, OwnerEpoch(5), owner(B, 6), LinkUp::Yes, 0),
            Step::Adopted
        );
        assert!(route.trusts(B, OwnerEpoch(6)) && !route.trusts(A, OwnerEpoch(5)));
    }

    #[test]
    fn a_claim_by_a_large_epoch_is_checked_and_a_lower_one_ignored() {
        let mut route = playing(owner(A, 5));
        assert_eq!(route.here(owner(B, 1 << 50), 0), Step::ReadOwner);
        assert_eq!(route.answered(row(A, 5), None, LinkUp::Yes, 0), Step::Stay);
        assert!(route.trusts(A, OwnerEpoch(5)));
        assert_eq!(route.here(owner(B, 4), 0), Step::Stay);
        assert_eq!(route.here(owner(B, 6), 0), Step::ReadOwner);
        assert_eq!(route.answered(row(B, 6), None, LinkUp::Yes, 0), Step::Adopted);
    }

    #[test]
    fn an_owner_that_begins_again_with_its_player_is_asked_about_until_the_store_answers() {
        let mut route = playing(owner(A, 5));
        assert_eq!(route.joined(owner(A, 6), 0), Step::ReadOwner);
        let unavailable = OwnerAnswer::Unavailable;
        assert_eq!(route.answered(unavailable, None, LinkUp::Yes, 1), Step::Stay);
        assert!(route.waits());
        assert_eq!(route.tick(RETRY_MS - 1), Step::Stay);
        assert_eq!(route.tick(RETRY_MS), Step::ReadOwner);
        assert_eq!(
            route.answered(row(A, 6), None, LinkUp::Yes, RETRY_MS),
            Step::Adopted
        );
        assert!(route.trusts(A, OwnerEpoch(6)) && !route.waits());
    }

    #[test]
    fn an_owner_that_has_forgotten_its_player_is_asked_to_take_it() {
        let mut route = playing(owner(A, 5));
        assert_eq!(route.elsewhere(A, Some(A), 0), Step::ReadOwner);
        assert_eq!(route.answered(row(A, 5), Some(A), LinkUp::Yes, 1), Step::Join(A));
        assert_eq!(route.joined(owner(A, 6), 2), Step::ReadOwner);
        assert_eq!(route.answered(row(A, 6), None, LinkUp::Yes, 3), Step::Adopted);
    }

    #[test]
    fn after_three_hops_the_store_is_asked() {
        let mut route = Route::new();
        route.join(Some(A), 0);
        assert_eq!(route.elsewhere(A, Some(B), 0), Step::Join(B));
        assert_eq!(route.elsewhere(A, Some(B), 0), Step::Stay, "A was not asked last");
        assert_eq!(route.elsewhere(B, Some(A), 0), Step::Join(A));
        assert_eq!(route.elsewhere(A, Some(B), 0), Step::Join(B));
        assert_eq!(route.elsewhere(B, Some(A), 0), Step::Suspended);
        assert_eq!(route.tick(RETRY_MS), Step::ReadOwner);
        assert_eq!(
            route.answered(row(A, 7), None, LinkUp::Yes, RETRY_MS),
            Step::Join(A)
        );
    }

    #[test]
    fn a_dead_server_suspends_its_players_and_a_living_one_gets_them_back() {
        let mut route = playing(owner(A, 5));
        assert_eq!(route.server_down(B, 0), Step::Stay);
        assert_eq!(route.server_down(A, 0), Step::Suspended);
        assert!(!route.trusts(A, OwnerEpoch(5)));
        assert_eq!(route.answered(row(A, 5), None, LinkUp::No, 1), Step::Stay);
        assert_eq!(route.answered(row(A, 5), Some(A), LinkUp::Yes, 2), Step::Join(A));
        assert_eq!(route.joined(owner(A, 6), 3), Step::ReadOwner);
        assert_eq!(route.answered(row(A, 6), None, LinkUp::Yes, 4), Step::Adopted);
    }
}
