//! Explores the target `batch`: `cargo +nightly fuzz run --fuzz-dir fuzz/libfuzzer batch fuzz/corpus/batch`.
//! The body is in `fuzz/targets`, where the tests replay it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::run("batch", data));
