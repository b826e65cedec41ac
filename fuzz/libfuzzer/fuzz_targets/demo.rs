//! Explores the target `demo`: `cargo +nightly fuzz run --fuzz-dir fuzz/libfuzzer demo fuzz/corpus/demo`.
//! The body is in `fuzz/targets`, where the tests replay it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::run("demo", data));
