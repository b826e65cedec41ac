//! What a cluster costs that nobody plays in, by the number of its regions: CPU and wake-ups of all six processes. Every
//! region beyond the first few should cost next to nothing, for most of a large world is empty most of the time.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use crate::figure::{Figure, publish};
use crate::live::{LiveCluster, ProgramOptions, Role, Usage};
use crate::machine::Others;

/// Edge of a region, units: as in the built-in world.
const REGION_SIZE: u32 = 512;
/// Servers that share the regions, in two columns and two rows.
const SERVERS: [&str; 4] = ["gs-a", "gs-b", "gs-c", "gs-d"];
/// Percent of a core that all processes with the fewest regions may take.
const GOAL: f64 = 2.0;
/// Percent of a core that each further region may take.
const REGION_GOAL: f64 = 0.02;

/// What is measured.
#[derive(Clone, Debug, Args)]
pub(crate) struct IdleOptions {
    #[command(flatten)]
    program: ProgramOptions,
    /// Regions on the four servers; each an even number squared
    #[arg(long, value_delimiter = ',', default_values_t = [4, 64, 256, 1024], value_parser = parse_regions)]
    regions: Vec<u32>,
    /// Seconds of measuring
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Seconds between ready and the first look
    #[arg(long, default_value_t = 5)]
    settle: u16,
    /// Seconds that the nodes may take to become ready
    #[arg(long, default_value_t = 120)]
    patience: u16,
}

fn parse_regions(text: &str) -> Result<u32, String> {
    let count: u32 = text.parse().map_err(|_| "a number is wanted".to_owned())?;
    let side = count.isqrt();
    if count > 0 && count <= 1024 && side.is_multiple_of(2) && side * side == count {
        return Ok(count);
    }
    Err("it must be an even number squared, at most 1024".to_owned())
}

/// What one cluster took while nobody played.
struct Idle {
    regions: u32,
    ready_s: f64,
    proxies: Usage,
    servers: Usage,
}

impl Idle {
    fn measure(program: &Path, regions: u32, options: &IdleOptions) -> anyhow::Result<Self> {
        let since = Instant::now();
        let patience = Duration::from_secs(options.patience.into());
        let mut cluster = LiveCluster::start(program, Some(topology_text(regions)), patience)?;
        let ready_s = since.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_secs(options.settle.into()));
        let (proxies, servers) = (
            cluster.processes(Role::Proxy)?,
            cluster.processes(Role::GameServer)?,
        );
        let looks = (proxies.look()?, servers.look()?);
        std::thread::sleep(Duration::from_secs(options.seconds.into()));
        Ok(Self {
            regions,
            ready_s,
            proxies: proxies.since(&looks.0)?,
            servers: servers.since(&looks.1)?,
        })
    }

    /// Percent of a core.
    fn percent(&self) -> f64 {
        percent(self.proxies) + percent(self.servers)
    }

    fn wakeups_per_s(&self) -> f64 {
        per_s(self.proxies) + per_s(self.servers)
    }
}

fn percent(usage: Usage) -> f64 {
    100.0 * usage.cpu_s / usage.seconds
}

fn per_s(usage: Usage) -> f64 {
    usage.wakeups as f64 / usage.seconds
}

/// Measures and publishes. A cluster that does not come up is a figure without a number, and the others go on.
pub(crate) fn run(options: &IdleOptions) -> anyhow::Result<()> {
    let program = options.program.path()?;
    let others = Others::watch();
    let (mut figures, mut measured) = (Vec::new(), Vec::new());
    for &regions in &options.regions {
        match Idle::measure(&program, regions, options) {
            Ok(idle) => {
                figures.extend([cpu(&idle), wakeups(&idle)]);
                measured.push(idle);
            }
            Err(error) => {
                let mut figure = Figure::alone(&cpu_name(regions), cpu_text(regions), "% of a core", 0.0);
                figure.not_measured(&format!("{error:#}"));
                figures.push(figure);
            }
        }
    }
    figures.extend(further_region(&measured));
    publish("idle", figures, &others)
}

fn cpu_name(regions: u32) -> String {
    format!("idle-{regions}-cpu")
}

fn cpu_text(regions: u32) -> String {
    format!("CPU of four game servers and two proxies with {regions} regions and nobody in them")
}

fn cpu(idle: &Idle) -> Figure {
    let regions = idle.regions;
    let mut figure = Figure::alone(
        &cpu_name(regions),
        cpu_text(regions),
        "% of a core",
        idle.percent(),
    );
    figure.goal = (regions == SERVERS.len() as u32).then_some(GOAL);
    figure.detail("of which proxies", percent(idle.proxies));
    figure.detail("of which game servers", percent(idle.servers));
    figure.detail("ready after, s", idle.ready_s);
    figure
}

fn wakeups(idle: &Idle) -> Figure {
    let text = format!(
        "voluntary context switches of four game servers and two proxies with {} regions and nobody in them",
        idle.regions
    );
    let name = format!("idle-{}-wakeups", idle.regions);
    let mut figure = Figure::alone(&name, text, "switches/s", idle.wakeups_per_s());
    figure.detail("of which proxies", per_s(idle.proxies));
    figure.detail("of which game servers", per_s(idle.servers));
    figure
}

/// What each region beyond the fewest costs. A cluster that fills the machine takes no more however much it would need,
/// so of several the dearest counts.
fn further_region(measured: &[Idle]) -> Option<Figure> {
    let fewest = measured.iter().min_by_key(|idle| idle.regions)?;
    let further = measured.iter().filter(|idle| idle.regions > fewest.regions);
    let each = further.map(|idle| {
        let more = idle.percent() - fewest.percent();
        (idle.regions, more / f64::from(idle.regions - fewest.regions))
    });
    let each: Vec<(u32, f64)> = each.collect();
    let dearest = each.iter().map(|(_, percent)| *percent).reduce(f64::max)?;
    let text = format!(
        "CPU of each region that nobody is in beyond the first {}; the dearest of all clusters measured",
        fewest.regions
    );
    let mut figure = Figure::alone("idle-further-region", text, "% of a core", dearest);
    figure.goal = Some(REGION_GOAL);
    for (regions, percent) in each {
        figure.detail(format!("with {regions:>4} regions"), percent);
    }
    Some(figure)
}

/// A square world of so many regions, a quarter of them on each server.
fn topology_text(regions: u32) -> String {
    let side = regions.isqrt();
    let size = side * REGION_SIZE;
    let mut text = format!(
        "[world]\nname = \"idle\"\nsize = [{size}, {size}]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\n\
         tick_hz = 20\nhandover_margin = 1.0\n"
    );
    // Writing into text cannot fail.
    for (index, name) in SERVERS.iter().enumerate() {
        let _ = write!(
            text,
            "\n[[server]]\nname = \"{name}\"\nnumber = {}\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:0\"\n",
            index + 1
        );
    }
    for number in [101, 102] {
        let _ = write!(
            text,
            "\n[[proxy]]\nname = \"edge-{number}\"\nnumber = {number}\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\n\
             http = \"127.0.0.1:0\"\n"
        );
    }
    let _ = write!(text, "\n[grid]\ncolumns = {side}\nrows = {side}\nservers = [");
    for row in 0..side {
        for column in 0..side {
            let quarter = 2 * (row * 2 / side) + column * 2 / side;
            let server = SERVERS.get(quarter as usize).copied().unwrap_or_default();
            let _ = write!(text, "\"{server}\", ");
        }
    }
    text.push_str("]\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_world_is_one_that_nodes_accept_and_each_server_has_a_quarter() {
        for regions in [4, 64, 256, 1024] {
            let parsed = topology::parse("idle.toml", &topology_text(regions)).unwrap();
            assert_eq!(parsed.regions().len(), regions as usize);
            for server in parsed.servers() {
                let own = parsed
                    .regions()
                    .iter()
                    .filter(|region| region.server == server.number);
                assert_eq!(own.count(), regions as usize / 4);
            }
        }
    }

    #[test]
    fn counts_that_make_no_square_world_are_refused() {
        for text in ["0", "9", "6", "1156", "x"] {
            assert!(parse_regions(text).is_err(), "{text}");
        }
        assert_eq!(parse_regions("64"), Ok(64));
    }

    /// A full machine hides what more regions would take.
    #[test]
    fn a_further_region_costs_the_difference_shared_by_all_of_them() {
        let idle = |regions, cpu_s| {
            let usage = |cpu_s| Usage {
                seconds: 10.0,
                cpu_s,
                ..Usage::default()
            };
            Idle {
                regions,
                ready_s: 1.0,
                proxies: usage(0.0),
                servers: usage(cpu_s),
            }
        };
        let figure = further_region(&[idle(1024, 20.0), idle(104, 1.5), idle(4, 0.5)]).unwrap();
        let percent = figure.figure.unwrap();
        assert!((percent - 0.191).abs() < 0.001, "{percent}");
        let figure = further_region(&[idle(256, 20.0), idle(1024, 20.0), idle(4, 0.5)]).unwrap();
        let percent = figure.figure.unwrap();
        assert!((percent - 0.774).abs() < 0.001, "{percent}");
        assert!(further_region(&[idle(4, 0.5)]).is_none());
    }
}
