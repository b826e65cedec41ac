//! From when until when a certificate is good (RFC 5280, 4.1.2.5), read out of its DER. Pure.

/// Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
}

const SEQUENCE: u8 = 0x30;
/// The version of a certificate, which those of version 1 do not say.
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

impl Validity {
    /// `None`: it is no certificate.
    pub(super) fn of(der: &[u8]) -> Option<Self> {
        let certificate = of_kind(SEQUENCE, element(der)?)?;
        let mut rest = of_kind(SEQUENCE, element(certificate)?)?;
        if rest.first() == Some(&VERSION) {
            rest = element(rest)?.rest;
        }
        // Serial number, algorithm of the signature, issuer.
        for _ in 0..3 {
            rest = element(rest)?.rest;
        }
        let from = element(of_kind(SEQUENCE, element(rest)?)?)?;
        let until = element(from.rest)?;
        Some(Self {
            from_ms: time_ms(&from)?,
            until_ms: time_ms(&until)?,
        })
    }
}

#[derive(Clone, Copy)]
struct Element<'a> {
    kind: u8,
    content: &'a [u8],
    rest: &'a [u8],
}

fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let ([kind, length], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match *length {
        short @ 0..=0x7F => (usize::from(short), rest),
        // So many bytes tell it; more than three are not needed for any certificate.
        long @ 0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(long & 0x7F))?;
            let length = length
                .iter()
                .fold(0, |length, byte| (length << 8) | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(Element {
        kind: *kind,
        content,
        rest,
    })
}

fn of_kind(kind: u8, element: Element<'_>) -> Option<&[u8]> {
    (element.kind == kind).then_some(element.content)
}

/// `YYMMDDHHMMSSZ`, of the years from 1950 on, or `YYYYMMDDHHMMSSZ`.
fn time_ms(element: &Element<'_>) -> Option<i64> {
    let (year, rest) = match element.kind {
        UTC_TIME => {
            let (year, rest) = number(element.content, 2)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => number(element.content, 4)?,
        _ => return None,
    };
    let mut rest = rest;
    let mut next = |range: std::ops::RangeInclusive<i64>| {
        let (value, after) = number(rest, 2)?;
        rest = after;
        range.contains(&value).then_some(value)
    };
    let (month, day) = (next(1..=12)?, next(1..=31)?);
    let (hour, minute, second) = (next(0..=23)?, next(0..=59)?, next(0..=60)?);
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    (rest == b"Z").then_some(seconds * 1_000)
}

fn number(digits: &[u8], count: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = digits.split_at_checked(count)?;
    let each = |value: i64, digit: &u8| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + i64::from(digit - b'0'))
    };
    Some((digits.iter().try_fold(0, each)?, rest))
}

/// Since the first of January 1970, by the calendar that counts leap years as if it had always been in use. Years begin with
/// March here, so that the day that comes and goes is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let before_month = (153 * month + 2) / 5;
    year * 365 + leap_days + before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        match length {
            0..0x80 => [&[kind, length], content].concat(),
            _ => [&[kind, 0x81, length], content].concat(),
        }
    }

    fn certificate(version: &[u8], from: &[u8], until: &[u8]) -> Vec<u8> {
        let validity = wrapped(SEQUENCE, &[from, until].concat());
        let issuer = wrapped(SEQUENCE, &[7; 90]);
        let parts = [
            version,
            &[2, 1, 9],
            &wrapped(SEQUENCE, &[]),
            &issuer,
            &validity,
            &[5, 0],
        ]
        .concat();
        wrapped(SEQUENCE, &wrapped(SEQUENCE, &parts))
    }

    #[test]
    fn both_ends_are_read_in_either_form_with_and_without_a_version() {
        let from = wrapped(UTC_TIME, b"700101000001Z");
        let until = wrapped(GENERALIZED_TIME, b"21000228235959Z");
        let wanted = Some(Validity {
            from_ms: 1_000,
            until_ms: 4_107_542_399_000,
        });
        assert_eq!(
            Validity::of(&certificate(&[VERSION, 3, 2, 1, 2], &from, &until)),
            wanted
        );
        assert_eq!(Validity::of(&certificate(&[], &from, &until)), wanted);
        let leap = wrapped(UTC_TIME, b"240229120000Z");
        let past = wrapped(UTC_TIME, b"691231235959Z");
        let read = Validity::of(&certificate(&[], &past, &leap)).unwrap();
        assert_eq!((read.from_ms, read.until_ms), (-1_000, 1_709_208_000_000));
    }

    #[test]
    fn whatever_is_cut_or_changed_is_no_certificate_and_hurts_nobody() {
        let time = wrapped(UTC_TIME, b"300101000000Z");
        let good = certificate(&[], &time, &time);
        assert!(Validity::of(&good).is_some());
        for cut in 0..good.len() {
            assert_eq!(Validity::of(&good[..cut]), None, "{cut}");
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut changed = good.clone();
                changed[at] ^= 1 << bit;
                let _ = Validity::of(&changed);
            }
        }
        for wrong in [
            &b"301301000000Z"[..],
            b"300100000000Z",
            b"300101240000Z",
            b"300101000000",
            b"3001010000zzZ",
        ] {
            let wrong = wrapped(UTC_TIME, wrong);
            assert_eq!(Validity::of(&certificate(&[], &time, &wrong)), None);
        }
        assert_eq!(Validity::of(&[0x30, 0x84, 1, 1, 1, 1]), None);
    }
}
