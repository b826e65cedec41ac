//! Explores the target `datagram`: `fuzz/run 60 datagram`.
//! The body is in `fuzz/targets`, where the tests replay it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::run("datagram", data));
