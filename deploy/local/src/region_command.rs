//! `regionmesh region`: has a running game server give one of its regions to another.

use crate::command_line::{GiveArguments, RegionCommand};
use crate::post;
use node::life::Failure;
use std::process::ExitCode;

pub(crate) fn run(command: &RegionCommand) -> ExitCode {
    let RegionCommand::Give(arguments) = command;
    match give(arguments) {
        Ok(said) => crate::answers::printed(&said),
        Err(failure) => crate::answers::refused(&failure),
    }
}

fn give(GiveArguments { region, to, admin }: &GiveArguments) -> Result<String, Failure> {
    for name in [region, to] {
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"&=%#?".contains(&byte))
        {
            return Err(Failure::bad_input(
                "regions and servers are named, or numbered, as in the topology",
            ));
        }
    }
    let answered = post(*admin, &format!("/give?region={region}&to={to}"));
    match answered.map_err(|error| Failure::unreachable(format!("{admin} does not answer: {error}")))? {
        (200, said) => Ok(said),
        (404, _) => Err(Failure::bad_input(format!(
            "{admin} is no game server of this version"
        ))),
        (_, why) => Err(Failure::failed(why.trim())),
    }
}
