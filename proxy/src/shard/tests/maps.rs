//! The map: who is asked for briefs and when, and whose are believed.

use super::*;
use protocol::message::subscription::{RegionBrief, Serving, WatchMap};

fn announce(scene: &mut Scene, node: NodeNumber, region: RegionNumber) {
    let serving = Serving {
        region: region.0,
        region_epoch: REGION_EPOCH,
        briefs: true,
        ..Serving::default()
    };
    scene.says(node, serving);
}

fn wishes(scene: &mut Scene, node: NodeNumber) -> Vec<Option<u32>> {
    let heard = scene.heard_by(node).into_iter();
    let wishes = heard.filter_map(|message| match message {
        ProxyToServer::WatchMap(WatchMap { on, period_ms }) => Some(on.then_some(period_ms)),
        _ => None,
    });
    wishes.collect()
}

fn look(scene: &mut Scene, period_ms: Option<u32>) {
    scene.shard.watch_map(period_ms);
    scene.round();
}

fn brief(region: RegionNumber, cells: &[u32]) -> RegionBrief {
    RegionBrief {
        region: region.0,
        region_epoch: REGION_EPOCH,
        population: 4,
        cells: cells.to_vec(),
        counts: vec![1; cells.len()],
        ..RegionBrief::default()
    }
}

#[test]
fn servers_are_asked_once_while_somebody_looks_a_new_link_anew_and_one_that_knows_no_map_never() {
    let mut scene = Scene::served();
    announce(&mut scene, A, WEST);
    assert_eq!(wishes(&mut scene, A), [], "nobody looks");
    look(&mut scene, Some(150));
    look(&mut scene, Some(150));
    announce(&mut scene, A, WEST);
    assert_eq!(wishes(&mut scene, A), [Some(150)]);
    assert_eq!(wishes(&mut scene, B), [], "it has not said that it tells briefs");
    scene.link(A);
    assert_eq!(wishes(&mut scene, A), [], "it may be another one now");
    announce(&mut scene, A, WEST);
    assert_eq!(wishes(&mut scene, A), [Some(150)]);
    look(&mut scene, None);
    assert_eq!(wishes(&mut scene, A), [None]);
}

#[test]
fn a_brief_is_passed_on_while_somebody_looks_and_counts_of_its_senders_own_region_and_cells_only() {
    let mut scene = Scene::served();
    scene.says(A, brief(WEST, &[HOME]));
    assert_eq!(scene.briefs, [], "nobody looks any more");
    assert_eq!(scene.counted, [""; 0]);
    look(&mut scene, Some(150));
    scene.says(A, brief(WEST, &[HOME, HOME + 1]));
    assert_eq!(scene.briefs, [(A, WEST, 4)]);
    let of_another_epoch = RegionBrief {
        region_epoch: REGION_EPOCH + 1,
        ..brief(WEST, &[HOME])
    };
    for (node, lie, label) in [
        (B, brief(WEST, &[HOME]), "brief_not_serving"),
        (A, brief(EAST, &[4]), "brief_not_serving"),
        (A, brief(RegionNumber(77), &[]), "brief_not_serving"),
        (A, of_another_epoch, "brief_not_serving"),
        (A, brief(WEST, &[HOME, HOME]), "brief_malformed"),
        (A, brief(WEST, &[4]), "brief_foreign_cell"),
    ] {
        scene.says(node, lie);
        assert_eq!(std::mem::take(&mut scene.counted), [label]);
    }
    assert_eq!(scene.briefs.len(), 1);
}
