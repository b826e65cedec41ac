//! The swarm as a program of its own; the library does everything.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let exit = loadtest::run(&loadtest::Args::parse(), program::Force::LaterSignal);
    program::flush();
    exit
}
