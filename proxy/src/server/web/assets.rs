//! The files of the page, embedded: the binary is all that a proxy needs.

use std::collections::BTreeMap;

use protocol::keys::sha256;

/// Every file below `client/web/dist`, by its path there (`build.rs`).
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));
/// The file at `/`.
const INDEX: &str = "index.html";

/// One file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asset<'a> {
    pub(super) bytes: &'static [u8],
    pub(super) content_type: &'static str,
    /// Changes with the bytes, in quotes as HTTP wants it.
    pub(super) etag: &'a str,
}

/// All of them.
#[derive(Debug)]
pub(in crate::server) struct Assets(BTreeMap<&'static str, (&'static [u8], String)>);

impl Assets {
    pub(in crate::server) fn embedded() -> Self {
        Self::of(FILES)
    }

    fn of(files: &[(&'static str, &'static [u8])]) -> Self {
        let entry = |(path, bytes): &(&'static str, &'static [u8])| (*path, (*bytes, etag(bytes)));
        Self(files.iter().map(entry).collect())
    }

    /// What stands at a path of a request.
    pub(super) fn at(&self, path: &str) -> Option<Asset<'_>> {
        let name = match path.strip_prefix('/')? {
            "" => INDEX,
            name => name,
        };
        let (bytes, etag) = self.0.get(name)?;
        Some(Asset {
            bytes,
            content_type: content_type(name),
            etag,
        })
    }
}

fn etag(bytes: &[u8]) -> String {
    let digest = sha256(&[bytes]);
    let half = digest.iter().take(digest.len() / 2);
    let hex: String = half.map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_embedded_and_names_find_their_files_and_nothing_else() {
        let page = Assets::embedded();
        let index = page.at("/").unwrap();
        assert_eq!(index.content_type, "text/html; charset=utf-8");
        assert_eq!(page.at("/index.html"), Some(index));
        for wrong in ["", "/../Cargo.toml", "//index.html", "/index.html/", "index.html"] {
            assert_eq!(page.at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_tag_changes_with_the_bytes() {
        let assets = Assets::of(&[("a.js", b"1"), ("assets/b.wasm", b"1"), ("c", b"2")]);
        let asset = |path| assets.at(path).unwrap();
        assert_eq!(asset("/a.js").etag, asset("/assets/b.wasm").etag);
        assert_ne!(asset("/a.js").etag, asset("/c").etag);
        assert_eq!(asset("/a.js").etag.len(), 34);
        assert_eq!(asset("/assets/b.wasm").content_type, "application/wasm");
        assert_eq!(asset("/c").content_type, "application/octet-stream");
    }
}
