//! How many players the whole local cluster carries: the swarm against four game servers and two proxies, all on this
//! machine, with more players each time until inputs are acknowledged too late.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::figure::{Figure, publish};
use crate::machine::Others;

/// Two ticks: what an acknowledgement may take at the 99th percentile, milliseconds.
const ACK_MS_MAX: f64 = 100.0;
/// Players of each step.
const STEPS: [u32; 12] = [
    250, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000,
];
/// How long each step is measured, seconds.
const SECONDS: u64 = 15;
/// How long a cluster may take to end.
const END: Duration = Duration::from_secs(20);

/// Measures and publishes, with the `regionmesh` program at `program`; beside this one when `None`.
pub(crate) fn run(program: Option<&Path>) -> anyhow::Result<()> {
    let program = match program {
        Some(program) => program.to_owned(),
        None => std::env::current_exe()?.with_file_name("regionmesh"),
    };
    ensure!(
        program.exists(),
        "{} is missing: cargo build --release first",
        program.display()
    );
    let others = Others::watch();
    let mut steps = Vec::new();
    for players in STEPS {
        let step = Step::measure(&program, players)?;
        println!("  {step}");
        let is_last = !step.holds();
        steps.push(step);
        if is_last {
            break;
        }
    }
    let most = steps
        .iter()
        .filter(|step| step.holds())
        .map(|step| step.players)
        .max();
    let what = format!(
        "players at whom ack p99 still is at most {ACK_MS_MAX} ms: four game servers, two proxies and the swarm on this \
         machine, wandering, {SECONDS} s each"
    );
    let mut figure = Figure::alone("capacity", what, "players", f64::from(most.unwrap_or(0)));
    for step in &steps {
        step.detail(&mut figure);
    }
    publish("capacity", vec![figure], &others)
}

/// One number of players.
struct Step {
    players: u32,
    report: Value,
}

impl Step {
    fn measure(program: &Path, players: u32) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("regionmesh-bench-{}", std::process::id()));
        let cluster = Cluster::start(program, &folder)?;
        let json = folder.join("capacity.json");
        let mut swarm = Command::new(program);
        swarm
            .arg("loadtest")
            .arg("--join")
            .arg(&cluster.join_file)
            .arg("--json")
            .arg(&json);
        let (players_text, seconds) = (players.to_string(), format!("{SECONDS}s"));
        swarm.args(["--players", &players_text, "--for", &seconds]);
        // Its exit code also says that thresholds are broken, which is what is looked for here.
        swarm
            .stdout(Stdio::null())
            .status()
            .context("cannot start the swarm")?;
        let report = std::fs::read(&json).context("the swarm wrote no result")?;
        drop(cluster);
        std::fs::remove_dir_all(&folder)?;
        Ok(Self {
            players,
            report: serde_json::from_slice(&report)?,
        })
    }

    fn number(&self, path: &str) -> f64 {
        self.report
            .pointer(path)
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN)
    }

    /// Acknowledged in time, by a generator that kept up.
    fn holds(&self) -> bool {
        let saturated = self.report.pointer("/generator/saturated") == Some(&Value::Bool(true));
        self.number("/ack_ms/p99") <= ACK_MS_MAX && !saturated
    }

    /// CPU of all nodes of a role per player tick, microseconds.
    fn cpu_us(&self, role: &str) -> f64 {
        let nodes = self.report.pointer("/nodes").and_then(Value::as_array);
        let of_role = nodes
            .into_iter()
            .flatten()
            .filter(|node| node.get("role").and_then(Value::as_str) == Some(role));
        let cpu_s: f64 = of_role.filter_map(|node| node.get("cpu_s")?.as_f64()).sum();
        let ticks = f64::from(self.players) * self.number("/seconds") * 20.0;
        cpu_s * 1e6 / ticks
    }

    fn detail(&self, figure: &mut Figure) {
        let players = self.players;
        let rows = [
            ("ack p99, ms", self.number("/ack_ms/p99")),
            ("input_hz", self.number("/input_hz")),
            ("snapshot_hz", self.number("/snapshot_hz")),
            ("visible, mean", self.number("/visible/mean")),
            ("swarm late p99, ms", self.number("/generator/late_ms_p99")),
            ("proxies, us per player tick", self.cpu_us("proxy")),
            ("servers, us per player tick", self.cpu_us("gameserver")),
        ];
        for (what, value) in rows.into_iter().filter(|(_, value)| value.is_finite()) {
            figure.detail(format!("{players:>5} players: {what}"), value);
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ack, hz) = (self.number("/ack_ms/p99"), self.number("/snapshot_hz"));
        let late = self.number("/generator/late_ms_p99");
        write!(
            f,
            "{:>5} players: ack p99 {ack:.1} ms, snapshots {hz:.1}/s, swarm late p99 {late:.1} ms",
            self.players
        )
    }
}

/// A local cluster of real processes; ends with this value.
struct Cluster {
    process: Child,
    join_file: PathBuf,
}

impl Cluster {
    fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        let mut up = Command::new(program);
        std::fs::create_dir_all(folder)?;
        up.args(["up", "--fresh", "--players", "0", "--data"])
            .arg(folder.join("data"));
        up.stderr(File::create(folder.join("cluster.log"))?);
        let mut process = up
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the cluster")?;
        let lines = BufReader::new(process.stdout.take().context("the cluster has no output")?);
        let mut cluster = Self {
            process,
            join_file: PathBuf::new(),
        };
        let mut lines = lines.lines();
        for line in lines.by_ref() {
            let line = line?;
            if let Some((_, join_file)) = line
                .split_once("join file: ")
                .filter(|_| line.starts_with("ready"))
            {
                cluster.join_file = PathBuf::from(join_file.trim());
                break;
            }
        }
        ensure!(
            !cluster.join_file.as_os_str().is_empty(),
            "the cluster ended before it was ready"
        );
        // Somebody has to read what the nodes say, or they would wait for it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(cluster)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.process.id() as i32), Signal::SIGTERM);
        let since = std::time::Instant::now();
        while since.elapsed() < END {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
