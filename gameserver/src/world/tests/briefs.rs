//! What proxies are told for the map: nothing before they ask, then every region by turns, and never more than their links take.

use protocol::message::subscription::{RegionBrief, WatchMap};

use super::drain::join;
use super::*;

fn watch(period_ms: u32) -> WatchMap {
    WatchMap { on: true, period_ms }
}

fn briefs(heard: Vec<ServerToProxy>) -> Vec<RegionBrief> {
    let briefs = heard.into_iter().filter_map(|message| match message {
        ServerToProxy::RegionBrief(brief) => Some(brief),
        _ => None,
    });
    briefs.collect()
}

/// Nobody plays, and a proxy is linked.
fn linked(regions: usize) -> (Scene, ProxyEnd) {
    let mut scene = Scene::of(row(&vec!["a"; regions]));
    let mut proxy = scene.proxy_up(7, 1);
    let serving = scene.hears(7, &mut proxy);
    let serving = serving.into_iter().filter_map(|message| match message {
        ServerToProxy::Serving(serving) => Some(serving.briefs),
        _ => None,
    });
    assert!(serving.collect::<Vec<_>>().iter().all(|briefs| *briefs));
    (scene, proxy)
}

#[test]
fn a_proxy_hears_briefs_from_when_it_asks_until_it_does_not_want_them_any_more() {
    let (mut scene, mut proxy) = linked(2);
    for user in 1..=3 {
        join(&mut scene, user);
    }
    scene.pass(2_000);
    assert_eq!(briefs(scene.hears(7, &mut proxy)), [], "nobody has asked");
    scene.says(7, &mut proxy, watch(200));
    scene.pass(1_990);
    let told = briefs(scene.hears(7, &mut proxy));
    assert_eq!(told.len(), 2 * 10, "each of two regions every 200 ms");
    let (first, last) = (&told[0], &told[told.len() - 2]);
    let epoch = scene.epochs[&RegionNumber(1)].0;
    assert_eq!((first.region, first.region_epoch), (1, epoch));
    let players: u32 = told[told.len() - 2..].iter().map(|brief| brief.population).sum();
    let by_cell: u32 = told[told.len() - 2..]
        .iter()
        .flat_map(|brief| &brief.counts)
        .sum();
    assert_eq!((players, by_cell), (3, 3), "{last:?}");
    assert!(last.tick > first.tick && !last.asleep);
    scene.says(7, &mut proxy, WatchMap::default());
    scene.pass(2_000);
    assert_eq!(briefs(scene.hears(7, &mut proxy)), []);
}

#[test]
fn what_nobody_plays_in_sleeps_on_though_somebody_looks_and_a_link_that_ends_looks_no_more() {
    let (mut scene, mut proxy) = linked(2);
    scene.pass(3_000);
    scene.says(7, &mut proxy, watch(0));
    assert_eq!(scene.pass(10_000), 0, "no region ticks for that");
    let told = briefs(scene.hears(7, &mut proxy));
    assert!(told.iter().all(|brief| brief.asleep && brief.population == 0));
    assert!(
        (200..=202).contains(&told.len()),
        "as quickly as may be: {}",
        told.len()
    );
    scene.world.broke(LinkId(7), "eof", scene.now);
    let mut proxy = scene.proxy_up(8, 2);
    scene.pass(2_000);
    assert_eq!(briefs(scene.hears(8, &mut proxy)), [], "it has not asked");
}

#[test]
fn a_proxy_that_takes_nothing_misses_briefs_and_hears_of_those_first_that_it_missed() {
    let (mut scene, mut proxy) = linked(300);
    scene.says(7, &mut proxy, watch(1_000));
    scene.pass(1);
    let told = briefs(scene.hears(7, &mut proxy));
    assert_eq!(told.len(), 256, "so many in one round");
    scene.pass(1_000);
    let told = briefs(scene.hears(7, &mut proxy));
    assert_eq!((told[0].region, told[44].region), (257, 1), "the others first");
    scene.is_stuck = true;
    scene.pass(60_000);
    assert!(scene.counts("brief_no_room") > 10);
    assert_eq!(scene.ended(), [], "for that no link ends");
    let waiting = scene.world.link_reports()[0].1.sight.waiting_bytes;
    assert!(waiting < 80 * 1024, "{waiting} bytes wait");
}
