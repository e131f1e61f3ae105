//! What sources did lately, to be shown when somebody asks why. **Bounded:** so many sources, so many contacts each; past this the source
//! that has been silent longest is forgotten. Nothing is decided by it: a flood of forged sources costs explanations, no blocks.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::detect::source::Source;
use crate::event::Seen;

/// Sources; some 5 MB if all have as much as can be kept.
const SOURCES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(8191);
/// Contacts of one; the scan table counts no more.
const CONTACTS: usize = 8;

/// What sources did lately.
#[derive(Debug)]
pub struct Evidence(Mutex<LruCache<Source, VecDeque<Seen>>>);

impl Default for Evidence {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(SOURCES)))
    }
}

impl Evidence {
    /// Notes one more contact; the oldest goes, if there are too many.
    pub fn note(&self, source: Source, seen: Seen) {
        let mut sources = self.locked();
        let contacts = sources.get_or_insert_mut(source, VecDeque::new);
        contacts.retain(|known| known.probe != seen.probe);
        if contacts.len() >= CONTACTS {
            contacts.pop_front();
        }
        contacts.push_back(seen);
        drop(sources);
    }

    /// What `source` did, oldest first.
    #[must_use]
    pub fn of(&self, source: Source) -> Vec<Seen> {
        self.locked().peek(&source).into_iter().flatten().copied().collect()
    }

    /// Forgets what `source` did.
    pub fn forget(&self, source: Source) {
        self.locked().pop(&source);
    }

    /// Forgets what all did.
    pub fn forget_all(&self) {
        self.locked().clear();
    }

    fn locked(&self) -> MutexGuard<'_, LruCache<Source, VecDeque<Seen>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::probe::{Kind, Protocol};
    use crate::event::{Asked, Wall};

    fn source(n: u32) -> Source {
        Source::host(std::net::Ipv4Addr::from_bits(n).into())
    }

    fn seen(port: u16, at: u64) -> Seen {
        let destination = [192, 0, 2, 1].into();
        let probe = Asked { port, protocol: Protocol::Tcp, kind: Kind::Syn, destination };
        Seen { at: Wall::from_millis(at), probe }
    }

    #[test]
    fn the_latest_contacts_of_each_source_are_kept_once_each() {
        let evidence = Evidence::default();
        for port in (1..=9).chain([5]) {
            evidence.note(source(1), seen(port, u64::from(port)));
        }
        let ports: Vec<_> = evidence.of(source(1)).iter().map(|seen| seen.probe.port).collect();
        assert_eq!(ports, [2, 3, 4, 6, 7, 8, 9, 5]);
        assert_eq!(evidence.of(source(2)), []);
        evidence.forget(source(1));
        assert_eq!(evidence.of(source(1)), []);
    }

    #[test]
    fn a_flood_of_sources_forgets_the_silent_ones() {
        let evidence = Evidence::default();
        for n in 0..20_000 {
            evidence.note(source(n), seen(1, 1));
            evidence.note(source(7), seen(1, 1)); // stays busy
        }
        assert_eq!(evidence.locked().len(), SOURCES.get());
        assert_eq!((evidence.of(source(7)).len(), evidence.of(source(8)).len()), (1, 0));
        evidence.forget_all();
        assert_eq!(evidence.locked().len(), 0);
    }
}
