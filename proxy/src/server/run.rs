//! The life of a proxy process: config → build → start → drain.

use std::path::Path;

use node::life::{Exit, Failure, Fatal, Loss, Node, NodeProcess};
use node::listen_file;
use node::telemetry::LINK_METRICS;
use serde_json::json;

use super::metrics::METRICS;
use super::proxy_task::{Addresses, Proxy};
use super::settings::{ProxyArgs, ProxySettings};

/// Runs a proxy process from its command line to its exit code.
#[must_use]
pub fn run(args: &ProxyArgs) -> Exit {
    let process = NodeProcess {
        role: "proxy",
        metrics: &[METRICS, LINK_METRICS],
        node_settings: |settings: &ProxySettings| &settings.node,
    };
    node::life::run(&process, &args.node, args.flags(), serve)
}

/// Serves until `node.shutdown` asks to drain, and drains.
///
/// # Errors
/// What the operator has to change, or what broke.
pub async fn serve(settings: ProxySettings, node: Node) -> Result<(), Failure> {
    net::panics::expect_guests(&[
        "attach",
        "browser",
        "client",
        "tool",
        "map",
        "renewal",
        "logout",
        "topology",
        "password",
        "webtransport",
    ]);
    node.readiness.starting("opening the store");
    let proxy = tokio::select! {
        started = Proxy::start(&settings, &node) => started?,
        // Nobody is here yet, so there is nothing to finish.
        () = node.shutdown.draining() => return Ok(()),
    };
    announce(&settings.node.data, proxy.addresses(), &node)?;
    node.readiness.started();
    tokio::select! {
        () = node.shutdown.draining() => {}
        fatal = node.owners.failed() => return Err(fatal.into()),
        thread = proxy.store_broken() => {
            let loss = Loss::Ended("it panicked".to_owned());
            let thread = thread.to_owned();
            return Err(Fatal { thread, loss }.into());
        }
    }
    tracing::info!(sessions = proxy.sessions().sessions, "draining");
    proxy.drain().await;
    listen_file::remove(&settings.node.data);
    Ok(())
}

fn announce(data: &Path, addresses: &Addresses, node: &Node) -> Result<(), Failure> {
    let Addresses {
        tcp,
        udp,
        http,
        webtransport,
    } = addresses;
    let mut file = json!({"tcp": tcp, "udp": udp, "http": http, "admin": node.admin});
    if let (Some(file), Some(at)) = (file.as_object_mut(), webtransport) {
        file.insert("webtransport".to_owned(), json!(at));
    }
    listen_file::write(data, &file).map_err(Failure::failed)?;
    let udp: Vec<String> = udp.iter().map(ToString::to_string).collect();
    let (udp, admin) = (udp.join(","), node.admin);
    let webtransport = webtransport.map_or_else(String::new, |at| format!(" webtransport={at}"));
    program::say(format_args!(
        "listening tcp={tcp} udp={udp} http={http}{webtransport} admin={admin}"
    ));
    Ok(())
}
