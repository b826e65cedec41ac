//! What would go on for ever is cut: one thread has all regions, and all links.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use game::Ctx;
use protocol::geometry::Position;
use protocol::ids::{AttachNo, CommandNumber, EntityId, EventNumber, SessionGeneration, SessionId, UserId};

use super::*;
use crate::join_check::VerifiedJoin;

const SECOND_TICKS: usize = 20;

/// A game that sends each new user to the next region, and in which every blow is repaid.
struct Quarrel {
    spawns_at: Position,
    fighters: Vec<EntityId>,
    blows: Arc<AtomicUsize>,
}

impl GameLogic for Quarrel {
    fn spawn_point(&self, _: &game::World, _: UserId) -> Position {
        self.spawns_at
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn served(&mut self, ctx: &mut dyn Ctx) {
        let at = Position {
            x: ctx.rect().min[0] as f32 + 1.0,
            y: 1.0,
        };
        self.fighters = (0..2).filter_map(|_| ctx.spawn(9, at, &[])).collect();
        ctx.after(1, 0);
    }
    fn effect(&mut self, ctx: &mut dyn Ctx, source: EntityId, target: EntityId, body: &[u8]) {
        self.blows.fetch_add(1, Ordering::Relaxed);
        ctx.effect(target, source, Bytes::copy_from_slice(body));
    }
    fn runs_always(&self) -> bool {
        true
    }
    fn timer(&mut self, ctx: &mut dyn Ctx, _: u64) {
        ctx.effect(self.fighters[0], self.fighters[1], Bytes::new());
    }
}

/// Two regions, each of which says that new users begin in the other.
fn quarrel() -> (Scene, Arc<AtomicUsize>) {
    let (blows, regions) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let all = Arc::clone(&blows);
    let scene = Scene::playing(row(&["a", "a"]), move || {
        let other_x = [96.0, 32.0][regions.fetch_add(1, Ordering::Relaxed)];
        Box::new(Quarrel {
            spawns_at: Position { x: other_x, y: 32.0 },
            fighters: Vec::new(),
            blows: Arc::clone(&all),
        })
    });
    (scene, blows)
}

#[test]
fn blows_that_repay_each_other_go_on_from_tick_to_tick_and_hold_up_nobody() {
    let (mut scene, blows) = quarrel();
    scene.pass(100);
    let before = blows.load(Ordering::Relaxed);
    assert!(scene.pass(1_000) >= 2 * SECOND_TICKS);
    let dealt = blows.load(Ordering::Relaxed) - before;
    assert!(
        (2 * SECOND_TICKS..=80 * SECOND_TICKS).contains(&dealt),
        "none is lost, and each tick has its share: {dealt}"
    );
}

#[test]
fn a_join_that_regions_send_to_and_fro_is_dropped_and_counted() {
    let (mut scene, _) = quarrel();
    scene.proxy_up(7, 1);
    let verified = VerifiedJoin {
        user: UserId(5),
        session: SessionId([1; 16]),
        session_generation: SessionGeneration(1),
        attach_no: AttachNo(1),
        client_pub: [1; 32],
        acked_command: CommandNumber(0),
        acked_event: EventNumber(0),
        name: "ann".into(),
        account: protocol::ticket::AccountKind::Guest,
    };
    let verdict = Ok((verified, RegionNumber(1)));
    scene
        .world
        .join_verified(LinkId(7), &Join::default(), verdict, scene.now);
    scene.settle();
    assert_eq!(scene.counts("regions_in_circle"), 1);
    assert!(scene.pass(1_000) >= 2 * SECOND_TICKS, "and both go on");
}
