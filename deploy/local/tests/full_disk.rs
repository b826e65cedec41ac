//! A full disk, which is a small one of the test's own: what it does not take is told. Mounting one needs root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{PATIENCE, Up, ask, errors_of, eventually, send, topology_file};

const PLAYERS: u64 = 3;

/// Mounted where a cluster has its data, until it is dropped.
struct Disk {
    at: PathBuf,
    filler: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

impl Disk {
    fn new(at: PathBuf) -> Self {
        std::fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs"])
            .arg(&at)
            .status();
        assert!(mounted.unwrap().success(), "a disk can be mounted");
        Self {
            at,
            filler: None,
            is_over: Arc::default(),
        }
    }

    /// Nothing more fits, from now on: what somebody else frees, as a store does that merges its log, is taken at once.
    fn fill(&mut self) {
        let mut file = File::create(self.at.join("filler")).unwrap();
        let is_over = Arc::clone(&self.is_over);
        let mut fill = move || {
            for size in [1 << 16, 1 << 12, 1] {
                let zeros = vec![0; size];
                while file.write_all(&zeros).is_ok() {}
            }
        };
        fill();
        self.filler = Some(std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                fill();
                std::thread::sleep(Duration::from_millis(1));
            }
        }));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.filler.take().map(JoinHandle::join);
        // Lazily: whoever is killed with the test may not be gone yet.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

/// Whether the store is known to take nothing, and has not got the players as they are now.
fn is_stuck(up: &Up) -> bool {
    let answer = ask(&up.child("gameserver").1, "GET /status");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let status: Value = serde_json::from_str(body).unwrap();
    let regions = status["regions"].as_array().unwrap();
    let unsaved: u64 = regions
        .iter()
        .filter_map(|region| region["unsaved"].as_u64())
        .sum();
    unsaved == PLAYERS && status["not_ready"].to_string().contains("store: ")
}

fn play_on(disk: &Path, folder: &Path) -> Up {
    let topology = topology_file(folder, |text| text);
    let players = format!("--players={PLAYERS}");
    let limit = ("REGIONMESH_NODE__DRAIN_TIMEOUT_MS", "4000");
    let up = Up::start_with(disk, &["--topology", &topology, &players], &[limit]);
    up.line(&format!("up {PLAYERS},"));
    up
}

/// Ends a cluster whose store takes nothing any more; whether `up` counted its players as lost. Where a log was merged just then, there was
/// room for the last of them after all, and it says so as well.
fn are_lost(goodbye: bool) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = Disk::new(folder.path().join("d"));
    let up = play_on(&disk.at, folder.path());
    disk.fill();
    eventually("nobody is written down any more", PATIENCE, || is_stuck(&up));
    if !goodbye {
        send(up.child("loadtest").0, Signal::SIGKILL);
    }
    send(up.pid(), Signal::SIGTERM);
    let (code, out) = up.end();
    if code == Some(0) {
        return false;
    }
    assert_eq!(code, Some(8), "{out}{}", errors_of(&disk.at));
    let told = out
        .lines()
        .any(|line| line.contains("error: ") && line.contains("players could not be written down within "));
    assert!(told, "{out}");
    true
}

#[test]
fn players_who_say_goodbye_on_a_full_disk_are_told_of_as_lost_as_those_who_do_not() {
    for goodbye in [true, false] {
        let lost = (0..10).any(|_| are_lost(goodbye));
        assert!(lost, "goodbye: {goodbye}");
    }
}
