//! One source's record: plain numbers of a fixed size, zero where nothing is known.

use std::net::Ipv6Addr;
use std::time::Duration;

use bytemuck::{Pod, Zeroable};

use super::{Effect, Known, Novelty, Standing, Threshold};
use crate::config::Count;
use crate::detect::probe::Weight;
use crate::detect::source::Source;
use crate::time::Moment;

/// Contacts remembered of a source: as many of the least weight as make an offender.
const CONTACTS: usize = 8;
/// Weights add up to this: the least number that any number of contacts up to [`CONTACTS`] can share with nothing left over.
pub(super) const ENOUGH: u32 = 840;

/// One source. Times are microseconds of a `Moment` plus one; 0 is never.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Record {
    network: [u64; 2],
    pub(super) last_seen: u64,
    /// The end of its last block, also when that has passed.
    pub(super) blocked_until: u64,
    contacts: [Remembered; CONTACTS],
    /// How long that block was set for, in seconds.
    lasts: u32,
    /// Blocks in a row, each soon enough after the one before.
    repeats: u8,
    prefix: u8,
    aftermath: u8,
    /// Packets of full weight, since the source was silent for the whole window; no more than can count.
    packets: u8,
}

/// Values of `aftermath`, beside 0: the last block is one, and answers for the contacts remembered.
mod aftermath {
    /// It has ended, and the contacts that it answered for are cleared.
    pub(super) const CLEARED: u8 = 1;
    /// It is none: the offender was reported only.
    pub(super) const REPORTED: u8 = 2;
}

/// One contact: a fingerprint whose lowest bits are its weight, and the second it was last made.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Remembered {
    fingerprint: u32,
    second: u32,
}

/// The lowest bits of a fingerprint: room for [`ENOUGH`], and [`REPORTED`]. The other 21 tell a source's few contacts from each other.
pub(super) const WEIGHT: u32 = 0x3ff;
/// Who makes this contact is reported only, for it may be forged: it does not help to have anybody blocked.
const REPORTED: u32 = 0x400;
/// What is no part of a contact's own mark.
pub(super) const MARKS: u32 = WEIGHT | REPORTED;

/// One contact on its way into a record.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) now: Moment,
    pub(super) fingerprint: u32,
    pub(super) weight: Weight,
}

fn halves(bits: u128) -> (u64, u64) {
    let low = u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
    (u64::try_from(bits >> 64).unwrap_or(0), low)
}

impl Record {
    /// Of a source that nothing is known of.
    pub(super) fn new(source: Source) -> Self {
        let (network, prefix) = source.parts();
        let (high, low) = halves(network.to_bits());
        Self { network: [high, low], prefix, ..Self::zeroed() }
    }

    pub(super) fn is_of(&self, source: Source) -> bool {
        let (network, prefix) = source.parts();
        let (high, low) = halves(network.to_bits());
        self.network == [high, low] && self.prefix == prefix
    }

    pub(super) fn source(&self) -> Source {
        let [high, low] = self.network;
        Source::network(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)), self.prefix)
    }

    pub(super) fn known(&self, now: Moment) -> Known {
        Known {
            last_seen: moment(self.last_seen),
            blocked_until: self.blocks(now).then(|| moment(self.blocked_until)),
            reported: self.is_reported(now),
            repeats: self.repeats,
            contacts: u8::try_from(self.contacts.iter().filter(|contact| contact.second != 0).count())
                .unwrap_or(u8::MAX),
        }
    }

    /// Whether it is blocked.
    fn blocks(&self, now: Moment) -> bool {
        self.blocks_at(ticks(now))
    }

    const fn blocks_at(&self, tick: u64) -> bool {
        self.blocked_until > tick && self.aftermath != aftermath::REPORTED
    }

    fn is_reported(&self, now: Moment) -> bool {
        self.blocked_until > ticks(now) && self.aftermath == aftermath::REPORTED
    }

    /// Who goes first has the lowest rank: the free (never seen), then the silent, then the blocked.
    pub(super) const fn rank(&self, tick: u64) -> (bool, u64) {
        let blocked = self.blocks_at(tick);
        (blocked, if blocked { self.blocked_until } else { self.last_seen })
    }

    pub(super) fn observe(&mut self, look: Look, rule: &Threshold) -> Standing {
        let Look { now, fingerprint, weight } = look;
        let silent_since = self.last_seen;
        self.last_seen = ticks(now);
        if self.blocks(now) {
            let until = moment(self.blocked_until);
            let may_set_it = rule.effect == Effect::Blocked && now.since(self.set()) > rule.settle;
            return match weight {
                Weight::Full | Weight::Unserved if may_set_it => self.offend_again(now, rule),
                // What may be a late segment says nothing of the block: conntrack calls it invalid, and the kernel lets it come to us
                // while the block holds.
                Weight::Full | Weight::Unserved | Weight::Half | Weight::UnservedHalf => Standing::Blocked(until),
            };
        }
        let reported = self.is_reported(now);
        if reported && rule.effect == Effect::Reported {
            return Standing::Watched(0, Novelty::Again); // what has been said is not said again
        }
        if self.blocked_until != 0 && !reported && self.aftermath != aftermath::CLEARED {
            // The block that has ended answered for this evidence: a source is not blocked twice for the same contacts.
            (self.contacts, self.packets, self.aftermath) = ([Remembered::zeroed(); CONTACTS], 0, aftermath::CLEARED);
        }
        let oldest = oldest(now, rule);
        let packets = self.count_packet(weight, silent_since < ticks_of_second(oldest), rule);
        let (Counted { hits, weights }, novelty) = self.count(fingerprint, seconds(now), oldest.max(1), rule.effect);
        match packets {
            Some(packets) if packets >= rule.contacts => self.offend(now, packets, rule),
            Some(_) | None if weights < ENOUGH => Standing::Watched(hits, novelty),
            Some(_) | None => self.offend(now, hits, rule),
        }
    }

    /// Takes the contacts that count for enough.
    pub(super) fn convict(&mut self, now: Moment, rule: &Threshold) -> Option<Standing> {
        if self.blocks(now) {
            return Some(Standing::Blocked(moment(self.blocked_until)));
        }
        let answered_for = self.blocked_until != 0 && !self.is_reported(now) && self.aftermath != aftermath::CLEARED;
        let said = self.is_reported(now) && rule.effect == Effect::Reported;
        let hits = self.tally(oldest(now, rule).max(1), rule.effect).hits;
        (hits > 0 && !answered_for && !said).then(|| self.offend(now, hits, rule))
    }

    /// Takes `hits` for enough, whatever they are.
    pub(super) fn convict_for(&mut self, now: Moment, hits: u8, rule: &Threshold) -> Standing {
        self.last_seen = ticks(now);
        if self.blocks(now) { Standing::Blocked(moment(self.blocked_until)) } else { self.offend(now, hits, rule) }
    }

    /// Packets of full weight so far, where each of them counts.
    fn count_packet(&mut self, weight: Weight, was_silent: bool, rule: &Threshold) -> Option<u8> {
        match (rule.count, weight) {
            (Count::Packets, Weight::Full) => {
                self.packets = if was_silent { 1 } else { self.packets.saturating_add(1) };
                Some(self.packets)
            }
            (Count::Places, _) | (Count::Packets, Weight::Half | Weight::Unserved | Weight::UnservedHalf) => None,
        }
    }

    /// When the last block was set.
    fn set(&self) -> Moment {
        let lasts = Duration::from_secs(u64::from(self.lasts));
        Moment::from_start(moment(self.blocked_until).since(Moment::from_start(lasts)))
    }

    /// Remembers a contact; so many count since `oldest`, and weigh so much.
    fn count(&mut self, fingerprint: u32, second: u32, oldest: u32, effect: Effect) -> (Counted, Novelty) {
        let mark = match effect {
            Effect::Blocked => 0,
            Effect::Reported => REPORTED,
        };
        let novelty = self.remember(fingerprint | mark, second, oldest);
        (self.tally(oldest, effect), novelty)
    }

    /// So many contacts count since `oldest`, and weigh so much.
    fn tally(&self, oldest: u32, effect: Effect) -> Counted {
        let left_out = match effect {
            Effect::Blocked => REPORTED,
            Effect::Reported => 0,
        };
        let counts = |contact: &&Remembered| contact.second >= oldest && contact.fingerprint & left_out == 0;
        let counting = || self.contacts.iter().filter(counts);
        let weights = counting().map(|contact| contact.fingerprint & WEIGHT).sum();
        Counted { hits: u8::try_from(counting().count()).unwrap_or(u8::MAX), weights }
    }

    fn offend(&mut self, now: Moment, hits: u8, rule: &Threshold) -> Standing {
        let forgiven = self.blocked_until == 0 || now.since(moment(self.blocked_until)) > rule.block.memory;
        // Who was reported and is to be blocked now offends for the same time.
        let repeats = if self.is_reported(now) { self.repeats } else { self.repeats.saturating_add(1) };
        self.repeats = if forgiven { 1 } else { repeats };
        self.sentence(now, hits, rule, Duration::ZERO)
    }

    /// The block did not hold, for somebody took it out of the kernel: it is set once more, and is no longer for that. Nor does a contact
    /// that may be forged cut short what a proven one has earned.
    fn offend_again(&mut self, now: Moment, rule: &Threshold) -> Standing {
        self.repeats = self.repeats.max(1);
        let left = moment(self.blocked_until).since(now);
        self.sentence(now, 1, rule, left)
    }

    /// Sets a block, of `least` at the least.
    fn sentence(&mut self, now: Moment, hits: u8, rule: &Threshold, least: Duration) -> Standing {
        self.set_blocked(now, rule.block.of(self.repeats).max(least), self.repeats);
        if rule.effect == Effect::Reported {
            (self.aftermath, self.packets) = (aftermath::REPORTED, 0);
            // It has been said, and leaves its room to what counts.
            let told = self.contacts.iter_mut().filter(|contact| contact.fingerprint & REPORTED != 0);
            told.for_each(|contact| *contact = Remembered::zeroed());
        }
        Standing::Offender { hits, repeat: self.repeats, until: moment(self.blocked_until) }
    }

    /// Counts it as blocked from `now` on, for the `repeats`th time.
    pub(super) fn set_blocked(&mut self, now: Moment, lasts: Duration, repeats: u8) {
        self.blocked_until = ticks(now.plus(lasts));
        // Rounded up, so that the block does not seem to be set later than it was.
        self.lasts =
            u32::try_from(lasts.as_secs().saturating_add(u64::from(lasts.subsec_nanos() > 0))).unwrap_or(u32::MAX);
        (self.repeats, self.aftermath) = (repeats, 0);
    }

    /// Takes back that it is blocked, as if that had not been; its evidence stays.
    pub(super) fn unblock(&mut self) {
        (self.blocked_until, self.repeats) = (0, self.repeats.saturating_sub(1));
    }

    /// Notes a contact in its own place, or over the one made longest ago.
    fn remember(&mut self, fingerprint: u32, second: u32, oldest: u32) -> Novelty {
        let same = |known: &&mut Remembered| known.second >= oldest && (known.fingerprint ^ fingerprint) & !MARKS == 0;
        if let Some(known) = self.contacts.iter_mut().find(same) {
            // Asked for in different ways, it weighs as the worst of them; the upper bits are the same.
            let weight = (known.fingerprint & WEIGHT).max(fingerprint & WEIGHT);
            *known = Remembered { fingerprint: fingerprint & !WEIGHT | weight, second };
            return Novelty::Again;
        }
        if let Some(oldest) = self.contacts.iter_mut().min_by_key(|contact| contact.second) {
            *oldest = Remembered { fingerprint, second };
        }
        Novelty::First
    }
}

/// What a source's contacts come to.
struct Counted {
    hits: u8,
    weights: u32,
}

/// The second before which a contact does not count any more.
fn oldest(now: Moment, rule: &Threshold) -> u32 {
    seconds(now).saturating_sub(u32::try_from(rule.window.as_secs()).unwrap_or(u32::MAX))
}

/// Microseconds, plus one so that 0 can mean never; the end of time after half a million years.
pub(super) fn ticks(moment: Moment) -> u64 {
    u64::try_from(moment.since_start().as_micros()).unwrap_or(u64::MAX).saturating_add(1)
}

pub(super) fn moment(ticks: u64) -> Moment {
    Moment::from_start(Duration::from_micros(ticks.saturating_sub(1)))
}

/// The first tick of a second as `seconds` counts them.
fn ticks_of_second(second: u32) -> u64 {
    u64::from(second.saturating_sub(1)).saturating_mul(1_000_000).saturating_add(1)
}

/// Seconds, plus one so that 0 can mean never; the end of time after 136 years.
fn seconds(moment: Moment) -> u32 {
    u32::try_from(moment.since_start().as_secs()).unwrap_or(u32::MAX).saturating_add(1)
}
