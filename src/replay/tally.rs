//! What comes out of a replay: who offended, by which probe, how soon. Pure, bounded.

use std::collections::HashMap;

use ahash::RandomState;

use super::recent::Recent;
use crate::detect::probe::Probe;
use crate::detect::source::Source;
use crate::detect::{Decision, Offence};
use crate::time::Moment;

/// Offenders that are listed; those after them are counted. A forged flood makes as many as it likes.
pub const MAX_OFFENDERS: usize = 1 << 17;
/// Sources whose first probe is remembered until they offend. A forgotten one seems to begin anew.
const MAX_SOURCES: usize = 7 << 15;

/// What was found out about sources.
#[derive(Debug)]
pub struct Tally {
    beginnings: Recent<Source, Beginning>,
    offenders: Vec<Offender>,
    places: HashMap<Source, usize, RandomState>,
    unlisted: u64,
    suspicious: u64,
}

/// A source that would have been blocked.
#[derive(Debug, Clone, Copy)]
pub struct Offender {
    /// Who.
    pub source: Source,
    /// When it first did anything suspicious.
    pub first: Moment,
    /// When it was found out.
    pub decided: Moment,
    /// By what.
    pub probe: Probe,
    /// So many distinct contacts counted.
    pub hits: u8,
    /// So many probes it took, the deciding one included.
    pub probes: u64,
    /// So many it sent in all; a live host would have seen fewer.
    pub total: u64,
    /// So many blocks it would have got, one after the other.
    pub blocks: u64,
}

#[derive(Debug, Clone, Copy)]
struct Beginning {
    first: Moment,
    probes: u64,
}

impl Tally {
    /// Nothing yet.
    #[must_use]
    pub fn new(hasher: &RandomState) -> Self {
        Self {
            beginnings: Recent::new(MAX_SOURCES, hasher),
            offenders: Vec::new(),
            places: HashMap::with_hasher(hasher.clone()),
            unlisted: 0,
            suspicious: 0,
        }
    }

    /// Notes what the detector decided about a suspicious packet of `source`.
    pub fn note(&mut self, now: Moment, source: Source, decision: Decision) {
        self.suspicious = self.suspicious.saturating_add(1);
        if let Some(offender) = self.places.get(&source).and_then(|at| self.offenders.get_mut(*at)) {
            offender.total = offender.total.saturating_add(1);
            offender.blocks =
                offender.blocks.saturating_add(u64::from(matches!(decision, Decision::Block(_) | Decision::Report(_))));
            return;
        }
        let begun = self.beginnings.entry(source, || Beginning { first: now, probes: 0 });
        begun.probes = begun.probes.saturating_add(1);
        match decision {
            Decision::Block(offence) | Decision::Report(offence) => {
                let begun = *begun;
                self.list(now, &offence, begun);
            }
            Decision::Innocent | Decision::Watch(_, _) | Decision::StillBlocked => {}
        }
    }

    fn list(&mut self, now: Moment, offence: &Offence, begun: Beginning) {
        if self.offenders.len() >= MAX_OFFENDERS {
            self.unlisted = self.unlisted.saturating_add(1);
            return;
        }
        self.places.insert(offence.source, self.offenders.len());
        self.offenders.push(Offender {
            source: offence.source,
            first: begun.first,
            decided: now,
            probe: offence.probe,
            hits: offence.hits,
            probes: begun.probes,
            total: begun.probes,
            blocks: 1,
        });
    }

    /// Those found out, in that order.
    #[must_use]
    pub fn offenders(&self) -> &[Offender] {
        &self.offenders
    }

    /// So many blocks are not listed for lack of room.
    #[must_use]
    pub const fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// So many packets went to the detector.
    #[must_use]
    pub const fn suspicious(&self) -> u64 {
        self.suspicious
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::detect::Sighting;
    use crate::detect::probe::{Contact, Kind, Protocol};
    use crate::detect::source::Surroundings;
    use crate::detect::table::Novelty;

    fn block(address: &str) -> (Source, Decision) {
        let address = address.parse().unwrap();
        let around =
            Surroundings { ipv6_prefix: 64, on_link: Vec::new(), exempt: crate::detect::prefixes::Prefixes::default() };
        let source = Source::of(address, &around);
        let contact = Contact { destination: address, protocol: Protocol::Tcp, port: 23 };
        let probe = Probe { source: address, contact, kind: Kind::Syn };
        (source, Decision::Block(Offence { source, probe, hits: 4, repeat: 1, until: Moment::ZERO }))
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn an_offender_is_listed_once_with_its_beginning_and_all_that_came_after() {
        let mut tally = Tally::new(&RandomState::with_seeds(1, 2, 3, 4));
        let (source, blocked) = block("192.0.2.1");
        let Decision::Block(offence) = blocked else { panic!("{blocked:?}") };
        let watch = Decision::Watch(Sighting { source, probe: offence.probe }, Novelty::First);
        for (second, decision) in [(5, watch), (6, blocked), (7, Decision::StillBlocked), (900, blocked)] {
            tally.note(at(second), source, decision);
        }
        let [offender] = tally.offenders() else { panic!("{:?}", tally.offenders()) };
        assert_eq!((offender.first, offender.decided), (at(5), at(6)));
        assert_eq!((offender.probes, offender.total, offender.blocks), (2, 4, 2));
        assert_eq!(tally.suspicious(), 4);
    }

    #[test]
    fn more_offenders_than_are_listed_are_counted() {
        let mut tally = Tally::new(&RandomState::with_seeds(1, 2, 3, 4));
        for i in 0..u32::try_from(MAX_OFFENDERS).unwrap().wrapping_add(3) {
            let (source, blocked) = block(&std::net::Ipv4Addr::from_bits(i).to_string());
            tally.note(at(1), source, blocked);
        }
        assert_eq!((tally.offenders().len(), tally.unlisted()), (MAX_OFFENDERS, 3));
    }
}
