//! One captured packet, as far as a replay needs it. Pure and total.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::capture::Reach;
use super::checksum::{self, Checksum};
use super::octets::u16_at;
use crate::detect::probe::{Contact, Protocol};
use crate::packet::{self, Malformed, Packet, TcpFlags, Transport};

/// One packet: what the detector judges, and what else tells who serves what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What the detector would be given.
    pub packet: Packet,
    /// Whom its frame was for.
    pub reach: Reach,
    /// Whether it carries bytes of an application.
    pub payload: Payload,
    /// Whether its checksum is right; looked at in SYNs and short datagrams only.
    pub checksum: Checksum,
    /// The place that this ICMP error says cannot be reached.
    pub refused: Option<Contact>,
}

/// Whether a TCP segment or UDP datagram carries bytes of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// It does.
    Some,
    /// It does not, or it cannot be told.
    None,
}

const ICMP: u8 = 1;
const ICMP6: u8 = 58;
const TCP: u8 = 6;
const UDP: u8 = 17;
const V6_HEADER: usize = 40;
/// An ICMP error's own header (RFC 792, RFC 4443 §3.1); the packet it is about follows.
const ICMP_HEADER: usize = 8;

impl Seen {
    /// Reads one IP packet.
    pub fn read(bytes: &[u8], reach: Reach) -> Result<Self, Malformed> {
        let packet = packet::parse(bytes)?;
        let (payload, refused) = match packet.transport {
            Transport::Tcp { .. } => (tcp_payload(bytes), None),
            Transport::Udp { .. } => (udp_payload(bytes), None),
            Transport::Icmp => (Payload::None, refused(bytes)),
            Transport::Echo | Transport::SctpInit { .. } | Transport::Hidden | Transport::Other(_) => {
                (Payload::None, None)
            }
        };
        let checksum = match packet.transport {
            Transport::Tcp { flags, .. } if flags.any(TcpFlags::SYN) => checksum_of(bytes),
            Transport::Udp { .. } => checksum_of(bytes),
            Transport::Tcp { .. }
            | Transport::Echo
            | Transport::Icmp
            | Transport::SctpInit { .. }
            | Transport::Hidden
            | Transport::Other(_) => Checksum::Unknown,
        };
        Ok(Self { packet, reach, payload, checksum, refused })
    }

    /// Where it was sent from: protocol, address and port.
    #[must_use]
    pub const fn origin(&self) -> Option<Contact> {
        place(self.packet.source, self.packet.transport, Side::From)
    }

    /// Where it is going.
    #[must_use]
    pub const fn target(&self) -> Option<Contact> {
        place(self.packet.destination, self.packet.transport, Side::To)
    }

    /// The flags of a TCP segment.
    #[must_use]
    pub const fn flags(&self) -> Option<TcpFlags> {
        match self.packet.transport {
            Transport::Tcp { flags, .. } => Some(flags),
            Transport::Udp { .. }
            | Transport::Echo
            | Transport::Icmp
            | Transport::SctpInit { .. }
            | Transport::Hidden
            | Transport::Other(_) => None,
        }
    }

    /// Whether it was for one host; broadcasts and multicasts are asked by honest neighbours.
    #[must_use]
    pub fn is_for_one(&self) -> bool {
        let address = self.packet.destination;
        self.reach == Reach::One
            && !address.is_multicast()
            && !address.is_unspecified()
            && address != IpAddr::V4(Ipv4Addr::BROADCAST)
    }
}

#[derive(Clone, Copy)]
enum Side {
    From,
    To,
}

const fn place(destination: IpAddr, transport: Transport, side: Side) -> Option<Contact> {
    let (protocol, from, to) = match transport {
        Transport::Tcp { from, to, .. } => (Protocol::Tcp, from, to),
        Transport::Udp { from, to } => (Protocol::Udp, from, to),
        Transport::Echo | Transport::Icmp | Transport::SctpInit { .. } | Transport::Hidden | Transport::Other(_) => {
            return None;
        }
    };
    let port = match side {
        Side::From => from,
        Side::To => to,
    };
    Some(Contact { destination, protocol, port })
}

/// Where the transport header begins and which it is, if no extension header stands before it.
fn transport(bytes: &[u8]) -> Option<(u8, usize)> {
    match bytes.first()? >> 4 {
        4 => Some((*bytes.get(9)?, usize::from(bytes.first()? & 0x0f).checked_mul(4)?)),
        6 => Some((*bytes.get(6)?, V6_HEADER)),
        _ => None,
    }
}

fn checksum_of(bytes: &[u8]) -> Checksum {
    transport(bytes).map_or(Checksum::Unknown, |(protocol, at)| checksum::checksum(bytes, protocol, at))
}

/// As the packet's own lengths say, not as many bytes as were captured: a frame may be padded, or cut short.
fn tcp_payload(bytes: &[u8]) -> Payload {
    let rest = || {
        let (protocol, at) = transport(bytes)?;
        let total = match bytes.first()? >> 4 {
            4 => usize::from(u16_at(bytes, 2)?),
            _ => usize::from(u16_at(bytes, 4)?).checked_add(V6_HEADER)?,
        };
        let offset = usize::from(bytes.get(at.checked_add(12)?)? >> 4).checked_mul(4)?;
        (protocol == TCP).then(|| total.saturating_sub(at).saturating_sub(offset))
    };
    if rest().unwrap_or(0) > 0 { Payload::Some } else { Payload::None }
}

/// A header that cannot be read counts as one with something behind it.
fn udp_payload(bytes: &[u8]) -> Payload {
    let length = transport(bytes).filter(|(protocol, _)| *protocol == UDP);
    match length.and_then(|(_, at)| u16_at(bytes, at.checked_add(4)?)) {
        Some(8) => Payload::None,
        Some(_) | None => Payload::Some,
    }
}

/// The place that an ICMP error is about: unreachable (RFC 792 type 3, RFC 4443 type 1), but not "fragmentation needed".
fn refused(bytes: &[u8]) -> Option<Contact> {
    let (protocol, at) = transport(bytes)?;
    let (kind, code) = (*bytes.get(at)?, *bytes.get(at.checked_add(1)?)?);
    let is_refusal = match protocol {
        ICMP => kind == 3 && code != 4,
        _ => protocol == ICMP6 && kind == 1,
    };
    let cited = bytes.get(at.checked_add(ICMP_HEADER)?..).filter(|_| is_refusal)?;
    let (protocol, at) = transport(cited)?;
    let protocol = match protocol {
        TCP => Protocol::Tcp,
        UDP => Protocol::Udp,
        _ => return None,
    };
    Some(Contact { destination: destination(cited)?, protocol, port: u16_at(cited, at.checked_add(2)?)? })
}

fn destination(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.first()? >> 4 {
        4 => Some(Ipv4Addr::from(*bytes.get(16..)?.first_chunk::<4>()?).into()),
        _ => Some(Ipv6Addr::from(*bytes.get(24..)?.first_chunk::<16>()?).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(protocol: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len().wrapping_add(20)).unwrap();
        [&[0x45, 0, 0, length, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2], body].concat()
    }

    #[test]
    fn a_port_unreachable_names_the_place_that_was_asked_for() {
        let cited = ipv4(UDP, &[0x12, 0x34, 0, 161, 0, 8, 0, 0]);
        let error = ipv4(ICMP, &[&[3, 3, 0, 0, 0, 0, 0, 0], cited.as_slice()].concat());
        let place = Seen::read(&error, Reach::One).unwrap().refused.unwrap();
        assert_eq!((place.protocol, place.port), (Protocol::Udp, 161));
        assert_eq!(place.destination.to_string(), "198.51.100.2");
        let too_big = ipv4(ICMP, &[&[3, 4, 0, 0, 0, 0, 0, 0], cited.as_slice()].concat());
        assert_eq!(Seen::read(&too_big, Reach::One).unwrap().refused, None);
    }

    #[test]
    fn padding_of_a_short_frame_is_no_payload() {
        let header = [0, 80, 0, 81, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0];
        let mut bytes = ipv4(TCP, &header);
        bytes.extend([0; 6]);
        assert_eq!(Seen::read(&bytes, Reach::One).unwrap().payload, Payload::None);
        let with = ipv4(TCP, &[&header[..], b"x"].concat());
        assert_eq!(Seen::read(&with, Reach::One).unwrap().payload, Payload::Some);
    }

    #[test]
    fn a_cut_off_error_names_nothing() {
        let whole = ipv4(ICMP, &[&[3, 3, 0, 0, 0, 0, 0, 0], ipv4(UDP, &[0; 8]).as_slice()].concat());
        for length in 20..whole.len() - 4 {
            let seen = Seen::read(&whole[..length], Reach::One).unwrap();
            assert!(seen.refused.is_none() || length >= 52, "{length}");
        }
    }
}
