//! Which side of a capture is the one to protect. Pure.
//!
//! Without `--protect` the side is guessed, for each family of addresses:
//! * Private (RFC 1918, RFC 6598, ULA) and public addresses meet: the private ones are ours, if they have a part in every other
//!   packet; fewer are forged.
//! * Else one host (one /64) has a part in nearly every packet, and several peers: the recorder sat there.
//! * Else there are no two sides, and everybody is protected from everybody: within a network, or between two hosts.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::hosts::{Host, Hosts};
use crate::detect::prefixes::Prefixes;

/// With fewer peers, either end of the traffic could be the recorder's.
pub const HUB_PEERS: u32 = 3;
/// In per cent; the rest is chatter of neighbours.
const HUB_SHARE: u64 = 90;
/// Whoever has one address of a /64 has all of them.
const V6_NETWORK: u8 = 64;

/// Whose traffic is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// Destinations that are protected.
    pub protected: Prefixes,
    /// How that is known.
    pub basis: Basis,
}

/// How it is known who is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The operator said so.
    Named,
    /// It was guessed: the rest of the world is outside.
    Guessed,
}

impl Sides {
    /// The protected IPv6 networks, within which neighbours are told apart by address. All of IPv6 is no such network.
    #[must_use]
    pub fn links(&self) -> Vec<Ipv6Net> {
        self.protected.v6().iter().filter(|net| net.prefix_len() > 0).copied().collect()
    }

    /// The side to protect, if nobody named it.
    #[must_use]
    pub fn guess(hosts: &Hosts) -> Self {
        let prefixes: Vec<_> = [Family::V4, Family::V6].into_iter().flat_map(|family| local(hosts, family)).collect();
        Self { protected: Prefixes::new(&prefixes), basis: Basis::Guessed }
    }
}

fn local(hosts: &Hosts, family: Family) -> Vec<IpNet> {
    let here: Vec<_> = hosts.iter().filter(|(address, _)| family.has(*address)).collect();
    let private: u64 = here.iter().filter(|(address, _)| is_private(*address)).map(|(_, host)| host.packets).sum();
    let ends: u64 = here.iter().map(|(_, host)| host.packets).sum();
    let packets = ends.checked_div(2).unwrap_or(0); // every packet has two ends
    if here.is_empty() {
        Vec::new()
    } else if private == ends {
        vec![family.everything()]
    } else if private >= packets.div_ceil(2) {
        family.private()
    } else {
        vec![hub(&here, packets).unwrap_or_else(|| family.everything())]
    }
}

/// The network that has a part in nearly every packet, if there is exactly one and it has several peers.
fn hub(hosts: &[(IpAddr, Host)], packets: u64) -> Option<IpNet> {
    let mut networks: HashMap<IpNet, Host> = HashMap::new();
    for (address, host) in hosts {
        let known = networks.entry(network(*address)).or_default();
        known.packets = known.packets.saturating_add(host.packets);
        known.peers.merge(host.peers);
    }
    let share = packets.saturating_mul(HUB_SHARE).checked_div(100).unwrap_or(0);
    let mut hubs = networks.iter().filter(|(_, host)| host.packets >= share && host.peers.count() >= HUB_PEERS);
    let (hub, _) = hubs.next()?;
    hubs.next().is_none().then_some(*hub)
}

fn network(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(v4) => Ipv4Net::from(v4).into(),
        IpAddr::V6(v6) => Ipv6Net::new(v6, V6_NETWORK).map_or_else(|_| IpNet::from(address), |net| net.trunc().into()),
    }
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

const CGNAT: (u8, u8) = (100, 64); // RFC 6598: 100.64.0.0/10

impl Family {
    /// Link-local and unspecified addresses take no side.
    fn has(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4, IpAddr::V4(v4)) => !v4.is_unspecified() && !v4.is_link_local() && !v4.is_loopback(),
            (Self::V6, IpAddr::V6(v6)) => !v6.is_unspecified() && !v6.is_unicast_link_local() && !v6.is_loopback(),
            (Self::V4, IpAddr::V6(_)) | (Self::V6, IpAddr::V4(_)) => false,
        }
    }

    fn private(self) -> Vec<IpNet> {
        let texts: &[&str] = match self {
            Self::V4 => {
                &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "240.0.0.0/4"]
            }
            Self::V6 => &["fc00::/7", "fe80::/10"],
        };
        texts.iter().filter_map(|text| text.parse().ok()).collect()
    }

    fn everything(self) -> IpNet {
        match self {
            Self::V4 => Ipv4Net::default().into(),
            Self::V6 => Ipv6Net::default().into(),
        }
    }
}

/// Addresses that no packet from outside carries. Class E is none of anybody's: where it is seen, addresses were made up.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || (first, second & 0xc0) == CGNAT || first >= 240
        }
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use ahash::RandomState;

    use super::*;
    use crate::replay::samples::{ACK, tcp};

    fn guess(flows: &[(&str, &str)]) -> String {
        let mut hosts = Hosts::new(&RandomState::with_seeds(1, 2, 3, 4));
        for (from, to) in flows {
            hosts.learn(&tcp(from, to, ACK));
        }
        let protected = Sides::guess(&hosts).protected;
        let v4 = protected.v4().iter().map(ToString::to_string);
        v4.chain(protected.v6().iter().map(ToString::to_string)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn private_addresses_are_protected_from_public_ones() {
        let guessed = guess(&[("10.0.0.1:1", "192.0.2.1:2"), ("10.0.0.2:1", "192.0.2.2:2")]);
        assert_eq!(guessed, "10.0.0.0/8 100.64.0.0/10 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 240.0.0.0/4");
    }

    #[test]
    fn a_few_forged_private_sources_take_no_side() {
        let peers: Vec<_> = (1..9).map(|i| format!("198.51.100.{i}:80")).collect();
        let mut flows: Vec<_> = peers.iter().map(|peer| (peer.as_str(), "192.0.2.1:2")).collect();
        flows.push(("10.1.2.3:4", "192.0.2.1:2"));
        assert_eq!(guess(&flows), "192.0.2.1/32");
    }

    #[test]
    fn within_a_network_and_between_two_hosts_everybody_is_protected() {
        assert_eq!(
            guess(&[("10.0.0.1:1", "10.0.0.2:2"), ("10.0.0.1:1", "10.0.0.3:2"), ("10.0.0.1:1", "10.0.0.4:2")]),
            "0.0.0.0/0"
        );
        assert_eq!(guess(&[("192.0.2.1:1", "198.51.100.1:2")]), "0.0.0.0/0");
        assert_eq!(guess(&[]), "");
    }

    #[test]
    fn who_has_a_part_in_all_public_traffic_was_the_recorder() {
        let peers: Vec<_> = (1..9).map(|i| format!("198.51.100.{i}:80")).collect();
        let flows: Vec<_> = peers.iter().map(|peer| (peer.as_str(), "192.0.2.1:2")).collect();
        assert_eq!(guess(&flows), "192.0.2.1/32");
        let peers: Vec<_> = (1..9).map(|i| format!("[2001:db8:{i}::1]:80")).collect();
        let flows: Vec<_> = peers.iter().map(|peer| ("[2001:db8:ff::7]:2", peer.as_str())).collect();
        assert_eq!(guess(&flows), "2001:db8:ff::/64");
    }
}
