//! The first pass over a capture: who serves what, and whose silence means something. Pure, bounded.
//!
//! A host's kernel knows at once whether a socket is there; a capture shows it by the answer, which comes later or was
//! recorded much earlier. So the whole capture is read first, and a place that *ever* answered is served, from its first
//! packet on. Then each packet can be judged at its own time, as a host would have done.
//!
//! | seen | means |
//! |---|---|
//! | SYN+ACK, or bytes over TCP from the lower port, or an ACK from a well-known one | the sender's port is served |
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
use super::sketch::Sketch;
use crate::detect::probe::{Contact, Protocol};
use crate::packet::{TcpFlags, Transport};

/// Places whose answers are remembered: an entry takes some 30 bytes. A forgotten place looks unserved.
pub const MAX_PLACES: usize = 7 << 17;
/// Pairs of hosts whose ports are counted. A forgotten pair begins anew.
pub const MAX_PAIRS: usize = 7 << 15;
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
    /// Which ports one host asks another for.
    pairs: Recent<(IpAddr, IpAddr), Sketch>,
    /// Who asked whom for a file: a TFTP server answers from another port (RFC 1350 §4).
    transfers: Recent<(Contact, IpAddr), ()>,
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
    pub fn new(hasher: &RandomState) -> Self {
        Self {
            hosts: Hosts::new(hasher),
            places: Recent::new(MAX_PLACES, hasher),
            pairs: Recent::new(MAX_PAIRS, hasher),
            transfers: Recent::new(MAX_TRANSFERS, hasher),
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
            // Without these limits every client's port would take up room; few connect from a lower port than they go to.
            let bytes = seen.payload == Payload::Some;
            if flags.any(TcpFlags::SYN) || from < WELL_KNOWN || (bytes && from < to) {
                self.answer(origin, Answer::Served);
            }
            if bytes && to < from {
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

    fn count(&mut self, seen: &Seen, port: u16) {
        self.pairs.entry((seen.packet.source, seen.packet.destination), Sketch::default).add_port(port);
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
        self.pairs.peek(&(source, destination)).map_or(0, |ports| ports.count())
    }

    /// So much was forgotten for lack of room.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.places.forgotten().saturating_add(self.hosts.forgotten()).saturating_add(self.pairs.forgotten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::samples::{ACK, RST, SYN, echo, tcp, udp, with_payload};

    const SERVER: &str = "192.0.2.1:80";

    fn after(packets: &[Seen]) -> Survey {
        let mut survey = Survey::new(&RandomState::with_seeds(1, 2, 3, 4));
        for packet in packets {
            survey.learn(packet);
        }
        survey
    }

    #[test]
    fn a_port_that_answers_once_was_served_all_along() {
        let early = tcp("198.51.100.7:4000", SERVER, SYN);
        let answer = tcp(SERVER, "198.51.100.9:5000", SYN | ACK);
        assert!(!after(&[early, answer]).unserved(&early));
        assert!(after(&[early, tcp(SERVER, "198.51.100.7:4000", RST | ACK)]).unserved(&early));
        let restarting = [tcp(SERVER, "198.51.100.7:4000", RST | ACK), answer];
        assert!(!after(&restarting).unserved(&early));
    }

    #[test]
    fn where_answers_are_not_recorded_a_client_is_known_by_going_on() {
        let syn = tcp("198.51.100.7:4000", SERVER, SYN);
        let request = with_payload(tcp("198.51.100.7:4000", SERVER, ACK));
        assert!(!after(&[syn, request]).unserved(&syn));
        assert!(after(&[syn]).unserved(&syn), "nothing follows a SYN that was not answered");
        let speaks = udp("192.0.2.1:53", "198.51.100.9:999");
        assert!(after(&[syn, request, speaks]).unserved(&syn), "an answer would have been recorded");
    }

    #[test]
    fn silence_to_udp_counts_where_an_answer_would_have_been_recorded() {
        let ask = udp("198.51.100.7:4000", "192.0.2.1:1234");
        assert!(!after(&[ask]).unserved(&ask));
        assert!(after(&[ask, tcp(SERVER, "198.51.100.9:5000", ACK)]).unserved(&ask), "the host speaks");
        assert!(after(&[ask, tcp("192.0.2.9:80", "198.51.100.7:5000", ACK)]).unserved(&ask), "the source hears");
        assert!(after(&[ask]).unserved(&Seen { payload: Payload::None, ..ask }), "an empty datagram asks nothing");
    }

    #[test]
    fn who_asks_an_unheard_host_for_many_udp_ports_is_no_client_of_it() {
        let asks: Vec<_> = (1..20).map(|port| udp("198.51.100.7:4000", &format!("192.0.2.1:{port}"))).collect();
        assert!(after(&asks).unserved(&asks[0]));
        assert!(!after(&asks[..3]).unserved(&asks[0]));
    }

    #[test]
    fn a_tftp_server_answers_from_another_port() {
        let ask = udp("198.51.100.7:4000", "192.0.2.1:69");
        let heard = tcp("192.0.2.9:80", "198.51.100.7:5000", ACK);
        assert!(after(&[ask, heard]).unserved(&ask));
        assert!(!after(&[ask, heard, udp("192.0.2.1:3445", "198.51.100.7:4000")]).unserved(&ask));
    }

    #[test]
    fn a_ping_counts_where_nobody_lives() {
        let ping = echo("198.51.100.7", "192.0.2.1");
        let heard = tcp("192.0.2.9:80", "198.51.100.7:5000", ACK);
        assert!(!after(&[ping]).unserved(&ping));
        assert!(after(&[ping, heard]).unserved(&ping));
        assert!(!after(&[ping, heard, udp("192.0.2.1:53", "198.51.100.7:999")]).unserved(&ping));
        let sweep: Vec<_> = (1..=250).map(|host| echo("198.51.100.7", &format!("192.0.2.{host}"))).collect();
        assert!(after(&sweep).unserved(&ping), "nobody was heard, but it is a sweep");
    }
}
