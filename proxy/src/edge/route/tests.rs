//! Routes against every order of words from owners, liars and the store.

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

impl Route {
    /// The answer to a question that is asked now.
    fn told(&mut self, answer: OwnerAnswer, serving: Option<NodeNumber>, up: LinkUp, now_ms: u64) -> Step {
        let age = self.age_of(answer, self.trusted_epoch());
        self.answered(answer, age, serving, up, now_ms)
    }
}

#[test]
fn a_first_owner_is_believed_only_when_the_store_says_the_same() {
    let mut route = Route::new();
    assert_eq!(route.join(Some(A), 0), Step::Join(A));
    assert_eq!(route.joined(owner(B, 9), 1), Step::Stay, "nobody asked B");
    assert_eq!(route.joined(owner(A, 5), 1), Step::ReadOwner);
    assert!(!route.trusts(A, OwnerEpoch(5)));
    assert_eq!(route.told(row(A, 5), None, LinkUp::Yes, 2), Step::Adopted);
    assert!(route.trusts(A, OwnerEpoch(5)));
}

#[test]
fn a_lie_about_the_owner_leads_to_the_one_in_the_row() {
    let mut route = Route::new();
    route.join(Some(A), 0);
    route.joined(owner(A, 1 << 40), 1);
    assert_eq!(route.told(row(B, 5), None, LinkUp::Yes, 2), Step::Join(B));
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
    assert_eq!(route.told(row(A, 5), None, LinkUp::Yes, 0), Step::Stay);
    assert!(route.trusts(A, OwnerEpoch(5)));
    assert_eq!(route.here(owner(B, 4), 0), Step::Stay);
    assert_eq!(route.here(owner(B, 6), 0), Step::ReadOwner);
    assert_eq!(route.told(row(B, 6), None, LinkUp::Yes, 0), Step::Adopted);
}

#[test]
fn a_move_by_more_than_one_epoch_is_the_stores_to_confirm() {
    for epoch in [u64::MAX, 7] {
        let mut route = playing(owner(A, 5));
        let moved = route.moved(A, OwnerEpoch(5), owner(B, epoch), LinkUp::Yes, 0);
        assert_eq!(moved, Step::ReadOwner);
        assert!(route.trusts(A, OwnerEpoch(5)), "and until then the owner goes on");
        assert_eq!(route.told(row(A, 5), None, LinkUp::Yes, 1), Step::Stay);
        assert!(route.trusts(A, OwnerEpoch(5)));
        route.moved(A, OwnerEpoch(5), owner(B, 7), LinkUp::Yes, 2);
        assert_eq!(route.told(row(B, 7), None, LinkUp::Yes, 3), Step::Adopted);
    }
}

#[test]
fn an_owner_that_takes_its_player_back_is_believed_at_once() {
    let mut route = playing(owner(A, 5));
    let back = route.moved(A, OwnerEpoch(5), owner(A, 7), LinkUp::Yes, 0);
    assert_eq!(back, Step::Adopted);
    let further = route.moved(A, OwnerEpoch(7), owner(A, 10), LinkUp::Yes, 0);
    assert_eq!(further, Step::ReadOwner);
}

#[test]
fn an_epoch_that_was_never_issued_is_given_up_when_the_store_says_so() {
    let mut route = playing(owner(A, 5));
    route.moved(A, OwnerEpoch(5), owner(B, 6), LinkUp::Yes, 0);
    let old = route.age_of(row(A, 5), OwnerEpoch(5));
    assert_eq!(old, AnswerAge::Old, "asked for before the move, it may be older");
    assert_eq!(route.answered(row(A, 5), old, None, LinkUp::Yes, 1), Step::Stay);
    assert!(route.trusts(B, OwnerEpoch(6)));
    assert_eq!(route.silent(2_000), Step::ReadOwner);
    assert_eq!(route.told(row(A, 5), None, LinkUp::Yes, 2_001), Step::Join(A));
    assert_eq!(route.joined(owner(A, 5), 2_002), Step::ReadOwner);
    assert_eq!(route.told(row(A, 5), None, LinkUp::Yes, 2_003), Step::Adopted);
    assert!(route.trusts(A, OwnerEpoch(5)));
}

#[test]
fn a_server_asked_to_join_may_answer_with_less_than_was_made_up() {
    let mut route = playing(owner(B, 6));
    assert_eq!(route.disowned(B, 0), Step::Join(B));
    assert_eq!(route.elsewhere(B, Some(A), 1), Step::Join(A));
    assert_eq!(route.joined(owner(A, 5), 2), Step::ReadOwner);
    assert_eq!(route.told(row(A, 5), None, LinkUp::Yes, 3), Step::Adopted);
}

#[test]
fn an_owner_that_begins_again_with_its_player_is_asked_about_until_the_store_answers() {
    let mut route = playing(owner(A, 5));
    assert_eq!(route.joined(owner(A, 6), 0), Step::ReadOwner);
    let unavailable = OwnerAnswer::Unavailable;
    assert_eq!(route.told(unavailable, None, LinkUp::Yes, 1), Step::Stay);
    assert!(route.waits());
    assert_eq!(route.tick(RETRY_MS - 1), Step::Stay);
    assert_eq!(route.tick(RETRY_MS), Step::ReadOwner);
    assert_eq!(route.told(row(A, 6), None, LinkUp::Yes, RETRY_MS), Step::Adopted);
    assert!(route.trusts(A, OwnerEpoch(6)) && !route.waits());
}

#[test]
fn an_owner_that_has_forgotten_its_player_is_asked_to_take_it() {
    let mut route = playing(owner(A, 5));
    assert_eq!(route.elsewhere(A, Some(A), 0), Step::ReadOwner);
    assert_eq!(route.told(row(A, 5), Some(A), LinkUp::Yes, 1), Step::Join(A));
    assert_eq!(route.joined(owner(A, 6), 2), Step::ReadOwner);
    assert_eq!(route.told(row(A, 6), None, LinkUp::Yes, 3), Step::Adopted);
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
    assert_eq!(route.told(row(A, 7), None, LinkUp::Yes, RETRY_MS), Step::Join(A));
}

#[test]
fn a_dead_server_suspends_its_players_and_a_living_one_gets_them_back() {
    let mut route = playing(owner(A, 5));
    assert_eq!(route.server_down(B, 0), Step::Stay);
    assert_eq!(route.server_down(A, 0), Step::Suspended);
    assert!(!route.trusts(A, OwnerEpoch(5)));
    assert_eq!(route.told(row(A, 5), None, LinkUp::No, 1), Step::Stay);
    assert_eq!(route.told(row(A, 5), Some(A), LinkUp::Yes, 2), Step::Join(A));
    assert_eq!(route.joined(owner(A, 6), 3), Step::ReadOwner);
    assert_eq!(route.told(row(A, 6), None, LinkUp::Yes, 4), Step::Adopted);
}
