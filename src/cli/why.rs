//! `nftrap why`: one address's story. What happens now comes from the daemon, what was before from the journal; without a daemon the
//! kernel still says who is blocked.

use std::cmp::Reverse;
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
use crate::event::{Event, Wall};
use crate::journal::{Filter, JournalError, Reader};
use crate::kernel::clock;

mod story;

use story::Story;

/// Events of the past; `nftrap history` has all of them.
const EARLIER: u64 = 10;
/// What the past is asked for: what ended or began a block, or kept one from beginning.
const KINDS: [&str; 7] =
    ["blocked", "would_block", "distributed", "unblocked", "operator_blocked", "allowed", "disallowed"];

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
    let Past { earlier, more } = journal.map_or_else(Past::default, |journal| past(&journal, &shown, arguments.who));
    if arguments.json {
        return super::answer(&(json_line(&json(&shown, runs, &earlier)) + "\n"));
    }
    let option =
        if config.table == Config::default().table { String::new() } else { format!(" --table {}", config.table) };
    let (table, now) = (config.table.as_str(), clock::wall());
    let story = Story { who: arguments.who, shown: &shown, runs, earlier: &earlier, more, table, option, now };
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
        guest: false,
        repeats: 0,
        evidence: Vec::new(),
    }
}

/// An operator may block whole networks.
fn holds(block: &Block, who: IpAddr) -> bool {
    let source = || block.source.parse::<Source>().map(IpNet::from).ok();
    block.source.parse().ok().or_else(source).is_some_and(|prefix| prefix.contains(&who))
}

/// What happened, the latest first, as far as it is told.
#[derive(Debug, Default)]
struct Past {
    earlier: Vec<Event>,
    more: bool,
}

/// The journal's part. A journal that cannot be read takes nothing from what is known now.
fn past(journal: &Path, shown: &Shown, who: IpAddr) -> Past {
    let source = shown.source.parse().unwrap_or_else(|_| Source::host(who));
    let read = Reader::open(journal).and_then(|reader| {
        let about = Filter { source: Some(source.into()), ..latest(&KINDS) };
        let earlier = events(&reader, &about)?;
        let Some(first) = earlier.last().map(|event| event.at) else { return Ok(Past::default()) };
        let all = events(&reader, &Filter { since: Some(first), ..latest(&["unblocked_all"]) })?;
        Ok(joined(earlier, all))
    });
    read.unwrap_or_else(|error| {
        super::complain(&printable(&format!("what happened before is not known: {error}")));
        Past::default()
    })
}

/// One more than is told, to know whether there are more.
fn latest(kinds: &[&str]) -> Filter {
    let kinds = kinds.iter().map(ToString::to_string).collect();
    Filter { kinds, limit: Some(EARLIER.saturating_add(1)), ..Filter::default() }
}

fn events(reader: &Reader, filter: &Filter) -> Result<Vec<Event>, JournalError> {
    let mut events = Vec::new();
    reader.history(filter, |event| {
        events.push(event);
        ControlFlow::Continue(())
    })?;
    Ok(events)
}

/// What ended everybody's blocks names nobody: it belongs to the story where it ended a block of this one.
fn joined(mut earlier: Vec<Event>, all: Vec<Event>) -> Past {
    let was_blocked = |at: Wall| {
        // What it took part in says nothing of its block.
        let before = earlier.iter().find(|event| event.at <= at && event.what.among().is_empty());
        before.is_some_and(|event| story::blocks(event) && event.what.until().is_none_or(|until| until > at))
    };
    let ending: Vec<_> = all.into_iter().filter(|event| was_blocked(event.at)).collect();
    earlier.extend(ending);
    earlier.sort_by_key(|event| Reverse(event.at));
    let told = EARLIER.try_into().unwrap_or(usize::MAX);
    let more = earlier.len() > told;
    earlier.truncate(told);
    Past { earlier, more }
}

fn json(shown: &Shown, runs: bool, earlier: &[Event]) -> Value {
    let mut value = serde_json::to_value(shown).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("running".into(), runs.into());
        object.insert("earlier".into(), serde_json::to_value(earlier).unwrap_or_default());
    }
    value
}

#[cfg(test)]
mod tests {
    use serde_json::from_value;
    use serde_json::json;

    use super::*;

    fn blocked(minute: u64, until: u64) -> Event {
        let at = |minute: u64| format!("2026-11-24T05:{minute:02}:00Z");
        from_value(json!({"at": at(minute), "event": "operator_blocked", "prefix": "192.0.2.1", "until": at(until),
            "reason": "", "uid": 0, "pid": 1}))
        .unwrap()
    }

    fn all(minute: u64) -> Event {
        let at = format!("2026-11-24T05:{minute:02}:00Z");
        from_value(json!({"at": at, "event": "unblocked_all", "uid": 0, "pid": 1})).unwrap()
    }

    #[test]
    fn the_end_of_all_blocks_is_told_of_whom_it_let_go_and_of_nobody_else() {
        let earlier = vec![blocked(30, 40), blocked(10, 20)];
        let past = joined(earlier, vec![all(45), all(35), all(25)]);
        assert_eq!(past.earlier, [all(35), blocked(30, 40), blocked(10, 20)]);
        assert!(!past.more);
    }

    #[test]
    fn of_a_long_past_the_latest_is_told_and_that_there_is_more() {
        let past = joined((0..=10).rev().map(|minute| blocked(minute, minute + 1)).collect(), Vec::new());
        assert!(past.more && past.earlier.len() == 10);
        assert_eq!(past.earlier[0], blocked(10, 11));
    }
}
