//! Reads a journal while a daemon writes it, or when none does, with no right but to read the file. Reads in pages, and holds nothing
//! between two: a reader that dawdles (`nftrap history | less`) keeps the writer's log from being cleared otherwise, and the disk fills.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::row::{Range, wall};
use super::{JournalError, place, schema};
use crate::event::{Event, Wall};

/// Rows of the first page, so that the first line is there soon; each page is twice as long, up to the longest.
const FIRST_PAGE: usize = 256;
const LONGEST_PAGE: usize = 8192;

/// A journal, open for reading.
pub struct Reader {
    pub(super) database: Connection,
    pub(super) file: PathBuf,
}

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// From then on.
    pub since: Option<Wall>,
    /// Before then.
    pub until: Option<Wall>,
    /// About an address or network, or one that holds it or lies in it.
    pub source: Option<IpNet>,
    /// By their names, as in `What::NAMES`; all, where there are none.
    pub kinds: Vec<String>,
    /// So many at most.
    pub limit: Option<u64>,
    /// Which come first.
    pub sequence: Sequence,
}

/// Which events come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sequence {
    /// The latest.
    #[default]
    NewestFirst,
    /// The earliest.
    OldestFirst,
}

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// So many events were told.
    pub events: u64,
    /// So many rows hold no event that this nftrap knows.
    pub unreadable: u64,
}

impl Reader {
    /// Opens the journal `file`.
    pub fn open(file: &Path) -> Result<Self, JournalError> {
        refuse_unreadable(file)?;
        let database = match schema::open_to_read(&uri(file, ""), file) {
            // Without the right to write the folder, the files that the database keeps beside it cannot be made. Where there is no log,
            // the file alone is the whole truth.
            Err(error) if error.is_unopenable() && file.exists() && !has_log(file) => {
                schema::open_to_read(&uri(file, "?immutable=1"), file)
            }
            opened => opened,
        }?;
        Ok(Self { database, file: file.to_owned() })
    }

    /// Tells `tell` of every event that `filter` lets through, one by one, until it breaks off.
    pub fn history(
        &self,
        filter: &Filter,
        mut tell: impl FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Told, JournalError> {
        let failed = JournalError::database("read", &self.file);
        let wanted = filter.source.map(Range::from);
        let limit = filter.limit.unwrap_or(u64::MAX);
        let mut told = Told::default();
        let mut row_by_row = |row: &Row| match serde_json::from_str::<Event>(&row.detail) {
            _ if told.events >= limit => ControlFlow::Break(()),
            Ok(event) if is_about(&event, wanted) => {
                told.events = told.events.saturating_add(1);
                tell(event)
            }
            Ok(_) => ControlFlow::Continue(()),
            Err(_) => {
                told.unreadable = told.unreadable.saturating_add(1);
                ControlFlow::Continue(())
            }
        };
        let (mut length, mut after) = (FIRST_PAGE, None);
        loop {
            let page = self.page(filter, after, length).map_err(&failed)?;
            if page.iter().try_for_each(&mut row_by_row).is_break() || page.len() < length {
                return Ok(told);
            }
            after = page.last().map(|row| row.place);
            length = length.saturating_mul(2).min(LONGEST_PAGE);
        }
    }

    fn page(&self, filter: &Filter, after: Option<Place>, length: usize) -> rusqlite::Result<Vec<Row>> {
        let (sql, values) = query(filter, after, length);
        let mut statement = self.database.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| {
            Ok(Row { place: Place { at: row.get(0)?, id: row.get(1)? }, detail: row.get(2)? })
        })?;
        rows.collect()
    }
}

/// Says what the database would not. Without opening the file: to close it would take away the locks of a daemon that reads its own.
fn refuse_unreadable(file: &Path) -> Result<(), JournalError> {
    match access(file, Access::READ_OK) {
        Ok(()) => Ok(()),
        Err(Errno::NOENT) => Err(JournalError::Missing { file: file.to_owned() }),
        Err(errno) => Err(JournalError::files("read the journal", file, errno.into())),
    }
}

fn is_about(event: &Event, wanted: Option<Range>) -> bool {
    let named = || event.what.whom().into_iter().chain(event.what.among().iter().map(|source| (*source).into()));
    wanted.is_none_or(|wanted| named().any(|named| wanted.overlaps(named.into())))
}

struct Row {
    place: Place,
    detail: String,
}

/// Where a row is among the others.
#[derive(Clone, Copy)]
struct Place {
    at: i64,
    id: i64,
}

fn query(filter: &Filter, after: Option<Place>, length: usize) -> (String, Vec<Value>) {
    let mut sql = String::from("SELECT at, id, detail FROM events WHERE TRUE");
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, more: Vec<Value>| {
        sql.push_str(condition);
        values.extend(more);
    };
    if let Some(since) = filter.since {
        add(" AND at >= ?", vec![wall(since).into()]);
    }
    if let Some(until) = filter.until {
        add(" AND at < ?", vec![wall(until).into()]);
    }
    if !filter.kinds.is_empty() {
        let kinds = filter.kinds.iter().cloned().map(Value::from).collect();
        add(&format!(" AND kind IN ({})", marks(filter.kinds.len())), kinds);
    }
    if let Some(source) = filter.source.map(Range::from) {
        // What lies in it, and what it lies in: that begins with its own address, cut off somewhere.
        let around: Vec<_> = (0..=source.length()).map(|length| source.widened(length)).collect();
        // What names several has none of them in the column; it is rare.
        let condition =
            format!(" AND (source BETWEEN ? AND ? OR source IN ({}) OR kind = 'distributed')", marks(around.len()));
        let mut ends = vec![blob(source.first()), blob(source.last())];
        ends.extend(around.into_iter().map(|range| blob(range.first())));
        add(&condition, ends);
    }
    let (order, comparison) = match filter.sequence {
        Sequence::NewestFirst => ("DESC", "<"),
        Sequence::OldestFirst => ("ASC", ">"),
    };
    if let Some(place) = after {
        add(&format!(" AND (at, id) {comparison} (?, ?)"), vec![place.at.into(), place.id.into()]);
    }
    add(&format!(" ORDER BY at {order}, id {order} LIMIT {length}"), vec![]);
    (sql, values)
}

fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn blob(octets: [u8; 16]) -> Value {
    Value::Blob(octets.to_vec())
}

/// The name of a file as `SQLite` takes it with options.
fn uri(file: &Path, options: &str) -> PathBuf {
    let mut name = String::from(if file.is_absolute() { "file://" } else { "file:" });
    for octet in std::os::unix::ffi::OsStrExt::as_bytes(file.as_os_str()) {
        match octet {
            b'/' | b'.' | b'-' | b'_' => name.push(char::from(*octet)),
            octet if octet.is_ascii_alphanumeric() => name.push(char::from(*octet)),
            octet => name.extend(format!("%{octet:02X}").chars()),
        }
    }
    name.push_str(options);
    name.into()
}

/// Whether something is written that is not in the file itself yet.
fn has_log(file: &Path) -> bool {
    fs::metadata(place::beside(file, "-wal")).is_ok_and(|log| log.len() > 0)
}
