//! A topology that is pushed to a running cluster on a PostgreSQL database: regions that it gives to other servers go there while bots play,
//! nobody is thrown out, and nothing durable is lost or doubled. What no running cluster can take up is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "support/standby.rs"]
mod standby;
mod support;

use std::fs;
use std::path::Path;

use regionmesh::post_bytes;
use standby::{PATIENCE, PLAYERS, Scene};
use store::postgres::trial::TrialServer;
use support::{eventually, finish};

const NODES: [&str; 7] = ["gs-a", "gs-b", "gs-c", "gs-d", "gs-e", "edge-1", "edge-2"];

const OF_B: &str = "server = \"gs-b\"\nstandby = [\"gs-e\"]";
/// The region of gs-b goes to gs-e; gs-b stands by for gs-a.
const TO_E: [(&str, &str); 2] = [
    (
        "server = \"gs-a\"\nstandby = [\"gs-e\"]",
        "server = \"gs-a\"\nstandby = [\"gs-b\"]",
    ),
    (OF_B, "server = \"gs-e\""),
];

fn scene() -> Scene {
    Scene::on(TrialServer::start(&[]).unwrap())
}

impl Scene {
    /// The version that each node has in force.
    fn versions(&self) -> Vec<Option<u64>> {
        let version = |node| self.cluster.status(node).ok()?["topology_version"].as_u64();
        NODES.into_iter().map(version).collect()
    }

    /// Waits until all nodes have one topology, a newer one than this, and says which.
    fn agree_on_newer(&self, than: Option<u64>) -> Option<u64> {
        let mut version = None;
        eventually("every node has the newest topology", PATIENCE, || {
            let versions = self.versions();
            version = versions[0];
            version > than && versions.iter().all(|its| *its == version)
        });
        version
    }

    /// Pushes the topology of the beginning with changes, to this server.
    fn push(&self, changes: &[(&str, &str)], to: &str) -> (i32, String) {
        let mut text = fs::read_to_string(self.cluster.data().join("topology.toml")).unwrap();
        for (this, that) in changes {
            assert!(text.contains(this), "no {this} in\n{text}");
            text = text.replacen(this, that, 1);
        }
        self.push_text(&text, to)
    }

    fn push_text(&self, text: &str, to: &str) -> (i32, String) {
        let file = self.folder.path().join("pushed.toml");
        fs::write(&file, text).unwrap();
        let admin = self.cluster.addresses_of(to).unwrap().admin.to_string();
        let (file, authority) = (file.to_str().unwrap(), self.cluster.data().to_str().unwrap());
        let (code, said, errors) = finish(&[
            "topology",
            "push",
            file,
            "--admin",
            &admin,
            "--authority",
            authority,
            "--store",
            &self.database.address("world"),
        ]);
        (code, format!("{said}{errors}"))
    }

    /// Shows a bundle to this server as `topology push` does; it is refused, with these words.
    fn refuses(&self, bundle: &[u8], server: &str) -> String {
        let admin = self.cluster.addresses_of(server).unwrap().admin;
        let (code, said) = post_bytes(admin, "/topology", bundle).unwrap();
        assert_ne!(code, 200, "{said}");
        said
    }
}

/// What the authority of another cluster has signed.
fn signed_by_others(folder: &Path) -> Vec<u8> {
    let authority = folder.join("others");
    let topology = concat!(env!("CARGO_MANIFEST_DIR"), "/../three-hosts/topology.toml");
    let servers = ["gs-a", "gs-b", "gs-c", "gs-d", "gs-e", "gs-f"];
    let proxies = ["edge-1", "edge-2", "edge-3"];
    for words in [
        vec!["authority", "init"],
        [&["node", "issue", "--role", "gameserver"], &servers[..]].concat(),
        [&["node", "issue", "--role", "proxy"], &proxies[..]].concat(),
        vec!["topology", "sign", topology],
    ] {
        let words = [&words[..], &["--authority", authority.to_str().unwrap()]].concat();
        let (code, _, said) = finish(&words);
        assert_eq!(code, 0, "{said}");
    }
    fs::read(authority.join("topology.bundle")).unwrap()
}

/// A topology without a game server that nothing else in it names.
fn without(text: &str, server: &str) -> String {
    let begin = text.find(&format!("[[server]]\nname = \"{server}\"")).unwrap();
    let (before, it) = text.split_at(begin);
    let end = it[1..].find("[[").unwrap() + 1;
    format!("{before}{}", &it[end..])
}

#[test]
fn a_region_that_the_topology_gives_to_another_server_goes_there_while_everybody_plays() {
    let mut scene = scene();
    scene.swarm(&["--for", "20s"]);
    let (code, said) = scene.push(&TO_E, "gs-c");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("region north-east goes from gs-b to gs-e"),
        "{said}"
    );
    let told = "SELECT node || ' by ' || version FROM regionmesh.region_candidate WHERE region = 2";
    assert_eq!(scene.says(told), "5 by 2");
    eventually("gs-e alone has the region", PATIENCE, || {
        scene.served_by() == ["gs-e"]
    });
    eventually("everybody plays", PATIENCE, || scene.playing() == PLAYERS);
    assert_eq!(scene.agree_on_newer(Some(1)), Some(2));
    let result = scene.ends_well(&["durable", "soft"]);
    println!("gaps of those who stayed: {}", result["takeover_gap_ms"]);
}

#[test]
fn what_no_running_cluster_takes_up_is_refused_and_who_was_away_takes_nothing_back() {
    let mut scene = scene();
    let without_b = [
        ("name = \"gs-b\"\nnumber = 2", "name = \"gs-x\"\nnumber = 9"),
        (OF_B, "server = \"gs-x\"\nstandby = [\"gs-e\"]"),
    ];
    let turned = [(OF_B, "server = \"gs-e\"\nstandby = [\"gs-b\"]")];
    for (changes, why) in [
        (
            &[("tick_hz = 20", "tick_hz = 10")][..],
            "world tick_hz: 20, then 10",
        ),
        (&[("cell_size = 32", "cell_size = 64")], "world cell_size"),
        (
            &[(
                "[[region]]\nname = \"south-east\"\nnumber = 4",
                "[[region]]\nname = \"south-east\"\nnumber = 9",
            )],
            "region south-east (number 4) goes",
        ),
        (&without_b, "has no papers"),
    ] {
        let (code, said) = scene.push(changes, "gs-a");
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(why), "{why}: {said}");
    }
    let (code, said) = scene.push(&[], "edge-1");
    assert!(code == 2 && said.contains("no game server"), "{code} {said}");
    let first = fs::read(scene.cluster.data().join("nodes/gs-a/topology.bundle")).unwrap();
    let (code, said) = scene.push(&turned, "gs-a");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("region north-east stays with gs-b"), "{said}");
    let turned = scene.agree_on_newer(Some(1));
    let text = fs::read_to_string(scene.cluster.data().join("topology.toml")).unwrap();
    let to_e = text.replacen(OF_B, "server = \"gs-e\"", 1);
    let (code, said) = scene.push_text(&without(&to_e, "gs-b"), "gs-c");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("gs-b serves north-east"), "{said}");
    let older = scene.refuses(&first, "gs-a");
    assert!(older.contains("the bundle has version 1, and"), "{older}");
    let others = scene.refuses(&signed_by_others(scene.folder.path()), "gs-a");
    assert!(others.contains("not signed by the authority"), "{others}");
    assert_eq!(
        scene.agree_on_newer(Some(1)),
        turned,
        "nothing of it is in force anywhere"
    );
    // What gs-b starts with when it comes back is what was before all that follows.
    let bundle = scene.cluster.data().join("nodes/gs-b/topology.bundle");
    let older = fs::read(&bundle).unwrap();
    scene.cluster.kill("gs-b").unwrap();
    eventually("gs-e has the region", PATIENCE, || scene.served_by() == ["gs-e"]);
    let (code, said) = scene.push(&TO_E, "gs-d");
    assert_eq!(code, 0, "{said}");
    fs::write(&bundle, older).unwrap();
    scene.cluster.restart("gs-b").unwrap();
    scene.agree_on_newer(turned);
    assert_eq!(scene.served_by(), ["gs-e"]);
}
