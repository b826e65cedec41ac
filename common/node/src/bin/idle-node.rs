//! A node that does nothing: the whole frame of a process without a role, for trying it out and for its tests.

use clap::Parser as _;
use node::config::{Mistake, Settings};
use node::life::{Ended, Failure, NodeProcess, Patience, Pulse, Shutdown, run};
use node::settings::{NodeArgs, NodeSettings};
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct IdleSettings {
    node: NodeSettings,
    idle: Idle,
}

/// How it drains: `linger_ms` after being asked to. What becomes of its one thread. How many lines it logs once it is ready, of level debug,
/// and how many warnings of one kind. Whether it opens all files that it may.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Idle {
    linger_ms: u64,
    api_token: String,
    fate: Fate,
    log_lines: u64,
    no_files_left: bool,
    warnings: u64,
}

/// What becomes of the one thread that the node cannot do without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fate {
    /// It works and waits until the node drains.
    #[default]
    Lives,
    /// It panics when the node is ready.
    Panics,
    /// It ends when the node is ready.
    Ends,
    /// It works for ever when the node is ready.
    Stalls,
}

/// The thread's work.
#[expect(clippy::panic, reason = "what it is for")]
fn work(fate: Fate, shutdown: &Shutdown, pulse: &Pulse) -> Ended {
    let pause = std::time::Duration::from_millis(50);
    let mut rounds = 0;
    while !shutdown.is_draining() {
        pulse.begin_wait();
        std::thread::sleep(pause);
        pulse.begin_work();
        rounds += 1;
        match fate {
            Fate::Panics if rounds > 10 => panic!("asked to"),
            Fate::Ends if rounds > 10 => return Ended::ByItself("asked to".to_owned()),
            Fate::Stalls if rounds > 10 => loop {
                std::thread::sleep(pause);
            },
            _ => {}
        }
    }
    Ended::AsAsked
}

impl Settings for IdleSettings {
    fn check(&self) -> Vec<Mistake> {
        self.node.check()
    }
}

#[derive(clap::Parser)]
struct Arguments {
    #[command(flatten)]
    node: NodeArgs,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let process = NodeProcess {
        role: "idle",
        metrics: &[],
        node_settings: |s: &IdleSettings| &s.node,
    };
    let exit = run(
        &process,
        &arguments.node,
        Vec::new(),
        |settings: IdleSettings, node| async move {
            let fate = settings.idle.fate;
            let shutdown = node.shutdown.clone();
            let run = move |pulse: &Pulse| work(fate, &shutdown, pulse);
            let thread = node.owners.thread("idle", Patience::HOT, run);
            thread.map_err(Failure::failed)?;
            node.status.publish(serde_json::json!({"players": 0}));
            let mut held = Vec::new();
            while settings.idle.no_files_left
                && let Ok(file) = std::fs::File::open("/dev/null")
            {
                held.push(file);
            }
            program::say(format_args!("ready {}", node.admin));
            node.readiness.started();
            for number in 0..settings.idle.log_lines {
                tracing::debug!(number, "a line that somebody may read, or nobody");
            }
            for number in 0..settings.idle.warnings {
                tracing::warn!(number, "a warning that comes again and again");
            }
            node.status
                .publish(serde_json::json!({"players": 0, "logged": settings.idle.log_lines}));
            node.shutdown.draining().await;
            tokio::time::sleep(std::time::Duration::from_millis(settings.idle.linger_ms)).await;
            Ok(())
        },
    );
    exit.into()
}
