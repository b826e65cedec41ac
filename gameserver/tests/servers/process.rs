//! A game server as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::Cluster;

/// Killed when the test is over, however that comes about.
pub struct Process {
    pub child: Child,
    pub admin: SocketAddr,
    /// The line that says where it listens.
    pub line: String,
}

impl Process {
    /// Starts it and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let line = line.trim().to_owned();
        let admin = line.rsplit_once("admin=").unwrap().1.parse().unwrap();
        Self { child, admin, line }
    }

    /// The body of an answer.
    pub fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        write!(
            stream,
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.ask("GET /status")).unwrap()
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = self.ask("GET /metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}"))
            .trim()
            .parse()
            .unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The arguments of this node of a cluster.
pub fn arguments(cluster: &Cluster, name: &str, more: &[&str]) -> Vec<String> {
    let data = cluster.data("gs-a").to_str().unwrap().to_owned();
    let own = ["--name", name, "--data", &data].map(str::to_owned);
    own.into_iter()
        .chain(more.iter().map(|argument| (*argument).to_owned()))
        .collect()
}

pub fn command(cluster: &Cluster, name: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bare-gameserver"));
    piped(command.args(arguments(cluster, name, more)));
    command
}

/// With everything that it says in pipes.
pub fn piped(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
}
