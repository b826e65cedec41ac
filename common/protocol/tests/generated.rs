//! The message types in `generated/` are what the `.proto` files say. Building the crate needs no generator.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// Set to anything, it has the committed files written anew.
const UPDATE: &str = "UPDATE_GENERATED";

fn generate(into: &Path) {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&proto)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let descriptors = protox::compile(files, [proto]).unwrap();
    prost_build::Config::new()
        .out_dir(into)
        .bytes(["."])
        .btree_map(["."])
        .compile_fds(descriptors)
        .unwrap();
}

fn read(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(file.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_committed_types_are_those_of_the_proto_files() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("generated");
    if std::env::var_os(UPDATE).is_some() {
        generate(&committed);
    }
    let fresh = tempfile::tempdir().unwrap();
    generate(fresh.path());
    for (file, text) in read(fresh.path()) {
        let same = std::fs::read_to_string(committed.join(&file)).is_ok_and(|old| old == text);
        assert!(
            same,
            "{file} is out of date: {UPDATE}=1 cargo test -p protocol --test generated"
        );
    }
    let names = |folder| read(folder).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(
        names(&committed),
        names(fresh.path()),
        "a file that no .proto stands for"
    );
}
