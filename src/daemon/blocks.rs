//! One worker's blocks: what it put into the kernel, oldest first. **Bounded:** past its share of the operator's maximum, the block
//! set longest ago makes room for the new one; its source is an offender no more, and is found again if it scans again.

use std::collections::VecDeque;
use std::io;

use crate::detect::source::Source;
use crate::detect::table::ScanTable;
use crate::kernel::block_set::{BlockError, BlockSet};
use crate::time::Moment;

pub(super) struct Blocks {
    set: BlockSet,
    /// With the end of each; the kernel may be ahead of us where the operator lifted one.
    kept: VecDeque<(Source, Moment)>,
    max: usize,
}

impl Blocks {
    pub(super) fn new(set: BlockSet, max: usize) -> Self {
        Self { set, kept: VecDeque::with_capacity(max), max }
    }

    /// Has the kernel block `source` until `until`. When this returns, it does.
    pub(super) fn block(
        &mut self,
        now: Moment,
        source: Source,
        until: Moment,
        table: &ScanTable,
    ) -> Result<(), BlockError> {
        self.make_room(now, table);
        let mut added = self.set.add(&source, until.since(now));
        if added == Err(BlockError::SetFull) && self.lift_oldest(now, table) {
            added = self.set.add(&source, until.since(now));
        }
        if added.is_ok() {
            self.kept.push_back((source, until));
        }
        added
    }

    /// Counts a block that the kernel has already.
    pub(super) fn adopt(&mut self, now: Moment, source: Source, until: Moment, table: &ScanTable) {
        self.make_room(now, table);
        self.kept.push_back((source, until));
    }

    /// From now on at most so many.
    pub(super) fn allow_for(&mut self, max: usize) {
        self.max = max;
        self.kept.reserve(max.saturating_sub(self.kept.len()));
    }

    fn make_room(&mut self, now: Moment, table: &ScanTable) {
        while self.kept.front().is_some_and(|(_, until)| *until <= now) {
            self.kept.pop_front();
        }
        // Two at most: after a reload with a lower maximum there may be very many too many.
        for _ in 0..2 {
            if self.kept.len() >= self.max.max(1) {
                self.lift_oldest(now, table);
            }
        }
    }

    /// Lifts the block set longest ago; says whether there was one.
    fn lift_oldest(&mut self, now: Moment, table: &ScanTable) -> bool {
        while let Some((source, until)) = self.kept.pop_front() {
            if table.blocked_until(now, source).is_some_and(|current| current > until) {
                continue; // it was set anew since, and stands further behind
            }
            table.unblock(source);
            // It fails where the operator was faster: the element is gone, as it should be.
            let (Ok(()) | Err(_)) = self.set.lift(&source);
            return true;
        }
        false
    }
}

/// Opens the sets of `table` for at most `max` blocks.
pub(super) fn open(table: &str, max: usize) -> io::Result<Blocks> {
    Ok(Blocks::new(BlockSet::open(table)?, max))
}
