//! What other people's code may be in the build: licences we can ship, and no C cryptography beside our own.

use crate::Complaint;
use serde_json::Value;

/// Licences that may be shipped together with ours, by SPDX name. `deny.toml` lists the same.
pub const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages that must not be in the build, by prefix: one cryptography only, and nothing that needs cmake or a system library.
pub const BANNED: &[&str] = &["aws-lc", "openssl", "native-tls"];
/// Called after one of them and none of it: finds the folders in which systems keep certificates, in Rust alone.
const HARMLESS: &str = "openssl-probe";

/// Packages of `cargo metadata` whose licence is missing or not allowed.
#[must_use]
pub fn licences(metadata: &Value) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for package in packages(metadata) {
        let name = package["name"].as_str().unwrap_or_default();
        match package["license"].as_str() {
            None => complaints.push(Complaint::new(name, "names no licence")),
            Some(expression) if !allowed(expression) => {
                complaints.push(Complaint::new(
                    name,
                    format!("licence `{expression}` is not on the list"),
                ));
            }
            Some(_) => {}
        }
    }
    complaints
}

/// Packages of `cargo metadata` that must not be there.
#[must_use]
pub fn banned(metadata: &Value) -> Vec<Complaint> {
    let names = packages(metadata)
        .iter()
        .filter_map(|package| package["name"].as_str());
    let found =
        names.filter(|name| *name != HARMLESS && BANNED.iter().any(|prefix| name.starts_with(prefix)));
    found
        .map(|name| {
            Complaint::new(
                name,
                "must not be in the build; turn off the feature that pulls it in",
            )
        })
        .collect()
}

fn packages(metadata: &Value) -> &[Value] {
    metadata["packages"].as_array().map_or(&[], Vec::as_slice)
}

/// Whether an SPDX expression can be met with listed licences only. `AND` binds tighter than `OR`; the old `/` means `OR`.
#[must_use]
pub fn allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    let verdict = any_of(&mut rest);
    verdict && rest.is_empty()
}

fn any_of(rest: &mut &[&str]) -> bool {
    let mut verdict = all_of(rest);
    while eat(rest, "OR") {
        let right = all_of(rest);
        verdict = verdict || right;
    }
    verdict
}

fn all_of(rest: &mut &[&str]) -> bool {
    let mut verdict = single(rest);
    while eat(rest, "AND") {
        let right = single(rest);
        verdict = verdict && right;
    }
    verdict
}

fn single(rest: &mut &[&str]) -> bool {
    if eat(rest, "(") {
        let verdict = any_of(rest);
        return eat(rest, ")") && verdict;
    }
    let Some((name, tail)) = rest.split_first() else {
        return false;
    };
    *rest = tail;
    if eat(rest, "WITH") {
        let exception = rest.first().copied().unwrap_or_default();
        *rest = rest.get(1..).unwrap_or_default();
        return LICENCES.contains(&format!("{name} WITH {exception}").as_str());
    }
    LICENCES.contains(name)
}

fn eat(rest: &mut &[&str], token: &str) -> bool {
    let found = rest.first() == Some(&token);
    if found {
        *rest = &rest[1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn expressions_are_read_as_spdx_says() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
            "MIT AND (BSD-3-Clause OR GPL-3.0)",
        ] {
            assert!(allowed(good), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "",
            "MIT GPL-3.0",
            "(MIT",
            "MPL-2.0 AND MIT",
            "MIT WITH Classpath",
        ] {
            assert!(!allowed(bad), "{bad}");
        }
    }

    #[test]
    fn a_package_without_or_with_a_foreign_licence_is_found() {
        let metadata = json!({"packages": [
            {"name": "a", "license": "MIT"}, {"name": "b", "license": null}, {"name": "c", "license": "AGPL-3.0"}]});
        let places: Vec<_> = licences(&metadata).into_iter().map(|c| c.place).collect();
        assert_eq!(places, ["b", "c"]);
    }

    #[test]
    fn banned_packages_are_found() {
        let metadata =
            json!({"packages": [{"name": "aws-lc-sys"}, {"name": "openssl-sys"}, {"name": "ring"}]});
        assert_eq!(banned(&metadata).len(), 2);
    }
}
