//! One worker: one queue, one way to the block sets. A packet's way through user space is all here.
//!
//! Per packet: receive, parse, ask the scan table, verdict. For a new offender also one netlink transaction, before the verdict.
//! Nothing else: no allocation, no other system call, no lock held over one. Packets that wait together are received together, and
//! their verdicts sent together.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::Sender;
use log::{error, trace, warn};

use super::blocks::Blocks;
use super::policy::Policy;
use super::start::Shared;
use crate::config::Mode;
use crate::detect::prefixes::Prefixes;
use crate::detect::probe::is_honest_although_refused;
use crate::detect::table::Novelty;
use crate::detect::{Decision, Offence};
use crate::kernel::queue::{Message, Queue, Received, Verdict};
use crate::packet::{self, Packet};
use crate::report::counters::{Counters, count};
use crate::report::fact::{Fact, Happened};
use crate::time::Moment;

/// So many failures to receive in a row, with no packet between them, mean that the socket is gone for good.
const MAX_FAILURES: u32 = 10_000;

/// So long a verdict waits, at most, for those of the packets that were read with it. Judging a whole batch takes a fifth of this; with
/// offenders in it, whose blocks take some 10 µs each and must be in the kernel first, many times as long. So a packet that is let
/// go waits no longer than this and one block.
const PATIENCE: Duration = Duration::from_micros(100);

pub(super) struct Worker {
    queue: Queue,
    /// When the packets that are being judged were read.
    came: Moment,
    /// Since when verdicts may wait.
    unsent_since: Moment,
    pub(super) blocks: Blocks,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    facts: Sender<Fact>,
    /// The policy that the queue and the blocks are set up for.
    policy: Arc<Policy>,
}

impl Worker {
    pub(super) fn new(queue: Queue, blocks: Blocks, shared: &Arc<Shared>, facts: Sender<Fact>) -> Self {
        let (shared, policy) = (Arc::clone(shared), shared.policy.load_full());
        let start = Moment::ZERO;
        Self { queue, came: start, unsent_since: start, blocks, shared, counters: Arc::default(), facts, policy }
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Judges packets until the daemon stops and nothing waits any more.
    pub(super) fn run(mut self) {
        let mut failures = 0_u32;
        while failures < MAX_FAILURES {
            count(&self.counters.turns);
            match self.queue.receive() {
                Received::Packet(message) => {
                    failures = 0;
                    self.follow_policy();
                    self.serve(message);
                }
                Received::Nothing if self.shared.stop.load(Ordering::Acquire) => return,
                Received::Nothing => {
                    failures = 0;
                    self.follow_policy();
                }
                Received::Flushed => count(&self.counters.lost),
                Received::Failed(_) => {
                    failures = failures.saturating_add(1);
                    count(&self.counters.lost);
                }
            }
        }
        error!("cannot receive from the queue any more");
    }

    /// After a reload: a queue of another length, another number of blocks.
    fn follow_policy(&mut self) {
        let current = self.shared.policy.load();
        if Arc::ptr_eq(&current, &self.policy) {
            return;
        }
        let Policy { queue_length, queue_full, blocks_per_worker, .. } = **current;
        let known = std::mem::replace(&mut self.policy, Arc::clone(&current));
        self.blocks.allow_for(blocks_per_worker);
        if (known.queue_length, known.queue_full) != (queue_length, queue_full)
            && let Err(error) = self.queue.retune(queue_length, queue_full)
        {
            warn!(error:%; "cannot change a queue while it is in use: restart to change it");
        }
    }

    fn serve(&mut self, message: Message) {
        count(&self.counters.packets);
        let now = self.shared.clock.now();
        self.keep_pace(&message, now);
        // The records are plain numbers, the block set starts each message anew: a panic leaves both usable.
        let judged = catch_unwind(AssertUnwindSafe(|| self.judge(message.payload(), now)));
        let verdict = judged.unwrap_or_else(|_| {
            count(&self.counters.panics);
            self.policy.unjudged
        });
        count(if verdict == Verdict::Drop { &self.counters.dropped } else { &self.counters.accepted });
        let sent = self.queue.verdict(message, verdict);
        self.note(&sent);
    }

    /// Sees to it that nobody waits long for those who came with him.
    fn keep_pace(&mut self, message: &Message, now: Moment) {
        if message.opens_batch() {
            (self.came, self.unsent_since) = (now, now);
        } else if now.since(self.unsent_since) > PATIENCE {
            self.unsent_since = now;
            let sent = self.queue.send();
            self.note(&sent);
        }
    }

    /// So many verdicts are in the kernel now.
    fn note(&self, sent: &io::Result<u32>) {
        match sent {
            Ok(0) => {}
            Ok(sent) => self.counters.verdict_time.note_all(*sent, self.shared.clock.now().since(self.came)),
            Err(_) => count(&self.counters.lost),
        }
    }

    fn judge(&mut self, bytes: &[u8], now: Moment) -> Verdict {
        let policy = &self.policy;
        let Ok(packet) = packet::parse(bytes) else {
            count(&self.counters.unreadable);
            return policy.unjudged;
        };
        let packet = question(&policy.protect, packet, bytes);
        let decision = policy.rules.judge(&self.shared.table, now, &packet, &policy.surroundings);
        trace!("{packet:?}: {decision:?}");
        match (decision, policy.mode) {
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

/// What a protected host refuses stands for the packet that it refuses: nobody serves what was asked for.
fn question(protect: &Prefixes, packet: Packet, bytes: &[u8]) -> Packet {
    if !protect.contains(packet.source) {
        return packet;
    }
    let evidence = |refused: &Packet| protect.contains(refused.destination) && !is_honest_although_refused(refused);
    packet::refused(bytes).filter(evidence).unwrap_or(packet)
}
