//! What workers judge by: values made of the config and of what is around this host, replaced as a whole when either changes. What is
//! remembered of sources is no part of it, and stays.

use std::net::IpAddr;
use std::time::Duration;

use log::warn;

use super::judge::Acquaintance;
use crate::config::{Config, Exempt, Mode, QueueFull};
use crate::detect::Rules;
use crate::detect::prefixes::Prefixes;
use crate::detect::source::Surroundings;
use crate::kernel::queue::Verdict;
use crate::kernel::surroundings::{self, Why};
use crate::time::Moment;

/// What was sent before a block, and queued behind its probe, is judged by then even on a slow machine.
const SETTLE: Duration = Duration::from_secs(1);

/// What workers judge by.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) mode: Mode,
    pub(super) rules: Rules,
    pub(super) surroundings: Surroundings,
    /// Whose refusals are evidence.
    pub(super) protect: Prefixes,
    /// What a packet gets that cannot be judged.
    pub(super) unjudged: Verdict,
    /// Blocks that each who judges may have in the kernel.
    pub(super) shares: Shares,
    pub(super) queue_length: u32,
    pub(super) queue_full: QueueFull,
}

impl Policy {
    /// What `config` asks for, with at most so many blocks in all, and with the operators' own allow list; `uptime` is the machine's
    /// when our clock started.
    pub(super) fn of(
        config: &Config,
        uptime: Duration,
        blocks: u32,
        allow: Prefixes,
        surroundings: Surroundings,
    ) -> Self {
        let settle = match config.mode {
            Mode::Enforce => SETTLE,
            Mode::Observe => Duration::MAX, // nothing is in the kernel that could be taken out of it
        };
        let booted = Moment::ZERO.plus(config.unserved.after_boot.saturating_sub(uptime));
        let queue_full = config.fail_mode().queue_full;
        Self {
            mode: config.mode,
            rules: Rules { allow, ..Rules::of(config, booted, settle) },
            surroundings,
            protect: config.protect.clone(),
            unjudged: match queue_full {
                QueueFull::Open => Verdict::Accept,
                QueueFull::Closed => Verdict::Drop,
            },
            shares: Shares::of(blocks, config),
            queue_length: config.queue.length,
            queue_full,
        }
    }
}

/// How the blocks that there may be are shared out, so that no worker has to ask another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    strangers: usize,
    guests: usize,
}

/// Of all blocks, one part of so many is for guests: they have proven their addresses, so no flood of them is forged.
const PARTS: usize = 16;

impl Shares {
    /// Of so many blocks. Each worker of strangers has as many, and who judges at decoys, and who judges what many do together.
    pub(super) fn of(blocks: u32, config: &Config) -> Self {
        let others: u16 = [!config.decoy.is_none(), config.blocks_together()].into_iter().map(u16::from).sum();
        let sharers = config.queue.count.max(1).saturating_add(others);
        let blocks = usize::try_from(blocks).unwrap_or(usize::MAX);
        let guests = blocks.div_ceil(PARTS);
        Self { strangers: blocks.saturating_sub(guests).div_ceil(usize::from(sharers)), guests }
    }

    /// The share of who judges these.
    pub(super) const fn of_judge(self, acquaintance: Acquaintance) -> usize {
        match acquaintance {
            Acquaintance::Stranger => self.strangers,
            Acquaintance::Guest => self.guests,
        }
    }
}

/// Whom this host needs now, unless the config has only the allow list spared.
pub(super) fn exempt(config: &Config) -> Vec<(IpAddr, Why)> {
    match config.exempt {
        Exempt::Automatic => surroundings::exempt(),
        Exempt::AllowListOnly => Vec::new(),
    }
}

/// What is around this host now.
pub(super) fn surroundings(config: &Config) -> Surroundings {
    let on_link = surroundings::on_link_networks().unwrap_or_else(|error| {
        warn!(error:%; "cannot read the addresses of our links: neighbours by IPv6 are taken for one source");
        Vec::new()
    });
    let exempt = surroundings::prefixes(&exempt(config));
    Surroundings { ipv6_prefix: config.detect.ipv6_prefix, on_link, exempt }
}
