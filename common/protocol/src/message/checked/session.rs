//! Who a session is, as proxies and owners name it to each other.

use super::error::CheckError;
use super::field::array;
use crate::ids::{AttachNo, SessionGeneration, SessionId};
use crate::message::player::SessionKey;

/// A session and one attachment of it; of two attachments the higher (generation, attach number) is the valid one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionIdentity {
    /// The login.
    pub id: SessionId,
    /// How often the user has logged in.
    pub generation: SessionGeneration,
    /// How often this session has attached.
    pub attach_no: AttachNo,
}

impl SessionIdentity {
    /// Checks an optional field of a message.
    ///
    /// # Errors
    /// `Missing` without a session, `Length` when its id has not 16 bytes.
    pub fn check(key: Option<&SessionKey>) -> Result<Self, CheckError> {
        let key = key.ok_or(CheckError::Missing("session"))?;
        Ok(Self {
            id: SessionId(array("session_id", &key.session_id)?),
            generation: SessionGeneration(key.session_generation),
            attach_no: AttachNo(key.attach_no),
        })
    }
}

impl From<SessionIdentity> for SessionKey {
    fn from(session: SessionIdentity) -> Self {
        Self {
            session_id: bytes::Bytes::copy_from_slice(&session.id.0),
            session_generation: session.generation.0,
            attach_no: session.attach_no.0,
        }
    }
}
