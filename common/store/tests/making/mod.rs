//! A region in which things are made and destroyed while its world is copied: for the backups of every kind of store.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use protocol::ids::*;
use store::*;

/// How often a world is copied.
pub(crate) const COPIES: usize = 5;

pub(crate) fn ask(store: &dyn Store, request: StoreRequest) -> StoreReply {
    store.execute(&[request]).remove(0).unwrap()
}

/// The node serves the region after whoever has.
pub(crate) fn serve(store: &dyn Store, node: NodeNumber, region: RegionNumber) -> Serving {
    let service = ask(store, StoreRequest::ReadService { region });
    let StoreReply::Service(service) = service else {
        panic!("{service:?}");
    };
    let after = service.map(|serving| serving.region_epoch);
    let served = ask(store, StoreRequest::ServeRegion { region, node, after });
    let StoreReply::Serving(region_epoch) = served else {
        panic!("{served:?}");
    };
    Serving {
        node,
        region,
        region_epoch,
    }
}

/// Has all copies made, by number, while things are made and destroyed.
pub(crate) fn copied_meanwhile(store: &dyn Store, serving: Serving, copy: impl Fn(usize) + Sync) {
    let copies = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..COPIES {
                copy(number);
                copies.fetch_add(1, Ordering::Relaxed);
            }
        });
        for version in 1.. {
            let made = ask(store, make_and_destroy(serving, version));
            assert_eq!(made, StoreReply::GroundCommitted(CommitOutcome::Applied));
            if copies.load(Ordering::Relaxed) == COPIES {
                break;
            }
        }
    });
}

/// A thing is made and another destroyed, in one step.
fn make_and_destroy(serving: Serving, version: u64) -> StoreRequest {
    let id = |counter| holding::minted_id(serving.node, Incarnation(1), counter as u32).unwrap();
    let mint = |counter| GroundChange::Mint {
        holding: id(counter),
        kind: 4,
        payload: Bytes::from(vec![7; 200]),
        x: 0.5,
        y: 0.5,
    };
    let mut changes = vec![mint(2 * version), mint(2 * version + 1)];
    if version > 1 {
        changes.push(GroundChange::Burn {
            holding: id(2 * version - 1),
        });
    }
    StoreRequest::CommitGround {
        serving,
        version: StateVersion(version),
        changes,
    }
}
