//! Choices from an input, octet by octet; an input that has run out chooses zero.

use std::net::IpAddr;
use std::time::Duration;

pub(super) struct Feed<'a>(pub(super) &'a [u8]);

impl<'a> Feed<'a> {
    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn octet(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    pub(super) fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    pub(super) fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[usize::from(self.octet()) % N]
    }

    /// Seconds to years, so that few octets reach every scale.
    pub(super) fn span(&mut self) -> Duration {
        let (scale, count) = (self.octet() % 32, self.octet());
        Duration::from_millis(u64::from(count) << scale)
    }

    /// One of a few, for only who comes again is recognised; of either family.
    pub(super) fn address(&mut self) -> IpAddr {
        let (kind, last) = (self.octet(), self.octet());
        match kind % 4 {
            0 => [192, 0, 2, last].into(),
            1 => [10, kind, 0, last].into(),
            2 => [0x2001, 0xdb8, 0, u16::from(kind), 0, 0, 0, u16::from(last)].into(),
            _ => [0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last)].into(),
        }
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}
