//! The swarm: any number of bots that play the demo game as clients do, measure what they get, and count whether
//! anything was lost or doubled. [`run`] is the whole of it; `regionmesh loadtest` and the binary beside it call it.

#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod absences;
pub mod args;
#[cfg(test)]
mod border_swarm;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod bot;
mod census;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod count;
mod http;
mod join;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod ledger;
mod logins;
mod node_watch;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod nodes;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod oracle;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod places;
mod preflight;
mod process;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod pulse;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod purse;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod ramp;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod report;
mod run;
mod run_error;
mod seat;
mod sockets;
mod swarm;
mod swarm_thread;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod tally;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod threshold;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod timetable;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod trade;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod verdict;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod walk;
#[cfg(test)]
mod walk_worlds;
mod words;

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

pub use args::Args;

/// Runs the swarm to its end and prints what came of it. 0: all is well; 99: a threshold or the oracle is broken,
/// or some bots were not let in; 2: wrong usage; 3: nobody can be reached; 4: the generator could not keep up.
///
/// Ctrl-C or SIGTERM ends measuring early, a second one ends the process.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let interrupt = CancellationToken::new();
            tokio::spawn(watch_signals(interrupt.clone()));
            let report = run::run(args, interrupt).await?;
            run::publish(args, &report)?;
            Ok(report.verdict)
        }),
        Err(error) => Err(run_error::RunError::from(error)),
    };
    match ended {
        Ok(verdict) => verdict.exit_code().into(),
        Err(error) => {
            eprintln!("loadtest: {}", protocol::ShownLines(&error));
            error.exit_code().into()
        }
    }
}

/// The first signal asks for the end, the second one takes it.
async fn watch_signals(interrupt: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut ctrl_c), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    for _ in 0..2 {
        tokio::select! {
            _ = ctrl_c.recv() => {}
            _ = terminate.recv() => {}
        }
        if interrupt.is_cancelled() {
            std::process::exit(130);
        }
        interrupt.cancel();
    }
}
