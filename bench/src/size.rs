//! What one of each costs, for `regionmesh topology size`: a few clusters of real processes are measured with different
//! players, the table of unit costs is solved from them, and what it predicts is set beside clusters that took no part in
//! it.

mod costs;
mod run;

use std::path::PathBuf;

use clap::Args;
use topology::{Load, Size, Spread, Topology, UnitCosts};

use crate::figure::{Figure, directory, publish};
use crate::live::ProgramOptions;
use crate::machine::Others;
use costs::{Costs, OnLinks};
use run::Run;

/// How far a prediction may be off: a third.
const GOAL: f64 = 4.0 / 3.0;
/// Wanderers of which the table is solved: few and many.
const SOLVED_FROM: [u32; 2] = [250, 1_000];
/// Players at borders, who see many others and cross much.
const AT_BORDERS: u32 = 1_000;

/// What is measured.
#[derive(Clone, Debug, Args)]
pub(crate) struct SizeOptions {
    #[command(flatten)]
    program: ProgramOptions,
    /// Wanderers of the clusters beside which predictions are set
    #[arg(long, value_delimiter = ',', default_values_t = [500, 1_500, 2_000], value_parser = clap::value_parser!(u32).range(20..=20_000))]
    check: Vec<u32>,
    /// Seconds of measuring each
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(2..=600))]
    seconds: u16,
    /// Rows that the store writes per second, as `bench databases` measures them on the database that is meant
    #[arg(long, value_name = "ROWS", default_value_t = UnitCosts::default().rows_max)]
    rows_max: f64,
    /// Writes the table of unit costs here [default: beside the figures]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Measures, solves, sets beside and publishes.
pub(crate) fn run(options: &SizeOptions) -> anyhow::Result<()> {
    let program = options.program.path()?;
    let topology = topology::parse("built-in", regionmesh::DEFAULT_TOPOLOGY)?;
    let others = Others::watch();
    let measure = |behaviour: &str, players: u32| {
        program::say(format_args!("measuring {players} players, {behaviour}"));
        let run = Run::measure(&program, behaviour, players, u64::from(options.seconds))?;
        program::say(format_args!("{run}"));
        anyhow::Ok(run)
    };
    let costs = Costs {
        few: measure("wander", SOLVED_FROM[0])?,
        many: measure("wander", SOLVED_FROM[1])?,
        borders: measure("border", AT_BORDERS)?,
        link_us_per_kib: costs::link_us_per_kib()?,
        rows_max: options.rows_max,
    };
    let units = costs.solve(&topology)?;
    let path = options
        .to
        .clone()
        .unwrap_or_else(|| directory().join("units.toml"));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, units.to_toml())?;
    program::say(format_args!("{}\n{}", path.display(), units.to_toml()));
    let speed = costs.speed(&topology);
    let mut figures = Vec::new();
    for players in &options.check {
        let real = measure("wander", *players)?;
        figures.extend(beside(&topology, &units, speed, &real));
    }
    publish("size", figures, &others)
}

/// What was predicted beside what is so. The ratio is the greater by the smaller.
fn beside(topology: &Topology, units: &UnitCosts, speed: f64, real: &Run) -> Vec<Figure> {
    let load = Load {
        players: real.players,
        spread: Spread::default(),
        speed,
        durable_hz: 0.0,
        network: 125e6,
    };
    let size = Size::predict(topology, &load, units);
    let cores = |nodes: &[topology::NodeSize]| -> f64 { nodes.iter().map(|node| node.cores).sum() };
    let on_links = OnLinks::of(topology, &size);
    let compared = [
        ("proxies", "cores", cores(&size.proxies), real.proxy_cores),
        ("game servers", "cores", cores(&size.servers), real.server_cores),
        ("visible", "players", size.visible[0], real.visible),
        ("crossings", "per s", size.store.crossings, real.crossings),
        (
            "game servers to proxies",
            "B/s",
            on_links.to_proxies,
            real.to_proxies,
        ),
        (
            "proxies to game servers",
            "B/s",
            on_links.to_servers,
            real.to_servers,
        ),
        (
            "game servers to each other",
            "B/s",
            on_links.between_servers,
            real.between_servers,
        ),
    ];
    let figures = compared.map(|(what, unit, predicted, measured)| {
        let name = format!("size-{}-{}", real.players, what.replace(' ', "-"));
        let text = format!(
            "{what}, {} players wandering: measured; bare: predicted",
            real.players
        );
        let mut figure = Figure::alone(&name, text, unit, measured);
        figure.baseline = Some(predicted);
        figure.ratio = Some(measured.max(predicted) / measured.min(predicted).max(f64::MIN_POSITIVE));
        figure.goal = Some(GOAL);
        figure
    });
    figures.into()
}
