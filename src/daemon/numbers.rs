//! What Prometheus is told, gathered when it asks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::answers::Answers;
use super::protection::Protection;
use super::start::our_queues;
use super::status::count;
use crate::kernel::process;
use crate::report::counters::Counters;
use crate::report::metrics::{self, Journal, Numbers, Work};

/// The numbers now.
pub(super) fn numbers(answers: &Answers) -> Numbers {
    let Answers { shared, books, audience, counters, .. } = answers;
    let (config, now) = (books.config(), shared.clock.now());
    let census = shared.table.census(now);
    let workers: Vec<_> = counters.iter().map(|counters| work(counters)).collect();
    let journal = audience.journal().map(|(_, health)| Journal {
        stored: health.stored.load(Ordering::Relaxed),
        dropped: health.dropped.load(Ordering::Relaxed),
        lag: Duration::from_millis(health.lag_ms.load(Ordering::Relaxed)),
        works: health.problem().is_none(),
    });
    Numbers {
        version: env!("CARGO_PKG_VERSION"),
        mode: config.mode_in_effect(),
        table: config.table.clone(),
        since: books.since,
        uptime: now.since_start(),
        protection: match books.health().protection {
            Protection::Whole => metrics::Protection::Whole,
            Protection::Broken(_) => metrics::Protection::Broken,
        },
        watched: workers.iter().fold(0, |sum, work| sum.wrapping_add(work.totals.watched)),
        distributed: shared.distributed.load(Ordering::Relaxed),
        workers,
        queues: our_queues(&config),
        blocked: census.blocked,
        banned: count(books.bans().in_force(shared.clock.steady()).count()),
        sources: census.remembered,
        max_sources: census.room,
        memory_bytes: process::resident_bytes(),
        journal,
        events_unwritten: audience.file.get().map(crate::report::line_file::Lines::unwritten),
    }
}

fn work(counters: &Counters) -> Work {
    Work {
        totals: counters.totals(),
        verdict_time: counters.verdict_time.durations(),
        block_time: counters.block_time.durations(),
    }
}
