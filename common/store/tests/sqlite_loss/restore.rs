//! Backups that are put back: no number comes twice, and what is no good replaces nothing.

use super::making::{copied_meanwhile, serve};
use super::*;

fn above(generation: u16) -> Reached {
    Reached {
        above: Some(generation),
        data: Vec::new(),
    }
}

#[test]
fn a_restored_backup_counts_on_above_everything_and_every_node_takes_it() {
    let machine = Machine::new();
    let store = machine.start(A);
    let other = machine.start(B);
    serve(&store, A, RegionNumber(1));
    let to = machine.0.path().join("backup");
    backup::backup(&machine.store(), &to).unwrap();
    let later = guest(&store);
    let running = backup::restore(&to, &machine.store(), &Reached::default())
        .unwrap_err()
        .to_string();
    assert!(
        running.contains("nodes work on") && running.contains("1, 2"),
        "{running}"
    );
    store.close();
    other.close();

    let (report, kept) = backup::restore(&to, &machine.store(), &Reached::default()).unwrap();
    assert_eq!(report.generation, 2);
    assert!(kept.unwrap().exists(), "what was there is not thrown away");
    let restored = machine.start(A);
    assert!(guest(&restored) > later, "no number comes twice");
    let read = StoreRequest::ReadService {
        region: RegionNumber(1),
    };
    assert_eq!(restored.execute(&[read]), [Ok(StoreReply::Service(None))]);
    machine.start(B).close();
    restored.close();

    // The same backup once more: not the same numbers once more.
    let (report, _) = backup::restore(&to, &machine.store(), &Reached::default()).unwrap();
    assert_eq!(report.generation, 3);
    machine.start(A).close();
    fs::remove_file(machine.store()).unwrap();
    let (report, kept) = backup::restore(&to, &machine.store(), &Reached::default()).unwrap();
    assert_eq!(
        (report.generation, kept),
        (4, None),
        "the mark beside it tells how far it was"
    );
    machine.start(A).close();
}

#[test]
fn a_backup_whose_world_is_lost_is_restored_above_what_its_nodes_or_the_operator_know() {
    let machine = Machine::new();
    machine.start(A).close();
    let to = machine.0.path().join("backup");
    backup::backup(&machine.store(), &to).unwrap();
    for generation in 2..=4 {
        let (report, _) = backup::restore(&to, &machine.store(), &Reached::default()).unwrap();
        assert_eq!(report.generation, generation);
    }
    machine.start(A).close();
    machine.start(B).close();
    fs::remove_file(machine.store()).unwrap();
    fs::remove_file(machine.common_mark()).unwrap();
    // Nothing is left to tell how far it was, but the nodes' marks.
    let unknown = backup::restore(&to, &machine.store(), &Reached::default()).unwrap_err();
    assert!(
        matches!(unknown, backup::BackupError::Reached(ReachedError::Unknown(1))),
        "{unknown}"
    );
    let (report, kept) = backup::restore(&to, &machine.store(), &above(1)).unwrap();
    assert_eq!((report.generation, kept), (2, None));
    let refused = machine.refusal(A);
    assert!(
        refused.contains("2 restore(s)") && refused.contains("--above 4"),
        "{refused}"
    );
    let remembered = Reached {
        above: None,
        data: vec![machine.data(A), machine.data(B)],
    };
    let (report, _) = backup::restore(&to, &machine.store(), &remembered).unwrap();
    assert_eq!(report.generation, 5);
    machine.start(A).close();
    let (report, _) = backup::restore(&to, &machine.store(), &above(8)).unwrap();
    assert_eq!(report.generation, 9);
}

#[test]
fn a_damaged_backup_is_not_put_in_place() {
    let machine = Machine::new();
    let store = machine.start(A);
    let to = machine.0.path().join("backup");
    backup::backup(&machine.store(), &to).unwrap();
    store.close();
    let mut bytes = fs::read(&to).unwrap();
    bytes[4_096..8_192].fill(0x5a);
    fs::write(&to, bytes).unwrap();
    let before = machine.files();
    let refused = backup::restore(&to, &machine.store(), &Reached::default())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("damaged"), "{refused}");
    assert!(machine.files() == before);
    let (ours, theirs) = (machine, Machine::new());
    theirs.start(B).close();
    let other = backup::restore(&theirs.store(), &ours.store(), &Reached::default())
        .unwrap_err()
        .to_string();
    assert!(other.contains("the store holds world"), "{other}");
}

#[test]
fn a_backup_taken_while_things_are_made_and_destroyed_adds_up_and_one_that_does_not_is_told() {
    let machine = Machine::new();
    let store = machine.start(A);
    let serving = serve(&store, A, RegionNumber(1));
    copied_meanwhile(&store, serving, |number| {
        let to = machine.0.path().join(format!("copy{number}"));
        let report = backup::backup(&machine.store(), &to).unwrap();
        assert_eq!(report.complaints, Vec::<String>::new());
    });
    store.close();
    let report = backup::check(&machine.store()).unwrap();
    assert_eq!(report.complaints, Vec::<String>::new());
    assert!(report.on_ground > 1);
    let lost = "DELETE FROM holding WHERE id = (SELECT max(id) FROM holding)";
    rusqlite::Connection::open(machine.store())
        .unwrap()
        .execute_batch(lost)
        .unwrap();
    let report = backup::check(&machine.store()).unwrap();
    assert_eq!(report.complaints.len(), 1, "{report:?}");
    assert!(report.complaints[0].contains("made and not destroyed"));
}
