//! `regionmesh settings`: the manual of all settings, from the settings themselves. `docs/settings.md` is its output, and a
//! test compares them.

use gameserver::server::GameServerSettings;
use node::config::{Flag, manual};
use node::settings::NodeArgs;
use proxy::server::{ProxyArgs, ProxySettings};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

const HEAD: &str = "# Settings

<!-- Written by `regionmesh settings`: change the settings, not this page. -->

Each node reads defaults < file (`--config F`, TOML) < environment < flags; what stands further right counts. The key `log_level`
of the table `[node]` is the variable `REGIONMESH_NODE__LOG_LEVEL`: two underscores stand between table and key, and a list is
written `[a, b]` there. One file or environment may serve all nodes of a cluster: a node passes over the settings of the other
role, and refuses what is a setting of neither. All mistakes are told at once, with place and remedy; the exit code is then 2.
`--print-config` prints every value with its origin, secrets masked, and what was passed over.

";

pub(crate) fn run() -> ExitCode {
    crate::topology_command::printed(&page())
}

fn page() -> String {
    let (of_nodes, of_servers, of_proxies) = (node_flags(), server_flags(), proxy_flags());
    let parts = [
        manual::role::<ProxySettings>("Every node", &["node"], &of_nodes),
        manual::role::<GameServerSettings>(
            "Game servers",
            &["listen", "store", "game", "limits"],
            &of_servers,
        ),
        manual::role::<ProxySettings>(
            "Proxies",
            &["listen", "store", "clients", "edge", "auth"],
            &of_proxies,
        ),
    ];
    HEAD.to_owned() + &parts.join("\n")
}

/// Every flag that a node can be given, as if it were.
fn node_flags() -> Vec<Flag> {
    let args = NodeArgs {
        name: Some(String::new()),
        data: Some("x".into()),
        admin: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)),
        log_level: Some(String::new()),
        log_format: Some(String::new()),
        ..NodeArgs::default()
    };
    args.sources(Vec::new()).flags
}

fn server_flags() -> Vec<Flag> {
    let args = gameserver::server::Args {
        store: Some("x".into()),
        accept_store: true,
        creatures: Some(0),
        ..gameserver::server::Args::default()
    };
    args.flags()
}

fn proxy_flags() -> Vec<Flag> {
    let args = ProxyArgs {
        store: Some("x".into()),
        accept_store: true,
        ..ProxyArgs::default()
    };
    args.flags()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After a change of a setting `cargo run -- settings > docs/settings.md` writes the page anew.
    #[test]
    fn the_page_has_every_setting() {
        let written = include_str!("../../../docs/settings.md");
        assert!(
            page() == written,
            "run: cargo run -- settings > docs/settings.md\n{}",
            page()
        );
    }
}
