//! Which blocks were ended early: the operators' words, by the prefix that they were said of.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, Row};

use super::row::{Range, Readable};

/// Only what happened here counts, where the machine has not been started since: another network namespace is another host.
/// After a start the namespaces are new, and the file is what we have. Parameters: this boot, this home.
pub(super) const HERE: &str = "home IN (SELECT id FROM homes WHERE boot <> :boot OR name = :home)";

/// What ends blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// `unblock` alone: it forgives.
    Unblock,
    /// Being allowed, too: it ends a source's block.
    UnblockOrAllow,
}

/// Where something stands: its row, and when that was, on the journal's own clock. What several threads tell comes a little out of order,
/// so that neither alone says what was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) id: i64,
    pub(super) age: i64,
}

impl Mark {
    fn latest(self, other: Self) -> Self {
        Self { id: self.id.max(other.id), age: self.age.max(other.age) }
    }
}

/// The last word on each prefix.
pub(super) struct Lifted {
    all: Mark,
    prefixes: HashMap<Range, Mark>,
    lengths: BTreeSet<u8>,
    /// So many rows say nothing that could be read.
    pub(super) unreadable: u64,
}

/// One word: said of a prefix, or of all.
struct Word {
    mark: Mark,
    whom: Option<Range>,
}

impl Lifted {
    pub(super) fn read(database: &Connection, home: &super::Home, ending: Ending) -> rusqlite::Result<Self> {
        let kinds = match ending {
            Ending::Unblock => "'unblocked', 'unblocked_all'",
            Ending::UnblockOrAllow => "'unblocked', 'unblocked_all', 'allowed'",
        };
        let sql = format!("SELECT id, age, kind, source, prefix FROM events WHERE kind IN ({kinds}) AND {HERE}");
        let mut statement = database.prepare(&sql)?;
        let mut rows = Readable::of(statement.query(&[(":boot", home.boot()), (":home", home.0.as_str())])?);
        let (mut all, mut prefixes, mut lengths) = (Mark::default(), HashMap::<_, Mark>::new(), BTreeSet::new());
        while let Some(Word { mark, whom }) = rows.next(word)? {
            if let Some(range) = whom {
                lengths.insert(range.length());
                let known = prefixes.entry(range).or_default();
                *known = known.latest(mark);
            } else {
                all = all.latest(mark);
            }
        }
        Ok(Self { all, prefixes, lengths, unreadable: rows.unreadable() })
    }

    /// The row of the last word that ended a block of `range`; 0, where there is none.
    pub(super) fn last(&self, range: Range) -> i64 {
        self.mark(range).id
    }

    /// Whether a word ended the block of `range` that stands at `block`: one that was stored later, or that was said later, however late
    /// the block was stored.
    pub(super) fn ended(&self, range: Range, block: Mark) -> bool {
        let last = self.mark(range);
        last.id > block.id || last.age > block.age
    }

    fn mark(&self, range: Range) -> Mark {
        let around = self.lengths.range(..=range.length()).map(|length| range.widened(*length));
        around.filter_map(|prefix| self.prefixes.get(&prefix)).copied().fold(self.all, Mark::latest)
    }
}

fn word(row: &Row<'_>) -> rusqlite::Result<Word> {
    let mark = Mark { id: row.get(0)?, age: row.get(1)? };
    let of_all = row.get_ref(2)?.as_str()? == "unblocked_all";
    Ok(Word { mark, whom: if of_all { None } else { Some(Range::of(row, 3)?) } })
}
