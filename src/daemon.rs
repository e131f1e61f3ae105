//! The threads, and how they are joined: workers that judge, a writer that tells, and this one, which starts and ends them.
//!
//! **Start:** table in the kernel with nothing queued → queues bound → workers running → packets sent to the queues → ready.
//! **End:** nothing sent to the queues any more → workers drain what waits → queues closed. Blocks stay, unless told otherwise.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::ops::Add as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::bounded;
use log::{info, warn};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::config::{Config, Mode, OnExit};
use crate::detect::Detector;
use crate::detect::source::{Grouping, Source};
use crate::detect::table::{ScanTable, Seeds, Threshold};
use crate::kernel::block_set::BlockSet;
use crate::kernel::clock::Clock;
use crate::kernel::queue::{self, Queue, QueueError};
use crate::kernel::ruleset::Method;
use crate::kernel::{links, nft};
use crate::report::counters::{Counters, Totals};

mod worker;
mod writer;

use worker::Worker;
use writer::Writer;

/// Facts that wait for the writer; more than this and it is not keeping up, and a flood is no reason to wait for it.
const PENDING_FACTS: usize = 4096;
/// How often signals and workers are looked at: a tenth of a second is soon enough for people, and rare enough for idle machines.
const TICK: Duration = Duration::from_millis(100);
/// What was sent before a block, and queued behind its probe, is judged by then even on a slow machine.
const SETTLE: Duration = Duration::from_secs(1);
/// Addresses of our links change seldom.
const TICKS_PER_LINK_CHECK: u32 = 50;

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A queue cannot be had.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The ruleset cannot be loaded.
    #[error(transparent)]
    Ruleset(#[from] nft::NftError),
    /// No netlink socket for the block sets.
    #[error("cannot open a netlink socket to netfilter")]
    Netlink(#[source] io::Error),
    /// The system gives no thread, or no signals.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// A worker ended by itself.
    #[error("a worker ended: its queue has no listener any more")]
    WorkerEnded,
}

/// What the workers share.
#[derive(Debug)]
struct Shared {
    clock: Clock,
    detector: Detector,
    /// Replaced when our links' addresses change.
    grouping: ArcSwap<Grouping>,
    stop: AtomicBool,
}

/// Runs until SIGTERM or SIGINT.
pub fn run(config: &Config) -> Result<(), DaemonError> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1, SIGHUP]).map_err(DaemonError::Start)?;
    refuse_taken_queues(config)?;
    nft::load(config)?;
    let shared = Arc::new(share(config));
    let (workers, blocks) = open_workers(config, &shared)?;
    let daemon = Daemon::start(config, shared, workers)?;
    let method = nft::arm(config).inspect_err(|_| daemon.stop_workers())?;
    announce(config, method, blocks);
    let outcome = daemon.watch(&mut signals);
    daemon.stop(config)?;
    outcome
}

/// Before anything is changed: a queue that somebody else listens to.
fn refuse_taken_queues(config: &Config) -> Result<(), QueueError> {
    for number in queue_numbers(config) {
        if let Some(owner) = queue::owner(number) {
            return Err(QueueError::InUse { number, owner });
        }
    }
    Ok(())
}

fn queue_numbers(config: &Config) -> impl Iterator<Item = u16> {
    let first = config.queue.first;
    (0..config.queue.count).map(move |i| first.saturating_add(i))
}

fn share(config: &Config) -> Shared {
    let threshold = Threshold {
        contacts: config.detect.threshold,
        window: config.detect.window,
        block: config.block.time,
        settle: match config.mode {
            Mode::Enforce => SETTLE,
            Mode::Observe => Duration::MAX, // nothing is in the kernel that could be taken out of it
        },
    };
    Shared {
        clock: Clock::start(),
        detector: Detector {
            table: ScanTable::new(config.detect.max_sources, random_seeds()),
            threshold,
            allow: config.allow.clone(),
        },
        grouping: ArcSwap::from_pointee(grouping(config.detect.ipv6_prefix)),
        stop: AtomicBool::new(false),
    }
}

fn grouping(ipv6_prefix: u8) -> Grouping {
    let on_link = links::on_link_networks().unwrap_or_else(|error| {
        warn!(error:%; "cannot read the addresses of our links: neighbours by IPv6 are taken for one source");
        Vec::new()
    });
    Grouping { ipv6_prefix, on_link }
}

/// Opens queues and sets; returns also how many blocks the kernel had.
fn open_workers(config: &Config, shared: &Arc<Shared>) -> Result<(Vec<Worker>, usize), DaemonError> {
    let count = usize::from(config.queue.count.max(1));
    let share_of_blocks = usize::try_from(config.block.max).unwrap_or(usize::MAX).div_ceil(count);
    let mut workers = Vec::with_capacity(count);
    for number in queue_numbers(config) {
        let queue = Queue::open(number, config.queue.length, config.fail_mode().queue_full)?;
        let blocks = BlockSet::open(&config.table, share_of_blocks).map_err(DaemonError::Netlink)?;
        workers.push(Worker::new(queue, blocks, config, shared));
    }
    let blocks = nft::blocks(config)?;
    adopt(&blocks, &mut workers, shared, config.detect.ipv6_prefix);
    Ok((workers, blocks.len()))
}

/// Takes over the blocks that an earlier daemon left, so that they count towards the maximum. Those that end soonest come first.
fn adopt(blocks: &[(IpAddr, Duration)], workers: &mut [Worker], shared: &Shared, ipv6_prefix: u8) {
    let now = shared.clock.now();
    let mut blocks = blocks.to_vec();
    blocks.sort_unstable_by_key(|(_, left)| *left);
    for (i, (address, left)) in blocks.into_iter().enumerate() {
        let (source, until) = (Source::of_key(address, ipv6_prefix), now.plus(left));
        shared.detector.table.set_blocked(now, source, until);
        let count = workers.len();
        if let Some(worker) = i.checked_rem(count).and_then(|i| workers.get_mut(i)) {
            worker.blocks.adopt(now, source, until);
        }
    }
}

/// Says that a probe sent now would be judged: in the log, and to systemd if it asked.
fn announce(config: &Config, method: Method, blocks: usize) {
    let queue = match method {
        Method::Native => "nft queue",
        Method::Xt => "xt NFQUEUE (this kernel has no nft_queue)",
    };
    let mode = match config.mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
    };
    let last = config.queue.first.saturating_add(config.queue.count.saturating_sub(1));
    let numbers = format!("{}-{last}", config.queue.first);
    info!(mode, table = config.table.as_str(), queues = numbers.as_str(), blocks, by = queue; "ready");
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        warn!(error:%; "cannot tell systemd that we are ready");
    }
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
    fn watch(&self, signals: &mut Signals) -> Result<(), DaemonError> {
        for tick in 1_u32.. {
            for signal in signals.pending() {
                match signal {
                    SIGUSR1 => self.summarize(),
                    // Its default would end us, and with us the trap, because somebody closed a terminal.
                    SIGHUP => warn!("SIGHUP changes nothing: restart to read the config again; blocks stay meanwhile"),
                    _ => return Ok(()),
                }
            }
            if self.workers.iter().any(JoinHandle::is_finished) {
                return Err(DaemonError::WorkerEnded);
            }
            if tick.is_multiple_of(TICKS_PER_LINK_CHECK) {
                self.look_at_links();
            }
            thread::sleep(TICK);
        }
        Ok(())
    }

    fn look_at_links(&self) {
        let known = self.shared.grouping.load();
        let found = grouping(known.ipv6_prefix);
        if found != **known {
            self.shared.grouping.store(Arc::new(found));
        }
    }

    /// Ends all threads in the order that loses no packet and no fact.
    fn stop(self, config: &Config) -> Result<(), DaemonError> {
        if let Err(error) = nft::disarm(config) {
            // Most often because somebody flushed the ruleset: then nothing is queued either.
            warn!(error:%; "cannot take back the rules that queue");
        }
        self.stop_workers();
        self.summarize();
        for worker in self.workers {
            // It ended by itself and said why: there is nothing left to do for it.
            let (Ok(()) | Err(_)) = worker.join();
        }
        let (Ok(()) | Err(_)) = self.writer.join();
        match config.on_exit {
            OnExit::Keep => info!("stopped; blocks stay in the kernel and run out on time"),
            OnExit::Remove => {
                nft::remove(config)?;
                info!("stopped; blocks are lifted");
            }
        }
        Ok(())
    }

    fn stop_workers(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }

    /// Logs what was done so far, and what waits in the kernel.
    fn summarize(&self) {
        let totals = self.counters.iter().map(|counters| counters.totals()).fold(Totals::default(), Totals::add);
        info!("counters {totals}");
        for state in queue::states().into_iter().filter(|state| self.numbers.contains(&state.number)) {
            let queue::QueueState { number, waiting, overrun, unsent, .. } = state;
            info!(queue = number, waiting, overrun, unsent; "queue");
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, DaemonError> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(DaemonError::Start)
}

/// From the system's own random numbers, as the standard library's hash maps take theirs.
fn random_seeds() -> Seeds {
    let random = RandomState::new();
    Seeds(random.hash_one(1), random.hash_one(2))
}
