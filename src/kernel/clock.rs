//! The only reader of the clocks that something hangs on. Everything else is given `now`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::event::Wall;
use crate::time::Moment;

/// How long the machine has been up, without the time that it was suspended.
#[must_use]
pub fn uptime() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
}

/// The time of day, for the journal and for people. It can be stepped: nothing else is decided by it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn wall() -> Wall {
    Wall::default().plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A clock that starts when it is made and never goes back.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    wall: Wall,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn start() -> Self {
        Self { start: Instant::now(), wall: wall() }
    }

    /// What it shows; no system call where the vDSO has the clock, as everywhere but in some virtual machines.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::from_start(self.start.elapsed())
    }

    /// What the wall clock would show if nobody had set it since this clock's start: for what is to end on time, and be named in days.
    #[must_use]
    pub fn steady(&self) -> Wall {
        self.wall.plus(self.now().since_start())
    }

    /// What the wall clock showed at `moment`, if it was not stepped since; for what is to come, what it will show.
    #[must_use]
    pub fn wall_at(&self, moment: Moment) -> Wall {
        let (wall, now) = (wall(), self.now());
        wall.minus(now.since(moment)).plus(moment.since(now))
    }
}
