//! The form of the database, and how a connection is set up. What is counted or searched is a column; the whole event is JSON.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::JournalError;

/// "nftr": tells our files from other programs'.
const APPLICATION: i32 = 0x6e66_7472;
/// Each step takes a database one form further; what was released is never changed.
const STEPS: [&str; 1] = [include_str!("schema.sql")];
/// Somebody's long read does not keep a writer waiting, nor the other way round; only another writer does.
const PATIENCE: Duration = Duration::from_secs(5);
/// A log that grew past this in a flood is cut back.
const LOG_BYTES: i64 = 4 * 1024 * 1024;
/// A file of this size is read through in a fraction of a second; damage in a larger one is found when it is met.
const CHECKED_BYTES: u64 = 64 * 1024 * 1024;

/// Opens the file `file` for writing, in the latest form.
pub(super) fn open_to_write(file: &Path) -> Result<Connection, JournalError> {
    let failed = JournalError::database("open", file);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(file, flags).map_err(&failed)?;
    database.busy_timeout(PATIENCE).map_err(&failed)?;
    let form = form(&database, file)?;
    check(&database, file).map_err(&failed)?;
    set_up(&database).map_err(&failed)?;
    upgrade(&mut database, form).map_err(&failed)?;
    Ok(database)
}

/// Opens it for reading. `name` is its path, or a URI of it.
pub(super) fn open_to_read(name: &Path, file: &Path) -> Result<Connection, JournalError> {
    let failed = JournalError::database("open", file);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let database = Connection::open_with_flags(name, flags).map_err(&failed)?;
    database.busy_timeout(PATIENCE).map_err(&failed)?;
    if form(&database, file)? == 0 {
        return Err(JournalError::Foreign { file: file.to_owned() });
    }
    Ok(database)
}

/// The form that it has; 0 is an empty file.
fn form(database: &Connection, file: &Path) -> Result<i32, JournalError> {
    let failed = JournalError::database("open", file);
    let number = |name| database.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(&failed);
    let tables = database.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0));
    let empty = tables.map_err(&failed)? == 0;
    let (application, found) = (number("application_id")?, number("user_version")?);
    let known = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
    match application {
        APPLICATION if found > known => Err(JournalError::Newer { file: file.to_owned(), found, known }),
        APPLICATION if found >= 0 => Ok(found),
        0 if empty && found == 0 => Ok(0),
        _ => Err(JournalError::Foreign { file: file.to_owned() }),
    }
}

/// Looks for damage, where that does not take long.
fn check(database: &Connection, file: &Path) -> rusqlite::Result<()> {
    let size = std::fs::metadata(file).map_or(0, |found| found.len());
    if size > CHECKED_BYTES {
        return Ok(());
    }
    let found: String = database.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(damage(found)) }
}

fn damage(found: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), Some(found))
}

fn set_up(database: &Connection) -> rusqlite::Result<()> {
    // Before the first table is made, or it has no effect.
    database.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = database.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    log::debug!(mode = mode.as_str(); "journal");
    // What was reported as stored survives a power loss.
    database.pragma_update(None, "synchronous", "FULL")?;
    database.query_row(&format!("PRAGMA journal_size_limit = {LOG_BYTES}"), [], |_| Ok(()))
}

fn upgrade(database: &mut Connection, form: i32) -> rusqlite::Result<()> {
    let done = usize::try_from(form).unwrap_or(usize::MAX);
    for (step, reached) in STEPS.iter().zip(1_i32..).skip(done) {
        let transaction = database.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", reached)?;
        transaction.commit()?;
    }
    Ok(())
}
