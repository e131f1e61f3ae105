//! Link headers: a captured frame → the IP packet in it. Pure and total.

use crate::replay::octets::u16_at;

/// What a frame's first bytes are (the LINKTYPE_ numbers of tcpdump.org).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Ethernet.
    Ethernet,
    /// Linux's `any` device, first form.
    Cooked,
    /// Linux's `any` device, second form.
    Cooked2,
    /// Nothing: IP at once.
    Raw,
    /// BSD loopback: four bytes of address family, in some byte order.
    Loopback,
    /// A link whose frames are not read, by its number.
    Other(u32),
}

/// Whom a frame was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// One station.
    One,
    /// A broadcast or a multicast.
    Many,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed<'a> {
    /// An IP packet, from its version on.
    Ip(&'a [u8], Reach),
    /// Something else: ARP, spanning tree, a frame cut off.
    NotIp,
    /// Not known: the link type is none of ours, but this one.
    UnknownLink(u32),
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const PPPOE: u16 = 0x8864;
/// 802.1Q, 802.1ad, and what was used before that.
const VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
/// More tags than this are an attack on a parser.
const MAX_TAGS: usize = 4;

impl Link {
    /// From its LINKTYPE_ number.
    #[must_use]
    pub const fn of(number: u32) -> Self {
        match number {
            1 => Self::Ethernet,
            113 => Self::Cooked,
            276 => Self::Cooked2,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            0 | 108 => Self::Loopback,
            other => Self::Other(other),
        }
    }
}

/// The IP packet in `frame`.
#[must_use]
pub fn unwrap_ip(link: Link, frame: &[u8]) -> Framed<'_> {
    let found = match link {
        Link::Ethernet => ethernet(frame),
        Link::Cooked => ethertype(frame, 14).map(|bytes| (bytes, cooked_reach(frame, 1))),
        Link::Cooked2 => cooked2(frame),
        Link::Raw => Some((frame, Reach::One)),
        Link::Loopback => frame.get(4..).map(|bytes| (bytes, Reach::One)),
        Link::Other(number) => return Framed::UnknownLink(number),
    };
    let is_ip = |bytes: &[u8]| bytes.first().is_some_and(|first| matches!(first >> 4, 4 | 6));
    found.filter(|(bytes, _)| is_ip(bytes)).map_or(Framed::NotIp, |(bytes, reach)| Framed::Ip(bytes, reach))
}

fn ethernet(frame: &[u8]) -> Option<(&[u8], Reach)> {
    let reach = if frame.first()? & 1 == 0 { Reach::One } else { Reach::Many }; // the group bit (IEEE 802)
    Some((ethertype(frame, 12)?, reach))
}

/// A type at `at`, and behind it what it says, be it within VLAN tags or a `PPPoE` session (RFC 2516).
fn ethertype(frame: &[u8], mut at: usize) -> Option<&[u8]> {
    for _ in 0..=MAX_TAGS {
        let kind = u16_at(frame, at)?;
        let payload = frame.get(at.checked_add(2)?..)?;
        match kind {
            IPV4 | IPV6 => return Some(payload),
            PPPOE => return ppp(payload.get(6..)?),
            tag if VLAN.contains(&tag) => at = at.checked_add(4)?,
            _ => return None,
        }
    }
    None
}

fn ppp(bytes: &[u8]) -> Option<&[u8]> {
    matches!(u16_at(bytes, 0)?, 0x0021 | 0x0057).then(|| bytes.get(2..))?
}

fn cooked2(frame: &[u8]) -> Option<(&[u8], Reach)> {
    let payload = frame.get(20..)?;
    let bytes = match u16_at(frame, 0)? {
        IPV4 | IPV6 => payload,
        tag if VLAN.contains(&tag) => ethertype(payload, 2)?,
        PPPOE => ppp(payload.get(6..)?)?,
        _ => return None,
    };
    Some((bytes, cooked_reach(frame, 10)))
}

/// Packet type 1 is a broadcast, 2 a multicast.
fn cooked_reach(frame: &[u8], at: usize) -> Reach {
    if matches!(frame.get(at), Some(1 | 2)) { Reach::Many } else { Reach::One }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: [u8; 4] = [0x45, 0, 0, 20];

    fn found(link: u32, header: &[u8]) -> Option<Reach> {
        let frame = [header, &IP].concat();
        match unwrap_ip(Link::of(link), &frame) {
            Framed::Ip(bytes, reach) => {
                assert_eq!(bytes, IP);
                Some(reach)
            }
            Framed::NotIp | Framed::UnknownLink(_) => None,
        }
    }

    fn ether(destination: u8, types: &[u8]) -> Vec<u8> {
        [&[destination; 6][..], &[2; 6], types].concat()
    }

    #[test]
    fn ip_is_found_behind_each_link_header() {
        assert_eq!(found(1, &ether(2, &[8, 0])), Some(Reach::One));
        assert_eq!(found(1, &ether(0xff, &[8, 0])), Some(Reach::Many));
        assert_eq!(found(1, &ether(2, &[0x81, 0, 0, 5, 8, 0])), Some(Reach::One));
        assert_eq!(found(1, &ether(2, &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0])), Some(Reach::One));
        assert_eq!(found(1, &ether(2, &[0x88, 0x64, 0x11, 0, 0, 1, 0, 6, 0, 0x21])), Some(Reach::One));
        assert_eq!(found(113, &[[0; 14].as_slice(), &[8, 0]].concat()), Some(Reach::One));
        assert_eq!(found(113, &[[0, 1].as_slice(), &[0; 12], &[8, 0]].concat()), Some(Reach::Many));
        assert_eq!(found(276, &[[8, 0].as_slice(), &[0; 18]].concat()), Some(Reach::One));
        for raw in [12, 101, 228, 229] {
            assert_eq!(found(raw, &[]), Some(Reach::One), "{raw}");
        }
        assert_eq!(found(0, &[2, 0, 0, 0]), Some(Reach::One));
        assert_eq!(found(108, &[0, 0, 0, 2]), Some(Reach::One));
    }

    #[test]
    fn arp_and_cut_frames_are_not_ip() {
        assert_eq!(found(1, &ether(2, &[8, 6])), None);
        assert_eq!(unwrap_ip(Link::Ethernet, &[2; 9]), Framed::NotIp);
        assert_eq!(unwrap_ip(Link::Cooked2, &[]), Framed::NotIp);
        assert_eq!(unwrap_ip(Link::of(127), &[0; 40]), Framed::UnknownLink(127));
    }

    #[test]
    fn endless_tags_end() {
        let tags = [0x81, 0, 0, 1].repeat(5000);
        assert_eq!(unwrap_ip(Link::Ethernet, &ether(2, &tags)), Framed::NotIp);
    }
}
