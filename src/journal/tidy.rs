//! Keeps the file as young and as small as the operator said, in steps that hold nobody up for long. Oldest first; what says who is
//! blocked now stays, and so does the word that ended a block which is still there to be read.

use rusqlite::{Connection, named_params};

use super::row::{count, number, wall};
use super::standing::{Now, prefixes};
use super::{Journal, JournalError, Settings};
use crate::event::Wall;

/// Rows of one step: some tens of milliseconds.
const ROWS: i64 = 2000;
/// Pages given back in one step.
const PAGES: u32 = 512;

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tidied {
    /// So many events went.
    pub deleted: u64,
    /// There is more to do: call again, whenever there is time.
    pub more: bool,
}

/// Which rows may go. `:kept` are the operators' blocks that stand, as a list in JSON. A word that ended a block may go when every
/// block is gone that it could have been said of: without it that block would be back.
const SPENT: &str = "
    NOT (kind = 'blocked' AND ends > :age)
    AND NOT (kind = 'operator_blocked' AND id IN (SELECT value FROM json_each(:kept)))
    AND NOT (kind IN ('unblocked', 'unblocked_all', 'allowed') AND id > :first)";

/// The first row that still may be read as a block in force.
const FIRST: &str = "
    SELECT coalesce(min(id), 9223372036854775807) FROM (
      SELECT min(id) AS id FROM events WHERE kind = 'blocked' AND ends > :age
      UNION ALL
      SELECT min(id) AS id FROM events WHERE kind = 'operator_blocked' AND (ends IS NULL OR ends > :age))";

impl Journal {
    /// One step: some of what is too old, or of the oldest while the file is too large, and some space back to the file system.
    pub fn tidy(&mut self, now: Wall) -> Result<Tidied, JournalError> {
        let failed = JournalError::database("tidy", &self.settings.file);
        let clock = Now { wall: now, age: self.age.peek(now) };
        let prefixes = prefixes(&self.database, &self.home, clock).map_err(&failed)?;
        let kept: Vec<i64> = prefixes.found.into_values().map(|(id, _)| id).collect();
        step(&self.database, &self.settings, clock, &serde_json::json!(kept).to_string()).map_err(&failed)
    }
}

fn step(database: &Connection, settings: &Settings, now: Now, kept: &str) -> rusqlite::Result<Tidied> {
    let first: i64 = database.query_row(FIRST, named_params! {":age": number(now.age)}, |row| row.get(0))?;
    let before = wall(now.wall.minus(settings.keep));
    let size = size(database)?;
    let too_large = size.used > settings.max_bytes;
    // Past its size, the first to come go whatever their age; else the index says at once that none is too old.
    let (before, order) = if too_large { (i64::MAX, "id") } else { (before, "at") };
    let sql = format!(
        "DELETE FROM events WHERE id IN (
           SELECT id FROM events WHERE at < :before AND {SPENT} ORDER BY {order} LIMIT {ROWS})"
    );
    let bounds = named_params! {":before": before, ":age": number(now.age), ":kept": kept, ":first": first};
    let deleted = database.prepare(&sql)?.execute(bounds)?;
    let full_step = i64::try_from(deleted).is_ok_and(|deleted| deleted >= ROWS);
    let more_space = give_back(database, settings)?;
    let more = full_step || (too_large && deleted > 0) || more_space;
    Ok(Tidied { deleted: u64::try_from(deleted).unwrap_or(u64::MAX), more })
}

struct Size {
    /// Octets that hold something.
    used: u64,
    /// Octets of the file.
    whole: u64,
    /// Octets that hold nothing.
    free: u64,
}

fn size(database: &Connection) -> rusqlite::Result<Size> {
    let number = |name| database.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map(count);
    let page = number("page_size")?;
    let (pages, free) = (number("page_count")?, number("freelist_count")?);
    let octets = |pages: u64| pages.saturating_mul(page);
    Ok(Size { used: octets(pages.saturating_sub(free)), whole: octets(pages), free: octets(free) })
}

/// Empty pages are used again, so some may stay; says whether more than those are left.
fn give_back(database: &Connection, settings: &Settings) -> rusqlite::Result<bool> {
    let worth_it = |size: &Size| size.free > 0 && (size.whole > settings.max_bytes || size.free > size.whole / 4);
    if !worth_it(&size(database)?) {
        return Ok(false);
    }
    let mut statement = database.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = statement.query([])?;
    // Each step frees one page.
    while rows.next()?.is_some() {}
    drop(rows);
    drop(statement);
    Ok(worth_it(&size(database)?))
}
