//! `nftrap stats`: which ports, sources and networks, and when. Needs no daemon, only the right to read the journal.

use std::process::ExitCode;

use super::history::{Place, open};
use super::when::{When, when};
use crate::event::Wall;
use crate::journal::{By, JournalError, Reader, Top};
use crate::kernel::clock;

mod show;

/// Columns of the chart.
const SLOTS: u32 = 48;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// From then on: 90m, 12h, 7d (ago), or a time in UTC, 2026-11-24 or 2026-11-24T05:55:21Z.
    #[arg(long, value_name = "TIME", value_parser = when, default_value = "1d")]
    since: When,
    /// What blocks are counted by; without it, by each.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// So many of each.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// What was counted.
struct Counts {
    since: Wall,
    until: Wall,
    slots: Vec<u64>,
    tables: Vec<(By, Vec<Top>)>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let reader = match open(&arguments.place) {
        Ok(reader) => reader,
        Err(status) => return status,
    };
    match count(&reader, arguments) {
        Ok(counts) if arguments.json => super::answer(&show::json(&counts)),
        Ok(counts) => super::answer(&show::text(&counts, super::output())),
        Err(error) => super::complain(&error.to_string()),
    }
}

fn count(reader: &Reader, arguments: &Arguments) -> Result<Counts, JournalError> {
    let until = clock::wall();
    let since = arguments.since.at(until).min(until);
    let every = [By::Port, By::Source, By::Network];
    let wanted = every.into_iter().filter(|by| arguments.by.is_none_or(|wanted| wanted == *by));
    let tables = wanted.map(|by| Ok((by, reader.top((since, until), by, arguments.top)?)));
    let tables = tables.collect::<Result<_, JournalError>>()?;
    Ok(Counts { since, until, slots: reader.per_slot((since, until), SLOTS)?, tables })
}
