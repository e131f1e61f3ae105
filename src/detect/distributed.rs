//! Scans that many sources share, each with too few contacts to be an offender: which destinations are scanned so, and by whom. Pure, and
//! no packet waits for it. **Bounded:** forged sources can fill it, never grow it; what it finds is told some times a minute at most.
//!
//! What tells a shared scan from the noise of the Internet is that its sources divide the ports among them. So only a port that no other
//! source asked for within an hour counts, here an own place: all the world asks for 23, 445 and 8080, the clients of a service that
//! moved and the peers of a program that ended all come to one port. Ports from [`FIRST_OF_ONE_CLIENT`] on never count, nor what may be a
//! late segment.
//!
//! **The numbers.** An address on the Internet hears some 4 contacts a minute from strangers, in one of 10^7 minutes as many as [`PLACES`]
//! by chance alone (Poisson), were they all own places. Where an hour is known to bring `usual` own places, [`TIMES`] as many more are
//! wanted: 180 an hour, a noisy address, takes 32 in a minute. A slower scan is found over an hour, once it is known what is usual there:
//! where nothing is, it takes [`PLACES`]. Fewer than [`SOURCES`] sources would be offenders each if they asked for that many.
//!
//! **Who is forgotten first:** of destinations, the one that was asked for nothing for longest; of one's contacts, the oldest.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;

use super::probe::{Kind, Probe, Protocol};
use super::table::Seeds;
use super::{Offence, Sighting};
use crate::time::Moment;

mod crowd;
#[cfg(test)]
mod tests;

use crowd::Crowd;

/// Own places that are one scan, at least.
pub const PLACES: u32 = 20;
/// Sources that they come from, at least.
pub const SOURCES: usize = 8;
/// How many times what is usual.
const TIMES: u32 = 4;
/// From here on hosts give ports to one client each (passive FTP, RPC, media), and what conntrack forgot comes back to them: there
/// the honest look like a scan of many, each with a port of its own.
const FIRST_OF_ONE_CLIENT: u16 = 32_768;

/// A fast scan is found in this time, whatever is usual.
const MINUTE: Duration = Duration::from_secs(60);
/// A slow one in this. After so long without one, the next is another.
const HOUR: Duration = Duration::from_secs(3600);
/// How long a scan goes on before it is told, so that what is told of it says most.
const GATHER: Duration = Duration::from_secs(3);

/// Destinations that are remembered: with [`CONTACTS`], some 6 MB if all are full.
const DESTINATIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);
/// Contacts of one. More are not counted.
pub const CONTACTS: usize = 256;
/// Scans told in a minute, whatever is sent; one that is left out is told with its next contact, if it still is one.
pub const TOLD_A_MINUTE: u32 = 10;

/// More sources than these at once are forged, as likely as not: nobody is blocked for them.
pub const FLOOD: usize = 128;
/// So many are blocked for one scan at most, those first that came first.
pub const BLOCKED: usize = 64;

/// What is remembered of every destination.
pub struct Crowds {
    destinations: LruCache<IpAddr, Crowd, ahash::RandomState>,
    /// No destination was forgotten since: one that is not remembered was asked for nothing.
    whole_since: Moment,
    /// What is to be told, and when; each destination once.
    gathering: VecDeque<(Moment, IpAddr)>,
    minute: Moment,
    told: u32,
}

/// One scan of many sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Whom they scan.
    pub destination: IpAddr,
    /// Its own places, as far as they are counted.
    pub places: u32,
    /// The first contact that counts.
    pub first: Moment,
    /// The last.
    pub last: Moment,
    /// Who took part, in the order in which they came, each with its first own place.
    pub members: Vec<Sighting>,
    /// Of them, those that were not told before, for the same destination.
    pub newcomers: Vec<Sighting>,
}

impl Crowds {
    /// Knows nothing yet at `now`.
    #[must_use]
    pub fn new(now: Moment, seeds: Seeds) -> Self {
        let hasher = ahash::RandomState::with_seeds(seeds.0, seeds.1, !seeds.0, !seeds.1);
        Self {
            destinations: LruCache::with_hasher(DESTINATIONS, hasher),
            whole_since: now,
            gathering: VecDeque::new(),
            minute: now,
            told: 0,
        }
    }

    /// Notes one more contact, of a source that is no offender by itself.
    pub fn note(&mut self, now: Moment, sighting: Sighting) {
        if !counts(&sighting.probe) {
            return;
        }
        let destination = sighting.probe.contact.destination;
        if self.destinations.len() == DESTINATIONS.get() && !self.destinations.contains(&destination) {
            self.whole_since = now;
        }
        let usual = (now.since(self.whole_since) >= HOUR).then_some(0);
        let crowd = self.destinations.get_or_insert_mut(destination, || Crowd::new(now, usual));
        if crowd.note(now, sighting) {
            self.gathering.push_back((now.plus(GATHER), destination));
        }
    }

    /// Notes that a source became an offender. By one contact: that says no more of it than of one that is only watched. By several: then
    /// it scans alone, and what it asked of this destination is taken out.
    pub fn note_offence(&mut self, now: Moment, offence: &Offence) {
        let Offence { source, probe, hits, .. } = *offence;
        if hits <= 1 {
            self.note(now, Sighting { source, probe });
        } else if let Some(crowd) = self.destinations.peek_mut(&probe.contact.destination) {
            crowd.leave_out(source);
        }
    }

    /// The next scan that is to be told at `now`. To be asked again until there is none.
    #[must_use]
    pub fn due(&mut self, now: Moment) -> Option<Scan> {
        while self.gathering.front().is_some_and(|(due, _)| *due <= now) {
            let (_, destination) = self.gathering.pop_front()?;
            let has_room = self.has_room(now);
            // Without a crowd it was forgotten meanwhile.
            let scan =
                self.destinations.peek_mut(&destination).and_then(|crowd| crowd.tell(now, destination, has_room));
            if scan.is_some() {
                self.told = self.told.saturating_add(1);
                return scan;
            }
        }
        None
    }

    /// So many destinations are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.destinations.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.destinations.is_empty()
    }

    fn has_room(&mut self, now: Moment) -> bool {
        if now.since(self.minute) >= MINUTE {
            (self.minute, self.told) = (now, 0);
        }
        self.told < TOLD_A_MINUTE
    }
}

impl Scan {
    /// Who may be blocked for it: the newcomers, but no more than [`BLOCKED`], and none in a flood.
    #[must_use]
    pub fn to_block(&self) -> &[Sighting] {
        let most = if self.members.len() > FLOOD { 0 } else { self.newcomers.len().min(BLOCKED) };
        self.newcomers.get(..most).unwrap_or_default()
    }
}

/// Whether an honest crowd would not send it.
const fn counts(probe: &Probe) -> bool {
    match probe.kind {
        Kind::Syn | Kind::Null | Kind::Fin | Kind::Xmas | Kind::SynFin | Kind::Connect | Kind::Udp | Kind::Init => {
            probe.contact.port < FIRST_OF_ONE_CLIENT
        }
        Kind::Ack | Kind::Maimon | Kind::Echo | Kind::Protocol | Kind::Hidden => false,
    }
}

/// What was asked for; the destination is the crowd's.
const fn place(sighting: &Sighting) -> (Protocol, u16) {
    (sighting.probe.contact.protocol, sighting.probe.contact.port)
}
