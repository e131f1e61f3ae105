//! One worker: one queue, one way to the block sets. A packet's way through user space is all here.
//!
//! Per packet: receive, parse, ask the scan table, verdict. For a new offender also one netlink transaction, before the verdict.
//! Nothing else: no allocation, no other system call, no lock held over one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;
use log::{error, trace};

use super::blocks::Blocks;
use super::start::Shared;
use crate::config::{Config, Mode, QueueFull};
use crate::detect::prefixes::Prefixes;
use crate::detect::probe::is_honest_although_refused;
use crate::detect::{Decision, Offence};
use crate::kernel::queue::{Message, Queue, Received, Verdict};
use crate::packet::{self, Packet};
use crate::report::counters::{Counters, count};
use crate::report::fact::Fact;

/// So many failures to receive in a row, with no packet between them, mean that the socket is gone for good.
const MAX_FAILURES: u32 = 10_000;

pub(super) struct Worker {
    queue: Queue,
    pub(super) blocks: Blocks,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    mode: Mode,
    /// Whose refusals are evidence.
    protect: Prefixes,
    /// What a packet gets that cannot be judged.
    unjudged: Verdict,
}

impl Worker {
    pub(super) fn new(queue: Queue, blocks: Blocks, config: &Config, shared: &Arc<Shared>) -> Self {
        let unjudged = match config.fail_mode().queue_full {
            QueueFull::Open => Verdict::Accept,
            QueueFull::Closed => Verdict::Drop,
        };
        let (shared, counters) = (Arc::clone(shared), Arc::default());
        Self { queue, blocks, shared, counters, mode: config.mode, protect: config.protect.clone(), unjudged }
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Judges packets until the daemon stops and nothing waits any more.
    pub(super) fn run(mut self, facts: &Sender<Fact>) {
        let mut failures = 0_u32;
        while failures < MAX_FAILURES {
            match self.queue.receive() {
                Received::Packet(message) => {
                    failures = 0;
                    self.serve(message, facts);
                }
                Received::Nothing if self.shared.stop.load(Ordering::Acquire) => return,
                Received::Nothing => failures = 0,
                Received::Flushed => count(&self.counters.lost),
                Received::Failed(_) => {
                    failures = failures.saturating_add(1);
                    count(&self.counters.lost);
                }
            }
        }
        error!("cannot receive from the queue any more");
    }

    fn serve(&mut self, message: Message, facts: &Sender<Fact>) {
        count(&self.counters.packets);
        // The detector's records are plain numbers, the block set starts each message anew: a panic leaves both usable.
        let judged = catch_unwind(AssertUnwindSafe(|| self.judge(message.get_payload(), facts)));
        let verdict = judged.unwrap_or_else(|_| {
            count(&self.counters.panics);
            self.unjudged
        });
        count(if verdict == Verdict::Drop { &self.counters.dropped } else { &self.counters.accepted });
        if self.queue.verdict(message, verdict).is_err() {
            count(&self.counters.lost);
        }
    }

    fn judge(&mut self, bytes: &[u8], facts: &Sender<Fact>) -> Verdict {
        let Ok(packet) = packet::parse(bytes) else {
            count(&self.counters.unreadable);
            return self.unjudged;
        };
        let packet = self.question(packet, bytes);
        let decision = self.shared.detector.observe(self.shared.clock.now(), &packet, &self.shared.surroundings.load());
        trace!("{packet:?}: {decision:?}");
        match (decision, self.mode) {
            (Decision::Innocent | Decision::Watch, _) | (Decision::StillBlocked, Mode::Observe) => Verdict::Accept,
            (Decision::StillBlocked, Mode::Enforce) => Verdict::Drop,
            (Decision::Block(offence), Mode::Enforce) => self.block(&offence, facts),
            (Decision::Block(offence), Mode::Observe) => {
                count(&self.counters.blocks);
                self.tell(Fact::WouldBlock(offence), facts);
                Verdict::Accept
            }
        }
    }

    /// What a protected host refuses stands for the packet that it refuses: nobody serves what was asked for.
    fn question(&self, packet: Packet, bytes: &[u8]) -> Packet {
        if !self.protect.contains(packet.source) {
            return packet;
        }
        let evidence =
            |refused: &Packet| self.protect.contains(refused.destination) && !is_honest_although_refused(refused);
        packet::refused(bytes).filter(evidence).unwrap_or(packet)
    }

    /// The kernel set first, then the verdict: whatever follows the probe meets the block.
    fn block(&mut self, offence: &Offence, facts: &Sender<Fact>) -> Verdict {
        let now = self.shared.clock.now();
        match self.blocks.block(now, offence.source, offence.until, &self.shared.detector.table) {
            Ok(()) => {
                count(&self.counters.blocks);
                self.tell(Fact::Blocked(*offence), facts);
            }
            Err(error) => {
                // The next probe tries again.
                self.shared.detector.table.unblock(offence.source);
                count(&self.counters.block_failures);
                self.tell(Fact::NotBlocked(*offence, error), facts);
            }
        }
        Verdict::Drop
    }

    fn tell(&self, fact: Fact, facts: &Sender<Fact>) {
        if facts.try_send(fact).is_err() {
            count(&self.counters.facts_lost);
        }
    }
}
