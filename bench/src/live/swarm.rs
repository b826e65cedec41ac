//! The swarm as a process of its own: started, waited for until it measures, and its result read.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::Value;

use super::processes::Processes;

/// What the swarm says when everybody is home and counting begins.
const MEASURING: &str = "measuring begins";
/// How long logging in and walking home may take.
const RAMP: Duration = Duration::from_secs(300);
/// How long standing still, being counted and saying goodbye may take once measuring is over.
const FAREWELL: Duration = Duration::from_secs(90);
/// Logins per second: twice the swarm's own choice, so that thousands do not take minutes.
const LOGINS: u32 = 300;

/// What the swarm does.
#[derive(Clone, Debug, Args)]
pub(crate) struct SwarmOptions {
    /// Players
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) players: u32,
    /// What the players do, as the swarm's own --behaviour names it: wander, border, corner, crowd and so on
    #[arg(long, default_value = "wander")]
    pub(crate) behaviour: String,
    /// Sockets that the players share, of the swarm and of the floor alike; 0: one each
    #[arg(long, default_value_t = 0)]
    pub(crate) sockets: u32,
    /// More arguments for the swarm, after --
    #[arg(last = true)]
    pub(crate) more: Vec<String>,
}

/// A running swarm; dropping it ends it.
pub(crate) struct Swarm {
    process: Child,
    lines: Receiver<String>,
    json: PathBuf,
    players: u32,
    seconds: u64,
}

impl Swarm {
    /// Starts the bots that a join file lets in, which are to measure for so many seconds once all are home.
    pub(crate) fn start(
        program: &Path,
        join_file: &Path,
        options: &SwarmOptions,
        seconds: u64,
    ) -> anyhow::Result<Self> {
        let json = join_file.with_extension("swarm.json");
        let _ = std::fs::remove_file(&json);
        let mut command = Command::new(program);
        command
            .arg("loadtest")
            .arg("--join")
            .arg(join_file)
            .arg("--json")
            .arg(&json)
            .arg(format!("--players={}", options.players))
            .arg(format!("--behaviour={}", options.behaviour))
            .arg(format!("--for={seconds}s"))
            .arg(format!("--logins={LOGINS}"))
            .arg(format!("--parent={}", std::process::id()));
        if options.sockets > 0 {
            command.arg(format!("--sockets={}", options.sockets));
        }
        let mut process = command
            .args(&options.more)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the swarm")?;
        let output = process.stdout.take().context("the swarm has no output")?;
        let (said, lines) = channel();
        std::thread::Builder::new()
            .name("swarm-lines".to_owned())
            .spawn(move || {
                // Read to the end, whoever listens: a swarm whose pipe is full would stand still.
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = said.send(line);
                }
            })?;
        Ok(Self {
            process,
            lines,
            json,
            players: options.players,
            seconds,
        })
    }

    pub(crate) fn processes(&self) -> Processes {
        Processes::new(vec![self.process.id()])
    }

    /// Waits until all bots are home and measuring has begun.
    pub(crate) fn wait_for_measuring(&self) -> anyhow::Result<()> {
        let since = Instant::now();
        let mut last = String::new();
        loop {
            match self.lines.recv_timeout(RAMP.saturating_sub(since.elapsed())) {
                Ok(line) if line.contains(MEASURING) => return Ok(()),
                Ok(line) => last = line,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the bots are not home after {} s: {last}", RAMP.as_secs())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the swarm ended before it measured: {last}")
                }
            }
        }
    }

    /// Waits for its end and reads its result.
    pub(crate) fn report(mut self) -> anyhow::Result<SwarmReport> {
        let since = Instant::now();
        // Its exit code also says that thresholds are broken, which is for the caller to judge.
        while self.process.try_wait()?.is_none() {
            ensure!(
                since.elapsed() < Duration::from_secs(self.seconds) + FAREWELL,
                "the swarm does not end"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        let text = std::fs::read(&self.json).context("the swarm wrote no result")?;
        Ok(SwarmReport {
            players: self.players,
            json: serde_json::from_slice(&text)?,
        })
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the swarm measured.
pub(crate) struct SwarmReport {
    players: u32,
    json: Value,
}

impl SwarmReport {
    /// A number of the result by its path, such as `ack_ms.p99`.
    pub(crate) fn number(&self, path: &str) -> anyhow::Result<f64> {
        let value = path
            .split('.')
            .try_fold(&self.json, |value, name| value.get(name));
        value
            .and_then(Value::as_f64)
            .with_context(|| format!("the swarm's result has no number {path}"))
    }

    /// What should not have happened, in words; the first few.
    pub(crate) fn incidents(&self) -> impl Iterator<Item = &str> {
        let incidents = self.json.get("incidents").and_then(Value::as_array);
        incidents.into_iter().flatten().filter_map(Value::as_str)
    }

    /// `ok`, `failed` or `invalid`.
    pub(crate) fn verdict(&self) -> &str {
        self.json.get("verdict").and_then(Value::as_str).unwrap_or("none")
    }

    /// Player ticks per second of all players: what was sent and received of what should have been, halved.
    pub(crate) fn player_ticks_hz(&self) -> anyhow::Result<f64> {
        let both = self.number("input_hz")? + self.number("snapshot_hz")?;
        Ok(both / 2.0 * f64::from(self.players))
    }
}
