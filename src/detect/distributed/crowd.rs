//! Who asked one destination for what, lately, and what is usual there.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::{CONTACTS, HOUR, MINUTE, PLACES, SOURCES, Scan, TIMES, place};
use crate::detect::Sighting;
use crate::detect::source::Source;
use crate::time::Moment;

/// Minutes of an hour.
const MINUTES: u32 = 60;
/// After so many silent hours nothing is usual any more, whatever was.
const LONG_SILENCE: u64 = 64;

/// One destination.
pub(super) struct Crowd {
    /// By time, as far as workers tell in that order.
    contacts: VecDeque<Contact>,
    /// Own places that an hour brings, where that is known.
    usual: Option<u32>,
    /// When the hour began that is looked at now, and what it brought.
    hour: Moment,
    brought: u32,
    /// The scan that gathers since its first contact; `None` while there is none.
    gathers: Option<Moment>,
    told: Option<Told>,
}

struct Contact {
    at: Moment,
    sighting: Sighting,
    /// No other source asked for the same.
    own: bool,
    told: bool,
}

/// The scan that was told last.
struct Told {
    at: Moment,
    places: u32,
    /// When there was enough for one last.
    lasted: Moment,
}

impl Crowd {
    pub(super) const fn new(now: Moment, usual: Option<u32>) -> Self {
        Self { contacts: VecDeque::new(), usual, hour: now, brought: 0, gathers: None, told: None }
    }

    /// Notes a contact; says whether a scan begins to gather.
    pub(super) fn note(&mut self, now: Moment, sighting: Sighting) -> bool {
        self.learn(now);
        while self.contacts.front().is_some_and(|contact| now.since(contact.at) > HOUR) {
            self.contacts.pop_front();
        }
        let mut own = true;
        for known in self.contacts.iter_mut().filter(|known| place(&known.sighting) == place(&sighting)) {
            if known.sighting.source == sighting.source {
                return false;
            }
            (known.own, own) = (false, false);
        }
        if self.contacts.len() >= CONTACTS {
            self.contacts.pop_front();
        }
        self.contacts.push_back(Contact { at: now, sighting, own, told: false });
        self.brought = self.brought.saturating_add(u32::from(own));
        own && self.begins(now)
    }

    pub(super) fn leave_out(&mut self, source: Source) {
        // Who was told has been judged, and the block that came of it explains nothing.
        self.contacts.retain(|contact| contact.told || contact.sighting.source != source);
    }

    /// The scan that gathered; without room for it, it may begin anew.
    pub(super) fn tell(&mut self, now: Moment, destination: IpAddr, has_room: bool) -> Option<Scan> {
        let since = self.gathers.take().filter(|_| has_room)?;
        // Others may have asked for the same meanwhile.
        let places = count(self.own(since).count());
        if places < PLACES || !self.has_sources(since) {
            return None;
        }
        let first = self.own(since).next()?.at;
        let last = self.own(since).next_back()?.at;
        let (mut known, mut members, mut newcomers) = (BTreeSet::new(), Vec::new(), Vec::new());
        let before: BTreeSet<_> = self.contacts.iter().filter(|one| one.told).map(|one| one.sighting.source).collect();
        for Contact { sighting, .. } in self.own(since) {
            if known.insert(sighting.source) {
                members.push(*sighting);
                newcomers.extend((!before.contains(&sighting.source)).then_some(*sighting));
            }
        }
        for contact in self.contacts.iter_mut().filter(|contact| contact.own && contact.at >= since) {
            contact.told = true;
        }
        self.told = Some(Told { at: now, places, lasted: now });
        Some(Scan { destination, places, first, last, members, newcomers })
    }

    /// Whether there is enough for a scan that is not told yet, or has grown to twice of what was told. What is dearest to find out comes
    /// last: a flood asks for it with every packet.
    fn begins(&mut self, now: Moment) -> bool {
        if self.gathers.is_some() {
            return false;
        }
        if let Some(told) = self.told.as_mut().filter(|told| now.since(told.at) < MINUTE) {
            told.lasted = now;
            return false;
        }
        let Some((since, places)) = self.enough(now) else { return false };
        if let Some(told) = self.told.as_mut() {
            let ended = now.since(told.lasted) > HOUR;
            told.lasted = now;
            if !ended && places < told.places.saturating_mul(2) {
                return false;
            }
        }
        let begins = self.has_sources(since);
        self.gathers = begins.then_some(since);
        begins
    }

    /// Since when there are places enough for a scan, and how many.
    fn enough(&self, now: Moment) -> Option<(Moment, u32)> {
        let usual = self.usual.map(|usual| usual.saturating_mul(TIMES));
        let in_a_minute = usual.unwrap_or(0).div_ceil(MINUTES);
        let found = |span: Duration, least: u32| {
            let since = ago(now, span);
            let places = count(self.own(since).count());
            (places >= least.saturating_add(PLACES)).then_some((since, places))
        };
        found(MINUTE, in_a_minute).or_else(|| found(HOUR, usual?))
    }

    fn has_sources(&self, since: Moment) -> bool {
        let sources: BTreeSet<_> = self.own(since).map(|contact| contact.sighting.source).collect();
        sources.len() >= SOURCES
    }

    /// Own places asked for since then, the oldest first.
    fn own(&self, since: Moment) -> impl DoubleEndedIterator<Item = &Contact> {
        self.contacts.iter().filter(move |contact| contact.own && contact.at >= since)
    }

    /// What is usual, by the hours that have passed. One with a scan in it teaches nothing.
    fn learn(&mut self, now: Moment) {
        let hours = now.since(self.hour).as_secs().checked_div(HOUR.as_secs()).unwrap_or(0);
        if hours == 0 {
            return;
        }
        let scanned = self.gathers.is_some() || self.told.as_ref().is_some_and(|told| told.lasted >= self.hour);
        if !scanned {
            self.usual = Some(self.usual.map_or(self.brought, |usual| mean(usual, self.brought)));
        }
        for _ in 1..hours.min(LONG_SILENCE) {
            self.usual = self.usual.map(|usual| mean(usual, 0));
        }
        let passed = Duration::from_secs(hours.saturating_mul(HOUR.as_secs()));
        (self.hour, self.brought) = (self.hour.plus(passed), 0);
    }
}

/// What was usual, and a quarter of the way to what came now: a day's rise is followed, one loud hour is not believed.
fn mean(usual: u32, now: u32) -> u32 {
    usual.saturating_mul(3).saturating_add(now).div_euclid(4)
}

fn ago(now: Moment, span: Duration) -> Moment {
    Moment::from_start(now.since(Moment::from_start(span)))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
