//! Explores the target `snapshot`: `cargo +nightly fuzz run --fuzz-dir fuzz/libfuzzer snapshot fuzz/corpus/snapshot`.
//! The body is in `fuzz/targets`, where the tests replay it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::run("snapshot", data));
