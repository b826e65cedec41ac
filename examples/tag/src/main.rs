//! The program of the game: everything that `regionmesh` can do, with these rules.

use std::process::ExitCode;

fn main() -> ExitCode {
    regionmesh::Program::of::<tag::Tag>().behaviour(tag::BOTS).main()
}
