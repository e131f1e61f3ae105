//! Puts the transport headers of fragmented packets together, as conntrack does before a rule sees them. Pure, bounded.
//!
//! Only the head matters, and a packet cut in the ordinary way has all of it in its first fragment. Where it has not, the packet
//! is judged when its last piece is there, as a host would get it; one that stays incomplete no host ever gets. Of the
//! rest only the length is kept. **Who is forgotten first:** the packet whose fragments came longest ago.

use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;

use super::recent::Recent;

/// Packets in pieces at one time; more than this is a flood, and Linux would drop them too (`ipfrag_high_thresh`).
pub const MAX_PACKETS: usize = 4096;
/// How long pieces wait for each other (`ipfrag_time`).
const PATIENCE: Duration = Duration::from_secs(30);
/// Offsets are in units of 8 octets; a TCP header without options ends within the third.
const UNIT: usize = 8;
const HEAD: usize = 3 * UNIT;
const TCP: u8 = 6;
const UDP: u8 = 17;
const V6_HEADER: usize = 40;
/// IPv6's fragment header (RFC 8200 §4.5).
const V6_FRAGMENT: u8 = 44;

/// Heads that wait for their other pieces.
#[derive(Debug)]
pub struct Fragments(Recent<Key, Head>);

/// What tells fragments of one packet from those of another (RFC 791, RFC 8200).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    id: u32,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    bytes: [u8; HEAD],
    units: [bool; 3],
    /// Octets that came, of so many in all, which the last piece tells.
    came: usize,
    of: Option<usize>,
    since: Duration,
}

/// A fragment, as far as it is of use here.
struct Fragment<'a> {
    protocol: u8,
    id: u32,
    offset: usize,
    more: bool,
    /// So many octets it adds, by its own account.
    length: usize,
    /// As many of them as were captured.
    piece: &'a [u8],
    /// The IP header, without what only says that this is a fragment.
    header: &'a [u8],
}

/// What becomes of a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// It is whole, or its header is: judge it as it is.
    AsItIs,
    /// Its header is together now: judge this instead.
    Head(Vec<u8>),
    /// A piece; nothing to judge.
    Piece,
}

impl Fragments {
    /// None are waiting.
    #[must_use]
    pub fn new(hasher: &RandomState) -> Self {
        Self(Recent::new(MAX_PACKETS, hasher))
    }

    /// Takes in an IP packet that was captured at `at`.
    pub fn join(&mut self, at: Duration, source: IpAddr, destination: IpAddr, bytes: &[u8]) -> Joined {
        let Some(fragment) = Fragment::read(bytes) else { return Joined::AsItIs };
        let whole = match fragment.protocol {
            TCP => HEAD.saturating_sub(4), // 20 octets
            UDP => UNIT,
            _ => return if fragment.offset == 0 { Joined::AsItIs } else { Joined::Piece },
        };
        if fragment.offset == 0 && (fragment.piece.len() >= whole || !fragment.more) {
            return Joined::AsItIs;
        }
        let key = Key { source, destination, protocol: fragment.protocol, id: fragment.id };
        let empty = || Head { bytes: [0; HEAD], units: [false; 3], came: 0, of: None, since: at };
        let head = self.0.entry(key, empty);
        if at.saturating_sub(head.since) > PATIENCE {
            *head = empty();
        }
        head.add(&fragment);
        if head.of != Some(head.came) || !head.units.iter().take(whole.div_ceil(UNIT)).all(|there| *there) {
            return Joined::Piece;
        }
        let bytes = head.bytes;
        *head = empty(); // a packet is judged once
        Joined::Head(fragment.unfragmented(&bytes))
    }
}

impl Head {
    fn add(&mut self, fragment: &Fragment<'_>) {
        // Pieces that overlap make more than the whole, and no packet: Linux drops those, too.
        self.came = self.came.saturating_add(fragment.length);
        if !fragment.more {
            self.of = Some(fragment.offset.saturating_add(fragment.length));
        }
        let places = self.bytes.iter_mut().skip(fragment.offset);
        places.zip(fragment.piece).for_each(|(place, byte)| *place = *byte);
        for (unit, there) in self.units.iter_mut().enumerate() {
            let (start, end) = (unit.saturating_mul(UNIT), unit.saturating_add(1).saturating_mul(UNIT));
            let until = fragment.offset.saturating_add(fragment.piece.len());
            // The last piece of a packet may end within a unit.
            *there |= fragment.offset <= start && (until >= end || !fragment.more && until > start);
        }
    }
}

impl<'a> Fragment<'a> {
    /// `None` if it is not one, or cannot be read.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => Self::read_v4(bytes),
            _ => Self::read_v6(bytes),
        }
    }

    fn read_v4(bytes: &'a [u8]) -> Option<Self> {
        let word = number(bytes, 6)?;
        let (offset, more) = (usize::from(word & 0x1fff).saturating_mul(UNIT), word & 0x2000 != 0);
        let header = usize::from(bytes.first()? & 0x0f).saturating_mul(4);
        let total = usize::from(number(bytes, 2)?);
        (more || offset > 0).then_some(())?;
        Some(Self {
            protocol: *bytes.get(9)?,
            id: number(bytes, 4)?.into(),
            offset,
            more,
            length: total.checked_sub(header)?,
            piece: bytes.get(header..total.min(bytes.len()))?,
            header: bytes.get(..header)?,
        })
    }

    /// Where the fragment header comes first; no scanner of ours puts another before it.
    fn read_v6(bytes: &'a [u8]) -> Option<Self> {
        (*bytes.get(6)? == V6_FRAGMENT).then_some(())?;
        let fragment = bytes.get(V6_HEADER..)?;
        let word = number(fragment, 2)?;
        let length = usize::from(number(bytes, 4)?).checked_sub(UNIT)?;
        let after = fragment.get(UNIT..)?;
        let (offset, more) = (usize::from(word & 0xfff8), word & 1 != 0);
        (more || offset > 0).then_some(())?;
        Some(Self {
            protocol: *fragment.first()?,
            id: u32::from(number(fragment, 4)?) << 16 | u32::from(number(fragment, 6)?),
            offset,
            more,
            length,
            piece: after.get(..length.min(after.len()))?,
            header: bytes.get(..V6_HEADER)?,
        })
    }
}

impl Fragment<'_> {
    /// A packet of the same header and all of `head`, with nothing left that says "fragment".
    fn unfragmented(&self, head: &[u8; HEAD]) -> Vec<u8> {
        let mut joined = [self.header, head].concat();
        let is_v6 = self.header.first().is_some_and(|first| first >> 4 == 6);
        let length = u8::try_from(if is_v6 { HEAD } else { joined.len() }).unwrap_or(u8::MAX);
        let length_at = if is_v6 { 4 } else { 2 };
        let mut set = |at: usize, value: u8| joined.get_mut(at).into_iter().for_each(|byte| *byte = value);
        set(length_at, 0);
        set(length_at.saturating_add(1), length);
        if is_v6 {
            set(6, self.protocol);
        } else {
            set(6, 0);
            set(7, 0);
        }
        joined
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk::<2>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{self, TcpFlags, Transport};

    /// A SYN from port 0x1234 to port 80, as its 20 octets.
    const SYN: [u8; 20] = [0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0];

    fn v4(id: u8, offset: usize, more: bool, piece: &[u8]) -> Vec<u8> {
        let length = u8::try_from(piece.len().wrapping_add(20)).unwrap();
        let flags = if more { 0x20 } else { 0 };
        let offset = u8::try_from(offset / UNIT).unwrap();
        let header = [0x45, 0, 0, length, 0, id, flags, offset, 64, TCP, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2];
        [&header, piece].concat()
    }

    fn v6(offset: u8, more: bool, piece: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, u8::try_from(piece.len().wrapping_add(8)).unwrap(), V6_FRAGMENT, 64];
        bytes.extend([[0x20; 16], [0x21; 16]].concat());
        bytes.extend([TCP, 0, 0, offset | u8::from(more), 0, 0, 0, 9]);
        [&bytes, piece].concat()
    }

    fn join(fragments: &mut Fragments, at: u64, bytes: &[u8]) -> Joined {
        let parsed = packet::parse(bytes).unwrap();
        fragments.join(Duration::from_secs(at), parsed.source, parsed.destination, bytes)
    }

    fn fragments() -> Fragments {
        Fragments::new(&RandomState::with_seeds(1, 2, 3, 4))
    }

    #[track_caller]
    fn assert_syn(joined: Joined) {
        let Joined::Head(bytes) = joined else { panic!("no head: {joined:?}") };
        let found = packet::parse(&bytes).unwrap().transport;
        assert_eq!(found, Transport::Tcp { from: 0x1234, to: 80, flags: TcpFlags(TcpFlags::SYN) });
    }

    #[test]
    fn a_tcp_header_in_pieces_of_eight_octets_is_put_together_in_any_order() {
        let pieces = [v4(7, 0, true, &SYN[..8]), v4(7, 8, true, &SYN[8..16]), v4(7, 16, false, &SYN[16..])];
        for [a, b, c] in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut fragments = fragments();
            assert_eq!(join(&mut fragments, 0, &pieces[a]), Joined::Piece);
            assert_eq!(join(&mut fragments, 1, &pieces[b]), Joined::Piece);
            assert_syn(join(&mut fragments, 2, &pieces[c]));
        }
    }

    #[test]
    fn ipv6_is_no_way_around_it() {
        let mut fragments = fragments();
        assert_eq!(join(&mut fragments, 0, &v6(0, true, &SYN[..8])), Joined::Piece);
        assert_syn(join(&mut fragments, 0, &v6(8, false, &SYN[8..])));
    }

    #[test]
    fn pieces_of_different_packets_or_half_a_minute_apart_do_not_join() {
        let mut fragments = fragments();
        assert_eq!(join(&mut fragments, 0, &v4(7, 0, true, &SYN[..16])), Joined::Piece);
        assert_eq!(join(&mut fragments, 1, &v4(8, 16, false, &SYN[16..])), Joined::Piece);
        assert_eq!(join(&mut fragments, 31, &v4(7, 16, false, &SYN[16..])), Joined::Piece);
    }

    #[test]
    fn what_never_becomes_whole_is_no_packet() {
        let mut fragments = fragments();
        assert_eq!(join(&mut fragments, 0, &v4(7, 0, true, &SYN[..8])), Joined::Piece);
        assert_eq!(join(&mut fragments, 0, &v4(7, 8, true, &SYN[8..])), Joined::Piece, "the last piece is missing");
        assert_eq!(join(&mut fragments, 0, &v4(8, 0, true, &SYN[..16])), Joined::Piece);
        assert_eq!(join(&mut fragments, 0, &v4(8, 8, false, &SYN[8..])), Joined::Piece, "they overlap");
    }

    #[test]
    fn a_packet_with_its_whole_header_is_judged_as_it_is() {
        let mut fragments = fragments();
        assert_eq!(join(&mut fragments, 0, &v4(7, 0, false, &SYN)), Joined::AsItIs);
        assert_eq!(join(&mut fragments, 0, &v4(7, 0, true, &[SYN.as_slice(), &[0; 4]].concat())), Joined::AsItIs);
        assert_eq!(join(&mut fragments, 0, &v4(7, 24, false, &[0; 9])), Joined::Piece);
    }
}
