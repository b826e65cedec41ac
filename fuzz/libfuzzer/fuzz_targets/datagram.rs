//! Explores the target `datagram`: `cargo +nightly fuzz run --fuzz-dir fuzz/libfuzzer datagram fuzz/corpus/datagram`.
//! The body is in `fuzz/targets`, where the tests replay it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::run("datagram", data));
