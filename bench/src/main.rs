//! Benchmarks: each prints its figure beside a bare baseline of the same run and writes it to `target/bench/NAME.json`.
//! They are run by hand; no test is timed.

mod capacity;
mod clocks;
mod edge;
mod figure;
mod machine;
mod pairs;
mod publication;
mod scene;
mod tick;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Measures parts of the mesh, each beside a bare baseline of the same run.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Options {
    /// What to measure; nothing: all but capacity.
    names: Vec<Name>,
    /// Interleaved pairs of figure and baseline.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
    /// Players at the shard (edge).
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=8000))]
    players: u16,
    /// The program of the local cluster (capacity) [default: beside this one]
    #[arg(long, value_name = "FILE")]
    regionmesh: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// CPU per player tick of a proxy's shard.
    Edge,
    /// CPU per million sealed updates over links.
    Publication,
    /// CPU of a region's tick.
    Tick,
    /// Players that a local cluster carries.
    Capacity,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // Thousands of clients have a socket each.
    let (_, files) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, files, files)?;
    let all = [Name::Edge, Name::Publication, Name::Tick];
    let names = if options.names.is_empty() {
        &all[..]
    } else {
        &options.names
    };
    let pairs = usize::from(options.pairs);
    for name in names {
        match name {
            Name::Edge => edge::run(usize::from(options.players), pairs)?,
            Name::Publication => publication::run(pairs)?,
            Name::Tick => tick::run(pairs)?,
            Name::Capacity => capacity::run(options.regionmesh.as_deref())?,
        }
    }
    Ok(())
}
