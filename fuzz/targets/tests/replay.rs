//! Replays every corpus, whole, cut, and with every byte changed: a small fuzzer that runs wherever tests run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test says so")]

use std::fs;
use std::path::{Path, PathBuf};

use fuzz_targets::TARGETS;

/// Larger seeds are cut and changed in fewer places, so that the replay stays fast.
const PLACES_MAX: usize = 400;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(corpora().join(target)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn every_corpus_belongs_to_a_target_and_every_target_has_one() {
    let mut folders: Vec<_> = fs::read_dir(corpora())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut names: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.sort();
    assert_eq!(folders, names);
}

#[test]
fn no_target_panics_on_its_corpus_nor_on_what_is_near_to_it() {
    for (name, body) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        body(&[]);
        for seed in seeds {
            body(&seed);
            let step = seed.len() / PLACES_MAX + 1;
            for at in (0..seed.len()).step_by(step) {
                body(&seed[..at]);
                for change in [0x01, 0x80, 0xff] {
                    let mut changed = seed.clone();
                    changed[at] ^= change;
                    body(&changed);
                }
            }
        }
    }
}
