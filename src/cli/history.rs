//! `nftrap history`: what the journal holds, as a table for people or as JSON lines. Needs no daemon, only the right to read the file.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use ipnet::IpNet;

use super::ask::{self, Instance};
use super::replay::prefix;
use super::when::{When, when};
use crate::control::wire::{Request, Status};
use crate::event::{Event, What};
use crate::journal::{Filter, JournalError, Reader, Sequence, Told};
use crate::kernel::clock::{self, Clock};
use crate::time::Moment;

mod show;

pub(super) use show::row;

/// Rows of a table that somebody reads.
const ROWS: u64 = 50;
/// Who waits for longer wants to know how far it is.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// From then on: 90m, 12h, 7d (ago), or a time in UTC, 2026-11-24 or 2026-11-24T05:55:21Z.
    #[arg(long, value_name = "TIME", value_parser = when)]
    since: Option<When>,
    /// Before then.
    #[arg(long, value_name = "TIME", value_parser = when)]
    until: Option<When>,
    /// About this address or network, or one that holds it or lies in it.
    #[arg(long, value_name = "ADDR|PREFIX", value_parser = prefix)]
    source: Option<IpNet>,
    /// Events of these kinds only. Commas between them, or once for each.
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = PossibleValuesParser::new(What::NAMES))]
    kind: Vec<String>,
    /// So many at most [default: 50 in a table, all as JSON].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// The earliest first.
    #[arg(long)]
    oldest_first: bool,
    /// One JSON object a line for each event.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Which journal.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The journal's file [default: that of the nftrap that runs here, or TABLE.db in /var/lib/nftrap].
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "table"])]
    journal: Option<PathBuf>,
    #[command(flatten)]
    instance: Instance,
}

/// The file that is named; or the one of the daemon that runs; or the one that it would have, if it would keep one.
fn journal_file(place: &Place) -> Result<Option<PathBuf>, String> {
    if let Some(file) = &place.journal {
        return Ok(Some(file.clone()));
    }
    let config = place.instance.config()?;
    let asked = ask::one(&config.table, &Request::Status).and_then(|part| ask::read::<Status>(&part));
    match asked {
        Ok(status) => Ok(status.journal.map(|journal| journal.file.into())),
        Err(_) => Ok(config.journal_file()),
    }
}

/// Opens the journal; else says why it cannot.
pub(super) fn open(place: &Place) -> Result<Reader, ExitCode> {
    let file = journal_file(place).map_err(|problem| super::complain(&problem))?;
    let file = file.ok_or_else(|| {
        super::complain("no journal is kept: set `file` in section [journal] of the config, and restart nftrap")
    })?;
    Reader::open(&file).map_err(|error| super::complain(&error.to_string()))
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let reader = match open(&arguments.place) {
        Ok(reader) => reader,
        Err(status) => return status,
    };
    let mut telling = Telling::new(arguments.json);
    let filter = filter(arguments);
    let read = reader.history(&filter, |event| telling.tell(&event));
    let written = telling.finish();
    answer(arguments, &filter, read, written)
}

fn filter(arguments: &Arguments) -> Filter {
    let now = clock::wall();
    Filter {
        since: arguments.since.map(|since| since.at(now)),
        until: arguments.until.map(|until| until.at(now)),
        source: arguments.source,
        kinds: arguments.kind.clone(),
        limit: arguments.limit.or(if arguments.json { None } else { Some(ROWS) }),
        sequence: if arguments.oldest_first { Sequence::OldestFirst } else { Sequence::NewestFirst },
    }
}

#[expect(clippy::print_stderr, reason = "a command talks to who calls it")]
fn answer(
    arguments: &Arguments,
    filter: &Filter,
    read: Result<Told, JournalError>,
    written: io::Result<()>,
) -> ExitCode {
    match written {
        // Who reads the output has seen enough of it.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Err(error) => return super::complain(&format!("the events could not be written: {error}")),
        Ok(()) => {}
    }
    match read {
        Err(error) => super::complain(&error.to_string()),
        Ok(Told { unreadable, .. }) if unreadable > 0 => super::complain(&format!(
            "{unreadable} rows of the journal hold no event that this nftrap knows: a later one wrote them, or they are damaged"
        )),
        Ok(Told { events, .. }) => {
            if arguments.limit.is_none() && filter.limit == Some(events) {
                eprintln!("these are {events}; --limit shows more, --since and --source say which");
            }
            if events == 0 && !arguments.json {
                eprintln!("no such events");
            }
            ExitCode::SUCCESS
        }
    }
}

/// Writes events as they come.
struct Telling {
    out: BufWriter<io::StdoutLock<'static>>,
    json: bool,
    written: io::Result<()>,
    events: u64,
    clock: Clock,
    /// When progress is shown next; never, where it would be among the events.
    next: Option<Moment>,
}

impl Telling {
    fn new(json: bool) -> Self {
        let clock = Clock::start();
        let waits = stderr().is_terminal() && !stdout().is_terminal();
        let next = waits.then(|| clock.now().plus(PATIENCE));
        Self { out: BufWriter::new(stdout().lock()), json, written: Ok(()), events: 0, clock, next }
    }

    fn tell(&mut self, event: &Event) -> ControlFlow<()> {
        let is_first = self.events == 0;
        self.events = self.events.saturating_add(1);
        self.show_progress();
        self.written = if self.json { show::json(&mut self.out, event) } else { row(&mut self.out, event, is_first) };
        if self.written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    #[expect(clippy::print_stderr, reason = "progress is for who waits at the terminal")]
    fn show_progress(&mut self) {
        let now = self.clock.now();
        if self.next.is_some_and(|next| next <= now) {
            self.next = Some(now.plus(PATIENCE));
            eprint!("\r\x1b[K{} events", self.events);
        }
    }

    #[expect(clippy::print_stderr, reason = "progress is for who waits at the terminal")]
    fn finish(mut self) -> io::Result<()> {
        if self.next.is_some() {
            eprint!("\r\x1b[K");
        }
        self.written.and_then(|()| self.out.flush())
    }
}
