//! Whom decoys of UDP have answered: each address once in a while, for whoever forges it could else have two hosts answer each other for
//! ever. **Bounded:** when it is full, the address that was answered longest ago is forgotten.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;

use crate::time::Moment;

/// More forged addresses than these cost a flood to name, and a flood needs no answer of ours to go on.
const KNOWN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
/// So slow a conversation between two hosts harms neither.
const PAUSE: Duration = Duration::from_secs(60);

pub(super) struct Answered(LruCache<IpAddr, Moment>);

impl Answered {
    pub(super) fn new() -> Self {
        Self(LruCache::new(KNOWN))
    }

    /// Whether `address` may be answered now; it then counts as answered.
    pub(super) fn may_be(&mut self, now: Moment, address: IpAddr) -> bool {
        // A look is no use of it: who asks on and on is not remembered for longer.
        if self.0.peek(&address).is_some_and(|since| now.since(*since) < PAUSE) {
            return false;
        }
        self.0.put(address, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn at(second: u64) -> Moment {
        Moment::from_start(Duration::from_secs(second))
    }

    fn address(number: usize) -> IpAddr {
        Ipv4Addr::from_bits(u32::try_from(number).unwrap()).into()
    }

    #[test]
    fn an_address_is_answered_once_a_minute_whatever_others_ask() {
        let mut answered = Answered::new();
        assert!(answered.may_be(at(0), address(1)));
        assert!(answered.may_be(at(1), address(2)));
        assert!(!answered.may_be(at(59), address(1)));
        assert!(answered.may_be(at(60), address(1)), "asking in vain makes it no longer");
        assert!(!answered.may_be(at(60), address(2)));
    }

    #[test]
    fn it_has_a_size_and_forgets_who_was_answered_longest_ago() {
        let mut answered = Answered::new();
        for number in 0..=KNOWN.get() {
            assert!(answered.may_be(at(0), address(number)));
        }
        assert_eq!(answered.0.len(), KNOWN.get());
        assert!(!answered.may_be(at(1), address(1)));
        assert!(answered.may_be(at(1), address(0)), "forgotten");
    }
}
