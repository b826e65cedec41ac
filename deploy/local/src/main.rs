//! The `regionmesh` binary: a local cluster of real processes, and each node as a subcommand.

fn main() {}
