//! The settings of a game server: the table `[node]` that every node has, and its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use game::NoSettings;
use node::config::{Flag, Mistake, Settings};
use node::settings::{NodeArgs, NodeSettings};
use node::utf8_path::Utf8Path;
use store::Accept;
use store::limits::GUEST_IDLE_MS_MIN;

/// File name of the store beside the data directories of one machine.
const STORE_FILE: &str = "store.sqlite";

node::settings! {
    /// All settings of a game server.
    pub struct GameServerSettings<G = NoSettings> {
        /// What every node has.
        pub node: NodeSettings,
        /// Where it listens.
        pub listen: ListenTable,
        /// Where players and holdings are kept.
        pub store: StoreTable,
        /// The game's own.
        pub game: G,
        /// Bounds and times.
        pub limits: LimitSettings,
    }
}

node::settings_table! {
    /// The table `[listen]`: where it listens, when that is not where the topology has others dial it.
    pub struct ListenTable {
        /// For other game servers; unset: the topology's `peer`, when that is an address of this machine.
        pub peer: Option<SocketAddr> = None,
        /// For proxies; unset: the topology's `proxy`, when that is an address of this machine.
        pub proxy: Option<SocketAddr> = None,
    }
}

node::settings_table! {
    /// The table `[store]`.
    pub struct StoreTable {
        /// The SQLite file that all processes of the machine share, or the address of a PostgreSQL database, without its password; empty: `store.sqlite` beside the data directory.
        pub path: PathBuf = PathBuf::new(),
        /// Takes the store as it is, also when it is not as this node remembers it. For one start.
        pub accept: bool = false,
        /// Requests that may wait for the store, bytes.
        pub queue_bytes_max: usize = store::limits::QUEUE_BYTES_MAX,
    }
}

node::settings_table! {
    /// The table `[limits]`.
    pub struct LimitSettings {
        /// Players that this server should have at most, as it tells whoever balances.
        pub players_max: u32 = 4_000,
        /// How long a player without a proxy stays in the world, milliseconds.
        pub linkdead_grace_ms: u64 = 30_000,
        /// Soft state is saved this long after it changed, milliseconds.
        pub soft_save_ms: u64 = 1_000,
        /// Guests that nobody simulates are forgotten after so long, and what they hold goes back to the ground, milliseconds; 0: never.
        pub guest_idle_ms: u64 = 3_600_000,
    }
}

impl<G: game::Settings> Settings for GameServerSettings<G> {
    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = self.node.check();
        mistakes.extend(self.game.check());
        if self.store.queue_bytes_max < 1 << 20 {
            mistakes.push(Mistake::new(
                "store.queue_bytes_max",
                "is less than 1048576, which one batch of saves may need",
                "write at least 1048576",
            ));
        }
        if (1..GUEST_IDLE_MS_MIN).contains(&self.limits.guest_idle_ms) {
            mistakes.push(Mistake::new(
                "limits.guest_idle_ms",
                "forgets guests while they may still come back",
                format!("{GUEST_IDLE_MS_MIN} at least, or 0 to keep them for ever"),
            ));
        }
        mistakes
    }
}

impl<G> GameServerSettings<G> {
    /// Takes the game's own away: nothing else here has a use for it.
    pub(super) fn split(self) -> (GameServerSettings, G) {
        let Self {
            node,
            listen,
            store,
            game,
            limits,
        } = self;
        let rest = GameServerSettings {
            node,
            listen,
            store,
            game: NoSettings {},
            limits,
        };
        (rest, game)
    }
}

impl GameServerSettings {
    /// What is done about a store that is not as this node remembers it.
    pub(super) fn accept(&self) -> Accept {
        if self.store.accept {
            Accept::Whatever
        } else {
            Accept::Remembered
        }
    }

    /// The store's file, or the address of its database.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        if !self.store.path.as_os_str().is_empty() {
            return self.store.path.clone();
        }
        let beside = self.node.data.join("..");
        beside.canonicalize().unwrap_or(beside).join(STORE_FILE)
    }
}

/// The command line of a game server.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// What every node takes.
    #[command(flatten)]
    pub node: NodeArgs,
    /// The store: a SQLite file, or the address of a PostgreSQL database [default: store.sqlite beside the data directory]
    #[arg(long, value_name = "FILE|ADDRESS", value_parser = Utf8Path)]
    pub store: Option<PathBuf>,
    /// Takes the store as it is, also when it is empty, older or another world than this node has served
    #[arg(long)]
    pub accept_store: bool,
    /// A setting of the game, from its table `[game]`; may be given several times
    #[arg(long = "game", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub game: Vec<(String, String)>,
}

impl Args {
    /// The flags beyond those that every node has.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        let given = [
            (
                "--store",
                "store.path",
                self.store
                    .as_ref()
                    .map(|path| path.to_string_lossy().into_owned()),
            ),
            (
                "--accept-store",
                "store.accept",
                self.accept_store.then(|| "true".to_owned()),
            ),
        ];
        let given = given.into_iter().filter_map(|(name, key, value)| {
            Some(Flag {
                name,
                key: key.into(),
                value: value?,
            })
        });
        let of_game = self.game.iter().map(|(key, value)| Flag {
            name: "--game",
            key: format!("game.{key}").into(),
            value: value.clone(),
        });
        given.chain(of_game).collect()
    }
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use node::config::known::assert_known;
    use node::config::{Sources, assert_strict, load};

    type OfDemo = GameServerSettings<demo::DemoSettings>;

    #[test]
    fn unknown_keys_are_refused_everywhere() {
        assert_strict::<GameServerSettings>();
        assert_strict::<OfDemo>();
        assert_known::<GameServerSettings>(node::config::known::GAME_SERVER);
    }

    #[test]
    fn flags_reach_their_settings_and_mistakes_are_told() {
        let args = Args {
            store: Some("/somewhere/s.sqlite".into()),
            accept_store: true,
            game: vec![("creatures".to_owned(), "3".to_owned())],
            ..Args::default()
        };
        let mut flags = args.flags();
        let given = |key: &'static str, value: &str| Flag {
            name: "--test",
            key: key.into(),
            value: value.to_owned(),
        };
        flags.extend([given("node.name", "gs-a"), given("node.data", "/data/nodes/gs-a")]);
        let sources = |flags| Sources {
            flags,
            ..Sources::default()
        };
        let loaded = load::<OfDemo>(&sources(flags.clone())).unwrap().settings;
        let (loaded, game) = loaded.split();
        assert_eq!(game.creatures, 3);
        assert_eq!(loaded.accept(), Accept::Whatever);
        assert_eq!(GameServerSettings::default().accept(), Accept::Remembered);
        assert_eq!(loaded.store_path(), PathBuf::from("/somewhere/s.sqlite"));
        flags.push(given("limits.inbox_bytes_max", "5"));
        let error = load::<OfDemo>(&sources(flags)).unwrap_err().to_string();
        assert!(error.contains("limits.inbox_bytes_max"), "{error}");
    }

    #[test]
    fn mistakes_in_the_table_of_the_game_have_their_place_and_the_nearest_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gs.toml");
        let text = "[node]\nname = 'gs-a'\ndata = '/data'\n[game]\ncretures = 3\ncreatures = '3'\n";
        std::fs::write(&file, text).unwrap();
        let sources = |text: Option<&std::path::Path>, game: &[(&str, &str)]| Sources {
            file: text.map(Into::into),
            flags: Args {
                game: game
                    .iter()
                    .map(|(key, value)| ((*key).into(), (*value).into()))
                    .collect(),
                ..Args::default()
            }
            .flags(),
            ..Sources::default()
        };
        let of_file = load::<OfDemo>(&sources(Some(&file), &[]))
            .unwrap_err()
            .to_string();
        for words in [
            "there is no setting `game.cretures`",
            "did you mean `game.creatures`?",
            "gs.toml:5:1",
            "`game.creatures` does not fit",
            "gs.toml:6:13",
        ] {
            assert!(of_file.contains(words), "{words}: {of_file}");
        }
        let of_flag = load::<OfDemo>(&sources(None, &[("speed", "3")]))
            .unwrap_err()
            .to_string();
        assert!(
            of_flag.contains("there is no setting `game.speed`") && of_flag.contains("--game"),
            "{of_flag}"
        );
        // A game without settings takes none.
        let of_none = load::<GameServerSettings>(&sources(Some(&file), &[]))
            .unwrap_err()
            .to_string();
        assert!(
            of_none.contains("there is no setting `game.creatures`"),
            "{of_none}"
        );
        assert!(key_and_value("creatures").is_err());
    }

    #[test]
    fn guests_are_kept_while_they_may_come_back_or_for_ever() {
        let mistakes = |guest_idle_ms| {
            let mut settings: GameServerSettings = GameServerSettings::default();
            settings.limits.guest_idle_ms = guest_idle_ms;
            let mistakes = settings.check().into_iter();
            mistakes
                .filter(|mistake| mistake.key == "limits.guest_idle_ms")
                .count()
        };
        assert_eq!([0, 1, 1_199_999, 1_200_000].map(mistakes), [0, 1, 1, 0]);
    }

    #[test]
    fn all_nodes_of_a_machine_share_a_store_beside_their_data_directories() {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = ["gs-a", "gs-b"].map(|name| {
            let mut settings: GameServerSettings = GameServerSettings::default();
            settings.node.data = folder.path().join(name);
            std::fs::create_dir(&settings.node.data).unwrap();
            settings.store_path()
        });
        assert_eq!(paths[0], paths[1]);
        assert!(paths[0].ends_with(STORE_FILE));
        paths[0].pop();
        assert_eq!(paths[0], folder.path().canonicalize().unwrap());
    }
}
