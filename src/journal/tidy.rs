//! Keeps the file as young and as small as the operator said, in steps that hold nobody up for long. Oldest first; what says who is
//! blocked now stays, and so does the word that ended a block which is still there to be read. **Past its size**, blocks in force go as
//! well, for a flood of forged sources is nothing but that: those that end soonest first, and what operators blocked never.

use rusqlite::{Connection, OptionalExtension as _, Statement, named_params};

use super::age::DISORDER;
use super::row::{count, number, wall};
use super::standing::{Now, prefixes};
use super::{Journal, JournalError, Settings, age};
use crate::event::Wall;

/// Rows of one step: some tens of milliseconds.
const ROWS: u64 = 2000;
/// Pages given back in one step.
const PAGES: u32 = 512;
/// A row with its part of the indexes is about half as large; to delete too few is mended by the next step.
const ROW_BYTES: u64 = 1024;
/// Past its size the file is brought below it by this part of it, so that not each event calls for a step.
const MARGIN: u64 = 32;

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tidied {
    /// So many events went.
    pub deleted: u64,
    /// There is more to do: call again, whenever there is time.
    pub more: bool,
    /// The file is still larger than it may be: call again before anything else is stored.
    pub too_large: bool,
}

/// Which rows may go. `:kept` are the operators' blocks that stand, as a list in JSON. A word that ended a block may go when every
/// block is gone that it could have been said of: without it that block would be back.
const SPENT: &str = "
    NOT (kind = 'blocked' AND ends > :age)
    AND NOT (kind = 'operator_blocked' AND id IN (SELECT value FROM json_each(:kept)))
    AND NOT (kind IN ('unblocked', 'unblocked_all', 'allowed') AND (id > :first OR age > :first_age))";

/// The first row that still may be read as a block in force.
const FIRST: &str = "
    SELECT id, age FROM events WHERE id = (SELECT min(id) FROM (
      SELECT min(id) AS id FROM events WHERE kind = 'blocked' AND ends > :age
      UNION ALL
      SELECT min(id) AS id FROM events WHERE kind = 'operator_blocked' AND (ends IS NULL OR ends > :age)))";

/// What is too old: the index says at once if nothing is.
const OLD: &str = "SELECT id FROM events WHERE at < :before AND {SPENT} ORDER BY at LIMIT :rows";

/// The oldest that may go whatever their age. Neither part looks at blocks in force: in a flood there is hardly anything else.
const OLDEST: &str = "
    SELECT id FROM (
      SELECT * FROM (SELECT id FROM events INDEXED BY events_ends WHERE kind = 'blocked' AND ends <= :age
                     ORDER BY ends LIMIT :rows)
      UNION ALL
      SELECT * FROM (SELECT id FROM events WHERE (kind < 'blocked' OR kind > 'blocked') AND {SPENT}
                     ORDER BY at LIMIT :rows))
    ORDER BY id LIMIT :rows";

/// Blocks in force, those first that end soonest, and of those the older.
const STANDING: &str =
    "SELECT id FROM events INDEXED BY events_ends WHERE kind = 'blocked' ORDER BY ends, id LIMIT :rows";

impl Journal {
    /// One step: some of what is too old, or of the oldest while the file is too large, and some space back to the file system.
    pub fn tidy(&mut self, now: Wall) -> Result<Tidied, JournalError> {
        let failed = JournalError::database("tidy", &self.settings.file);
        let clock = Now { wall: now, age: self.age.peek(now) };
        let prefixes = prefixes(&self.database, &self.home, clock).map_err(&failed)?;
        let kept: Vec<i64> = prefixes.found.into_values().map(|(id, _)| id).collect();
        let bounds = Bounds::read(&self.database, &self.settings, clock, &kept).map_err(&failed)?;
        step(&self.database, &self.settings, &bounds).map_err(&failed)
    }

    /// Whether it is larger than it may be, so that it must be tidied before more is stored.
    pub fn is_too_large(&self) -> Result<bool, JournalError> {
        let failed = JournalError::database("read", &self.settings.file);
        Ok(size(&self.database).map_err(failed)?.used > self.settings.max_bytes)
    }
}

/// What may go, and what not.
struct Bounds {
    age: i64,
    before: i64,
    kept: String,
    first: i64,
    first_age: i64,
}

impl Bounds {
    fn read(database: &Connection, settings: &Settings, now: Now, kept: &[i64]) -> rusqlite::Result<Self> {
        let age = number(now.age);
        let first = database.query_row(FIRST, named_params! {":age": age}, |row| Ok((row.get(0)?, row.get(1)?)));
        let (first, first_age): (i64, i64) = first.optional()?.unwrap_or((i64::MAX, i64::MAX));
        // A block may be stored after the word that ended it.
        let first_age = first_age.saturating_sub(number(age::millis(DISORDER)));
        let before = wall(now.wall.minus(settings.keep));
        Ok(Self { age, before, kept: serde_json::json!(kept).to_string(), first, first_age })
    }

    /// Deletes `rows` of the rows that `which` selects.
    fn delete(&self, database: &Connection, which: &str, rows: u64) -> rusqlite::Result<u64> {
        let which = which.replace("{SPENT}", SPENT);
        let mut statement = database.prepare(&format!("DELETE FROM events WHERE id IN ({which})"))?;
        self.bind(&mut statement, rows)?;
        Ok(u64::try_from(statement.raw_execute()?).unwrap_or(u64::MAX))
    }

    /// Each statement has some of these.
    fn bind(&self, statement: &mut Statement<'_>, rows: u64) -> rusqlite::Result<()> {
        let numbers = [
            (":age", self.age),
            (":before", self.before),
            (":first", self.first),
            (":first_age", self.first_age),
            (":rows", number(rows)),
        ];
        for (name, value) in numbers {
            if let Some(index) = statement.parameter_index(name)? {
                statement.raw_bind_parameter(index, value)?;
            }
        }
        if let Some(index) = statement.parameter_index(":kept")? {
            statement.raw_bind_parameter(index, self.kept.as_str())?;
        }
        Ok(())
    }
}

fn step(database: &Connection, settings: &Settings, bounds: &Bounds) -> rusqlite::Result<Tidied> {
    let too_large = |size: &Size| size.used > settings.max_bytes;
    let before = size(database)?;
    let deleted = if too_large(&before) {
        let goal = settings.max_bytes.saturating_sub(settings.max_bytes / MARGIN);
        let rows = (before.used.saturating_sub(goal) / ROW_BYTES).saturating_add(1).min(ROWS);
        match bounds.delete(database, OLDEST, rows)? {
            0 => bounds.delete(database, STANDING, rows)?,
            deleted => deleted,
        }
    } else {
        bounds.delete(database, OLD, ROWS)?
    };
    let more_space = give_back(database, settings)?;
    // Where operators' blocks alone are too large, there is nothing to be done.
    let too_large = deleted > 0 && too_large(&size(database)?);
    Ok(Tidied { deleted, more: too_large || deleted >= ROWS || more_space, too_large })
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
