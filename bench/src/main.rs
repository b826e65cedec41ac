//! Benchmarks: each prints its figures beside a bare baseline of the same run and writes them to `target/bench/NAME.json`.
//! They are run by hand; no test is timed.

mod bare_socket;
mod clocks;
mod cluster;
mod edge;
mod figure;
mod floor;
mod idle;
mod live;
mod machine;
mod pairs;
mod peers;
mod publication;
mod samples;
mod scene;
mod size;
mod soak;
mod store;
#[cfg(feature = "postgres")]
mod takeover;
mod tick;

use clap::{Args, Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Measures parts of the mesh, each beside a bare baseline of the same run.
///
/// Without a name: floor, edge, publication, tick and store, which need no cluster.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Options {
    #[command(subcommand)]
    name: Option<Name>,
}

#[derive(Debug, Subcommand)]
enum Name {
    /// CPU per player tick of the bare kernel: one datagram in and one out for every player
    Floor {
        #[command(flatten)]
        load: floor::Load,
        #[command(flatten)]
        samples: Count,
    },
    /// CPU per player tick of a proxy's shard
    Edge {
        /// Players at the shard
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=8000))]
        players: u16,
        #[command(flatten)]
        pairs: Count,
    },
    /// CPU per million sealed updates over links
    Publication(Count),
    /// CPU of a region's tick
    Tick(Count),
    /// CPU of the store, with the requests of a thousand players at borders
    Store(Count),
    /// PostgreSQL beside SQLite: durable commands a second, how long a crossing takes, and CPU of the database; needs PostgreSQL
    #[cfg(feature = "postgres")]
    Databases {
        /// How long each is measured, seconds
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
    },
    /// How long players wait when a game server or the database dies under them; needs PostgreSQL
    #[cfg(feature = "postgres")]
    Takeover(takeover::TakeoverOptions),
    /// CPU, wake-ups and system calls per player tick of a whole cluster by role, or how many players it carries
    Cluster(cluster::ClusterOptions),
    /// nginx beside our proxies, NATS beside our publication, with the same bytes; needs their Debian packages
    Peers(peers::PeersOptions),
    /// Unit costs for `regionmesh topology size`, and what it predicts beside clusters of three sizes
    Size(size::SizeOptions),
    /// CPU and wake-ups of a cluster that nobody plays in, by the number of its regions
    Idle(idle::IdleOptions),
    /// Rounds of players while nodes are killed and frozen: nothing lost, nothing grows; fails otherwise
    Soak(soak::SoakOptions),
}

/// How often something is measured.
#[derive(Clone, Copy, Debug, Args)]
struct Count {
    /// Samples of the figure, each with one of its baseline where there is one; the median counts
    #[arg(long = "pairs", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    count: u16,
}

/// As in the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // Thousands of clients have a socket each.
    let (_, files) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, files, files)?;
    let ended = match options.name {
        Some(name) => run(name),
        None => ["floor", "edge", "publication", "tick", "store"]
            .into_iter()
            .try_for_each(|name| Options::parse_from(["bench", name]).name.map_or(Ok(()), run)),
    };
    program::flush();
    ended
}

fn run(name: Name) -> anyhow::Result<()> {
    let count = |count: Count| usize::from(count.count);
    match name {
        Name::Floor { load, samples } => floor::run(&load, count(samples)),
        Name::Edge { players, pairs } => edge::run(usize::from(players), count(pairs)),
        Name::Publication(pairs) => publication::run(count(pairs)),
        Name::Tick(pairs) => tick::run(count(pairs)),
        Name::Store(pairs) => store::run(count(pairs)),
        #[cfg(feature = "postgres")]
        Name::Databases { seconds } => store::databases::run(seconds),
        #[cfg(feature = "postgres")]
        Name::Takeover(options) => takeover::run(&options),
        Name::Cluster(options) => cluster::run(&options),
        Name::Peers(options) => peers::run(&options),
        Name::Size(options) => size::run(&options),
        Name::Idle(options) => idle::run(&options),
        Name::Soak(options) => soak::run(&options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_flags_of_all_benchmarks_fit_together() {
        Options::command().debug_assert();
    }
}
