//! `nftrap status`: whether this host is guarded, and how its guard does. The verdict is the first line, what needs a look the next.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::ask::{self, Instance};
use super::plain::{counted, json_line, number, printable, span, time};
use super::{Output, output};
use crate::control::client::ClientError;
use crate::control::wire::{JournalStatus, Quantiles, Queue, Request, Status};
use crate::kernel::queue::{self, QueueState};
use crate::report::counters::Totals;

/// Its exit status, where it runs and does not guard.
const NOT_WHOLE: u8 = 3;
/// Its exit status, where it does not run.
const NOT_RUNNING: u8 = 4;
/// What the daemon says of its protection when nothing is wrong with it.
const WHOLE: &str = "whole";
/// The journal gathers events for a moment before it writes them: so much is no lag.
const WORTH_A_WORD_MS: u64 = 1000;
/// The longest time that is measured; past it there is only "longer".
const LONGEST_US: u64 = 1 << 20;

/// Say whether this host is guarded, and how its guard does.
///
/// Exit status: 0 nftrap runs and its protection is whole; 3 it runs, and something keeps packets from it; 4 it does not run;
/// 1 it cannot be asked; 2 a wrong command line.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    instance: Instance,
    /// One JSON object; `running` in it is false where nftrap does not run.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let asked = arguments.instance.config().map(|config| {
        let part = ask::one(&config.table, &Request::Status);
        part.and_then(|part| ask::read::<Status>(&part)).map(with_queues)
    });
    match asked {
        Ok(Ok(status)) => {
            let code = if status.protection == WHOLE { 0 } else { NOT_WHOLE };
            told(&if arguments.json { json_line(&running(&status)) + "\n" } else { page(&status, output()) }, code)
        }
        Ok(Err(error @ ClientError::NotRunning(_))) => told(&absent(&error, arguments.json), NOT_RUNNING),
        Ok(Err(error)) => super::complain(&ask::problem(&error)),
        Err(problem) => super::complain(&problem),
    }
}

fn told(text: &str, code: u8) -> ExitCode {
    let answered = super::answer(text);
    if answered == ExitCode::SUCCESS { ExitCode::from(code) } else { answered }
}

/// A key that is there in either case, so that a monitor need not look for others.
fn running(status: &Status) -> Value {
    let mut object = Map::new();
    object.insert("running".into(), true.into());
    if let Ok(Value::Object(status)) = serde_json::to_value(status) {
        object.extend(status);
    }
    object.into()
}

/// The kernel shows its queues to root alone: a daemon under a user of its own does not see them, who asks perhaps does.
fn with_queues(mut status: Status) -> Status {
    if status.queues.is_empty() {
        let (first, count) = status.queue_numbers;
        let all = count.saturating_add(u16::from(status.guests_apart));
        let ours = queue::states().into_iter().filter(|state| state.number.wrapping_sub(first) < all);
        let shown =
            ours.map(|QueueState { number, waiting, overrun, unsent, .. }| Queue { number, waiting, overrun, unsent });
        status.queues = shown.collect();
    }
    status
}

fn absent(error: &ClientError, as_json: bool) -> String {
    let problem = ask::problem(error);
    if as_json {
        return json_line(&json!({"running": false, "protection": problem})) + "\n";
    }
    format!("NOT PROTECTING: {problem}\nblocks that the kernel has go on until they end: `nftrap list` shows them\n")
}

fn page(status: &Status, output: Output) -> String {
    let mut lines = vec![verdict(status, output)];
    lines.extend(troubles(status).iter().map(|trouble| format!("! {}", printable(trouble))));
    for (name, entry) in entries(status) {
        let names = [name].into_iter().chain(std::iter::repeat(""));
        lines.extend(names.zip(&entry).map(|(name, line)| format!("{name:<9} {}", printable(line))));
    }
    lines.join("\n") + "\n"
}

fn verdict(status: &Status, output: Output) -> String {
    let text = match (status.protection.as_str(), status.mode.as_str()) {
        (WHOLE, "enforce") => "guarding".to_owned(),
        (WHOLE, "observe") => "observing".to_owned(),
        (WHOLE, mode) => printable(mode),
        (reason, _) => format!("NOT PROTECTING: {}", printable(reason)),
    };
    match output {
        Output::Plain => text,
        Output::Terminal if status.protection == WHOLE => format!("\x1b[1;32m{text}\x1b[0m"),
        Output::Terminal => format!("\x1b[1;31m{text}\x1b[0m"),
    }
}

/// What an operator can act on.
fn troubles(status: &Status) -> Vec<String> {
    // What the config wants and cannot be had: files, metrics, decoys, lines for TCP wrappers.
    let mut found = status.untold.clone();
    if let Some(problem) = status.journal.as_ref().and_then(|journal| journal.problem.as_ref()) {
        found.push(format!("journal: {problem}"));
    }
    for queue in status.queues.iter().filter(|queue| queue.overrun > 0 || queue.unsent > 0) {
        let lost = u64::from(queue.overrun).saturating_add(queue.unsent.into());
        found.push(format!(
            "queue {} was full for {}: raise `length` in [queue]",
            queue.number,
            counted(lost, "packet")
        ));
    }
    let counters = &status.counters;
    for (count, what) in [
        (counters.block_failures, "the kernel refused so many blocks; the log says why"),
        (counters.panics, "so many packets could not be judged for a mistake in nftrap: report it with the log"),
        (counters.facts_lost, "so many events were told to nobody: they came faster than they can be written"),
    ] {
        if count > 0 {
            found.push(format!("{}: {what}", number(count)));
        }
    }
    if status.max_sources > 0 && status.sources >= status.max_sources {
        found
            .push("the scan table is full, and forgets who was silent longest: raise `max_sources` in [detect]".into());
    }
    found
}

fn entries(status: &Status) -> Vec<(&'static str, Vec<String>)> {
    let Status { version, process, since, uptime, mode, table, config, method, counters, rates, .. } = status;
    let ago = span(Duration::from_secs(*uptime));
    let config = config.as_deref().unwrap_or("built-in defaults");
    vec![
        ("since", vec![format!("{} ({ago}), nftrap {version}, process {process}", time(since))]),
        ("mode", vec![mode.clone()]),
        ("config", vec![config.to_owned()]),
        ("table", vec![format!("inet {table}, queued by {method}")]),
        ("queues", status.queues.iter().map(queue).collect()),
        ("packets", vec![packets(counters)]),
        (
            "rates",
            vec![format!("{} a second, {} a second", counted(rates.packets, "packet"), counted(rates.blocks, "block"))],
        ),
        ("verdict", vec![quantiles(status.verdict_us)]),
        ("block", vec![quantiles(status.block_us)]),
        ("blocked", vec![format!("{} now, and {} by operators", number(status.blocked), number(status.banned))]),
        ("sources", vec![format!("{} of {} remembered", number(status.sources), number(status.max_sources))]),
        ("rights", status.rights.iter().cloned().collect()),
        ("memory", vec![mebibytes(status.memory_bytes)]),
        ("journal", vec![status.journal.as_ref().map_or_else(|| "none is kept".to_owned(), journal)]),
    ]
}

fn packets(counters: &Totals) -> String {
    let Totals { packets, accepted, dropped, unreadable, lost, .. } = counters;
    let [packets, accepted, dropped, unreadable, lost] =
        [packets, accepted, dropped, unreadable, lost].map(|n| number(*n));
    format!("{packets} judged: {accepted} accepted, {dropped} dropped, {unreadable} unreadable, {lost} lost")
}

fn queue(queue: &Queue) -> String {
    format!("{}: {} waiting, {} overrun, {} unsent", queue.number, queue.waiting, queue.overrun, queue.unsent)
}

/// The numbers are upper bounds.
fn quantiles(times: Quantiles) -> String {
    let bound = |us: u64| if us > LONGEST_US { "beyond 1 s".to_owned() } else { format!("within {} µs", number(us)) };
    match (times.p50, times.p99) {
        (Some(p50), Some(p99)) => format!("half {}, 99 % {}", bound(p50), bound(p99)),
        (None, _) | (_, None) => "none so far".to_owned(),
    }
}

fn journal(journal: &JournalStatus) -> String {
    let JournalStatus { file, stored, dropped, lag_ms, .. } = journal;
    let behind = if *lag_ms > WORTH_A_WORD_MS {
        format!(", {} behind", span(Duration::from_millis(*lag_ms)))
    } else {
        String::new()
    };
    format!("{file}: {} stored, {} dropped{behind}", number(*stored), number(*dropped))
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20_u32;
    format!("{}.{} MiB", number(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests;
