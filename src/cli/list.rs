//! `nftrap list`: who is blocked, by whom, for how long. Rows come one by one: a hundred thousand need no memory.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use super::ask::{self, Instance};
use super::held;
use super::plain::{json_line, number, printable, span, time};
use super::table::{Align, Table};
use crate::config::Config;
use crate::control::client::{self, ClientError};
use crate::control::wire::{Block, Request, Status};

/// Say who is blocked, those first whose block ends first.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    instance: Instance,
    /// Only blocks set by nftrap itself, by an operator, or by hand with nft.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// One JSON object a line for each block.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Nftrap,
    Operator,
    Nft,
}

impl By {
    const fn name(self) -> &'static str {
        match self {
            Self::Nftrap => "nftrap",
            Self::Operator => "operator",
            Self::Nft => "nft",
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match arguments.instance.config() {
        Ok(config) => config,
        Err(problem) => return super::complain(&problem),
    };
    if !arguments.json {
        warn_of_observing(&config.table);
    }
    let mut out = super::page();
    let mut list = List::new(&mut out, arguments);
    match client::ask(&config.table, &Request::List, &mut |part| list.part(&part)) {
        Ok(()) => super::written(list.finish()),
        Err(error @ ClientError::NotRunning(_)) => from_the_kernel_alone(list, &config, &error, arguments.by),
        Err(error) => {
            // What came before is true, and may have been waited for. An answer that never began says nothing of who is blocked.
            let (Ok(()) | Err(_)) = if list.rows > 0 { list.finish() } else { Ok(()) };
            super::complain(&ask::problem(&error))
        }
    }
}

/// A list of blocks that are none would deceive. Where this cannot be asked, the list itself says why.
fn warn_of_observing(table: &str) {
    let status = ask::one(table, &Request::Status).and_then(|part| ask::read::<Status>(&part));
    if status.is_ok_and(|status| status.mode == "observe") {
        super::complain("nftrap only observes: none of these is dropped");
    }
}

/// Blocks outlive the daemon.
fn from_the_kernel_alone(
    mut list: List<'_, impl Write>,
    config: &Config,
    error: &ClientError,
    by: Option<By>,
) -> ExitCode {
    let problem = ask::problem(error);
    if by.is_some_and(|by| by != By::Operator) {
        return super::complain(&format!("{problem}; who set a block only the daemon knows: leave out `--by`"));
    }
    match held::blocks(config) {
        Ok(blocks) => {
            super::complain(&format!("{problem}; these blocks are in the kernel, and go on until they end"));
            let mut parts = blocks.iter().map(|block| serde_json::to_value(block).unwrap_or_default());
            let (ControlFlow::Continue(()) | ControlFlow::Break(())) = parts.try_for_each(|part| list.part(&part));
            super::written(list.finish())
        }
        Err(why) => super::complain(&format!("{problem}; {why}")),
    }
}

/// The list on its way out.
struct List<'a, W: Write> {
    form: Form<'a, W>,
    by: Option<By>,
    rows: u64,
    written: io::Result<()>,
}

enum Form<'a, W: Write> {
    Json(&'a mut W),
    Table(Box<Table<'a, W, 7>>),
}

impl<'a, W: Write> List<'a, W> {
    fn new(out: &'a mut W, arguments: &Arguments) -> Self {
        let form = if arguments.json { Form::Json(out) } else { Form::Table(Box::new(Table::new(out, COLUMNS))) };
        Self { form, by: arguments.by, rows: 0, written: Ok(()) }
    }

    /// One part of the daemon's answer; breaks when nobody reads any more.
    fn part(&mut self, part: &Value) -> ControlFlow<()> {
        self.written = match Block::deserialize(part) {
            Ok(block) if self.by.is_none_or(|by| by.name() == block.by) => self.block(&block, part),
            Ok(_) => Ok(()),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("not understood: {error}"))),
        };
        if self.written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// As JSON it is what the daemon said, also where we do not understand all of it.
    fn block(&mut self, block: &Block, part: &Value) -> io::Result<()> {
        self.rows = self.rows.saturating_add(1);
        match &mut self.form {
            Form::Json(out) => writeln!(out, "{}", json_line(part)),
            Form::Table(table) => table.row(row(block)),
        }
    }

    fn finish(self) -> io::Result<()> {
        self.written?;
        match self.form {
            Form::Json(out) => out.flush(),
            Form::Table(table) if self.rows == 0 => writeln!(table.finish()?, "nobody is blocked"),
            Form::Table(table) => table.finish()?.flush(),
        }
    }
}

const COLUMNS: [(&str, Align); 7] = [
    ("source", Align::Left),
    ("by", Align::Left),
    ("left", Align::Right),
    ("until", Align::Left),
    ("packets", Align::Right),
    ("repeat", Align::Right),
    ("reason", Align::Left),
];

fn row(block: &Block) -> [String; 7] {
    let nothing = || "-".to_owned();
    [
        printable(&block.source),
        printable(&block.by),
        block.left.map_or_else(|| "for ever".to_owned(), |left| span(Duration::from_secs(left))),
        block.until.as_deref().map_or_else(nothing, time),
        block.packets.map_or_else(nothing, number),
        block.repeat.map_or_else(nothing, |repeat| repeat.to_string()),
        block.reason.as_deref().map(printable).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests;
