//! Explores the target `cell`: `cargo +nightly fuzz run --fuzz-dir fuzz/libfuzzer cell fuzz/corpus/cell`.
//! The body is in `fuzz/targets`, where the tests replay it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::run("cell", data));
