//! The journal's own clock. The wall clock can be stepped: a block of ten minutes must not become one of a year because somebody
//! set the date back. So every event has an age as well, which counts what the wall clock went forward, and nothing else.

use std::time::Duration;

use crate::event::Wall;

/// Events of several threads come a little out of order; what goes back further is a clock that was set.
pub(super) const DISORDER: Duration = Duration::from_secs(10);

/// How far the clock has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Age {
    /// At `last`, in milliseconds.
    age: u64,
    /// The latest time seen since the clock was last set back.
    last: Wall,
}

impl Age {
    /// A clock that showed `age` milliseconds at `last`.
    pub(super) const fn from(age: u64, last: Wall) -> Self {
        Self { age, last }
    }

    /// Goes on to `at`, and says how far it is then.
    pub(super) fn at(&mut self, at: Wall) -> u64 {
        let late = self.last.since(at);
        if late > Duration::ZERO && late <= DISORDER {
            return self.age.saturating_sub(millis(late));
        }
        self.age = self.age.saturating_add(millis(at.since(self.last)));
        self.last = at;
        self.age
    }

    /// What it shows at `now`.
    pub(super) fn peek(mut self, now: Wall) -> u64 {
        self.at(now)
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward_with_the_wall_clock_and_never_back() {
        let at = |seconds: u64| Wall::from_millis(seconds * 1000);
        let mut age = Age::from(0, at(1_000_000));
        assert_eq!(age.at(at(1_000_100)), 100_000);
        assert_eq!(age.at(at(500)), 100_000, "set back by days");
        assert_eq!(age.at(at(560)), 160_000, "and on from there");
    }

    #[test]
    fn events_that_come_out_of_order_do_not_hurry_it() {
        let mut age = Age::from(0, Wall::from_millis(0));
        for i in 0..1000 {
            assert_eq!(age.at(Wall::from_millis(1000 + i)), 1000 + i);
            assert_eq!(age.at(Wall::from_millis(950 + i)), 950 + i);
        }
        assert_eq!(age.peek(Wall::from_millis(2000)), 2000);
    }
}
