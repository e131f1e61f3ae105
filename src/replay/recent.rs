//! A bounded map. **Who is forgotten first:** what has not been asked for while half the map's size of other keys came along.
//! Pure.
//!
//! Two generations: keys in use are young; when the young are half of the whole, the old ones are dropped and the young
//! grow old. A key that is asked for becomes young again. No list to keep in order, and memory grows only with use.

use std::hash::Hash;
use std::mem;

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// At most so many keys, those lately used.
#[derive(Debug)]
pub struct Recent<K, V> {
    young: HashTable<(K, V)>,
    old: HashTable<(K, V)>,
    hasher: RandomState,
    half: usize,
    forgotten: u64,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Empty, with room for `size` keys: at best 7 times a power of two, for the two hash tables are then as full as they get
    /// before they would double. Strangers choose the keys, so the hasher wants to be keyed.
    #[must_use]
    pub fn new(size: usize, hasher: &RandomState) -> Self {
        Self {
            young: HashTable::new(),
            old: HashTable::new(),
            hasher: hasher.clone(),
            half: size.div_ceil(2).max(1),
            forgotten: 0,
        }
    }

    /// What is kept at `key`, now young; `default` if nothing is.
    pub fn entry(&mut self, key: K, default: impl FnOnce() -> V) -> &mut V {
        if self.young.len() >= self.half {
            self.forgotten = self.forgotten.saturating_add(u64::try_from(self.old.len()).unwrap_or(u64::MAX));
            self.old.clear();
            mem::swap(&mut self.old, &mut self.young);
        }
        // In a flood most keys are in neither map: one hash serves the search in both and the place of the new one.
        let hash = self.hasher.hash_one(&key);
        let Self { young, old, hasher, .. } = self;
        let place = match young.entry(hash, |known| known.0 == key, |known| hasher.hash_one(&known.0)) {
            Entry::Occupied(known) => known,
            Entry::Vacant(free) => {
                let kept = old.find_entry(hash, |known| known.0 == key).map(|known| known.remove().0.1);
                free.insert((key, kept.unwrap_or_else(|_| default())))
            }
        };
        &mut place.into_mut().1
    }

    /// What is kept at `key`, which does not become younger by that.
    #[must_use]
    pub fn peek(&self, key: &K) -> Option<&V> {
        let hash = self.hasher.hash_one(key);
        let maps = [&self.young, &self.old];
        maps.iter().find_map(|map| map.find(hash, |known| known.0 == *key)).map(|known| &known.1)
    }

    /// All that is kept, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.young.iter().chain(self.old.iter()).map(|(key, value)| (key, value))
    }

    /// So many keys were dropped for lack of room.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_its_size_and_drops_what_was_used_longest_ago() {
        let mut map = Recent::new(100, &RandomState::with_seeds(1, 2, 3, 4));
        for key in 0..10_000_u32 {
            *map.entry(key, || 0) = key;
            map.entry(7, || 0); // asked for all the time
            assert!(map.young.len() + map.old.len() <= 100);
        }
        assert_eq!(map.peek(&7), Some(&7));
        assert_eq!(map.peek(&9_999), Some(&9_999));
        assert_eq!(map.peek(&9_000), None);
        assert!(map.forgotten() > 9_000);
    }
}
