//! The topology file: every mistake is a report, never a panic.

/// Text that claims to be a topology file.
pub(crate) fn topology(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = topology::parse("fuzz.toml", text);
    }
}
