//! Messages that travel in fragments, put together for whoever looks at what is said.

use std::collections::BTreeMap;

use bytes::Bytes;
use net::link::LinkId;
use protocol::message::family::BatchReader;
use protocol::message::fragment::{FRAGMENT_FAMILY, Fragment, Place};

/// What has come of messages that are not whole yet, by connection and class.
#[derive(Debug, Default)]
pub(crate) struct Pieces(BTreeMap<(LinkId, u8), Vec<u8>>);

impl Pieces {
    /// Family and body of the message that this is, or is the last piece of.
    pub(crate) fn take(&mut self, link: LinkId, family: u8, body: Bytes) -> Option<(u8, Bytes)> {
        if family != FRAGMENT_FAMILY {
            return Some((family, body));
        }
        let fragment = Fragment::parse(&body).ok()?;
        let place = (link, fragment.class.number());
        self.0
            .entry(place)
            .or_default()
            .extend_from_slice(&fragment.bytes);
        if fragment.place == Place::Before {
            return None;
        }
        let whole = self.0.remove(&place)?;
        BatchReader::new(whole.into()).next_body().ok()?
    }
}
