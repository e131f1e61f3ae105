//! The only reader of the monotonic clock. Everything else is given `now`.

use std::time::Instant;

use crate::time::Moment;

/// A clock that starts when it is made and never goes back.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// What it shows; no system call where the vDSO has the clock, as everywhere but in some virtual machines.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::from_start(self.0.elapsed())
    }
}
