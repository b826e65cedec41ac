//! `regionmesh store`, as clap reads it and as `--help` shows it.

use super::AuthorityPath;
use clap::{Args, Subcommand};
use loadtest::args::parse_duration;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Writes a copy of the store as it is now; nodes may work on it meanwhile
    ///
    /// It is one file, readable by its user only, and checked before it has its name. It replaces nothing. That of a database is
    /// restored into a database, by this program or a newer one, whatever PostgreSQL is there.
    Backup(BackupArguments),
    /// Prepares a PostgreSQL database for a cluster whose nodes have a login each: roles, tables and functions
    ///
    /// The user in the address owns the database and may make roles (`createuser --createrole`), or is a superuser; nodes get logins that may do
    /// neither. What is wrong with the server or the user is said before anything is changed. A store that `store migrate` has made
    /// stays as it is and gets roles. May be repeated.
    Init(MigrateArguments),
    /// Gives nodes their logins in a database, with new passwords in the nodes' data directories at the authority's
    ///
    /// A node may do there what is its own: `store.pgpass` goes to its host with its papers, and its configuration names it:
    /// store.path = "postgres://regionmesh-NAME@HOST/DATABASE?passfile=DIR/store.pgpass". `node revoke NAME --store ADDRESS` takes a login away.
    Grant(GrantArguments),
    /// Tells a database which servers the signed topology lists for which region: to the login of no other one it gives that region
    ///
    /// Reads the topology that `topology sign` or `push` has left at the authority's. Both tell the database themselves when it is named with
    /// their `--store`, and so does `store grant` when there is one. The login in the address owns the store, or is an operator's.
    Topology(StoreTopologyArguments),
    /// Prepares a PostgreSQL database for a world, or brings it up to date for this program
    ///
    /// The database has to be there, and its user has to own it: `createdb -O regionmesh regionmesh`. With one login for all nodes that is all it
    /// takes; `store init` gives each its own. Nodes never change its tables
    /// themselves. For a newer version of the program end all nodes, run it, and start them in that version: while nodes run, an older schema stays
    /// as it is.
    Migrate(MigrateArguments),
    /// Reads all of a store or a backup, and says what it holds; exit code 1 when it is damaged
    Check(CheckStoreArguments),
    /// Puts a backup in the place of a store that no node works on; what was there is kept beside it
    ///
    /// All numbers from then on lie above those of the backup, of the store that was there and of the nodes whose data directories
    /// are named; nobody owns or serves anything. Where the store that was there is lost, name the data directories of all nodes:
    /// else numbers could come twice. Nodes that have seen a later generation refuse the store, and say which to give with --above.
    Restore(RestoreArguments),
    /// Forgets guests that left long ago, in regions that no node serves just now
    ///
    /// Servers do the same by themselves for their own regions (`limits.guest_idle_ms`). What the guests held lies where they stood
    /// last. It goes in small portions, may run beside nodes, and may be ended at any time.
    Prune(PruneArguments),
}

#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// The store's file, or the address of a database; no password in it
    #[arg(long, value_name = "FILE|ADDRESS")]
    pub(crate) store: PathBuf,
    /// Where the copy goes; it replaces nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// The address of the database, such as postgres://regionmesh@db.example/regionmesh; no password in it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) store: String,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArguments {
    /// The nodes' names, as the topology has them
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The address of the database as `store init` was given it; no password in it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) store: String,
    /// The topology file, which says their numbers and what they are
    #[arg(long, value_name = "FILE")]
    pub(crate) topology: PathBuf,
    #[command(flatten)]
    pub(crate) authority: AuthorityPath,
}

#[derive(Debug, Args)]
pub(crate) struct StoreTopologyArguments {
    /// The address of the database; no password in it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) store: String,
    #[command(flatten)]
    pub(crate) authority: AuthorityPath,
}

#[derive(Debug, Args)]
pub(crate) struct CheckStoreArguments {
    /// The store's file, a backup, or the address of a database
    #[arg(value_name = "FILE|ADDRESS")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// The backup; it stays as it is
    pub(crate) backup: PathBuf,
    /// The store's file, or the address of a database; no password in it
    #[arg(long, value_name = "FILE|ADDRESS")]
    pub(crate) store: PathBuf,
    /// The data directory of a node, which remembers how far the world was; may be given for each of them
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Vec<PathBuf>,
    /// A generation that some node has seen, or one that surely none has
    #[arg(long, value_name = "GENERATION", value_parser = clap::value_parser!(u16).range(0..=GENERATION_ABOVE_MAX))]
    pub(crate) above: Option<u16>,
}

/// One more has to be possible.
const GENERATION_ABOVE_MAX: i64 = store::limits::STORE_GENERATION_MAX as i64 - 1;

#[derive(Debug, Args)]
pub(crate) struct PruneArguments {
    /// The store's file, or the address of a database; no password in it
    #[arg(long, value_name = "FILE|ADDRESS")]
    pub(crate) store: PathBuf,
    /// The topology file of its world: where cells are
    #[arg(long, value_name = "FILE")]
    pub(crate) topology: PathBuf,
    /// How long a guest must have been away, at least 20m: a ticket may bring them back for 15
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    pub(crate) idle: Duration,
    /// Ends once so many are forgotten
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) most: u64,
}
