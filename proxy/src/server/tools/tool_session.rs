//! One tool's session: its words to the client that is played for it, and what that client sees to the tool.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use client::{Client, ClientEvent, ClientTrust, ConnectOptions, ConnectionError, Credentials, Datagrams};
use protocol::Code;
use protocol::identity::AuthorityKeys;
use protocol::message::player::CommandClass;
use protocol::sealed_deed::AuthNodes;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::words::{self, Word};
use super::{Arrived, Shared, Spelling, messagepack};
use crate::server::message_line::{LineEnd, MessageLine};

/// Between two tellings of the world.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How long a tool may take to say as whom it comes.
const JOIN_TIME_MAX: Duration = Duration::from_secs(5);
/// How long goodbyes may take.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);
/// Bytes of a message of a tool.
const MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// Why a session is over.
enum Ended {
    /// The tool has closed, or its connection is gone.
    Gone,
    /// It broke a rule, counted under this label.
    Refused(&'static str, String),
    /// The client is out of the world.
    Left(ConnectionError),
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<LineEnd> for Ended {
    fn from(end: LineEnd) -> Self {
        match end {
            LineEnd::Gone => Self::Gone,
            LineEnd::Broken(label) => {
                let what = "a break of the framing, or too long a message".to_owned();
                Self::Refused(label, what)
            }
            LineEnd::Slow => Self::Refused("tool_slow", String::new()),
            LineEnd::Silent => Self::Refused("tool_silent", "no sign of life for 30 s".to_owned()),
        }
    }
}

/// Plays for one tool until one of the two ends.
pub(super) async fn serve(shared: Arc<Shared>, tool: Arrived) {
    let _place = tool.place;
    let spelling = tool.spelling;
    let heard = (spelling.form(), MESSAGE_BYTES_MAX);
    let Ok(messages) = MessageLine::new(tool.io, heard, tool.came) else {
        return;
    };
    let mut line = Line { messages, spelling };
    let played = async {
        let joined = timeout(JOIN_TIME_MAX, line.next_word()).await;
        let late = |_| Ended::Refused("tool_late", "nobody said join within 5 s".to_owned());
        let Word::Join { name } = joined.map_err(late)?? else {
            let what = "the first word is join".to_owned();
            return Err(Ended::Refused("tool_word", what));
        };
        let io = shared.connect(tool.from, tool.permit).await?;
        let options = options(&shared, name).ok_or(Ended::Gone)?;
        let client = Client::through(io, options).await.map_err(Ended::Left)?;
        play(&mut line, client).await
    };
    let Err(ended) = played.await else { return };
    let last_word = match ended {
        Ended::Gone => None,
        Ended::Refused(label, what) => {
            shared.context.refusals.count(label);
            Some(words::closed(Code::Protocol, &what))
        }
        Ended::Left(error) => Some(words::closed(code_of(&error), &error.to_string())),
    };
    let last_word = last_word.map(|word| spelling.spell(&word));
    let _ = timeout(CLOSE_TIME_MAX, line.messages.close(last_word)).await;
}

/// As a client of this proxy, under the authority that vouches for it.
fn options(shared: &Shared, name: String) -> Option<ConnectOptions> {
    let doors = shared.context.doors.load();
    Some(ConnectOptions {
        proxies: Vec::new(),
        trust: ClientTrust {
            cluster_id: shared.context.own.cluster_id,
            authorities: AuthorityKeys::new(doors.first()?.identity.authority),
            auth: AuthNodes::default(),
        },
        credentials: Credentials::Guest { name },
        datagrams: Datagrams::Off,
    })
}

fn code_of(error: &ConnectionError) -> Code {
    error.code().unwrap_or(Code::Generic)
}

async fn play(line: &mut Line, mut client: Client) -> Result<(), Ended> {
    line.say(&words::welcome(client.user())).await?;
    let mut telling = interval(TELL_EVERY);
    telling.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut is_described, mut news) = (false, None);
    loop {
        tokio::select! {
            event = client.next_event() => match event.map_err(Ended::Left)? {
                ClientEvent::Snapshot(snapshot) => news = Some(snapshot),
                event => {
                    if let Some(word) = description(&client, &mut is_described) {
                    line.say(&word).await?;
                }
                    if let Some(word) = words::event(&event) {
                        line.say(&word).await?;
                    }
                }
            },
            word = line.next_word() => obey(line, &mut client, word?).await?,
            _ = telling.tick() => {
                line.messages.look_after(Instant::now()).await?;
                if let Some(word) = description(&client, &mut is_described) {
                    line.say(&word).await?;
                }
                if let Some(world) = client.world()
                    && let Some(news) = news.take()
                {
                    line.say(&words::snapshot(&news, world)).await?;
                }
            }
        }
    }
}

/// The world is said once, as soon as it is known: before what happens in it.
fn description(client: &Client, is_described: &mut bool) -> Option<Value> {
    let world = client.world().filter(|_| !*is_described)?;
    *is_described = true;
    Some(words::world(world.shape()))
}

async fn obey(line: &mut Line, client: &mut Client, word: Word) -> Result<(), Ended> {
    match word {
        Word::Join { .. } => {
            let what = "join is said once".to_owned();
            return Err(Ended::Refused("tool_word", what));
        }
        Word::Input { input } => drop(client.send_input(input)),
        Word::Command { class, body } => {
            let class = match class {
                words::Class::Soft => CommandClass::Soft,
                words::Class::Durable => CommandClass::Durable,
            };
            match client.send_command(class, body) {
                Ok(number) => line.say(&words::command(number)).await?,
                Err(error) => return Err(Ended::Refused("tool_command", error.to_string())),
            }
        }
        Word::Logout => client.logout(),
    }
    Ok(())
}

/// The tool's end.
struct Line {
    messages: MessageLine,
    spelling: Spelling,
}

impl Line {
    /// The next word. Dropping the future loses nothing.
    async fn next_word(&mut self) -> Result<Word, Ended> {
        let message = self.messages.next_message().await?;
        let word = match self.spelling {
            Spelling::Json => words::of_json(&message),
            Spelling::MessagePack => messagepack::parse(&message).and_then(words::of_value),
        };
        word.map_err(|what| Ended::Refused("tool_word", what))
    }

    async fn say(&mut self, word: &Value) -> Result<(), Ended> {
        Ok(self.messages.say(&self.spelling.spell(word)).await?)
    }
}
