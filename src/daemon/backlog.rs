//! What our queues had no room for, said once a minute at most. The kernel counts what it drops then; what it lets pass it does not count, so
//! that a full queue is all there is to see of that.

use std::time::Duration;

use log::warn;

use super::Daemon;
use super::start::our_queues;
use crate::config::QueueFull;
use crate::kernel::queue::QueueState;
use crate::time::Moment;

/// Who has read it once knows; a flood lasts longer.
const QUIET: Duration = Duration::from_secs(60);

/// What is known of all our queues together.
#[derive(Default)]
pub(super) struct Backlog {
    /// So many packets had found no room at the last look.
    known: u64,
    /// And at the last word on it.
    told: u64,
    overflowed: bool,
    said: Option<Moment>,
}

impl Daemon {
    /// Looks whether a queue is full, or was.
    pub(super) fn look_at_queues(&mut self) {
        let (config, now) = (self.books.config(), self.shared.clock.now());
        let queues = our_queues(&config);
        let Some(lost) = self.backlog.look(now, &queues, config.queue.length) else { return };
        match config.fail_mode().queue_full {
            QueueFull::Open => {
                warn!("a queue is full: packets pass unjudged meanwhile (`queue_full` in section [fail])");
            }
            QueueFull::Closed => {
                warn!(dropped = lost; "a queue was full: packets were dropped (`length` in section [queue])");
            }
        }
    }
}

impl Backlog {
    /// If it is time to say something: how many packets found no room since the last word, as far as they were counted.
    fn look(&mut self, now: Moment, queues: &[QueueState], length: u32) -> Option<u64> {
        let unroomed = |queue: &QueueState| u64::from(queue.overrun).saturating_add(u64::from(queue.unsent));
        let lost = queues.iter().map(unroomed).fold(0_u64, u64::saturating_add);
        self.overflowed |= lost > self.known || queues.iter().any(|queue| queue.waiting >= length);
        self.known = lost;
        if !self.overflowed || self.said.is_some_and(|said| now.since(said) < QUIET) {
            return None;
        }
        let since = lost.saturating_sub(self.told);
        (self.told, self.overflowed, self.said) = (lost, false, Some(now));
        Some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(waiting: u32, overrun: u32, unsent: u32) -> QueueState {
        QueueState { number: 3100, port: 1, waiting, overrun, unsent }
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn what_found_no_room_is_said_at_once_and_then_once_a_minute() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.look(at(1), &[queue(99, 0, 0)], 100), None);
        assert_eq!(backlog.look(at(2), &[queue(0, 5, 0), queue(0, 0, 2)], 100), Some(7));
        assert_eq!(backlog.look(at(3), &[queue(0, 9, 0), queue(0, 0, 2)], 100), None);
        assert_eq!(backlog.look(at(4), &[queue(0, 9, 3), queue(0, 0, 2)], 100), None);
        assert_eq!(backlog.look(at(62), &[queue(0, 9, 3), queue(0, 0, 2)], 100), Some(7));
        assert_eq!(backlog.look(at(200), &[queue(0, 9, 3), queue(0, 0, 2)], 100), None, "nothing more");
    }

    #[test]
    fn a_full_queue_is_said_although_nothing_is_counted() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.look(at(1), &[queue(100, 0, 0)], 100), Some(0));
        assert_eq!(backlog.look(at(2), &[], 100), None);
    }
}
