//! Puts the transport headers of fragmented packets together, as conntrack does before a rule sees them. Pure, bounded.
//!
//! Only the head matters, and a packet cut in the ordinary way has all of it in its first fragment. Where it has not, the packet
//! is judged when its last piece is there, as a host would get it; one that stays incomplete no host ever gets. Of the
//! rest only the length is kept. **Who is forgotten first:** the packet whose fragments came longest ago.

use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;

use super::octets::u16_at;
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
        let word = u16_at(bytes, 6)?;
        let (offset, more) = (usize::from(word & 0x1fff).saturating_mul(UNIT), word & 0x2000 != 0);
        let header = usize::from(bytes.first()? & 0x0f).saturating_mul(4);
        let total = usize::from(u16_at(bytes, 2)?);
        (more || offset > 0).then_some(())?;
        Some(Self {
            protocol: *bytes.get(9)?,
            id: u16_at(bytes, 4)?.into(),
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
        let word = u16_at(fragment, 2)?;
        let length = usize::from(u16_at(bytes, 4)?).checked_sub(UNIT)?;
        let after = fragment.get(UNIT..)?;
        let (offset, more) = (usize::from(word & 0xfff8), word & 1 != 0);
        (more || offset > 0).then_some(())?;
        Some(Self {
            protocol: *fragment.first()?,
            id: u32::from(u16_at(fragment, 4)?) << 16 | u32::from(u16_at(fragment, 6)?),
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

#[cfg(test)]
mod tests;
