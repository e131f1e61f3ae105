//! About how many different things there were, in eight octets: one bit of 64 for each, as its hash falls. Pure.
//!
//! The hash has no key, so that a capture says the same each time. Who chooses what falls together gets a smaller count, and
//! what depends on that are only estimates of breadth; the tables, where it would cost time, have keyed hashers.

use std::net::IpAddr;

/// A set of things, of which only the size can be asked, and that roughly above some dozens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sketch(u64);

impl Sketch {
    /// Counts a port.
    pub fn add_port(&mut self, port: u16) {
        self.add(port.into());
    }

    /// Counts an address.
    pub fn add_address(&mut self, address: IpAddr) {
        let bits = match address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let low = u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
        let high = u64::try_from(bits >> 64).unwrap_or(0);
        self.add(low ^ high.rotate_left(17));
    }

    /// The things of both.
    pub const fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// So many bits are set: 5 things set nearly 5, 44 set half, hundreds set all.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Fibonacci hashing (Knuth, TAOCP 3, §6.4): neighbours fall far apart.
    const fn add(&mut self, value: u64) {
        self.0 |= 1 << (value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handful_is_told_from_dozens() {
        let mut few = Sketch::default();
        for port in [21, 22, 21, 23, 24, 21] {
            few.add_port(port);
        }
        assert_eq!(few.count(), 4);
        let mut many = Sketch::default();
        for last in 0..=255 {
            many.add_address(IpAddr::from([192, 0, 2, last]));
        }
        assert!(many.count() > 55, "{}", many.count());
        few.merge(many);
        assert!(few.count() >= many.count());
    }
}
