//! The command line of `regionmesh`, as clap reads it and as `--help` shows it.

mod accounts;
mod papers;
mod regions;
mod stores;

use clap::{Args, Parser, Subcommand};
use loadtest::args::{PLAYERS_MAX, check_measured, parse_duration};
use node::life::{Exit, Failure};
use node::utf8_path::Utf8Path;
use protocol::geometry::Position;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use store::postgres::PostgresAddress;
use topology::Gathering;

pub(crate) use accounts::{
    AccountCommand, AccountStore, BanArguments, DeleteArguments, KickArguments, MuteArguments,
    ReportsArguments, ResetArguments, UnbanArguments, UnmuteArguments,
};
pub(crate) use papers::{
    AuthorityCommand, AuthorityPath, InspectArguments, IssueArguments, NodeCommand, NodeRole, PushArguments,
    RenewArguments, RevokeArguments, SignArguments,
};
pub(crate) use regions::{GiveArguments, RegionCommand, TellArguments};
pub(crate) use stores::{
    BackupArguments, CheckStoreArguments, GrantArguments, PruneArguments, RestoreArguments, StoreCommand,
    StoreTopologyArguments,
};

/// Regionmesh: an open server mesh for seamless MMO worlds.
///
/// Without a command it starts a local cluster, as `regionmesh up` does.
#[derive(Debug, Parser)]
#[command(name = "regionmesh", version, after_long_help = Exit::table())]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts a local cluster: real processes on free ports of this machine, and bots that walk
    ///
    /// Prints one line that begins with `ready` once every node is ready, and what to try. A node that dies is not started
    /// again. Ctrl-C, SIGTERM and SIGHUP drain; another one, a second or more later, stops at once.
    ///
    /// With bots and `--for` the exit code is their verdict, 130 when a signal came before their time was up; otherwise it
    /// says how the nodes ended.
    #[command(after_long_help = Exit::table())]
    Up(UpArguments),
    /// Runs one game server
    #[command(after_long_help = Exit::table())]
    Gameserver(gameserver::server::Args),
    /// Runs one proxy
    #[command(after_long_help = Exit::table())]
    Proxy(proxy::server::ProxyArgs),
    /// Runs one auth node, which alone reads passwords and tokens
    #[command(after_long_help = Exit::table())]
    Auth(proxy::server::ProxyArgs),
    /// Runs a swarm of bots against a cluster, measures, and checks that nothing is lost or doubled
    #[command(after_long_help = Exit::table())]
    Loadtest(LoadtestArguments),
    /// Prints the manual of all settings of game servers and proxies, as docs/settings.md has it
    Settings,
    /// Backs the store up while nodes work on it, looks at its health, and restores it
    #[command(subcommand)]
    Store(StoreCommand),
    /// Kicks and bans players, and lifts bans
    #[command(subcommand)]
    Account(AccountCommand),
    /// Checks, explains, draws, compares, signs and pushes topology files
    #[command(subcommand)]
    Topology(TopologyCommand),
    /// Moves regions between running game servers, and speaks to their rules
    #[command(subcommand)]
    Region(RegionCommand),
    /// Has a running game server read the settings of its game anew
    ///
    /// The table `[game]`, from the file, the environment and the flags that the server was started with, as strictly as at its start:
    /// with a mistake anywhere the answer says where, and everything stays as it is. Settings of other tables count from the next start
    /// on.
    Reload(ReloadArguments),
    /// Makes the keys of a new cluster
    #[command(subcommand)]
    Authority(AuthorityCommand),
    /// Issues, renews, revokes and inspects the papers of nodes
    #[command(subcommand)]
    Node(NodeCommand),
}

impl Default for Command {
    fn default() -> Self {
        Self::Up(UpArguments::parse_from(["up"]))
    }
}

#[derive(Debug, Parser)]
pub(crate) struct UpArguments {
    /// Topology file [default: four game servers and two proxies]
    #[arg(long, value_name = "FILE")]
    pub(crate) topology: Option<PathBuf>,
    /// Bots that play in it
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=PLAYERS_MAX))]
    pub(crate) players: u32,
    /// Where keys, world and players are kept from one start to the next
    #[arg(long, value_name = "DIR", default_value = ".regionmesh", value_parser = Utf8Path)]
    pub(crate) data: PathBuf,
    /// Deletes what the data directory holds, and begins anew
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Keeps world and players in a PostgreSQL database that `store migrate` has prepared, in place of the data directory; no password
    /// in its address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) store: Option<String>,
    /// Takes the world as it is, also when its nodes remember another one or a later state of it
    #[arg(long)]
    pub(crate) accept_store: bool,
    /// Ends after this long, such as 30s or 5m; with bots, after they have measured this long
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
}

impl UpArguments {
    /// Bots measure for a second at least, and a database is one.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if let Some(address) = &self.store {
            PostgresAddress::parse(address).map_err(Failure::bad_input)?;
        }
        match self.duration {
            Some(time) if self.players > 0 => check_measured(time).map_err(|why| {
                Failure::bad_input(format!("`--for` with bots: {why}; `--players 0` starts none"))
            }),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct LoadtestArguments {
    #[command(flatten)]
    pub(crate) swarm: loadtest::Args,
    /// Ends this process when the process with this id, which must be its parent, ends
    #[arg(long, value_name = "PID", hide = true)]
    pub(crate) parent: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct ReloadArguments {
    /// Admin endpoint of the game server, such as 127.0.0.1:9100
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: SocketAddr,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopologyCommand {
    /// Reports every mistake in a topology file, with code, line and what to do; exit code 2 when there is one
    Check(CheckArguments),
    /// Says why a code such as RM0028 is refused, and what to do
    Explain(ExplainArguments),
    /// Draws a topology as SVG: regions in their servers' colours, shares of the world, borders and standbys
    Render(RenderArguments),
    /// Says what changes when one topology follows another: regions that move, links, the share of the world
    Diff(DiffArguments),
    /// Predicts what a topology takes for so many players: cores, bytes between nodes, the store, and what is full first
    ///
    /// From unit costs that were measured with the demo game on the machine that the last line names. `bench size` measures a
    /// table of your own machine and game, for --costs.
    Size(SizeArguments),
    /// Prints the JSON Schema of topology files, for an editor's completion
    Schema,
    /// Signs a topology for machines, under a version above all before
    Sign(SignArguments),
    /// Signs a topology, and has a running cluster take it up
    ///
    /// One game server is shown it, and refuses what no running cluster can take up: another world or other regions, or one without a
    /// server that still serves some. Otherwise it is in force there when this returns, and everywhere a few seconds later. On a database, regions
    /// that it lists their server for no more go to the first that it does list and that runs, while their players play on. Where
    /// only the order of a region's servers changes, the region stays: `region give` moves it.
    Push(PushArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The file
    pub(crate) file: PathBuf,
    /// Tells machines: an object with `problems`, each with code, severity, message, file, line, column and remedy
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RenderArguments {
    /// The topology file
    pub(crate) file: PathBuf,
    /// Where the picture goes [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SizeArguments {
    /// The topology file
    pub(crate) file: PathBuf,
    /// Players in the world
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(crate) players: u32,
    /// A place where players gather, and how far around it they stand, units; may be said more than once
    #[arg(long, value_name = "X,Y[,RADIUS]", value_parser = parse_gathering)]
    pub(crate) at: Vec<Gathering>,
    /// The part of the players that gathers there, from 0 to 1; the others are spread evenly
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = parse_share)]
    pub(crate) gathered: f64,
    /// How fast players walk on average, units per second
    #[arg(long, value_name = "UNITS", default_value_t = 5.4, value_parser = parse_amount)]
    pub(crate) speed: f64,
    /// Durable commands of a player per second
    #[arg(long, value_name = "HZ", default_value_t = 0.2, value_parser = parse_amount)]
    pub(crate) durable_hz: f64,
    /// What a node's network carries in one direction, Gbit/s
    #[arg(long, value_name = "GBIT", default_value_t = 1.0, value_parser = parse_amount)]
    pub(crate) network: f64,
    /// A table of unit costs of your own, as `bench size` writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) costs: Option<PathBuf>,
    /// Everything, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// A number from 0 on.
fn parse_amount(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| "it is no number from 0 on".to_owned())
}

fn parse_share(text: &str) -> Result<f64, String> {
    parse_amount(text)
        .ok()
        .filter(|share| *share <= 1.0)
        .ok_or_else(|| "a share is a number from 0 to 1".to_owned())
}

fn parse_gathering(text: &str) -> Result<Gathering, String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| parse_amount(part.trim())).collect();
    let (x, y, radius) = match numbers.as_deref() {
        Ok(&[x, y]) => (x, y, 0.0),
        Ok(&[x, y, radius]) => (x, y, radius),
        _ => return Err("a place is X,Y or X,Y,RADIUS in units, such as 512,512,64".to_owned()),
    };
    Ok(Gathering {
        at: Position {
            x: x as f32,
            y: y as f32,
        },
        radius: radius as f32,
    })
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// The topology file before
    pub(crate) before: PathBuf,
    /// The topology file afterwards
    pub(crate) after: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The code, as reports show it
    pub(crate) code: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use loadtest::verdict::Verdict;

    #[test]
    fn the_flags_of_all_subcommands_fit_together() {
        Arguments::command().debug_assert();
        assert!(matches!(Command::default(), Command::Up(up) if up.players == 100));
    }

    #[test]
    fn every_help_ends_with_the_exit_codes_and_the_swarm_uses_no_others() {
        for command in ["", "up", "gameserver", "proxy", "loadtest"] {
            let line = ["regionmesh", command, "--help"]
                .into_iter()
                .filter(|word| !word.is_empty());
            let help = Arguments::try_parse_from(line).unwrap_err().to_string();
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words(&help).ends_with(&words(&Exit::table())), "{help}");
        }
        for (verdict, exit) in [
            (Verdict::Ok, Exit::Ok),
            (Verdict::Failed, Exit::Broken),
            (Verdict::Invalid, Exit::Saturated),
            (Verdict::Interrupted, Exit::Interrupted),
        ] {
            assert_eq!(verdict.exit_code(), exit as u8);
        }
    }

    #[test]
    fn bots_and_times_are_what_the_swarm_takes() {
        let up = |line: &str| UpArguments::try_parse_from(line.split_whitespace());
        for (time, ms) in [("5", 5_000), ("5s", 5_000), ("0.5m", 30_000)] {
            let duration = up(&format!("up --for {time}")).unwrap().duration;
            assert_eq!(duration, Some(Duration::from_millis(ms)));
        }
        assert_eq!(up("up --players 20000").unwrap().players, 20_000);
        assert_eq!(up("up --players 0").unwrap().players, 0);
        for line in ["up --players 20001", "up --for 0", "up --for 5x"] {
            assert_eq!(up(line).unwrap_err().exit_code(), 2, "{line}");
        }
        for (line, is_well) in [
            ("up --for 1ms", false),
            ("up --for 1s", true),
            ("up --for 1ms --players 0", true),
        ] {
            assert_eq!(up(line).unwrap().check().is_ok(), is_well, "{line}");
        }
    }
}
