//! Explores the target `snapshot`: `fuzz/run 60 snapshot`.
//! The body is in `fuzz/targets`, where the tests replay it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::run("snapshot", data));
