//! The swarm: any number of bots that play a game as its clients do, measure what they get, and count whether
//! anything was lost or doubled. [`run`] is the whole of it; a game's program calls it with what its bots do.

#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod absences;
pub mod args;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod bot;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod cadence;
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
mod ramp;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod report;
mod run;
mod run_error;
mod seat;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod sight;
mod sockets;
mod swarm;
mod swarm_thread;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod tally;
#[cfg(test)]
mod tests;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod threshold;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod timetable;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod verdict;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
mod walk;
#[cfg(test)]
mod walk_worlds;
mod words;

use std::process::ExitCode;

use game::bot::MakeBehaviour;
use program::{Ask, Force, Signals};
use tokio_util::sync::CancellationToken;

pub use args::Args;

/// Runs the swarm to its end and prints what came of it. 0: all is well; 99: a threshold or the oracle is broken,
/// or some bots were not let in; 2: wrong usage; 3: nobody can be reached; 4: the generator could not keep up; 130: a signal
/// came before the time was up.
///
/// Ctrl-C, SIGTERM or SIGHUP end it early; a later one ends the process, if `force` lets it.
#[must_use]
pub fn run(args: &Args, make_behaviour: MakeBehaviour, force: Force) -> ExitCode {
    // Signals are heard on a thread of their own, whatever the run waits for.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let interrupt = CancellationToken::new();
            tokio::spawn(watch_signals(Signals::listen(force)?, interrupt.clone()));
            let report = run::run(args, make_behaviour, interrupt).await?;
            run::publish(args, &report)?;
            Ok(report.verdict)
        }),
        Err(error) => Err(run_error::RunError::from(error)),
    };
    match ended {
        Ok(verdict) => verdict.exit_code().into(),
        Err(error) => {
            program::note(format_args!("loadtest: {}", protocol::ShownLines(&error)));
            error.exit_code().into()
        }
    }
}

/// The first signal asks for the end, a later one takes it.
async fn watch_signals(mut signals: Signals, interrupt: CancellationToken) {
    loop {
        match signals.next().await {
            Ask::End => interrupt.cancel(),
            Ask::EndAtOnce => std::process::exit(verdict::Verdict::Interrupted.exit_code().into()),
        }
    }
}
