//! One cluster with its players, measured.

use std::fmt;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;

use crate::cluster::{Part, Played, READY, SystemCalls};
use crate::live::{LiveCluster, Role, SwarmOptions};

/// What a cluster took. Everything is per second, of all nodes of a role together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    pub(super) players: u32,
    pub(super) player_ticks: f64,
    pub(super) visible: f64,
    pub(super) crossings: f64,
    pub(super) proxy_cores: f64,
    pub(super) server_cores: f64,
    /// Bytes of an input, and of a snapshot, as players send and get them.
    pub(super) input_bytes: f64,
    pub(super) snapshot_bytes: f64,
    /// Bytes on links.
    pub(super) to_proxies: f64,
    pub(super) to_servers: f64,
    pub(super) between_servers: f64,
    /// Frames on the same links.
    pub(super) frames_to_proxies: f64,
    pub(super) frames_to_servers: f64,
    pub(super) frames_between_servers: f64,
}

impl Run {
    pub(super) fn measure(
        program: &Path,
        behaviour: &str,
        players: u32,
        seconds: u64,
    ) -> anyhow::Result<Self> {
        let mut cluster = LiveCluster::start(program, None, READY)?;
        let options = SwarmOptions {
            players,
            behaviour: behaviour.to_owned(),
            sockets: 0,
            more: Vec::new(),
        };
        // While the swarm measures, both looks included.
        let mut links = Vec::new();
        let look = |cluster: &LiveCluster| {
            links.push((Instant::now(), Carried::of(cluster)?));
            Ok(())
        };
        let played = Played::take_with(
            &mut cluster,
            (program, &options, seconds),
            SystemCalls::Left,
            look,
        )?;
        let report = &played.report;
        let (began, before) = links.first().context("nobody looked")?;
        let (ended, after) = links.last().context("nobody looked")?;
        let link_s = ended.duration_since(*began).as_secs_f64();
        let per_s = |of: fn(&Carried) -> f64| (of(after) - of(before)) / link_s;
        let each = |bytes: &str, count: &str| -> anyhow::Result<f64> {
            Ok(report.number(bytes)? / report.number(count)?.max(0.001))
        };
        let cores = |part: Part| played.usage(part).cpu_s / played.usage(part).seconds;
        Ok(Self {
            players,
            player_ticks: report.player_ticks_hz()?,
            visible: report.number("visible.mean")?,
            crossings: report.number("crossings")? / report.number("seconds")?.max(0.001),
            proxy_cores: cores(Part::Proxies),
            server_cores: cores(Part::Servers),
            input_bytes: each("bytes_per_player_s.up", "input_hz")?,
            snapshot_bytes: each("bytes_per_player_s.down", "snapshot_hz")?,
            to_proxies: per_s(|carried| carried.bytes.proxies_in),
            to_servers: per_s(|carried| carried.bytes.proxies_out),
            between_servers: per_s(|carried| carried.bytes.between_servers()),
            frames_to_proxies: per_s(|carried| carried.frames.proxies_in),
            frames_to_servers: per_s(|carried| carried.frames.proxies_out),
            frames_between_servers: per_s(|carried| carried.frames.between_servers()),
        })
    }
}

/// What went over links, for people.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways = [
            ("to proxies", self.to_proxies, self.frames_to_proxies),
            ("to game servers", self.to_servers, self.frames_to_servers),
            (
                "between game servers",
                self.between_servers,
                self.frames_between_servers,
            ),
        ];
        write!(f, "{:.1} crossings/s", self.crossings)?;
        for (way, bytes, frames) in ways {
            write!(f, "; {way} {bytes:.0} B/s in {frames:.0} frames/s")?;
        }
        Ok(())
    }
}

/// What the links have carried so far.
#[derive(Clone, Copy, Debug)]
struct Carried {
    bytes: ByRole,
    frames: ByRole,
}

impl Carried {
    fn of(cluster: &LiveCluster) -> anyhow::Result<Self> {
        Ok(Self {
            bytes: ByRole::of(cluster, "bytes")?,
            frames: ByRole::of(cluster, "frames")?,
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct ByRole {
    proxies_in: f64,
    proxies_out: f64,
    servers_out: f64,
}

impl ByRole {
    fn of(cluster: &LiveCluster, what: &str) -> anyhow::Result<Self> {
        let sum = |role: Role, direction: &str| -> anyhow::Result<f64> {
            let names = cluster.names(role)?;
            names
                .iter()
                .map(|name| counted(&cluster.metrics(name)?, what, direction))
                .sum()
        };
        Ok(Self {
            proxies_in: sum(Role::Proxy, "in")?,
            proxies_out: sum(Role::Proxy, "out")?,
            servers_out: sum(Role::GameServer, "out")?,
        })
    }

    /// Whatever servers sent and no proxy got, another server did.
    fn between_servers(&self) -> f64 {
        self.servers_out - self.proxies_in
    }
}

fn counted(metrics: &str, what: &str, direction: &str) -> anyhow::Result<f64> {
    let series = format!("regionmesh_link_{what}_total{{direction=\"{direction}\"}}");
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series.as_str()));
    let value = value.with_context(|| format!("a node has no {series}"))?;
    Ok(value.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_by_direction() {
        let text = "# TYPE regionmesh_link_bytes_total counter\nregionmesh_link_bytes_total{direction=\"in\"} 12\n\
                    regionmesh_link_bytes_total{direction=\"out\"} 3400\n";
        assert_eq!(counted(text, "bytes", "out").unwrap(), 3400.0);
        assert!(counted(text, "bytes", "up").is_err());
    }
}
