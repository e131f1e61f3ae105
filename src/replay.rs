//! Capture files → the detector: what a host or gateway guarded by `nftrap run` would have made of this traffic.
//!
//! ```text
//!  pass 1   file ─► capture ─► survey      who serves what, who is heard
//!  pass 2   file ─► capture ─► order ─► flows ─► rules ─► detect::Detector::observe ─► tally
//!                   (IP packets)  (a clock)  (conntrack) (the ruleset)
//!  pass 3   as pass 2, where somebody wants the offenders' packets: rules ─► excerpt
//! ```
//!
//! Several files are parts of one capture, in the order of their first packets. Memory has a ceiling, some 200 MB however long
//! the capture is and whoever sends; each table says who is forgotten first.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ahash::RandomState;

use crate::config::{Config, Distributed};
use crate::detect::distributed::{Crowds, Scan};
use crate::detect::prefixes::Prefixes;
use crate::detect::source::{Source, Surroundings};
use crate::detect::table::{Novelty, ScanTable, Seeds};
use crate::detect::{self, Decision};
use crate::time::Moment;

pub mod capture;
pub mod checksum;
pub mod excerpt;
pub mod flows;
pub mod fragments;
pub mod guests;
pub mod hosts;
pub mod octets;
pub mod order;
mod pcap;
pub mod recent;
pub mod rules;
#[cfg(test)]
mod samples;
pub mod seen;
pub mod sides;
pub mod sketch;
pub mod survey;
pub mod tally;

use capture::{Capture, Fault, Frame, Framed};
use flows::Flows;
use fragments::{Fragments, Joined};
use guests::Guests;
use order::Order;
use rules::Rules;
use seen::Seen;
use sides::{Basis, Sides};
use survey::Survey;
use tally::Tally;

/// What was read, and what came of it.
#[derive(Debug)]
pub struct Outcome {
    /// What was in the files.
    pub read: Read,
    /// Who was protected.
    pub sides: Sides,
    /// From the first packet to the last, on the capture's clock.
    pub length: Duration,
    /// Packets that came too late to be put in order.
    pub late: u64,
    /// How often the clock jumped back: captures joined in one file.
    pub restarts: u64,
    /// What the survey forgot for lack of room.
    pub forgotten: u64,
    /// What the first pass found out about hosts and ports.
    pub survey: Survey,
    /// Who offended.
    pub tally: Tally,
    /// Scans that many sources share.
    pub distributed: Vec<Scan>,
    /// Files that were not read to their end, with the reason.
    pub faults: Vec<(PathBuf, Fault)>,
}

/// Packets, by what they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Read {
    /// All.
    pub packets: u64,
    /// ARP and the like.
    pub not_ip: u64,
    /// From links whose headers are not known here.
    pub unknown_link: u64,
    /// The last of those link types, by its number.
    pub link: Option<u32>,
    /// IP, and not to be read.
    pub malformed: u64,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// 1 or 2; 3 while an excerpt is made.
    pub pass: u8,
    /// Packets read in this pass.
    pub packets: u64,
    /// Packets in all; known once they have been read.
    pub of: Option<u64>,
}

/// Scans of many sources that are listed; a forged flood over many hosts makes ten a minute.
const MAX_DISTRIBUTED: usize = 10_000;
/// After the last packet, what still gathers is due.
const GATHERED: Duration = Duration::from_secs(60);

/// Between two reports of progress: some tenths of a second.
const PROGRESS_EVERY: u64 = 1 << 18;

/// Replays `files`; destinations in `protect` count; if it is empty, the side to protect is guessed.
#[must_use]
pub fn replay(files: &[PathBuf], config: &Config, protect: &Prefixes, progress: &mut dyn FnMut(Progress)) -> Outcome {
    let files = in_order(files);
    let hasher = keyed();
    let mut survey = Survey::new(&hasher);
    let (read, faults) = each_packet(&files, &hasher, |_, seen, _| survey.learn(&seen), &mut |packets| {
        progress(Progress { pass: 1, packets, of: None });
    });
    let sides = if protect.is_empty() {
        Sides::guess(&survey.hosts)
    } else {
        Sides { protected: protect.clone(), basis: Basis::Named }
    };
    let mut judge = Judge::new(config, &sides, &survey, &hasher);
    let mut order = Order::new(order::WINDOW);
    let (_, _) = each_packet(
        &files,
        &hasher,
        |at, seen, _| {
            if let Some((now, seen)) = order.push(at, seen) {
                judge.see(now, &seen);
            }
        },
        &mut |packets| progress(Progress { pass: 2, packets, of: Some(read.packets) }),
    );
    while let Some((now, seen)) = order.pop() {
        judge.see(now, &seen);
    }
    judge.gather(judge.now.plus(GATHERED));
    let distributed = std::mem::take(&mut judge.distributed);
    let (late, restarts, forgotten) = (order.late(), order.restarts(), survey.forgotten());
    let (length, tally) = (judge.now.since_start(), judge.tally);
    Outcome { read, sides, length, late, restarts, forgotten, survey, tally, distributed, faults }
}

/// The second pass: each packet in its turn.
struct Judge<'a> {
    rules: Rules<'a>,
    flows: Flows,
    guests: Guests,
    law: detect::Rules,
    table: ScanTable,
    surroundings: Surroundings,
    tally: Tally,
    crowds: Crowds,
    distributed: Vec<Scan>,
    now: Moment,
}

impl<'a> Judge<'a> {
    fn new(config: &'a Config, sides: &'a Sides, survey: &'a Survey, hasher: &RandomState) -> Self {
        let detect = &config.detect;
        let table = ScanTable::new(detect.max_sources, Seeds(hasher.hash_one(1), hasher.hash_one(2)));
        // Nothing holds a blocked source back in a capture.
        let law = detect::Rules::of(config, Moment::ZERO, Duration::MAX);
        let surroundings = surroundings(config, sides);
        let (flows, tally) = (Flows::new(hasher), Tally::new(hasher));
        let (rules, guests) = (Rules::new(config, sides, survey), Guests::new(detect.guest, hasher));
        let crowds = Crowds::new(Moment::ZERO, Seeds(hasher.hash_one(3), hasher.hash_one(4)));
        let (distributed, now) = (Vec::new(), Moment::ZERO);
        Self { rules, flows, guests, law, table, surroundings, tally, crowds, distributed, now }
    }

    fn see(&mut self, now: Moment, seen: &Seen) {
        self.now = now;
        let state = self.flows.follow(now, seen);
        let source = Source::of(seen.packet.source, &self.surroundings);
        if self.rules.makes_a_guest(seen, state) {
            self.guests.greet(now, source);
        }
        if !self.rules.suspect(seen, state) {
            return;
        }
        let decision = if self.rules.guards(seen) && self.guests.knows(now, source) {
            self.law.judge_guest(&self.table, now, &seen.packet, &self.surroundings)
        } else {
            self.law.judge(&self.table, now, &seen.packet, &self.surroundings)
        };
        if decision != Decision::Innocent {
            self.tally.note(now, source, decision);
        }
        if self.law.distributed == Distributed::Off {
            return;
        }
        match decision {
            Decision::Watch(sighting, Novelty::First) => self.crowds.note(now, sighting),
            Decision::Block(offence) | Decision::Report(offence) => self.crowds.note_offence(now, &offence),
            Decision::Innocent | Decision::Watch(_, Novelty::Again) | Decision::StillBlocked => {}
        }
        self.gather(now);
    }

    /// Lists what is due.
    fn gather(&mut self, now: Moment) {
        let room = MAX_DISTRIBUTED.saturating_sub(self.distributed.len());
        let due = std::iter::from_fn(|| self.crowds.due(now));
        self.distributed.extend(due.take(room));
    }
}

/// Whom this machine depends on has nothing to do with a capture; neighbours are there, too.
fn surroundings(config: &Config, sides: &Sides) -> Surroundings {
    Surroundings { ipv6_prefix: config.detect.ipv6_prefix, on_link: sides.links(), exempt: Prefixes::default() }
}

/// One pass: hands every IP packet of every file to `see`, with its bytes; says what was read and which files are damaged.
fn each_packet(
    files: &[PathBuf],
    hasher: &RandomState,
    mut see: impl FnMut(Duration, Seen, &[u8]),
    progress: &mut dyn FnMut(u64),
) -> (Read, Vec<(PathBuf, Fault)>) {
    let (mut reader, mut faults) = (Reader { read: Read::default(), fragments: Fragments::new(hasher) }, Vec::new());
    for path in files {
        let mut each = |frame: &Frame<'_>| {
            if let Some((seen, bytes)) = reader.sort(frame) {
                see(frame.at, seen, &bytes);
            }
            if reader.read.packets.is_multiple_of(PROGRESS_EVERY) {
                progress(reader.read.packets);
            }
        };
        if let Err(fault) = Capture::open(path).and_then(|capture| capture.read(&mut each)) {
            faults.push((path.clone(), fault));
        }
    }
    (reader.read, faults)
}

impl Read {
    /// The link type that kept every single packet from being judged.
    #[must_use]
    pub fn nothing_readable(&self) -> Option<u32> {
        self.link.filter(|_| self.unknown_link == self.packets)
    }
}

/// Sorts frames by what can be made of them.
struct Reader {
    read: Read,
    fragments: Fragments,
}

impl Reader {
    fn sort<'a>(&mut self, frame: &Frame<'a>) -> Option<(Seen, Cow<'a, [u8]>)> {
        self.read.packets = self.read.packets.saturating_add(1);
        let kind = match capture::unwrap_ip(frame.link, frame.bytes) {
            Framed::Ip(bytes, reach) => match Seen::read(bytes, reach) {
                Ok(seen) => return self.join(frame.at, seen, bytes),
                Err(_) => &mut self.read.malformed, // which of its lengths lies helps nobody here
            },
            Framed::NotIp => &mut self.read.not_ip,
            Framed::UnknownLink(number) => {
                self.read.link = Some(number);
                &mut self.read.unknown_link
            }
        };
        *kind = kind.saturating_add(1);
        None
    }

    fn join<'a>(&mut self, at: Duration, seen: Seen, bytes: &'a [u8]) -> Option<(Seen, Cow<'a, [u8]>)> {
        match self.fragments.join(at, seen.packet.source, seen.packet.destination, bytes) {
            Joined::AsItIs => Some((seen, Cow::Borrowed(bytes))),
            Joined::Head(head) => Some((Seen::read(&head, seen.reach).ok()?, Cow::Owned(head))),
            Joined::Piece => None,
        }
    }
}

/// By the times of their first packets, as a rotating recorder wrote them; what cannot be read stays where it is named.
fn in_order(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = files.to_vec();
    if files.len() > 1 {
        files.sort_by_cached_key(|path| first_time(path));
    }
    files
}

fn first_time(path: &Path) -> Option<Duration> {
    Capture::open(path).ok()?.next(|frame| frame.at).ok()?
}

/// From the system's own random numbers, as the standard library's hash maps take theirs.
fn keyed() -> RandomState {
    let random = std::hash::RandomState::new();
    let [a, b, c, d] = [1, 2, 3, 4].map(|i| random.hash_one(i));
    RandomState::with_seeds(a, b, c, d)
}
