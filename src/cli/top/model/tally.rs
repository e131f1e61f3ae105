//! What was seen since the screen opened, or was last reset. **Bounded:** so many sources and ports, so many distinct ones of each;
//! past this the one that has been silent longest is forgotten.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;

use ipnet::IpNet;
use lru::LruCache;

use super::rows::{BlockRow, Cause, PortRow, Rows, Service, SourceRow, State};
use crate::detect::source::Source;
use crate::event::{Asked, Offence, Wall};
use crate::time::Moment;

/// Sources; nobody scrolls past this, and with all they hold they take some 10 MB.
pub(super) const SOURCES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
/// Ports; some 5 MB likewise.
pub(super) const PORTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
/// Distinct ports of a source, and sources of a port, that are told apart.
pub(in super::super) const DISTINCT: usize = 64;
/// Latest blocks.
pub(super) const BLOCKS: usize = 256;

/// What was seen.
#[derive(Debug)]
pub(super) struct Tally {
    sources: LruCache<Source, OfSource>,
    ports: LruCache<Service, OfPort>,
    blocks: VecDeque<BlockRow>,
    next: u64,
}

#[derive(Debug)]
struct OfSource {
    contacts: u64,
    ports: HashSet<Service>,
    last: Option<Service>,
    state: State,
    seen: Moment,
}

#[derive(Debug, Default)]
struct OfPort {
    contacts: u64,
    sources: HashSet<Source>,
    seen: Moment,
}

impl Default for Tally {
    fn default() -> Self {
        Self { sources: LruCache::new(SOURCES), ports: LruCache::new(PORTS), blocks: VecDeque::new(), next: 0 }
    }
}

impl Tally {
    /// One contact more.
    pub(super) fn contact(&mut self, now: Moment, source: Source, asked: &Asked) {
        let service = (asked.protocol, asked.port);
        let of = self.source(now, source);
        of.contacts = of.contacts.saturating_add(1);
        of.last = Some(service);
        of.state = State::Watched;
        keep(&mut of.ports, service);
        let of = self.ports.get_or_insert_mut(service, OfPort::default);
        of.contacts = of.contacts.saturating_add(1);
        of.seen = now;
        keep(&mut of.sources, source);
    }

    /// A contact that was one too many: the daemon tells of it as a block only.
    pub(super) fn offence(&mut self, now: Moment, at: Wall, offence: &Offence, state: State) {
        self.contact(now, offence.source, &offence.probe);
        self.stand(now, offence.source, state);
        self.block(at, offence.source.into(), Cause::Contacts(offence.hits, offence.probe), state);
    }

    /// How `source` stands from now on.
    pub(super) fn stand(&mut self, now: Moment, source: Source, state: State) {
        self.source(now, source).state = state;
    }

    /// One block more; the oldest goes, if there are too many.
    pub(super) fn block(&mut self, at: Wall, who: IpNet, cause: Cause, state: State) {
        if self.blocks.len() >= BLOCKS {
            self.blocks.pop_front();
        }
        self.blocks.push_back(BlockRow { number: self.next, at, who, cause, state });
        self.next = self.next.saturating_add(1);
    }

    /// How all sources in `prefix` stand from now on that stand as `of` wants; likewise the blocks that lie in it.
    pub(super) fn change(&mut self, prefix: Option<IpNet>, to: State, of: fn(State) -> bool) {
        let concerns = |who: IpNet| prefix.is_none_or(|prefix| prefix.contains(&who));
        for (source, row) in &mut self.sources {
            if of(row.state) && concerns((*source).into()) {
                row.state = to;
            }
        }
        for row in &mut self.blocks {
            if of(row.state) && concerns(row.who) {
                row.state = to;
            }
        }
    }

    /// As the tables show it, in no order.
    pub(super) fn rows(&self) -> Rows {
        let source = |(source, of): (&Source, &OfSource)| SourceRow {
            source: *source,
            contacts: of.contacts,
            ports: of.ports.len(),
            last: of.last,
            state: of.state,
            seen: of.seen,
        };
        let port = |(service, of): (&Service, &OfPort)| PortRow {
            service: *service,
            contacts: of.contacts,
            sources: of.sources.len(),
            seen: of.seen,
        };
        Rows {
            sources: self.sources.iter().map(source).collect(),
            ports: self.ports.iter().map(port).collect(),
            blocks: self.blocks.iter().copied().collect(),
        }
    }

    fn source(&mut self, now: Moment, source: Source) -> &mut OfSource {
        let of = self.sources.get_or_insert_mut(source, || OfSource {
            contacts: 0,
            ports: HashSet::new(),
            last: None,
            state: State::Watched,
            seen: now,
        });
        of.seen = now;
        of
    }
}

fn keep<T: Eq + std::hash::Hash>(set: &mut HashSet<T>, one: T) {
    if set.len() < DISTINCT {
        set.insert(one);
    }
}
