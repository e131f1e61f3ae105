//! Whether a probe's checksum is right (RFC 9293 §3.1, RFC 768, RFC 8200 §8.1). Pure and total.
//!
//! Conntrack calls a packet with a wrong one invalid, and no stack answers it. A capture needs more care: a recorder's
//! own packets get theirs in the network card, after they were recorded, and rewritten addresses leave all of them wrong. So a
//! wrong one tells only of a source that gets others right.

use super::octets::u16_at;

/// How a checksum is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// As it must be.
    Right,
    /// Another number.
    Wrong,
    /// Not all of the packet is there, or it is none of ours to check, or a network card would have set it.
    Unknown,
}

/// Probes are short; summing up long datagrams would cost more than it tells.
const LONGEST: usize = 512;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Of the transport header at `at`, of `protocol`, in the IP packet `bytes`.
#[must_use]
pub fn checksum(bytes: &[u8], protocol: u8, at: usize) -> Checksum {
    judge(bytes, protocol, at).unwrap_or(Checksum::Unknown)
}

fn judge(bytes: &[u8], protocol: u8, at: usize) -> Option<Checksum> {
    let is_v4 = bytes.first()? >> 4 == 4;
    let (addresses, end) = if is_v4 {
        (bytes.get(12..20)?, usize::from(u16_at(bytes, 2)?))
    } else {
        (bytes.get(8..40)?, usize::from(u16_at(bytes, 4)?).checked_add(at)?)
    };
    let is_fragment = is_v4 && u16_at(bytes, 6)? & 0x3fff != 0;
    let segment = bytes.get(at..end).filter(|segment| segment.len() <= LONGEST && !is_fragment)?;
    let said = match protocol {
        TCP => u16_at(segment, 16)?,
        UDP => u16_at(segment, 6).filter(|sum| *sum != 0)?, // 0: there is none
        _ => return None,
    };
    let pseudo = sum(addresses).wrapping_add(protocol.into()).wrapping_add(u32::try_from(segment.len()).ok()?);
    if fold(pseudo.wrapping_add(sum(segment))) == u16::MAX {
        Some(Checksum::Right)
    } else if said == fold(pseudo) {
        Some(Checksum::Unknown) // what a stack leaves for the network card to complete
    } else {
        Some(Checksum::Wrong)
    }
}

/// At most some hundred summands of 16 bits: they fit. An odd octet at the end is the upper half of one.
fn sum(bytes: &[u8]) -> u32 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let rest = rest.first().map_or(0, |last| u32::from(*last) << 8);
    pairs.iter().fold(rest, |sum, pair| sum.wrapping_add(u16::from_be_bytes(*pair).into()))
}

fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff).wrapping_add(sum >> 16);
    let twice = (once & 0xffff).wrapping_add(once >> 16);
    u16::try_from(twice).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A DNS query of 1 octet, from 192.0.2.1:53 to 198.51.100.2:53.
    fn udp(said: u16) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 29, 0, 0, 0, 0, 64, UDP, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2];
        bytes.extend([0, 53, 0, 53, 0, 9]);
        bytes.extend(said.to_be_bytes());
        bytes.push(b'x');
        bytes
    }

    #[test]
    fn a_right_sum_is_told_from_a_wrong_one_and_from_one_that_is_to_come() {
        let right: Vec<_> = (1..=u16::MAX).filter(|said| checksum(&udp(*said), UDP, 20) == Checksum::Right).collect();
        assert_eq!(right, [0x9b3a]);
        assert_eq!(checksum(&udp(0x1234), UDP, 20), Checksum::Wrong);
        assert_eq!(checksum(&udp(0), UDP, 20), Checksum::Unknown);
        assert_eq!(checksum(&udp(0xec51), UDP, 20), Checksum::Unknown, "left to the network card");
        let mut padded = udp(0x9b3a);
        padded.extend([7; 17]);
        assert_eq!(checksum(&padded, UDP, 20), Checksum::Right);
        assert_eq!(checksum(&padded[..28], UDP, 20), Checksum::Unknown, "cut off");
    }
}
