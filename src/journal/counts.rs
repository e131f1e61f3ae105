//! Counts of blocks: which ports, sources and networks, and when. Blocks that `observe` only would have made count as well.

use rusqlite::{Connection, named_params};

use super::row::{Range, count, number, to_wall, wall};
use super::{JournalError, Reader};
use crate::event::{Wall, plain};

/// What blocks are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// The port of the probe that decided, with its protocol.
    Port,
    /// Who was blocked.
    Source,
    /// The /24 or /48 that it is in.
    Network,
}

/// One line of a table of counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// A port as `111/tcp`, a source, or a network.
    pub what: String,
    /// So many blocks.
    pub blocks: u64,
    /// Of so many sources.
    pub sources: u64,
    /// The last of them.
    pub last: Wall,
}

/// The networks that providers give to one customer.
const NETWORK_V4: u8 = 24;
const NETWORK_V6: u8 = 48;

const BLOCKS: &str = "FROM events WHERE kind IN ('blocked', 'would_block') AND at >= :since AND at < :until";

impl Reader {
    /// The `n` most frequent between `since` and `until`; of equals, the one that was last.
    pub fn top(&self, (since, until): (Wall, Wall), by: By, n: u32) -> Result<Vec<Top>, JournalError> {
        top(&self.database, (since, until), by, n).map_err(JournalError::database("read", &self.file))
    }

    /// Blocks between `since` and `until`, in `slots` parts of that time.
    pub fn per_slot(&self, (since, until): (Wall, Wall), slots: u32) -> Result<Vec<u64>, JournalError> {
        per_slot(&self.database, (since, until), slots).map_err(JournalError::database("read", &self.file))
    }
}

fn top(database: &Connection, (since, until): (Wall, Wall), by: By, n: u32) -> rusqlite::Result<Vec<Top>> {
    // Two columns, whatever they are: what is counted by, and what goes with it.
    let columns = match by {
        By::Port => "port AS a, protocol AS b",
        By::Source => "source AS a, prefix AS b",
        // An IPv4 address is mapped: of its 16 octets the first 12 say so.
        By::Network => {
            "CASE WHEN substr(source, 1, 12) = x'00000000000000000000ffff' THEN substr(source, 1, 15) \
             ELSE substr(source, 1, 6) END AS a, 0 AS b"
        }
    };
    let sql = format!(
        "SELECT {columns}, count(*) AS blocks, count(DISTINCT source), max(at) AS last {BLOCKS}
         GROUP BY a, b ORDER BY blocks DESC, last DESC, a LIMIT :n"
    );
    let mut statement = database.prepare(&sql)?;
    let period = named_params! {":since": wall(since), ":until": wall(until), ":n": n};
    let rows = statement.query_map(period, |row| {
        let what = match by {
            By::Port => format!("{}/{}", row.get::<_, u16>(0)?, row.get::<_, String>(1)?),
            By::Source => plain(&Range::of(row, 0)?.network()),
            By::Network => network(row.get_ref(0)?.as_blob()?),
        };
        Ok(Top { what, blocks: count(row.get(2)?), sources: count(row.get(3)?), last: to_wall(row.get(4)?) })
    })?;
    rows.collect()
}

/// The network whose address begins with these octets.
fn network(begin: &[u8]) -> String {
    let mut octets = [0; 16];
    for (to, from) in octets.iter_mut().zip(begin) {
        *to = *from;
    }
    let length = if begin.len() > 6 { NETWORK_V4.saturating_add(96) } else { NETWORK_V6 };
    Range::new(u128::from_be_bytes(octets), length).network().to_string()
}

fn per_slot(database: &Connection, (since, until): (Wall, Wall), slots: u32) -> rusqlite::Result<Vec<u64>> {
    let length = usize::try_from(slots.max(1)).unwrap_or(1);
    let span = age(since, until).max(1);
    let sql = format!("SELECT (at - :since) * :slots / :span AS slot, count(*) {BLOCKS} GROUP BY slot");
    let mut statement = database.prepare(&sql)?;
    let mut rows = statement.query(named_params! {
        ":since": wall(since), ":until": wall(until), ":slots": slots.max(1), ":span": span,
    })?;
    let mut found = vec![0_u64; length];
    while let Some(row) = rows.next()? {
        let slot = usize::try_from(row.get::<_, i64>(0)?).ok().and_then(|slot| found.get_mut(slot));
        if let Some(slot) = slot {
            *slot = count(row.get(1)?);
        }
    }
    Ok(found)
}

fn age(since: Wall, until: Wall) -> i64 {
    number(until.millis().saturating_sub(since.millis()))
}
