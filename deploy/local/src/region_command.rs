//! `regionmesh region` and `regionmesh reload`: have a running game server give one of its regions to another, say something to
//! its rules, or read the settings of its game anew.

use crate::command_line::{GiveArguments, RegionCommand, ReloadArguments, TellArguments};
use crate::{post, post_bytes};
use node::life::Failure;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

pub(crate) fn run(command: &RegionCommand) -> ExitCode {
    said(match command {
        RegionCommand::Give(arguments) => give(arguments),
        RegionCommand::Tell(arguments) => tell(arguments),
    })
}

pub(crate) fn reload(ReloadArguments { admin }: &ReloadArguments) -> ExitCode {
    said(answer(*admin, post(*admin, "/reload")))
}

fn said(said: Result<String, Failure>) -> ExitCode {
    match said {
        Ok(said) => crate::answers::printed(&said),
        Err(failure) => crate::answers::refused(&failure),
    }
}

fn give(GiveArguments { region, to, admin }: &GiveArguments) -> Result<String, Failure> {
    check_names([region, to])?;
    answer(*admin, post(*admin, &format!("/give?region={region}&to={to}")))
}

fn tell(
    TellArguments {
        region,
        command,
        admin,
    }: &TellArguments,
) -> Result<String, Failure> {
    check_names([region])?;
    let path = format!("/rules?region={region}");
    answer(*admin, post_bytes(*admin, &path, command.as_bytes()))
}

fn check_names<const N: usize>(names: [&str; N]) -> Result<(), Failure> {
    let is_name = |byte: u8| byte.is_ascii_graphic() && !b"&=%#?".contains(&byte);
    if names.iter().all(|name| name.bytes().all(is_name)) {
        return Ok(());
    }
    let why = "regions and servers are named, or numbered, as in the topology";
    Err(Failure::bad_input(why))
}

fn answer(admin: SocketAddr, answered: io::Result<(u16, String)>) -> Result<String, Failure> {
    match answered.map_err(|error| Failure::unreachable(format!("{admin} does not answer: {error}")))? {
        (200, said) => Ok(said),
        (404, _) => Err(Failure::bad_input(format!(
            "{admin} is no game server of this version"
        ))),
        (_, why) => Err(Failure::failed(why.trim())),
    }
}
