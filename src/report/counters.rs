//! What was done, in numbers. Each worker has its own, so that counting costs no worker another's time.

use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;

/// One worker's counters. On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    /// Packets received.
    pub packets: AtomicU64,
    /// Of them, let go.
    pub accepted: AtomicU64,
    /// Of them, dropped.
    pub dropped: AtomicU64,
    /// Of them, not to be read as an IP packet: they get the fail mode's verdict.
    pub unreadable: AtomicU64,
    /// Of them, those whose judgement panicked: likewise.
    pub panics: AtomicU64,
    /// First contacts that counted, of sources that were not blocked for them.
    pub watched: AtomicU64,
    /// Sources blocked; in observe mode, those that would be.
    pub blocks: AtomicU64,
    /// Sources that should be blocked, and the kernel did not take it.
    pub block_failures: AtomicU64,
    /// Reports that packets were lost, not packets: verdicts that came after the kernel had flushed those they were for (one report for a run
    /// of up to 64), or that it refused; and failures to receive. At decoys: contacts that found no room.
    pub lost: AtomicU64,
    /// Facts that the writer was too busy to take.
    pub facts_lost: AtomicU64,
    /// How often it looked for a packet: it turns over as long as this grows.
    pub turns: AtomicU64,
    /// From a packet's receipt to its verdict; of packets that are read at once, from the batch's receipt to the moment the kernel has their
    /// verdicts.
    pub verdict_time: Histogram,
    /// From the moment a packet is looked at to its source's block in the kernel.
    pub block_time: Histogram,
}

/// Counters read at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is what `Counters` says of it")]
pub struct Totals {
    pub packets: u64,
    pub accepted: u64,
    pub dropped: u64,
    pub watched: u64,
    pub unreadable: u64,
    pub panics: u64,
    pub blocks: u64,
    pub block_failures: u64,
    pub lost: u64,
    pub facts_lost: u64,
}

/// One more. Relaxed: no other memory hangs on a counter.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    /// What they show.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let show = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            packets: show(&self.packets),
            accepted: show(&self.accepted),
            dropped: show(&self.dropped),
            watched: show(&self.watched),
            unreadable: show(&self.unreadable),
            panics: show(&self.panics),
            blocks: show(&self.blocks),
            block_failures: show(&self.block_failures),
            lost: show(&self.lost),
            facts_lost: show(&self.facts_lost),
        }
    }
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets.wrapping_add(other.packets),
            accepted: self.accepted.wrapping_add(other.accepted),
            dropped: self.dropped.wrapping_add(other.dropped),
            watched: self.watched.wrapping_add(other.watched),
            unreadable: self.unreadable.wrapping_add(other.unreadable),
            panics: self.panics.wrapping_add(other.panics),
            blocks: self.blocks.wrapping_add(other.blocks),
            block_failures: self.block_failures.wrapping_add(other.block_failures),
            lost: self.lost.wrapping_add(other.lost),
            facts_lost: self.facts_lost.wrapping_add(other.facts_lost),
        }
    }
}
