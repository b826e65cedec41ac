//! The `regionmesh` binary: the mesh with its demo game.

use std::process::ExitCode;

/// Made for threads that each free what they allocate, which the hot ones are (figures: `docs/performance.md`).
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    regionmesh::Program::of::<demo::DemoGame>()
        .behaviour(demo::BOTS)
        .main()
}
