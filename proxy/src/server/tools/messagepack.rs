//! Values as MessagePack: the few kinds that words are made of. Bytes, of which words know nothing, are read as the base64
//! that JSON has for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

/// Values inside of values, at most.
const DEPTH_MAX: usize = 8;

/// Writes a value.
pub(super) fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(value, &mut out);
    out
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xC0),
        Value::Bool(truth) => out.push(0xC2 | u8::from(*truth)),
        Value::Number(number) => put_number(number, out),
        Value::String(text) => {
            put_length(text.len(), [0xD9, 0xDA, 0xDB], out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(values) => {
            put_long(values.len(), 0xDD, out);
            values.iter().for_each(|value| put(value, out));
        }
        Value::Object(fields) => {
            put_long(fields.len(), 0xDF, out);
            for (name, value) in fields {
                put_length(name.len(), [0xD9, 0xDA, 0xDB], out);
                out.extend_from_slice(name.as_bytes());
                put(value, out);
            }
        }
    }
}

fn put_number(number: &Number, out: &mut Vec<u8>) {
    if let Some(number) = number.as_u64() {
        match u8::try_from(number) {
            Ok(small) if small < 0x80 => out.push(small),
            _ => {
                out.push(0xCF);
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
    } else if let Some(number) = number.as_i64() {
        out.push(0xD3);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(0xCB);
        out.extend_from_slice(&number.as_f64().unwrap_or_default().to_be_bytes());
    }
}

fn put_length(length: usize, [short, middle, long]: [u8; 3], out: &mut Vec<u8>) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) => out.extend_from_slice(&[short, length]),
        (_, Ok(length)) => {
            out.push(middle);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => put_long(length, long, out),
    }
}

fn put_long(length: usize, kind: u8, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

/// Reads one value, and nothing behind it.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { bytes };
    let value = reader.value(DEPTH_MAX);
    match value {
        Some(value) if reader.bytes.is_empty() => Ok(value),
        _ => Err("this is not one value in MessagePack".to_owned()),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        let [kind] = self.array()?;
        Some(match kind {
            0x00..=0x7F => kind.into(),
            0x80..=0x8F => self.object(usize::from(kind & 0x0F), depth)?,
            0x90..=0x9F => self.list(usize::from(kind & 0x0F), depth)?,
            0xA0..=0xBF => self.text(usize::from(kind & 0x1F))?,
            0xC0 => Value::Null,
            0xC2 | 0xC3 => (kind == 0xC3).into(),
            0xC4..=0xC6 => {
                let length = self.length(kind - 0xC4)?;
                STANDARD.encode(self.take(length)?).into()
            }
            0xCA => f64::from(f32::from_be_bytes(self.array()?)).into(),
            0xCB => f64::from_be_bytes(self.array()?).into(),
            0xCC => u8::from_be_bytes(self.array()?).into(),
            0xCD => u16::from_be_bytes(self.array()?).into(),
            0xCE => u32::from_be_bytes(self.array()?).into(),
            0xCF => u64::from_be_bytes(self.array()?).into(),
            0xD0 => i8::from_be_bytes(self.array()?).into(),
            0xD1 => i16::from_be_bytes(self.array()?).into(),
            0xD2 => i32::from_be_bytes(self.array()?).into(),
            0xD3 => i64::from_be_bytes(self.array()?).into(),
            0xD9..=0xDB => {
                let length = self.length(kind - 0xD9)?;
                self.text(length)?
            }
            0xDC | 0xDD => {
                let length = self.length(kind - 0xDB)?;
                self.list(length, depth)?
            }
            0xDE | 0xDF => {
                let length = self.length(kind - 0xDD)?;
                self.object(length, depth)?
            }
            0xE0..=0xFF => kind.cast_signed().into(),
            _ => return None,
        })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*array)
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    /// In a byte, in two or in four.
    fn length(&mut self, width: u8) -> Option<usize> {
        match width {
            0 => Some(usize::from(u8::from_be_bytes(self.array()?))),
            1 => Some(usize::from(u16::from_be_bytes(self.array()?))),
            _ => usize::try_from(u32::from_be_bytes(self.array()?)).ok(),
        }
    }

    fn text(&mut self, length: usize) -> Option<Value> {
        Some(std::str::from_utf8(self.take(length)?).ok()?.into())
    }

    /// Grows as values come, whatever their number claims to be.
    fn list(&mut self, length: usize, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(self.value(depth)?);
        }
        Some(Value::Array(values))
    }

    fn object(&mut self, length: usize, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        let mut fields = Map::new();
        for _ in 0..length {
            let Value::String(name) = self.value(0)? else {
                return None;
            };
            fields.insert(name, self.value(depth)?);
        }
        Some(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_back() {
        let value = json!({
            "none": null, "truth": [true, false], "small": 7, "large": u64::MAX, "below": -40_000, "part": 1.5,
            "text": "x".repeat(300), "long": "y".repeat(70_000), "inside": {"empty": {}, "list": []},
        });
        assert_eq!(parse(&encode(&value)), Ok(value));
    }

    #[test]
    fn the_shortest_forms_are_read_and_bytes_are_base64() {
        // {"type": "input", "input": bytes 40 ff}, as libraries write it.
        let mut bytes = vec![0x82, 0xA4];
        bytes.extend(b"type\xA5input\xA5input\xC4\x02\x40\xFF");
        assert_eq!(parse(&bytes), Ok(json!({"type": "input", "input": "QP8="})));
        assert_eq!(
            parse(&[0x93, 0xFF, 0xD0, 0x80, 0xCD, 1, 0]),
            Ok(json!([-1, -128, 256]))
        );
        assert_eq!(parse(&[0xCA, 0x3F, 0x80, 0, 0]), Ok(json!(1.0)));
    }

    #[test]
    fn what_is_cut_too_deep_or_claims_too_much_is_no_value() {
        let good = encode(&json!({"type": "join", "name": "Ada"}));
        for cut in 0..good.len() {
            assert!(parse(&good[..cut]).is_err(), "{cut}");
        }
        assert!(parse(&[&good[..], &[0xC0]].concat()).is_err());
        for wrong in [
            &[0x91; 9][..],
            &[0xDD, 0xFF, 0xFF, 0xFF, 0xFF],
            &[0xDB, 0xFF, 0xFF, 0xFF, 0xFF],
            &[0xC1],
            &[0x81, 1, 1],
            &[0xA1, 0xFF],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        let deep = [[0x91; 7].as_slice(), &[0xC0]].concat();
        assert!(parse(&deep).is_ok());
    }
}
