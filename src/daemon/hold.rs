//! Keeps blocks back while `nft` works. Each block that is set makes another generation of the ruleset, and `nft`, which has to see one
//! whole, begins anew with each: in a flood it would never end. So the first few go to the kernel at once, as ever, and the others are
//! dropped by their workers meanwhile, packet by packet, and are in the kernel when `nft` is done. **Bounded:** what finds no room here
//! goes to the kernel at once, too.

use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::detect::source::Source;
use crate::time::Moment;

/// Two seconds of a flood.
const ROOM: usize = 8192;
/// So many blocks are not kept back each time: `nft` can bear to begin anew so often, and without a flood no scanner gains a moment.
const AT_ONCE: u32 = 8;
/// Nothing is kept back.
const OFF: u32 = u32::MAX;

/// Where blocks wait.
#[derive(Debug)]
pub(super) struct Hold {
    /// So many more blocks are not kept back; or `OFF`.
    at_once: AtomicU32,
    enter: Sender<(Source, Moment)>,
    leave: Receiver<(Source, Moment)>,
}

impl Default for Hold {
    fn default() -> Self {
        let (enter, leave) = bounded(ROOM);
        Self { at_once: AtomicU32::new(OFF), enter, leave }
    }
}

impl Hold {
    /// Whether the block of `source` until then is kept back. If not, it has to go to the kernel now.
    pub(super) fn keeps(&self, source: Source, until: Moment) -> bool {
        let one_less = |left: u32| if left == OFF { None } else { left.checked_sub(1) };
        self.at_once.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less) == Err(0) && self.waits(source, until)
    }

    /// Whether a block that the kernel could not take now is kept back: `nft` may be about to bring the set.
    pub(super) fn waits(&self, source: Source, until: Moment) -> bool {
        self.at_once.load(Ordering::Acquire) != OFF && self.enter.try_send((source, until)).is_ok()
    }

    /// From now on blocks are kept back, but for a few.
    pub(super) fn begin(&self) {
        self.at_once.store(AT_ONCE, Ordering::Release);
    }

    /// No longer. What was kept back is to be released; a worker that looked just before may put one more in.
    pub(super) fn end(&self) {
        self.at_once.store(OFF, Ordering::Release);
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
        assert!(!hold.waits(source(1), until));
        hold.begin();
        let kept = (0..10_000).filter(|n| hold.keeps(source(*n), until)).collect::<Vec<_>>();
        assert_eq!((kept.len(), kept[0]), (ROOM, AT_ONCE));
        assert!(!hold.waits(source(1), until), "there is no room");
        let mut set = Vec::new();
        hold.end();
        hold.release(|(source, _)| set.push(source));
        assert_eq!((set.len(), set[0]), (ROOM, source(AT_ONCE)));
        assert!(!hold.keeps(source(1), until) && !hold.waits(source(1), until));
        hold.release(|_| panic!("nothing is left"));
    }
}
