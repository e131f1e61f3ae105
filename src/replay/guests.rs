//! Who is a guest at a moment of a capture, as the ruleset's sets of guests have it, for all protected hosts at once. Pure, bounded.
//! **Who is forgotten first:** whose last request is oldest; the kernel's sets take in nobody more when they are full.

use std::time::Duration;

use ahash::RandomState;

use super::recent::Recent;
use crate::detect::source::Source;
use crate::time::Moment;

/// About as many as both of the kernel's sets hold; some 50 bytes each.
const MAX_GUESTS: usize = 7 << 14;

/// Sources, each with the time of its last request.
#[derive(Debug)]
pub struct Guests {
    requests: Recent<Source, Moment>,
    stay: Duration,
}

impl Guests {
    /// Nobody yet; each will be one for so long after a request.
    #[must_use]
    pub fn new(stay: Duration, hasher: &RandomState) -> Self {
        Self { requests: Recent::new(MAX_GUESTS, hasher), stay }
    }

    /// Notes a request of `source`.
    pub fn greet(&mut self, now: Moment, source: Source) {
        *self.requests.entry(source, || now) = now;
    }

    /// Whether `source` is a guest.
    #[must_use]
    pub fn knows(&self, now: Moment, source: Source) -> bool {
        self.requests.peek(&source).is_some_and(|request| now.since(*request) < self.stay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    fn guests(stay: u64) -> Guests {
        Guests::new(Duration::from_secs(stay), &RandomState::with_seeds(1, 2, 3, 4))
    }

    #[test]
    fn a_guest_is_one_for_a_time_after_its_last_request() {
        let (one, other) = (Source::host([192, 0, 2, 1].into()), Source::host([192, 0, 2, 2].into()));
        let mut guests = guests(60);
        guests.greet(at(0), one);
        guests.greet(at(50), one);
        assert!(guests.knows(at(109), one) && !guests.knows(at(110), one));
        assert!(!guests.knows(at(50), other));
    }

    #[test]
    fn for_no_time_nobody_is_one() {
        let source = Source::host([192, 0, 2, 1].into());
        let mut guests = guests(0);
        guests.greet(at(0), source);
        assert!(!guests.knows(at(0), source));
    }
}
