//! `regionmesh settings`: the manual of all settings, from the settings themselves. `docs/settings.md` is its output, and a
//! test compares them.

use game::Game;
use gameserver::server::GameServerSettings;
use node::config::{Flag, Table as _, manual};
use node::settings::NodeArgs;
use proxy::server::{AuthSettings, ProxyArgs, ProxySettings};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const HEAD: &str = "# Settings

<!-- Written by `regionmesh settings`: change the settings, not this page. -->

Each node reads defaults < file (`--config F`, TOML) < environment < flags; what stands further right counts. The key `log_level`
of the table `[node]` is the variable `REGIONMESH_NODE__LOG_LEVEL`: two underscores stand between table and key, and a list is
written `[a, b]` there. One file or environment may serve all nodes of a cluster: a node passes over the settings of another
role, and refuses what is a setting of none. All mistakes are told at once, with place and remedy; the exit code is then 2.
`--print-config` prints every value with its origin, secrets masked, and what was passed over.

";

const AUTH_TABLES: &str = "
The tables `[store]`, `[auth]` and `[jwt]` are those of proxies. Guests are let in and requests are counted by proxies alone: `auth.guests` and `auth.requests_per_prefix_per_s`
mean nothing to an auth node, and where a topology names one, the settings of passwords and `[jwt]` mean nothing to proxies.
";

/// The whole page; the table `[game]` is the one of `G`.
pub(crate) fn page<G: Game>() -> String {
    let (of_nodes, of_servers, of_proxies) = (node_flags(), server_flags::<G>(), proxy_flags());
    let parts = [
        manual::role::<ProxySettings>("Every node", &["node"], &of_nodes),
        manual::role::<GameServerSettings<G::Settings>>(
            "Game servers",
            &["listen", "store", "game", "limits"],
            &of_servers,
        ),
        manual::role::<ProxySettings>(
            "Proxies",
            &["listen", "store", "clients", "http", "tls", "edge", "auth", "jwt"],
            &of_proxies,
        ),
        manual::role::<AuthSettings>("Auth nodes", &["listen"], &of_proxies) + AUTH_TABLES,
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

fn server_flags<G: Game>() -> Vec<Flag> {
    let of_game = G::Settings::FIELDS.iter();
    let args = gameserver::server::Args {
        store: Some("x".into()),
        accept_store: true,
        game: of_game
            .map(|field| (field.name.to_owned(), String::new()))
            .collect(),
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
    use demo::{DemoGame, DemoSettings};
    use node::config::{Sources, load};
    use std::path::Path;

    /// The examples of deploy/three-hosts, whatever else they say, are configurations that a node takes.
    #[test]
    fn the_examples_for_hosts_are_taken() {
        let example = |name: &str| Sources {
            file: Some(format!("{}/../three-hosts/{name}.toml", env!("CARGO_MANIFEST_DIR")).into()),
            ..Sources::default()
        };
        let server = load::<GameServerSettings<DemoSettings>>(&example("gs-a")).unwrap();
        let proxy = load::<ProxySettings>(&example("edge-1")).unwrap();
        assert!(server.passed_over.is_empty() && proxy.passed_over.is_empty());
        let (server, proxy) = (server.settings, proxy.settings);
        assert_eq!(
            (server.node.name.as_str(), proxy.node.name.as_str()),
            ("gs-a", "edge-1")
        );
        // Each by a login of its own.
        let store = |path: &Path, node: &str| path.to_str().unwrap().replace(node, "NODE");
        let [ours, theirs] = [
            store(&server.store.path, "gs-a"),
            store(&proxy.store.path, "edge-1"),
        ];
        assert_eq!(ours, theirs, "one world");
        assert!(ours.starts_with("postgres://") && ours.contains("NODE"), "{ours}");
        let text = include_str!("../../three-hosts/topology.toml");
        let topology = topology::parse("topology.toml", text).unwrap();
        let entry = topology.server_by_name("gs-a").unwrap();
        let ports = [entry.peer.port, entry.proxy.port].map(Some);
        let listen = [server.listen.peer, server.listen.proxy].map(|at| at.map(|at| at.port()));
        assert_eq!(listen, ports, "where it listens is where others dial");
        let entry = topology.proxy_by_name("edge-1").unwrap();
        let listen = [proxy.listen.tcp, proxy.listen.udp, proxy.listen.http].map(|at| at.map(|at| at.port()));
        assert_eq!(
            listen,
            [entry.tcp.port, entry.udp.port, entry.http.port].map(Some)
        );
    }

    /// After a change of a setting `cargo run -- settings > docs/settings.md` writes the page anew.
    #[test]
    fn the_page_has_every_setting() {
        let written = include_str!("../../../docs/settings.md");
        assert!(
            page::<DemoGame>() == written,
            "run: cargo run -- settings > docs/settings.md\n{}",
            page::<DemoGame>()
        );
    }
}
