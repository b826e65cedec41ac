//! `regionmesh region`, as clap reads it and as `--help` shows it.

use clap::{Args, Subcommand};
use std::net::SocketAddr;

#[derive(Debug, Subcommand)]
pub(crate) enum RegionCommand {
    /// Has a running game server give a region to another one that the topology lists for it
    ///
    /// For clusters on a database. Everything in the region is written down, then it passes to the other server with its players, who
    /// notice a moment's pause. What a standby has taken over goes back like this. When it cannot be given, it stays, and the answer
    /// says why.
    Give(GiveArguments),
    /// Says something to the rules of a region, and prints their answer
    ///
    /// What may be said is the game's affair (`GameLogic::operator`); the demo game takes nothing. Exit 1: the rules refuse it, and say
    /// why.
    Tell(TellArguments),
}

#[derive(Debug, Args)]
pub(crate) struct TellArguments {
    /// The region, by its name or number in the topology
    pub(crate) region: String,
    /// What is said, at most 1,024 bytes
    pub(crate) command: String,
    /// Admin endpoint of the server that serves it, such as 127.0.0.1:9100
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct GiveArguments {
    /// The region, by its name or number in the topology
    pub(crate) region: String,
    /// The server that is to serve it, by name or number
    pub(crate) to: String,
    /// Admin endpoint of the server that serves it now, such as 127.0.0.1:9100
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: SocketAddr,
}
