//! The operator's papers on the command line: `authority`, `node`, `topology sign` and `topology push`.

use clap::{Args, Subcommand};
use node::utf8_path::Utf8Path;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum AuthorityCommand {
    /// Makes the keys of a new cluster, in a directory that never leaves the operator
    Init(AuthorityPath),
}

/// Where the authority is.
#[derive(Debug, Args)]
pub(crate) struct AuthorityPath {
    /// The authority's directory: its secret key, who has papers, and those papers
    #[arg(long, value_name = "DIR", default_value = "authority", value_parser = Utf8Path)]
    pub(crate) authority: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Issues the papers of new nodes: data directories, to be carried to their hosts
    Issue(IssueArguments),
    /// Renews papers, under the same key; a running node takes them up from its data directory
    Renew(RenewArguments),
    /// Takes a node's papers away; the next topology that is signed tells everybody
    Revoke(RevokeArguments),
    /// Says whose a data directory is and until when each of its papers is good; exit code 2 when one is not
    Inspect(InspectArguments),
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum NodeRole {
    /// Simulates regions
    Gameserver,
    /// Lets players in
    Proxy,
    Auth,
}

#[derive(Debug, Args)]
pub(crate) struct IssueArguments {
    /// The nodes' names, as the topology has them
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// What they are
    #[arg(long, value_enum)]
    pub(crate) role: NodeRole,
    #[command(flatten)]
    pub(crate) authority: AuthorityPath,
}

#[derive(Debug, Args)]
pub(crate) struct RenewArguments {
    /// The nodes' names; without one, all that have papers
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The node's data directory, when it is not the one that was issued
    #[arg(long, value_name = "DIR", value_parser = Utf8Path)]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) authority: AuthorityPath,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArguments {
    /// The node's name
    pub(crate) name: String,
    /// Also takes its login in this database away, and ends its connections
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) authority: AuthorityPath,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// The node's data directory
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// The topology file
    pub(crate) file: PathBuf,
    /// Where the signed topology goes, beside the authority's directory
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// Also tells this database which servers may have which region, as `store topology` does
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) authority: AuthorityPath,
}

#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    /// The topology file
    pub(crate) file: PathBuf,
    /// Admin endpoint of a running game server, such as 127.0.0.1:9100
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: SocketAddr,
    /// Also tells this database which servers may have which region, as `store topology` does
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) authority: AuthorityPath,
}
