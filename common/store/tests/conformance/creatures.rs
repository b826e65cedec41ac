//! Creatures: each in one region, written by whoever serves that, and over a border in one step.

use bytes::Bytes;
use protocol::ids::*;
use store::limits::{CREATURE_BODY_BYTES_MAX, CREATURE_CHANGES_MAX, CREATURES_READ_MAX};
use store::*;

use crate::scene::*;

const ROUNDS: u64 = 25;

/// The `counter`th creature of a node.
pub(crate) fn creature(node: NodeNumber, counter: u32) -> EntityId {
    EntityId::compose(node, Incarnation(1), counter).unwrap()
}

fn body(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn bear(counter: u32) -> CreatureChange {
    CreatureChange::Bear {
        creature: creature(A, counter),
        body: body("lamb"),
    }
}

fn save(counter: u32, epoch: u64, text: &str) -> CreatureChange {
    CreatureChange::Save {
        creature: creature(A, counter),
        epoch: OwnerEpoch(epoch),
        body: body(text),
    }
}

fn pass(counter: u32, epoch: u64, to: Serving) -> CreatureChange {
    CreatureChange::Pass {
        creature: creature(A, counter),
        epoch: OwnerEpoch(epoch),
        to,
        body: body("over"),
    }
}

fn end(counter: u32, epoch: u64) -> CreatureChange {
    CreatureChange::End {
        creature: creature(A, counter),
        epoch: OwnerEpoch(epoch),
    }
}

fn request(serving: Serving, version: u64, changes: Vec<CreatureChange>) -> StoreRequest {
    StoreRequest::WriteCreatures {
        serving,
        version: StateVersion(version),
        changes,
    }
}

fn write(scene: &Scene, serving: Serving, version: u64, changes: Vec<CreatureChange>) -> CreatureOutcome {
    match scene.ask(request(serving, version, changes)) {
        StoreReply::CreaturesWritten(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

fn applied() -> CreatureOutcome {
    stays([])
}

fn stays<const N: usize>(staying: [u32; N]) -> CreatureOutcome {
    CreatureOutcome::Applied {
        staying: staying.map(|counter| creature(A, counter)).to_vec(),
    }
}

fn read(scene: &Scene, region: RegionNumber, wanted: CreaturesWanted) -> Vec<CreatureRow> {
    match scene.ask(StoreRequest::ReadCreatures {
        region,
        wanted,
        after: None,
    }) {
        StoreReply::Creatures(rows) => rows,
        other => panic!("{other:?}"),
    }
}

fn all(scene: &Scene, region: RegionNumber) -> Vec<CreatureRow> {
    read(scene, region, CreaturesWanted::All)
}

fn row(counter: u32, region: RegionNumber, epoch: u64, is_arriving: bool, text: &str) -> CreatureRow {
    CreatureRow {
        creature: creature(A, counter),
        region,
        epoch: OwnerEpoch(epoch),
        is_arriving,
        body: body(text),
    }
}

pub(crate) fn a_creature_is_born_saved_and_ends_where_its_server_serves(scene: &Scene) {
    let west = scene.serve(A, WEST);
    assert_eq!(write(scene, west, 1, vec![bear(1), bear(2)]), applied());
    assert_eq!(
        all(scene, WEST),
        [row(1, WEST, 1, false, "lamb"), row(2, WEST, 1, false, "lamb")]
    );
    assert_eq!(
        write(scene, west, 2, vec![save(1, 1, "ewe"), end(2, 1), bear(3)]),
        applied()
    );
    assert_eq!(
        all(scene, WEST),
        [row(1, WEST, 1, false, "ewe"), row(3, WEST, 1, false, "lamb")]
    );
    // What is not there, at that epoch, is left alone.
    let strangers = vec![save(1, 2, "no"), end(3, 2), save(4, 1, "no"), pass(5, 1, west)];
    assert_eq!(write(scene, west, 3, strangers), applied());
    assert_eq!(all(scene, WEST).len(), 2);
    assert_eq!(all(scene, EAST), []);
    assert_eq!(
        scene.ask(StoreRequest::RegionsInUse),
        StoreReply::Regions(vec![WEST])
    );
}

pub(crate) fn a_creature_crosses_in_one_step_to_who_serves_there_or_stays(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    write(scene, west, 1, vec![bear(1), bear(2), bear(3)]);
    let gone = Serving {
        region_epoch: RegionEpoch(east.region_epoch.0 - 1),
        ..east
    };
    let crossing = vec![pass(1, 1, east), pass(2, 1, gone), save(3, 1, "ewe")];
    assert_eq!(write(scene, west, 2, crossing), stays([2]));
    assert_eq!(all(scene, EAST), [row(1, EAST, 2, true, "over")]);
    assert_eq!(
        all(scene, WEST),
        [row(2, WEST, 1, false, "lamb"), row(3, WEST, 1, false, "ewe")]
    );
    // Whoever sent it has it no more.
    assert_eq!(write(scene, west, 3, vec![save(1, 1, "no")]), applied());
    assert_eq!(write(scene, west, 4, vec![end(1, 1)]), applied());
    assert_eq!(
        write(scene, west, 5, vec![pass(1, 1, east)]),
        applied(),
        "it went before"
    );
    // It arrives until it is written there.
    let arriving = |scene| read(scene, EAST, CreaturesWanted::Arriving);
    assert_eq!(arriving(scene), [row(1, EAST, 2, true, "over")]);
    assert_eq!(write(scene, east, 1, vec![save(1, 2, "ram")]), applied());
    assert_eq!(
        (arriving(scene), all(scene, EAST)),
        (vec![], vec![row(1, EAST, 2, false, "ram")])
    );
    assert_eq!(write(scene, east, 2, vec![pass(1, 2, west)]), applied());
    assert_eq!(
        read(scene, WEST, CreaturesWanted::Arriving),
        [row(1, WEST, 3, true, "over")]
    );
}

pub(crate) fn creatures_are_written_under_the_service_and_its_version(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let east = scene.serve(B, EAST);
    let first = vec![bear(1), bear(2)];
    assert_eq!(write(scene, west, 5, first.clone()), applied());
    assert_eq!(
        write(scene, west, 6, vec![end(1, 1), pass(2, 1, east)]),
        applied()
    );
    // The same once more is answered the same, and what comes late brings nobody back.
    assert_eq!(
        write(scene, west, 6, vec![end(1, 1), pass(2, 1, east)]),
        applied()
    );
    assert_eq!(write(scene, west, 5, first), CreatureOutcome::Older);
    assert_eq!(all(scene, WEST), []);
    let stranger = Serving { node: B, ..west };
    let born_of_b = CreatureChange::Bear {
        creature: creature(B, 9),
        body: body("cuckoo"),
    };
    assert_eq!(
        write(scene, stranger, 7, vec![born_of_b]),
        CreatureOutcome::Fenced
    );
    let next = scene.serve(A, WEST);
    assert_eq!(write(scene, west, 7, vec![bear(3)]), CreatureOutcome::Fenced);
    assert_eq!(
        write(scene, next, 1, vec![bear(3)]),
        applied(),
        "a service counts anew"
    );
    assert_eq!(all(scene, WEST), [row(3, WEST, 1, false, "lamb")]);
    // A repetition knows who stayed.
    let gone = Serving {
        region_epoch: RegionEpoch(1),
        ..east
    };
    assert_eq!(write(scene, next, 2, vec![pass(3, 1, gone)]), stays([3]));
    assert_eq!(write(scene, next, 2, vec![pass(3, 1, gone)]), stays([3]));
}

pub(crate) fn creatures_are_read_in_portions_and_limits_are_refused(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let count = CREATURES_READ_MAX + CREATURE_CHANGES_MAX;
    let counters: Vec<u32> = (1..=count as u32).collect();
    for (version, portion) in (1..).zip(counters.chunks(CREATURE_CHANGES_MAX)) {
        let born = portion.iter().map(|counter| bear(*counter));
        assert_eq!(write(scene, west, version, born.collect()), applied());
    }
    let first = all(scene, WEST);
    assert_eq!(first.len(), CREATURES_READ_MAX);
    let rest = StoreRequest::ReadCreatures {
        region: WEST,
        wanted: CreaturesWanted::All,
        after: first.last().map(|row| row.creature),
    };
    let StoreReply::Creatures(rest) = scene.ask(rest) else {
        panic!();
    };
    assert_eq!(rest.len(), CREATURE_CHANGES_MAX);
    let ids = first.iter().chain(&rest).map(|row| row.creature);
    assert!(ids.eq(counters.iter().map(|counter| creature(A, *counter))));
    let refused = |changes| {
        let answer = scene.store.execute(&[request(west, 99, changes)]).remove(0);
        assert!(matches!(answer, Err(StoreError::Invalid(_))), "{answer:?}");
    };
    refused((1..=CREATURE_CHANGES_MAX as u32 + 1).map(bear).collect());
    refused(vec![save(1, 1, "twice"), end(1, 1)]);
    let large = Bytes::from(vec![0; CREATURE_BODY_BYTES_MAX + 1]);
    refused(vec![CreatureChange::Bear {
        creature: creature(A, 5_000),
        body: large,
    }]);
    refused(vec![CreatureChange::Bear {
        creature: creature(B, 1),
        body: body("cuckoo"),
    }]);
}

/// Whoever takes a region over has read every creature that was passed into it before, and no other comes later.
pub(crate) fn a_creature_crosses_into_a_region_before_it_is_served_anew_or_stays(scene: &Scene) {
    let west = scene.serve(A, WEST);
    for round in 1..=ROUNDS {
        let east = scene.serve(B, EAST);
        let counter = round as u32;
        write(scene, west, 2 * round, vec![bear(counter)]);
        let (outcome, there) = both(
            || write(scene, west, 2 * round + 1, vec![pass(counter, 1, east)]),
            || {
                let serve = StoreRequest::ServeRegion {
                    region: EAST,
                    node: B,
                    after: Some(east.region_epoch),
                };
                assert!(matches!(ask(&scene.other, serve), StoreReply::Serving(_)));
                let reading = StoreRequest::ReadCreatures {
                    region: EAST,
                    wanted: CreaturesWanted::All,
                    after: None,
                };
                match ask(&scene.other, reading) {
                    StoreReply::Creatures(rows) => rows,
                    other => panic!("{other:?}"),
                }
            },
        );
        let came = there.iter().any(|row| row.creature == creature(A, counter));
        assert_eq!(outcome, if came { applied() } else { stays([counter]) });
    }
}

/// Two regions that pass each other their creatures do not wait for each other.
pub(crate) fn creatures_that_cross_each_other_all_go_through(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    let born: Vec<u32> = (1..=ROUNDS as u32).collect();
    write(
        scene,
        west,
        1,
        born.iter().map(|counter| bear(*counter)).collect(),
    );
    let of_b = |counter: &u32| CreatureChange::Bear {
        creature: creature(B, *counter),
        body: body("kid"),
    };
    write(scene, east, 1, born.iter().map(of_b).collect());
    let (there, back) = both(
        || {
            let passing = born
                .iter()
                .zip(2..)
                .map(|(counter, version)| write(scene, west, version, vec![pass(*counter, 1, east)]));
            passing.collect::<Vec<_>>()
        },
        || {
            let passing = born.iter().zip(2..).map(|(counter, version)| {
                let over = CreatureChange::Pass {
                    creature: creature(B, *counter),
                    epoch: OwnerEpoch(1),
                    to: west,
                    body: body("over"),
                };
                ask(&scene.other, request(east, version, vec![over]))
            });
            passing.collect::<Vec<_>>()
        },
    );
    assert!(there.iter().all(|outcome| *outcome == applied()));
    let all_applied = |reply: &StoreReply| *reply == StoreReply::CreaturesWritten(applied());
    assert!(back.iter().all(all_applied), "{back:?}");
    assert_eq!(
        (all(scene, WEST).len(), all(scene, EAST).len()),
        (born.len(), born.len())
    );
}
