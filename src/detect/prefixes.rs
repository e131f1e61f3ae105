//! Sets of address prefixes that the operator names: the allow list, the protected destinations. Read-only once built.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Prefixes of both families, merged where they touch; asking costs one binary search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefixes {
    v4: Vec<Ipv4Net>,
    v6: Vec<Ipv6Net>,
}

impl Prefixes {
    /// The union of `prefixes`, in whatever order they come.
    #[must_use]
    pub fn new(prefixes: &[IpNet]) -> Self {
        let v4: Vec<_> = prefixes.iter().filter_map(|p| if let IpNet::V4(v4) = p { Some(*v4) } else { None }).collect();
        let v6: Vec<_> = prefixes.iter().filter_map(|p| if let IpNet::V6(v6) = p { Some(*v6) } else { None }).collect();
        // `aggregate` sorts, drops what is covered and merges neighbours: what `contains` relies on.
        Self { v4: Ipv4Net::aggregate(&v4), v6: Ipv6Net::aggregate(&v6) }
    }

    /// Whether one of the prefixes covers `address`.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => {
                let after = self.v4.partition_point(|net| net.network() <= v4);
                after.checked_sub(1).and_then(|i| self.v4.get(i)).is_some_and(|net| net.contains(&v4))
            }
            IpAddr::V6(v6) => {
                let after = self.v6.partition_point(|net| net.network() <= v6);
                after.checked_sub(1).and_then(|i| self.v6.get(i)).is_some_and(|net| net.contains(&v6))
            }
        }
    }

    /// Whether one of the prefixes holds all of `net`.
    #[must_use]
    pub fn covers(&self, net: IpNet) -> bool {
        match net {
            IpNet::V4(v4) => self.v4.iter().any(|known| known.contains(&v4)),
            IpNet::V6(v6) => self.v6.iter().any(|known| known.contains(&v6)),
        }
    }

    /// Those prefixes that lie in `net`.
    #[must_use]
    pub fn within(&self, net: IpNet) -> Vec<IpNet> {
        self.nets().filter(|known| net.contains(known)).collect()
    }

    /// All prefixes: IPv4 first, sorted.
    pub fn nets(&self) -> impl Iterator<Item = IpNet> {
        self.v4.iter().copied().map(IpNet::from).chain(self.v6.iter().copied().map(IpNet::from))
    }

    /// The IPv4 prefixes, sorted, none covering another.
    #[must_use]
    pub fn v4(&self) -> &[Ipv4Net] {
        &self.v4
    }

    /// The IPv6 prefixes, sorted, none covering another.
    #[must_use]
    pub fn v6(&self) -> &[Ipv6Net] {
        &self.v6
    }

    /// Whether any address is in both.
    #[must_use]
    pub fn meets(&self, net: IpNet) -> bool {
        self.covers(net) || !self.within(net).is_empty()
    }

    /// Whether there is no prefix at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(texts: &[&str]) -> Prefixes {
        Prefixes::new(&texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn a_prefix_covers_its_first_and_last_address_and_nothing_beside_them() {
        let set = prefixes(&["192.0.2.0/25", "10.0.0.0/8", "2001:db8::/32", "10.1.0.0/16"]);
        for inside in ["192.0.2.0", "192.0.2.127", "10.0.0.0", "10.200.0.1", "10.255.255.255", "2001:db8::1"] {
            assert!(set.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["192.0.2.128", "192.0.1.255", "9.255.255.255", "11.0.0.0", "2001:db9::", "::"] {
            assert!(!set.contains(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn what_holds_a_network_and_what_lies_in_one_is_found() {
        let set = prefixes(&["192.0.2.0/25", "198.51.100.7/32", "2001:db8::/32"]);
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        assert!(
            set.covers(net("192.0.2.0/26")) && set.covers(net("192.0.2.0/25")) && set.covers(net("2001:db8::1/128"))
        );
        assert!(!set.covers(net("192.0.2.0/24")) && !set.covers(net("2001:db9::/64")));
        assert_eq!(set.within(net("192.0.0.0/16")), [net("192.0.2.0/25")]);
        assert_eq!(set.within(net("192.0.2.0/26")), []);
        assert_eq!(set.nets().count(), 3);
    }

    #[test]
    fn nothing_is_in_an_empty_set() {
        assert!(!Prefixes::default().contains("0.0.0.0".parse().unwrap()));
        assert!(Prefixes::default().is_empty());
    }
}
