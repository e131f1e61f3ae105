//! The scan table: which places each source asked for lately, and whether it is blocked. Shared by the workers, and bounded:
//! forged addresses can fill it, never grow it.
//!
//! Records lie in buckets of [`WAYS`], chosen by a keyed hash, as lines do in a processor's cache; `bucket.rs` says how.
//! **Who is forgotten first:** when a new source meets a full bucket, the source of that bucket that has been silent longest and is not blocked; if all are
//! blocked, the one whose block ends first (the kernel goes on blocking it; only the table forgets). Without the
//! key nobody can aim at a bucket: to push out a given record takes about as many forged sources as the table holds, and an eighth of that
//! while all others that it holds are blocked (`tests/adversary.rs`).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::probe::{Contact, Weight};
use super::source::Source;
use crate::config::Count;
use crate::time::Moment;

mod bucket;
mod record;

use bucket::{Bucket, Buckets, Key, MARK, WAYS};
use record::{ENOUGH, Look, MARKS, Record, ticks};

/// So many locks that two workers seldom meet at one.
const SHARDS: usize = 64;
/// Memory of one source, as stated in the README.
pub const BYTES_PER_SOURCE: usize = bucket::BYTES;

const _: () = assert!(BYTES_PER_SOURCE == 112, "the README states it");

/// The shared memory of sources and their evidence.
#[derive(Debug)]
pub struct ScanTable {
    shards: Vec<Shard>,
    hasher: ahash::RandomState,
}

/// Some buckets and their lock, in a cache line of their own: who takes one lock does not slow down who takes the next.
#[derive(Debug)]
#[repr(align(64))]
struct Shard(Mutex<Buckets>);

/// How full the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Sources that find room.
    pub room: u64,
    /// Sources remembered.
    pub remembered: u64,
    /// Of them, those blocked.
    pub blocked: u64,
}

/// What is known of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// When it was last seen.
    pub last_seen: Moment,
    /// Until when it is blocked, if it is.
    pub blocked_until: Option<Moment>,
    /// Whether it is an offender that was reported only.
    pub reported: bool,
    /// Blocks in a row so far.
    pub repeats: u8,
    /// Contacts that are remembered, counting or not.
    pub contacts: u8,
}

/// The system has no memory for a table of that size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no memory for {sources} sources: {} MiB are needed; lower `max_sources` in section [detect], or let nftrap have more",
    mib_of(*.sources)
)]
pub struct NoMemory {
    /// So many were to be remembered.
    pub sources: u32,
}

/// Secret numbers for the hash. Whoever knows them can choose addresses that fall into one bucket.
#[derive(Clone, Copy)]
pub struct Seeds(pub u64, pub u64);

/// What makes an offender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// What counts of full weight.
    pub count: Count,
    /// So many contacts of full weight; of half weight, one more, and always distinct ones.
    pub contacts: u8,
    /// So many distinct contacts with ports that nobody serves, but that are no triggers.
    pub unserved: u8,
    /// How long one contact counts.
    pub window: Duration,
    /// How long an offender is blocked.
    pub block: Terms,
    /// How long after a block is set its source's packets may still be on their way to us. One that comes later was let
    /// through: somebody took the block out of the kernel, and the source offends again.
    pub settle: Duration,
    /// What becomes of an offender.
    pub effect: Effect,
}

/// What becomes of an offender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is blocked.
    Blocked,
    /// It is reported once, for as long as it would be blocked; what it does otherwise may have it blocked yet.
    Reported,
}

/// How long blocks last: each repeat longer than the one before, up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The first; whole seconds.
    pub first: Duration,
    /// The next is so many times as long as the one before.
    pub factor: u32,
    /// No block is longer, but for `first`.
    pub longest: Duration,
    /// An offence so long after the end of the last block is a first one again.
    pub memory: Duration,
}

impl Terms {
    /// Always as long.
    #[must_use]
    pub const fn constant(length: Duration) -> Self {
        Self { first: length, factor: 1, longest: length, memory: Duration::ZERO }
    }

    /// The length of the `repeat`th block in a row; the first is number 1.
    #[must_use]
    pub fn of(&self, repeat: u8) -> Duration {
        let times = self.factor.saturating_pow(u32::from(repeat.saturating_sub(1)));
        self.first.saturating_mul(times).min(self.longest.max(self.first))
    }
}

/// Whether a place was asked for before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// It counts from now on.
    First,
    /// It counts already: a retransmit, most often.
    Again,
}

/// What the table says of a source after one more contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// So many contacts count; not enough.
    Watched(u8, Novelty),
    /// With this contact it became an offender, and counts as blocked from now on.
    Offender {
        /// So many contacts made it one.
        hits: u8,
        /// For the so manieth time in a row, from 1 on.
        repeat: u8,
        /// Until then it is blocked.
        until: Moment,
    },
    /// It is an offender already, until then.
    Blocked(Moment),
}

impl Threshold {
    /// What makes one of a guest: as many contacts with triggers as with other ports, if that is more, and distinct ones, for whoever
    /// forges one packet may well send it twice.
    #[must_use]
    pub const fn of_guests(self) -> Self {
        if self.contacts < self.unserved {
            Self { count: Count::Places, contacts: self.unserved, ..self }
        } else {
            self
        }
    }

    /// What one contact adds to [`ENOUGH`].
    fn share(&self, weight: Weight) -> u32 {
        let sharers = match weight {
            Weight::Full => self.contacts,
            Weight::Half => self.contacts.saturating_add(1),
            Weight::Unserved => self.unserved,
            Weight::UnservedHalf => self.unserved.saturating_add(1),
        };
        ENOUGH.div_ceil(u32::from(sharers.max(1)))
    }
}

impl ScanTable {
    /// Room for at most `sources`, rounded down to whole buckets but at least 512. Memory is reserved now and touched when used.
    #[must_use]
    pub fn new(sources: u32, seeds: Seeds) -> Self {
        let shards = (0..SHARDS).map(|_| Shard(Mutex::new(Buckets::new(buckets_for(sources))))).collect();
        Self::of(shards, seeds)
    }

    /// The same, where there may be no memory for it.
    pub fn reserve(sources: u32, seeds: Seeds) -> Result<Self, NoMemory> {
        let shards = (0..SHARDS)
            .map(|_| fresh_shard(sources).map(|fresh| Shard(Mutex::new(fresh))))
            .collect::<Result<_, _>>()?;
        Ok(Self::of(shards, seeds))
    }

    fn of(shards: Vec<Shard>, seeds: Seeds) -> Self {
        let hasher = ahash::RandomState::with_seeds(seeds.0, seeds.1, !seeds.0, !seeds.1);
        Self { shards, hasher }
    }

    /// One more `contact` by `source` at `now`; remembers it, and says what that makes of the source.
    #[must_use]
    pub fn observe(
        &self,
        now: Moment,
        source: Source,
        (contact, weight): (&Contact, Weight),
        rule: &Threshold,
    ) -> Standing {
        let fingerprint = self.fingerprint(contact) | rule.share(weight);
        let look = Look { now, fingerprint, weight };
        // There is a record for every source; without one there is no evidence either.
        self.with_record(now, source, |record| record.observe(look, rule))
            .unwrap_or(Standing::Watched(0, Novelty::Again))
    }

    /// Takes what is remembered of `source` for enough, and says what that makes of it; nothing, if nothing is remembered that counts at
    /// `now`: an operator let it go, or it was forgotten.
    #[must_use]
    pub fn convict(&self, now: Moment, source: Source, rule: &Threshold) -> Option<Standing> {
        self.with_bucket(source, |bucket, key| bucket.find(key, |record| record.convict(now, rule)))??
    }

    /// Takes so many blocks in `network` for enough, and says what that makes of it.
    #[must_use]
    pub fn convict_network(&self, now: Moment, network: Source, blocks: u8, rule: &Threshold) -> Option<Standing> {
        self.with_record(now, network, |record| record.convict_for(now, blocks, rule))
    }

    /// Counts `source` as blocked for the `repeat`th time, from `now` on, whatever is known of it: at start, for blocks that the kernel
    /// or the journal has.
    pub fn set_blocked(&self, now: Moment, source: Source, lasts: Duration, repeat: u8) {
        self.with_record(now, source, |record| {
            record.last_seen = ticks(now);
            record.set_blocked(now, lasts, repeat);
        });
    }

    /// Remembers that `source` was blocked so many times in a row before, the last block ending about `now`; if it finds a free place:
    /// nobody is forgotten for it.
    pub fn remember_repeats(&self, now: Moment, source: Source, repeats: u8) {
        self.with_bucket(source, |bucket, key| {
            bucket.find_or_add(key, now, |record| {
                record.last_seen = ticks(now);
                record.set_blocked(now, Duration::ZERO, repeats);
            })
        });
    }

    /// Forgets all that is known of `source`, its block and its evidence: it starts as a stranger.
    pub fn forget(&self, source: Source) {
        self.with_bucket(source, Bucket::forget);
    }

    /// Forgets everybody. One shard is locked at a time.
    pub fn forget_all(&self) {
        for shard in &self.shards {
            shard.lock().clear();
        }
    }

    /// Makes room for `sources` from now on. All records move that find room; who does not is forgotten as ever. One shard is
    /// locked at a time, for as long as its records take to move: a tenth of a millisecond a thousand. Where there is no memory for that,
    /// nobody is forgotten: shards of either size serve as well.
    pub fn resize(&self, now: Moment, sources: u32) -> Result<(), NoMemory> {
        let buckets = buckets_for(sources);
        for shard in self.shards.iter().filter(|shard| shard.lock().all().len() != buckets) {
            let mut fresh = fresh_shard(sources)?;
            let mut current = shard.lock();
            for (tag, record) in current.remembered() {
                let at = place(self.hasher.hash_one(record.source()), buckets);
                fresh.all_mut().get_mut(at).into_iter().for_each(|bucket| bucket.take_in((tag, record), now));
            }
            *current = fresh;
        }
        Ok(())
    }

    /// What is known of `source`.
    #[must_use]
    pub fn show(&self, now: Moment, source: Source) -> Option<Known> {
        self.with_bucket(source, |bucket, key| bucket.find(key, |record| record.known(now)))?
    }

    /// How full it is at `now`. Looks at all tags once: not for every packet.
    #[must_use]
    pub fn census(&self, now: Moment) -> Census {
        let mut census = Census::default();
        for shard in &self.shards {
            let buckets = shard.lock();
            let (remembered, blocked) = buckets.census(now);
            let room = u64::try_from(buckets.all().len().saturating_mul(WAYS)).unwrap_or(u64::MAX);
            drop(buckets);
            census.room = census.room.saturating_add(room);
            census.remembered = census.remembered.saturating_add(remembered);
            census.blocked = census.blocked.saturating_add(blocked);
        }
        census
    }

    /// Takes back that `source` is blocked, because the kernel does not have the block; its evidence stays. Of a source that is
    /// not remembered there is nothing to take back, and nobody is forgotten for it.
    pub fn unblock(&self, source: Source) {
        self.with_bucket(source, |bucket, key| bucket.find(key, Record::unblock));
    }

    /// Ends the block of `source` at `now`, because another needs its room. It counts as one that has ended.
    pub fn end(&self, now: Moment, source: Source) {
        self.with_bucket(source, |bucket, key| bucket.find(key, |record| record.blocked_until = ticks(now)));
    }

    /// Until when `source` is blocked, if it is.
    #[must_use]
    pub fn blocked_until(&self, now: Moment, source: Source) -> Option<Moment> {
        self.show(now, source)?.blocked_until
    }

    /// All sources that are blocked at `now`, with the ends of their blocks; in no order. One shard is locked at a time.
    #[must_use]
    pub fn blocked(&self, now: Moment) -> Vec<(Source, Moment)> {
        let mut found = Vec::new();
        for shard in &self.shards {
            found.extend(shard.lock().blocked(now));
        }
        found
    }

    /// The record of `source`, made now if there is none.
    fn with_record<T>(&self, now: Moment, source: Source, act: impl FnOnce(&mut Record) -> T) -> Option<T> {
        self.with_bucket(source, |bucket, key| bucket.find_or_make(key, now, act))?
    }

    fn with_bucket<T>(&self, source: Source, act: impl FnOnce(&mut Bucket, Key) -> T) -> Option<T> {
        let hash = self.hasher.hash_one(source);
        let mut buckets = self.shards.get(low_bits(hash, SHARDS))?.lock();
        let at = place(hash, buckets.all().len());
        let done = buckets.all_mut().get_mut(at).map(|bucket| act(bucket, Key { source, mark: hash & MARK }));
        drop(buckets);
        done
    }

    /// With the bits for its weight and what becomes of it free.
    fn fingerprint(&self, contact: &Contact) -> u32 {
        let [a, b, c, d, ..] = self.hasher.hash_one(contact).to_le_bytes();
        u32::from_le_bytes([a, b, c, d]) & !MARKS
    }
}

impl Shard {
    /// A thread that panicked here left records and tags of plain numbers, any of which are valid.
    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One shard of a table for so many sources, with nobody in it.
fn fresh_shard(sources: u32) -> Result<Buckets, NoMemory> {
    Buckets::reserve(buckets_for(sources)).ok_or(NoMemory { sources })
}

fn mib_of(sources: u32) -> usize {
    buckets_for(sources).saturating_mul(SHARDS).saturating_mul(size_of::<Bucket>()).div_ceil(1 << 20)
}

/// Buckets of one shard, for so many sources in all.
fn buckets_for(sources: u32) -> usize {
    let sources = usize::try_from(sources).unwrap_or(usize::MAX);
    sources.checked_div(SHARDS.saturating_mul(WAYS)).unwrap_or(0).max(1)
}

/// The bucket within a shard. The upper bits of the hash's other half chose the shard, its lowest are the mark.
fn place(hash: u64, buckets: usize) -> usize {
    low_bits(hash.rotate_left(32), buckets)
}

/// A number below `below`, evenly spread if the low half of `hash` is.
fn low_bits(hash: u64, below: usize) -> usize {
    let below = u64::try_from(below).unwrap_or(u64::MAX);
    let scaled = (hash & u64::from(u32::MAX)).saturating_mul(below) >> 32;
    usize::try_from(scaled).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
