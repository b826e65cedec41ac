//! A node that does nothing: the whole frame of a process without a role, for trying it out and for its tests.

use clap::Parser as _;
use node::config::{Mistake, Settings};
use node::life::{NodeProcess, run};
use node::settings::{NodeArgs, NodeSettings};
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct IdleSettings {
    node: NodeSettings,
    idle: Idle,
}

/// How it drains: `linger_ms` after being asked to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Idle {
    linger_ms: u64,
    api_token: String,
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
            node.status.publish(serde_json::json!({"players": 0}));
            println!("ready {}", node.admin);
            node.readiness.started();
            node.shutdown.draining().await;
            tokio::time::sleep(std::time::Duration::from_millis(settings.idle.linger_ms)).await;
            Ok(())
        },
    );
    exit.into()
}
