//! A game server as a program of its own; the `regionmesh` binary has the same as a subcommand.

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(
    name = "gameserver",
    about = "Simulates regions of a Regionmesh world",
    version
)]
struct CommandLine {
    #[command(flatten)]
    args: gameserver::server::Args,
}

fn main() -> ExitCode {
    gameserver::server::run(&CommandLine::parse().args).into()
}
