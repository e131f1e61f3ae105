//! Which blocks were ended early: the operators' words, by the prefix that they were said of.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;

use super::row::Range;

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

/// The last word on each prefix, as the row in which it stands.
pub(super) struct Lifted {
    all: i64,
    prefixes: HashMap<Range, i64>,
    lengths: BTreeSet<u8>,
}

impl Lifted {
    pub(super) fn read(database: &Connection, home: &super::Home, ending: Ending) -> rusqlite::Result<Self> {
        let mut lifted = Self { all: 0, prefixes: HashMap::new(), lengths: BTreeSet::new() };
        let kinds = match ending {
            Ending::Unblock => "'unblocked', 'unblocked_all'",
            Ending::UnblockOrAllow => "'unblocked', 'unblocked_all', 'allowed'",
        };
        let sql = format!("SELECT id, kind, source, prefix FROM events WHERE kind IN ({kinds}) AND {HERE} ORDER BY id");
        let mut statement = database.prepare(&sql)?;
        let mut rows = statement.query(&[(":boot", home.boot()), (":home", home.0.as_str())])?;
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            if row.get_ref(1)?.as_str()? == "unblocked_all" {
                lifted.all = id;
            } else {
                let range = Range::of(row, 2)?;
                lifted.lengths.insert(range.length());
                lifted.prefixes.insert(range, id);
            }
        }
        Ok(lifted)
    }

    /// The row of the last word that ended a block of `range`; 0, where there is none.
    pub(super) fn last(&self, range: Range) -> i64 {
        let around = self.lengths.range(..=range.length()).map(|length| range.widened(*length));
        around.filter_map(|prefix| self.prefixes.get(&prefix)).copied().fold(self.all, i64::max)
    }
}
