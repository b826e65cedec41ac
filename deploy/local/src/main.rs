//! The `regionmesh` binary: a local cluster of real processes, and each kind of process as a subcommand.

mod answers;
mod authority_command;
mod command_line;
mod database_command;
mod grant_command;
mod next_steps;
mod prune_command;
mod region_command;
mod settings_command;
mod store_command;
mod topology_command;
mod topology_file;
mod up;

use clap::Parser as _;
use command_line::{Arguments, Command, LoadtestArguments};
use local_cluster::ClusterError;
use node::life::{Exit, Failure, Shutdown, watch_parent};
use program::Force;
use protocol::ShownLines;
use std::process::ExitCode;

/// Made for threads that each free what they allocate, which the hot ones are (figures: `docs/performance.md`).
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    raise_file_limit();
    let exit = match Arguments::parse().command.unwrap_or_default() {
        Command::Up(arguments) => up::run(&arguments).unwrap_or_else(|error| refuse(&error).into()),
        Command::Gameserver(arguments) => gameserver::server::run(&arguments).into(),
        Command::Proxy(arguments) => proxy::server::run(&arguments).into(),
        Command::Loadtest(arguments) => run_swarm(&arguments),
        Command::Settings => settings_command::run(),
        Command::Store(command) => store_command::run(&command),
        Command::Topology(command) => topology_command::run(&command),
        Command::Region(command) => region_command::run(&command),
        Command::Authority(command) => authority_command::authority(&command),
        Command::Node(command) => authority_command::node(&command),
    };
    program::flush();
    exit
}

fn run_swarm(arguments: &LoadtestArguments) -> ExitCode {
    // A swarm whose cluster has died has nothing to drain: the watch ends it.
    let watched = arguments
        .parent
        .map_or(Ok(()), |parent| watch_parent(parent, Shutdown::new()));
    let force = match arguments.parent {
        Some(_) => Force::Parent,
        None => Force::LaterSignal,
    };
    match watched {
        Ok(()) => loadtest::run(&arguments.swarm, force),
        Err(error) => refuse(&error.into()).into(),
    }
}

/// Says an error in one line, and finds the exit code that it stands for. The texts of our errors tell their causes
/// themselves, so the causes are not printed beside them.
fn refuse(error: &anyhow::Error) -> Exit {
    program::note(format_args!("error: {}", ShownLines(error)));
    let of_cluster = error.downcast_ref::<ClusterError>().map(ClusterError::exit);
    let of_input = error.downcast_ref::<Failure>().map(|failure| failure.exit);
    of_cluster.or(of_input).unwrap_or(Exit::Failed)
}

/// A swarm has a socket for each bot and a proxy one for each player; the usual soft limit is 1,024.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it is refused, whoever needs more files says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
