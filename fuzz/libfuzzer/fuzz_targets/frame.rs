//! Explores the target `frame`: `fuzz/run 60 frame`.
//! The body is in `fuzz/targets`, where the tests replay it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::run("frame", data));
