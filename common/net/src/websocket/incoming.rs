//! What comes: headers byte by byte, payloads unmasked where they stand and moved together.

use super::{CONTROL_BYTES_MAX, EMPTY_FRAMES_MAX, End, Opcode, Over};

/// The longest header: two bytes, a length of eight, a mask of four.
const HEADER_BYTES_MAX: usize = 14;

/// A control frame's payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control {
    bytes: [u8; CONTROL_BYTES_MAX],
    length: usize,
}

impl Control {
    const EMPTY: Self = Self {
        bytes: [0; CONTROL_BYTES_MAX],
        length: 0,
    };

    pub(super) fn payload(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        for (place, byte) in room.iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.length = (self.length + bytes.len()).min(CONTROL_BYTES_MAX);
    }
}

/// What a piece of the stream said beside its bytes.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The newest ping.
    pub(super) ping: Option<Control>,
    pub(super) over: Option<Over>,
    /// Frames that brought nothing of the stream.
    pub(super) empty: usize,
    /// Where messages have ended, of the bytes that were kept; told only to who wants to know.
    pub(super) ends: Option<Vec<usize>>,
}

/// A frame whose header is here.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    mask: [u8; 4],
    /// Payload bytes that came.
    came: usize,
    /// And those that did not yet.
    left: usize,
    is_last: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Incoming {
    end: End,
    /// Text or binary: what messages are.
    wanted: Opcode,
    bytes_max: usize,
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    frame: Option<Frame>,
    control: Control,
    /// Payload bytes of the message that is under way, as far as its frames have said.
    message_bytes: Option<usize>,
}

impl Incoming {
    pub(super) fn new(end: End, wanted: Opcode, bytes_max: usize) -> Self {
        Self {
            end,
            wanted,
            bytes_max,
            header: [0; HEADER_BYTES_MAX],
            header_bytes: 0,
            frame: None,
            control: Control::EMPTY,
            message_bytes: None,
        }
    }

    /// Takes all of it; so many bytes of the stream stand at its beginning then.
    pub(super) fn take(&mut self, bytes: &mut [u8], heard: &mut Heard) -> usize {
        let (mut read, mut kept) = (0, 0);
        while heard.over.is_none() && read < bytes.len() {
            let Some(frame) = &mut self.frame else {
                let byte = bytes.get(read).copied().unwrap_or_default();
                read += 1;
                match self.take_header(byte) {
                    Ok(()) => self.end_of_frame(kept, heard),
                    Err(over) => heard.over = Some(over),
                }
                continue;
            };
            let length = frame.left.min(bytes.len() - read);
            let payload = bytes.get_mut(read..read + length).unwrap_or_default();
            unmask(payload, frame.mask, frame.came);
            (frame.came, frame.left) = (frame.came + length, frame.left - length);
            if frame.opcode.is_control() {
                self.control.push(payload);
            } else {
                bytes.copy_within(read..read + length, kept);
                kept += length;
            }
            read += length;
            self.end_of_frame(kept, heard);
        }
        kept
    }

    /// Takes a byte of a header.
    fn take_header(&mut self, byte: u8) -> Result<(), Over> {
        if let Some(place) = self.header.get_mut(self.header_bytes) {
            *place = byte;
        }
        self.header_bytes += 1;
        let [first, second, rest @ ..] = &self.header;
        if self.header_bytes == 1 {
            return self.check_first(*first);
        }
        let is_masked = second & 0x80 != 0;
        if is_masked != (self.end == End::Server) {
            return Err(Over::Protocol);
        }
        let length_bytes = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask_bytes = if is_masked { 4 } else { 0 };
        if self.header_bytes < 2 + length_bytes + mask_bytes {
            return Ok(());
        }
        let (length, rest) = rest.split_at_checked(length_bytes).ok_or(Over::Protocol)?;
        let length = match length_bytes {
            0 => u64::from(second & 0x7F),
            _ => length.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
        };
        let mask = match (is_masked, rest.first_chunk()) {
            (true, Some(mask)) => *mask,
            _ => [0; 4],
        };
        let (first, length) = (*first, usize::try_from(length).unwrap_or(usize::MAX));
        self.begin(first, mask, length)
    }

    fn check_first(&self, first: u8) -> Result<(), Over> {
        let opcode = Opcode::of(first & 0x0F).filter(|_| first & 0x70 == 0);
        let is_last = first & 0x80 != 0;
        match opcode.ok_or(Over::Protocol)? {
            Opcode::Text | Opcode::Binary if opcode != Some(self.wanted) => Err(Over::Text),
            Opcode::Text | Opcode::Binary if self.message_bytes.is_some() => Err(Over::Protocol),
            Opcode::Continuation if self.message_bytes.is_none() => Err(Over::Protocol),
            control if control.is_control() && !is_last => Err(Over::Protocol),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, first: u8, mask: [u8; 4], left: usize) -> Result<(), Over> {
        self.header_bytes = 0;
        let opcode = Opcode::of(first & 0x0F).ok_or(Over::Protocol)?;
        if opcode.is_control() {
            if left > CONTROL_BYTES_MAX {
                return Err(Over::Protocol);
            }
            self.control.length = 0;
        } else {
            let all = self.message_bytes.unwrap_or(0).saturating_add(left);
            if all > self.bytes_max {
                return Err(Over::TooLong);
            }
            self.message_bytes = Some(all);
        }
        self.frame = Some(Frame {
            opcode,
            mask,
            came: 0,
            left,
            is_last: first & 0x80 != 0,
        });
        Ok(())
    }

    /// Does what a frame is for, once all of it is here.
    fn end_of_frame(&mut self, kept: usize, heard: &mut Heard) {
        let Some(frame) = self.frame.take_if(|frame| frame.left == 0) else {
            return;
        };
        if frame.opcode.is_control() || frame.came == 0 {
            heard.empty += 1;
        }
        if heard.empty > EMPTY_FRAMES_MAX {
            heard.over = Some(Over::Flood);
            return;
        }
        match frame.opcode {
            Opcode::Ping => heard.ping = Some(self.control),
            Opcode::Close => heard.over = Some(Over::Closed),
            Opcode::Pong => {}
            _ if frame.is_last => {
                self.message_bytes = None;
                if let Some(ends) = &mut heard.ends {
                    ends.push(kept);
                }
            }
            _ => {}
        }
    }
}

/// Masks, or takes the mask off, from this place of the payload on.
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4], at: usize) {
    let mut turned = mask;
    turned.rotate_left(at % 4);
    let wide = u64::from(u32::from_ne_bytes(turned));
    let wide = wide << 32 | wide;
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(turned.iter().cycle()) {
        *byte ^= mask;
    }
}
