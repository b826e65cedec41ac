//! What the tests with real processes share: a cluster in a folder of its own, `regionmesh up` as a child, and a look
//! at which processes are left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use regionmesh::{Cluster, ClusterOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest that anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// One game server, one proxy.
pub(crate) const ONE: &str = include_str!("../../../topologies/one.toml");

pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_regionmesh"))
}

/// Options for a cluster of one game server and one proxy.
pub(crate) fn one(data: &Path) -> ClusterOptions {
    ClusterOptions {
        topology: ONE.to_owned(),
        topology_name: "one.toml".to_owned(),
        ..ClusterOptions::new(program(), data.to_owned())
    }
}

/// Whoever runs the tests may have been started to outlive its terminal: what it starts this way hears of a hang-up all the same.
pub(crate) fn hears_of_hang_ups(program: &Path) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP").arg(program);
    command
}

/// Starts a cluster, or shows what its nodes said.
pub(crate) fn start(options: ClusterOptions) -> Cluster {
    let data = options.data.clone();
    Cluster::start(options).unwrap_or_else(|error| panic!("{error}\n{}", logs(&data)))
}

/// Everything that the nodes of a data directory wrote.
pub(crate) fn logs(data: &Path) -> String {
    let files = std::fs::read_dir(data.join("logs"))
        .into_iter()
        .flatten()
        .flatten();
    files
        .map(|file| {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            format!("== {}\n{text}", file.path().display())
        })
        .collect()
}

/// `regionmesh` run to its end: exit code, standard output, standard error.
pub(crate) fn finish(arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(program()).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        status.code().expect("ended by itself"),
        text(stdout),
        text(stderr),
    )
}

/// Waits until it is true; fails with `what` when it stays false.
pub(crate) fn eventually(what: &str, patience: Duration, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process runs; one that has ended and that nobody has waited for does not.
pub(crate) fn runs(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| !state.trim().starts_with('Z'))
}

pub(crate) fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// Lines as they come, read by a thread so that nobody hangs on them.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(out: ChildStdout) -> Self {
        let (to, lines) = channel();
        let lines_of = move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = to.send(line);
            }
        };
        std::thread::spawn(lines_of);
        Self(lines)
    }

    /// The next one that contains this.
    pub(crate) fn until(&self, part: &str) -> String {
        let mut seen = Vec::new();
        let started = Instant::now();
        while let Ok(line) = self.0.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
            if line.contains(part) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line with `{part}`: {seen:#?}")
    }

    /// Those that are left, after the end of who wrote them.
    pub(crate) fn rest(&self) -> String {
        let mut rest = String::new();
        while let Ok(line) = self.0.recv_timeout(PATIENCE) {
            rest.push_str(&line);
            rest.push('\n');
        }
        rest
    }
}

/// Asks an admin endpoint; the whole answer.
pub(crate) fn ask(admin: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    write!(stream, "{request} HTTP/1.0\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// `regionmesh up` that has said `ready`.
pub(crate) struct Up {
    child: Child,
    out: Lines,
    /// The ready line.
    pub(crate) ready: String,
}

impl Up {
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_with(data, arguments, &[])
    }

    pub(crate) fn start_with(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        // Not into `data`, which the cluster wants to be its own.
        let errors = std::fs::File::create(data.with_extension("errors")).unwrap();
        let bots = arguments.iter().any(|argument| argument.starts_with("--players"));
        let no_bots: &[&str] = if bots { &[] } else { &["--players=0"] };
        let mut child = hears_of_hang_ups(&program())
            .args(["up", "--data", data.to_str().unwrap()])
            .args(no_bots)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let out = Lines::of(child.stdout.take().unwrap());
        let mut up = Self {
            child,
            out,
            ready: String::new(),
        };
        while !up.ready.starts_with("ready") {
            let line = up.out.0.recv_timeout(PATIENCE);
            up.ready = line.unwrap_or_else(|_| panic!("no ready line: {}", errors_of(data)));
        }
        up
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processes it has started.
    pub(crate) fn children(&self) -> Vec<u32> {
        let children = format!("/proc/{0}/task", self.pid());
        let tasks = std::fs::read_dir(children).unwrap().flatten();
        let lists =
            tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
        lists
            .collect::<Vec<_>>()
            .join(" ")
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }

    /// The next line of standard output that contains this.
    pub(crate) fn line(&self, part: &str) -> String {
        self.out.until(part)
    }

    /// A process that it has started, and the address of its admin endpoint; the swarm has none.
    pub(crate) fn child(&self, role: &str) -> (u32, String) {
        let of = |pid: u32| {
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words: Vec<&str> = command.split('\0').collect();
            let admin = words.iter().find_map(|word| word.strip_prefix("--admin="));
            (words.get(1) == Some(&role)).then(|| (pid, admin.unwrap_or_default().to_owned()))
        };
        self.children().into_iter().find_map(of).unwrap()
    }

    /// Waits for its end; its exit code, if no signal ended it, and what it still wrote to standard output.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut code = None;
        eventually("`regionmesh up` ends", PATIENCE, || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        (code.unwrap().code(), self.out.rest())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `regionmesh up` and its nodes wrote to standard error.
pub(crate) fn errors_of(data: &Path) -> String {
    std::fs::read_to_string(data.with_extension("errors")).unwrap()
}

/// Writes the small topology, changed, into a folder; its path as text.
pub(crate) fn topology_file(folder: &Path, change: impl Fn(String) -> String) -> String {
    let path = folder.join("t.toml");
    std::fs::write(&path, change(ONE.to_owned())).unwrap();
    path.to_str().unwrap().to_owned()
}
