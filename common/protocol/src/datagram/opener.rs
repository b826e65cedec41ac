//! Opens one direction's datagrams in the caller's buffer.

use super::error::DatagramError;
use super::header::{
    ConnectionId, DATAGRAM_HEADER_BYTES, DatagramHeader, DatagramKind, PHASES, nonce_number,
};
use super::window::ReplayWindow;
use crate::keys::{DatagramSecret, NotAuthentic, SealingKey, TAG_BYTES};
use crate::limits::{DATAGRAM_PREVIOUS_PHASE_MS, DATAGRAM_REKEY_MS};

/// How much the clocks of both sides may differ over one key phase, milliseconds.
const PHASE_SLACK_MS: u64 = 10_000;

/// An authentic datagram.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// What it is for.
    pub kind: DatagramKind,
    /// Its number.
    pub number: u64,
    /// Whether the number is the highest so far: only such a one may move the session to another address.
    pub is_newest: bool,
    /// The plaintext.
    pub plain: &'a [u8],
}

struct Phase {
    secret: DatagramSecret,
    key: SealingKey,
}

impl Phase {
    fn new(secret: DatagramSecret) -> Self {
        Self {
            key: secret.key(),
            secret,
        }
    }
}

/// Keys, phase and replay window of the datagrams that one side receives.
pub struct DatagramOpener {
    cid: ConnectionId,
    window: ReplayWindow,
    phase: u8,
    current: Phase,
    /// The key before, and until when it is good.
    previous: Option<(SealingKey, u64)>,
    /// When the last authentic datagram came: bounds how far the sender's phase can have moved since.
    authentic_at_ms: u64,
}

impl DatagramOpener {
    /// The receiver's half of a handshake's result.
    #[must_use]
    pub fn new(secret: DatagramSecret, cid: ConnectionId, now_ms: u64) -> Self {
        Self {
            cid,
            window: ReplayWindow::default(),
            phase: 0,
            current: Phase::new(secret),
            previous: None,
            authentic_at_ms: now_ms,
        }
    }

    /// Opens a datagram in place. Nothing changes unless it is authentic.
    ///
    /// # Errors
    /// `DatagramError`: drop the datagram, answer nothing; its bytes are unspecified then.
    pub fn open<'a>(&mut self, datagram: &'a mut [u8], now_ms: u64) -> Result<Opened<'a>, DatagramError> {
        let header = DatagramHeader::parse(datagram)?;
        if header.cid != self.cid {
            return Err(DatagramError::UnknownConnection);
        }
        if !self.window.accepts(header.number) {
            return Err(DatagramError::Replayed);
        }
        let (head, sealed) = datagram
            .split_first_chunk_mut::<DATAGRAM_HEADER_BYTES>()
            .ok_or(DatagramError::TooShort)?;
        let (text, tag) = sealed
            .split_last_chunk_mut::<TAG_BYTES>()
            .ok_or(DatagramError::TooShort)?;
        self.open_in_phase(header, head, text, tag, now_ms)?;
        let is_newest = self.window.is_newest(header.number);
        self.window.record(header.number);
        self.authentic_at_ms = now_ms;
        Ok(Opened {
            kind: header.kind,
            number: header.number,
            is_newest,
            plain: text,
        })
    }

    fn open_in_phase(
        &mut self,
        header: DatagramHeader,
        head: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_BYTES],
        now_ms: u64,
    ) -> Result<(), DatagramError> {
        let number = nonce_number(header.number);
        let steps = header.phase.wrapping_sub(self.phase) & (PHASES - 1);
        if steps == 0 {
            return Ok(self.current.key.open(number, head, text, tag)?);
        }
        if steps == PHASES - 1 {
            let key = self.previous.as_ref().filter(|(_, until)| now_ms <= *until);
            let (key, _) = key.ok_or(DatagramError::Phase)?;
            return Ok(key.open(number, head, text, tag)?);
        }
        if u64::from(steps) > self.steps_possible(now_ms) {
            return Err(DatagramError::Phase);
        }
        let mut before = self.current.secret.clone();
        for _ in 1..steps {
            before = before.next();
        }
        let next = Phase::new(before.next());
        next.key.open(number, head, text, tag)?;
        let until = now_ms.saturating_add(DATAGRAM_PREVIOUS_PHASE_MS);
        self.previous = Some((before.key(), until));
        self.current = next;
        self.phase = header.phase;
        Ok(())
    }

    /// How many phases the sender can have moved on since it was last heard: what claims more costs no key derivation.
    fn steps_possible(&self, now_ms: u64) -> u64 {
        let silence_ms = now_ms.saturating_sub(self.authentic_at_ms);
        let whole = silence_ms
            .saturating_add(PHASE_SLACK_MS)
            .checked_div(DATAGRAM_REKEY_MS);
        whole.unwrap_or(0).saturating_add(1)
    }
}

impl From<NotAuthentic> for DatagramError {
    fn from(_: NotAuthentic) -> Self {
        Self::NotAuthentic
    }
}
