//! What can be set of the kernel's queues, and what is found out of them at the start.

use std::ops::RangeInclusive;

/// How packets come to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Queue number of the first worker; the others follow, and after them the one for guests.
    pub first: u16,
    /// Number of queues, and of workers, for strangers; 1 to `MAX_QUEUES`.
    pub count: u16,
    /// Packets that wait in one queue at most.
    pub length: u32,
    /// How they are read.
    pub reader: Reader,
    /// Whether guests have one of their own; no key, but found out at the start: another program may have its number.
    pub guests: GuestQueue,
}

/// Whether guests have a queue of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestQueue {
    /// The last one is theirs.
    Own,
    /// There is none, and nobody is a guest.
    None,
}

impl Queue {
    /// The numbers of all, the guests' at last, if they have one.
    #[must_use]
    pub const fn numbers(&self) -> RangeInclusive<u16> {
        let last = self.first.saturating_add(self.count);
        match self.guests {
            GuestQueue::Own => self.first..=last,
            GuestQueue::None => self.first..=last.saturating_sub(1),
        }
    }
}

/// How packets are read from a queue, and verdicts sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// All that wait at once.
    Batch,
    /// One by one.
    Plain,
}

impl Default for Queue {
    fn default() -> Self {
        Self { first: 3100, count: 2, length: 8192, reader: Reader::Batch, guests: GuestQueue::Own }
    }
}
