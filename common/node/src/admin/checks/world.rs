//! The check of a node's store against those of its peers: whoever works on another one is not part of this world.

use crate::admin::Check;
use net::link::{LinkContext, PeerDirectory, StoresMet};
use std::sync::Arc;

/// Names that are told at most.
const NAMED_MAX: usize = 8;

/// What the check `world` of a node says: asked of what its links have met.
pub fn world_check(context: Arc<LinkContext>) -> impl Fn() -> Check + Send + Sync + 'static {
    move || {
        let met = context.store_peers.met(context.clock.now_ms());
        judge(&met, &*context.directory, &context.store().to_string())
    }
}

/// With as many strangers as friends, or more, it may be this node that is on the wrong store: it takes no work then.
fn judge(met: &StoresMet, directory: &dyn PeerDirectory, store: &str) -> Check {
    if met.others.is_empty() {
        return Check::well(store);
    }
    let names = met.others.iter().take(NAMED_MAX);
    let names: Vec<String> = names.map(|peer| directory.name(*peer)).collect();
    let more = met.others.len() - names.len();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let figure = format!(
        "{}{more} on another store than this node ({store}), {} on the same; all have to name one store with `store.path`",
        names.join(", "),
        met.ours
    );
    if met.others.len() >= met.ours {
        Check::missing(figure)
    } else {
        Check::noted(figure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Verdict;
    use protocol::ids::{NodeUuid, TopologyVersion};
    use protocol::node_handshake::PeerStanding;

    struct Nobody;

    impl PeerDirectory for Nobody {
        fn standing(&self, _: NodeUuid) -> PeerStanding {
            PeerStanding::Unknown
        }

        fn name(&self, uuid: NodeUuid) -> String {
            format!("gs-{}", uuid.0[0])
        }

        fn topology_version(&self) -> TopologyVersion {
            TopologyVersion(1)
        }
    }

    #[test]
    fn a_stray_among_many_is_named_and_who_meets_as_many_strangers_as_friends_takes_no_work() {
        let check = |ours, others: &[u8]| {
            let others = others.iter().map(|n| NodeUuid([*n; 16])).collect();
            judge(&StoresMet { ours, others }, &Nobody, "world w, copy c")
        };
        assert_eq!(check(0, &[]), Check::well("world w, copy c"));
        assert_eq!(check(3, &[]), Check::well("world w, copy c"));
        let noted = check(2, &[7]);
        assert_eq!(noted.verdict, Verdict::Noted);
        assert!(
            noted
                .figure
                .starts_with("gs-7 on another store than this node (world w, copy c), 2 on the same")
        );
        assert_eq!(check(1, &[7]).verdict, Verdict::Missing);
        assert_eq!(check(0, &[7]).verdict, Verdict::Missing);
        let many = check(2, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert!(
            many.figure.contains("gs-8 and 2 more on another store"),
            "{}",
            many.figure
        );
    }
}
