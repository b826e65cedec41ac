//! Which crate of ours may depend on which: the only wall that holds is a dependency list.

use crate::Complaint;
use serde_json::Value;
use std::collections::BTreeSet;

/// Everything of ours that may sit below the binaries.
const ALL: &[&str] = &[
    "faultpoint",
    "program",
    "protocol",
    "game",
    "demo",
    "topology",
    "net",
    "node",
    "store",
    "gameserver",
    "game-testing",
    "proxy",
    "client",
    "client-core",
    "loadtest",
];
/// Benchmarks also start the local cluster.
const BENCH: &[&str] = &[
    "client",
    "game",
    "gameserver",
    "demo",
    "net",
    "program",
    "protocol",
    "proxy",
    "regionmesh",
    "store",
    "topology",
];
/// Games: what is not for one of them does without, but tests need a game to play.
const GAMES: &[&str] = &["demo"];

/// The table: a crate, and the crates of ours that it may depend on. A new crate enters here first.
pub const EDGES: &[(&str, &[&str])] = &[
    ("faultpoint", &[]),
    ("program", &[]),
    ("protocol", &[]),
    ("settings", &[]),
    ("game", &["protocol", "settings"]),
    ("demo", &["game"]),
    ("topology", &["protocol"]),
    ("net", &["protocol"]),
    ("store", &["protocol"]),
    (
        "node",
        &["program", "protocol", "settings", "topology", "net", "store"],
    ),
    (
        "gameserver",
        &[
            "program",
            "protocol",
            "topology",
            "net",
            "node",
            "store",
            "game",
            "faultpoint",
        ],
    ),
    // What the tests of games run in: the regions that ship.
    (
        "game-testing",
        &["protocol", "topology", "store", "game", "gameserver"],
    ),
    // It plays a client itself, for tools.
    (
        "proxy",
        &[
            "program",
            "protocol",
            "topology",
            "net",
            "node",
            "store",
            "client",
            "faultpoint",
        ],
    ),
    ("client-core", &["protocol"]),
    ("client-web", &["protocol", "client-core"]),
    ("client", &["protocol", "net", "client-core"]),
    ("loadtest", &["program", "protocol", "game", "net", "client"]),
    ("simulation", ALL),
    // Measures whatever there is, from the inside and from outside; nothing depends on it.
    ("bench", BENCH),
    ("regionmesh", ALL),
    ("fuzz-targets", &["protocol", "topology", "demo"]),
    ("tidy", &[]),
];

/// Crates that must not reach a run time or a socket through any dependency, nor name entropy themselves.
pub const PURE_CRATES: &[&str] = &[
    "protocol",
    "settings",
    "topology",
    "client-core",
    "game",
    "demo",
    "faultpoint",
];

/// What a pure crate must not reach, however deep.
const IMPURE_PACKAGES: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "nix",
    "async-std",
    "smol",
    "net",
    "node",
    "store",
];

/// What a pure crate must not depend on itself; cryptography drags these along without using them.
const IMPURE_DIRECT: &[&str] = &["getrandom", "rand"];

/// Dependencies between crates of ours that the table does not allow, and crates that it does not know.
#[must_use]
pub fn edges(metadata: &Value) -> Vec<Complaint> {
    let members = members(metadata);
    let names: BTreeSet<&str> = members
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let mut complaints = Vec::new();
    for package in &members {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = EDGES.iter().find(|(row, _)| *row == name) else {
            complaints.push(Complaint::new(
                name,
                "is not in the table of crate edges (tidy/src/edges.rs)",
            ));
            continue;
        };
        for dependency in list(&package["dependencies"]) {
            let on = dependency["name"].as_str().unwrap_or_default();
            let plays = dependency["kind"] == "dev" && GAMES.contains(&on);
            if names.contains(on) && !allowed.contains(&on) && !plays {
                complaints.push(Complaint::new(name, format!("must not depend on {on}")));
            }
        }
    }
    complaints
}

/// Pure crates that reach something impure in their normal dependencies, however deep.
#[must_use]
pub fn impure_dependencies(metadata: &Value) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for name in PURE_CRATES {
        for reached in reachable(metadata, name) {
            if IMPURE_PACKAGES.contains(&reached.as_str()) {
                complaints.push(Complaint::new(
                    *name,
                    format!("is pure and must not reach {reached}"),
                ));
            }
        }
        let package = members(metadata)
            .into_iter()
            .find(|package| package["name"].as_str() == Some(*name));
        let dependencies = package
            .into_iter()
            .flat_map(|package| list(&package["dependencies"]));
        let normal = dependencies
            .filter(|d| d["kind"].is_null())
            .filter_map(|d| d["name"].as_str());
        for direct in normal.filter(|d| IMPURE_DIRECT.contains(d)) {
            complaints.push(Complaint::new(
                *name,
                format!("is pure and must not depend on {direct}"),
            ));
        }
    }
    complaints
}

fn members(metadata: &Value) -> Vec<&Value> {
    let ids: BTreeSet<&str> = list(&metadata["workspace_members"])
        .filter_map(Value::as_str)
        .collect();
    list(&metadata["packages"])
        .filter(|package| package["id"].as_str().is_some_and(|id| ids.contains(id)))
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Names of all packages behind normal (not build, not development) dependencies of `name`.
fn reachable(metadata: &Value, name: &str) -> BTreeSet<String> {
    let id_of = |package: &&Value| package["name"].as_str() == Some(name);
    let start = members(metadata)
        .into_iter()
        .find(id_of)
        .and_then(|package| package["id"].as_str());
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = start.into_iter().collect();
    while let Some(id) = open.pop() {
        let node = list(&metadata["resolve"]["nodes"]).find(|node| node["id"].as_str() == Some(id));
        for dependency in node.into_iter().flat_map(|node| list(&node["deps"])) {
            let normal = list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
            let Some(next) = dependency["pkg"].as_str().filter(|_| normal) else {
                continue;
            };
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    let reached =
        list(&metadata["packages"]).filter(|p| p["id"].as_str().is_some_and(|id| seen.contains(id)));
    reached
        .filter_map(|package| package["name"].as_str())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample(dependencies: &Value) -> Value {
        json!({
            "workspace_members": ["protocol#1", "net#1", "topology#1"],
            "packages": [
                {"id": "protocol#1", "name": "protocol", "dependencies": dependencies},
                {"id": "net#1", "name": "net", "dependencies": [{"name": "protocol"}, {"name": "tokio"}]},
                {"id": "topology#1", "name": "topology", "dependencies": []},
                {"id": "toml#1", "name": "toml"}, {"id": "tokio#1", "name": "tokio"},
            ],
            "resolve": {"nodes": []}})
    }

    #[test]
    fn an_edge_outside_the_table_is_found() {
        assert_eq!(edges(&sample(&json!([{"name": "bytes"}]))), []);
        let complaints = edges(&sample(&json!([{"name": "net"}])));
        assert_eq!(complaints, [Complaint::new("protocol", "must not depend on net")]);
    }

    #[test]
    fn only_tests_play_a_game() {
        let sample = |kind: Value| {
            let packages = json!([
                {"id": "proxy#1", "name": "proxy", "dependencies": [{"name": "demo", "kind": kind}]},
                {"id": "demo#1", "name": "demo", "dependencies": []}]);
            json!({"workspace_members": ["proxy#1", "demo#1"], "packages": packages})
        };
        assert_eq!(edges(&sample(json!("dev"))), []);
        assert_eq!(
            edges(&sample(json!(null))),
            [Complaint::new("proxy", "must not depend on demo")]
        );
    }

    #[test]
    fn a_crate_that_the_table_does_not_know_is_found() {
        let metadata = json!({"workspace_members": ["x#1"], "packages": [{"id": "x#1", "name": "x", "dependencies": []}]});
        assert_eq!(edges(&metadata).len(), 1);
    }

    #[test]
    fn an_impure_package_is_found_behind_another_and_a_build_dependency_is_none() {
        let mut metadata = sample(&json!([]));
        let normal = json!([{"kind": null}]);
        let build = json!([{"kind": "build"}]);
        metadata["resolve"]["nodes"] = json!([
            {"id": "topology#1", "deps": [{"pkg": "toml#1", "dep_kinds": normal}]},
            {"id": "toml#1", "deps": [{"pkg": "tokio#1", "dep_kinds": normal}]},
            {"id": "protocol#1", "deps": [{"pkg": "tokio#1", "dep_kinds": build}]}]);
        let complaints = impure_dependencies(&metadata);
        assert_eq!(
            complaints,
            [Complaint::new("topology", "is pure and must not reach tokio")]
        );
    }

    #[test]
    fn entropy_is_found_as_a_direct_dependency_only() {
        let direct = impure_dependencies(&sample(&json!([{"name": "getrandom", "kind": null}])));
        assert_eq!(
            direct,
            [Complaint::new(
                "protocol",
                "is pure and must not depend on getrandom"
            )]
        );
        assert_eq!(
            impure_dependencies(&sample(&json!([{"name": "getrandom", "kind": "dev"}]))),
            []
        );
    }
}
