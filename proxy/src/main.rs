//! A proxy as a program of its own; `regionmesh proxy` is the same.

use std::process::ExitCode;

use clap::Parser as _;
use proxy::server::ProxyArgs;

#[derive(clap::Parser)]
#[command(name = "proxy", about = "A proxy of a region mesh: players connect here")]
struct Arguments {
    #[command(flatten)]
    proxy: ProxyArgs,
}

fn main() -> ExitCode {
    proxy::server::run(&Arguments::parse().proxy).into()
}
