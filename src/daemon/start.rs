//! Before the first packet: what the workers share, their queues and sets, the blocks that an earlier daemon left.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::Sender;
use log::{info, warn};

use super::blocks::Blocks;
use super::hold::Hold;
use super::judge::{Acquaintance, Judge};
use super::memory::Memory;
use super::policy::{self, Policy, Shares};
use super::reload::tell_systemd;
use super::status::{method_name, mode_name};
use super::worker::Worker;
use super::{DaemonError, blocks};
use crate::config::{Config, GuestQueue, Mode, Reader};
use crate::detect::source::{Source, Surroundings};
use crate::detect::table::{NoMemory, ScanTable, Seeds};
use crate::kernel::clock::{self, Clock};
use crate::kernel::nft;
use crate::kernel::queue::{self, Queue, QueueError, QueueState};
use crate::kernel::ruleset::{Decoys, Host, Method};
use crate::report::fact::Fact;
use crate::report::logger::with_causes;

/// What the workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    /// The machine's uptime when the clock started.
    pub(super) uptime: Duration,
    pub(super) table: ScanTable,
    /// Replaced when the config or our links' addresses change.
    pub(super) policy: ArcSwap<Policy>,
    /// Keeps blocks back while `nft` works.
    pub(super) hold: Hold,
    /// Where our decoys listen.
    pub(super) decoys: Decoys,
    pub(super) stop: AtomicBool,
    /// Scans of many sources told so far.
    pub(super) distributed: AtomicU64,
    /// Rounds of the main thread: it turns over as long as this grows.
    pub(super) rounds: AtomicU64,
}

impl Shared {
    /// What the ruleset must know of this host, now.
    pub(super) fn host(&self) -> Host {
        self.host_with(&self.policy.load().surroundings)
    }

    /// The same of a host with these surroundings.
    pub(super) fn host_with(&self, around: &Surroundings) -> Host {
        Host { exempt: around.exempt.clone(), decoys: self.decoys.clone(), ..nft::host(&around.on_link) }
    }
}

/// Before anything is changed: whether guests can have a queue of their own. Without one nobody is a guest, and the host is guarded all the
/// same: a number that was free for others yesterday is no reason to end.
pub(super) fn find_guests_queue(config: &mut Config) {
    let Err(why) = guests_queue(config) else { return };
    if !config.detect.guest.is_zero() {
        warn!(
            "nobody is a guest: {why}; leave the number after the last queue free (`first` in section [queue]), or set `guest = \"0s\"`"
        );
    }
    (config.queue.guests, config.detect.guest) = (GuestQueue::None, Duration::ZERO);
}

fn guests_queue(config: &Config) -> Result<(), String> {
    let number = config.queue.first.checked_add(config.queue.count).ok_or("there is no queue 65536")?;
    if let Some(owner) = queue::owner(number) {
        return Err(QueueError::InUse { number, owner }.to_string());
    }
    // Whoever may not see the kernel's list has to try. It is closed at once: nothing is sent there yet.
    if queue::states().is_empty() {
        Queue::open(number, config.queue.length, config.fail_mode().queue_full, config.queue.reader)
            .map_err(|error| with_causes(&error))?;
    }
    Ok(())
}

/// Before anything is changed: a queue that somebody else listens to.
pub(super) fn refuse_taken_queues(config: &Config) -> Result<(), QueueError> {
    for number in config.queue.numbers() {
        if let Some(owner) = queue::owner(number) {
            return Err(QueueError::InUse { number, owner });
        }
    }
    Ok(())
}

/// Our queues as the kernel has them, as far as it lets us see.
pub(super) fn our_queues(config: &Config) -> Vec<QueueState> {
    let ours = config.queue.numbers();
    queue::states().into_iter().filter(|state| ours.contains(&state.number)).collect()
}

/// `config` with whom operators allowed.
pub(super) fn share(config: &Config) -> Result<Shared, NoMemory> {
    let uptime = clock::uptime();
    let policy = Policy::of(config, uptime, config.block.max, config.allow.clone(), policy::surroundings(config));
    Ok(Shared {
        clock: Clock::start(),
        uptime,
        table: ScanTable::reserve(config.detect.max_sources, random_seeds())?,
        policy: ArcSwap::from_pointee(policy),
        hold: Hold::default(),
        decoys: Decoys::default(),
        stop: AtomicBool::new(false),
        distributed: AtomicU64::new(0),
        rounds: AtomicU64::new(0),
    })
}

/// What was opened.
pub(super) struct Opened {
    pub(super) workers: Vec<Worker>,
    /// For those who ask a decoy, if there is one.
    pub(super) judge: Option<Judge>,
    /// For what many do together.
    pub(super) wide: Judge,
    /// So many blocks of an earlier daemon are taken over.
    pub(super) blocks: usize,
    /// So many fit into the kernel's sets, if that is known.
    pub(super) room: Option<u32>,
}

/// Opens queues and sets, and takes over the blocks of an earlier daemon.
pub(super) fn open_workers(
    config: &Config,
    shared: &Arc<Shared>,
    facts: &Sender<Fact>,
    memory: &Memory,
) -> Result<Opened, DaemonError> {
    let found = nft::blocks(config)?;
    let max = match found.room {
        Some(room) if room < config.block.max => {
            warn!(room; "the kernel keeps the sets of an earlier start, which are smaller than `max`: remove the table to change that");
            room
        }
        Some(_) | None => config.block.max,
    };
    // In the policy, too: whoever replaces it for other reasons keeps it.
    let parts = Shares::of(max, config);
    shared.policy.store(Arc::new(Policy { shares: parts, ..Policy::clone(&shared.policy.load()) }));
    let judge_of = |acquaintance| {
        let blocks = blocks::open(&config.table, parts.of_judge(acquaintance))?;
        Ok::<_, DaemonError>(Judge::new(blocks, shared, facts.clone(), acquaintance))
    };
    let mut workers = Vec::new();
    for (i, number) in (0..).zip(config.queue.numbers()) {
        let acquaintance = if i < config.queue.count { Acquaintance::Stranger } else { Acquaintance::Guest };
        workers.push(Worker::new(open_queue(number, config)?, judge_of(acquaintance)?));
    }
    let mut judge = (!config.decoy.is_none()).then(|| judge_of(Acquaintance::Stranger)).transpose()?;
    // Its own share is reserved when it is to block; the policy that says so may come later.
    let share = if config.blocks_together() { parts.of_judge(Acquaintance::Stranger) } else { 0 };
    let mut wide = Judge::new(blocks::open(&config.table, share)?, shared, facts.clone(), Acquaintance::Stranger);
    let (blocks, room) = (complete(found.blocks, memory.blocks(config.mode)), found.room);
    let count = blocks.len();
    let others = judge.iter_mut().chain([&mut wide]).map(|judge| &mut judge.blocks);
    adopt(blocks, workers.iter_mut().map(Worker::blocks).chain(others).collect(), shared, memory);
    memory.teach(&shared.table, shared.clock.now());
    Ok(Opened { workers, judge, wide, blocks: count, room })
}

/// A queue, read as the config says; one by one, where the other way cannot be had: a slower guard is better than none.
fn open_queue(number: u16, config: &Config) -> Result<Queue, QueueError> {
    let (length, when_full) = (config.queue.length, config.fail_mode().queue_full);
    match (Queue::open(number, length, when_full, config.queue.reader), config.queue.reader) {
        (Err(QueueError::Open { source, .. }), Reader::Batch) => {
            warn!(number, error:% = source; "cannot read a queue in batches: packets are read one by one");
            Queue::open(number, length, when_full, Reader::Plain)
        }
        (opened, Reader::Batch | Reader::Plain) => opened,
    }
}

/// What was found in the kernel, each once, and what we have just put there. The kernel spreads a hash set anew, later, when it has grown:
/// who reads it meanwhile meets some elements twice, and others not at all.
fn complete(found: Vec<(Source, Duration)>, put: &[(Source, Duration)]) -> Vec<(Source, Duration)> {
    let mut blocks = found;
    blocks.extend_from_slice(put);
    blocks.sort_by_key(|(source, _)| source.parts());
    blocks.dedup_by_key(|(source, _)| source.parts());
    blocks
}

/// Takes over the blocks that an earlier daemon left, so that they count towards the maximum. Those that end soonest come first, and go round
/// among those who have room, so that none is lifted while there is any.
fn adopt(mut blocks: Vec<(Source, Duration)>, mut own: Vec<&mut Blocks>, shared: &Shared, memory: &Memory) {
    let (now, table) = (shared.clock.now(), &shared.table);
    blocks.sort_unstable_by_key(|(_, left)| *left);
    for (i, (source, left)) in blocks.into_iter().enumerate() {
        table.set_blocked(now, source, left, memory.repeat(source));
        let until = table.blocked_until(now, source).unwrap_or(now);
        let count = own.len();
        let in_turn = || (0..count).filter_map(|step| i.wrapping_add(step).checked_rem(count));
        let with_room = in_turn().find(|at| own.get(*at).is_some_and(|blocks| blocks.has_room()));
        if let Some(own) = with_room.or_else(|| in_turn().next()).and_then(|at| own.get_mut(at)) {
            own.adopt(now, source, until, table);
        }
    }
}

/// Says that a probe sent now would be judged: in the log, and to systemd if it asked.
pub(super) fn announce(config: &Config, method: Method, blocks: usize) {
    let (queue, mode) = (method_name(method), mode_name(config.mode_in_effect()));
    let queues = config.queue.numbers();
    let numbers = format!("{}-{}", queues.start(), queues.end());
    info!(mode, table = config.table.as_str(), queues = numbers.as_str(), blocks, by = queue; "ready");
    if config.mode == Mode::Observe && blocks > 0 {
        warn!(blocks; "observing: the blocks that are in the kernel are not enforced");
    }
    tell_systemd(&[sd_notify::NotifyState::Ready]);
}

/// From the system's own random numbers, as the standard library's hash maps take theirs.
pub(super) fn random_seeds() -> Seeds {
    let random = RandomState::new();
    Seeds(random.hash_one(1), random.hash_one(2))
}
