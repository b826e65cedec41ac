//! Real processes to measure: a local cluster of release binaries, the swarm, and what the system says that they used.

mod cluster;
mod processes;
mod swarm;
mod system_calls;

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;

pub(crate) use cluster::{LiveCluster, Role};
pub(crate) use processes::{Processes, Usage};
pub(crate) use swarm::{Swarm, SwarmOptions, SwarmReport};
pub(crate) use system_calls::Counter;

/// Which program the processes run.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProgramOptions {
    /// The program of the local cluster [default: beside this one]
    #[arg(long = "regionmesh", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl ProgramOptions {
    /// The program, checked to be there.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        let path = match &self.file {
            Some(file) => file.clone(),
            None => std::env::current_exe()?.with_file_name("regionmesh"),
        };
        ensure!(
            path.exists(),
            "{} is missing: cargo build --profile dist first, or name a program with --regionmesh",
            path.display()
        );
        Ok(path)
    }
}

/// A folder for one cluster's data, made anew; another call of the same process gets another one.
pub(crate) fn fresh_folder(parent: &Path) -> anyhow::Result<PathBuf> {
    let mut number = 0;
    loop {
        let folder = parent.join(format!("regionmesh-bench-{}-{number}", std::process::id()));
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error.into()),
        }
    }
}
