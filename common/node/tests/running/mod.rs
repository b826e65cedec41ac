//! A node process of a test: started, asked, told to end, and never left behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unreachable_pub,
    reason = "shared by several test files, of which none uses all"
)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest any step may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Whoever runs the tests may have been started to outlive its terminal: what it starts hears of a hang-up all the same.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("env");
    command
        .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_idle-node")])
        .args(["--name", "n", "--data", "/nonexistent"])
        .args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs to the end; standard output and error as text.
pub fn finish(mut command: Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

pub struct Running {
    pub child: Child,
    pub admin: SocketAddr,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let admin = line
            .trim()
            .strip_prefix("ready ")
            .expect("a ready line")
            .parse()
            .unwrap();
        Self { child, admin }
    }

    pub fn ask(&self, request_line: &str, more_headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        let head = format!(
            "{request_line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n"
        );
        write!(stream, "{head}{more_headers}\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path}"), "", "")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    pub fn wait_until(&self, path: &str, status: u16) {
        let started = Instant::now();
        while self.get(path).0 != status {
            assert!(started.elapsed() < PATIENCE, "{path} never answered {status}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn exit_code(mut self) -> i32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().expect("not ended by a signal");
            }
            assert!(started.elapsed() < PATIENCE, "the process does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn lingering(linger_ms: &str, drain_timeout_ms: &str) -> Running {
    let mut command = command(&[]);
    command
        .env("REGIONMESH_IDLE__LINGER_MS", linger_ms)
        .env("REGIONMESH_NODE__DRAIN_TIMEOUT_MS", drain_timeout_ms);
    Running::start(command)
}

pub fn node_of(setting: &str, value: &str) -> Running {
    let mut command = command(&[]);
    command.env(format!("REGIONMESH_IDLE__{setting}"), value);
    Running::start(command)
}
