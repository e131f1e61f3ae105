//! Which packets of a capture the ruleset would hand to the detector: `nft/nftrap.nft`, chains `input` and `own_port`, in
//! their order, for every protected host at once. Pure.
//!
//! Two things differ from a host's own ruleset, for a capture shows many hosts: ephemeral ports begin at 1024, as in chain
//! `protected`; and what is served is known from the survey instead of the kernel's sockets.
//!
//! **Outbound.** Where the protected side is guessed, what it sends out is looked at as well: in some captures the scanner is
//! the machine that recorded. But clients ask strangers for places that do not answer all the time (peers that left, servers that
//! are down), so only two things count: [`DEPTH`] ports of one host, and TCP to services that nobody but their users asks for
//! ([`REMOTE`]). Where the protected side is named, nothing outbound counts, as in the ruleset.

use std::net::IpAddr;

use super::checksum::Checksum;
use super::flows::State;
use super::seen::Seen;
use super::sides::{Basis, Sides};
use super::survey::Survey;
use crate::config::{Config, PortSet};
use crate::detect::probe::{LOWEST_CLIENT_PORT, is_honest_although_refused};
use crate::packet::{TcpFlags, Transport};

/// A client of one host asks it for web, mail, files and names; not for so many ports at once, and nobody answering.
pub const DEPTH: u32 = 8;
/// Shells, shares, desktops: SSH, Telnet, RPC, SMB, databases, RDP, ADB, VNC.
pub const REMOTE: [u16; 12] = [22, 23, 135, 139, 445, 1433, 2222, 2323, 3306, 3389, 5555, 5900];

/// What does not change while a capture is replayed.
#[derive(Debug)]
pub struct Rules<'a> {
    config: &'a Config,
    sides: &'a Sides,
    survey: &'a Survey,
    tcp: PortSet,
    udp: PortSet,
}

impl<'a> Rules<'a> {
    /// From what the operator wants and what the survey found.
    #[must_use]
    pub fn new(config: &'a Config, sides: &'a Sides, survey: &'a Survey) -> Self {
        Self { config, sides, survey, tcp: config.watched_tcp(), udp: config.watched_udp() }
    }

    /// Whether `seen`, of which conntrack says `state`, goes to the detector.
    #[must_use]
    pub fn suspect(&self, seen: &Seen, state: State) -> bool {
        let (from, to) = (seen.packet.source, seen.packet.destination);
        if matches!(state, State::Known | State::Request)
            || !seen.is_for_one()
            || is_own(from)
            || self.config.allow.contains(from)
        {
            return false;
        }
        if self.config.dark.contains(to) {
            return true;
        }
        let outbound = !self.guards(seen);
        if outbound && self.sides.basis == Basis::Named {
            return false;
        }
        self.is_stealth(seen)
            || (!self.is_broken(seen)
                && self.asks(seen)
                && self.survey.unserved(seen)
                && (!outbound || self.goes_too_far(seen)))
    }

    /// Whether `seen`, of which conntrack says `state`, makes a guest of its source. A decoy has none.
    #[must_use]
    pub fn makes_a_guest(&self, seen: &Seen, state: State) -> bool {
        let decoy = seen.target().is_some_and(|target| self.config.decoy.tcp.contains(target.port));
        state == State::Request && self.guards(seen) && !decoy
    }

    /// Whether it goes to somebody who is protected: elsewhere nobody is a guest.
    #[must_use]
    pub fn guards(&self, seen: &Seen) -> bool {
        self.sides.protected.contains(seen.packet.destination)
    }

    /// What conntrack finds broken, no stack would answer.
    fn is_broken(&self, seen: &Seen) -> bool {
        seen.checksum == Checksum::Wrong && self.survey.hosts.of(seen.packet.source).sums_up
    }

    fn is_stealth(&self, seen: &Seen) -> bool {
        const FIN_SYN: u8 = TcpFlags::FIN | TcpFlags::SYN;
        let opens_nothing = |flags: TcpFlags| !flags.any(TcpFlags::SYN | TcpFlags::RST | TcpFlags::ACK);
        let contradicts = |flags: TcpFlags| flags.0 & FIN_SYN == FIN_SYN;
        self.config.trigger.stealth && seen.flags().is_some_and(|flags| opens_nothing(flags) || contradicts(flags))
    }

    /// Whether it asks for a port that is watched, or for something that has no ports.
    fn asks(&self, seen: &Seen) -> bool {
        match seen.packet.transport {
            Transport::Tcp { to, flags, .. } => self.asks_tcp(to, flags),
            Transport::Udp { to, .. } => !is_honest_although_refused(&seen.packet) && self.udp.contains(to),
            // Which protocols honest hosts speak is the detector's knowledge.
            Transport::Echo | Transport::SctpInit { .. } | Transport::Other(_) => true,
            Transport::Icmp | Transport::Hidden => false,
        }
    }

    fn asks_tcp(&self, to: u16, flags: TcpFlags) -> bool {
        const SYN: u8 = TcpFlags::SYN;
        const ACK: u8 = TcpFlags::ACK;
        const OPENING: u8 = TcpFlags::FIN | SYN | TcpFlags::RST | ACK;
        let answers = flags.any(TcpFlags::RST) || flags.0 & (SYN | ACK) == SYN | ACK;
        let late = !flags.any(SYN) && flags.any(ACK) && to >= LOWEST_CLIENT_PORT;
        let opens = flags.0 & OPENING == SYN;
        let scans = flags.0 & (SYN | ACK) == ACK;
        !answers && !late && self.tcp.contains(to) && (opens || scans || self.config.trigger.tcp.contains(to))
    }

    /// More than a client does that asks a stranger.
    fn goes_too_far(&self, seen: &Seen) -> bool {
        let remote = matches!(seen.packet.transport, Transport::Tcp { to, .. } if REMOTE.contains(&to));
        remote || self.survey.breadth(seen.packet.source, seen.packet.destination) >= DEPTH
    }
}

/// A host's own packets to itself (`iif lo`), or from one that has no address yet.
fn is_own(source: IpAddr) -> bool {
    source.is_loopback() || source.is_unspecified()
}

#[cfg(test)]
mod tests {
    use ahash::RandomState;

    use super::*;
    use crate::detect::prefixes::Prefixes;
    use crate::replay::samples::{ACK, FIN, RST, SYN, echo, tcp, udp};

    const OURS: &str = "192.0.2.0/24";
    const HEARD: &str = "198.51.100.7:4000";

    fn suspect(basis: Basis, config: &Config, before: &[Seen], seen: &Seen) -> bool {
        let mut survey = Survey::new(&RandomState::with_seeds(1, 2, 3, 4));
        survey.learn(&tcp("192.0.2.99:80", HEARD, SYN | ACK)); // the recorder heard both sides
        for packet in before {
            survey.learn(packet);
        }
        let sides = Sides { protected: Prefixes::new(&[OURS.parse().unwrap()]), basis };
        Rules::new(config, &sides, &survey).suspect(seen, State::New)
    }

    fn named(seen: &Seen) -> bool {
        suspect(Basis::Named, &Config::default(), &[], seen)
    }

    #[test]
    fn what_the_ruleset_queues_is_suspicious() {
        for seen in [
            tcp(HEARD, "192.0.2.1:23", SYN),
            tcp(HEARD, "192.0.2.1:111", ACK),
            tcp(HEARD, "192.0.2.99:80", FIN),
            udp(HEARD, "192.0.2.1:161"),
            udp("198.51.100.7:123", "192.0.2.1:161"),
            echo("198.51.100.7", "192.0.2.1"),
            tcp(HEARD, "192.0.2.1:23", ACK),
        ] {
            assert!(named(&seen), "{seen:?}");
        }
    }

    #[test]
    fn what_the_ruleset_lets_go_is_not() {
        for seen in [
            tcp(HEARD, "192.0.2.99:80", SYN),
            tcp(HEARD, "192.0.2.1:139", SYN),
            tcp(HEARD, "192.0.2.1:2323", ACK),
            tcp(HEARD, "192.0.2.1:32771", ACK),
            tcp(HEARD, "192.0.2.1:111", RST),
            tcp(HEARD, "192.0.2.1:111", SYN | ACK),
            udp("198.51.100.7:53", "192.0.2.1:5000"),
            udp(HEARD, "192.0.2.1:33440"),
            udp(HEARD, "239.1.2.3:161"),
            udp(HEARD, "255.255.255.255:161"),
            tcp("127.0.0.1:4000", "192.0.2.1:23", SYN),
            tcp(HEARD, "203.0.113.1:23", SYN),
        ] {
            assert!(!named(&seen), "{seen:?}");
        }
    }

    #[test]
    fn a_broken_packet_is_not_suspicious_if_its_source_can_do_better() {
        let broken = Seen { checksum: Checksum::Wrong, ..udp(HEARD, "192.0.2.1:161") };
        let right = Seen { checksum: Checksum::Right, ..udp(HEARD, "192.0.2.1:53") };
        assert!(named(&broken), "all of them are wrong: addresses were rewritten");
        assert!(!suspect(Basis::Named, &Config::default(), &[right], &broken));
    }

    #[test]
    fn an_allowed_source_is_never_suspicious_and_a_dark_network_is_always() {
        let seen = tcp("198.51.100.7:53", "192.0.2.1:5000", ACK);
        let dark = Config { dark: Prefixes::new(&[OURS.parse().unwrap()]), ..Config::default() };
        assert!(suspect(Basis::Named, &dark, &[], &seen));
        let allow = Config { allow: Prefixes::new(&["198.51.100.0/24".parse().unwrap()]), ..dark };
        assert!(!suspect(Basis::Named, &allow, &[], &seen));
    }

    #[test]
    fn outbound_counts_where_it_goes_deep_or_asks_strangers_for_a_shell() {
        let outbound = |before: &[Seen], to: &str| {
            suspect(Basis::Guessed, &Config::default(), before, &tcp("192.0.2.99:4000", to, SYN))
        };
        assert!(outbound(&[], "203.0.113.1:23"));
        assert!(!outbound(&[], "203.0.113.1:6346"), "a peer that left");
        let ports: Vec<_> = (1..40).map(|port| tcp("192.0.2.99:4000", &format!("203.0.113.1:{port}"), SYN)).collect();
        assert!(outbound(&ports, "203.0.113.1:6346"));
    }
}
