//! The daemon's numbers as Prometheus reads them. Values in, text out: others count and serve.
//!
//! Names follow Prometheus' conventions: `nftrap_` first, the unit in the name, `_total` for what only grows; what every process has goes
//! by the usual `process_` names. Counters have a label for the worker, which shows a queue that gets more than its share; the two
//! histograms are all workers' together, for each would be two dozen series more.

use std::time::Duration;

use super::counters::Totals;
use super::histogram::Durations;
use crate::config::Mode;
use crate::event::Wall;
use crate::kernel::queue::QueueState;

mod exposition;

use exposition::{Family, counter, gauge, histogram};

/// All that is shown, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// Our version.
    pub version: &'static str,
    /// Whether offenders are blocked.
    pub mode: Mode,
    /// Our table.
    pub table: String,
    /// Since when we run.
    pub since: Wall,
    /// For so long, without the time that the machine was suspended.
    pub uptime: Duration,
    /// Whether packets come to us.
    pub protection: Protection,
    /// Each worker's, in the order of their queues, guests' after the others, then those of who judges at decoys, if there are any, and at last
    /// those of who judges scans that many share.
    pub workers: Vec<Work>,
    /// Our queues, as the kernel has them.
    pub queues: Vec<QueueState>,
    /// Sources blocked now, as far as the scan table remembers them.
    pub blocked: u64,
    /// Blocks in force that operators set.
    pub banned: u64,
    /// First contacts of sources that are not blocked yet, so far.
    pub watched: u64,
    /// Scans of many sources told, so far.
    pub distributed: u64,
    /// Sources remembered.
    pub sources: u64,
    /// Sources that find room.
    pub max_sources: u64,
    /// Resident memory of the process.
    pub memory_bytes: u64,
    /// How the journal does, if there is one.
    pub journal: Option<Journal>,
    /// Events that the events file missed, if there is one.
    pub events_unwritten: Option<u64>,
}

/// Whether packets come to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// As far as we know.
    Whole,
    /// They do not.
    Broken,
}

/// What one worker did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Its counters.
    pub totals: Totals,
    /// From a packet's receipt to its verdict.
    pub verdict_time: Durations,
    /// From a packet's receipt to its source's block in the kernel.
    pub block_time: Durations,
}

/// How the journal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Journal {
    /// Events stored.
    pub stored: u64,
    /// Events that could not be.
    pub dropped: u64,
    /// How long the oldest of those stored last had waited.
    pub lag: Duration,
    /// Whether events can be stored at the moment.
    pub works: bool,
}

/// `numbers` in Prometheus' text exposition format, version 0.0.4.
#[must_use]
pub fn text(numbers: &Numbers) -> String {
    let families = [process(numbers), work(numbers), queues(numbers), memory(numbers), events(numbers)];
    families.iter().flatten().map(Family::to_string).collect()
}

fn process(numbers: &Numbers) -> Vec<Family> {
    let build = vec![("version", numbers.version.to_owned()), ("table", numbers.table.clone())];
    let since = Duration::from_millis(numbers.since.millis());
    vec![
        gauge("nftrap_build_info", "Always 1: its labels say which nftrap this is, and which table is its own.")
            .with(build, 1_u32),
        gauge("nftrap_enforcing", "1 if offenders are blocked, 0 if they are only reported.")
            .is(numbers.mode == Mode::Enforce),
        gauge("nftrap_protection_whole", "1 if packets come to be judged, 0 if they do not: see the log then.")
            .is(numbers.protection == Protection::Whole),
        gauge("nftrap_uptime_seconds", "How long the daemon runs, without the time that the machine was suspended.")
            .is(numbers.uptime),
        gauge("process_start_time_seconds", "When the daemon started, since 1970 in UTC.").is(since),
        gauge("process_resident_memory_bytes", "Resident memory of the daemon.").is(numbers.memory_bytes),
    ]
}

fn work(numbers: &Numbers) -> Vec<Family> {
    let each = |name, help, read: fn(&Totals) -> u64| {
        numbers.workers.iter().zip(0_u64..).fold(counter(name, help), |family, (work, worker)| {
            family.with(vec![("worker", worker.to_string())], read(&work.totals))
        })
    };
    let all = |read: fn(&Work) -> &Durations| {
        numbers.workers.iter().fold(Durations::default(), |sum, work| sum.with(read(work)))
    };
    vec![
        each("nftrap_packets_total", "Packets received from the queues.", |totals| totals.packets),
        verdicts(numbers),
        each("nftrap_unreadable_packets_total", "Packets that could not be read; the fail mode decided.", |totals| {
            totals.unreadable
        }),
        each(
            "nftrap_panics_total",
            "Packets whose judgement panicked; the fail mode decided. A bug, if not 0.",
            |totals| totals.panics,
        ),
        each(
            "nftrap_lost_packets_total",
            "Reports that packets were lost before their verdict: each is for one, or for a run of up to 64.",
            |totals| totals.lost,
        ),
        each("nftrap_blocks_total", "Sources blocked; in observe mode, those that would be.", |totals| totals.blocks),
        each("nftrap_block_failures_total", "Offenders that the kernel did not block.", |totals| totals.block_failures),
        each("nftrap_facts_lost_total", "Facts that the daemon was too busy to tell.", |totals| totals.facts_lost),
        histogram(
            "nftrap_verdict_latency_seconds",
            "From a packet's receipt to its verdict.",
            &all(|work| &work.verdict_time),
        ),
        histogram(
            "nftrap_block_latency_seconds",
            "From an offender's packet's receipt to the block in the kernel.",
            &all(|work| &work.block_time),
        ),
    ]
}

fn verdicts(numbers: &Numbers) -> Family {
    let family = counter("nftrap_verdicts_total", "Verdicts given: packets let go and packets dropped.");
    numbers.workers.iter().zip(0_u64..).fold(family, |family, (work, worker)| {
        let labels = |verdict: &str| vec![("worker", worker.to_string()), ("verdict", verdict.to_owned())];
        family.with(labels("accept"), work.totals.accepted).with(labels("drop"), work.totals.dropped)
    })
}

fn queues(numbers: &Numbers) -> Vec<Family> {
    let each = |family: Family, read: fn(&QueueState) -> u32| {
        numbers
            .queues
            .iter()
            .fold(family, |family, queue| family.with(vec![("queue", queue.number.to_string())], read(queue)))
    };
    vec![
        each(gauge("nftrap_queue_waiting_packets", "Packets that wait in the kernel for a verdict."), |q| q.waiting),
        each(counter("nftrap_queue_overrun_packets_total", "Packets that found their queue full."), |q| q.overrun),
        each(counter("nftrap_queue_unsent_packets_total", "Packets that found the socket's buffer full."), |q| {
            q.unsent
        }),
    ]
}

fn memory(numbers: &Numbers) -> Vec<Family> {
    vec![
        gauge("nftrap_blocked_sources", "Sources blocked now, as far as the scan table remembers them.")
            .is(numbers.blocked),
        gauge("nftrap_operator_blocks", "Blocks in force that operators set.").is(numbers.banned),
        gauge("nftrap_remembered_sources", "Sources that the scan table remembers.").is(numbers.sources),
        gauge("nftrap_remembered_sources_max", "Sources that find room in the scan table.").is(numbers.max_sources),
        counter("nftrap_watched_contacts_total", "First contacts of sources that were not blocked yet.")
            .is(numbers.watched),
        counter("nftrap_distributed_scans_total", "Scans told that many sources share.").is(numbers.distributed),
    ]
}

/// What is not there has no numbers: a 0 would say that all is well with it.
fn events(numbers: &Numbers) -> Vec<Family> {
    let journal = numbers.journal.iter().flat_map(|journal| {
        [
            counter("nftrap_journal_stored_events_total", "Events that the journal stored.").is(journal.stored),
            counter("nftrap_journal_dropped_events_total", "Events that the journal could not store.")
                .is(journal.dropped),
            gauge("nftrap_journal_lag_seconds", "How long the oldest of the events stored last had waited.")
                .is(journal.lag),
            gauge("nftrap_journal_works", "1 if events can be stored, 0 if not: see the log then.").is(journal.works),
        ]
    });
    let file = numbers.events_unwritten.iter().map(|unwritten| {
        counter("nftrap_events_file_unwritten_events_total", "Events that the events file missed.").is(*unwritten)
    });
    journal.chain(file).collect()
}

#[cfg(test)]
mod tests;
