//! The page in a real browser: two people play on two servers by way of two proxies, one of which is killed. What they do
//! is in `client/web/test/browser.mjs`; here are the cluster and the browser. Pictures of the page are left in `web-pictures` beside
//! the built programs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use node::ports::PortFinder;
use regionmesh::{Cluster, ClusterOptions};
use serde_json::{Value, json};
use support::{ONE, logs, program, start};
use topology::PortUse;

/// Two regions that can be walked through in seconds, on a server each; two proxies.
const WORLD: &str = r#"
[world]
name = "meadow"
size = [128, 64]
cell_size = 32
view_rings = 1
border_cells = 1
tick_hz = 20
handover_margin = 1.0

[[server]]
name = "gs-a"
number = 1
peer = "127.0.0.1:0"
proxy = "127.0.0.1:0"

[[server]]
name = "gs-b"
number = 2
peer = "127.0.0.1:0"
proxy = "127.0.0.1:0"

[[proxy]]
name = "edge-1"
number = 101
tcp = "127.0.0.1:0"
udp = "127.0.0.1:0"
http = "127.0.0.1:0"
webtransport = "127.0.0.1:0"

[[proxy]]
name = "edge-2"
number = 102
tcp = "127.0.0.1:0"
udp = "127.0.0.1:0"
http = "127.0.0.1:0"
webtransport = "127.0.0.1:0"

[[region]]
name = "west"
number = 1
min = [0, 0]
max = [64, 64]
server = "gs-a"

[[region]]
name = "east"
number = 2
min = [64, 0]
max = [128, 64]
server = "gs-b"
"#;

fn client_web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../client/web")
}

/// Where the page is told to leave its pictures.
fn pictures() -> PathBuf {
    let folder = program().parent().unwrap().join("web-pictures");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The proxies as a browser finds them, with their processes.
fn proxies(cluster: &mut Cluster) -> Vec<Value> {
    let join = std::fs::read(cluster.join_file()).unwrap();
    let join: Value = serde_json::from_slice(&join).unwrap();
    let of = |proxy: &Value| {
        let name = proxy["name"].as_str().unwrap();
        let pid = cluster.pid(name).unwrap();
        let admin = cluster.addresses_of(name).unwrap().admin;
        json!({"name": name, "url": proxy["url"], "pid": pid, "admin": admin})
    };
    join["proxies"].as_array().unwrap().iter().map(of).collect()
}

fn play(script: &str, folder: &Path, scene: &Value) -> Output {
    player(script, folder, scene).output().unwrap()
}

fn player(script: &str, folder: &Path, scene: &Value) -> Command {
    let path = folder.join("scene.json");
    std::fs::write(&path, scene.to_string()).unwrap();
    let script = Path::new("test").join(script);
    let mut command = Command::new("node");
    command.arg(script).arg(&path).current_dir(client_web());
    command.stdin(Stdio::null());
    command
}

#[test]
fn two_people_play_in_a_browser_across_a_border_and_past_a_dead_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions {
        topology: WORLD.to_owned(),
        topology_name: "meadow".to_owned(),
        ..ClusterOptions::new(program(), folder.path().join("d"))
    });
    let result = folder.path().join("result.json");
    let scene = json!({
        "chromium": "/usr/bin/chromium",
        "proxies": proxies(&mut cluster),
        "border": [64, 32],
        "pictures": pictures(),
        "result": result,
    });
    let played = play("browser.mjs", folder.path(), &scene);
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (said(&played.stdout), said(&played.stderr));
    assert!(
        played.status.success(),
        "{out}\n{error}\n{}",
        logs(cluster.data())
    );
    println!("{out}");
    let result: Value = serde_json::from_slice(&std::fs::read(&result).unwrap()).unwrap();
    assert!(
        result["backAfterMs"].is_number() && out.ends_with("all seen\n"),
        "{out}"
    );
}

#[test]
fn a_page_plays_by_webtransport_and_goes_on_when_nothing_comes_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions {
        topology: WORLD.to_owned(),
        topology_name: "meadow".to_owned(),
        ..ClusterOptions::new(program(), folder.path().join("d"))
    });
    let scene = json!({"chromium": "/usr/bin/chromium", "proxies": proxies(&mut cluster)});
    let played = play("fast.mjs", folder.path(), &scene);
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (said(&played.stdout), said(&played.stderr));
    let has_seen_all = played.status.success() && out.ends_with("all seen\n");
    assert!(has_seen_all, "{out}\n{error}\n{}", logs(cluster.data()));
}

#[test]
fn the_page_is_played_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["pem", "key"].map(|ending| {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proxy/tests/certificates/one");
        let to = folder.path().join("one").with_extension(ending);
        std::fs::copy(from.with_extension(ending), &to).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
        to.display().to_string()
    });
    let mut ports = PortFinder::new(7);
    let port = ports.find([127, 0, 0, 1].into(), PortUse::Tcp).unwrap();
    let url = format!("https://localhost:{port}");
    let door = format!("http = \"127.0.0.1:{port}\"\nurl = \"{url}\"");
    let topology = ONE.replace("http = \"127.0.0.1:0\"", &door);
    let cluster = start(ClusterOptions {
        topology,
        topology_name: "one.toml".to_owned(),
        environment: vec![
            ("REGIONMESH_TLS__CERTIFICATE".to_owned(), certificate.clone()),
            ("REGIONMESH_TLS__KEY".to_owned(), key),
        ],
        ..ClusterOptions::new(program(), folder.path().join("d"))
    });
    let scene = json!({"chromium": "/usr/bin/chromium", "url": url, "certificate": certificate});
    let played = play("tls.mjs", folder.path(), &scene);
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (said(&played.stdout), said(&played.stderr));
    let has_walked = played.status.success() && out.ends_with("walked over TLS\n");
    assert!(has_walked, "{out}\n{error}\n{}", logs(cluster.data()));
}

#[test]
fn the_live_map_shows_a_cluster_under_bots_and_a_server_that_dies_and_comes_back() {
    const BOTS: u64 = 60;
    const VICTIM: &str = "gs-b";
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions {
        environment: vec![("REGIONMESH_HTTP__MAP".to_owned(), "public".to_owned())],
        ..ClusterOptions::new(program(), folder.path().join("d"))
    });
    let mut swarm = Command::new(program());
    swarm.arg("loadtest").arg("--join").arg(cluster.join_file());
    swarm.args(["--players", &BOTS.to_string(), "--for", "10m"]);
    let mut swarm = swarm.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let url = proxies(&mut cluster)[0]["url"].as_str().unwrap().to_owned();
    let [kill, restart] = ["kill", "restart"].map(|word| folder.path().join(word));
    let scene = json!({
        "chromium": "/usr/bin/chromium",
        "url": format!("{url}/map"),
        "players": BOTS,
        "servers": 4,
        "victim": VICTIM,
        "kill": kill,
        "restart": restart,
        "pictures": pictures(),
    });
    let mut player = player("map.mjs", folder.path(), &scene);
    let mut looking = player
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What the script asks for is done here, for the cluster starts nodes again.
    while looking.try_wait().unwrap().is_none() {
        if std::fs::remove_file(&kill).is_ok() {
            cluster.kill(VICTIM).unwrap();
        }
        if std::fs::remove_file(&restart).is_ok() {
            cluster.restart(VICTIM).unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let looked = looking.wait_with_output().unwrap();
    let _ = swarm.kill();
    let _ = swarm.wait();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (said(&looked.stdout), said(&looked.stderr));
    let has_seen_all = looked.status.success() && out.ends_with("all seen\n");
    assert!(has_seen_all, "{out}\n{error}\n{}", logs(cluster.data()));
}
