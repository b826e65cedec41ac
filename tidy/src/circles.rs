//! Module circles: no module may import from one that imports it, however long the way round.
//!
//! A module may name its ancestors (their types are the ground it stands on) and an ancestor may use what is below
//! it; everything else must be a tree read in one direction. Re-exports are followed to the module they come from.

use crate::Complaint;
use crate::source::{Source, is_word};
use std::collections::{BTreeMap, BTreeSet};

/// Module path within its crate: empty for the root.
type Module = Vec<String>;

/// All circles in all crates, one complaint for each group of modules that import each other.
#[must_use]
pub fn circles(sources: &[Source]) -> Vec<Complaint> {
    let mut crates: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for source in sources.iter().filter(|s| s.path.ends_with(".rs")) {
        if let Some((name, _)) = source.path.split_once("/src/") {
            crates.entry(name).or_default().push(source);
        }
    }
    let found = crates.into_iter().flat_map(|(name, files)| {
        let groups = groups(&imports(&files));
        groups
            .into_iter()
            .map(move |group| Complaint::new(name, format!("module circle: {}", group.join(" → "))))
    });
    found.collect()
}

/// For each module, the modules it imports from; ancestors left out.
fn imports(files: &[&Source]) -> BTreeMap<Module, BTreeSet<Module>> {
    let modules: BTreeMap<Module, &Source> = files
        .iter()
        .filter(|s| !s.path.contains("/bin/"))
        .map(|s| (module_of(&s.path), *s))
        .collect();
    let known: BTreeSet<Module> = modules.keys().cloned().collect();
    let exports = re_exports(&modules, &known);
    let mut edges = BTreeMap::new();
    for (module, source) in &modules {
        if source.test {
            continue;
        }
        let paths = paths(&source.product).into_iter();
        let targets = paths.filter_map(|path| resolve(&path, module, &known, &exports));
        let kept = targets.filter(|target| !module.starts_with(target)).collect();
        edges.insert(module.clone(), kept);
    }
    edges
}

fn module_of(path: &str) -> Module {
    let inner = path
        .split_once("/src/")
        .map_or(path, |(_, inner)| inner)
        .trim_end_matches(".rs");
    let mut parts: Module = inner.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// What each module re-exports under its own path: name to the module that it comes from.
fn re_exports(modules: &BTreeMap<Module, &Source>, known: &BTreeSet<Module>) -> BTreeMap<Module, Module> {
    let mut exports = BTreeMap::new();
    for (module, source) in modules {
        for statement in source
            .product
            .split(';')
            .filter_map(|s| s.split_once("pub use ").map(|(_, tree)| tree))
        {
            for path in expand(statement) {
                let target = resolve(&path, module, known, &BTreeMap::new());
                if let (Some(target), Some(name)) = (target, path.last()) {
                    let mut exported = module.clone();
                    exported.push(name.clone());
                    exports.insert(exported, target);
                }
            }
        }
    }
    exports
}

/// The module that `path`, written in `from`, leads to; `None` when it leaves the crate.
fn resolve(
    path: &[String],
    from: &Module,
    known: &BTreeSet<Module>,
    exports: &BTreeMap<Module, Module>,
) -> Option<Module> {
    let mut base = from.clone();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => (base, rest) = (Module::new(), &rest[1..]),
        "self" => rest = &rest[1..],
        "super" => {}
        name => {
            let mut child = base.clone();
            child.push(name.to_owned());
            if !known.contains(&child) {
                return None;
            }
        }
    }
    while rest.first().is_some_and(|part| part == "super") {
        base.pop();
        rest = &rest[1..];
    }
    for part in rest {
        base.push(part.clone());
        if let Some(target) = exports.get(&base) {
            return Some(target.clone());
        }
        if !known.contains(&base) {
            base.pop();
            break;
        }
    }
    Some(base)
}

/// Every path in the code, `use` trees expanded: words joined by `::`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("::") {
        let start = rest[..at]
            .char_indices()
            .rev()
            .find(|(_, c)| !is_word(*c))
            .map_or(0, |(i, c)| i + c.len_utf8());
        let tree = &rest[start..];
        let end = tree_end(tree);
        found.extend(expand(&tree[..end]));
        rest = &rest[(start + end).max(at + 2)..];
    }
    found
}

/// Where a path or `use` tree ends: at the first character that is neither word nor `::`, braces included as a whole.
fn tree_end(tree: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in tree.char_indices() {
        match c {
            '{' if tree[..at].ends_with("::") || depth > 0 => depth += 1,
            '}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ if depth > 0 || is_word(c) || c == ':' => {}
            _ => return at,
        }
    }
    tree.len()
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![
            path.split("::")
                .map(|part| part.trim().to_owned())
                .filter(|part| !part.is_empty())
                .collect(),
        ];
    };
    let prefix: Vec<String> = head
        .split("::")
        .map(|p| p.trim().to_owned())
        .filter(|p| !p.is_empty())
        .collect();
    let inner = group.rsplit_once('}').map_or(group, |(inner, _)| inner);
    let parts = split_group(inner).into_iter().flat_map(expand);
    parts
        .map(|tail| {
            prefix
                .iter()
                .cloned()
                .chain(tail.into_iter().filter(|p| p != "self"))
                .collect()
        })
        .collect()
}

fn split_group(inner: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// Groups of two or more modules each of which reaches all others.
fn groups(edges: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<Vec<String>> {
    let reach: BTreeMap<&Module, BTreeSet<&Module>> =
        edges.keys().map(|m| (m, reachable(edges, m))).collect();
    let mut groups = BTreeSet::new();
    for (module, reached) in &reach {
        let group: Vec<String> = reached
            .iter()
            .filter(|other| reach.get(*other).is_some_and(|back| back.contains(module)))
            .map(|other| other.join("::"))
            .collect();
        if group.len() > 1 {
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

fn reachable<'a>(edges: &'a BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&Module> = edges.get(from).into_iter().flatten().collect();
    while let Some(next) = open.pop() {
        if seen.insert(next) {
            open.extend(edges.get(next).into_iter().flatten());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(&format!("a/src/{path}"), text))
            .collect();
        circles(&sources).into_iter().map(|c| c.what).collect()
    }

    #[test]
    fn two_and_three_modules_in_a_circle_are_found() {
        assert_eq!(
            check(&[("x.rs", "use crate::y::Y;"), ("y.rs", "fn f() { crate::x::g() }")]),
            ["module circle: x → y"]
        );
        let three = [
            ("x.rs", "use crate::{z::Z, y::{Y, W}};"),
            ("y.rs", "use super::z;"),
            ("z.rs", "use super::x::X;"),
        ];
        assert_eq!(check(&three), ["module circle: x → y → z"]);
    }

    #[test]
    fn parents_children_and_tests_make_no_circle() {
        let files = [
            ("lib.rs", "pub mod x; pub use x::X; pub struct Root;"),
            (
                "x.rs",
                "mod y; use y::Y; use self::y::Z; use crate::Root;\n#[cfg(test)]\nmod tests { use crate::z::Q; }",
            ),
            ("x/y.rs", "use super::X; use std::fmt;"),
            ("z.rs", "use crate::x::X;"),
            ("z/tests.rs", "use crate::z::Q;"),
        ];
        assert_eq!(check(&files), Vec::<String>::new());
    }

    #[test]
    fn a_circle_through_a_re_export_or_a_child_is_found() {
        let exported = [
            ("lib.rs", "pub use x::X;"),
            ("x.rs", "use crate::y::Y;"),
            ("y.rs", "use crate::X;"),
        ];
        assert_eq!(check(&exported), ["module circle: x → y"]);
        let child = [
            ("x.rs", "use x_child::A; mod c; use c::A;"),
            ("x/c.rs", "use crate::y::Y;"),
            ("y.rs", "use crate::x::X;"),
        ];
        assert_eq!(check(&child), ["module circle: x → x::c → y"]);
    }
}
