//! Explores the target `identity`: `cargo +nightly fuzz run --fuzz-dir fuzz/libfuzzer identity fuzz/corpus/identity`.
//! The body is in `fuzz/targets`, where the tests replay it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::run("identity", data));
