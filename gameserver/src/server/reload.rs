//! Reads the settings of the game anew when an operator asks: `POST /reload` at the admin endpoint. They are read as at the
//! start, from the same layers and as strictly; with a mistake anywhere everything stays as it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use game::Game;
use net::panics::message;
use node::admin::StatusBoard;
use node::config::{self, Sources};
use protocol::Shown;
use serde_json::Value;
use tokio::sync::oneshot;

use super::played::Played;
use super::settings::GameServerSettings;
use super::world_mailbox::{Mailbox, Order};

/// How long the world may take to come round.
const PATIENCE: Duration = Duration::from_secs(10);
/// The table that is read anew.
const TABLE: &str = "game";

/// From now on the settings of `game` are read anew when `board` is asked to.
pub(super) fn answer(board: &StatusBoard, game: &Played, mailbox: &Mailbox) {
    let (game, mailbox) = (game.clone(), mailbox.clone());
    board.answer_reload(move || {
        let (game, mailbox) = (game.clone(), mailbox.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let mut told = None;
            let said = game.read_anew(&mut |reload| {
                let (done, answer) = oneshot::channel();
                mailbox.send(Order::Reload(reload, done));
                told = Some(answer);
            })?;
            Ok::<_, String>((said, told))
        });
        Box::pin(async move {
            let read = reading.await.map_err(|_| "the server stops".to_owned())?;
            let (said, told) = read.inspect_err(|why| {
                tracing::warn!(why = %Shown(why), "the settings of the game stay as they are");
            })?;
            tracing::info!(%said, "the settings of the game are read anew");
            let Some(answer) = told else { return Ok(said) };
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(regions)) => Ok(format!("{said}; regions that play by them: {regions}")),
                Ok(Err(_)) => Err("the server stops".to_owned()),
                Err(_) => Err(format!(
                    "{said}, but the world does not come round; look at /readyz"
                )),
            }
        })
    });
}

/// What was read anew.
pub(super) struct Read<G> {
    /// The game with it; `None` when its table says what it has said before.
    pub(super) game: Option<Arc<G>>,
    /// All settings that count from now on.
    pub(super) in_force: Value,
    /// What has changed, for people.
    pub(super) said: String,
}

/// Reads all settings, and makes the game with its own when those are others than before.
///
/// # Errors
/// Why everything stays as it is, in words for the operator.
pub(super) fn read<G: Game>(sources: &Sources, in_force: &Value) -> Result<Read<G>, String> {
    let loaded = config::load::<GameServerSettings<G::Settings>>(sources);
    let settings = loaded.map_err(|error| error.to_string())?.settings;
    let mut read = serde_json::to_value(&settings).map_err(|error| error.to_string())?;
    let (of_game, others): (Vec<_>, Vec<_>) = changed(in_force, &read)
        .into_iter()
        .partition(|(table, _)| table == TABLE);
    let keys = |changed: &[(String, String)]| {
        let keys = changed.iter().map(|(table, key)| format!("{table}.{key}"));
        keys.collect::<Vec<_>>().join(", ")
    };
    let mut said = match of_game.is_empty() {
        true => "the settings of the game are as they were".to_owned(),
        false => format!("in force: {}", keys(&of_game)),
    };
    if !others.is_empty() {
        said += &format!("; not before the next start: {}", keys(&others));
        for (table, value) in read.as_object_mut().into_iter().flatten() {
            if table != TABLE {
                value.clone_from(&in_force[table.as_str()]);
            }
        }
    }
    let game = match of_game.is_empty() {
        true => None,
        false => {
            let made = catch_unwind(AssertUnwindSafe(|| G::new(settings.game)));
            let made = made.map_err(|said| {
                let said = message(&*said);
                format!("the game panics at its new settings: {}", Shown(said))
            });
            Some(Arc::new(made?))
        }
    };
    let in_force = read;
    Ok(Read { game, in_force, said })
}

/// Table and key of all that is not the same.
fn changed(before: &Value, after: &Value) -> Vec<(String, String)> {
    let tables = after.as_object().into_iter().flatten();
    let of_table = |(table, keys): (&String, &Value)| {
        let keys = keys.as_object().into_iter().flatten();
        let other = keys.filter(|(key, value)| before[table.as_str()][key.as_str()] != **value);
        let other = other.map(|(key, _)| (table.clone(), key.clone()));
        other.collect::<Vec<_>>()
    };
    tables.flat_map(of_table).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use game::bytes::Bytes;
    use game::{Ctx, GameLogic, Mistake, Position, UserId, World, settings_table};

    settings_table! {
        /// The table `[game]`.
        pub struct Depth {
            /// Not above 9; 7 is more than the game can bear.
            pub depth: u32 = 1,
        }
    }

    impl game::Settings for Depth {
        fn check(&self) -> Vec<Mistake> {
            let deep = Mistake::new("game.depth", "is too deep", "write at most 9");
            (self.depth > 9).then_some(deep).into_iter().collect()
        }
    }

    struct Mine(u32);
    struct Rules;

    impl Game for Mine {
        const ID: &'static str = "mine";
        const VERSION: u32 = 1;
        type Settings = Depth;
        type Rules = Rules;

        fn new(settings: Depth) -> Self {
            assert!(settings.depth != 7, "it caves in");
            Self(settings.depth)
        }

        fn rules(&self) -> Rules {
            Rules
        }

        fn answer(&self, _: &[u8]) -> Vec<u8> {
            self.0.to_string().into()
        }
    }

    impl GameLogic for Rules {
        fn spawn_point(&self, _: &World, _: UserId) -> Position {
            Position { x: 1.0, y: 1.0 }
        }

        fn kind_of_player(&self) -> u16 {
            1
        }

        fn timer(&mut self, ctx: &mut dyn Ctx, _: u64) {
            ctx.announce(Bytes::new());
        }
    }

    #[test]
    fn the_table_of_the_game_is_read_anew_as_strictly_as_at_the_start_and_with_a_mistake_nothing_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gs.toml");
        let sources = Sources {
            file: Some(file.clone()),
            ..Sources::default()
        };
        let write = |game: &str, limits: &str| {
            let text = format!("[node]\nname = 'a'\ndata = '/d'\n[game]\n{game}\n[limits]\n{limits}\n");
            std::fs::write(&file, text).unwrap();
        };
        write("depth = 3", "players_max = 5");
        let settings = config::load::<GameServerSettings<Depth>>(&sources)
            .unwrap()
            .settings;
        let in_force = serde_json::to_value(&settings).unwrap();
        let game = Played::new::<Mine>(settings.game).reading::<Mine>(sources, in_force);
        let answers = game.answer_asks();
        let read = || {
            let mut told = 0;
            let said = game.read_anew(&mut |_| told += 1);
            (said, told, String::from_utf8(answers(b"")).unwrap())
        };
        let unchanged = |(said, told, depth): (Result<String, String>, u32, String)| {
            assert_eq!((told, depth.as_str()), (0, "3"), "{said:?}");
            said
        };
        assert_eq!(
            unchanged(read()).unwrap(),
            "the settings of the game are as they were"
        );
        for (text, words) in [
            (
                "depht = 4",
                vec!["`game.depht`", "gs.toml:5:1", "did you mean `game.depth`?"],
            ),
            ("depth = '4'", vec!["`game.depth`", "gs.toml:5:9"]),
            ("depth = 10", vec!["is too deep", "gs.toml:5:", "write at most 9"]),
            ("depth = ", vec!["gs.toml:5"]),
            ("depth = 7", vec!["panics", "it caves in"]),
        ] {
            write(text, "");
            let why = unchanged(read()).unwrap_err();
            assert!(words.iter().all(|word| why.contains(word)), "{text}: {why}");
        }
        // Also where the mistake is somebody else's.
        write("depth = 4", "playrs_max = 5");
        assert!(unchanged(read()).is_err_and(|why| why.contains("playrs_max")));
        write("depth = 4", "players_max = 6");
        let later = "not before the next start: limits.players_max";
        let said = format!("in force: game.depth; {later}");
        assert_eq!(read(), (Ok(said), 1, "4".to_owned()));
        let said = format!("the settings of the game are as they were; {later}");
        assert_eq!(read(), (Ok(said), 0, "4".to_owned()));
    }
}
