//! Bytes of one IP packet → what they mean. Total: hostile bytes become a value, never a panic. The only user of
//! `pnet_packet`, whose views trust lengths that a stranger writes: every length is checked here first.

use std::net::IpAddr;

use pnet_packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols as Protocol};
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;
use pnet_packet::tcp::TcpPacket;
use pnet_packet::udp::UdpPacket;

/// One packet, as far as a verdict needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Who sends, if we believe it.
    pub source: IpAddr,
    /// Whom it is for.
    pub destination: IpAddr,
    /// What it carries.
    pub transport: Transport,
}

/// What an IP packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A TCP segment with a readable header.
    Tcp {
        /// Source port.
        from: u16,
        /// Destination port.
        to: u16,
        /// Which flags are set.
        flags: TcpFlags,
    },
    /// A UDP datagram with a readable header.
    Udp {
        /// Source port.
        from: u16,
        /// Destination port.
        to: u16,
    },
    /// An ICMP or ICMPv6 echo request.
    Echo,
    /// Any other ICMP or ICMPv6 message.
    Icmp,
    /// The first chunk of an SCTP association (RFC 9260 §3.3.2: INIT).
    SctpInit {
        /// Destination port.
        to: u16,
    },
    /// A later fragment, or a header that is cut off, or one behind more extension headers than are followed.
    Hidden,
    /// Another protocol, by its number.
    Other(u8),
}

/// The flags octet of a TCP header (RFC 9293 §3.1), ECN bits included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more from the sender.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Aborts one.
    pub const RST: u8 = 0x04;
    /// Ends what the sender had to say for now.
    pub const PSH: u8 = 0x08;
    /// Acknowledges something.
    pub const ACK: u8 = 0x10;

    /// Whether any flag of `mask` is set.
    #[must_use]
    pub const fn any(self, mask: u8) -> bool {
        self.0 & mask != 0
    }
}

/// Why bytes are no IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not even an IP version.
    #[error("no bytes")]
    Empty,
    /// A version that is neither 4 nor 6.
    #[error("ip version {0}")]
    Version(u8),
    /// Fewer bytes than the header says it has.
    #[error("the ip header is cut off")]
    CutOff,
    /// A header length below the minimum, or a total length below the header's.
    #[error("the ip header's lengths contradict each other")]
    Lengths,
}

/// RFC 8504 lets a host refuse more; no honest packet comes near it, and a bound keeps a chain from costing much.
const MAX_EXTENSION_HEADERS: usize = 8;

/// Reads one IP packet; `bytes` may be cut short of the packet's own length, as the kernel does on request.
pub fn parse(bytes: &[u8]) -> Result<Packet, Malformed> {
    match bytes.first().ok_or(Malformed::Empty)? >> 4 {
        4 => parse_v4(bytes),
        6 => parse_v6(bytes),
        version => Err(Malformed::Version(version)),
    }
}

/// The packet that `bytes` refuse, as far as they tell: a RST to a SYN, or an ICMP error that says port or protocol unreachable.
/// What comes back is the refused packet itself, with its own source and destination.
#[must_use]
pub fn refused(bytes: &[u8]) -> Option<Packet> {
    let Packet { source, destination, transport } = parse(bytes).ok()?;
    match transport {
        // A RST that answers a SYN acknowledges it (RFC 9293 §3.10.7.1).
        Transport::Tcp { from, to, flags: TcpFlags(flags) } if flags & ANSWER == TcpFlags::RST | TcpFlags::ACK => {
            let transport = Transport::Tcp { from: to, to: from, flags: TcpFlags(TcpFlags::SYN) };
            Some(Packet { source: destination, destination: source, transport })
        }
        Transport::Icmp => parse(unreachable(bytes)?).ok(),
        Transport::Tcp { .. }
        | Transport::Udp { .. }
        | Transport::Echo
        | Transport::SctpInit { .. }
        | Transport::Hidden
        | Transport::Other(_) => None,
    }
}

const ANSWER: u8 = TcpFlags::SYN | TcpFlags::RST | TcpFlags::ACK;

/// The packet inside an ICMP error, with RFC 792's and RFC 4443's codes for a protocol or a port that is not served.
fn unreachable(bytes: &[u8]) -> Option<&[u8]> {
    let version = bytes.first()? >> 4;
    let header = if version == 4 { usize::from(bytes.first()? & 0xf).checked_mul(4)? } else { 40 };
    let icmp = bytes.get(header..)?;
    let told = (*icmp.first()?, *icmp.get(1)?);
    let says_so = if version == 4 { matches!(told, (3, 2 | 3)) } else { matches!(told, (1, 4) | (4, 1)) };
    says_so.then(|| icmp.get(8..)).flatten()
}

fn parse_v4(bytes: &[u8]) -> Result<Packet, Malformed> {
    let ip = Ipv4Packet::new(bytes).ok_or(Malformed::CutOff)?;
    let header = usize::from(ip.get_header_length()).saturating_mul(4);
    let total = usize::from(ip.get_total_length());
    if header < Ipv4Packet::minimum_packet_size() || total < header {
        return Err(Malformed::Lengths);
    }
    let payload = bytes.get(header..total.min(bytes.len())).ok_or(Malformed::CutOff)?;
    let transport = if ip.get_fragment_offset() == 0 {
        parse_transport(ip.get_next_level_protocol(), payload)
    } else {
        Transport::Hidden
    };
    Ok(Packet { source: ip.get_source().into(), destination: ip.get_destination().into(), transport })
}

fn parse_v6(bytes: &[u8]) -> Result<Packet, Malformed> {
    let ip = Ipv6Packet::new(bytes).ok_or(Malformed::CutOff)?;
    let header = Ipv6Packet::minimum_packet_size();
    let length = match usize::from(ip.get_payload_length()) {
        0 => usize::MAX, // a jumbogram says its length elsewhere (RFC 2675): take what is there
        length => length,
    };
    let after = bytes.get(header..).ok_or(Malformed::CutOff)?;
    let payload = after.get(..length.min(after.len())).ok_or(Malformed::CutOff)?;
    let transport = follow_extensions(ip.get_next_header(), payload);
    Ok(Packet { source: ip.get_source().into(), destination: ip.get_destination().into(), transport })
}

/// Walks an IPv6 extension header chain (RFC 8200 §4) to the transport header.
fn follow_extensions(first: IpNextHeaderProtocol, payload: &[u8]) -> Transport {
    let (mut protocol, mut rest) = (first, payload);
    for _ in 0..=MAX_EXTENSION_HEADERS {
        let extension = match protocol {
            Protocol::Hopopt | Protocol::Ipv6Route | Protocol::Ipv6Opts | Protocol::Hip | Protocol::Shim6 => {
                Extension::Octets8
            }
            Protocol::MobilityHeader => Extension::Octets8,
            Protocol::Ah => Extension::Octets4,
            Protocol::Ipv6Frag => Extension::Fragment,
            _ => return parse_transport(protocol, rest), // a protocol number, not an enum of ours
        };
        let Some((next, after)) = extension.skip(rest) else { return Transport::Hidden };
        (protocol, rest) = (next, after);
    }
    Transport::Hidden
}

/// The three ways an extension header says how long it is.
#[derive(Clone, Copy)]
enum Extension {
    /// In units of 8 octets, not counting the first (RFC 8200 §4.3).
    Octets8,
    /// In units of 4 octets, minus 2 (RFC 4302 §2.2).
    Octets4,
    /// Always 8 octets; nothing but the first fragment holds a transport header (RFC 8200 §4.5).
    Fragment,
}

impl Extension {
    fn skip(self, bytes: &[u8]) -> Option<(IpNextHeaderProtocol, &[u8])> {
        let (next, length) = (*bytes.first()?, usize::from(*bytes.get(1)?));
        let length = match self {
            Self::Octets8 => length.saturating_add(1).saturating_mul(8),
            Self::Octets4 => length.saturating_add(2).saturating_mul(4),
            Self::Fragment => {
                let offset = u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]) >> 3;
                (offset == 0).then_some(8)?
            }
        };
        Some((IpNextHeaderProtocol::new(next), bytes.get(length..)?))
    }
}

fn parse_transport(protocol: IpNextHeaderProtocol, payload: &[u8]) -> Transport {
    match protocol {
        Protocol::Tcp => TcpPacket::new(payload).map_or(Transport::Hidden, |tcp| Transport::Tcp {
            from: tcp.get_source(),
            to: tcp.get_destination(),
            flags: TcpFlags(tcp.get_flags()),
        }),
        Protocol::Udp => UdpPacket::new(payload)
            .map_or(Transport::Hidden, |udp| Transport::Udp { from: udp.get_source(), to: udp.get_destination() }),
        Protocol::Icmp => payload.first().map_or(Transport::Hidden, |kind| echo_if(*kind == 8)),
        Protocol::Icmpv6 => payload.first().map_or(Transport::Hidden, |kind| echo_if(*kind == 128)),
        Protocol::Sctp => parse_sctp(payload),
        other => Transport::Other(other.0),
    }
}

fn echo_if(request: bool) -> Transport {
    if request { Transport::Echo } else { Transport::Icmp }
}

/// Ports are the first four octets; the first chunk's type is the thirteenth (RFC 9260 §3).
fn parse_sctp(payload: &[u8]) -> Transport {
    const INIT: u8 = 1;
    match payload {
        [_, _, high, low, _, _, _, _, _, _, _, _, INIT, ..] => {
            Transport::SctpInit { to: u16::from_be_bytes([*high, *low]) }
        }
        [_, _, _, _, ..] => Transport::Other(Protocol::Sctp.0),
        _ => Transport::Hidden,
    }
}

#[cfg(test)]
mod tests;
