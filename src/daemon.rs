//! The threads, and how they are joined: workers that judge, a writer that tells, and this one, which starts and ends them.
//!
//! **Start:** table in the kernel with nothing queued → queues bound → workers running → packets sent to the queues → ready.
//! **End:** nothing sent to the queues any more → workers drain what waits → queues closed. Blocks stay, unless told otherwise.

use std::io;
use std::ops::Add as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use log::{info, warn};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::config::{Config, LogFormat, OnExit};
use crate::detect::table::NoMemory;
use crate::event::{Operator, What};
use crate::journal::JournalError;
use crate::journal::keeper::Keeper;
use crate::kernel::block_set::BlockSet;
use crate::kernel::dump::DumpError;
use crate::kernel::instance::{Instance, InstanceError};
use crate::kernel::nft::{self, Removed};
use crate::kernel::queue::{QueueError, QueueState};
use crate::report::chronicle::Chronicler;
use crate::report::counters::{Counters, Totals};
use crate::report::exporter::Exporter;

mod allow_files;
mod allowed;
mod answers;
mod audience;
mod backlog;
mod ban;
mod bans;
mod blocks;
mod books;
pub mod cage;
mod decoy;
mod files;
mod hold;
mod judge;
mod launch;
mod memory;
mod numbers;
mod orders;
mod pace;
mod policy;
mod proof;
mod protection;
mod pulse;
mod reload;
mod room;
mod served;
mod start;
mod status;
mod wide;
mod worker;
mod writer;

use allow_files::AllowFiles;
use answers::{Answers, Order};
use audience::Audience;
use backlog::Backlog;
use books::Books;
use cage::Kept;
use files::Files;
use protection::Guard;
use served::Served;
use start::{Shared, find_guests_queue, our_queues, refuse_taken_queues, share};

/// How often signals and workers are looked at: a tenth of a second is soon enough for people, and rare enough for idle machines.
const TICK: Duration = Duration::from_millis(100);
/// A daemon that was killed is gone by then, and one that was told to end has judged what waited for it.
const TICKS_TO_GO: u32 = 30;
/// Without our table nothing is blocked: it is to be back within a second.
const TICKS_PER_TABLE_CHECK: u32 = 5;
/// A service that stops has listened for a minute before, or was asked.
const TICKS_PER_REFRESH: u32 = 600;
/// A folder that is not there yet is soon made by somebody.
const TICKS_PER_FILES: u32 = 300;
/// Addresses, routes and sessions change seldom, and who edits an allow list waits for some seconds.
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
    /// Whom operators allowed cannot be read: they might be blocked.
    #[error("cannot read {file}, which names sources that are never blocked: mend it, or move it away")]
    Allowed {
        /// The file.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No netlink socket for the block sets.
    #[error("cannot open a netlink socket to netfilter")]
    Netlink(#[source] io::Error),
    /// Somebody else has our table.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// No memory for what is remembered of sources.
    #[error(transparent)]
    Sources(#[from] NoMemory),
    /// No memory for what is known of the kernel's blocks.
    #[error("there is no memory for a worker's {0} blocks: lower `max` in section [block], or let nftrap have more")]
    Blocked(usize),
    /// The system gives no thread, or no signals.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// A worker ended by itself.
    #[error("a worker ended: its queue has no listener any more")]
    WorkerEnded,
}

/// Runs until SIGTERM or SIGINT, with the rights that were `kept`; `path` is where `config` was read, and `log` the form that the log has,
/// whatever the config says.
pub fn run(mut config: Config, path: Option<&Path>, log: LogFormat, kept: Kept) -> Result<(), DaemonError> {
    kept.tell();
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1, SIGHUP]).map_err(DaemonError::Start)?;
    let mut instance = claim(&config.table)?;
    find_guests_queue(&mut config);
    refuse_taken_queues(&config)?;
    let mut daemon = Daemon::start(config, path, log)?;
    daemon.books.health().kept = kept;
    let ready = daemon.arm().and_then(|()| daemon.listen(instance.listener()));
    if let Err(error) = ready {
        daemon.stop_workers();
        return Err(error);
    }
    let outcome = daemon.watch(&mut instance, &mut signals);
    daemon.stop()?;
    outcome
}

/// Loads our table with the blocks that the journal has, and nothing queued: for the time before the daemon runs.
pub fn restore(config: &Config) -> Result<usize, DaemonError> {
    let _instance = Instance::claim(&config.table)?.sure()?;
    let allowed = launch::allowed(config)?;
    let config = Config { allow: allowed.with(&config.allow), ..config.clone() };
    let mut memory = memory::look(&config)?;
    launch::load(&config, &share(&config)?, &mut memory, &Served::at(config.served_file()))?;
    Ok(memory.blocks(config.mode).len())
}

/// Claims the table. A daemon that ends just now is given the time to.
#[expect(clippy::disallowed_methods, reason = "nothing else is done before there is a claim")]
fn claim(table: &str) -> Result<Instance, InstanceError> {
    for _ in 0..TICKS_TO_GO {
        match Instance::claim(table) {
            Err(InstanceError::Running { .. }) => thread::sleep(TICK),
            claimed => return claimed,
        }
    }
    Instance::claim(table)
}

/// Whether a thread goes on.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    Stop,
}

/// The running threads, and what this one, which changes things, has at hand.
struct Daemon {
    books: Arc<Books>,
    shared: Arc<Shared>,
    audience: Arc<Audience>,
    counters: Vec<Arc<Counters>>,
    workers: Vec<JoinHandle<()>>,
    writer: JoinHandle<()>,
    /// Tells when the writer has told what workers did so far.
    abreast: Sender<Sender<()>>,
    keeper: Option<Keeper>,
    files: Files,
    allow_files: AllowFiles,
    served: Served,
    chronicler: Option<Chronicler>,
    /// Ends when it is dropped.
    _exporter: Option<Exporter>,
    /// This thread's own way to the kernel's sets.
    set: BlockSet,
    guard: Guard,
    backlog: Backlog,
    orders: Receiver<Order>,
    answers: Arc<Answers>,
    blocks: usize,
}

impl Daemon {
    /// Serves signals and operators until a signal says stop, or a worker is gone.
    fn watch(&mut self, instance: &mut Instance, signals: &mut Signals) -> Result<(), DaemonError> {
        let mut tick = 0_u32;
        loop {
            tick = tick.wrapping_add(1);
            self.shared.rounds.fetch_add(1, Ordering::Relaxed);
            if signals.pending().any(|signal| self.obey(signal) == Then::Stop) {
                return Ok(());
            }
            if self.workers.iter().any(JoinHandle::is_finished) {
                return Err(DaemonError::WorkerEnded);
            }
            self.release_held();
            if tick.is_multiple_of(TICKS_PER_TABLE_CHECK) {
                self.protect();
                self.look_at_queues();
            }
            if tick.is_multiple_of(TICKS_PER_LOOK_AROUND) {
                self.look_around();
                self.look_at_allow_files();
            }
            if tick.is_multiple_of(TICKS_PER_FILES) {
                self.open_files();
            }
            self.listen_again(instance)?;
            if tick.is_multiple_of(TICKS_PER_REFRESH) {
                self.refresh();
                self.look_at_room();
            }
            match self.orders.recv_timeout(TICK) {
                Ok(order) => self.fulfil(order),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    /// Does what `nft` has to do while workers set no blocks; then those blocks go to the kernel.
    fn quietly<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        self.shared.hold.begin();
        let done = act(self);
        self.shared.hold.end();
        self.release_held();
        done
    }

    /// Has the kernel block those who were kept back. A worker that looked just before the end may have put one more in.
    fn release_held(&mut self) {
        let (now, Self { shared, set, .. }) = (self.shared.clock.now(), self);
        shared.hold.release(|(source, until)| {
            // An operator may have let it go meanwhile. What the kernel does not take is tried again with the next probe.
            if shared.table.blocked_until(now, source) == Some(until) && set.add(&source, until.since(now)).is_err() {
                shared.table.unblock(source);
            }
        });
    }

    fn listen_again(&self, instance: &mut Instance) -> Result<(), DaemonError> {
        instance.claim_again().map_or(Ok(()), |listener| self.listen(Some(listener)))
    }

    fn obey(&mut self, signal: i32) -> Then {
        match signal {
            SIGUSR1 => {
                show_totals(&self.counters);
                self.show_queues();
                Then::GoOn
            }
            SIGHUP => {
                // It says itself what came of it.
                let (Ok(_) | Err(_)) = self.quietly(|daemon| daemon.reload(None));
                Then::GoOn
            }
            _ => Then::Stop,
        }
    }

    /// Ends all threads in the order that loses no packet and no fact.
    fn stop(self) -> Result<(), DaemonError> {
        let config = self.books.config();
        reload::tell_systemd(&[sd_notify::NotifyState::Stopping]);
        if let Err(error) = nft::disarm(&config) {
            // Most often because somebody flushed the ruleset: then nothing is queued either.
            warn!(error:%; "cannot take back the rules that queue");
        }
        self.stop_workers();
        self.show_queues();
        for worker in self.workers {
            // It ended by itself and said why: there is nothing left to do for it.
            let (Ok(()) | Err(_)) = worker.join();
        }
        show_totals(&self.counters);
        let (Ok(()) | Err(_)) = self.writer.join();
        if config.on_exit == OnExit::Remove {
            self.audience.tell(What::UnblockedAll { by: ourselves() });
        }
        self.audience.tell(What::Stopped);
        self.audience.stop_acting();
        if let Some(keeper) = self.keeper {
            keeper.stop();
        }
        if let Some(chronicler) = self.chronicler {
            chronicler.finish();
        }
        self.audience.chronicle.shutting_down();
        self.files.finish();
        match config.on_exit {
            OnExit::Keep => info!("stopped; blocks stay in the kernel and run out on time"),
            OnExit::Remove => match nft::remove(&config)? {
                Removed::Wholly => info!("stopped; blocks are lifted"),
                Removed::Emptied => {
                    info!("stopped; blocks are lifted, and our table stays, idle: packets may wait in other queues");
                }
            },
        }
        Ok(())
    }

    fn stop_workers(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }

    /// Logs what waits in the kernel for us, and what did not find room.
    fn show_queues(&self) {
        for QueueState { number, waiting, overrun, unsent, .. } in our_queues(&self.books.config()) {
            info!(number, waiting, overrun, unsent; "queue");
        }
    }
}

/// Who did what the config asked for.
fn ourselves() -> Operator {
    let (uid, pid) = (rustix::process::getuid().as_raw(), rustix::process::getpid().as_raw_pid());
    Operator { uid, pid, name: Some("nftrap".to_owned()) }
}

/// Logs what was done so far.
fn show_totals(counters: &[Arc<Counters>]) {
    let totals = counters.iter().map(|counters| counters.totals()).fold(Totals::default(), Totals::add);
    let Totals { packets, accepted, dropped, watched, unreadable, panics, blocks, block_failures, lost, facts_lost } =
        totals;
    info!(packets, accepted, dropped, blocks, watched, block_failures, unreadable, panics, lost, facts_lost; "counters");
}
