//! Pure modules stay pure: clippy's list names paths, and a `use tokio::…` would pass it, so imports are read here.

use crate::Complaint;
use crate::edges::PURE_CRATES;
use crate::source::{Source, is_word};

/// The opt-in of a pure crate or module.
const DENY: &str = "deny(clippy::disallowed_methods, clippy::disallowed_types)";

/// The cores of nodes and clients: the same code runs in the simulation.
const PURE_CORES: &[&str] = &[
    "client/core/src/lib.rs",
    "gameserver/src/region/mod.rs",
    "proxy/src/edge/mod.rs",
    "proxy/src/shard/mod.rs",
];

/// What pure code must not name, and what it uses instead.
const IMPURE_PATHS: &[(&str, &str)] = &[
    ("tokio::", "effects"),
    ("tokio_util::", "effects"),
    ("socket2::", "effects"),
    ("nix::", "effects"),
    ("std::net::TcpStream", "effects"),
    ("std::net::TcpListener", "effects"),
    ("std::net::UdpSocket", "effects"),
    ("std::fs::", "an argument"),
    ("std::thread::", "effects"),
    ("std::env::", "an argument"),
    ("Instant::now", "a `now` argument"),
    ("SystemTime::now", "a `now` argument"),
    ("getrandom::", "an `Entropy` argument"),
    ("HashMap::new", "BTreeMap, or a map with a fixed hasher"),
    ("HashSet::new", "BTreeSet, or a set with a fixed hasher"),
];

/// Names of `std::net` that a `use std::net::{…}` of pure code may not hold.
const SOCKETS: &[&str] = &["TcpStream", "TcpListener", "UdpSocket"];

/// Impure paths in pure code, and pure crates and cores whose root forgot the opt-in.
#[must_use]
pub fn impure_modules(sources: &[Source]) -> Vec<Complaint> {
    let roots = pure_roots(sources);
    let mut complaints = Vec::new();
    for name in PURE_CRATES {
        let root = sources
            .iter()
            .find(|s| s.path.ends_with(&format!("{name}/src/lib.rs")));
        if root.is_some_and(|s| !opts_in(s)) {
            complaints.push(Complaint::new(*name, format!("begin src/lib.rs with #![{DENY}]")));
        }
    }
    for core in PURE_CORES {
        let root = sources.iter().find(|s| s.path == *core);
        if root.is_some_and(|s| !opts_in(s)) {
            complaints.push(Complaint::new(*core, format!("begin with #![{DENY}]")));
        }
    }
    for source in sources
        .iter()
        .filter(|s| !s.test && roots.iter().any(|root| covers(root, &s.path)))
    {
        complaints.extend(impure_paths(source));
    }
    complaints
}

fn opts_in(source: &Source) -> bool {
    source.code.contains(&format!("#![{DENY}"))
}

/// What the opt-in of each file covers: a folder (with a slash at the end) or one file and its folder.
fn pure_roots(sources: &[Source]) -> Vec<String> {
    let in_src = sources.iter().filter(|s| s.path.contains("/src/"));
    let mut roots = Vec::new();
    for source in in_src {
        let folder = source
            .path
            .strip_suffix("lib.rs")
            .or_else(|| source.path.strip_suffix("mod.rs"));
        let root = folder.map_or_else(|| source.path.trim_end_matches(".rs").to_owned(), str::to_owned);
        let children = folder.map_or_else(|| format!("{root}/"), str::to_owned);
        roots.extend(declared_pure(source).map(|child| format!("{children}{child}")));
        if opts_in(source) {
            roots.push(root);
        }
    }
    roots
}

/// The modules that a file declares with the opt-in in front.
fn declared_pure(source: &Source) -> impl Iterator<Item = &str> {
    let lines = source.code.lines().zip(source.code.lines().skip(1));
    lines.filter_map(|(attribute, item)| {
        let denied = attribute.trim() == format!("#[{DENY}]");
        let item = item.trim().strip_prefix("pub ").unwrap_or(item.trim());
        item.strip_prefix("mod ")?.strip_suffix(';').filter(|_| denied)
    })
}

fn covers(root: &str, path: &str) -> bool {
    let Some(rest) = path.strip_prefix(root) else {
        return false;
    };
    root.ends_with('/') || rest == ".rs" || rest.starts_with('/')
}

fn impure_paths(source: &Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (number, line) in source.product.lines().enumerate() {
        let place = || format!("{}:{}", source.path, number + 1);
        for (path, instead) in IMPURE_PATHS.iter().filter(|(path, _)| names(line, path)) {
            let what = format!("pure code must not name `{path}`; it gets {instead}");
            complaints.push(Complaint::new(place(), what));
        }
        let group = line.contains("std::net::{");
        if group && SOCKETS.iter().any(|socket| names(line, socket)) {
            complaints.push(Complaint::new(place(), "pure code must not import sockets"));
        }
    }
    complaints
}

/// Whether `line` holds `path` as whole words.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        let starts = before.is_none_or(|c| !is_word(c));
        starts && (path.ends_with(':') || after.is_none_or(|c| !is_word(c)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURE: &str = "//! x\n#![deny(clippy::disallowed_methods, clippy::disallowed_types)]\n";

    #[test]
    fn a_pure_module_and_its_children_must_not_name_sockets_or_clocks() {
        let pure = Source::new("gameserver/src/region.rs", PURE);
        let beside = Source::new("gameserver/src/region_task.rs", "use tokio::net::TcpStream;\n");
        assert_eq!(impure_modules(&[pure.clone(), beside]), []);
        for line in [
            "use tokio::net::TcpStream;",
            "use std::net::{IpAddr, UdpSocket};",
            "let a = std::time::Instant::now();",
            "use std::fs::File;",
        ] {
            let child = Source::new("gameserver/src/region/tick.rs", line);
            assert_eq!(impure_modules(&[pure.clone(), child]).len(), 1, "{line}");
        }
    }

    #[test]
    fn addresses_tests_and_words_that_only_look_alike_are_fine() {
        let text = format!(
            "{PURE}use std::net::{{IpAddr, SocketAddr}};\nuse mytokio::x;\n#[cfg(test)]\nmod tests {{ use std::fs::File; }}\n"
        );
        assert_eq!(impure_modules(&[Source::new("net/src/link_state.rs", &text)]), []);
    }

    #[test]
    fn a_module_declared_pure_by_its_parent_is_read_as_well() {
        let parent = format!("//! x\n#[{DENY}]\npub mod plan;\nmod run;\n");
        let parent = Source::new("loadtest/src/lib.rs", &parent);
        let reads = |path| Source::new(path, "use std::fs::File;\n");
        let found = impure_modules(&[
            parent,
            reads("loadtest/src/plan.rs"),
            reads("loadtest/src/plan/walk.rs"),
            reads("loadtest/src/run.rs"),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_core_that_forgot_the_opt_in_is_found() {
        assert_eq!(
            impure_modules(&[Source::new("proxy/src/edge/mod.rs", "//! x\n")]).len(),
            1
        );
    }

    #[test]
    fn a_pure_crate_that_forgot_the_opt_in_is_found() {
        assert_eq!(
            impure_modules(&[Source::new("common/protocol/src/lib.rs", "//! x\n")]).len(),
            1
        );
        assert_eq!(
            impure_modules(&[Source::new("common/protocol/src/lib.rs", PURE)]),
            []
        );
    }
}
