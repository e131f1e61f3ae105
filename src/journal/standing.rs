//! What is blocked now, and how often sources were: what a daemon that starts must know.

use std::collections::BTreeMap;

use ipnet::IpNet;
use rusqlite::{Connection, Row, named_params};

use super::lifted::{Ending, HERE, Lifted, Mark};
use super::row::{Range, Readable, count, number, to_wall, wall};
use super::{Home, Journal, JournalError};
use crate::detect::source::Source;
use crate::event::{Event, Operator, Wall, What};

/// Blocks in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Offenders, each once.
    pub sources: Vec<StandingSource>,
    /// What operators had blocked, each prefix once.
    pub prefixes: Vec<StandingPrefix>,
    /// So many rows could be part of this, and hold nothing that can be read.
    pub unreadable: u64,
}

/// A blocked source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingSource {
    /// Who.
    pub source: Source,
    /// When it was blocked.
    pub at: Wall,
    /// When the block ends, on the clock as it is set now: never later than the time it was set for, from now.
    pub until: Wall,
    /// How often it was blocked then, with that time.
    pub repeat: u32,
}

/// What an operator had blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingPrefix {
    /// Whom.
    pub prefix: IpNet,
    /// Since when.
    pub at: Wall,
    /// Until when, as for a source; without it, until somebody unblocks it.
    pub until: Option<Wall>,
    /// What the operator said of it.
    pub reason: String,
    /// Who asked.
    pub by: Operator,
}

impl Journal {
    /// The blocks that have not ended at `now`, and that nobody ended early: of sources `limit` at most, those that end last.
    pub fn standing(&self, now: Wall, limit: usize) -> Result<Standing, JournalError> {
        let failed = JournalError::database("read", &self.settings.file);
        let clock = Now { wall: now, age: self.age.peek(now) };
        let mut standing = sources(&self.database, &self.home, clock, limit).map_err(&failed)?;
        let prefixes = prefixes(&self.database, &self.home, clock).map_err(&failed)?;
        standing.prefixes = prefixes.found.into_values().map(|(_, prefix)| prefix).collect();
        standing.unreadable = standing.unreadable.saturating_add(prefixes.unreadable);
        Ok(standing)
    }

    /// How often each source was blocked in a row, as its last block since `since` says, and when that ends or ended. Whom somebody
    /// unblocked begins anew. Of `limit` sources at most, those that were blocked last.
    pub fn repeats(&self, since: Wall, limit: usize) -> Result<Vec<(Source, u32, Wall)>, JournalError> {
        let failed = JournalError::database("read", &self.settings.file);
        repeats(&self.database, &self.home, since, limit).map_err(failed)
    }
}

/// One moment on two clocks.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: Wall,
    pub(super) age: u64,
}

impl Now {
    /// A moment of the journal's own clock, on the wall clock as it is set now.
    fn wall_at(self, age: i64) -> Wall {
        self.wall.plus(std::time::Duration::from_millis(count(age).saturating_sub(self.age)))
    }
}

/// By the index of ends, latest first, so that no more is read than is wanted.
fn sources(database: &Connection, home: &Home, now: Now, limit: usize) -> rusqlite::Result<Standing> {
    let lifted = Lifted::read(database, home, Ending::UnblockOrAllow)?;
    let sql = format!(
        "SELECT id, age, source, prefix, at, ends, repeat FROM events INDEXED BY events_ends
         WHERE kind = 'blocked' AND ends > :age AND {HERE} ORDER BY ends DESC, id DESC"
    );
    let mut statement = database.prepare(&sql)?;
    let here = named_params! {":age": number(now.age), ":boot": home.boot(), ":home": home.0.as_str()};
    let mut rows = Readable::of(statement.query(here)?);
    let mut found: BTreeMap<Range, (i64, StandingSource)> = BTreeMap::new();
    while found.len() < limit
        && let Some((range, mark, standing)) = rows.next(|row| standing_source(row, now))?
    {
        // The later word on a source is the one that counts, even if it ends sooner.
        let is_news = found.get(&range).is_none_or(|(id, _)| *id < mark.id);
        if is_news && !lifted.ended(range, mark) {
            found.insert(range, (mark.id, standing));
        }
    }
    let unreadable = lifted.unreadable.saturating_add(rows.unreadable());
    let sources = found.into_values().map(|(_, standing)| standing).collect();
    Ok(Standing { sources, prefixes: Vec::new(), unreadable })
}

fn standing_source(row: &Row<'_>, now: Now) -> rusqlite::Result<(Range, Mark, StandingSource)> {
    let (range, source) = source_of(row, 2)?;
    let (at, until) = (to_wall(row.get(4)?), now.wall_at(row.get(5)?));
    let mark = Mark { id: row.get(0)?, age: row.get(1)? };
    Ok((range, mark, StandingSource { source, at, until, repeat: row.get(6)? }))
}

fn source_of(row: &Row<'_>, column: usize) -> rusqlite::Result<(Range, Source)> {
    let range = Range::of(row, column)?;
    Source::try_from(range.network()).ok().map(|source| (range, source)).ok_or(rusqlite::Error::InvalidQuery)
}

/// Operators' blocks by prefix, each with the row in which it stands.
#[derive(Default)]
pub(super) struct Prefixes {
    pub(super) found: BTreeMap<Range, (i64, StandingPrefix)>,
    unreadable: u64,
}

/// A later word on the same prefix is the one that counts, even if it has ended.
pub(super) fn prefixes(database: &Connection, home: &Home, now: Now) -> rusqlite::Result<Prefixes> {
    let lifted = Lifted::read(database, home, Ending::Unblock)?;
    let sql = format!(
        "SELECT id, source, prefix, ends, detail FROM events WHERE kind = 'operator_blocked' AND {HERE} ORDER BY id"
    );
    let mut statement = database.prepare(&sql)?;
    let mut rows = Readable::of(statement.query(&[(":boot", home.boot()), (":home", home.0.as_str())])?);
    let mut found = BTreeMap::new();
    while let Some((id, range, ends, event)) = rows.next(operators_word)? {
        let Event { at, what: What::OperatorBlocked { prefix, reason, by, .. } } = event else { continue };
        if lifted.last(range) > id || ends.is_some_and(|ends| count(ends) <= now.age) {
            found.remove(&range);
            continue;
        }
        let until = ends.map(|ends| now.wall_at(ends));
        found.insert(range, (id, StandingPrefix { prefix, at, until, reason, by }));
    }
    Ok(Prefixes { found, unreadable: rows.unreadable() })
}

fn operators_word(row: &Row<'_>) -> rusqlite::Result<(i64, Range, Option<i64>, Event)> {
    let event = serde_json::from_str(row.get_ref(4)?.as_str()?).ok().ok_or(rusqlite::Error::InvalidQuery)?;
    Ok((row.get(0)?, Range::of(row, 1)?, row.get(3)?, event))
}

/// Only the first row met of each source is read as a whole: the rest is in the index.
fn repeats(
    database: &Connection,
    home: &Home,
    since: Wall,
    limit: usize,
) -> rusqlite::Result<Vec<(Source, u32, Wall)>> {
    let lifted = Lifted::read(database, home, Ending::Unblock)?;
    let mut statement = database.prepare(
        "SELECT id, source, prefix FROM events INDEXED BY events_kind WHERE kind = 'blocked' AND at >= :since
         ORDER BY at DESC",
    )?;
    let mut whole = database.prepare(&format!("SELECT age, repeat, until FROM events WHERE id = :id AND {HERE}"))?;
    let mut rows = Readable::of(statement.query(named_params! {":since": wall(since)})?);
    let mut found: BTreeMap<Range, (i64, Source, u32, Wall)> = BTreeMap::new();
    while found.len() < limit
        && let Some((id, (range, source))) = rows.next(|row| Ok((row.get::<_, i64>(0)?, source_of(row, 1)?)))?
    {
        // Where the clock was set back, the latest is not the one with the latest time.
        if found.get(&range).is_some_and(|(known, ..)| *known > id) || lifted.last(range) > id {
            continue;
        }
        let here = named_params! {":id": id, ":boot": home.boot(), ":home": home.0.as_str()};
        let mut last = Readable::of(whole.query(here)?);
        let last = last.next(|row| Ok((row.get(0)?, row.get(1)?, to_wall(row.get(2)?))))?;
        let Some((age, repeat, until)) = last else { continue };
        if !lifted.ended(range, Mark { id, age }) {
            found.insert(range, (id, source, repeat, until));
        }
    }
    Ok(found.into_values().map(|(_, source, repeat, until)| (source, repeat, until)).collect())
}
