//! The packets that gave offenders away, as a capture of their own that others can replay: a third pass over the files.
//!
//! It holds an offender's suspicious packets, as they were judged (put together, where they came in fragments), on the
//! clock by which they were judged; and the first packet to each offender, and of each host that it heard from, for without
//! any answer silence would prove nothing (see `survey`). Nobody else's packets are in it, but what other people's packets
//! told of a host is not either: in rare cases that is what made a probe one. **Who is forgotten first:** an offender
//! or a host that had no answer for long; then one more is written.

use std::collections::HashSet;
use std::io::{self, Write};
use std::mem;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ahash::RandomState;

use super::flows::Flows;
use super::order::{self, Order};
use super::recent::Recent;
use super::rules::Rules;
use super::seen::Seen;
use super::{Outcome, Progress, each_packet, in_order, keyed, pcap, surroundings};
use crate::config::Config;
use crate::detect::source::{Source, Surroundings};
use crate::packet::{TcpFlags, Transport};
use crate::time::Moment;

/// Addresses of which it is known that an answer is written.
const MAX_ANSWERED: usize = 7 << 15;

/// Writes to `out` what made `files` come out as `outcome`; says how many packets that are.
pub fn write(
    files: &[PathBuf],
    config: &Config,
    outcome: &Outcome,
    out: &mut impl Write,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<u64> {
    let hasher = keyed();
    pcap::header(out)?;
    let mut excerpt = Excerpt { out, choice: Choice::new(config, outcome, &hasher), start: None, packets: Ok(0) };
    let mut order = Order::new(order::WINDOW);
    let see = |at, seen, bytes: &[u8]| {
        let packet = Kept { at, seen, length: bytes.len(), bytes: excerpt.choice.copy(&seen, bytes) };
        if let Some((now, packet)) = order.push(at, packet) {
            excerpt.see(now, &packet);
        }
    };
    let mut progress = |packets| progress(Progress { pass: 3, packets, of: Some(outcome.read.packets) });
    // What is wrong with the files, the passes before have found.
    let (_, _) = each_packet(&in_order(files), &hasher, see, &mut progress);
    while let Some((now, packet)) = order.pop() {
        excerpt.see(now, &packet);
    }
    excerpt.packets
}

/// A packet that waits for its turn.
struct Kept {
    at: Duration,
    seen: Seen,
    length: usize,
    /// Its beginning; nothing where it has no part in an excerpt.
    bytes: Vec<u8>,
}

/// A file in the making.
struct Excerpt<'a, W> {
    out: &'a mut W,
    choice: Choice<'a>,
    /// The time of the first packet judged, by the files' clock.
    start: Option<Duration>,
    /// So many are written, until that failed.
    packets: io::Result<u64>,
}

impl<W: Write> Excerpt<'_, W> {
    fn see(&mut self, now: Moment, packet: &Kept) {
        let start = *self.start.get_or_insert(packet.at);
        if !self.choice.takes(now, &packet.seen) {
            return;
        }
        if let Ok(packets) = &mut self.packets {
            let at = start.saturating_add(now.since_start());
            let written = pcap::record(self.out, at, &packet.bytes, packet.length);
            *packets = packets.saturating_add(1);
            if let Err(error) = written {
                self.packets = Err(error);
            }
        }
    }
}

/// What is written, and what is not.
struct Choice<'a> {
    outcome: &'a Outcome,
    rules: Rules<'a>,
    flows: Flows,
    offenders: HashSet<Source, RandomState>,
    surroundings: Surroundings,
    /// To whom, and from whom, an answer is written.
    heard: Recent<IpAddr, bool>,
    spoke: Recent<IpAddr, bool>,
}

impl<'a> Choice<'a> {
    fn new(config: &'a Config, outcome: &'a Outcome, hasher: &RandomState) -> Self {
        let mut offenders = HashSet::with_hasher(hasher.clone());
        offenders.extend(outcome.tally.offenders().iter().map(|offender| offender.source));
        Self {
            outcome,
            rules: Rules::new(config, &outcome.sides, &outcome.survey),
            flows: Flows::new(hasher),
            offenders,
            surroundings: surroundings(config, &outcome.sides),
            heard: Recent::new(MAX_ANSWERED, hasher),
            spoke: Recent::new(MAX_ANSWERED, hasher),
        }
    }

    fn offends(&self, address: IpAddr) -> bool {
        self.offenders.contains(&Source::of(address, &self.surroundings))
    }

    /// What of a packet has to be kept until its turn comes.
    fn copy(&self, seen: &Seen, bytes: &[u8]) -> Vec<u8> {
        if self.offends(seen.packet.source) || self.offends(seen.packet.destination) {
            bytes.get(..pcap::SNAP).unwrap_or(bytes).to_vec()
        } else {
            Vec::new()
        }
    }

    fn takes(&mut self, now: Moment, seen: &Seen) -> bool {
        let state = self.flows.follow(now, seen);
        if self.rules.suspect(seen, state) {
            return self.offends(seen.packet.source);
        }
        self.offends(seen.packet.destination) && self.is_answer(seen) && self.is_first(seen)
    }

    /// Whether it says no more than that somebody was heard: taken from among others, it must not look like a probe.
    fn is_answer(&self, seen: &Seen) -> bool {
        const SYN_ACK: u8 = TcpFlags::SYN | TcpFlags::ACK;
        let answers = match seen.packet.transport {
            Transport::Tcp { flags, .. } => flags.any(TcpFlags::RST) || flags.0 & SYN_ACK == SYN_ACK,
            Transport::Icmp => true,
            Transport::Udp { .. }
            | Transport::Echo
            | Transport::SctpInit { .. }
            | Transport::Hidden
            | Transport::Other(_) => false,
        };
        seen.is_for_one() && (answers || !self.outcome.sides.protected.contains(seen.packet.destination))
    }

    fn is_first(&mut self, seen: &Seen) -> bool {
        let heard = mem::replace(self.heard.entry(seen.packet.destination, || false), true);
        let spoke = mem::replace(self.spoke.entry(seen.packet.source, || false), true);
        !heard || !spoke
    }
}
