//! What a suspicious packet is evidence of. Which packets are suspicious at all is the ruleset's choice; here they are named
//! and weighed, and those that an honest host may send are let go even so.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::packet::{Packet, TcpFlags, Transport};

/// One contact that only a scanner makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Who sends, as the packet says.
    pub source: IpAddr,
    /// What was asked for. Two packets to the same place are one contact, however often they are sent.
    pub contact: Contact,
    /// How it was asked for.
    pub kind: Kind,
}

/// A place that somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Contact {
    /// The address.
    pub destination: IpAddr,
    /// The protocol.
    pub protocol: Protocol,
    /// The port; 0 where it cannot be read.
    pub port: u16,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// ICMP or ICMPv6: the place is the host.
    Icmp,
    /// Another one, by its number: the place is the host's handler for it.
    Number(u8),
    /// Not told: the header is hidden.
    Unknown,
}

/// How a place was asked for, in the words of scanners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A TCP SYN: a connect or half-open scan.
    Syn,
    /// A TCP packet without any flag.
    Null,
    /// FIN alone.
    Fin,
    /// FIN, PSH and URG, or other flags that need an ACK and have none.
    Xmas,
    /// SYN with FIN.
    SynFin,
    /// ACK without a connection: an ACK or window scan, or a late segment of a flow that conntrack forgot.
    Ack,
    /// FIN and ACK without a connection: Uriel Maimon's scan, or a late segment likewise.
    Maimon,
    /// A UDP datagram.
    Udp,
    /// An SCTP INIT.
    Init,
    /// An echo request: a ping.
    Echo,
    /// A packet of a protocol that hosts seldom speak: an IP protocol scan.
    Protocol,
    /// A transport header out of reach behind fragments or extension headers.
    Hidden,
    /// A TCP connection, completed with a decoy: whoever has an answer of ours in hand did not forge its address.
    Connect,
}

/// What a port is to us; nobody serves either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The operator's bait.
    Trigger,
    /// Any other.
    Unserved,
}

/// How much a probe says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// No honest host sends this here.
    Full,
    /// A late segment looks the same, or a broken program's; it takes another contact beside it.
    Half,
    /// An honest host is wrong now and then: nobody serves this place, and it is no trigger.
    Unserved,
    /// Both: a late segment may look the same, and it is no trigger.
    UnservedHalf,
}

/// Source ports of UDP servers whose late answers must not be taken for a scan: the well-known ones, and SSDP, STUN, IPsec and
/// mDNS.
pub const ANSWERING: [RangeInclusive<u16>; 5] = [1..=1023, 1900..=1900, 3478..=3478, 4500..=4500, 5353..=5353];
/// Where UDP probes of traceroute and mtr go, and those of tracepath.
pub const TRACEROUTE: [RangeInclusive<u16>; 2] = [33_000..=33_534, 44_444..=44_544];
/// Clients behind a gateway choose their ports as they like, but not below.
pub const LOWEST_CLIENT_PORT: u16 = 1024;

/// Protocols that routers, tunnels and clusters speak to one another unasked, and whose packets are no protocol scan: IGMP,
/// IPv4 and IPv6 in IPv4, RSVP, GRE, ESP, AH, EIGRP, OSPF, PIM, VRRP, L2TP, UDP-Lite, MPLS.
pub const HONEST_PROTOCOLS: [u8; 14] = [2, 4, 41, 46, 47, 50, 51, 88, 89, 103, 112, 115, 136, 137];

impl Probe {
    /// What `packet` is evidence of; nothing, if an honest host may send it.
    #[must_use]
    pub fn read(packet: &Packet) -> Option<Self> {
        if is_mapped(packet.source) {
            return None;
        }
        let (protocol, port, kind) = match packet.transport {
            Transport::Tcp { to, flags, .. } => (Protocol::Tcp, to, tcp_kind(flags)?),
            Transport::Udp { to, .. } => (Protocol::Udp, to, Kind::Udp),
            Transport::Hidden => (Protocol::Unknown, 0, Kind::Hidden),
            Transport::SctpInit { to } => (Protocol::Sctp, to, Kind::Init),
            Transport::Echo => (Protocol::Icmp, 0, Kind::Echo),
            Transport::Other(number) if !is_honest(number) => (Protocol::Number(number), 0, Kind::Protocol),
            Transport::Icmp | Transport::Other(_) => return None,
        };
        let contact = Contact { destination: packet.destination, protocol, port };
        Some(Self { source: packet.source, contact, kind })
    }
}

/// An IPv4 address that is written as one of IPv6. No host sends from there, and Linux takes no such packet in (`ip6_rcv_core`); a capture may hold
/// one, and it would be told of the host that has the IPv4 address.
const fn is_mapped(source: IpAddr) -> bool {
    matches!(source, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

/// Whether a UDP packet that was refused is one that honest hosts send: a late answer to a client that has gone, or a traceroute.
#[must_use]
pub fn is_honest_although_refused(packet: &Packet) -> bool {
    let Transport::Udp { from, to } = packet.transport else { return false };
    TRACEROUTE.iter().any(|ports| ports.contains(&to))
        || (to >= LOWEST_CLIENT_PORT && ANSWERING.iter().any(|ports| ports.contains(&from)))
}

/// SCTP, too: what is no INIT belongs to an association.
fn is_honest(protocol: u8) -> bool {
    const SCTP: u8 = 132;
    protocol == SCTP || HONEST_PROTOCOLS.contains(&protocol)
}

/// An RST, and a SYN with an ACK, are answers: to us, or to somebody who forged our address. They prove nothing.
fn tcp_kind(flags: TcpFlags) -> Option<Kind> {
    const FIN: u8 = TcpFlags::FIN;
    const SYN: u8 = TcpFlags::SYN;
    const ACK: u8 = TcpFlags::ACK;
    const ECN: u8 = 0xc0; // ECE and CWR say nothing about the connection (RFC 3168)
    if flags.any(TcpFlags::RST) {
        return None;
    }
    match (flags.0 & (SYN | ACK | FIN), flags.0 & !ECN) {
        (SYN, _) => Some(Kind::Syn),
        (_, 0) => Some(Kind::Null),
        (_, FIN) => Some(Kind::Fin),
        (both, _) if both & SYN != 0 && both & FIN != 0 => Some(Kind::SynFin),
        (both, _) if both & SYN != 0 => None,
        (0 | FIN, _) => Some(Kind::Xmas),
        (ACK, _) => Some(Kind::Ack),
        (_, _) => Some(Kind::Maimon),
    }
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::Syn,
        Self::Null,
        Self::Fin,
        Self::Xmas,
        Self::SynFin,
        Self::Ack,
        Self::Maimon,
        Self::Udp,
        Self::Init,
        Self::Echo,
        Self::Protocol,
        Self::Hidden,
        Self::Connect,
    ];

    /// How much it says, at a trigger port or elsewhere.
    #[must_use]
    pub const fn weight(self, port: Port) -> Weight {
        match self {
            Self::Hidden | Self::Connect => Weight::Full,
            Self::Syn | Self::Udp | Self::Null | Self::Fin | Self::Xmas | Self::SynFin
                if matches!(port, Port::Trigger) =>
            {
                Weight::Full
            }
            // Broken hardware and broken programs send such a packet now and then, to a place where they have business.
            Self::Null | Self::Fin | Self::Xmas | Self::SynFin => Weight::Half,
            Self::Ack | Self::Maimon if matches!(port, Port::Trigger) => Weight::Half,
            Self::Ack | Self::Maimon => Weight::UnservedHalf,
            Self::Syn | Self::Udp | Self::Init | Self::Echo | Self::Protocol => Weight::Unserved,
        }
    }

    /// Whether who sent this cannot have forged its address.
    #[must_use]
    pub const fn proves_its_source(self) -> bool {
        match self {
            Self::Connect => true,
            Self::Syn
            | Self::Null
            | Self::Fin
            | Self::Xmas
            | Self::SynFin
            | Self::Ack
            | Self::Maimon
            | Self::Udp
            | Self::Init
            | Self::Echo
            | Self::Protocol
            | Self::Hidden => false,
        }
    }

    /// Its name in a log line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Null => "null",
            Self::Fin => "fin",
            Self::Xmas => "xmas",
            Self::SynFin => "syn+fin",
            Self::Ack => "ack",
            Self::Maimon => "maimon",
            Self::Udp => "udp",
            Self::Init => "init",
            Self::Echo => "echo",
            Self::Protocol => "protocol",
            Self::Hidden => "hidden",
            Self::Connect => "connect",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Sctp => f.write_str("sctp"),
            Self::Icmp => f.write_str("icmp"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// As it is displayed.
impl FromStr for Kind {
    type Err = NotAKind;

    fn from_str(text: &str) -> Result<Self, NotAKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(NotAKind)
    }
}

/// As it is displayed.
impl FromStr for Protocol {
    type Err = NotAProtocol;

    fn from_str(text: &str) -> Result<Self, NotAProtocol> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            "icmp" => Ok(Self::Icmp),
            "unknown" => Ok(Self::Unknown),
            number => number.parse().map(Self::Number).or(Err(NotAProtocol)),
        }
    }
}

/// Why something is no kind of probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no kind of probe: they are called syn, null, fin, xmas, syn+fin, ack, maimon, udp, init, echo, protocol, hidden, connect"
)]
pub struct NotAKind;

/// Why something is no protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no protocol: write tcp, udp, sctp, icmp, unknown, or its number")]
pub struct NotAProtocol;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_protocols_are_read_as_they_are_written() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp, Protocol::Number(47)] {
            assert_eq!(protocol.to_string().parse(), Ok(protocol));
        }
        assert_eq!(Protocol::Unknown.to_string().parse(), Ok(Protocol::Unknown));
        assert_eq!("TCP".parse::<Protocol>(), Err(NotAProtocol));
        assert_eq!("256".parse::<Protocol>(), Err(NotAProtocol));
        assert_eq!("synfin".parse::<Kind>(), Err(NotAKind));
    }

    #[test]
    fn late_answers_and_traceroutes_are_honest_although_refused() {
        let udp = |from, to| Packet {
            source: [192, 0, 2, 1].into(),
            destination: [192, 0, 2, 2].into(),
            transport: Transport::Udp { from, to },
        };
        assert!(is_honest_although_refused(&udp(53, 32_771)));
        assert!(is_honest_although_refused(&udp(40_000, 33_434)));
        assert!(!is_honest_although_refused(&udp(53, 161)));
        assert!(!is_honest_although_refused(&udp(40_000, 32_771)));
    }

    #[test]
    fn every_set_of_tcp_flags_has_its_name_or_is_an_answer() {
        const PSH: u8 = 0x08;
        const URG: u8 = 0x20;
        for (flags, kind) in [
            (0x02, Some(Kind::Syn)),
            (0xc2, Some(Kind::Syn)), // with ECN, as honest hosts send it
            (0x02 | PSH, Some(Kind::Syn)),
            (0x00, Some(Kind::Null)),
            (0xc0, Some(Kind::Null)),
            (0x01, Some(Kind::Fin)),
            (0x01 | PSH | URG, Some(Kind::Xmas)),
            (PSH, Some(Kind::Xmas)),
            (0x03, Some(Kind::SynFin)),
            (0x13, Some(Kind::SynFin)),
            (0x10, Some(Kind::Ack)),
            (0x10 | PSH, Some(Kind::Ack)),
            (0x11, Some(Kind::Maimon)),
            (0x12, None),
            (0x04, None),
            (0x14, None),
            (0x06, None),
        ] {
            assert_eq!(tcp_kind(TcpFlags(flags)), kind, "flags {flags:#04x}");
        }
    }
}
