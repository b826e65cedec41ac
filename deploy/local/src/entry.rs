//! The program of a game: the local cluster, and each kind of process as a subcommand.

use crate::command_line::{Arguments, Command, LoadtestArguments, UpArguments};
use crate::{
    ClusterError, account_command, authority_command, region_command, settings_command, store_command,
    topology_command, up,
};
use clap::Parser as _;
use game::Game;
use game::bot::MakeBehaviour;
use node::life::{Exit, Failure, Shutdown, watch_parent};
use program::Force;
use protocol::ShownLines;
use std::process::ExitCode;

/// All that `regionmesh` can do, with the rules of one game. A game's own program is this:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     regionmesh::Program::of::<demo::DemoGame>()
///         .behaviour(demo::BOTS)
///         .main()
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Program {
    serve: fn(&gameserver::server::Args) -> Exit,
    manual: fn() -> String,
    bots: Option<MakeBehaviour>,
}

impl Program {
    /// Whose game servers play `G`.
    #[must_use]
    pub fn of<G: Game>() -> Self {
        Self {
            serve: gameserver::server::run::<G>,
            manual: settings_command::page::<G>,
            bots: None,
        }
    }

    /// What the game's bots do. Without it `up` starts none, and `loadtest` has nobody to play.
    #[must_use]
    pub fn behaviour(self, make: MakeBehaviour) -> Self {
        Self {
            bots: Some(make),
            ..self
        }
    }

    /// Does what the command line of the process says. The exit codes mean what `--help` says of them.
    #[must_use]
    pub fn main(self) -> ExitCode {
        raise_file_limit();
        let exit = match Arguments::parse().command.unwrap_or_default() {
            Command::Up(arguments) => self.up(arguments),
            Command::Gameserver(arguments) => (self.serve)(&arguments).into(),
            Command::Proxy(arguments) => proxy::server::run(&arguments).into(),
            Command::Auth(arguments) => proxy::server::run_auth(&arguments).into(),
            Command::Loadtest(arguments) => self.load_test(&arguments),
            Command::Settings => crate::answers::printed(&(self.manual)()),
            Command::Store(command) => store_command::run(&command),
            Command::Account(command) => account_command::run(&command),
            Command::Topology(command) => topology_command::run(&command),
            Command::Region(command) => region_command::run(&command),
            Command::Reload(arguments) => region_command::reload(&arguments),
            Command::Authority(command) => authority_command::authority(&command),
            Command::Node(command) => authority_command::node(&command),
        };
        program::flush();
        exit
    }

    fn up(self, arguments: UpArguments) -> ExitCode {
        let players = self.bots.map_or(0, |_| arguments.players);
        let arguments = UpArguments { players, ..arguments };
        up::run(&arguments).unwrap_or_else(|error| refuse(&error).into())
    }

    fn load_test(self, arguments: &LoadtestArguments) -> ExitCode {
        let Some(make_behaviour) = self.bots else {
            let why = "this game has no bots: its program has to name what they do (`regionmesh::Program::behaviour`)";
            return refuse(&Failure::bad_input(why.to_owned()).into()).into();
        };
        // A swarm whose cluster has died has nothing to drain: the watch ends it.
        let watched = arguments
            .parent
            .map_or(Ok(()), |parent| watch_parent(parent, Shutdown::new()));
        let force = match arguments.parent {
            Some(_) => Force::Parent,
            None => Force::LaterSignal,
        };
        match watched {
            Ok(()) => loadtest::run(&arguments.swarm, make_behaviour, force),
            Err(error) => refuse(&error.into()).into(),
        }
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
