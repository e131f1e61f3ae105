//! `nftrap list`: who is blocked, by whom, for how long. Rows come one by one: a hundred thousand need no memory.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::ask::{self, Instance};
use super::plain::{json_line, number, printable, span, time};
use super::table::{Align, Table};
use crate::config::Config;
use crate::control::client::{self, ClientError};
use crate::control::wire::{Block, Request};
use crate::kernel::clock;
use crate::kernel::dump::{self, DumpError, Element};

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

/// Who set a block that only the kernel still knows.
const NOBODY_KNOWS: &str = "-";

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match arguments.instance.config() {
        Ok(config) => config,
        Err(problem) => return super::complain(&problem),
    };
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

/// Blocks outlive the daemon.
fn from_the_kernel_alone(
    mut list: List<'_, impl Write>,
    config: &Config,
    error: &ClientError,
    by: Option<By>,
) -> ExitCode {
    let problem = ask::problem(error);
    if by.is_some() {
        return super::complain(&format!("{problem}; who set a block only the daemon knows: leave out `--by`"));
    }
    match from_kernel(config) {
        Ok(blocks) => {
            super::complain(&format!("{problem}; these blocks are in the kernel, and go on until they end"));
            super::written(blocks.iter().try_for_each(|block| list.block(block)).and_then(|()| list.finish()))
        }
        Err(why) => super::complain(&format!("{problem}; nor can the kernel's set be read: {why}")),
    }
}

/// The blocks that the kernel has, those first that end first.
pub(super) fn from_kernel(config: &Config) -> Result<Vec<Block>, String> {
    let mut blocks = match dump::dump(&config.table, config.detect.ipv6_prefix) {
        Ok(found) => found,
        // Without a table nobody is blocked.
        Err(DumpError::SetGone(_)) => Vec::new(),
        Err(error) => return Err(error.to_string()),
    };
    blocks.sort_unstable_by_key(|element| (element.left.is_none(), element.left));
    let now = clock::wall();
    let block = |Element { source, left, packets }: Element| Block {
        source: source.to_string(),
        by: NOBODY_KNOWS.to_owned(),
        until: left.map(|left| now.plus(left).to_string()),
        left: left.map(|left| left.as_secs()),
        repeat: None,
        packets,
        reason: None,
    };
    Ok(blocks.into_iter().map(block).collect())
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
        self.written = match serde_json::from_value::<Block>(part.clone()) {
            Ok(block) if self.by.is_none_or(|by| by.name() == block.by) => self.block(&block),
            Ok(_) => Ok(()),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("not understood: {error}"))),
        };
        if self.written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn block(&mut self, block: &Block) -> io::Result<()> {
        self.rows = self.rows.saturating_add(1);
        match &mut self.form {
            Form::Json(out) => writeln!(out, "{}", json_line(&serde_json::to_value(block)?)),
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
mod tests {
    use super::*;

    fn block(source: &str) -> Block {
        Block {
            source: source.into(),
            by: "nftrap".into(),
            until: Some("2026-11-24T06:05:21.189Z".into()),
            left: Some(552),
            repeat: Some(3),
            packets: Some(12_345),
            reason: None,
        }
    }

    fn shown(arguments: &Arguments, blocks: &[Block]) -> String {
        let mut out = Vec::new();
        let mut list = List::new(&mut out, arguments);
        for block in blocks {
            assert!(list.part(&serde_json::to_value(block).unwrap()).is_continue());
        }
        list.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn some() -> [Block; 2] {
        let banned = Block {
            by: "operator".into(),
            until: None,
            left: None,
            repeat: None,
            packets: None,
            reason: Some("noise\u{1b}[2J".into()),
            ..block("2001:db8:a::/64")
        };
        [block("198.51.100.2"), banned]
    }

    fn arguments(by: Option<By>, json: bool) -> Arguments {
        Arguments { instance: Instance::default(), by, json }
    }

    #[test]
    fn blocks_are_a_table() {
        let expected = "\
source           by            left  until                 packets  repeat  reason
198.51.100.2     nftrap      9m 12s  2026-11-24T06:05:21Z   12,345       3
2001:db8:a::/64  operator  for ever  -                           -       -  noise\u{fffd}[2J
";
        assert_eq!(shown(&arguments(None, false), &some()), expected);
        assert_eq!(shown(&arguments(None, false), &[]), "nobody is blocked\n");
    }

    #[test]
    fn only_those_are_listed_that_were_asked_for() {
        assert_eq!(shown(&arguments(Some(By::Operator), false), &some()).lines().count(), 2);
        assert_eq!(shown(&arguments(Some(By::Nft), false), &some()), "nobody is blocked\n");
    }

    #[test]
    fn as_json_each_is_a_line_and_nobody_is_none() {
        let lines = shown(&arguments(None, true), &some());
        let read: Vec<Block> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, some());
        assert_eq!(shown(&arguments(None, true), &[]), "");
    }

    #[test]
    fn what_is_no_block_ends_the_list() {
        let mut out = Vec::new();
        let mut list = List::new(&mut out, &arguments(None, false));
        assert!(list.part(&Value::from(1)).is_break());
        assert!(list.finish().is_err());
    }
}
