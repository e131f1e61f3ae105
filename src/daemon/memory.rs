//! What an earlier daemon left in the journal: blocks in force, and how often sources were blocked before.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use ipnet::IpNet;
use log::{info, warn};

use super::audience::Desk;
use super::bans::{Ban, Bans};
use crate::config::{Config, Mode};
use crate::detect::source::Source;
use crate::detect::table::ScanTable;
use crate::detect::widen::is_wide;
use crate::journal::keeper::{Keeper, announce};
use crate::journal::{Home, Journal, JournalError, Settings, StandingSource};
use crate::kernel::clock::wall;
use crate::kernel::dump::Element;
use crate::kernel::home;
use crate::kernel::ruleset::Banned;
use crate::time::Moment;

/// What an earlier daemon left.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Blocks with the time left to each; those that end last come first.
    blocks: Vec<(Source, Duration)>,
    repeats: HashMap<Source, u8>,
    pub(super) bans: Bans,
}

/// A journal that was opened, or what kept it from that; nobody writes it yet.
pub(super) struct Unkept {
    settings: Settings,
    home: Home,
    journal: Result<Journal, JournalError>,
}

/// Opens the journal and reads what is in it, if the config wants one.
pub(super) fn open(config: &Config) -> (Memory, Option<Unkept>) {
    let Some(settings) = settings(config) else { return (Memory::default(), None) };
    let home = Home(home::read());
    let opened = Journal::open(settings.clone(), home.clone(), wall()).and_then(|(journal, opened)| {
        announce(&opened);
        recall(journal, config)
    });
    let (memory, journal) = match opened {
        Ok((memory, journal)) => (memory, Ok(journal)),
        Err(error) => (Memory::default(), Err(error)),
    };
    (memory, Some(Unkept { settings, home, journal }))
}

/// What is in the journal. One that is found to be damaged only now is set aside, and another begun.
fn recall(journal: Journal, config: &Config) -> Result<(Memory, Journal), JournalError> {
    match Memory::of(&journal, config) {
        Ok(memory) => Ok((memory, journal)),
        Err(error) => {
            warn!(error:%; "cannot read the journal: blocks from before this start are put back from the kernel alone");
            if !error.is_damage() {
                return Ok((Memory::default(), journal));
            }
            let (journal, opened) = journal.begin_anew(wall())?;
            announce(&opened);
            Ok((Memory::default(), journal))
        }
    }
}

fn settings(config: &Config) -> Option<Settings> {
    let file = config.journal_file()?;
    Some(Settings { file, keep: config.journal.keep, max_bytes: config.journal.max_bytes })
}

impl Unkept {
    /// Whether another daemon writes it, and what is beside it as well.
    pub(super) const fn is_anothers(&self) -> bool {
        matches!(self.journal, Err(JournalError::InUse { .. }))
    }

    /// Starts the thread that writes it. What kept it from being opened is said there, and tried again; it does not keep us from
    /// blocking.
    pub(super) fn keep(self) -> io::Result<(Keeper, Desk)> {
        let Self { settings, home, journal } = self;
        let file = settings.file.clone();
        let keeper = Keeper::start(settings, home, journal, wall)?;
        let desk = Desk { file, orders: keeper.orders(), health: keeper.health() };
        Ok((keeper, desk))
    }
}

/// Reads what is in the journal, and leaves it alone.
pub(super) fn look(config: &Config) -> Result<Memory, JournalError> {
    let Some(settings) = settings(config).filter(|settings| settings.file.exists()) else {
        return Ok(Memory::default());
    };
    let (journal, opened) = Journal::open(settings, Home(home::read()), wall())?;
    announce(&opened);
    Memory::of(&journal, config)
}

impl Memory {
    fn of(journal: &Journal, config: &Config) -> Result<Self, JournalError> {
        let now = wall();
        let most = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let standing = journal.standing(now, most(config.block.max))?;
        let repeats = journal.repeats(now.minus(config.block.memory), most(config.detect.max_sources))?;
        if standing.unreadable > 0 {
            let rows = standing.unreadable;
            warn!(rows; "the journal has rows that say nothing of a block that could be read; the others count");
        }
        let mut bans = Bans::default();
        for prefix in standing.prefixes {
            let ban = Ban { prefix: prefix.prefix, until: prefix.until, reason: prefix.reason };
            if let Err(refusal) = bans.add(now, ban) {
                info!("of an operator's blocks: {}", refusal.problem);
            }
        }
        let (sources, others) = standing.sources.into_iter().partition::<Vec<_>, _>(|of| has_our_length(of, config));
        for StandingSource { source, until, .. } in others {
            // It is refused where an operator's block holds it already.
            let (Ok(_) | Err(_)) = bans.add(now, Ban::of_another_length(source, until));
        }
        let left = |source: StandingSource| (source.source, source.until.since(now));
        let mut blocks: Vec<_> = sources.into_iter().map(left).collect();
        blocks.retain(|(source, _)| !config.allow.covers((*source).into()));
        blocks.retain(|(_, left)| !left.is_zero());
        blocks.sort_unstable_by_key(|(_, left)| std::cmp::Reverse(*left));
        let repeats = repeats.into_iter().map(|(source, count, _)| (source, u8::try_from(count).unwrap_or(u8::MAX)));
        Ok(Self { blocks, repeats: repeats.collect(), bans })
    }

    /// The blocks to be put into the kernel: while observing none.
    pub(super) fn blocks(&self, mode: Mode) -> &[(Source, Duration)] {
        match mode {
            Mode::Enforce => &self.blocks,
            Mode::Observe => &[],
        }
    }

    /// Takes over operators' blocks that the kernel has and the journal does not.
    pub(super) fn take_over(&mut self, banned: &[Banned]) {
        let now = wall();
        for Banned { prefix, left } in banned {
            if self.bans.in_force(now).all(|ban| !ban.prefix.contains(prefix)) {
                let until = left.map(|left| now.plus(left));
                let ban = Ban { prefix: *prefix, until, reason: String::new() };
                // What it reaches beyond is in the journal, and lasts longer.
                let (Ok(_) | Err(_)) = self.bans.add(now, ban);
            }
        }
    }

    /// Takes over networks that the kernel blocked by another length than ours, as far as the journal does not have them.
    pub(super) fn take_networks(&mut self, networks: Vec<Element>) {
        let (now, mut lost) = (wall(), 0_u32);
        for Element { source, left, .. } in networks {
            let ban = Ban { until: left.map(|left| now.plus(left)), ..Ban::of_another_length(source, now) };
            if self.bans.in_force(now).all(|known| !known.prefix.contains(&ban.prefix)) {
                lost = lost.saturating_add(u32::from(self.bans.add(now, ban).is_err()));
            }
        }
        if lost > 0 {
            warn!(lost; "of the IPv6 networks that were blocked by another prefix length, so many are not any more");
        }
    }

    /// How often `source` was blocked in a row, with the block in force.
    pub(super) fn repeat(&self, source: Source) -> u8 {
        self.repeats.get(&source).copied().unwrap_or(1)
    }

    /// Has `table` know those that were blocked before and are not now, as far as they find room.
    pub(super) fn teach(&self, table: &ScanTable, now: Moment) {
        for (source, repeats) in &self.repeats {
            if table.show(now, *source).is_none() {
                table.remember_repeats(now, *source, *repeats);
            }
        }
    }
}

/// Whether the kernel's sets can find it: hosts, and networks of the length that is configured now or of those with a set of their own.
fn has_our_length(standing: &StandingSource, config: &Config) -> bool {
    let net = IpNet::from(standing.source);
    standing.source.is_host() || is_wide(standing.source) || net.prefix_len() == config.detect.ipv6_prefix
}
