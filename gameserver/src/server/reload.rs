//! Has the settings of the game read anew when an operator asks: `POST /reload` at the admin endpoint.

use std::time::Duration;

use node::admin::StatusBoard;
use protocol::Shown;
use tokio::sync::oneshot;

use super::played::Played;
use super::world_mailbox::{Mailbox, Order};

/// How long the world may take to come round.
const PATIENCE: Duration = Duration::from_secs(10);

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::settings::GameServerSettings;
    use game::bytes::Bytes;
    use game::{Ctx, Game, GameLogic, Mistake, Position, UserId, World, settings_table};
    use node::config::{self, Sources};

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
