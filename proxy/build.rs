//! Lists the files of the page, which the proxy embeds (`src/server/web/assets.rs`).

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "this is how a build script speaks, and how it fails"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Where they stand, from here.
const PAGE: &str = "../client/web/dist";

fn main() {
    let root = Path::new(PAGE);
    println!("cargo:rerun-if-changed={PAGE}");
    let mut files = Vec::new();
    collect(root, &mut files);
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(root).expect("it is below its root");
        // By the place where the crate is compiled: a checkout that was moved finds its own.
        let file = Path::new("/").join(&file);
        let _ = writeln!(
            list,
            "    ({name:?}, include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {file:?}))),"
        );
    }
    list.push_str("]\n");
    let out = env::var_os("OUT_DIR").expect("cargo says where");
    fs::write(Path::new(&out).join("page.rs"), list).expect("the list of the page's files can be written");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the page's files stand in client/web/dist");
    for entry in entries {
        let path = entry.expect("the page's folder can be read").path();
        match path.is_dir() {
            true => collect(&path, files),
            false => files.push(path),
        }
    }
}
