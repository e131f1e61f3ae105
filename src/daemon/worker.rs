//! One worker: one queue, one way to the block sets. A packet's way through user space is all here.
//!
//! Per packet: receive, parse, ask the scan table, verdict. For a new offender also one netlink transaction, before the verdict, and
//! ahead of it the verdicts of those who are let go. Nothing else: no allocation, no other system call, no lock held over one. Packets
//! that wait together are received together, and their verdicts sent together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use log::{error, trace, warn};

use super::blocks::Blocks;
use super::judge::Judge;
use super::policy::Policy;
use crate::detect::prefixes::Prefixes;
use crate::detect::probe::is_honest_although_refused;
use crate::kernel::queue::{Message, Queue, Received, Verdict};
use crate::packet::{self, Packet};
use crate::report::counters::{Counters, count};
use crate::time::Moment;

/// So many failures in a row, with no packet between them, mean that the socket is gone for good.
const MAX_FAILURES: u32 = 10_000;
/// What keeps the kernel from taking verdicts is a want of memory: it passes, and not by our asking. So it is given ten seconds.
const PAUSE: Duration = Duration::from_millis(1);

/// So long a verdict waits for those of the packets that were read with it, and one judgement longer: that takes some microseconds, a full
/// batch of them more than this. A block can take as long as another program loads rules, and nobody who is let go waits for the block of
/// one behind him.
const PATIENCE: Duration = Duration::from_micros(100);

pub(super) struct Worker {
    queue: Queue,
    judge: Judge,
    /// When the packets that are being judged were read.
    came: Moment,
    /// Since when verdicts may wait.
    unsent_since: Moment,
}

impl Worker {
    pub(super) fn new(queue: Queue, judge: Judge) -> Self {
        Self { queue, judge, came: Moment::ZERO, unsent_since: Moment::ZERO }
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.judge.counters)
    }

    pub(super) fn blocks(&mut self) -> &mut Blocks {
        &mut self.judge.blocks
    }

    /// Judges packets until the daemon stops and nothing waits any more.
    pub(super) fn run(mut self) {
        let mut failures = 0_u32;
        while failures < MAX_FAILURES {
            count(&self.judge.counters.turns);
            match self.queue.receive() {
                Received::Packet(message) => {
                    failures = 0;
                    self.follow_policy();
                    self.serve(message);
                }
                Received::Nothing if self.judge.shared.stop.load(Ordering::Acquire) => return,
                Received::Nothing => {
                    failures = 0;
                    self.follow_policy();
                }
                Received::Sent(sent) => self.note(sent),
                Received::Flushed => count(&self.judge.counters.lost),
                Received::Unsent(_) => {
                    failures = failures.saturating_add(1);
                    pause();
                }
                Received::Failed(_) => {
                    failures = failures.saturating_add(1);
                    count(&self.judge.counters.lost);
                }
            }
        }
        error!("cannot receive from the queue or answer it any more");
    }

    /// After a reload: a queue of another length, another number of blocks.
    fn follow_policy(&mut self) {
        let Some(known) = self.judge.follow_policy() else { return };
        let Policy { queue_length, queue_full, .. } = *self.judge.policy;
        if (known.queue_length, known.queue_full) != (queue_length, queue_full)
            && let Err(error) = self.queue.retune(queue_length, queue_full)
        {
            warn!(error:%; "cannot change a queue while it is in use: restart to change it");
        }
    }

    fn serve(&mut self, message: Message) {
        count(&self.judge.counters.packets);
        let now = self.judge.shared.clock.now();
        self.keep_pace(&message, now);
        // The records are plain numbers, the block set starts each message anew: a panic leaves both usable.
        let judged = catch_unwind(AssertUnwindSafe(|| self.judge(message.payload(), now)));
        let Judge { counters, policy, .. } = &self.judge;
        let verdict = judged.unwrap_or_else(|_| {
            count(&counters.panics);
            policy.unjudged
        });
        count(if verdict == Verdict::Drop { &counters.dropped } else { &counters.accepted });
        match self.queue.verdict(message, verdict) {
            Ok(sent) => self.note(sent),
            Err(_) => count(&self.judge.counters.lost),
        }
    }

    /// Sees to it that nobody waits long for those who came with him.
    fn keep_pace(&mut self, message: &Message, now: Moment) {
        if message.opens_batch() {
            (self.came, self.unsent_since) = (now, now);
        } else if now.since(self.unsent_since) > PATIENCE {
            self.unsent_since = now;
            let sent = self.queue.send();
            self.note(sent);
        }
    }

    /// So many verdicts are in the kernel now.
    fn note(&self, sent: u32) {
        if sent > 0 {
            let Judge { counters, shared, .. } = &self.judge;
            counters.verdict_time.note_all(sent, shared.clock.now().since(self.came));
        }
    }

    fn judge(&mut self, bytes: &[u8], now: Moment) -> Verdict {
        let Judge { policy, counters, .. } = &self.judge;
        let Ok(packet) = packet::parse(bytes) else {
            count(&counters.unreadable);
            return policy.unjudged;
        };
        let packet = question(&policy.protect, packet, bytes);
        let decision = self.judge.decide(now, &packet);
        trace!("{packet:?}: {decision:?}");
        if self.judge.takes_a_block(&decision) {
            let sent = self.queue.let_go();
            self.note(sent);
        }
        self.judge.carry_out(now, decision)
    }
}

#[expect(clippy::disallowed_methods, reason = "as long as no verdict is taken, there is nothing else to do")]
fn pause() {
    thread::sleep(PAUSE);
}

/// What a protected host refuses stands for the packet that it refuses: nobody serves what was asked for.
fn question(protect: &Prefixes, packet: Packet, bytes: &[u8]) -> Packet {
    if !protect.contains(packet.source) {
        return packet;
    }
    let evidence = |refused: &Packet| protect.contains(refused.destination) && !is_honest_although_refused(refused);
    packet::refused(bytes).filter(evidence).unwrap_or(packet)
}
