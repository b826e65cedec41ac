//! What rules may do, each in a game that does little else, played in a playground.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod diary;

use diary::{Diary, lines};
use game::Position;
use game_testing::Playground;

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

#[test]
fn inputs_come_in_order_each_once_and_numbered() {
    let mut ground = Playground::one(Diary);
    let ann = ground.join_at("ann", at(40.0, 40.0));
    for body in ["note a", "note b", "note c"] {
        ground.input(ann, body.as_bytes());
    }
    ground.run_ms(100);
    assert_eq!(lines(&ground, ann), ["1+0 a", "2+0 b", "3+0 c"]);
    for _ in 0..10 {
        ground.input(ann, b"note more");
    }
    ground.run_ms(100);
    assert_eq!(
        lines(&ground, ann)[3],
        "6+2 more",
        "of more than eight the oldest are missed"
    );
}

#[test]
fn a_player_is_put_anywhere_and_what_cannot_be_is_told() {
    let mut ground = Playground::two(Diary);
    let ann = ground.join_at("ann", at(40.0, 40.0));
    ground.input(ann, b"go 100 90");
    ground.run_ms(100);
    assert_eq!(ground.position(ann), Some(at(100.0, 90.0)));
    ground.input(ann, b"go 250 3");
    assert!(ground.run_until(2_000, |ground| ground.region_of(ann) == Some(Playground::RIGHT)));
    assert_eq!(ground.position(ann), Some(at(250.0, 3.0)));
    ground.run_ms(1_000);
    ground.input(ann, b"go 1000 3");
    ground.run_ms(100);
    assert_eq!(lines(&ground, ann), ["there is no such place"]);
    // Nobody serves the left side for a while, and she hears of it in the end.
    ground.stop(Playground::LEFT);
    ground.input(ann, b"go 3 3");
    ground.run_ms(6_000);
    assert_eq!(lines(&ground, ann)[1], "nobody serves that part of the world");
    assert_eq!(ground.position(ann), Some(at(250.0, 3.0)));
}

#[test]
fn a_timer_goes_along_over_the_border_and_outlasts_a_crash() {
    let mut ground = Playground::two(Diary);
    let ann = ground.join_at("ann", at(40.0, 40.0));
    ground.input(ann, b"wait 80 7");
    ground.run_ms(100);
    ground.input(ann, b"go 200 40");
    ground.run_ms(2_000);
    assert_eq!(ground.region_of(ann), Some(Playground::RIGHT));
    ground.crash(Playground::RIGHT);
    assert!(ground.run_until(5_000, |ground| ground.region_of(ann).is_some()));
    assert_eq!(lines(&ground, ann), [""; 0]);
    assert!(ground.run_until(5_000, |ground| lines(ground, ann) == ["7 is over"]));
}
