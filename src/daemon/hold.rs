//! Keeps blocks back while `nft` works. Each block that is set makes another generation of the ruleset, and `nft`, which has to see one
//! whole, begins anew with each: in a flood it would never end. Those held back are dropped by their workers meanwhile, packet by
//! packet, and are in the kernel when `nft` is done. **Bounded:** what finds no room here goes to the kernel at once, as ever.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::detect::source::Source;
use crate::time::Moment;

/// Two seconds of a flood.
const ROOM: usize = 8192;

/// Where blocks wait.
#[derive(Debug)]
pub(super) struct Hold {
    held: AtomicBool,
    enter: Sender<(Source, Moment)>,
    leave: Receiver<(Source, Moment)>,
}

impl Default for Hold {
    fn default() -> Self {
        let (enter, leave) = bounded(ROOM);
        Self { held: AtomicBool::new(false), enter, leave }
    }
}

impl Hold {
    /// Whether the block of `source` until then is kept back. If not, it has to go to the kernel now.
    pub(super) fn keeps(&self, source: Source, until: Moment) -> bool {
        self.held.load(Ordering::Acquire) && self.enter.try_send((source, until)).is_ok()
    }

    /// From now on blocks are kept back.
    pub(super) fn begin(&self) {
        self.held.store(true, Ordering::Release);
    }

    /// No longer; what was kept back goes to the kernel by `set`. A worker that looked just before may put one more in: it is taken at
    /// the next call.
    pub(super) fn end(&self, set: impl FnMut((Source, Moment))) {
        self.held.store(false, Ordering::Release);
        self.release(set);
    }

    /// What was kept back and is not any more.
    pub(super) fn release(&self, set: impl FnMut((Source, Moment))) {
        self.leave.try_iter().for_each(set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_kept_back_while_it_lasts_as_far_as_there_is_room() {
        let (hold, until) = (Hold::default(), Moment::ZERO);
        let source = |n| Source::host(std::net::Ipv4Addr::from_bits(n).into());
        assert!(!hold.keeps(source(1), until));
        hold.begin();
        let kept = (0..10_000).filter(|n| hold.keeps(source(*n), until)).count();
        assert_eq!(kept, ROOM);
        let mut set = Vec::new();
        hold.end(|(source, _)| set.push(source));
        assert_eq!((set.len(), set[0]), (ROOM, source(0)));
        assert!(!hold.keeps(source(1), until));
        hold.release(|_| panic!("nothing is left"));
    }
}
