//! `nftrap why`: one address's story. What happens now comes from the daemon, what was before from the journal; without a daemon the
//! kernel still says who is blocked.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ipnet::IpNet;
use serde_json::Value;

use super::ask::{self, Instance};
use super::held::HeldError;
use super::plain::{json_line, printable};
use super::{held, whom};
use crate::config::Config;
use crate::control::client::ClientError;
use crate::control::wire::{Block, Request, Shown, Status};
use crate::detect::source::Source;
use crate::event::Event;
use crate::journal::{Filter, JournalError, Reader};

mod story;

use story::Story;

/// Events of the past; `nftrap history` has all of them.
const EARLIER: u64 = 10;
/// What the past is asked for: what ended or began a block, or kept one from beginning.
const KINDS: [&str; 6] = ["blocked", "would_block", "unblocked", "operator_blocked", "allowed", "disallowed"];

/// Say why an address is blocked, or why not.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The address, or a source as `nftrap list` shows it.
    #[arg(value_name = "ADDR", value_parser = whom::one)]
    who: IpAddr,
    #[command(flatten)]
    instance: Instance,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let config = match arguments.instance.config() {
        Ok(config) => config,
        Err(problem) => return super::complain(&problem),
    };
    let (shown, journal, runs) = match known(&config, arguments.who) {
        Ok((shown, journal)) => (shown, journal, true),
        Err(error @ ClientError::NotRunning(_)) => {
            let problem = ask::problem(&error);
            super::complain(&format!("{problem}; blocks go on until they end"));
            (known_without(&config, arguments.who), config.journal_file(), false)
        }
        Err(error) => return super::complain(&ask::problem(&error)),
    };
    let earlier = journal.map_or_else(Vec::new, |journal| past(&journal, &shown, arguments.who));
    if arguments.json {
        return super::answer(&(json_line(&json(&shown, runs, &earlier)) + "\n"));
    }
    let option =
        if config.table == Config::default().table { String::new() } else { format!(" --table {}", config.table) };
    let story = Story { who: arguments.who, shown: &shown, runs, earlier: &earlier, table: &config.table, option };
    super::answer(&story.text())
}

/// What the daemon knows, and the file where it keeps what happened.
fn known(config: &Config, who: IpAddr) -> Result<(Shown, Option<PathBuf>), ClientError> {
    let shown = ask::one(&config.table, &Request::Show { who }).and_then(|part| ask::read(&part))?;
    let status: Status = ask::one(&config.table, &Request::Status).and_then(|part| ask::read(&part))?;
    Ok((shown, status.journal.map(|journal| journal.file.into())))
}

/// What the kernel knows.
fn known_without(config: &Config, who: IpAddr) -> Shown {
    let (state, blocks) = match held::blocks(config) {
        Ok(mut blocks) => {
            blocks.retain(|block| holds(block, who));
            (if blocks.is_empty() { "not blocked" } else { "blocked" }, blocks)
        }
        Err(problem @ HeldError::NoTable(_)) => {
            super::complain(&printable(&problem.to_string()));
            ("not blocked", Vec::new())
        }
        Err(problem @ HeldError::Unreadable(_)) => {
            super::complain(&printable(&problem.to_string()));
            ("perhaps blocked", Vec::new())
        }
    };
    let network = match who {
        IpAddr::V6(v6) => Source::network(v6, config.detect.ipv6_prefix),
        IpAddr::V4(_) => Source::host(who),
    };
    Shown {
        source: blocks.first().map_or_else(|| network.to_string(), |block| block.source.clone()),
        state: state.to_owned(),
        why: None,
        blocks,
        last_seen: None,
        contacts: 0,
        enough: (config.detect.threshold, config.detect.sensitivity.contacts()),
        window: config.detect.window.as_secs(),
        repeats: 0,
        evidence: Vec::new(),
    }
}

/// An operator may block whole networks.
fn holds(block: &Block, who: IpAddr) -> bool {
    let source = || block.source.parse::<Source>().map(IpNet::from).ok();
    block.source.parse().ok().or_else(source).is_some_and(|prefix| prefix.contains(&who))
}

/// The journal's part. A journal that cannot be read takes nothing from what is known now.
fn past(journal: &Path, shown: &Shown, who: IpAddr) -> Vec<Event> {
    let source = shown.source.parse().unwrap_or_else(|_| Source::host(who));
    earlier(journal, source).unwrap_or_else(|error| {
        super::complain(&printable(&format!("what happened before is not known: {error}")));
        Vec::new()
    })
}

/// What happened to `source`, the latest first.
fn earlier(journal: &Path, source: Source) -> Result<Vec<Event>, JournalError> {
    let filter = Filter {
        source: Some(source.into()),
        kinds: KINDS.map(ToOwned::to_owned).to_vec(),
        limit: Some(EARLIER),
        ..Filter::default()
    };
    let mut events = Vec::new();
    Reader::open(journal)?.history(&filter, |event| {
        events.push(event);
        ControlFlow::Continue(())
    })?;
    Ok(events)
}

fn json(shown: &Shown, runs: bool, earlier: &[Event]) -> Value {
    let mut value = serde_json::to_value(shown).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("running".into(), runs.into());
        object.insert("earlier".into(), serde_json::to_value(earlier).unwrap_or_default());
    }
    value
}
