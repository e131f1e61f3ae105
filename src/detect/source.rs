//! Who sends: one IPv4 address, or one IPv6 network. What is remembered and what is blocked is a source.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv6Net};

use super::prefixes::Prefixes;

/// One IPv4 address or one IPv6 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The network's first address; an IPv4 address in its mapped form.
    network: Ipv6Addr,
    prefix: u8,
}

/// What is around us: which addresses are taken together as one source, and whom we depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// Prefix length of an IPv6 source: whoever has one address of a /64 has all of them.
    pub ipv6_prefix: u8,
    /// Our own links' networks. A neighbour there is one address, for its network is also ours and our router's.
    pub on_link: Vec<Ipv6Net>,
    /// Who is never blocked, because we could not do without: see `kernel/surroundings.rs`.
    pub exempt: Prefixes,
}

const ALL_BITS: u8 = 128;

impl Source {
    /// The source that `address` belongs to.
    #[must_use]
    pub fn of(address: IpAddr, surroundings: &Surroundings) -> Self {
        match address {
            IpAddr::V6(v6) if !surroundings.is_neighbour(v6) => Self::network(v6, surroundings.ipv6_prefix),
            IpAddr::V4(_) | IpAddr::V6(_) => Self::host(address),
        }
    }

    /// From its raw parts: a network's address, and a prefix length of at most 128.
    #[must_use]
    pub fn network(address: Ipv6Addr, prefix: u8) -> Self {
        let prefix = prefix.min(ALL_BITS);
        let mask = u128::MAX.checked_shl(u32::from(ALL_BITS.saturating_sub(prefix))).unwrap_or(0);
        Self { network: Ipv6Addr::from_bits(address.to_bits() & mask), prefix }
    }

    /// One host.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        let network = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self { network, prefix: ALL_BITS }
    }

    /// Whether it is one address, and no network.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        self.prefix == ALL_BITS
    }

    /// The address that stands for it in a kernel set: its own, or its network's first.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        IpAddr::V6(self.network).to_canonical()
    }

    /// The same, always in IPv6 form, with the prefix length: what `network` takes.
    #[must_use]
    pub const fn parts(&self) -> (Ipv6Addr, u8) {
        (self.network, self.prefix)
    }
}

/// An address that stands for itself, or an IPv6 network.
impl TryFrom<IpNet> for Source {
    type Error = NotASource;

    fn try_from(network: IpNet) -> Result<Self, NotASource> {
        match network {
            _ if network.prefix_len() == network.max_prefix_len() => Ok(Self::host(network.addr())),
            IpNet::V6(v6) => Ok(Self::network(v6.addr(), v6.prefix_len())),
            IpNet::V4(_) => Err(NotASource),
        }
    }
}

/// All its addresses.
impl From<Source> for IpNet {
    fn from(source: Source) -> Self {
        match source.address() {
            address @ IpAddr::V6(_) => Self::new(address, source.prefix).unwrap_or_else(|_| address.into()),
            address @ IpAddr::V4(_) => address.into(),
        }
    }
}

/// As it is displayed.
impl FromStr for Source {
    type Err = NotASource;

    fn from_str(text: &str) -> Result<Self, NotASource> {
        let host = text.parse().map(Self::host).ok();
        host.or_else(|| text.parse::<IpNet>().ok()?.try_into().ok()).ok_or(NotASource)
    }
}

/// Why something is no source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is neither an address nor an IPv6 network: write it as 192.0.2.1 or 2001:db8:a::/64")]
pub struct NotASource;

impl Surroundings {
    fn is_neighbour(&self, address: Ipv6Addr) -> bool {
        address.is_unicast_link_local() || self.on_link.iter().any(|net| net.contains(&address))
    }
}

/// An address, or a network with its prefix length.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            ALL_BITS => self.address().fmt(f),
            prefix => write!(f, "{}/{prefix}", self.network),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> String {
        let surroundings = Surroundings {
            ipv6_prefix: 64,
            on_link: vec!["2001:db8:0:5::/64".parse().unwrap()],
            exempt: Prefixes::default(),
        };
        Source::of(address.parse().unwrap(), &surroundings).to_string()
    }

    #[test]
    fn an_ipv4_address_stands_for_itself() {
        assert_eq!(source("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn all_addresses_of_a_64_are_one_source() {
        assert_eq!(source("2001:db8::1"), "2001:db8::/64");
        assert_eq!(source("2001:db8::ffff:2"), "2001:db8::/64");
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8::1"));
    }

    #[test]
    fn a_neighbour_is_one_address_and_not_our_whole_link() {
        assert_eq!(source("fe80::1"), "fe80::1");
        assert_eq!(source("2001:db8:0:5::1"), "2001:db8:0:5::1");
    }

    #[test]
    fn a_network_is_not_the_host_that_has_its_first_address() {
        let network = Source::network("2001:db8::".parse().unwrap(), 64);
        let host = Source::host("2001:db8::".parse().unwrap());
        assert_ne!(network, host);
        assert_eq!((network.is_host(), host.is_host()), (false, true));
        assert_eq!(Source::host("::ffff:192.0.2.1".parse().unwrap()), Source::host("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn a_source_is_read_as_it_is_written() {
        for text in ["192.0.2.1", "2001:db8::1", "2001:db8:a::/64", "2001:db8::/48", "::/0"] {
            let source: Source = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
            assert_eq!(Source::try_from(IpNet::from(source)), Ok(source));
        }
        assert_eq!("192.0.2.1/32".parse(), Ok(Source::host([192, 0, 2, 1].into())));
        for text in ["", "192.0.2.0/24", "2001:db8::/129", "example.org", "192.0.2.1 "] {
            assert_eq!(text.parse::<Source>(), Err(NotASource), "{text}");
        }
    }

    #[test]
    fn any_prefix_length_is_taken() {
        let address: Ipv6Addr = "ffff:ffff::1".parse().unwrap();
        assert_eq!(Source::network(address, 0).to_string(), "::/0");
        assert_eq!(Source::network(address, 200).to_string(), "ffff:ffff::1");
        assert_eq!(Source::network(address, 48).to_string(), "ffff:ffff::/48");
    }
}
