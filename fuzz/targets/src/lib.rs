//! One target per parser: any bytes in, no panic, and what was accepted survives a second way through.
//!
//! An ordinary crate, so that the corpora in `fuzz/corpus/` are replayed wherever tests run; the shell for libFuzzer
//! in `fuzz/libfuzzer` is a workspace of its own.

#![allow(clippy::panic, reason = "a panic is what a fuzzer looks for")]

mod cell;
mod datagram;
mod frame;
mod identity;
mod message;
mod topology_file;

/// A target's name, which is also its folder of the corpus, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("cell", cell::cell),
    ("snapshot", cell::snapshot),
    ("datagram", datagram::datagram),
    ("frame", frame::frame),
    ("identity", identity::identity),
    ("demo", message::demo),
    ("batch", message::batch),
    ("topology", topology_file::topology),
];

/// Runs a target by name.
///
/// # Panics
/// When there is no such target, or when it found something.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    match target {
        Some((_, body)) => body(data),
        None => panic!("no target is called {name}"),
    }
}
