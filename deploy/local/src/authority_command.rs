//! `regionmesh authority` and `regionmesh node`, and `regionmesh topology sign` and `push`: the operator's papers, in their plain form.
//! What they do is `node::authority_dir`'s; here it is read from the command line and told.

use crate::answers::{printed, refused};
use crate::command_line::{
    AuthorityCommand, AuthorityPath, InspectArguments, IssueArguments, NodeCommand, NodeRole, PushArguments,
    RenewArguments, RevokeArguments, SignArguments,
};
use crate::topology_file::parsed;
use crate::{JOIN_FILE, post_bytes, write_advertised};
use crate::{candidates_command, grant_command};
use node::OsEntropy;
use node::authority_dir::{AuthorityDir, AuthorityDirError, NodeState, Papers};
use node::clock::{utc, wall_ms};
use node::data_dir::BUNDLE_FILE;
use node::data_dir::inspect::inspect;
use node::files::{self, Access};
use node::life::{Exit, Failure};
use protocol::Shown;
use protocol::identity::Role;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use topology::Topology;

pub(crate) fn authority(command: &AuthorityCommand) -> ExitCode {
    let AuthorityCommand::Init(at) = command;
    told(init(at))
}

pub(crate) fn node(command: &NodeCommand) -> ExitCode {
    match command {
        NodeCommand::Issue(arguments) => told(issue(arguments)),
        NodeCommand::Renew(arguments) => told(renew(arguments)),
        NodeCommand::Revoke(arguments) => told(revoke(arguments)),
        NodeCommand::Inspect(arguments) => look(arguments),
    }
}

pub(crate) fn sign(arguments: &SignArguments) -> ExitCode {
    told(signed(arguments))
}

pub(crate) fn push(arguments: &PushArguments) -> ExitCode {
    told(pushed(arguments))
}

fn told(done: Result<String, Failure>) -> ExitCode {
    done.map_or_else(|failure| refused(&failure), |text| printed(&text))
}

fn refusal(error: AuthorityDirError) -> Failure {
    Failure::bad_input(error)
}

fn init(at: &AuthorityPath) -> Result<String, Failure> {
    let made = AuthorityDir::init(&at.authority, &mut OsEntropy).map_err(refusal)?;
    let path = Shown(at.authority.display());
    Ok(format!(
        "{path}: the authority of a new cluster, {}\nkeep its authority.key off the hosts of nodes, and a copy of the directory in a safe place\n",
        files::hex(&made.cluster.cluster_id.0)
    ))
}

fn open(at: &AuthorityPath) -> Result<AuthorityDir, Failure> {
    AuthorityDir::open(&at.authority).map_err(refusal)
}

fn issue(arguments: &IssueArguments) -> Result<String, Failure> {
    let mut authority = open(&arguments.authority)?;
    let role = match arguments.role {
        NodeRole::Gameserver => Role::GameServer,
        NodeRole::Proxy => Role::Proxy,
        NodeRole::Auth => Role::Auth,
    };
    let mut text = String::new();
    for name in &arguments.names {
        let issued = authority.issue_node(name, role, &mut OsEntropy, wall_ms());
        text += &issued_line(name, "issued", &issued.map_err(refusal)?);
    }
    text += "they count once a topology that names the nodes is signed: regionmesh topology sign FILE\n";
    Ok(text)
}

fn renew(arguments: &RenewArguments) -> Result<String, Failure> {
    let mut authority = open(&arguments.authority)?;
    let names: Vec<String> = match arguments.names.is_empty() {
        true => authority.nodes().map(|(name, _)| name.to_owned()).collect(),
        false => arguments.names.clone(),
    };
    if names.len() != 1 && arguments.data.is_some() {
        return Err(Failure::bad_input(
            "--data is the directory of one node; name that node",
        ));
    }
    let mut text = String::new();
    for name in &names {
        let renewed = authority.renew_node(name, arguments.data.as_deref(), wall_ms());
        text += &issued_line(name, "renewed", &renewed.map_err(refusal)?);
    }
    text += "copy node.cert and role.voucher into the data directories of running nodes: they take them up within seconds\n";
    Ok(text)
}

fn issued_line(name: &str, what: &str, papers: &Papers) -> String {
    let (until, data) = (ends(&papers.state), Shown(papers.data.display()));
    format!("{data}: {what} for {name}, {until}\n")
}

fn ends(state: &NodeState) -> String {
    let at = |ms: i64| utc(u64::try_from(ms).unwrap_or(0));
    let mut text = format!("certificate until {}", at(state.certificate_until_ms));
    if let Some(voucher_ms) = state.voucher_until_ms {
        let _ = write!(text, ", role voucher until {}", at(voucher_ms));
    }
    text
}

fn revoke(arguments: &RevokeArguments) -> Result<String, Failure> {
    let mut authority = open(&arguments.authority)?;
    let revoked = authority.revoke_node(&arguments.name).map_err(refusal)?;
    let login = match &arguments.store {
        Some(store) => grant_command::revoke(store, &arguments.name)?,
        None => String::new(),
    };
    Ok(format!(
        "{} ({}) is revoked\n{login}nodes shun it once they have a topology that is signed from now on: regionmesh topology sign FILE\n",
        revoked.name, revoked.uuid
    ))
}

fn signed(arguments: &SignArguments) -> Result<String, Failure> {
    let store = candidates_command::named(arguments.store.as_ref())?;
    let mut authority = open(&arguments.authority)?;
    let (topology, _) = parsed(&arguments.file)?;
    let signed = authority
        .sign(&topology.to_toml(), &topology, wall_ms())
        .map_err(refusal)?;
    if let Some(to) = &arguments.to {
        files::write(to, &signed.sealed, Access::Public).map_err(Failure::failed)?;
    }
    let (beside, join) = kept(&arguments.authority, &authority, &topology)?;
    let to = arguments.to.as_deref().unwrap_or(&beside);
    let until = utc(u64::try_from(signed.not_after_ms).unwrap_or(0));
    let cluster = authority.cluster.cluster_id;
    let done = format!(
        "{}: topology version {}, until {until}\ncopy it into the data directory of one running node: it spreads from there\n{}: how players find and trust the cluster\n",
        Shown(to.display()),
        signed.version,
        Shown(join.display())
    );
    candidates_command::told(&done, store.as_ref(), cluster, signed.version, &topology)
}

/// Where the bundle is, and the join file that goes with it, which is written.
fn kept(
    at: &AuthorityPath,
    authority: &AuthorityDir,
    topology: &Topology,
) -> Result<(PathBuf, PathBuf), Failure> {
    let (beside, join) = (at.authority.join(BUNDLE_FILE), at.authority.join(JOIN_FILE));
    let auths = authority.auth_nodes(topology);
    write_advertised(&join, &authority.cluster, topology, &auths).map_err(Failure::failed)?;
    Ok((beside, join))
}

/// What a node refuses is written nowhere: its version is used up, and that is all.
fn pushed(arguments: &PushArguments) -> Result<String, Failure> {
    let store = candidates_command::named(arguments.store.as_ref())?;
    let mut authority = open(&arguments.authority)?;
    let (topology, _) = parsed(&arguments.file)?;
    let signed = authority
        .sign_only(&topology.to_toml(), &topology, wall_ms())
        .map_err(refusal)?;
    let (admin, version) = (arguments.admin, signed.version);
    let unclear = |error| {
        let what = "it may have taken the topology up: `topology_version` in its /status says so";
        Failure::unreachable(format!("{admin} does not answer: {error}; {what}, or push again"))
    };
    let told = match post_bytes(admin, "/topology", &signed.sealed).map_err(unclear)? {
        (200, told) => told,
        (404, _) => {
            return Err(Failure::bad_input(format!(
                "{admin} is no game server of this version"
            )));
        }
        (_, why) => return Err(Failure::bad_input(why.trim())),
    };
    authority.keep(&topology, &signed).map_err(refusal)?;
    let (beside, _) = kept(&arguments.authority, &authority, &topology)?;
    let mut text = format!(
        "{}: topology version {version}, in force at {admin}, and spreads from there\n",
        Shown(beside.display())
    );
    if !told.trim().is_empty() {
        let _ = writeln!(text, "{}", told.trim());
    }
    let cluster = authority.cluster.cluster_id;
    candidates_command::told(&text, store.as_ref(), cluster, version, &topology)
}

/// The code says whether all of it is well.
fn look(arguments: &InspectArguments) -> ExitCode {
    let found = inspect(&arguments.data, wall_ms());
    let code = printed(&found.to_string());
    match found.is_well() {
        true => code,
        false => Exit::BadInput.into(),
    }
}
