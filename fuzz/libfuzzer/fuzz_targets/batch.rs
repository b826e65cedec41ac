//! Explores the target `batch`: `fuzz/run 60 batch`.
//! The body is in `fuzz/targets`, where the tests replay it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::run("batch", data));
