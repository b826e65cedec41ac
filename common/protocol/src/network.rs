//! Networks of clients: what the limits per prefix count by, which addresses they leave alone, and who is banned.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// What stands before an IPv4 address that is mapped into IPv6, bits.
const V4_BITS: u32 = 96;

/// A network, such as 10.0.0.0/8. IPv4 stands as mapped into IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: u128,
    bits: u32,
}

impl Network {
    /// Reads `address/bits`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        (bits <= bits_max).then(|| Self::of(address, bits))
    }

    /// What new logins are counted by: /24 of IPv4, /48 of IPv6.
    #[must_use]
    pub fn of_client(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::of(IpAddr::V4(v4), 24),
            IpAddr::V6(v6) => Self::of(IpAddr::V6(v6), 48),
        }
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        masked(mapped(address), self.bits) == self.address
    }

    fn of(address: IpAddr, bits: u32) -> Self {
        let bits = if address.is_ipv4() {
            bits.saturating_add(V4_BITS)
        } else {
            bits
        };
        Self {
            address: masked(mapped(address), bits),
            bits,
        }
    }
}

/// As it is read; IPv4 as IPv4.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from(self.address);
        match (address.to_ipv4_mapped(), self.bits.checked_sub(V4_BITS)) {
            (Some(address), Some(bits)) => write!(f, "{address}/{bits}"),
            _ => write!(f, "{address}/{}", self.bits),
        }
    }
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => Ipv6Addr::into(v6),
    }
}

fn masked(address: u128, bits: u32) -> u128 {
    address
        & u128::MAX
            .checked_shl(u128::BITS.saturating_sub(bits))
            .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_its_addresses_in_either_form_and_no_others() {
        let loopback = Network::parse("127.0.0.0/8").unwrap();
        assert!(loopback.holds(ip("127.9.9.9")) && loopback.holds(ip("::ffff:127.0.0.1")));
        assert!(!loopback.holds(ip("128.0.0.1")) && !loopback.holds(ip("::1")));
        let all = Network::parse("::/0").unwrap();
        assert!(all.holds(ip("::1")) && all.holds(ip("1.2.3.4")));
        for wrong in ["127.0.0.1", "127.0.0.0/33", "::/129", "x/8", "1.2.3.4/-1"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_network_is_written_as_it_is_read() {
        for text in [
            "127.0.0.0/8",
            "0.0.0.0/0",
            "10.1.2.3/32",
            "::/0",
            "2001:db8::/48",
            "::ffff:0.0.0.0/64",
        ] {
            let network = Network::parse(text).unwrap();
            assert_eq!(Network::parse(&network.to_string()), Some(network), "{text}");
        }
        assert_eq!(Network::parse("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(
            Network::parse("2001:db8::9/32").unwrap().to_string(),
            "2001:db8::/32"
        );
    }

    #[test]
    fn clients_are_counted_by_24_and_48_bits() {
        assert_eq!(
            Network::of_client(ip("10.1.2.3")),
            Network::of_client(ip("::ffff:10.1.2.99"))
        );
        assert_ne!(
            Network::of_client(ip("10.1.2.3")),
            Network::of_client(ip("10.1.3.3"))
        );
        assert_eq!(
            Network::of_client(ip("2001:db8:7::1")),
            Network::of_client(ip("2001:db8:7:ffff::"))
        );
        assert_ne!(
            Network::of_client(ip("2001:db8:7::1")),
            Network::of_client(ip("2001:db8:8::1"))
        );
    }
}
