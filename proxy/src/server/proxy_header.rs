//! The header that a balancer puts before a connection (PROXY protocol, version 2): who is at its other end, and whether they
//! came over TLS. Pure. Only its addresses and that mark are looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What every header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes before those whose number they tell.
pub(super) const HEAD_BYTES: usize = 16;
/// Bytes behind the head, at most: addresses and what else a balancer may want to tell.
const REST_BYTES_MAX: usize = 2_048;
/// The part that tells of TLS.
const PART_TLS: u8 = 0x20;

/// Why a header is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection of a balancer does not begin with a PROXY header of version 2")]
pub(super) struct NoHeader;

/// What a header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Who is at the other end; `None` when it is the balancer itself.
    pub(super) from: Option<SocketAddr>,
    /// Whether they came over TLS.
    pub(super) over_tls: bool,
}

/// How many bytes come behind the head.
///
/// # Errors
/// `NoHeader`.
pub(super) fn rest_bytes(head: &[u8; HEAD_BYTES]) -> Result<usize, NoHeader> {
    let [signature @ .., version, _, high, low] = head;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let is_one = *signature == SIGNATURE && version >> 4 == 2 && length <= REST_BYTES_MAX;
    is_one.then_some(length).ok_or(NoHeader)
}

/// Reads a whole header.
///
/// # Errors
/// `NoHeader`.
pub(super) fn parse(head: &[u8; HEAD_BYTES], rest: &[u8]) -> Result<Told, NoHeader> {
    let [_, _, _, _, _, _, _, _, _, _, _, _, command, family, _, _] = head;
    match command & 0x0F {
        // A health check, or other words of its own.
        0 => return Ok(Told::default()),
        1 => {}
        _ => return Err(NoHeader),
    }
    let (from, parts) = match family {
        0x11 => v4(rest)?,
        0x21 => v6(rest)?,
        // It does not know, or the other end has no address.
        _ => return Ok(Told::default()),
    };
    Ok(Told {
        from: Some(from),
        over_tls: is_over_tls(parts)?,
    })
}

fn v4(rest: &[u8]) -> Result<(SocketAddr, &[u8]), NoHeader> {
    let (addresses, parts) = rest.split_first_chunk::<12>().ok_or(NoHeader)?;
    let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
    let ip = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    Ok((SocketAddr::new(ip, u16::from_be_bytes([high, low])), parts))
}

fn v6(rest: &[u8]) -> Result<(SocketAddr, &[u8]), NoHeader> {
    let (source, rest) = rest.split_first_chunk::<16>().ok_or(NoHeader)?;
    let (ports, parts) = rest
        .get(16..)
        .and_then(<[u8]>::split_first_chunk::<4>)
        .ok_or(NoHeader)?;
    let [high, low, _, _] = *ports;
    let ip = IpAddr::V6(Ipv6Addr::from(*source));
    Ok((SocketAddr::new(ip, u16::from_be_bytes([high, low])), parts))
}

/// Parts are `type u8 ‖ length u16, big-endian ‖ bytes`; the first bit of the one on TLS says that there is any.
fn is_over_tls(mut parts: &[u8]) -> Result<bool, NoHeader> {
    let mut over_tls = false;
    while let Some(([kind, high, low], rest)) = parts.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(NoHeader)?;
        over_tls |= *kind == PART_TLS && value.first().is_some_and(|client| client & 1 != 0);
        parts = rest;
    }
    Ok(over_tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend((rest.len() as u16).to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Told, NoHeader> {
        let (head, rest) = bytes.split_first_chunk().ok_or(NoHeader)?;
        match rest_bytes(head)? == rest.len() {
            true => parse(head, rest),
            false => Err(NoHeader),
        }
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x1F, 0x90, 0, 80];

    #[test]
    fn who_is_behind_a_balancer_and_whether_over_tls_is_read() {
        let told = |from: &str, over_tls| Told {
            from: Some(from.parse().unwrap()),
            over_tls,
        };
        assert_eq!(read(&header(0x21, 0x11, &V4)), Ok(told("192.0.2.7:8080", false)));
        let with = |part: &[u8]| [&V4, part].concat();
        let tls = with(&[0x04, 0, 1, 9, 0x20, 0, 5, 1, 0, 0, 0, 0]);
        assert_eq!(read(&header(0x21, 0x11, &tls)), Ok(told("192.0.2.7:8080", true)));
        let clear = with(&[0x20, 0, 5, 0, 0, 0, 0, 0]);
        assert_eq!(
            read(&header(0x21, 0x11, &clear)),
            Ok(told("192.0.2.7:8080", false))
        );
        let mut v6 = [0; 36];
        (v6[0], v6[15], v6[32], v6[33]) = (0xFD, 7, 0, 80);
        assert_eq!(read(&header(0x21, 0x21, &v6)), Ok(told("[fd00::7]:80", false)));
        for own in [
            header(0x20, 0, &[]),
            header(0x21, 0, &[]),
            header(0x20, 0x11, &V4),
        ] {
            assert_eq!(read(&own), Ok(Told::default()));
        }
    }

    #[test]
    fn whatever_else_comes_is_no_header_however_it_is_cut_or_changed() {
        let good = header(0x21, 0x11, &[&V4[..], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat());
        assert!(read(&good).is_ok());
        for cut in 0..good.len() {
            assert_eq!(read(&good[..cut]), Err(NoHeader), "{cut}");
        }
        for at in 0..13 {
            let mut changed = good.clone();
            changed[at] ^= 0x10;
            assert_eq!(read(&changed), Err(NoHeader), "{at}");
        }
        assert_eq!(
            read(&header(0x22, 0x11, &V4)),
            Err(NoHeader),
            "an unknown command"
        );
        assert_eq!(
            read(&header(0x21, 0x11, &V4[..11])),
            Err(NoHeader),
            "half an address"
        );
        assert_eq!(read(&header(0x21, 0x21, &V4)), Err(NoHeader));
        let part = [&V4[..], &[0x20, 0, 9, 1]].concat();
        assert_eq!(read(&header(0x21, 0x11, &part)), Err(NoHeader), "half a part");
        assert_eq!(read(&header(0x21, 0x11, &[0; 3_000])), Err(NoHeader), "too long");
        assert_eq!(
            read(b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 80\r\n"),
            Err(NoHeader),
            "version 1"
        );
    }
}
