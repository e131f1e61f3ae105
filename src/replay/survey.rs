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
//! | RST, ICMP unreachable, or nothing at all | nobody serves it |
//!
//! **One-sided captures.** Silence proves nothing when the recorder could not hear the answers. A destination *speaks* if
//! it sends any packet, a source *hears* if any packet is sent to it. Where neither is so, only what the source does next can tell:
//! * TCP: a client that was answered goes on to send bytes; a place that got bytes is served. A SYN that nothing follows was
//!   not answered, whoever recorded it.
//! * UDP: a client goes on whether it is answered or not. So only breadth counts: a source that asks one host for
//!   [`BREADTH`] ports is no client of it.

use std::net::IpAddr;

use ahash::RandomState;

use super::recent::Recent;
use super::seen::{Payload, Seen};
use crate::detect::probe::{Contact, Protocol};
use crate::packet::{TcpFlags, Transport};

/// Places whose answers are remembered: an entry is some 50 bytes. A forgotten place looks unserved.
pub const MAX_PLACES: usize = 1 << 20;
/// Hosts of which it is known whether they speak and hear. A forgotten one looks as if it did neither.
pub const MAX_HOSTS: usize = 1 << 20;
/// Pairs of hosts whose UDP ports are counted. A forgotten pair begins anew.
pub const MAX_PAIRS: usize = 1 << 18;
/// So many ports of one host: more than the sockets that one peer talks to (RTP and RTCP, both ways), fewer than any scan.
pub const BREADTH: u32 = 5;

/// What the whole capture says about places and hosts.
#[derive(Debug)]
pub struct Survey {
    places: Recent<Contact, Answer>,
    hosts: Recent<IpAddr, Host>,
    pairs: Recent<(IpAddr, IpAddr), u64>,
    hasher: RandomState,
}

/// How a place answered, the most telling answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    /// An RST, or an ICMP error in its name.
    Refused,
    /// Somebody sent it bytes over TCP, as one does after a handshake.
    Used,
    /// Itself, as a service does.
    Served,
}

/// Which directions of a host's traffic were recorded.
#[derive(Debug, Clone, Copy, Default)]
struct Host {
    speaks: bool,
    hears: bool,
}

impl Survey {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(hasher: RandomState) -> Self {
        Self {
            places: Recent::new(MAX_PLACES, &hasher),
            hosts: Recent::new(MAX_HOSTS, &hasher),
            pairs: Recent::new(MAX_PAIRS, &hasher),
            hasher,
        }
    }

    /// Learns from one packet.
    pub fn learn(&mut self, seen: &Seen) {
        let packet = &seen.packet;
        self.hosts.entry(packet.source, Host::default).speaks = true;
        self.hosts.entry(packet.destination, Host::default).hears = true;
        if let Some(place) = seen.refused {
            self.answer(place, Answer::Refused);
        }
        match packet.transport {
            Transport::Tcp { from, flags, .. } => self.learn_tcp(seen, from, flags),
            Transport::Udp { to, .. } => {
                if let Some(origin) = seen.origin() {
                    self.answer(origin, Answer::Served);
                }
                let ports = self.pairs.entry((packet.source, packet.destination), || 0);
                *ports |= 1_u64.checked_shl(u32::try_from(self.hasher.hash_one(to) % 64).unwrap_or(0)).unwrap_or(0);
            }
            Transport::Hidden | Transport::Other(_) => {}
        }
    }

    fn learn_tcp(&mut self, seen: &Seen, from: u16, flags: TcpFlags) {
        let (Some(origin), Some(target)) = (seen.origin(), seen.target()) else { return };
        if flags.any(TcpFlags::RST) {
            self.answer(origin, Answer::Refused);
        } else if flags.any(TcpFlags::ACK) {
            // Without this limit every client's port would take up room; no client connects from so low.
            if flags.any(TcpFlags::SYN) || from < WELL_KNOWN {
                self.answer(origin, Answer::Served);
            }
            if seen.payload == Payload::Some && target.port < from {
                self.answer(target, Answer::Used);
            }
        }
    }

    fn answer(&mut self, place: Contact, answer: Answer) {
        let known = self.places.entry(place, || answer);
        *known = answer.max(*known);
    }

    /// Whether `seen`, which is part of no flow, asks for a place that nobody serves, as far as can be told.
    #[must_use]
    pub fn unserved(&self, seen: &Seen) -> bool {
        let Some(target) = seen.target() else { return false };
        let answer = self.places.peek(&target);
        let speaks = self.hosts.peek(&target.destination).is_some_and(|host| host.speaks);
        let hears = self.hosts.peek(&seen.packet.source).is_some_and(|host| host.hears);
        match (answer, target.protocol) {
            (Some(Answer::Served), _) => false,
            (Some(Answer::Refused), _) | (None, Protocol::Tcp) => true,
            (Some(Answer::Used), _) => speaks,
            (None, Protocol::Udp | Protocol::Unknown) => {
                speaks || hears || self.breadth(seen.packet.source, target.destination) >= BREADTH
            }
        }
    }

    /// About so many different UDP ports of `destination` did `source` ask for.
    fn breadth(&self, source: IpAddr, destination: IpAddr) -> u32 {
        self.pairs.peek(&(source, destination)).map_or(0, |ports| ports.count_ones())
    }

    /// So much was forgotten for lack of room.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.places.forgotten().saturating_add(self.hosts.forgotten()).saturating_add(self.pairs.forgotten())
    }
}

/// Ports below this are opened by services only (RFC 6335 §6).
const WELL_KNOWN: u16 = 1024;
