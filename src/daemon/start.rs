//! Before the first packet: what the workers share, their queues and sets, the blocks that an earlier daemon left.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use log::{info, warn};

use super::worker::Worker;
use super::{DaemonError, blocks};
use crate::config::{Config, Exempt, Mode};
use crate::detect::prefixes::Prefixes;
use crate::detect::source::{Source, Surroundings};
use crate::detect::table::{ScanTable, Seeds, Threshold};
use crate::detect::{Detector, Triggers};
use crate::kernel::clock::Clock;
use crate::kernel::queue::{self, Queue, QueueError};
use crate::kernel::ruleset::{Host, Method};
use crate::kernel::{clock, nft, surroundings};
use crate::time::Moment;

/// What was sent before a block, and queued behind its probe, is judged by then even on a slow machine.
const SETTLE: Duration = Duration::from_secs(1);

/// What the workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) detector: Detector,
    /// Replaced when our links' addresses change.
    pub(super) surroundings: ArcSwap<Surroundings>,
    pub(super) stop: AtomicBool,
}

impl Shared {
    /// What the ruleset must know of this host, now.
    pub(super) fn host(&self) -> Host {
        let known = self.surroundings.load();
        Host { exempt: known.exempt.clone(), ..nft::host(&known.on_link) }
    }
}

/// Before anything is changed: a queue that somebody else listens to.
pub(super) fn refuse_taken_queues(config: &Config) -> Result<(), QueueError> {
    for number in queue_numbers(config) {
        if let Some(owner) = queue::owner(number) {
            return Err(QueueError::InUse { number, owner });
        }
    }
    Ok(())
}

pub(super) fn queue_numbers(config: &Config) -> impl Iterator<Item = u16> {
    let first = config.queue.first;
    (0..config.queue.count).map(move |i| first.saturating_add(i))
}

pub(super) fn share(config: &Config) -> Shared {
    let threshold = Threshold {
        unserved: config.detect.sensitivity.contacts(),
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
            triggers: Triggers { tcp: config.trigger.tcp.clone(), udp: config.trigger.udp.clone() },
            unserved_from: Moment::ZERO.plus(config.unserved.after_boot.saturating_sub(clock::uptime())),
            allow: config.allow.clone(),
        },
        surroundings: ArcSwap::from_pointee(surroundings(config.detect.ipv6_prefix, config.exempt)),
        stop: AtomicBool::new(false),
    }
}

pub(super) fn surroundings(ipv6_prefix: u8, exempt: Exempt) -> Surroundings {
    let on_link = surroundings::on_link_networks().unwrap_or_else(|error| {
        warn!(error:%; "cannot read the addresses of our links: neighbours by IPv6 are taken for one source");
        Vec::new()
    });
    let exempt = match exempt {
        Exempt::Automatic => surroundings::prefixes(&surroundings::exempt()),
        Exempt::AllowListOnly => Prefixes::default(),
    };
    Surroundings { ipv6_prefix, on_link, exempt }
}

/// Opens queues and sets; returns also how many blocks of an earlier daemon are taken over.
pub(super) fn open_workers(config: &Config, shared: &Arc<Shared>) -> Result<(Vec<Worker>, usize), DaemonError> {
    let found = nft::blocks(config)?;
    let max = match found.room {
        Some(room) if room < config.block.max => {
            warn!(room; "the kernel keeps the sets of an earlier start, which are smaller than `max`: remove the table to change that");
            room
        }
        Some(_) | None => config.block.max,
    };
    let count = usize::from(config.queue.count.max(1));
    let share_of_blocks = usize::try_from(max).unwrap_or(usize::MAX).div_ceil(count);
    let mut workers = Vec::with_capacity(count);
    for number in queue_numbers(config) {
        let queue = Queue::open(number, config.queue.length, config.fail_mode().queue_full)?;
        let blocks = blocks::open(&config.table, share_of_blocks).map_err(DaemonError::Netlink)?;
        workers.push(Worker::new(queue, blocks, config, shared));
    }
    let taken_over = found.blocks.len();
    adopt(found.blocks, &mut workers, shared);
    Ok((workers, taken_over))
}

/// Takes over the blocks that an earlier daemon left, so that they count towards the maximum. Those that end soonest come first.
fn adopt(mut blocks: Vec<(Source, Duration)>, workers: &mut [Worker], shared: &Shared) {
    let (now, Detector { table, threshold, .. }) = (shared.clock.now(), &shared.detector);
    blocks.sort_unstable_by_key(|(_, left)| *left);
    for (i, (source, left)) in blocks.into_iter().enumerate() {
        table.set_blocked(now, source, now.plus(left), threshold);
        let until = table.blocked_until(now, source).unwrap_or(now);
        let count = workers.len();
        if let Some(worker) = i.checked_rem(count).and_then(|i| workers.get_mut(i)) {
            worker.blocks.adopt(now, source, until, table);
        }
    }
}

/// Says that a probe sent now would be judged: in the log, and to systemd if it asked.
pub(super) fn announce(config: &Config, method: Method, blocks: usize) {
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
    if config.mode == Mode::Observe && blocks > 0 {
        warn!(blocks; "observing: the blocks that are in the kernel are not enforced");
    }
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        warn!(error:%; "cannot tell systemd that we are ready");
    }
}

/// From the system's own random numbers, as the standard library's hash maps take theirs.
fn random_seeds() -> Seeds {
    let random = RandomState::new();
    Seeds(random.hash_one(1), random.hash_one(2))
}
