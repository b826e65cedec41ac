//! Generates the message types from `proto/` without needing a `protoc` binary.

use std::io::Error;

const FILES: [&str; 6] = [
    "proto/node.proto",
    "proto/subscription.proto",
    "proto/player.proto",
    "proto/handover.proto",
    "proto/effect.proto",
    "proto/client.proto",
];

fn main() -> Result<(), Error> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"]).map_err(Error::other)?;
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .compile_fds(descriptors)
}
