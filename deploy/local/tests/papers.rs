//! The operator's commands for papers and topologies, and nodes that take up new papers while they run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

use node::OsEntropy;
use node::authority_dir::AuthorityDir;
use node::clock::wall_ms;
use regionmesh::Cluster;
use serde_json::Value;
use support::{PATIENCE, ask, eventually, finish, logs, start};

const THREE_HOSTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../three-hosts/topology.toml");
const HOUR_MS: u64 = 3_600_000;

fn run(line: &str) -> (i32, String, String) {
    finish(&line.split_whitespace().collect::<Vec<_>>())
}

/// Seconds that a paper has left, as metrics tell.
fn left_s(cluster: &Cluster, node: &str, paper: &str) -> f64 {
    let metrics = cluster.metrics(node).unwrap();
    let name = format!("regionmesh_paper_left_seconds{{paper=\"{paper}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}"))
        .parse()
        .unwrap()
}

fn ready(cluster: &Cluster, node: &str) -> String {
    let admin = cluster.addresses_of(node).unwrap().admin.to_string();
    ask(&admin, "GET /readyz?verbose")
}

#[test]
fn running_nodes_take_up_papers_and_topologies_that_are_put_into_their_directories() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    let cluster = start(support::one(&data));
    let mut authority = AuthorityDir::open(&data).unwrap();
    assert!(left_s(&cluster, "edge-1", "role_voucher") > 6.9 * 86_400.0);
    assert!(left_s(&cluster, "gs-a", "certificate") > 89.9 * 86_400.0);

    // Half a day is left of the voucher: a note, and the figure.
    let soon_ms = wall_ms() - (7 * 24 - 12) * HOUR_MS;
    authority.renew_node("edge-1", None, soon_ms).unwrap();
    eventually("the papers are in use", PATIENCE, || {
        left_s(&cluster, "edge-1", "role_voucher") < 12.1 * 3_600.0
    });
    let said = ready(&cluster, "edge-1");
    assert!(
        said.contains(" 200 ") && said.contains("role voucher 11 h left"),
        "{said}"
    );

    // A voucher that has ended is told, and does not take the place of the one in use.
    authority
        .renew_node("edge-1", None, wall_ms() - 8 * 24 * HOUR_MS)
        .unwrap();
    eventually("the refusal is told", PATIENCE, || {
        ready(&cluster, "edge-1").contains("new papers")
    });
    let said = ready(&cluster, "edge-1");
    assert!(
        said.contains(" 200 ") && said.contains("expired") && said.contains("those before stay in use"),
        "{said}"
    );
    assert!(left_s(&cluster, "edge-1", "role_voucher") > 0.0);

    // Good ones end it, and who comes in then is let in under them.
    for name in ["edge-1", "gs-a"] {
        authority.renew_node(name, None, wall_ms()).unwrap();
    }
    eventually("the papers are in use", PATIENCE, || {
        left_s(&cluster, "edge-1", "role_voucher") > 6.9 * 86_400.0
    });
    eventually("the refusal is over", PATIENCE, || {
        !ready(&cluster, "edge-1").contains("new papers")
    });
    let join = cluster.join_file().display().to_string();
    let (code, out, error) = run(&format!(
        "loadtest --join {join} --players 3 --for 2s --warm-up 1s"
    ));
    assert_eq!(code, 0, "{out}{error}");

    // A topology that one node is given spreads to the other; an older one is put right.
    let bundle = |node: &str| data.join("nodes").join(node).join("topology.bundle");
    let older = std::fs::read(bundle("gs-a")).unwrap();
    let text = std::fs::read_to_string(data.join("topology.toml")).unwrap();
    let topology = topology::parse("topology.toml", &text).unwrap();
    let kept = std::fs::read(bundle("edge-1")).unwrap();
    let newer = authority.sign(&text, &topology, wall_ms()).unwrap().sealed;
    std::fs::write(bundle("edge-1"), &kept).unwrap();
    eventually("the other node has it", PATIENCE, || {
        std::fs::read(bundle("edge-1")).unwrap() == newer
    });
    std::fs::write(bundle("gs-a"), &older).unwrap();
    eventually("the older one is put right", PATIENCE, || {
        std::fs::read(bundle("gs-a")).unwrap() == newer
    });
    assert!(cluster.stop().is_empty(), "{}", logs(&data));
}

#[test]
fn papers_are_made_by_commands_and_every_refusal_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let authority = at("authority");
    let (code, _, error) = run(&format!(
        "node issue gs-a --role gameserver --authority {authority}"
    ));
    assert!(
        code == 2 && error.contains("regionmesh authority init"),
        "{error}"
    );
    let (code, out, _) = run(&format!("authority init --authority {authority}"));
    assert!(code == 0 && out.contains("keep its authority.key off"), "{out}");
    for (names, role) in [
        ("gs-a gs-b gs-c gs-d gs-e gs-f", "gameserver"),
        ("edge-1 edge-2 edge-3", "proxy"),
    ] {
        let (code, out, error) = run(&format!(
            "node issue {names} --role {role} --authority {authority}"
        ));
        assert!(code == 0 && out.contains("certificate until"), "{out}{error}");
    }
    let sealed = at("signed.bundle");
    let sign = format!("topology sign {THREE_HOSTS} --authority {authority} --to {sealed}");
    let (code, out, error) = run(&sign);
    assert!(
        code == 0 && out.contains("topology version 1, until "),
        "{out}{error}"
    );
    let edge = format!("{authority}/nodes/edge-1");
    let (code, out, _) = run(&format!("node inspect {edge}"));
    assert!(
        code == 0 && out.contains("this node is proxy edge-1, number 101"),
        "{out}"
    );
    let (code, out, error) = run(&format!("node renew --authority {authority}"));
    assert!(
        code == 0 && out.matches("renewed for").count() == 9,
        "{out}{error}"
    );
    let join: Value =
        serde_json::from_slice(&std::fs::read(format!("{authority}/join.json")).unwrap()).unwrap();
    assert_eq!(join["proxies"][2]["tcp"], "host-3.mesh.example:7000");
    let (code, _, error) = run(&format!(
        "topology sign {} --authority {authority}",
        local_topology()
    ));
    assert!(code == 2 && error.contains("port 0"), "{error}");
    a_revoked_node_is_told_so(&authority, &sign, &sealed);
}

fn a_revoked_node_is_told_so(authority: &str, sign: &str, sealed: &str) {
    let edge = format!("{authority}/nodes/edge-1");
    let (code, out, _) = run(&format!("node revoke edge-1 --authority {authority}"));
    assert!(code == 0 && out.contains("is revoked"), "{out}");
    let (code, _, error) = run(sign);
    assert!(
        code == 2 && error.contains("`edge-1` has no papers here"),
        "{error}"
    );
    // Its old directory says so once it has a topology that does.
    let kept = format!("{authority}/kept");
    std::fs::rename(&edge, &kept).unwrap();
    assert_eq!(
        run(&format!("node issue edge-1 --role proxy --authority {authority}")).0,
        0
    );
    assert_eq!(run(sign).0, 0);
    std::fs::copy(sealed, Path::new(&kept).join("topology.bundle")).unwrap();
    let (code, out, _) = run(&format!("node inspect {kept}"));
    assert!(
        code == 2 && out.contains("! topology.bundle: ") && out.contains("this node is revoked in it"),
        "{out}"
    );
}

fn local_topology() -> String {
    format!("{}/../topologies/two-by-two.toml", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn topologies_are_checked_for_machines_drawn_compared_and_described() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = format!(
        "{}/../../topology/tests/fixtures/RM0027-overlap.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let (code, out, _) = run(&format!("topology check {wrong} --json"));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"]), (2, &false.into()));
    let problem = &report["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["severity"]),
        (&"RM0027".into(), &"error".into())
    );
    assert_eq!(
        (&problem["line"], &problem["column"], &problem["file"]),
        (&39.into(), &7.into(), &wrong.clone().into())
    );
    assert!(
        problem["message"].as_str().unwrap().contains("overlap")
            && problem["remedy"].as_str().unwrap().contains("move an edge"),
        "{problem}"
    );
    let (code, out, _) = run(&format!("topology check {} --json", local_topology()));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &report["ok"], &report["problems"]),
        (0, &true.into(), &Value::Array(Vec::new()))
    );

    let picture = folder.path().join("p.svg").display().to_string();
    let (code, out, _) = run(&format!("topology render {} --to {picture}", local_topology()));
    assert!(code == 0 && out.trim_end() == picture, "{out}");
    let (_, drawn, _) = run(&format!("topology render {}", local_topology()));
    assert_eq!(std::fs::read_to_string(&picture).unwrap(), drawn);
    let (code, _, error) = run(&format!("topology render {wrong}"));
    assert!(code == 2 && error.contains("RM0027"), "{error}");

    let (code, out, _) = run(&format!("topology diff {0} {0}", local_topology()));
    assert_eq!((code, out.as_str()), (0, "nothing differs\n"));
    let (code, out, _) = run(&format!("topology diff {} {THREE_HOSTS}", local_topology()));
    assert!(
        code == 0 && out.contains("no running cluster takes that up"),
        "{out}"
    );
    let (code, out, _) = run("topology schema");
    let schema: Value = serde_json::from_str(&out).unwrap();
    assert!(
        code == 0 && schema["properties"]["world"]["required"].is_array(),
        "{out}"
    );
}

#[test]
fn a_topology_is_sized_for_people_and_for_machines() {
    let folder = tempfile::tempdir().unwrap();
    let local = local_topology();
    let (code, out, _) = run(&format!("topology size {local} --players 1000"));
    assert!(
        code == 0 && out.starts_with("1000 players at 20 ticks") && out.contains("first full: "),
        "{out}"
    );
    let all = format!("topology size {local} --players 1000 --json");
    let (_, even, _) = run(&all);
    let (_, gathered, _) = run(&format!("{all} --at 100,100,40 --gathered 0.9"));
    let [even, gathered] = [even, gathered].map(|out| serde_json::from_str::<Value>(&out).unwrap());
    let players = |size: &Value| size["servers"][0]["players"].as_f64().unwrap();
    assert_eq!((players(&even), players(&gathered)), (250.0, 925.0));
    assert!(gathered["visible"]["most"].as_f64() > even["visible"]["most"].as_f64());
    assert!(gathered["first_full"]["players"].as_u64() < even["first_full"]["players"].as_u64());

    for (wrong, says) in [
        ("--at 5000,1", "the world ends at 1024,1024"),
        ("--at 5", "X,Y,RADIUS"),
        ("--gathered 2", "from 0 to 1"),
    ] {
        let (code, _, error) = run(&format!("topology size {local} --players 10 {wrong}"));
        assert!(code == 2 && error.contains(says), "{wrong}: {code} {error}");
    }
    let table = folder.path().join("units.toml");
    std::fs::write(&table, "machine = \"here\"\nproxy_cores = 1\n").unwrap();
    let costs = table.display();
    let (code, _, error) = run(&format!("topology size {local} --players 10 --costs {costs}"));
    assert!(code == 2 && error.contains("`proxy_us` is missing"), "{error}");
}

#[test]
fn a_cluster_of_an_earlier_build_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    assert!(start(support::one(&data)).stop().is_empty());
    let path = data.join("authority.json");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for node in state["nodes"].as_object_mut().unwrap().values_mut() {
        *node = node["uuid"].clone();
    }
    state.as_object_mut().unwrap().remove("revoked");
    std::fs::write(&path, state.to_string()).unwrap();
    assert!(AuthorityDir::open_or_create(&data, &mut OsEntropy).is_ok());
    assert!(start(support::one(&data)).stop().is_empty(), "{}", logs(&data));
}
