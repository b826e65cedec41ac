//! What rules ask of the pool, and what they show operators.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use game::limits::{ASK_BYTES_MAX, ASK_LASTS_MS, ASKS_MAX};
use game::{AskFailed, Ctx, EntityId, GameLogic, LogLevel, Position, World};
use protocol::ids::UserId;

use super::super::state::RegionState;
use super::super::*;
use super::scene::*;

type Heard = Arc<Mutex<Vec<(u64, Result<Vec<u8>, AskFailed>)>>>;

/// Rules that keep what they are answered, and panic at the answer "bad".
struct Listener(Heard);

impl GameLogic for Listener {
    fn spawn_point(&self, _: &World, _: UserId) -> Position {
        HERE
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn answered(&mut self, _: &mut dyn Ctx, ask: u64, answer: Result<&[u8], AskFailed>) {
        let kept = answer.map(<[u8]>::to_vec);
        self.0.lock().unwrap().push((ask, kept));
        assert!(answer != Ok(b"bad"), "a bad answer");
    }
}

const HERE: Position = Position { x: 20.0, y: 20.0 };

fn scene() -> (Scene, Heard) {
    let heard = Heard::default();
    let hears = Arc::clone(&heard);
    let rules = Arc::new(move || -> Box<dyn GameLogic> { Box::new(Listener(Arc::clone(&hears))) });
    let mut scene = Scene::playing(world([1, 2, 3, 4]), rules);
    scene.run(200);
    (scene, heard)
}

fn state(scene: &mut Scene) -> &mut RegionState {
    &mut scene.regions.get_mut(&A).unwrap().state
}

fn ask(scene: &mut Scene, asker: Option<EntityId>, request: Bytes) -> u64 {
    let ask = Ctx::ask(state(scene), asker, request);
    scene.settle();
    ask
}

fn answer(scene: &mut Scene, ask: u64, answer: Answer) {
    scene.input(A, RegionInput::Answered(ask, answer));
}

fn take(heard: &Heard) -> Vec<(u64, Result<Vec<u8>, AskFailed>)> {
    std::mem::take(&mut heard.lock().unwrap())
}

#[test]
fn an_answer_comes_in_a_later_tick_and_once_and_keeps_the_region_awake_until_then() {
    let (mut scene, heard) = scene();
    let asked = ask(&mut scene, None, Bytes::from_static(b"how many"));
    assert_eq!(scene.work, [(A, asked, Bytes::from_static(b"how many"))]);
    scene.tick();
    assert_eq!(scene.regions.get_mut(&A).unwrap().rest(), Rest::Awake);
    for _ in 0..2 {
        answer(&mut scene, asked, Ok(Bytes::from_static(b"seven")));
    }
    answer(&mut scene, asked + 1, Ok(Bytes::from_static(b"nobody has asked")));
    assert_eq!(take(&heard), [], "not at once");
    scene.run(200);
    assert_eq!(take(&heard), [(asked, Ok(b"seven".to_vec()))]);
    assert!(matches!(
        scene.regions.get_mut(&A).unwrap().rest(),
        Rest::Asleep { .. }
    ));
}

#[test]
fn what_has_no_answer_says_why() {
    let (mut scene, heard) = scene();
    let (slow, broken) = (
        ask(&mut scene, None, Bytes::new()),
        ask(&mut scene, None, Bytes::new()),
    );
    let long = ask(&mut scene, None, vec![0; ASK_BYTES_MAX + 1].into());
    let too_much = ask(&mut scene, None, Bytes::new());
    assert_eq!(scene.work.len(), 3, "what is too long does not leave");
    answer(&mut scene, broken, Err(AskFailed::Panicked));
    answer(&mut scene, too_much, Ok(vec![0; ASK_BYTES_MAX + 1].into()));
    scene.tick();
    let failed = [
        (long, Err(AskFailed::TooLong)),
        (broken, Err(AskFailed::Panicked)),
        (too_much, Err(AskFailed::TooLong)),
    ];
    assert_eq!(take(&heard), failed);
    scene.run(ASK_LASTS_MS);
    assert_eq!(take(&heard), [(slow, Err(AskFailed::TimedOut))]);
    answer(&mut scene, slow, Ok(Bytes::new()));
    scene.run(100);
    assert_eq!(take(&heard), [], "too late");
    for _ in 0..ASKS_MAX {
        ask(&mut scene, None, Bytes::new());
    }
    let full = ask(&mut scene, None, Bytes::new());
    scene.tick();
    assert_eq!(take(&heard), [(full, Err(AskFailed::Full))]);
}

#[test]
fn an_asker_that_is_gone_is_told_nothing_nor_are_rules_that_have_begun_anew() {
    let (mut scene, heard) = scene();
    let asker = state(&mut scene).spawn(3, HERE, &[]).unwrap();
    let [gone, there] = [0, 1].map(|_| ask(&mut scene, Some(asker), Bytes::new()));
    answer(&mut scene, there, Ok(Bytes::new()));
    scene.tick();
    assert_eq!(take(&heard).len(), 1);
    state(&mut scene).despawn(asker);
    answer(&mut scene, gone, Ok(Bytes::new()));
    scene.tick();
    assert_eq!(take(&heard), []);
    let [bad, after] = [0, 1].map(|_| ask(&mut scene, None, Bytes::new()));
    answer(&mut scene, bad, Ok(Bytes::from_static(b"bad")));
    scene.tick();
    assert_eq!((take(&heard).len(), scene.counted.get("panicked")), (1, Some(&1)));
    answer(&mut scene, after, Ok(Bytes::new()));
    scene.tick();
    assert_eq!(take(&heard), []);
}

#[test]
fn counters_gauges_and_lines_leave_with_the_tick() {
    let (mut scene, _) = scene();
    let rules = state(&mut scene);
    rules.count_up("caught", 1);
    rules.count_up("caught", 2);
    rules.gauge("sheep", 4.0);
    rules.log(LogLevel::Warn, "two are it");
    rules.count_up("Not a name", 1);
    scene.tick();
    scene.tick();
    let shown = [
        Observation::Line(LogLevel::Warn, "two are it".to_owned(), 0),
        Observation::Count("caught", 3),
        Observation::Gauge("sheep", 4.0),
    ];
    assert_eq!(
        (&scene.observed[..], scene.counted.get("metric_refused")),
        (&shown[..], Some(&1))
    );
}
