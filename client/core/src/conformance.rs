//! Scripts that any client can be held against: what is done to it, and to the byte what it has to do and to tell then.
//!
//! A line that begins with `>` is done to the client, each `=` below it is what follows, in order; `#` begins a comment. Bytes
//! are hexadecimal. The scripts are in `common/protocol/vectors`, whose page says what each word means.

use std::fmt::Write as _;

use bytes::Bytes;
use protocol::client_handshake::{ClientTrust, Credentials};
use protocol::identity::{AuthorityKeys, AuthorityPublic};
use protocol::ids::ClusterId;
use protocol::message::player::CommandClass;
use protocol::{Entropy, Shown};

use crate::error::ConnectionError;
use crate::event::ClientEvent;
use crate::handshake::Datagrams;
use crate::session::ConnectOptions;
use crate::streamed::{Now, StreamEffect, StreamedClient, StreamedEvent};

/// Holds the client against a script: how many lines it kept.
///
/// # Errors
/// The first line that it did not keep, and what it did instead.
pub fn check(script: &str) -> Result<usize, String> {
    let mut run = Run::default();
    let (mut expected, mut kept): (Vec<String>, usize) = (Vec::new(), 0);
    for (at, line) in script.lines().enumerate() {
        let wrong = |what: String| format!("line {}: {what}", at + 1);
        match line.split_at_checked(2) {
            Some(("> ", step)) => {
                if let Some(more) = expected.first() {
                    return Err(wrong(format!("before this it also does `{}`", Shown(more))));
                }
                expected = run.step(step).map_err(wrong)?;
            }
            Some(("= ", wanted)) => {
                if expected.first().map(String::as_str) != Some(wanted) {
                    let done = expected.first().map_or("nothing", String::as_str);
                    return Err(wrong(format!("it is to do this, and does `{}`", Shown(done))));
                }
                expected.remove(0);
                kept += 1;
            }
            _ if line.is_empty() || line.starts_with('#') => {}
            _ => return Err(wrong("it begins with none of `>`, `=` and `#`".to_owned())),
        }
    }
    match expected.first() {
        Some(more) => Err(format!("at the end it also does `{}`", Shown(more))),
        None => Ok(kept),
    }
}

/// A script's own random bytes, and zeros behind them.
struct Given(std::vec::IntoIter<u8>);

impl Entropy for Given {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.0.next().unwrap_or_default());
    }
}

/// A client that a script is read to.
#[derive(Default)]
pub struct Run {
    client: Option<StreamedClient>,
    entropy: Option<Given>,
    now: Now,
}

impl Run {
    /// Does one step: what follows from it, as lines.
    ///
    /// # Errors
    /// The step is none.
    pub fn step(&mut self, step: &str) -> Result<Vec<String>, String> {
        let words: Vec<&str> = step.split(' ').collect();
        match (words.as_slice(), &mut self.client) {
            (["clock", ms, wall_ms], _) => {
                self.now.ms = number(ms)?;
                self.now.wall_ms = number(wall_ms)?;
            }
            (["login", authority, cluster, name, entropy], client) => {
                let mut given = Given(bytes(entropy)?.into_iter());
                *client = Some(begin(authority, cluster, name, &mut given, self.now)?);
                self.entropy = Some(given);
            }
            (["connected"], Some(client)) => {
                if let Some(entropy) = &mut self.entropy {
                    client.connected(self.now, entropy);
                }
            }
            (["receive", came], Some(client)) => client.received(&bytes(came)?, self.now),
            (["lost"], Some(client)) => client.lost(ConnectionError::Eof, self.now, 0),
            (["tick"], Some(client)) => client.tick(self.now, 0),
            (["input", input], Some(client)) => {
                client.send_input(bytes(input)?.into(), self.now);
            }
            (["command", class, body], Some(client)) => {
                let class = match *class {
                    "durable" => CommandClass::Durable,
                    _ => CommandClass::Soft,
                };
                let _ = client.send_command(class, Bytes::from(bytes(body)?), self.now);
            }
            (["view"], Some(client)) => return Ok(view(client)),
            _ => return Err(format!("`{}` is no step here", Shown(step))),
        }
        Ok(self.client.as_mut().map(told).unwrap_or_default())
    }
}

fn begin(
    authority: &str,
    cluster: &str,
    name: &str,
    entropy: &mut Given,
    now: Now,
) -> Result<StreamedClient, String> {
    let authority = AuthorityPublic::parse(&array(authority)?).map_err(|error| error.to_string())?;
    let options = ConnectOptions {
        proxies: [1, 2].map(|port| ([127, 0, 0, 1], port).into()).to_vec(),
        trust: ClientTrust {
            auth: Default::default(),
            authorities: AuthorityKeys::new(authority),
            cluster_id: ClusterId(array(cluster)?),
        },
        credentials: Credentials::Guest {
            name: name.to_owned(),
        },
        datagrams: Datagrams::Off,
    };
    Ok(StreamedClient::new(options, entropy, now))
}

/// What the client wants done, and then what it tells.
fn told(client: &mut StreamedClient) -> Vec<String> {
    let mut effects = Vec::new();
    client.take_effects(&mut effects);
    let mut lines: Vec<String> = effects
        .into_iter()
        .map(|effect| match effect {
            StreamEffect::Connect(proxy) => format!("connect {proxy}"),
            StreamEffect::Send(bytes) => format!("send {}", hex(&bytes)),
            StreamEffect::Datagram(bytes) => format!("datagram {}", hex(&bytes)),
            StreamEffect::Hang => "hang".to_owned(),
        })
        .collect();
    while let Some(event) = client.next_event() {
        lines.extend(words(&event));
    }
    lines
}

fn words(event: &StreamedEvent) -> Option<String> {
    Some(match event {
        StreamedEvent::Attached(proxy) => format!("attached {proxy}"),
        StreamedEvent::Lost(_) => "lost".to_owned(),
        StreamedEvent::Over(ended) => format!("over {}", ended.code.map_or(0, |code| code.number())),
        StreamedEvent::Client(event) => match event {
            ClientEvent::Playing {
                entity,
                owner_epoch,
                region,
                node,
            } => format!("playing {} {} {} {}", entity.0, owner_epoch.0, region.0, node.0),
            ClientEvent::Snapshot(news) => {
                let own = if news.own_is_new {
                    hex(&news.own)
                } else {
                    "-".to_owned()
                };
                format!(
                    "snapshot {} {} {} {own}",
                    news.tick, news.input_ack, news.owner_epoch.0
                )
            }
            ClientEvent::CommandAcked(number) => format!("acked {}", number.0),
            ClientEvent::Event(number, body) => format!("event {} {}", number.0, hex(body)),
            ClientEvent::News { region, to_all, body } => {
                let to = if *to_all { "all" } else { "one" };
                format!("news {} {to} {}", region.0, hex(body))
            }
            ClientEvent::Notice(code, text) => format!("notice {} {text}", code.number()),
            ClientEvent::Resumed { attach_no } => format!("resumed {attach_no}"),
            // Of a client that has one transport only.
            ClientEvent::Transport(_) => return None,
        },
    })
}

/// Everybody in view: entity, kind, owner epoch, cell, place in 1/64 unit, heading in 1/256 turn, speed in 1/4 unit per second, state.
fn view(client: &StreamedClient) -> Vec<String> {
    let world = client.core().and_then(|core| core.world());
    let mut entities: Vec<_> = world.into_iter().flat_map(|world| world.entities()).collect();
    entities.sort_by_key(|entity| entity.id);
    let line = |entity: &&crate::Entity| {
        let turn = entity.heading * (256.0 / std::f32::consts::TAU);
        format!(
            "entity {} {} {} {} {} {} {} {} {}",
            entity.id.0,
            entity.kind,
            entity.owner_epoch.0,
            entity.cell,
            (entity.at.x * 64.0).round(),
            (entity.at.y * 64.0).round(),
            turn.round(),
            (entity.speed * 4.0).round(),
            hex(&entity.state)
        )
    };
    entities.iter().map(line).collect()
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("`{}` is no number", Shown(text)))
}

fn array<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let bytes = bytes(text)?;
    bytes
        .try_into()
        .map_err(|_| format!("`{}` is not {N} bytes", Shown(text)))
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs
        .map(|pair| byte(pair).filter(|_| pair.len() == 2))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("`{}` is not hexadecimal", Shown(text)))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
