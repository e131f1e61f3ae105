//! One worker's blocks: what it put into the kernel, those first that end first. **Bounded:** past its share of the operator's maximum, the
//! block that would end first makes room for the new one; its source is an offender no more, and is found again if it scans again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use log::warn;

use super::DaemonError;
use super::hold::Hold;
use crate::detect::source::Source;
use crate::detect::table::ScanTable;
use crate::kernel::block_set::{BlockError, BlockSet};
use crate::time::Moment;

/// Blocks lifted for one that is set, at most: after a reload with a lower maximum there may be very many too many.
const LIFTED_AT_ONCE: usize = 2;

pub(super) struct Blocks {
    set: BlockSet,
    /// By their ends; the kernel may be ahead of us where the operator lifted one.
    kept: BinaryHeap<Reverse<(Moment, Source)>>,
    max: usize,
}

impl Blocks {
    /// Has the kernel block `source` until `until`. When this returns, it does, but for what is kept back.
    pub(super) fn block(
        &mut self,
        now: Moment,
        (source, until): (Source, Moment),
        table: &ScanTable,
        hold: &Hold,
    ) -> Result<(), BlockError> {
        self.make_room(now, table);
        if hold.keeps(source, until) {
            self.kept.push(Reverse((until, source)));
            return Ok(());
        }
        let mut added = self.set.add(&source, until.since(now));
        if added == Err(BlockError::SetFull) && self.lift_first(now, table) {
            added = self.set.add(&source, until.since(now));
        }
        if added.is_err() && hold.waits(source, until) {
            added = Ok(());
        }
        if added.is_ok() {
            self.kept.push(Reverse((until, source)));
        }
        added
    }

    /// Counts a block that the kernel has already.
    pub(super) fn adopt(&mut self, now: Moment, source: Source, until: Moment, table: &ScanTable) {
        self.make_room(now, table);
        self.kept.push(Reverse((until, source)));
    }

    /// Whether one more lifts none.
    pub(super) fn has_room(&self) -> bool {
        self.kept.len() < self.max
    }

    /// From now on at most so many; without memory for them, as many as before.
    pub(super) fn allow_for(&mut self, max: usize) {
        match self.kept.try_reserve(max.saturating_sub(self.kept.len())) {
            Ok(()) => self.max = max,
            Err(_) => warn!(max; "there is no memory for a worker's blocks: it keeps the number that it had"),
        }
    }

    fn make_room(&mut self, now: Moment, table: &ScanTable) {
        while self.kept.peek().is_some_and(|Reverse((until, _))| *until <= now) {
            self.kept.pop();
        }
        for _ in 0..LIFTED_AT_ONCE {
            if self.kept.len() >= self.max.max(1) {
                self.lift_first(now, table);
            }
        }
    }

    /// Lifts the block that would end first; says whether there was one.
    fn lift_first(&mut self, now: Moment, table: &ScanTable) -> bool {
        while let Some(Reverse((until, source))) = self.kept.pop() {
            match table.blocked_until(now, source) {
                // It was set anew since, and counts by its new end.
                Some(current) if current > until => continue,
                Some(_) => table.end(now, source),
                // The table has forgotten it, or an operator has let it go.
                None => {}
            }
            // It fails where the operator was faster: the element is gone, as it should be.
            let (Ok(()) | Err(_)) = self.set.lift(&source);
            return true;
        }
        false
    }
}

/// Opens the sets of `table` for at most `max` blocks.
pub(super) fn open(table: &str, max: usize) -> Result<Blocks, DaemonError> {
    let set = BlockSet::open(table).map_err(DaemonError::Netlink)?;
    let mut kept = BinaryHeap::new();
    kept.try_reserve_exact(max).map_err(|_no_more_to_say| DaemonError::Blocked(max))?;
    Ok(Blocks { set, kept, max })
}
