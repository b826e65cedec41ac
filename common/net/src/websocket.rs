//! WebSocket (RFC 6455) as a coat around a stream of bytes: the payloads of binary messages, one behind the other, are the
//! stream. Pure: what came is decoded in place, what is to be written stands in a buffer. No message is ever put together,
//! so none is allocated for; a frame that is longer than the limit ends the connection at its header. Tools, which speak in
//! whole messages, have [`Messages`].

mod incoming;
mod messages;
pub mod upgrade;

use incoming::{Heard, Incoming};
pub use messages::{Form, Messages};

/// The subprotocol of sealed frames.
pub const SEALED: &str = "regionmesh.v1";
/// Payload bytes of one message, all its frames together.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Payload bytes of a frame that is no part of a message: ping, pong, close.
const CONTROL_BYTES_MAX: usize = 125;
/// Frames of one read that bring nothing of the stream: pings, pongs, and data without any. They cost as much as others and are
/// counted by nobody else.
const EMPTY_FRAMES_MAX: usize = 16;
/// Bytes that wait to be written, beyond which pings are not answered any more: who sends them does not read.
const PONGS_BEHIND_BYTES_MAX: usize = 4 * 1024;

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Hears masked frames, and sends them as they are.
    Server,
    /// Hears them as they are, and masks what it sends; masks are made from this.
    Client(u64),
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const ALL: [(Self, u8); 6] = [
        (Self::Continuation, 0x0),
        (Self::Text, 0x1),
        (Self::Binary, 0x2),
        (Self::Close, 0x8),
        (Self::Ping, 0x9),
        (Self::Pong, 0xA),
    ];

    fn of(number: u8) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(opcode, its)| (its == number).then_some(opcode))
    }

    fn number(self) -> u8 {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(opcode, its)| (opcode == self).then_some(its))
            .unwrap_or_default()
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Why nothing comes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The peer said so.
    Closed,
    /// The peer broke the framing.
    Protocol,
    /// The peer sent text where bytes are spoken, or bytes where text is.
    Text,
    /// A message was longer than [`MESSAGE_BYTES_MAX`].
    TooLong,
    /// Too many frames brought nothing.
    Flood,
}

impl Over {
    /// A fixed name for metrics; that of a stream's end where the peer closed.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed => "eof",
            Self::Protocol => "websocket_protocol",
            Self::Text => "websocket_text",
            Self::TooLong => "websocket_too_long",
            Self::Flood => "websocket_flood",
        }
    }

    /// What the close frame says.
    fn close_code(self) -> u16 {
        match self {
            Self::Closed => NORMAL,
            Self::Protocol => 1002,
            Self::Text => 1003,
            Self::TooLong => 1009,
            Self::Flood => 1008,
        }
    }
}

/// The code of a close frame without a complaint.
const NORMAL: u16 = 1000;

/// Both directions of one connection.
#[derive(Debug)]
pub struct WebSocket {
    end: End,
    incoming: Incoming,
    over: Option<Over>,
    has_closed: bool,
    out: Vec<u8>,
    written: usize,
}

impl WebSocket {
    /// A connection behind its upgrade.
    #[must_use]
    pub fn new(end: End) -> Self {
        Self {
            end,
            incoming: Incoming::new(end, Opcode::Binary, MESSAGE_BYTES_MAX),
            over: None,
            has_closed: false,
            out: Vec::new(),
            written: 0,
        }
    }

    /// Decodes what arrived, in place: so many bytes of the stream stand at the beginning then. A ping is answered with the
    /// next write.
    ///
    /// # Errors
    /// Why nothing comes any more, once everything before it was taken.
    pub fn receive(&mut self, bytes: &mut [u8]) -> Result<usize, Over> {
        self.receive_with(bytes, &mut Heard::default())
    }

    fn receive_with(&mut self, bytes: &mut [u8], heard: &mut Heard) -> Result<usize, Over> {
        if let Some(over) = self.over {
            return Err(over);
        }
        let came = self.incoming.take(bytes, heard);
        if let Some(ping) = &heard.ping
            && self.unsent().len() < PONGS_BEHIND_BYTES_MAX
        {
            self.put(Opcode::Pong, ping.payload());
        }
        self.over = heard.over;
        match self.over {
            Some(over) if came == 0 => Err(over),
            _ => Ok(came),
        }
    }

    /// Whether [`receive`](Self::receive) has an end to tell.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Puts one message of as many of these bytes as it takes behind what is to be written; how many.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(MESSAGE_BYTES_MAX);
        if taken > 0 && !self.has_closed {
            self.put(Opcode::Binary, bytes.get(..taken).unwrap_or_default());
        }
        taken
    }

    /// Asks the peer for a pong.
    fn ping(&mut self) {
        if !self.has_closed && self.unsent().len() < PONGS_BEHIND_BYTES_MAX {
            self.put(Opcode::Ping, &[]);
        }
    }

    /// Says that nothing more is sent. Only the first one is heard.
    pub fn close(&mut self) {
        if !self.has_closed {
            let code = self.over.map_or(NORMAL, Over::close_code);
            self.put(Opcode::Close, &code.to_be_bytes());
            self.has_closed = true;
        }
    }

    /// What is to be written.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.out.get(self.written..).unwrap_or_default()
    }

    /// So many bytes of it are.
    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= self.out.len() {
            self.out.clear();
            self.out.shrink_to(KEEP_BYTES);
            self.written = 0;
        }
    }

    fn put(&mut self, opcode: Opcode, payload: &[u8]) {
        let masked = match self.end {
            End::Server => 0,
            End::Client(_) => 0x80,
        };
        // The last frame of its message, as all of ours are.
        self.out.push(0x80 | opcode.number());
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(short), _) if usize::from(short) <= CONTROL_BYTES_MAX => self.out.push(masked | short),
            (_, Ok(long)) => {
                self.out.push(masked | 126);
                self.out.extend_from_slice(&long.to_be_bytes());
            }
            _ => {
                self.out.push(masked | 127);
                self.out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        let mask = self.next_mask();
        if let Some(mask) = mask {
            self.out.extend_from_slice(&mask);
        }
        let start = self.out.len();
        self.out.extend_from_slice(payload);
        if let (Some(mask), Some(payload)) = (mask, self.out.get_mut(start..)) {
            incoming::unmask(payload, mask, 0);
        }
    }

    fn next_mask(&mut self) -> Option<[u8; 4]> {
        let End::Client(state) = &mut self.end else {
            return None;
        };
        // SplitMix64: masks keep apart what proxies on the way might take for requests; they hide nothing.
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Some(((mixed ^ (mixed >> 31)) as u32).to_le_bytes())
    }
}

impl WebSocket {
    fn of_messages(end: End, wanted: Opcode, bytes_max: usize) -> Self {
        Self {
            incoming: Incoming::new(end, wanted, bytes_max),
            ..Self::new(end)
        }
    }
}

/// Memory that is kept between bursts, bytes.
const KEEP_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests;
