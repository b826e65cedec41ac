//! A cell update as it lies on the wire: its numbers, and its columns where they are. Nothing is copied and nothing
//! counted; the columns themselves are not looked into.

use crate::message::client::CellUpdate;
use crate::wire::Reader;

/// The fields of a [`CellUpdate`], borrowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns<'a> {
    pub(super) cell: u32,
    pub(super) seq: u32,
    pub(super) base_seq: u32,
    pub(super) kind: i32,
    pub(super) adds: &'a [u8],
    pub(super) moves: &'a [u8],
    pub(super) states: &'a [u8],
    pub(super) removes: &'a [u8],
}

impl<'a> Columns<'a> {
    /// Takes an encoded `CellUpdate` apart as protobuf does: of a field that is there twice the last one counts, numbers
    /// are cut to their type, unknown fields are passed over. `None`: it is malformed.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut columns = Self::default();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            match Field::next(&mut reader)? {
                Field::Number(1, value) => columns.cell = value as u32,
                Field::Number(2, value) => columns.seq = value as u32,
                Field::Number(3, value) => columns.base_seq = value as u32,
                Field::Number(4, value) => columns.kind = value as i32,
                Field::Bytes(5, bytes) => columns.adds = bytes,
                Field::Bytes(6, bytes) => columns.moves = bytes,
                Field::Bytes(7, bytes) => columns.states = bytes,
                Field::Bytes(8, bytes) => columns.removes = bytes,
                Field::Number(5..=8, _) | Field::Bytes(1..=4, _) | Field::Fixed(1..=8) => return None,
                Field::Number(..) | Field::Bytes(..) | Field::Fixed(_) => {}
            }
        }
        Some(columns)
    }
}

impl<'a> From<&'a CellUpdate> for Columns<'a> {
    fn from(update: &'a CellUpdate) -> Self {
        Self {
            cell: update.cell,
            seq: update.seq,
            base_seq: update.base_seq,
            kind: update.kind,
            adds: &update.adds,
            moves: &update.moves,
            states: &update.states,
            removes: &update.removes,
        }
    }
}

/// One field of a protobuf message, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A varint.
    Number(u64, u64),
    /// Bytes, a string or a message.
    Bytes(u64, &'a [u8]),
    /// Four or eight bytes.
    Fixed(u64),
}

impl<'a> Field<'a> {
    /// Takes the next field off; `None` when it is malformed, or one of the groups that proto3 has not.
    pub(super) fn next(reader: &mut Reader<'a>) -> Option<Self> {
        let tag = u32::try_from(reader.varint().ok()??).ok()?;
        let number = u64::from(tag >> 3);
        if number == 0 {
            return None;
        }
        match tag & 7 {
            0 => Some(Self::Number(number, reader.varint().ok()??)),
            1 => reader.bytes(8).ok().map(|_| Self::Fixed(number)),
            2 => {
                let length = usize::try_from(reader.varint().ok()??).ok()?;
                Some(Self::Bytes(number, reader.bytes(length).ok()?))
            }
            5 => reader.bytes(4).ok().map(|_| Self::Fixed(number)),
            _ => None,
        }
    }
}
