//! `regionmesh store grant`, and its counterpart in `regionmesh node revoke`: the logins of nodes in a database. A password is made
//! here, goes as a verifier to the database and as a file into the node's data directory, and is shown nowhere.

use crate::command_line::GrantArguments;
use crate::database_command::{Said, bad_input, refusal};
use crate::{candidates_command, topology_file};
use node::OsEntropy;
use node::files::{self, Access};
use node::life::{Exit, Failure};
use protocol::Shown;
use protocol::entropy::Entropy as _;
use std::fmt::Write as _;
use std::path::PathBuf;
use store::postgres::PostgresAddress;
use store::postgres::logins::{self, Login, LoginKind};
use topology::{Topology, TopologyView};

/// Its name in a node's data directory.
const PASSWORD_FILE: &str = "store.pgpass";
/// What to do with these files.
const CARRY: &str = "carry them to the nodes' hosts, and name them there: store.path = \"postgres://LOGIN@HOST/DATABASE?passfile=DIR/store.pgpass\"\n";

pub(crate) fn run(arguments: &GrantArguments) -> Said {
    let address = PostgresAddress::parse(&arguments.store).map_err(bad_input)?;
    let of_input = |failure: Failure| (failure.exit, failure.message);
    let (topology, _) = topology_file::parsed(&arguments.topology).map_err(of_input)?;
    // All of them, before anything is changed.
    let nodes: Vec<(Login, PathBuf)> = arguments
        .names
        .iter()
        .map(|name| {
            let data = arguments.authority.authority.join("nodes").join(name);
            match data.is_dir() {
                true => Ok((login(&topology, name)?, data)),
                false => Err(bad_input(format!(
                    "{} is not there: issue the papers of {name} first with `regionmesh node issue`",
                    Shown(data.display())
                ))),
            }
        })
        .collect::<Result<_, (Exit, String)>>()?;
    let signed = candidates_command::signed(&arguments.authority.authority)?;
    let mut files = String::new();
    let told = give(&address, &nodes, &mut files).and_then(|()| candidates(&address, signed.as_ref()));
    match told {
        Ok(told) => Ok(format!("{files}{told}{CARRY}")),
        Err(failed) if files.is_empty() => Err(failed),
        // Passwords were changed all the same, and nothing shows them again.
        Err((exit, why)) => Err((exit, format!("{why}\n{files}{}", CARRY.trim_end()))),
    }
}

/// Gives each node its password, and notes the file of each.
fn give(
    address: &PostgresAddress,
    nodes: &[(Login, PathBuf)],
    text: &mut String,
) -> Result<(), (Exit, String)> {
    for (login, data) in nodes {
        let (password, name) = (password(), &login.name);
        logins::grant(address, login, &password).map_err(|error| refusal(&error))?;
        let file = data.join(PASSWORD_FILE);
        let line = format!("*:*:*:{name}:{password}\n");
        files::write(&file, line.as_bytes(), Access::Secret).map_err(|error| {
            let remedy = "nobody knows its password by now: give it another one";
            (Exit::Failed, format!("{error}; login {name}: {remedy}"))
        })?;
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}: password of the login {name}", Shown(file.display()));
    }
    Ok(())
}

/// Logins that may take any region are for nobody: the database is told who may have which as soon as a topology is signed.
fn candidates(address: &PostgresAddress, signed: Option<&TopologyView>) -> Said {
    let Some(signed) = signed else {
        return Ok(format!(
            "once the topology is signed: regionmesh store topology --store {address}\n"
        ));
    };
    candidates_command::tell_signed(address, signed).map_err(|(exit, why)| {
        let what = "the database was not told which server may have which region";
        let remedy = format!("go on with regionmesh store topology --store {address}");
        (exit, format!("{what}: {why}; {remedy}"))
    })
}

/// Takes the login of a node away; says so.
pub(crate) fn revoke(address: &str, name: &str) -> Result<String, Failure> {
    let address = PostgresAddress::parse(address).map_err(Failure::bad_input)?;
    let login = Login::name_of(name);
    let had = logins::revoke(&address, &login).map_err(|error| match error.may_pass() {
        true => Failure::unreachable(error),
        false => Failure::bad_input(error),
    })?;
    Ok(match had {
        true => format!("{address}: the login {login} is gone, and its connections have ended\n"),
        false => format!("{address}: there was no login {login}\n"),
    })
}

fn login(topology: &Topology, name: &str) -> Result<Login, (Exit, String)> {
    if let Some(server) = topology.server_by_name(name) {
        return Ok(Login::of(name, server.number, LoginKind::GameServer));
    }
    if let Some(auth) = topology.auth_by_name(name) {
        return Ok(Login::of(name, auth.number, LoginKind::Auth));
    }
    match topology.proxy_by_name(name) {
        Some(proxy) => Ok(Login::of(name, proxy.number, LoginKind::Proxy)),
        None => Err(bad_input(format!("the topology has no node {name}"))),
    }
}

fn password() -> String {
    let mut bytes = [0; 24];
    OsEntropy.fill(&mut bytes);
    files::hex(&bytes)
}
