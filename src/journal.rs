//! The database of events: what was blocked, by whom, and what an operator did about it. One daemon writes a file; anybody who may
//! read it can, at any time.
//!
//! It is no part of a packet's way: [`keeper`] writes behind a channel that nobody waits for. **When it is full**, by age or by size, the
//! oldest events go first, but for those that say what is blocked now.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::event::{Event, Wall};

mod age;
mod counts;
mod error;
mod hand_over;
pub mod keeper;
mod kept;
mod lifted;
mod place;
mod reader;
mod replace;
mod row;
mod schema;
mod standing;
#[cfg(test)]
mod tests;
mod tidy;

use age::Age;
pub use counts::{By, Top};
pub use error::JournalError;
pub use hand_over::{Taken, hand_over, take_back};
pub(crate) use kept::{read_operators, read_ours};
pub(crate) use place::folder;
use place::{Identity, Lock};
pub use reader::{Filter, Reader, Sequence, Told};
pub(crate) use replace::{put, replace, replace_ours};
use row::{Range, count, number, to_wall, wall};
pub use standing::{Standing, StandingPrefix, StandingSource};
pub use tidy::Tidied;

/// Where the journal is and how large it grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The database.
    pub file: PathBuf,
    /// Events older than this go.
    pub keep: Duration,
    /// Past this size the oldest go.
    pub max_bytes: u64,
}

/// Which host this is: `BOOT_ID/NETNS`, a boot of a machine and a network namespace of it. See `kernel/home.rs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(pub String);

impl Home {
    fn boot(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(boot, _)| boot)
    }
}

/// How opening went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opened {
    /// The file was damaged, and is there now; a new one was begun.
    pub set_aside: Option<PathBuf>,
}

/// The journal, open for writing.
pub struct Journal {
    database: Connection,
    settings: Settings,
    home: Home,
    home_id: i64,
    age: Age,
    identity: Identity,
    /// Declared last, so that it is given up when the database is closed.
    lock: Lock,
}

impl Journal {
    /// Opens the journal, and makes it where there is none. A damaged file is moved out of the way, never deleted.
    pub fn open(settings: Settings, home: Home, now: Wall) -> Result<(Self, Opened), JournalError> {
        let lock = place::claim(&settings.file)?;
        match Self::with(&settings, &home) {
            Ok((database, home_id, age)) => {
                let identity = place::identity(&settings.file)?;
                Ok((Self { database, settings, home, home_id, age, identity, lock }, Opened::default()))
            }
            Err(error) if error.is_damage() => Self::anew(settings, home, lock, now),
            Err(error @ JournalError::Foreign { .. }) => {
                place::withdraw(&settings.file, lock);
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Puts a damaged file out of the way and begins a new one, for when damage is met while writing.
    pub fn begin_anew(self, now: Wall) -> Result<(Self, Opened), JournalError> {
        let Self { database, settings, home, lock, .. } = self;
        // It does not close properly either.
        drop(database);
        Self::anew(settings, home, lock, now)
    }

    fn anew(settings: Settings, home: Home, lock: Lock, now: Wall) -> Result<(Self, Opened), JournalError> {
        if let Err(refused) = refuse_stranger(&settings.file) {
            place::withdraw(&settings.file, lock);
            return Err(refused);
        }
        let set_aside = Some(place::set_aside(&settings.file, now)?);
        place::create(&settings.file)?;
        let (database, home_id, age) = Self::with(&settings, &home)?;
        let identity = place::identity(&settings.file)?;
        Ok((Self { database, settings, home, home_id, age, identity, lock }, Opened { set_aside }))
    }

    fn with(settings: &Settings, home: &Home) -> Result<(Connection, i64, Age), JournalError> {
        let database = schema::open_to_write(&settings.file)?;
        let failed = JournalError::database("open", &settings.file);
        let age = last_age(&database).map_err(&failed)?;
        let home_id = home_id(&database, home).map_err(&failed)?;
        Ok((database, home_id, age))
    }

    /// Stores events, all or none. When it returns they are on the disk.
    pub fn append(&mut self, events: &[Event]) -> Result<(), JournalError> {
        // A file without a name takes all that is written, and nobody ever reads it.
        if place::identity(&self.settings.file).ok() != Some(self.identity) {
            return Err(JournalError::Gone { file: self.settings.file.clone() });
        }
        let failed = JournalError::database("write to", &self.settings.file);
        let transaction = self.database.transaction().map_err(&failed)?;
        let mut age = self.age;
        insert(&transaction, events, self.home_id, &mut age).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        self.age = age;
        Ok(())
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.settings.file
    }
}

/// Where the journal's own clock stands.
fn last_age(database: &Connection) -> rusqlite::Result<Age> {
    let last = database.query_row("SELECT age, at FROM events ORDER BY id DESC LIMIT 1", [], |row| {
        Ok(Age::from(count(row.get(0)?), to_wall(row.get(1)?)))
    });
    Ok(last.optional()?.unwrap_or_default())
}

fn home_id(database: &Connection, home: &Home) -> rusqlite::Result<i64> {
    database.execute("INSERT OR IGNORE INTO homes (boot, name) VALUES (?1, ?2)", params![home.boot(), home.0])?;
    database.query_row("SELECT id FROM homes WHERE name = ?1", [&home.0], |row| row.get(0))
}

fn insert(transaction: &Transaction<'_>, events: &[Event], home: i64, age: &mut Age) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare(
        "INSERT INTO events (at, age, home, kind, source, prefix, port, protocol, repeat, until, ends, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    for event in events {
        let Event { at, what } = event;
        let now = age.at(*at);
        let whom = what.whom().map(Range::from);
        let offence = what.offence();
        let until = what.until();
        statement.execute(params![
            wall(*at),
            number(now),
            home,
            what.name(),
            whom.map(Range::first),
            whom.map(Range::length),
            offence.map(|offence| offence.probe.port),
            offence.map(|offence| offence.probe.protocol.to_string()),
            offence.map(|offence| offence.repeat),
            until.map(wall),
            until.map(|until| number(now.saturating_add(age::millis(until.since(*at))))),
            json(event)?,
        ])?;
    }
    Ok(())
}

fn json(event: &Event) -> rusqlite::Result<String> {
    serde_json::to_string(event).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// A damaged file may be no journal at all, but another file that the config names by mistake. Only what is named as a database is
/// moved.
fn refuse_stranger(file: &Path) -> Result<(), JournalError> {
    if file.extension().is_some_and(|extension| extension == "db") {
        return Ok(());
    }
    let problem = "it is damaged, or no database; move it away, or name a file that ends in .db".to_owned();
    Err(JournalError::Place { path: file.to_owned(), problem })
}
