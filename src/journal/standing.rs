//! What is blocked now, and how often sources were: what a daemon that starts must know.

use std::collections::BTreeMap;

use ipnet::IpNet;
use rusqlite::{Connection, named_params};

use super::lifted::{Ending, HERE, Lifted};
use super::row::{Range, count, number, to_wall, wall};
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
    /// The blocks that have not ended at `now`, and that nobody ended early.
    pub fn standing(&self, now: Wall) -> Result<Standing, JournalError> {
        let failed = JournalError::database("read", &self.settings.file);
        let clock = Now { wall: now, age: self.age.peek(now) };
        let sources = sources(&self.database, &self.home, clock).map_err(&failed)?;
        let prefixes = prefixes(&self.database, &self.home, clock).map_err(&failed)?;
        Ok(Standing { sources, prefixes: prefixes.into_iter().map(|(_, prefix)| prefix).collect() })
    }

    /// How often each source was blocked since `since`, or since somebody unblocked it, and when its last block ends or ended. As many as
    /// the file holds: its size bounds them.
    pub fn repeats(&self, since: Wall) -> Result<Vec<(Source, u32, Wall)>, JournalError> {
        repeats(&self.database, &self.home, since).map_err(JournalError::database("read", &self.settings.file))
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

fn sources(database: &Connection, home: &Home, now: Now) -> rusqlite::Result<Vec<StandingSource>> {
    let lifted = Lifted::read(database, home, Ending::UnblockOrAllow)?;
    let sql = format!(
        "SELECT id, source, prefix, at, ends, repeat FROM events WHERE kind = 'blocked' AND ends > :age AND {HERE} ORDER BY id"
    );
    let mut statement = database.prepare(&sql)?;
    let mut rows =
        statement.query(named_params! {":age": number(now.age), ":boot": home.boot(), ":home": home.0.as_str()})?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let range = Range::of(row, 1)?;
        let Ok(source) = Source::try_from(range.network()) else { continue };
        if lifted.last(range) > row.get(0)? {
            continue;
        }
        let (at, until) = (to_wall(row.get(3)?), now.wall_at(row.get(4)?));
        found.insert(range, StandingSource { source, at, until, repeat: row.get(5)? });
    }
    Ok(found.into_values().collect())
}

/// With the row in which each stands. A later word on the same prefix is the one that counts, even if it has ended.
pub(super) fn prefixes(database: &Connection, home: &Home, now: Now) -> rusqlite::Result<Vec<(i64, StandingPrefix)>> {
    let lifted = Lifted::read(database, home, Ending::Unblock)?;
    let sql = format!(
        "SELECT id, source, prefix, ends, detail FROM events WHERE kind = 'operator_blocked' AND {HERE} ORDER BY id"
    );
    let mut statement = database.prepare(&sql)?;
    let mut rows = statement.query(&[(":boot", home.boot()), (":home", home.0.as_str())])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (id, range, ends) = (row.get::<_, i64>(0)?, Range::of(row, 1)?, row.get::<_, Option<i64>>(3)?);
        if lifted.last(range) > id || ends.is_some_and(|ends| count(ends) <= now.age) {
            found.remove(&range);
            continue;
        }
        let Ok(Event { at, what: What::OperatorBlocked { prefix, reason, by, .. } }) =
            serde_json::from_str(row.get_ref(4)?.as_str()?)
        else {
            continue;
        };
        let until = ends.map(|ends| now.wall_at(ends));
        found.insert(range, (id, StandingPrefix { prefix, at, until, reason, by }));
    }
    Ok(found.into_values().collect())
}

fn repeats(database: &Connection, home: &Home, since: Wall) -> rusqlite::Result<Vec<(Source, u32, Wall)>> {
    let lifted = Lifted::read(database, home, Ending::Unblock)?;
    let sql = format!(
        "SELECT id, source, prefix, until FROM events WHERE kind = 'blocked' AND at >= :since AND {HERE} ORDER BY id"
    );
    let mut statement = database.prepare(&sql)?;
    let mut rows =
        statement.query(named_params! {":since": wall(since), ":boot": home.boot(), ":home": home.0.as_str()})?;
    let mut found: BTreeMap<Range, (u32, i64)> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let range = Range::of(row, 1)?;
        if lifted.last(range) > row.get(0)? {
            continue;
        }
        let (times, until) = found.entry(range).or_default();
        *times = times.saturating_add(1);
        *until = row.get(3)?;
    }
    let source = |(range, (times, until)): (Range, _)| Some((range.network().try_into().ok()?, times, to_wall(until)));
    Ok(found.into_iter().filter_map(source).collect())
}
