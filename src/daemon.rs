//! The threads, and how they are joined: workers that judge, a writer that tells, and this one, which starts and ends them.
//!
//! **Start:** table in the kernel with nothing queued → queues bound → workers running → packets sent to the queues → ready.
//! **End:** nothing sent to the queues any more → workers drain what waits → queues closed. Blocks stay, unless told otherwise.

use std::cmp::Reverse;
use std::io;
use std::ops::Add as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::bounded;
use log::{info, warn};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::config::{Config, Mode, OnExit};
use crate::detect::source::Source;
use crate::kernel::dump::DumpError;
use crate::kernel::instance::{Instance, InstanceError};
use crate::kernel::nft;
use crate::kernel::nft::Removed;
use crate::kernel::queue::{self, QueueError};
use crate::kernel::watch::{Found, Watch};
use crate::report::counters::{Counters, Totals};

mod blocks;
mod pace;
mod start;
mod worker;
mod writer;

use pace::Pace;
use start::{Shared, announce, open_workers, queue_numbers, refuse_taken_queues, share, surroundings};
use worker::Worker;
use writer::Writer;

/// Facts that wait for the writer; more than this and it is not keeping up, and a flood is no reason to wait for it.
const PENDING_FACTS: usize = 4096;
/// How often signals and workers are looked at: a tenth of a second is soon enough for people, and rare enough for idle machines.
const TICK: Duration = Duration::from_millis(100);
/// Without our table nothing is blocked: it is to be back within a second.
const TICKS_PER_TABLE_CHECK: u32 = 5;
/// A service that stops has listened for a minute before, or was asked.
const TICKS_PER_REFRESH: u32 = 600;
/// Addresses, routes and sessions change seldom.
const TICKS_PER_LOOK_AROUND: u32 = 50;

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A queue cannot be had.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The ruleset cannot be loaded.
    #[error(transparent)]
    Ruleset(#[from] nft::NftError),
    /// The blocks that are there cannot be read.
    #[error(transparent)]
    Blocks(#[from] DumpError),
    /// No netlink socket for the block sets.
    #[error("cannot open a netlink socket to netfilter")]
    Netlink(#[source] io::Error),
    /// Somebody else has our table.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The system gives no thread, or no signals.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// A worker ended by itself.
    #[error("a worker ended: its queue has no listener any more")]
    WorkerEnded,
}

/// Runs until SIGTERM or SIGINT.
pub fn run(config: &Config) -> Result<(), DaemonError> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1, SIGHUP]).map_err(DaemonError::Start)?;
    let instance = Instance::claim(&config.table)?;
    refuse_taken_queues(config)?;
    let shared = Arc::new(share(config));
    nft::load(config, &shared.host(), &[])?;
    let (workers, blocks) = open_workers(config, &shared)?;
    let daemon = Daemon::start(config, shared, workers)?;
    let method = nft::arm(config).inspect_err(|_| daemon.stop_workers())?;
    announce(config, method, blocks);
    let outcome = daemon.watch(config, &instance, &mut signals);
    daemon.stop(config)?;
    outcome
}

/// Whether packets come to us.
#[derive(PartialEq, Eq)]
enum Protection {
    /// As far as we know.
    Whole,
    /// They do not, for that reason.
    Broken(String),
}

impl Protection {
    fn is_broken(&self) -> bool {
        *self != Self::Whole
    }
}

/// What a signal asks of us.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    Stop,
}

/// The running threads.
struct Daemon {
    shared: Arc<Shared>,
    counters: Vec<Arc<Counters>>,
    workers: Vec<JoinHandle<()>>,
    writer: JoinHandle<()>,
    numbers: Vec<u16>,
}

impl Daemon {
    fn start(config: &Config, shared: Arc<Shared>, workers: Vec<Worker>) -> Result<Self, DaemonError> {
        let (sender, facts) = bounded(PENDING_FACTS);
        let counters = workers.iter().map(Worker::counters).collect();
        let writer = Writer::new(facts, config.block.time);
        let writer = spawn("writer", move || writer.run())?;
        let mut threads = Vec::with_capacity(workers.len());
        for (i, worker) in workers.into_iter().enumerate() {
            let sender = sender.clone();
            threads.push(spawn(&format!("worker{i}"), move || worker.run(&sender))?);
        }
        Ok(Self { shared, counters, workers: threads, writer, numbers: queue_numbers(config).collect() })
    }

    /// Serves signals until one says stop, or a worker is gone.
    #[expect(clippy::disallowed_methods, reason = "this thread has nothing to do between two looks")]
    fn watch(&self, config: &Config, instance: &Instance, signals: &mut Signals) -> Result<(), DaemonError> {
        let mut table = Watch::open(&config.table).map_err(DaemonError::Netlink)?;
        table.settled().map_err(DaemonError::Netlink)?;
        let (mut tick, mut state, mut pace) = (0_u32, Protection::Whole, Pace::new());
        loop {
            tick = tick.wrapping_add(1);
            if signals.pending().any(|signal| self.obey(signal) == Then::Stop) {
                return Ok(());
            }
            if self.workers.iter().any(JoinHandle::is_finished) {
                return Err(DaemonError::WorkerEnded);
            }
            if tick.is_multiple_of(TICKS_PER_TABLE_CHECK) {
                state = self.look_after(config, &mut table, &mut pace, state);
            }
            if tick.is_multiple_of(TICKS_PER_LOOK_AROUND) {
                self.look_around(config);
            }
            if tick.is_multiple_of(TICKS_PER_REFRESH) {
                self.refresh(config);
            }
            instance.dismiss_callers();
            thread::sleep(TICK);
        }
    }

    fn obey(&self, signal: i32) -> Then {
        match signal {
            SIGUSR1 => {
                show_totals(&self.counters);
                show_queues(&self.numbers);
                Then::GoOn
            }
            SIGHUP => {
                // Its default would end us, and with us the trap, because somebody closed a terminal.
                warn!("SIGHUP changes nothing: restart to read the config again; blocks stay meanwhile");
                Then::GoOn
            }
            _ => Then::Stop,
        }
    }

    /// Puts back what somebody took away, if it is time to. A kernel that does not answer gives no reason to think that anything is gone.
    fn look_after(&self, config: &Config, table: &mut Watch, pace: &mut Pace, before: Protection) -> Protection {
        let found = if before.is_broken() { Found::Gone } else { table.look().unwrap_or(Found::Whole) };
        let now = self.shared.clock.now();
        if found == Found::Whole || !pace.allows(now) {
            return before;
        }
        let after = self.restore(config, &before, found);
        if !after.is_broken() {
            if let Err(error) = table.settled() {
                log::debug!(error:%; "cannot see our table: the next look puts it back once more");
            }
            if let Some(pause) = pace.restored(now) {
                warn!(pause = pause.as_secs(); "somebody takes our table away again and again: putting it back ever more seldom");
            }
        }
        after
    }

    /// Puts back table and blocks that somebody flushed. What fails now is tried again at the next look, and said once.
    fn restore(&self, config: &Config, before: &Protection, found: Found) -> Protection {
        let blocks = self.blocks_to_restore(config);
        match nft::load(config, &self.shared.host(), &blocks).and_then(|()| nft::arm(config)) {
            Ok(_) => {
                let what = if found == Found::Gone { "removed" } else { "changed" };
                warn!(blocks = blocks.len(); "somebody {what} our table: it is back, and so are the blocks");
                Protection::Whole
            }
            Err(error) => {
                let reason = error.to_string();
                if *before != Protection::Broken(reason.clone()) {
                    log::error!(error = reason.as_str(); "somebody removed or changed our table, and it cannot be put back: trying on");
                }
                Protection::Broken(reason)
            }
        }
    }

    /// Those that were in the kernel, as far as we know: while observing none, and never more than may be at once.
    fn blocks_to_restore(&self, config: &Config) -> Vec<(Source, Duration)> {
        if config.mode == Mode::Observe {
            return Vec::new();
        }
        let now = self.shared.clock.now();
        let mut blocks = self.shared.detector.table.blocked(now);
        blocks.sort_unstable_by_key(|(_, until)| Reverse(*until));
        blocks.truncate(usize::try_from(config.block.max).unwrap_or(usize::MAX));
        blocks.into_iter().map(|(source, until)| (source, until.since(now))).collect()
    }

    fn look_around(&self, config: &Config) {
        let known = self.shared.surroundings.load();
        let found = surroundings(known.ipv6_prefix, config.exempt);
        if found != **known {
            self.shared.surroundings.store(Arc::new(found));
            self.refresh(config);
        }
    }

    /// Tells the kernel of our links, and of the ports that are served: their clients are no scanners when they stop.
    fn refresh(&self, config: &Config) {
        if let Err(error) = nft::refresh(config, &self.shared.host()) {
            // Most often because somebody flushed the ruleset: it is put back with this.
            log::debug!(error:%; "cannot tell the kernel of our surroundings");
        }
    }

    /// Ends all threads in the order that loses no packet and no fact.
    fn stop(self, config: &Config) -> Result<(), DaemonError> {
        if let Err(error) = nft::disarm(config) {
            // Most often because somebody flushed the ruleset: then nothing is queued either.
            warn!(error:%; "cannot take back the rules that queue");
        }
        self.stop_workers();
        show_queues(&self.numbers);
        for worker in self.workers {
            // It ended by itself and said why: there is nothing left to do for it.
            let (Ok(()) | Err(_)) = worker.join();
        }
        show_totals(&self.counters);
        let (Ok(()) | Err(_)) = self.writer.join();
        match config.on_exit {
            OnExit::Keep => info!("stopped; blocks stay in the kernel and run out on time"),
            OnExit::Remove => match nft::remove(config)? {
                Removed::Wholly => info!("stopped; blocks are lifted"),
                Removed::Emptied => {
                    info!("stopped; blocks are lifted, and our table stays, empty: other queues are in use");
                }
            },
        }
        Ok(())
    }

    fn stop_workers(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }
}

/// Logs what was done so far.
fn show_totals(counters: &[Arc<Counters>]) {
    let totals = counters.iter().map(|counters| counters.totals()).fold(Totals::default(), Totals::add);
    let Totals { packets, accepted, dropped, unreadable, panics, blocks, block_failures, lost, facts_lost } = totals;
    info!(packets, accepted, dropped, blocks, block_failures, unreadable, panics, lost, facts_lost; "counters");
}

/// Logs what waits in the kernel for us, and what did not find room.
fn show_queues(numbers: &[u16]) {
    for state in queue::states().into_iter().filter(|state| numbers.contains(&state.number)) {
        let queue::QueueState { number, waiting, overrun, unsent, .. } = state;
        info!(number, waiting, overrun, unsent; "queue");
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, DaemonError> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(DaemonError::Start)
}
