//! What follows from a decision, for every thread that judges: the block in the kernel first, then the verdict, then the fact for the
//! writer. Each has its own, so that none waits for another. No allocation, and no system call but a block's.

use std::sync::Arc;

use crossbeam_channel::Sender;

use super::blocks::Blocks;
use super::policy::Policy;
use super::start::Shared;
use crate::config::Mode;
use crate::detect::table::Novelty;
use crate::detect::{Decision, Offence};
use crate::kernel::queue::Verdict;
use crate::packet::Packet;
use crate::report::counters::{Counters, count};
use crate::report::fact::{Fact, Happened};
use crate::time::Moment;

/// Whose packets are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acquaintance {
    /// Anybody's.
    Stranger,
    /// Those of sources that lately sent data over a connection with a service here.
    Guest,
}

pub(super) struct Judge {
    pub(super) blocks: Blocks,
    pub(super) shared: Arc<Shared>,
    pub(super) counters: Arc<Counters>,
    facts: Sender<Fact>,
    acquaintance: Acquaintance,
    /// The policy that the blocks are set up for.
    pub(super) policy: Arc<Policy>,
}

impl Judge {
    pub(super) fn new(blocks: Blocks, shared: &Arc<Shared>, facts: Sender<Fact>, acquaintance: Acquaintance) -> Self {
        let (shared, policy) = (Arc::clone(shared), shared.policy.load_full());
        Self { blocks, shared, counters: Arc::default(), facts, acquaintance, policy }
    }

    /// After a reload: another number of blocks. Returns the policy that was in force before, if there is another now.
    pub(super) fn follow_policy(&mut self) -> Option<Arc<Policy>> {
        let current = self.shared.policy.load();
        if Arc::ptr_eq(&current, &self.policy) {
            return None;
        }
        let known = std::mem::replace(&mut self.policy, Arc::clone(&current));
        self.blocks.allow_for(current.shares.of_judge(self.acquaintance));
        Some(known)
    }

    /// What is to be done about the source of `packet`.
    pub(super) fn decide(&self, now: Moment, packet: &Packet) -> Decision {
        let Policy { rules, surroundings, .. } = &*self.policy;
        match self.acquaintance {
            Acquaintance::Stranger => rules.judge(&self.shared.table, now, packet, surroundings),
            Acquaintance::Guest => rules.judge_guest(&self.shared.table, now, packet, surroundings),
        }
    }

    /// Whether this takes a block in the kernel, which waits while another program loads rules.
    pub(super) fn takes_a_block(&self, decision: &Decision) -> bool {
        matches!((decision, self.policy.mode), (Decision::Block(_), Mode::Enforce))
    }

    /// Does what was decided at `now`; the verdict is what the packet gets.
    pub(super) fn carry_out(&mut self, now: Moment, decision: Decision) -> Verdict {
        match (decision, self.policy.mode) {
            (Decision::Innocent | Decision::Watch(_, Novelty::Again), _) | (Decision::StillBlocked, Mode::Observe) => {
                Verdict::Accept
            }
            (Decision::Watch(sighting, Novelty::First), _) => {
                count(&self.counters.watched);
                self.tell(now, Happened::Watched(sighting));
                Verdict::Accept
            }
            (Decision::StillBlocked, Mode::Enforce) => Verdict::Drop,
            (Decision::Block(offence), Mode::Enforce) => self.block(now, &offence),
            (Decision::Block(offence), Mode::Observe) | (Decision::Report(offence), _) => {
                count(&self.counters.blocks);
                self.tell(now, Happened::WouldBlock(offence));
                Verdict::Accept
            }
        }
    }

    /// The kernel set first, then the verdict: whatever follows the probe meets the block.
    fn block(&mut self, now: Moment, offence: &Offence) -> Verdict {
        let block = (offence.source, offence.until);
        match self.blocks.block(now, block, &self.shared.table, &self.shared.hold) {
            Ok(()) => {
                count(&self.counters.blocks);
                self.tell(now, Happened::Blocked(*offence));
            }
            Err(error) => {
                // The next probe tries again.
                self.shared.table.unblock(offence.source);
                count(&self.counters.block_failures);
                self.tell(now, Happened::NotBlocked(*offence, error));
            }
        }
        self.counters.block_time.note(self.shared.clock.now().since(now));
        Verdict::Drop
    }

    fn tell(&self, at: Moment, what: Happened) {
        if self.facts.try_send(Fact { at, what }).is_err() {
            count(&self.counters.facts_lost);
        }
    }
}
