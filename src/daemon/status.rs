//! How the daemon does, for `nftrap status`.

use std::ops::Add as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::answers::Answers;
use super::start::our_queues;
use crate::config::{GuestQueue, Mode};
use crate::control::wire::{JournalStatus, Quantiles, Queue, Status};
use crate::kernel::process;
use crate::kernel::queue::QueueState;
use crate::kernel::ruleset::Method;
use crate::report::counters::{Counters, Totals};
use crate::report::histogram::{Durations, Histogram};

/// How it does now.
pub(super) fn status(answers: &Answers) -> Status {
    let Answers { shared, books, audience, counters, .. } = answers;
    let (config, health, now) = (books.config(), books.health().clone(), shared.clock.now());
    let census = shared.table.census(now);
    let times = |of: fn(&Counters) -> &Histogram| {
        let all = counters.iter().map(|counters| of(counters).durations());
        all.fold(Durations::default(), |sum, next| sum.with(&next))
    };
    let untold = health.untold().into_iter().chain(audience.troubles()).collect();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
        since: books.since.to_string(),
        uptime: now.since_start().as_secs(),
        mode: mode_name(config.mode_in_effect()).to_owned(),
        table: config.table.clone(),
        config: books.path.as_ref().map(|path| path.display().to_string()),
        protection: health.protection.to_string(),
        method: method_name(health.method).to_owned(),
        counters: counters.iter().map(|counters| counters.totals()).fold(Totals::default(), Totals::add),
        rates: health.rates,
        verdict_us: quantiles(&times(|counters| &counters.verdict_time)),
        block_us: quantiles(&times(|counters| &counters.block_time)),
        queue_numbers: (config.queue.first, config.queue.count),
        guests_apart: config.queue.guests == GuestQueue::Own,
        queues: our_queues(&config).into_iter().map(shown).collect(),
        blocked: census.blocked,
        banned: count(books.bans().in_force(shared.clock.steady()).count()),
        sources: census.remembered,
        max_sources: census.room,
        memory_bytes: process::resident_bytes(),
        journal: audience.journal().map(|(file, health)| JournalStatus {
            file: file.display().to_string(),
            stored: health.stored.load(Ordering::Relaxed),
            dropped: health.dropped.load(Ordering::Relaxed),
            lag_ms: health.lag_ms.load(Ordering::Relaxed),
            problem: health.problem(),
        }),
        untold,
        rights: Some(health.kept.shown()),
    }
}

pub(super) const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
    }
}

pub(super) const fn method_name(method: Method) -> &'static str {
    match method {
        Method::Native => "nft queue",
        Method::Xt => "xt NFQUEUE (this kernel has no nft_queue)",
    }
}

fn shown(state: QueueState) -> Queue {
    Queue { number: state.number, waiting: state.waiting, overrun: state.overrun, unsent: state.unsent }
}

fn quantiles(durations: &Durations) -> Quantiles {
    let micros = |bound: Duration| u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
    Quantiles { p50: durations.quantile(500).map(micros), p99: durations.quantile(990).map(micros) }
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
