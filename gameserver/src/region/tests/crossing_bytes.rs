//! What a crossing takes on the link between two game servers.

use protocol::frame::HEADER_BYTES;
use protocol::keys::TAG_BYTES;
use protocol::message::family::{BatchMessage as _, Class};

use super::bot::Bot;
use super::scene::*;

/// What `topology size` adds between two game servers for each player who goes from one to the other.
#[test]
fn a_crossing_takes_as_many_bytes_between_servers_as_the_table_of_unit_costs_says() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
    bot.live(&mut scene, 1_000);
    scene.said.clear();
    bot.walk(&mut scene, 0, 255);
    bot.live(&mut scene, 2_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
    let of_handover = scene.said.iter().filter(|said| said.class() == Class::Handover);
    let lengths: Vec<(u8, usize)> = of_handover
        .map(|said| (said.family(), said.encoded_len()))
        .collect();
    let families: Vec<u8> = lengths.iter().map(|(family, _)| *family).collect();
    assert_eq!(
        families,
        [0x60, 0x61, 0x63, 0x64],
        "Prepare, Prepared, Commit, Done"
    );
    // Each in a frame of its own.
    let bytes: usize = lengths
        .iter()
        .map(|(_, length)| length + HEADER_BYTES + TAG_BYTES)
        .sum();
    assert_eq!(
        bytes as f64,
        topology::UnitCosts::default().crossing_bytes,
        "{lengths:?}"
    );
}
