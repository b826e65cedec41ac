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
