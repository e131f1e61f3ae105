//! The first pass over a capture: who serves what, and whose silence means something. Pure, bounded.
//!
//! A host's kernel knows at once whether a socket is there; a capture shows it by the answer, which comes later or was
//! recorded much earlier. So the whole capture is read first, and a place that *ever* answered is served, from its first
//! packet on. Then each packet can be judged at its own time, as a host would have done.
//!
//! | seen | means |
//! |---|---|
//! | SYN+ACK, or a segment with ACK from a well-known port | the sender's port is served |
//! | any UDP datagram | a socket is at its source port, which is what the ruleset's `socket` would find |
//! | UDP to where a TFTP request came from | the TFTP port of its sender is served, though the answer has another |
//! | a packet of another protocol | the sender speaks it |
//! | RST, ICMP unreachable, or nothing at all | nobody serves it |
//!
//! **One-sided captures.** Silence proves nothing when the recorder could not hear the answers. A destination *speaks* if
//! it sends any packet, a source *hears* if any packet is sent to it. Where neither is so, only what the source does next can tell:
//! * TCP: a client that was answered goes on to send bytes; a place that got bytes is served. A SYN that nothing follows was
//!   not answered, whoever recorded it.
//! * UDP: a client goes on whether it is answered or not. So a datagram counts if it is empty, for it asks nothing of an
//!   application, or if its source asks that host for [`BREADTH`] ports: then it is no client of it.
//! * A ping counts only where silence does, or where its source pings dozens of hosts.

use std::net::IpAddr;

use ahash::RandomState;

use super::hosts::Hosts;
use super::recent::Recent;
use super::seen::{Payload, Seen};
use crate::detect::probe::{Contact, Protocol};
use crate::packet::{TcpFlags, Transport};

/// Places whose answers are remembered: an entry is some 50 bytes. A forgotten place looks unserved.
pub const MAX_PLACES: usize = 1 << 20;
/// Pairs of hosts whose ports are counted. A forgotten pair begins anew.
pub const MAX_PAIRS: usize = 1 << 18;
/// TFTP requests that wait for their answer; a forgotten server looks unserved.
pub const MAX_TRANSFERS: usize = 1 << 12;
/// So many ports of one host: more than the sockets that one peer talks to (RTP and RTCP, both ways), fewer than any scan.
pub const BREADTH: u32 = 5;
/// Ports below this are opened by services only (RFC 6335 §6).
const WELL_KNOWN: u16 = 1024;
const SCTP: u8 = 132;
const TFTP: u16 = 69;

/// What the whole capture says about places and hosts.
#[derive(Debug)]
pub struct Survey {
    /// Who takes part.
    pub hosts: Hosts,
    places: Recent<Contact, Answer>,
    pairs: Recent<(IpAddr, IpAddr), u64>,
    /// Who asked whom for a file: a TFTP server answers from another port (RFC 1350 §4).
    transfers: Recent<(Contact, IpAddr), ()>,
    hasher: RandomState,
}

/// How a place answered, the most telling answer last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    /// An RST, or an ICMP error in its name.
    Refused,
    /// Somebody sent it bytes over TCP, as one does after a handshake.
    Used,
    /// Itself, as a service does.
    Served,
}

impl Survey {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(hasher: RandomState) -> Self {
        Self {
            hosts: Hosts::new(hasher.clone()),
            places: Recent::new(MAX_PLACES, &hasher),
            pairs: Recent::new(MAX_PAIRS, &hasher),
            transfers: Recent::new(MAX_TRANSFERS, &hasher),
            hasher,
        }
    }

    /// Learns from one packet.
    pub fn learn(&mut self, seen: &Seen) {
        self.hosts.learn(seen);
        if let Some(place) = seen.refused {
            self.answer(place, Answer::Refused);
        }
        match seen.packet.transport {
            Transport::Tcp { from, to, flags } => self.learn_tcp(seen, (from, to), flags),
            Transport::Udp { to, .. } => {
                self.learn_udp(seen);
                self.count(seen, to);
            }
            Transport::Other(number) => {
                let protocol = if number == SCTP { Protocol::Sctp } else { Protocol::Number(number) };
                self.answer(Contact { destination: seen.packet.source, protocol, port: 0 }, Answer::Served);
            }
            Transport::Echo | Transport::Icmp | Transport::SctpInit { .. } | Transport::Hidden => {}
        }
    }

    fn learn_udp(&mut self, seen: &Seen) {
        let (Some(origin), Some(target)) = (seen.origin(), seen.target()) else { return };
        self.answer(origin, Answer::Served);
        if target.port == TFTP {
            self.transfers.entry((origin, target.destination), || ());
        } else if self.transfers.peek(&(target, origin.destination)).is_some() {
            self.answer(Contact { port: TFTP, ..origin }, Answer::Served);
        }
    }

    fn learn_tcp(&mut self, seen: &Seen, (from, to): (u16, u16), flags: TcpFlags) {
        let (Some(origin), Some(target)) = (seen.origin(), seen.target()) else { return };
        if flags.any(TcpFlags::RST) {
            self.answer(origin, Answer::Refused);
        } else if flags.any(TcpFlags::ACK) {
            // Without this limit every client's port would take up room; no client connects from so low.
            if flags.any(TcpFlags::SYN) || from < WELL_KNOWN {
                self.answer(origin, Answer::Served);
            }
            if seen.payload == Payload::Some && to < from {
                self.answer(target, Answer::Used);
            }
        } else {
            self.count(seen, to);
        }
    }

    fn answer(&mut self, place: Contact, answer: Answer) {
        let known = self.places.entry(place, || answer);
        *known = answer.max(*known);
    }

    /// One bit for each port that a source asks a host for.
    fn count(&mut self, seen: &Seen, port: u16) {
        let bit = u32::try_from(self.hasher.hash_one(port) & 63).unwrap_or(0);
        let ports = self.pairs.entry((seen.packet.source, seen.packet.destination), || 0);
        *ports |= 1_u64.checked_shl(bit).unwrap_or(0);
    }

    /// Whether `seen`, which is part of no flow, asks for a place that nobody serves, as far as can be told.
    #[must_use]
    pub fn unserved(&self, seen: &Seen) -> bool {
        let (from, to) = (seen.packet.source, seen.packet.destination);
        let place = |protocol| self.places.peek(&Contact { destination: to, protocol, port: 0 });
        match seen.packet.transport {
            Transport::Tcp { .. } => match seen.target().and_then(|target| self.places.peek(&target)) {
                Some(Answer::Served) => false,
                Some(Answer::Used) => self.hosts.of(to).speaks,
                Some(Answer::Refused) | None => true,
            },
            Transport::Udp { .. } => match seen.target().and_then(|target| self.places.peek(&target)) {
                Some(Answer::Served) => false,
                Some(Answer::Refused) => true,
                Some(Answer::Used) | None => {
                    self.silence_counts(from, to) || seen.payload == Payload::None || self.breadth(from, to) >= BREADTH
                }
            },
            Transport::Echo => {
                !self.hosts.of(to).speaks && (self.hosts.of(from).hears || self.hosts.sweeps_unheard(from))
            }
            Transport::SctpInit { .. } => place(Protocol::Sctp).is_none(),
            Transport::Other(number) => place(Protocol::Number(number)).is_none(),
            Transport::Icmp | Transport::Hidden => false,
        }
    }

    /// Whether an answer would have been recorded.
    fn silence_counts(&self, from: IpAddr, to: IpAddr) -> bool {
        self.hosts.of(to).speaks || self.hosts.of(from).hears
    }

    /// About so many different ports of `destination` did `source` ask for, over TCP and UDP.
    #[must_use]
    pub fn breadth(&self, source: IpAddr, destination: IpAddr) -> u32 {
        self.pairs.peek(&(source, destination)).map_or(0, |ports| ports.count_ones())
    }

    /// So much was forgotten for lack of room.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.places.forgotten().saturating_add(self.hosts.forgotten()).saturating_add(self.pairs.forgotten())
    }
}
