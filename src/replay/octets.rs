//! Numbers in bytes that a stranger wrote, cut off anywhere. Pure and total.

/// Two octets at `at`, in network order.
#[must_use]
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk::<2>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_behind_the_end() {
        assert_eq!(u16_at(&[0, 1, 2], 1), Some(0x0102));
        assert_eq!(u16_at(&[0, 1, 2], 2), None);
        assert_eq!(u16_at(&[], usize::MAX), None);
    }
}
