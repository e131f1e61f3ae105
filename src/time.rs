//! The time that decisions are made with: a plain value, so that a test or a capture can move it. Reads no clock.

use std::time::Duration;

/// A moment on a clock that never goes back, counted from that clock's own start.
///
/// The daemon counts from its start (`CLOCK_MONOTONIC`, as nftables' own timeouts do: neither runs while the
/// machine is suspended), a story or a capture from its first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(Duration);

impl Moment {
    /// The clock's start.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// `since_start` after the clock's start.
    #[must_use]
    pub const fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// How long after the clock's start this is.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// This moment and `later`; a sum past the end of time stays there.
    #[must_use]
    pub const fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }

    /// How long ago `earlier` was; nothing, where it has yet to come.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_has_yet_to_come_was_no_time_ago() {
        let later = Moment::ZERO.plus(Duration::from_secs(5));
        assert_eq!(Moment::ZERO.since(later), Duration::ZERO);
        assert_eq!(later.since(Moment::ZERO), Duration::from_secs(5));
    }
}
