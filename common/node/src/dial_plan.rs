//! Whom a node dials, by the topology in force: whoever is listed anew is dialed at once, whoever is listed no longer is
//! left alone. The plan is pure; [`follow`] runs it.

use protocol::ids::{NodeNumber, NodeUuid, TopologyVersion};
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A node to dial. With another key it is another one.
pub type Dialed = (NodeNumber, NodeUuid);

/// Who is dialed, each with the token that stops it.
#[derive(Debug, Default)]
pub struct DialPlan(BTreeMap<Dialed, CancellationToken>);

impl DialPlan {
    /// Stops dialing who is not wanted any more. Gives who is to be dialed from now on, and until when: the tokens are
    /// children of `stop`.
    pub fn handle_wanted(
        &mut self,
        wanted: &BTreeSet<Dialed>,
        stop: &CancellationToken,
    ) -> Vec<(Dialed, CancellationToken)> {
        for (_, until) in self.0.extract_if(.., |dialed, _| !wanted.contains(dialed)) {
            until.cancel();
        }
        let mut new = Vec::new();
        for dialed in wanted {
            if !self.0.contains_key(dialed) {
                let until = stop.child_token();
                self.0.insert(*dialed, until.clone());
                new.push((*dialed, until));
            }
        }
        new
    }
}

/// Dials whom `wanted` names, now and after each change, until `stop`; `wishes` changes when somebody is wanted whom the topology
/// alone does not name. `dial` starts a task that ends with its token.
pub async fn follow(
    mut changes: watch::Receiver<TopologyVersion>,
    mut wishes: Option<watch::Receiver<BTreeSet<NodeNumber>>>,
    stop: CancellationToken,
    wanted: impl Fn() -> BTreeSet<Dialed>,
    mut dial: impl FnMut(Dialed, CancellationToken),
) {
    let mut plan = DialPlan::default();
    loop {
        changes.borrow_and_update();
        for (dialed, until) in plan.handle_wanted(&wanted(), &stop) {
            dial(dialed, until);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = wished(&mut wishes) => {}
            changed = changes.changed() => if changed.is_err() {
                // No topology comes any more: what is dialed stays.
                return stop.cancelled().await;
            },
        }
    }
}

/// Waits until somebody else is wanted.
async fn wished(wishes: &mut Option<watch::Receiver<BTreeSet<NodeNumber>>>) {
    if let Some(wishes) = wishes
        && wishes.changed().await.is_ok()
    {
        return;
    }
    pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn node(number: u16, key: u8) -> Dialed {
        (NodeNumber(number), NodeUuid([key; 16]))
    }

    #[test]
    fn who_is_listed_anew_is_dialed_and_who_is_not_any_more_is_left_alone() {
        let (mut plan, stop) = (DialPlan::default(), CancellationToken::new());
        let first = plan.handle_wanted(&BTreeSet::from([node(1, 1), node(2, 2)]), &stop);
        assert_eq!(
            first.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
            [node(1, 1), node(2, 2)]
        );
        let second = plan.handle_wanted(&BTreeSet::from([node(2, 22), node(3, 3), node(1, 1)]), &stop);
        assert_eq!(
            second.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
            [node(2, 22), node(3, 3)]
        );
        assert!(!first[0].1.is_cancelled(), "whoever stays is not dialed anew");
        assert!(first[1].1.is_cancelled(), "another key is another node");
        stop.cancel();
        assert!(second.iter().all(|(_, until)| until.is_cancelled()));
    }

    #[tokio::test]
    async fn a_change_of_the_topology_or_of_the_wishes_dials_at_once() {
        let (changed, changes) = watch::channel(TopologyVersion(1));
        let (stop, dials) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
        let listed = Arc::new(Mutex::new(BTreeSet::from([node(1, 1)])));
        let (wanted, seen) = (Arc::clone(&listed), Arc::clone(&dials));
        let (wish, wishes) = watch::channel(BTreeSet::new());
        let following = tokio::spawn(follow(
            changes,
            Some(wishes),
            stop.clone(),
            move || wanted.lock().unwrap().clone(),
            move |(number, _), _| seen.lock().unwrap().push(number.0),
        ));
        let dialed = async |expected: &[u16]| {
            for _ in 0..1_000 {
                if *dials.lock().unwrap() == expected {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            panic!("{:?} instead of {expected:?}", dials.lock().unwrap());
        };
        dialed(&[1]).await;
        listed.lock().unwrap().insert(node(2, 2));
        changed.send_replace(TopologyVersion(2));
        dialed(&[1, 2]).await;
        listed.lock().unwrap().insert(node(7, 7));
        wish.send_replace(BTreeSet::from([NodeNumber(7)]));
        dialed(&[1, 2, 7]).await;
        drop(wish);
        listed.lock().unwrap().insert(node(8, 8));
        changed.send_replace(TopologyVersion(3));
        dialed(&[1, 2, 7, 8]).await;
        stop.cancel();
        following.await.unwrap();
    }
}
