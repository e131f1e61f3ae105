//! Puts packets into the order of their times, as far as a bounded window reaches, and makes a clock of them that never goes
//! back. Pure.
//!
//! * Within the window of [`WINDOW`] packets they are sorted: several capturing threads write almost in order.
//! * One that comes later still counts as sent when the clock stands, and is counted as late.
//! * A file whose clock jumps back by more than [`ANOTHER_CAPTURE`] behind what the window holds is another capture
//!   appended to the first: the clock goes on from where it stands.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use crate::time::Moment;

/// So many packets wait to be put in order.
pub const WINDOW: usize = 8192;
/// No queue between a wire and a file holds packets back this long.
pub const ANOTHER_CAPTURE: Duration = Duration::from_secs(60);

/// Packets waiting for their turn.
#[derive(Debug)]
pub struct Order<T> {
    /// In order of time as they came: most of them.
    queue: VecDeque<(Duration, T)>,
    /// Those that came after a later one.
    stragglers: BinaryHeap<Reverse<Straggler<T>>>,
    window: usize,
    clock: Clock,
    /// Counts stragglers, so that equal times keep their order.
    next: u64,
}

#[derive(Debug)]
struct Straggler<T>(Duration, u64, T);

/// Time since the first packet, and how often it had to be bent.
#[derive(Debug, Default, Clone, Copy)]
struct Clock {
    base: Option<Base>,
    now: Moment,
    late: u64,
    restarts: u64,
}

/// A time in the file, and what our clock showed then.
#[derive(Debug, Clone, Copy)]
struct Base {
    file: Duration,
    clock: Duration,
}

impl<T> Order<T> {
    /// Nothing is waiting.
    #[must_use]
    pub fn new(window: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            stragglers: BinaryHeap::new(),
            window: window.max(1),
            clock: Clock::default(),
            next: 0,
        }
    }

    /// Takes a packet in; gives one out if the window is full.
    pub fn push(&mut self, at: Duration, packet: T) -> Option<(Moment, T)> {
        if self.queue.back().is_some_and(|(last, _)| *last > at) {
            self.next = self.next.saturating_add(1);
            self.stragglers.push(Reverse(Straggler(at, self.next, packet)));
        } else {
            self.queue.push_back((at, packet));
        }
        let waiting = self.queue.len().saturating_add(self.stragglers.len());
        if waiting > self.window { self.pop() } else { None }
    }

    /// The earliest of those that wait.
    pub fn pop(&mut self) -> Option<(Moment, T)> {
        let straggler = self.stragglers.peek().map(|Reverse(first)| first.0);
        let queued = self.queue.front().map(|(at, _)| *at);
        let (at, packet) = match (straggler, queued) {
            (Some(early), Some(late)) if early < late => self.pop_straggler()?,
            (Some(_), None) => self.pop_straggler()?,
            (_, Some(_)) => self.queue.pop_front()?,
            (None, None) => return None,
        };
        Some((self.clock.read(at), packet))
    }

    fn pop_straggler(&mut self) -> Option<(Duration, T)> {
        self.stragglers.pop().map(|Reverse(Straggler(at, _, packet))| (at, packet))
    }

    /// So many packets came too late to be put in order.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.clock.late
    }

    /// So often the clock jumped back by more than any disorder.
    #[must_use]
    pub const fn restarts(&self) -> u64 {
        self.clock.restarts
    }
}

impl Clock {
    fn read(&mut self, at: Duration) -> Moment {
        let since = self.now.since_start();
        let base = self.base.get_or_insert(Base { file: at, clock: since });
        // What the file's clock reads when ours stands where it stands.
        let due = base.file.saturating_add(since.saturating_sub(base.clock));
        let behind = due.saturating_sub(at);
        if behind.is_zero() {
            self.now = self.now.plus(at.saturating_sub(due));
        } else if behind <= ANOTHER_CAPTURE {
            self.late = self.late.saturating_add(1);
        } else {
            self.restarts = self.restarts.saturating_add(1);
            *base = Base { file: at, clock: since };
        }
        self.now
    }
}

impl<T> Ord for Straggler<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

impl<T> PartialOrd for Straggler<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Straggler<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Straggler<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(window: usize, times: &[u64]) -> (Vec<(u64, u64)>, u64, u64) {
        let mut order = Order::new(window);
        let mut out: Vec<_> = times.iter().filter_map(|&at| order.push(Duration::from_secs(at), at)).collect();
        out.extend(std::iter::from_fn(|| order.pop()));
        let out = out.into_iter().map(|(now, at)| (now.since_start().as_secs(), at)).collect();
        (out, order.late(), order.restarts())
    }

    #[test]
    fn what_fits_the_window_is_sorted() {
        let (out, late, restarts) = replay(3, &[100, 103, 101, 102, 110, 104, 110]);
        assert_eq!(out, [(0, 100), (1, 101), (2, 102), (3, 103), (4, 104), (10, 110), (10, 110)]);
        assert_eq!((late, restarts), (0, 0));
    }

    #[test]
    fn the_clock_never_goes_back_for_what_comes_too_late() {
        let (out, late, _) = replay(1, &[100, 120, 121, 105, 122]);
        assert_eq!(out, [(0, 100), (20, 120), (20, 105), (21, 121), (22, 122)]);
        assert_eq!(late, 1);
    }

    #[test]
    fn another_capture_behind_the_first_goes_on_from_where_the_clock_stands() {
        let (out, late, restarts) = replay(1, &[9000, 9010, 9020, 5, 6, 8]);
        let (moments, files): (Vec<_>, Vec<_>) = out.into_iter().unzip();
        assert!(moments.is_sorted());
        assert_eq!(files, [9000, 9010, 5, 6, 8, 9020]);
        assert_eq!(moments[..5], [0, 10, 10, 11, 13]);
        assert_eq!((late, restarts), (0, 1));
    }
}
