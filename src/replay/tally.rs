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
const MAX_SOURCES: usize = 1 << 18;

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
            offender.blocks = offender.blocks.saturating_add(u64::from(matches!(decision, Decision::Block(_))));
            return;
        }
        let begun = self.beginnings.entry(source, || Beginning { first: now, probes: 0 });
        begun.probes = begun.probes.saturating_add(1);
        match decision {
            Decision::Block(offence) => {
                let begun = *begun;
                self.list(now, &offence, begun);
            }
            Decision::Innocent | Decision::Watch | Decision::StillBlocked => {}
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
