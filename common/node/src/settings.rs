//! The settings and flags that every node has, whatever its role: the table `[node]` of each configuration.

use crate::config::{Flag, Mistake, Sources};
use crate::telemetry::{LevelError, LogFormat};
use crate::utf8_path::Utf8Path;
use std::net::SocketAddr;
use std::path::PathBuf;

crate::settings_table! {
    /// The table `[node]`.
    pub struct NodeSettings {
        /// The node's name in the topology.
        pub name: String = String::new(),
        /// Its data directory: certificate, voucher, topology bundle.
        pub data: PathBuf = PathBuf::new(),
        /// Where the admin endpoint listens; port 0 is a free port, announced. Loopback unless said otherwise.
        pub admin: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 0)),
        /// Log filter: `info`, or `info,net=debug`.
        pub log_level: String = "info".to_owned(),
        /// `text` for people, `json` for machines.
        pub log_format: LogFormat = LogFormat::Text,
        /// How long a drain may take before the process ends all the same, milliseconds.
        pub drain_timeout_ms: u64 = 10_000,
    }
}

impl NodeSettings {
    /// What is missing or wrong; the table is expected under the key `node`.
    #[must_use]
    pub fn check(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.name.is_empty() {
            mistakes.push(Mistake::new(
                "node.name",
                "is missing",
                "give --name, as the topology names this node",
            ));
        }
        if self.data.as_os_str().is_empty() {
            mistakes.push(Mistake::new(
                "node.data",
                "is missing",
                "give --data, the directory with this node's certificate",
            ));
        }
        if crate::telemetry::parse_level(&self.log_level).is_err() {
            let what = format!("is `{}`, which is no log filter", self.log_level);
            mistakes.push(Mistake::new("node.log_level", what, LevelError::REMEDY));
        }
        mistakes
    }
}

/// The flags that every node has.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct NodeArgs {
    /// This node's name in the topology
    #[arg(long)]
    pub name: Option<String>,
    /// This node's data directory
    #[arg(long, value_name = "DIR", value_parser = Utf8Path)]
    pub data: Option<PathBuf>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address of the admin endpoint [default: a free port on loopback]
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,
    /// Log filter, such as info or info,net=debug
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
    /// Log format: text or json
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Prints every setting with its origin, and exits
    #[arg(long)]
    pub print_config: bool,
    /// Ends this process when the process with this id, which must be its parent, ends
    #[arg(long, value_name = "PID", hide = true)]
    pub parent: Option<u32>,
}

impl NodeArgs {
    /// The layers of the configuration, with `more` flags of the process's own.
    #[must_use]
    pub fn sources(&self, more: Vec<Flag>) -> Sources {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let given = [
            ("--name", "node.name", self.name.clone()),
            ("--data", "node.data", self.data.as_ref().map(path)),
            (
                "--admin",
                "node.admin",
                self.admin.map(|address| address.to_string()),
            ),
            ("--log-level", "node.log_level", self.log_level.clone()),
            ("--log-format", "node.log_format", self.log_format.clone()),
        ];
        let given = given.into_iter().filter_map(|(name, key, value)| {
            Some(Flag {
                name,
                key: key.into(),
                value: value?,
            })
        });
        Sources::of_process(self.config.clone(), given.chain(more).collect())
    }
}
