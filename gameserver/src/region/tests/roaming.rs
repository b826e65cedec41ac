//! Creatures that roam: over a border with all that is theirs, never in two regions, and no longer than who made them.

use std::sync::{Arc, Mutex};

use game::{Ctx, EntityId, GameLogic, Position, World};
use protocol::ids::{NodeNumber, UserId};
use protocol::limits::{CREATURE_MEMORY_BYTES_MAX, CREATURE_TIMERS_MAX};
use protocol::message::checked::Birth;
use protocol::message::effect::Roam;
use protocol::message::family::ServerToServer;

use super::super::creatures::Life;
use super::super::state::RegionState;
use super::super::*;
use super::scene::*;

const ROAM: u8 = 0x72;
const SHEEP: u16 = 2;

/// What rules heard: in which region, what, of which creature.
type Heard = Arc<Mutex<Vec<(RegionNumber, Said, EntityId)>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Came,
    Went,
    Timer(u64),
}

/// Rules that only listen. They panic at a timer of 13.
struct Shepherd(Heard);

impl Shepherd {
    fn note(&self, ctx: &dyn Ctx, said: Said, creature: EntityId) {
        self.0.lock().unwrap().push((ctx.region(), said, creature));
    }
}

impl GameLogic for Shepherd {
    fn spawn_point(&self, world: &World, user: UserId) -> Position {
        demo::DemoRules::default().spawn_point(world, user)
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn came(&mut self, ctx: &mut dyn Ctx, creature: EntityId) {
        self.note(ctx, Said::Came, creature);
    }
    fn went(&mut self, ctx: &mut dyn Ctx, creature: EntityId) {
        self.note(ctx, Said::Went, creature);
    }
    fn creature_timer(&mut self, ctx: &mut dyn Ctx, creature: EntityId, token: u64) {
        self.note(ctx, Said::Timer(token), creature);
        assert!(token != 13, "a bad number");
    }
    fn timer(&mut self, _: &mut dyn Ctx, token: u64) {
        assert!(token != 13, "a bad number");
    }
}

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

fn scene_of(topology: Arc<topology::Topology>) -> (Scene, Heard) {
    let heard = Heard::default();
    let hears = Arc::clone(&heard);
    let rules = Arc::new(move || -> Box<dyn GameLogic> { Box::new(Shepherd(Arc::clone(&hears))) });
    let mut scene = Scene::playing(topology, rules);
    scene.run(200);
    (scene, heard)
}

fn four() -> (Scene, Heard) {
    scene_of(world([1, 2, 3, 4]))
}

fn state(scene: &mut Scene, region: RegionNumber) -> &mut RegionState {
    &mut scene.regions.get_mut(&region).unwrap().state
}

fn spawn(scene: &mut Scene, region: RegionNumber, x: f32, y: f32) -> EntityId {
    state(scene, region)
        .spawn_roaming(SHEEP, at(x, y), b"wool")
        .unwrap()
}

fn walk(scene: &mut Scene, region: RegionNumber, sheep: EntityId, x: f32, y: f32) {
    state(scene, region).walk(sheep, at(x, y), 7, 1.5);
    scene.tick();
}

/// Where it is simulated, and under which epoch.
fn places(scene: &Scene, sheep: EntityId) -> Vec<(RegionNumber, u64)> {
    let epoch = |region: &Region| {
        let entities = &region.state.entities;
        let entity = entities.get(entities.key(sheep)?)?;
        assert_eq!(region.state.creatures.has(sheep), entity.user.is_none());
        Some((region.number(), entity.owner_epoch.0))
    };
    scene.regions.values().filter_map(epoch).collect()
}

fn take(heard: &Heard) -> Vec<(RegionNumber, Said, EntityId)> {
    std::mem::take(&mut heard.lock().unwrap())
}

fn counted(scene: &Scene, label: &str) -> usize {
    scene.counted.get(label).copied().unwrap_or(0)
}

#[test]
fn a_creature_crosses_and_comes_back_with_its_memory_and_its_timers() {
    let (mut scene, heard) = four();
    let sheep = spawn(&mut scene, A, 126.0, 40.0);
    state(&mut scene, A).set_memory(sheep, b"shy");
    assert!(
        state(&mut scene, A).creature_after(sheep, 40, 7) && state(&mut scene, A).creature_after(sheep, 4, 8)
    );
    walk(&mut scene, A, sheep, 128.5, 40.0);
    assert_eq!(places(&scene, sheep), [(A, 1)], "within the margin it stays");
    walk(&mut scene, A, sheep, 130.0, 40.0);
    assert_eq!(places(&scene, sheep), [(B, 2)]);
    assert_eq!(take(&heard), [(A, Said::Went, sheep), (B, Said::Came, sheep)]);
    let there = state(&mut scene, B);
    assert_eq!(there.memory(sheep), b"shy");
    let seen = there.entity(sheep).unwrap();
    assert_eq!(
        (seen.kind, seen.at, seen.state),
        (SHEEP, at(129.5, 40.0), &b"wool"[..])
    );
    assert_eq!((seen.heading, seen.speed), (7, 1.5));
    there.set_memory(sheep, b"bold");
    scene.run(100);
    assert_eq!(take(&heard), [(B, Said::Timer(8), sheep)]);
    walk(&mut scene, B, sheep, 126.0, 40.0);
    assert_eq!(places(&scene, sheep), [(A, 3)]);
    assert_eq!(state(&mut scene, A).memory(sheep), b"bold");
    take(&heard);
    // 40 ticks after it was set, 5 of which it was here, as many over there.
    scene.run(33 * TICK_MS);
    assert_eq!(take(&heard), []);
    scene.run(3 * TICK_MS);
    assert_eq!(take(&heard), [(A, Said::Timer(7), sheep)]);
    let status = scene.regions[&A].status();
    assert_eq!((status.roaming, status.roamed_away, status.roamed_in), (1, 1, 1));
    assert_eq!(scene.regions[&B].status().roaming, 0);
    state(&mut scene, A).despawn(sheep);
    assert_eq!(
        (places(&scene, sheep), state(&mut scene, A).memory(sheep)),
        (vec![], &b""[..])
    );
    assert_eq!(take(&heard), [], "the rules know what they did");
}

#[test]
fn what_a_creature_keeps_is_bounded_and_only_creatures_that_roam_cross() {
    let (mut scene, _) = four();
    let sheep = spawn(&mut scene, A, 126.0, 40.0);
    let tree = state(&mut scene, A).spawn(3, at(126.0, 40.0), &[]).unwrap();
    let here = state(&mut scene, A);
    here.set_memory(sheep, &[1; CREATURE_MEMORY_BYTES_MAX]);
    here.set_memory(sheep, &[2; CREATURE_MEMORY_BYTES_MAX + 1]);
    assert_eq!(here.memory(sheep), [1; CREATURE_MEMORY_BYTES_MAX]);
    here.set_memory(tree, b"rings");
    assert!(here.memory(tree).is_empty() && !here.creature_after(tree, 1, 1));
    for token in 0..CREATURE_TIMERS_MAX as u64 {
        assert!(here.creature_after(sheep, 100, token));
    }
    assert!(!here.creature_after(sheep, 100, 99));
    walk(&mut scene, A, tree, 131.0, 40.0);
    assert_eq!(
        state(&mut scene, A).entity(tree).map(|tree| tree.at.x < 128.0),
        Some(true)
    );
}

#[test]
fn a_crossing_that_is_lost_loses_a_creature_and_one_that_comes_twice_doubles_none() {
    let (mut scene, heard) = four();
    let (lost, doubled) = (
        spawn(&mut scene, A, 126.0, 40.0),
        spawn(&mut scene, A, 126.0, 41.0),
    );
    scene.lose.insert(ROAM, 1);
    walk(&mut scene, A, lost, 130.0, 40.0);
    assert_eq!(places(&scene, lost), []);
    assert_eq!(take(&heard), [(A, Said::Went, lost)]);
    scene.double.insert(ROAM);
    walk(&mut scene, A, doubled, 130.0, 41.0);
    assert_eq!(
        (places(&scene, doubled), counted(&scene, "roam_doubled")),
        (vec![(B, 2)], 1)
    );
    assert_eq!(take(&heard).len(), 2);
}

#[test]
fn a_creature_waits_inside_the_border_while_nobody_serves_the_other_side() {
    let (mut scene, _) = four();
    let sheep = spawn(&mut scene, A, 126.0, 40.0);
    scene.stop(B);
    walk(&mut scene, A, sheep, 129.4, 40.0);
    assert_eq!(places(&scene, sheep), [(A, 1)]);
    let x = state(&mut scene, A).entity(sheep).unwrap().at.x;
    assert!(x < 129.0, "it is held at {x}");
    scene.start(B);
    scene.link_all();
    scene.settle();
    walk(&mut scene, A, sheep, 129.4, 40.0);
    assert_eq!(places(&scene, sheep), [(B, 2)]);
}

#[test]
fn who_is_served_anew_makes_others_so_those_next_door_end() {
    let (mut scene, heard) = four();
    let (abroad, at_home) = (
        spawn(&mut scene, A, 126.0, 40.0),
        spawn(&mut scene, B, 150.0, 40.0),
    );
    walk(&mut scene, A, abroad, 130.0, 40.0);
    take(&heard);
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.settle();
    assert_eq!(
        (places(&scene, abroad), places(&scene, at_home)),
        (vec![], vec![(B, 1)])
    );
    assert_eq!(take(&heard), [(B, Said::Went, abroad)]);
}

#[test]
fn a_region_of_the_same_process_that_is_served_anew_ends_those_next_door_at_once() {
    let (mut scene, heard) = scene_of(world([1, 1, 3, 4]));
    let birth = Birth {
        region: A,
        region_epoch: scene.regions[&A].epoch(),
        round: 0,
    };
    let there = state(&mut scene, B);
    let abroad = there.spawn(SHEEP, at(130.0, 40.0), &[]).unwrap();
    let from = Some(A);
    there
        .creatures
        .insert(abroad, Life::Ephemeral { birth, from }, bytes::Bytes::new());
    scene.run(200);
    assert_eq!(places(&scene, abroad).len(), 1);
    scene.regions.remove(&A);
    scene.start(A);
    scene.link_all();
    scene.settle();
    assert_eq!(
        (places(&scene, abroad), take(&heard)),
        (vec![], vec![(B, Said::Went, abroad)])
    );
}

/// Three regions in a row, each with a server of its own.
fn row() -> Arc<topology::Topology> {
    let mut text = String::from(
        "[world]\nname = \"test\"\nsize = [384, 128]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\nhandover_margin = 1.0\n",
    );
    for number in 1..=3 {
        text += &format!(
            "[[server]]\nname = \"gs-{number}\"\nnumber = {number}\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:0\"\n"
        );
    }
    text += "[[proxy]]\nname = \"edge\"\nnumber = 101\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n\
             [grid]\ncolumns = 3\nrows = 1\nservers = [\"gs-1\", \"gs-2\", \"gs-3\"]\n";
    Arc::new(topology::parse("row.toml", &text).unwrap())
}

#[test]
fn whether_a_far_region_is_served_anew_is_asked_of_the_store() {
    let (mut scene, _) = scene_of(row());
    let sheep = spawn(&mut scene, A, 126.0, 40.0);
    walk(&mut scene, A, sheep, 130.0, 40.0);
    walk(&mut scene, B, sheep, 258.0, 40.0);
    let far = RegionNumber(3);
    scene.run(6_000);
    assert_eq!(places(&scene, sheep), [(far, 3)]);
    scene.stop(A);
    scene.run(6_000);
    assert_eq!(places(&scene, sheep), [(far, 3)], "nobody serves it anew");
    scene.start(A);
    scene.link_all();
    scene.run(6_000);
    assert_eq!(places(&scene, sheep), []);
}

#[test]
fn rules_that_begin_anew_do_not_get_the_creatures_back_that_were_abroad() {
    let (mut scene, _) = four();
    let (abroad, here) = (
        spawn(&mut scene, A, 126.0, 40.0),
        spawn(&mut scene, A, 60.0, 40.0),
    );
    walk(&mut scene, A, abroad, 130.0, 40.0);
    assert!(state(&mut scene, A).creature_after(here, 1, 13));
    scene.run(200);
    assert_eq!(counted(&scene, "panicked"), 1);
    assert_eq!(
        (places(&scene, here), places(&scene, abroad)),
        (vec![], vec![(B, 2)])
    );
    walk(&mut scene, B, abroad, 126.0, 40.0);
    assert_eq!(
        (places(&scene, abroad), counted(&scene, "roam_ended")),
        (vec![], 1)
    );
}

/// What node 1 says when a creature of region A goes to B.
fn roam_of(scene: &Scene, entity: EntityId, change: impl Fn(&mut Roam)) -> Roam {
    let epoch = |region: RegionNumber| scene.regions[&region].epoch().0;
    let mut roam = Roam {
        from_region: A.0,
        from_region_epoch: epoch(A),
        to_region: B.0,
        to_region_epoch: epoch(B),
        entity: entity.0,
        epoch: 9,
        birth_region: A.0,
        birth_region_epoch: epoch(A),
        kind: SHEEP.into(),
        x: 129.5,
        y: 40.0,
        ..Roam::default()
    };
    change(&mut roam);
    roam
}

fn made_by(node: u16, counter: u32) -> EntityId {
    EntityId::compose(NodeNumber(node), protocol::ids::Incarnation(1), counter).unwrap()
}

/// B hears it of a node; where the creature is then.
fn hears(scene: &mut Scene, from: u16, roam: Roam) -> Vec<(RegionNumber, u64)> {
    let id = EntityId(roam.entity);
    scene.input(
        B,
        RegionInput::FromPeer(NodeNumber(from), ServerToServer::from(roam)),
    );
    scene.settle();
    places(scene, id)
}

#[test]
fn a_creature_is_taken_only_from_who_serves_the_neighbour_that_it_comes_from() {
    let (mut scene, _) = four();
    let sheep = made_by(1, 77);
    let own = made_by(2, 77);
    type Spoil = fn(&mut Roam);
    let lies: [(u16, EntityId, Spoil, &str); 13] = [
        (3, sheep, |_| {}, "peer_not_listed"),
        (1, sheep, |roam| roam.from_region_epoch -= 1, "peer_stale_epoch"),
        (1, sheep, |roam| roam.from_region_epoch += 1, "roam_not_serving"),
        (1, sheep, |roam| roam.to_region_epoch -= 1, "roam_late"),
        (1, sheep, |roam| roam.birth_region_epoch -= 1, "roam_ended"),
        (1, sheep, |roam| roam.epoch = 0, "roam_malformed"),
        (1, sheep, |roam| roam.epoch = u64::MAX, "roam_malformed"),
        (1, sheep, |roam| roam.x = -1e9, "roam_far"),
        (1, sheep, |roam| roam.x = 200.0, "roam_far"),
        (1, sheep, |roam| roam.birth_region = 99, "roam_birth_unknown"),
        (1, EntityId(77), |_| {}, "roam_foreign_id"),
        (1, made_by(3, 77), |_| {}, "roam_foreign_id"),
        // B's own node has not made it yet.
        (1, own, |roam| roam.birth_region = B.0, "roam_foreign_id"),
    ];
    for (from, id, spoil, label) in lies {
        let before = counted(&scene, label);
        let roam = roam_of(&scene, id, spoil);
        assert_eq!(hears(&mut scene, from, roam), [], "{label}");
        assert_eq!(counted(&scene, label), before + 1, "{label}");
    }
    let roam = roam_of(&scene, sheep, |_| {});
    assert_eq!(hears(&mut scene, 1, roam), [(B, 9)]);
}

#[test]
fn whoever_does_not_border_a_region_sends_it_nothing() {
    let (mut scene, _) = scene_of(row());
    let far = RegionNumber(3);
    let epoch = scene.regions[&far].epoch().0;
    let roam = roam_of(&scene, made_by(1, 77), |roam| {
        (roam.to_region, roam.to_region_epoch, roam.x) = (far.0, epoch, 256.5);
    });
    let serving = store::Serving {
        node: NodeNumber(1),
        region: A,
        region_epoch: scene.regions[&A].epoch(),
    };
    // It knows who serves that region, however it came to.
    let state = state(&mut scene, far);
    state.neighbourhood.announced(serving, &mut state.out);
    scene.settle();
    scene.input(far, RegionInput::FromPeer(NodeNumber(1), roam.into()));
    scene.settle();
    assert_eq!(
        (
            places(&scene, made_by(1, 77)),
            counted(&scene, "roam_not_neighbour")
        ),
        (vec![], 1)
    );
}

#[test]
fn a_creature_with_the_id_of_a_player_gives_way_to_the_player_who_comes() {
    let (mut scene, heard) = four();
    let mut bot = super::bot::Bot::join(&mut scene, 5, 100.0, 40.0);
    let entity = scene.player(A, bot.user).entity;
    let roam = roam_of(&scene, entity, |_| {});
    assert_eq!(hears(&mut scene, 1, roam).len(), 2, "B does not know the player");
    take(&heard);
    scene.place(A, bot.user, 130.0, 40.0);
    bot.live(&mut scene, 1_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
    assert_eq!(take(&heard), [(B, Said::Went, entity)]);
    assert_eq!(scene.regions[&B].status().roaming, 0);
    assert_eq!(scene.player(B, bot.user).entity, entity);
    // And the other way round: whoever is here stays.
    let roam = roam_of(&scene, entity, |_| {});
    hears(&mut scene, 1, roam);
    assert_eq!(counted(&scene, "roam_doubled"), 1);
    scene.place(B, bot.user, 200.0, 40.0);
    bot.live(&mut scene, 1_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
}

#[test]
fn a_birth_that_there_never_was_ends_when_the_store_says_so() {
    let (mut scene, heard) = four();
    let sheep = made_by(1, 77);
    let roam = roam_of(&scene, sheep, |roam| roam.birth_region_epoch += 1_000);
    assert_eq!(hears(&mut scene, 1, roam), [(B, 9)]);
    take(&heard);
    scene.run(6_000);
    assert_eq!(
        (places(&scene, sheep), take(&heard)),
        (vec![], vec![(B, Said::Went, sheep)])
    );
}

#[test]
fn creatures_that_come_leave_room_for_players() {
    let (mut scene, _) = four();
    let at = at(140.0, 20.0);
    for _ in 0..protocol::limits::CELL_ENTITIES_MAX - 512 {
        state(&mut scene, B).spawn(3, at, &[]).unwrap();
    }
    let roam = roam_of(&scene, made_by(1, 77), |roam| roam.y = 20.0);
    assert_eq!(hears(&mut scene, 1, roam), []);
    assert_eq!(counted(&scene, "roam_no_room"), 1);
    assert!(state(&mut scene, B).spawn(3, at, &[]).is_some());
}

#[test]
fn a_creature_that_comes_while_a_region_sleeps_waits_as_long_as_it_has_to() {
    let (mut scene, heard) = four();
    let sheep = spawn(&mut scene, A, 126.0, 40.0);
    assert!(state(&mut scene, A).creature_after(sheep, 20, 7));
    assert!(matches!(
        scene.regions.get_mut(&B).unwrap().rest(),
        Rest::Asleep { .. }
    ));
    // B sleeps for ten seconds, and only A ticks.
    scene.now.mono_ms += 10_000;
    state(&mut scene, A).walk(sheep, at(130.0, 40.0), 0, 0.0);
    let now = scene.now;
    scene
        .regions
        .get_mut(&A)
        .unwrap()
        .tick(now, &mut NoClock, &mut NoLimit);
    scene.settle();
    assert_eq!(
        scene.regions.get_mut(&B).unwrap().rest(),
        Rest::Awake,
        "it is still to be shown"
    );
    take(&heard);
    scene.run(15 * TICK_MS);
    assert_eq!(take(&heard), [], "not sooner");
    scene.run(6 * TICK_MS);
    assert_eq!(take(&heard), [(B, Said::Timer(7), sheep)]);
}
