//! A cluster is made, its directories open, and every way to spoil one is refused with a sentence that helps.

use super::*;
use crate::authority_dir::AuthorityDir;
use protocol::entropy::CountingEntropy;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const NOW_MS: u64 = 1_800_000_000_000;
const DAY_MS: u64 = 24 * 3600 * 1000;

const TOPOLOGY: &str = r#"
[world]
name = "vale"
size = [512, 512]
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

[grid]
columns = 2
rows = 1
servers = ["gs-a", "gs-b"]
"#;

fn issue(folder: &Path, entropy_seed: u8, now_ms: u64) -> Vec<crate::authority_dir::IssuedNode> {
    let topology = topology::parse("topology.toml", TOPOLOGY).unwrap_or_else(|m| panic!("{m}"));
    let mut entropy = CountingEntropy(entropy_seed);
    let mut authority = AuthorityDir::open_or_create(folder, &mut entropy).unwrap();
    authority
        .issue(TOPOLOGY, &topology, &mut entropy, now_ms)
        .unwrap()
}

fn refusal(path: &Path, name: &str, role: Role, now_ms: u64) -> String {
    DataDir::open(path, name, role, now_ms).unwrap_err().to_string()
}

#[test]
fn every_node_of_a_new_cluster_opens_its_directory() {
    let folder = tempfile::tempdir().unwrap();
    for node in issue(folder.path(), 1, NOW_MS) {
        let opened = DataDir::open(&node.data, &node.name, node.role, NOW_MS).unwrap();
        assert_eq!((opened.number, opened.uuid()), (node.number, node.uuid));
        assert_eq!(opened.voucher.is_some(), node.role == Role::Proxy);
        assert_eq!(opened.view.version().0, 1);
        assert!(!format!("{opened:?}").contains("secret"));
    }
    let mode = |file: &str| {
        fs::metadata(folder.path().join(file))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode("authority.key"), mode("nodes/gs-a/node.cert")),
        (0o600, 0o600)
    );
}

#[test]
fn a_renewal_keeps_who_a_node_is_and_raises_the_version() {
    let folder = tempfile::tempdir().unwrap();
    let first = issue(folder.path(), 1, NOW_MS);
    let before = DataDir::open(&first[2].data, "edge-1", Role::Proxy, NOW_MS).unwrap();
    let second = issue(folder.path(), 77, NOW_MS + 5 * DAY_MS);
    assert_eq!(first, second);
    let after = DataDir::open(&second[2].data, "edge-1", Role::Proxy, NOW_MS + 8 * DAY_MS).unwrap();
    assert_eq!(before.verified.public(), after.verified.public());
    assert_eq!((before.view.version().0, after.view.version().0), (1, 2));
}

#[test]
fn expired_papers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = issue(folder.path(), 1, NOW_MS);
    let message = refusal(&nodes[2].data, "edge-1", Role::Proxy, NOW_MS + 8 * DAY_MS);
    assert!(
        message.contains("role.voucher") && message.contains("new role voucher"),
        "{message}"
    );
    let message = refusal(&nodes[0].data, "gs-a", Role::GameServer, NOW_MS + 91 * DAY_MS);
    assert!(
        message.contains("node.cert") && message.contains("new certificate"),
        "{message}"
    );
}

#[test]
fn a_clock_that_is_behind_is_told_of_and_no_new_paper_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = issue(folder.path(), 1, NOW_MS);
    let message = refusal(&nodes[0].data, "gs-a", Role::GameServer, NOW_MS - DAY_MS);
    let now = crate::clock::utc(NOW_MS - DAY_MS);
    assert!(
        message.contains(&format!("clock is behind: it says {now}")),
        "{message}"
    );
    assert!(!message.contains("issue a new"), "{message}");
    // A clock that is ahead looks like a paper that is over.
    let message = refusal(&nodes[0].data, "gs-a", Role::GameServer, NOW_MS + 91 * DAY_MS);
    assert!(message.contains("clock is ahead: it says "), "{message}");
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = issue(folder.path(), 1, NOW_MS);
    let certificate = nodes[0].data.join(CERTIFICATE_FILE);
    fs::set_permissions(&certificate, fs::Permissions::from_mode(0o644)).unwrap();
    let message = refusal(&nodes[0].data, "gs-a", Role::GameServer, NOW_MS);
    assert!(
        message.contains("can be read by others (mode 0644); run: chmod 600 "),
        "{message}"
    );
}

#[test]
fn parts_of_another_cluster_are_refused_by_name() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ours = issue(ours.path(), 1, NOW_MS).remove(2).data;
    let theirs_edge = issue(theirs.path(), 99, NOW_MS).remove(2).data;
    for file in [CERTIFICATE_FILE, BUNDLE_FILE, VOUCHER_FILE] {
        let kept = fs::read(ours.join(file)).unwrap();
        fs::copy(theirs_edge.join(file), ours.join(file)).unwrap();
        let message = refusal(&ours, "edge-1", Role::Proxy, NOW_MS);
        assert!(
            message.contains("data directory of another cluster") && message.contains(file),
            "{message}"
        );
        fs::write(ours.join(file), kept).unwrap();
    }
    DataDir::open(&ours, "edge-1", Role::Proxy, NOW_MS).unwrap();
}

#[test]
fn a_directory_is_one_process_s_until_it_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let data = issue(folder.path(), 1, NOW_MS).remove(0).data;
    let open = || DataDir::open(&data, "gs-a", Role::GameServer, NOW_MS).unwrap();
    let held = open().hold().unwrap();
    let refused = open().hold().unwrap_err().to_string();
    let process = format!("process {} runs on this data directory", std::process::id());
    assert!(refused.contains(&process), "{refused}");
    drop(held);
    open().hold().unwrap();
}

#[test]
fn a_directory_of_another_node_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = issue(folder.path(), 1, NOW_MS);
    let message = refusal(&nodes[0].data, "gs-b", Role::GameServer, NOW_MS);
    assert!(
        message.contains("that of node number 1, and `gs-b` is number 2"),
        "{message}"
    );
    let message = refusal(&nodes[0].data, "edge-1", Role::Proxy, NOW_MS);
    assert!(message.contains("correct --name"), "{message}");
    let message = refusal(&nodes[0].data, "gs-x", Role::GameServer, NOW_MS);
    assert!(message.contains("no such node `gs-x`"), "{message}");
}

#[test]
fn missing_cut_and_flipped_files_are_refused_and_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let data = issue(folder.path(), 1, NOW_MS).remove(2).data;
    for file in [
        crate::cluster_file::CLUSTER_FILE,
        CERTIFICATE_FILE,
        VOUCHER_FILE,
        BUNDLE_FILE,
    ] {
        let path = data.join(file);
        let whole = fs::read(&path).unwrap();
        let step = whole.len().div_ceil(64);
        for at in (0..whole.len()).step_by(step) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x40;
            for spoilt in [&whole[..at], flipped.as_slice()] {
                fs::write(&path, spoilt).unwrap();
                let opened = DataDir::open(&data, "edge-1", Role::Proxy, NOW_MS);
                let same = spoilt.trim_ascii_end() == whole.trim_ascii_end();
                assert_eq!(opened.is_ok(), same, "{file} at {at}");
            }
        }
        fs::remove_file(&path).unwrap();
        let message = refusal(&data, "edge-1", Role::Proxy, NOW_MS);
        assert!(
            message.contains(file) && message.contains("give --data"),
            "{message}"
        );
        fs::write(&path, &whole).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    DataDir::open(&data, "edge-1", Role::Proxy, NOW_MS).unwrap();
}

#[test]
fn an_authority_is_never_made_over_half_of_another() {
    let folder = tempfile::tempdir().unwrap();
    issue(folder.path(), 1, NOW_MS);
    fs::remove_file(folder.path().join("authority.key")).unwrap();
    let error = AuthorityDir::open_or_create(folder.path(), &mut CountingEntropy(9)).unwrap_err();
    assert!(error.to_string().contains("authority.key"), "{error}");
}
