//! One tool's session: its words to the client that is played for it, and what that client sees to the tool.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use client::{Client, ClientEvent, ClientTrust, ConnectOptions, ConnectionError, Credentials, Datagrams};
use net::stream_socket::StreamSocket;
use net::websocket::{End, Messages, Over};
use protocol::Code;
use protocol::identity::AuthorityKeys;
use protocol::message::player::CommandClass;
use serde_json::Value;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::words::{self, Word};
use super::{Arrived, Shared, Spelling, messagepack};
use crate::server::client_door::notice_silence;

/// Between two tellings of the world.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How long a tool may take to say as whom it comes.
const JOIN_TIME_MAX: Duration = Duration::from_secs(5);
/// How long it may take to take a message.
const WRITE_TIME_MAX: Duration = Duration::from_secs(5);
/// A tool that is silent for so long is asked whether it is there …
const ASK_EVERY: Duration = Duration::from_secs(10);
/// … and after so long it is not.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long goodbyes may take.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);
/// Bytes of a message of a tool.
const MESSAGE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of one read.
const READ_BYTES: usize = 4 * 1024;

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

/// Plays for one tool until one of the two ends.
pub(super) async fn serve(shared: Arc<Shared>, tool: Arrived) {
    #[expect(
        deprecated,
        reason = "its successor is for unsafe code, of which there is none here; a socket has one descriptor all its life"
    )]
    let Ok(io) = AsyncFd::new(tool.io) else {
        return;
    };
    let _place = tool.place;
    let mut line = Line {
        io,
        messages: Messages::new(End::Server, tool.spelling.form(), MESSAGE_BYTES_MAX),
        spelling: tool.spelling,
        heard_at: Instant::now(),
        asked_at: Instant::now(),
    };
    notice_silence(line.io.get_ref());
    let mut came = tool.came;
    let played = async {
        line.take(&mut came)?;
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
    let _ = timeout(CLOSE_TIME_MAX, line.close(last_word)).await;
}

/// As a client of this proxy, under the authority that vouches for it.
fn options(shared: &Shared, name: String) -> Option<ConnectOptions> {
    let doors = shared.context.doors.load();
    Some(ConnectOptions {
        proxies: Vec::new(),
        trust: ClientTrust {
            cluster_id: shared.context.own.cluster_id,
            authorities: AuthorityKeys::new(doors.first()?.identity.authority),
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
                line.look_after(Instant::now()).await?;
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
    io: AsyncFd<StreamSocket>,
    messages: Messages,
    spelling: Spelling,
    /// When the tool last gave a sign of life.
    heard_at: Instant,
    asked_at: Instant,
}

impl Line {
    /// The next word. Dropping the future loses nothing.
    async fn next_word(&mut self) -> Result<Word, Ended> {
        loop {
            if let Some(message) = self.messages.next_message() {
                return self.read(&message);
            }
            if !self.messages.unsent().is_empty() || self.io.get_ref().has_unsent() {
                self.push_out().await?;
            }
            if self.messages.is_over() {
                self.take(&mut [])?;
            }
            let mut scratch = [0; READ_BYTES];
            let read = self.read_some(&mut scratch).await?;
            self.take(scratch.get_mut(..read).unwrap_or_default())?;
        }
    }

    async fn read_some(&mut self, scratch: &mut [u8]) -> Result<usize, Ended> {
        loop {
            // What TLS holds already is told by no poller.
            if self.io.get_ref().has_more() {
                match self.io.get_mut().read(scratch).map_err(ended)? {
                    0 => {}
                    read => return Ok(read),
                }
            }
            let mut ready = self.io.readable_mut().await?;
            match ready.get_inner_mut().read(scratch).map_err(ended)? {
                0 => ready.clear_ready(),
                read => return Ok(read),
            }
        }
    }

    fn take(&mut self, arrived: &mut [u8]) -> Result<(), Ended> {
        self.heard_at = Instant::now();
        self.messages.receive(arrived).map_err(|over| match over {
            Over::Closed => Ended::Gone,
            over => Ended::Refused(
                over.label(),
                "a break of the framing, or too long a message".to_owned(),
            ),
        })
    }

    fn read(&self, message: &[u8]) -> Result<Word, Ended> {
        let word = match self.spelling {
            Spelling::Json => words::of_json(message),
            Spelling::MessagePack => messagepack::parse(message).and_then(words::of_value),
        };
        word.map_err(|what| Ended::Refused("tool_word", what))
    }

    async fn say(&mut self, word: &Value) -> Result<(), Ended> {
        self.put(word);
        self.push_out().await
    }

    fn put(&mut self, word: &Value) {
        match self.spelling {
            Spelling::Json => self.messages.send(word.to_string().as_bytes()),
            Spelling::MessagePack => self.messages.send(&messagepack::encode(word)),
        }
    }

    /// A tool that may only listen is asked now and then whether it is there.
    async fn look_after(&mut self, now: Instant) -> Result<(), Ended> {
        if now.duration_since(self.heard_at) > SILENCE_MAX {
            return Err(Ended::Refused(
                "tool_silent",
                "no sign of life for 30 s".to_owned(),
            ));
        }
        if now.duration_since(self.heard_at.max(self.asked_at)) > ASK_EVERY {
            self.asked_at = now;
            self.messages.ping();
            self.push_out().await?;
        }
        Ok(())
    }

    async fn push_out(&mut self) -> Result<(), Ended> {
        // A tool that reads nothing hears nothing more.
        let late = |_| Ended::Refused("tool_slow", String::new());
        timeout(WRITE_TIME_MAX, self.write_out()).await.map_err(late)?
    }

    async fn write_out(&mut self) -> Result<(), Ended> {
        loop {
            let taken = self.io.get_mut().write(self.messages.unsent()).map_err(ended)?;
            if taken > 0 {
                self.messages.wrote(taken);
            }
            if self.messages.unsent().is_empty() && !self.io.get_ref().has_unsent() {
                return Ok(());
            }
            // The kernel has taken what it takes now.
            self.io.writable_mut().await?.clear_ready();
        }
    }

    async fn close(mut self, last_word: Option<Value>) -> Result<(), Ended> {
        if let Some(word) = last_word {
            self.put(&word);
        }
        self.messages.close();
        self.push_out().await?;
        while !self.io.get_mut().finish().map_err(ended)? {
            self.io.writable_mut().await?.clear_ready();
        }
        // Closed with unread bytes it would be reset, and the last word lost.
        loop {
            let mut ready = self.io.readable_mut().await?;
            if ready
                .get_inner_mut()
                .discard(&mut [0; READ_BYTES])
                .map_err(ended)?
                == 0
            {
                ready.clear_ready();
            }
        }
    }
}

/// A connection that is broken is gone; what breaks TLS is counted.
fn ended(label: &'static str) -> Ended {
    match label {
        "eof" | "io" => Ended::Gone,
        label => Ended::Refused(label, String::new()),
    }
}
