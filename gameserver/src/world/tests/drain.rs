//! A drain: nobody new is taken, and it is over when the store has everything of every region.

use demo::Input;
use prost::Message as _;
use protocol::ids::{AttachNo, CommandNumber, EventNumber, SessionGeneration, SessionId, UserId};
use protocol::message::handover::PlayerState;
use protocol::message::player::{Inputs, Joined, Leave, LeaveReason, SessionKey};
use store::StoreError;

use super::*;
use crate::join_check::VerifiedJoin;

/// Players that enter, and regions that they enter.
const USERS: u64 = 1_000;
const REGIONS: usize = 12;

/// Many regions with many players, who have walked since anything was written, and stand still.
fn crowded() -> Scene {
    let mut scene = Scene::of(row(&["a"; REGIONS]));
    let mut proxy = scene.proxy_up(7, 1);
    scene.hears(7, &mut proxy);
    for user in 1..=USERS {
        join(&mut scene, user);
    }
    let epochs: Vec<(u64, u64)> = scene.hears(7, &mut proxy).iter().filter_map(joined).collect();
    assert_eq!(epochs.len() as u64, USERS);
    for (number, speed) in [(1, 255), (2, 0)] {
        for &(user, owner_epoch) in &epochs {
            let walk = Input { heading: 64, speed };
            let inputs = Inputs {
                user,
                owner_epoch,
                number,
                inputs: vec![walk.encode().to_vec().into()],
            };
            scene.says(7, &mut proxy, inputs);
        }
        scene.pass(100);
    }
    scene
}

pub(super) fn join(scene: &mut Scene, user: u64) {
    join_in(scene, user, RegionNumber(1));
}

/// The same in this region.
pub(super) fn join_in(scene: &mut Scene, user: u64, region: RegionNumber) {
    let verified = VerifiedJoin {
        user: UserId(user),
        session: SessionId([1; 16]),
        session_generation: SessionGeneration(1),
        attach_no: AttachNo(1),
        client_pub: [1; 32],
        acked_command: CommandNumber(0),
        acked_event: EventNumber(0),
        name: "ann".into(),
        account: protocol::ticket::AccountKind::Guest,
    };
    let verdict = Ok((verified, region));
    let now = scene.now;
    scene
        .world
        .join_verified(LinkId(7), &Join::default(), verdict, now);
    scene.settle();
}

fn joined(message: &ServerToProxy) -> Option<(u64, u64)> {
    match message {
        ServerToProxy::Joined(Joined {
            user, owner_epoch, ..
        }) => Some((*user, *owner_epoch)),
        _ => None,
    }
}

/// Every row is what its region has in memory.
fn assert_written(scene: &Scene) {
    let mut players = 0;
    let mut regions = BTreeSet::new();
    for row in scene.store.tables().players() {
        let state = PlayerState::decode(row.body.state.clone()).unwrap();
        for (number, slot) in scene.world.slots.iter() {
            if let Some(player) = slot.region.player(row.user) {
                regions.insert(number);
                players += 1;
                assert_eq!((state.x, state.y), (player.at.x, player.at.y));
                assert_eq!((row.version, state.last_input), (player.version, 2));
            }
        }
    }
    assert_eq!((players, regions.len()), (USERS, REGIONS));
}

#[test]
fn a_drain_wakes_regions_that_sleep_and_is_over_at_once_when_nothing_is_to_be_written() {
    let mut scene = Scene::of(row(&["a"; 64]));
    scene.pass(1_000);
    assert_eq!(scene.pass(1_000), 0);
    scene.world.drain(scene.now);
    scene.settle();
    assert!(scene.world.is_written_down());
    assert!(scene.pass(1_000) >= 64 * 20, "a draining region does not sleep");
    assert!(scene.world.is_written_down());
}

#[test]
fn a_drain_is_over_when_the_rows_of_all_players_in_all_regions_are_what_memory_has() {
    let mut scene = crowded();
    scene.world.drain(scene.now);
    scene.settle();
    assert!(!scene.world.is_written_down());
    // Far less than the second between two rounds of ordinary times.
    scene.pass(300);
    assert!(scene.world.is_written_down());
    assert_written(&scene);
}

#[test]
fn a_drain_waits_for_every_answer_of_the_store() {
    let mut scene = crowded();
    scene.held = Some(Vec::new());
    scene.world.drain(scene.now);
    scene.pass(2_000);
    assert!(!scene.world.is_written_down());
    let asked = scene.held.take().unwrap();
    let last = asked.len() - 1;
    for (index, (id, request)) in asked.into_iter().enumerate() {
        assert!(!scene.world.is_written_down(), "{index} of {last} are answered");
        scene.answer(id, &request);
        scene.settle();
    }
    scene.pass(300);
    assert!(scene.world.is_written_down());
    assert_written(&scene);
}

#[test]
fn who_has_said_goodbye_is_not_written_down_until_the_store_takes_it() {
    let mut scene = Scene::new();
    let mut proxy = scene.proxy_up(7, 1);
    for user in [5, 6] {
        join(&mut scene, user);
    }
    scene.pass(2_000);
    scene.held = Some(Vec::new());
    for user in [5, 6] {
        let session = SessionKey {
            session_id: vec![1; 16].into(),
            session_generation: 1,
            attach_no: 1,
        };
        let leave = Leave {
            user,
            session: Some(session),
            reason: LeaveReason::Logout.into(),
        };
        scene.says(7, &mut proxy, leave);
    }
    scene.pass(100);
    // The disk is full, and nothing is on its way until it is tried again.
    let asked = scene.held.replace(Vec::new()).unwrap();
    let releases = asked
        .iter()
        .filter(|(_, request)| matches!(request, StoreRequest::Release { .. }));
    assert_eq!(releases.count(), 2);
    for (id, _) in asked {
        let full = Err(StoreError::Full("here".to_owned()));
        scene.world.store_answer(id, full, scene.now);
    }
    scene.world.drain(scene.now);
    scene.settle();
    let unsaved = |scene: &Scene| -> usize {
        let reports = scene.world.region_reports(scene.now);
        reports.iter().map(|report| report.status.unsaved).sum()
    };
    assert!(!scene.world.is_written_down());
    assert_eq!(unsaved(&scene), 2);
    let held = scene.held.take().unwrap();
    for (id, request) in held {
        scene.answer(id, &request);
    }
    scene.pass(500);
    assert!(scene.world.is_written_down());
    assert_eq!(unsaved(&scene), 0);
    assert!(scene.store.tables().players().all(|row| row.owner.is_none()));
}

#[test]
fn who_comes_while_a_world_drains_is_told_to_come_later() {
    let mut scene = Scene::new();
    let mut proxy = scene.proxy_up(7, 1);
    scene.world.drain(scene.now);
    scene.hears(7, &mut proxy);
    join(&mut scene, 5);
    let refused: Vec<u32> = scene
        .hears(7, &mut proxy)
        .iter()
        .filter_map(|message| match message {
            ServerToProxy::JoinRefused(refused) => Some(refused.code),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [u32::from(Code::WorldRecovering.number())]);
    assert_eq!(scene.store.tables().players().count(), 0);
}

#[test]
fn who_waits_for_a_region_to_be_given_hears_at_once_that_another_server_has_taken_it_over() {
    for stage in ["writing", "asked"] {
        let mut scene = Scene::of(pair(true));
        scene.pass(200);
        scene.held = Some(Vec::new());
        let now = scene.now;
        assert!(scene.world.give(RegionNumber(1), PEER, now));
        if stage == "asked" {
            scene.pass(200);
            let asked = scene.held.iter().flatten();
            let gifts = asked.filter(|(_, request)| matches!(request, StoreRequest::GiveRegion { .. }));
            assert_eq!(gifts.count(), 1, "it stands still");
        }
        scene.wanted.clear();
        let now = scene.now;
        assert!(scene.world.let_go(RegionNumber(1), now).is_some());
        scene.settle();
        let overtaken = WorldEffect::Gave(RegionNumber(1), Err(NotGiven::Overtaken));
        assert!(scene.wanted.contains(&overtaken), "{stage}: {:?}", scene.wanted);
    }
}

#[test]
fn a_region_plays_on_when_the_store_was_not_told_that_the_other_server_may_have_it() {
    let mut scene = Scene::of(pair(true));
    scene.pass(200);
    scene.held = Some(Vec::new());
    let (region, now) = (RegionNumber(1), scene.now);
    assert!(scene.world.give(region, PEER, now));
    scene.pass(200);
    let asked = scene.held.take().unwrap_or_default();
    let gift = asked
        .iter()
        .find(|(_, request)| matches!(request, StoreRequest::GiveRegion { .. }));
    let id = gift.expect("it stands still").0;
    scene.wanted.clear();
    let now = scene.now;
    let refusal = Err(StoreError::NotCandidate { node: PEER, region });
    scene.world.store_answer(id, refusal, now);
    scene.settle();
    let stays = WorldEffect::Gave(region, Err(NotGiven::NotListed));
    assert!(scene.wanted.contains(&stays), "{:?}", scene.wanted);
    assert!(scene.world.slots.has(region));
}

#[test]
fn a_region_is_not_given_to_whom_a_topology_that_came_meanwhile_does_not_list() {
    for comes in [false, true] {
        let mut scene = Scene::of(pair(true));
        scene.pass(200);
        scene.held = Some(Vec::new());
        let (region, now) = (RegionNumber(1), scene.now);
        assert!(scene.world.give(region, PEER, now));
        if comes {
            let listing = scene.world.listing.followed_by(pair(false)).unwrap();
            scene.world.handle_listing(Arc::new(listing), now);
        }
        scene.pass(200);
        let asked = scene.held.iter().flatten();
        let gifts = asked.filter(|(_, request)| matches!(request, StoreRequest::GiveRegion { .. }));
        assert_eq!(gifts.count(), usize::from(!comes));
        let stays = WorldEffect::Gave(region, Err(NotGiven::Unlisted));
        assert_eq!(scene.wanted.contains(&stays), comes, "{:?}", scene.wanted);
    }
}
