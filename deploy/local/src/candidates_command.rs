//! Which servers may have which region, told to a database from the signed topology: `regionmesh store topology`, and what `--store` of
//! `topology sign` and `push` adds.

use crate::command_line::StoreTopologyArguments;
use crate::database_command::{Said, bad_input, refusal};
use node::authority_dir::AuthorityDir;
use node::clock::wall_ms;
use node::life::{Exit, Failure};
use protocol::ids::{ClusterId, NodeNumber, RegionNumber, TopologyVersion};
use std::path::Path;
use store::postgres::{PostgresAddress, candidates};
use topology::{Topology, TopologyView};

pub(crate) fn run(arguments: &StoreTopologyArguments) -> Said {
    let address = PostgresAddress::parse(&arguments.store).map_err(bad_input)?;
    match signed(&arguments.authority.authority)? {
        Some(signed) => tell_signed(&address, &signed),
        None => Err(bad_input(
            "no topology was signed there yet: regionmesh topology sign FILE",
        )),
    }
}

/// The topology that was signed last by the authority in this directory; `None` when there is none.
pub(crate) fn signed(authority: &Path) -> Result<Option<TopologyView>, (Exit, String)> {
    let authority = AuthorityDir::open(authority).map_err(bad_input)?;
    authority.signed(wall_ms()).map_err(bad_input)
}

/// By such a one.
pub(crate) fn tell_signed(address: &PostgresAddress, signed: &TopologyView) -> Said {
    tell(address, signed.cluster_id(), signed.version(), signed.topology())
}

/// A database that was named beside a topology, before anything is done with that.
pub(crate) fn named(store: Option<&String>) -> Result<Option<PostgresAddress>, Failure> {
    let address = store.map(|store| PostgresAddress::parse(store));
    address.transpose().map_err(Failure::bad_input)
}

/// What to say of a topology that was signed or pushed, beside what was `done`: the database that was named was told of it, or how another
/// one is. What was done is said in either case.
pub(crate) fn told(
    done: &str,
    address: Option<&PostgresAddress>,
    cluster: ClusterId,
    version: TopologyVersion,
    topology: &Topology,
) -> Result<String, Failure> {
    let Some(address) = address else {
        return Ok(format!(
            "{done}where nodes have logins in a database, tell that as well: regionmesh store topology --store ADDRESS\n"
        ));
    };
    match tell(address, cluster, version, topology) {
        Ok(told) => Ok(format!("{done}{told}")),
        Err((exit, why)) => Err(Failure {
            exit,
            message: format!(
                "topology version {version} is signed, but the database was not told of it: {why}; go on with regionmesh store topology --store {address}\n{}",
                done.trim_end()
            ),
        }),
    }
}

fn tell(
    address: &PostgresAddress,
    cluster: ClusterId,
    version: TopologyVersion,
    topology: &Topology,
) -> Said {
    let regions = topology.regions().iter();
    let candidates: Vec<(RegionNumber, NodeNumber)> = regions
        .flat_map(|region| region.candidates().map(|node| (region.number, node)))
        .collect();
    candidates::note(address, cluster, version, &candidates).map_err(|error| refusal(&error))?;
    let count = topology.regions().len();
    Ok(format!(
        "{address}: told which servers may have which of {count} regions, by topology version {version}\n"
    ))
}
