//! What arrives over one link, frame by frame, message by message; fragments are put together.

use std::marker::PhantomData;

use bytes::{Bytes, BytesMut};
use protocol::limits::MESSAGE_BYTES_MAX;
use protocol::message::family::{BatchMessage, BatchReader, Class, MessageError, ServerToServer};
use protocol::message::fragment::{FRAGMENT_FAMILY, Fragment, Place};
use protocol::message::node::Heartbeat;

/// A heartbeat has one number and one shape in every enum of a node link.
const HEARTBEAT_FAMILY: u8 = 0x21;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub enum Received<In> {
    /// For the owner of the link.
    Message(In),
    /// The link has taken from it what concerns itself; the rest is topology version and loads.
    Heartbeat(Heartbeat),
}

/// The receiving side.
#[derive(Debug)]
pub(super) struct Incoming<In> {
    batch: Option<BatchReader>,
    /// By class: the message that is being put together; one at a time.
    partly: [BytesMut; Class::ALL.len()],
    message: PhantomData<fn() -> In>,
}

impl<In: BatchMessage> Incoming<In> {
    pub(super) fn new() -> Self {
        Self {
            batch: None,
            partly: std::array::from_fn(|_| BytesMut::new()),
            message: PhantomData,
        }
    }

    /// The payload of a BATCH frame; the one before has been read to its end.
    pub(super) fn open(&mut self, payload: Bytes) {
        self.batch = Some(BatchReader::new(payload));
    }

    /// The next message of the frame; `None` at its end.
    pub(super) fn next(&mut self) -> Result<Option<Received<In>>, MessageError> {
        while let Some(batch) = &mut self.batch {
            match batch.next_body()? {
                None => self.batch = None,
                Some((FRAGMENT_FAMILY, body)) => {
                    if let Some(message) = self.piece(&Fragment::parse(&body)?)? {
                        return Ok(Some(message));
                    }
                }
                Some((family, body)) => {
                    let message = parse(family, body)?;
                    self.check_order(&message)?;
                    return Ok(Some(message));
                }
            }
        }
        Ok(None)
    }

    /// Appends a piece; the whole message when it was the last.
    fn piece(&mut self, fragment: &Fragment) -> Result<Option<Received<In>>, MessageError> {
        let malformed = MessageError::Malformed(FRAGMENT_FAMILY);
        let Some(partly) = self.partly.get_mut(usize::from(fragment.class.number())) else {
            return Err(malformed);
        };
        if partly.len() + fragment.bytes.len() > MESSAGE_BYTES_MAX {
            return Err(malformed);
        }
        partly.extend_from_slice(&fragment.bytes);
        if fragment.place == Place::Before {
            return Ok(None);
        }
        let mut whole = BatchReader::new(std::mem::take(partly).freeze());
        let Some((family, body)) = whole.next_body()? else {
            return Err(malformed);
        };
        let message = parse(family, body)?;
        if whole.next_body()?.is_some() || class_of(&message) != fragment.class {
            return Err(malformed);
        }
        Ok(Some(message))
    }

    /// Nothing of a class comes between the pieces of a message of that class.
    fn check_order(&self, message: &Received<In>) -> Result<(), MessageError> {
        let between = self.partly.get(usize::from(class_of(message).number()));
        match between {
            Some(partly) if !partly.is_empty() => Err(MessageError::Malformed(FRAGMENT_FAMILY)),
            _ => Ok(()),
        }
    }
}

fn parse<In: BatchMessage>(family: u8, body: Bytes) -> Result<Received<In>, MessageError> {
    if family != HEARTBEAT_FAMILY {
        return In::parse(family, body).map(Received::Message);
    }
    match ServerToServer::parse(family, body)? {
        ServerToServer::Heartbeat(heartbeat) => Ok(Received::Heartbeat(heartbeat)),
        _ => Err(MessageError::FamilyDenied(family)),
    }
}

fn class_of<In: BatchMessage>(message: &Received<In>) -> Class {
    match message {
        Received::Message(message) => message.class(),
        Received::Heartbeat(_) => Class::Control,
    }
}
