//! Values as the database has them: times and addresses that sort and compare there as they do here.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use rusqlite::{Row, Rows};

use crate::event::Wall;

const ALL_BITS: u8 = 128;
/// An IPv4 address is the end of an IPv6 one (RFC 4291, 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Milliseconds as the database has them. A time ends long before these numbers do.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn wall(at: Wall) -> i64 {
    number(at.millis())
}

pub(super) fn to_wall(at: i64) -> Wall {
    Wall::from_millis(count(at))
}

/// Rows that are read one by one. One that does not hold what it should is passed over and counted: it is no reason to forget the others.
pub(super) struct Readable<'s> {
    rows: Rows<'s>,
    unreadable: u64,
}

impl<'s> Readable<'s> {
    pub(super) fn of(rows: Rows<'s>) -> Self {
        Self { rows, unreadable: 0 }
    }

    /// The next that `read` can read.
    pub(super) fn next<T>(
        &mut self,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        while let Some(row) = self.rows.next()? {
            if let Ok(value) = read(row) {
                return Ok(Some(value));
            }
            self.unreadable = self.unreadable.saturating_add(1);
        }
        Ok(None)
    }

    /// So many were passed over.
    pub(super) const fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

/// A network of 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Range {
    first: u128,
    length: u8,
}

impl Range {
    /// What the columns from `column` on say: first address, then prefix length.
    pub(super) fn of(row: &Row<'_>, column: usize) -> rusqlite::Result<Self> {
        let octets: [u8; 16] = row.get(column)?;
        Ok(Self::new(u128::from_be_bytes(octets), row.get(column.saturating_add(1))?))
    }

    pub(super) fn new(address: u128, length: u8) -> Self {
        let length = length.min(ALL_BITS);
        Self { first: address & mask(length), length }
    }

    pub(super) const fn first(self) -> [u8; 16] {
        self.first.to_be_bytes()
    }

    pub(super) fn last(self) -> [u8; 16] {
        (self.first | !mask(self.length)).to_be_bytes()
    }

    pub(super) const fn length(self) -> u8 {
        self.length
    }

    /// The network of length `length` that it lies in.
    pub(super) fn widened(self, length: u8) -> Self {
        Self::new(self.first, length.min(self.length))
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        let common = self.length.min(other.length);
        self.widened(common) == other.widened(common)
    }

    pub(super) fn network(self) -> IpNet {
        let v6 = Ipv6Addr::from_bits(self.first);
        match v6.to_ipv4_mapped() {
            Some(v4) if self.length >= MAPPED_BITS => {
                IpNet::new(v4.into(), self.length.saturating_sub(MAPPED_BITS)).unwrap_or_else(|_| IpAddr::V4(v4).into())
            }
            Some(_) | None => IpNet::new(v6.into(), self.length).unwrap_or_else(|_| IpAddr::V6(v6).into()),
        }
    }
}

impl From<IpNet> for Range {
    fn from(network: IpNet) -> Self {
        match network {
            IpNet::V4(v4) => {
                Self::new(v4.addr().to_ipv6_mapped().to_bits(), v4.prefix_len().saturating_add(MAPPED_BITS))
            }
            IpNet::V6(v6) => Self::new(v6.addr().to_bits(), v6.prefix_len()),
        }
    }
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(u32::from(ALL_BITS.saturating_sub(length))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        text.parse::<IpNet>().unwrap().into()
    }

    #[test]
    fn a_network_comes_back_as_it_was() {
        for text in ["192.0.2.1/32", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/64", "2001:db8::1/128", "::/0"] {
            assert_eq!(range(text).network().to_string(), text);
        }
    }

    #[test]
    fn a_network_overlaps_what_it_holds_and_what_holds_it() {
        assert!(range("192.0.2.0/24").overlaps(range("192.0.2.77/32")));
        assert!(range("192.0.2.77/32").overlaps(range("192.0.2.0/24")));
        assert!(!range("192.0.2.0/24").overlaps(range("192.0.3.0/24")));
        assert!(!range("192.0.2.1/32").overlaps(range("2001:db8::/32")));
        assert_eq!(range("192.0.2.0/24").network().broadcast().to_string(), "192.0.2.255");
        assert_eq!(range("192.0.2.0/24").last()[15], 255);
    }
}
