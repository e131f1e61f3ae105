//! Which packets of a capture the ruleset would hand to the detector: `nft/nftrap.nft`, chains `forward`, `protected` and
//! `trigger`, in their order. Pure.
//!
//! A capture is judged as a gateway judges, for it shows many hosts with ephemeral ports of their own choice; and as a host
//! does in one thing: what is served is known, from the survey.

use std::net::{IpAddr, Ipv4Addr};

use super::capture::Reach;
use super::flows::State;
use super::seen::Seen;
use super::survey::Survey;
use crate::config::Config;
use crate::detect::prefixes::Prefixes;
use crate::packet::{TcpFlags, Transport};

/// Hosts choose their own flows' ports as they like, but not below this.
const CLIENT_PORTS: u16 = 1024;
/// UDP servers whose late answers must not be taken for a scan: the ruleset's list.
const ANSWERING: [u16; 4] = [1900, 3478, 4500, 5353];
/// Where traceroute sends to.
const TRACEROUTE: std::ops::RangeInclusive<u16> = 33434..=33534;

/// What does not change while a capture is replayed.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Trigger lists, allow list.
    pub config: &'a Config,
    /// Whose destinations count; all, if there is none.
    pub protect: &'a Prefixes,
    /// Who serves what.
    pub survey: &'a Survey,
}

impl Rules<'_> {
    /// Whether `seen`, of which conntrack says `state`, goes to the detector.
    #[must_use]
    pub fn suspect(&self, seen: &Seen, state: State) -> bool {
        let packet = &seen.packet;
        state != State::Known
            && !self.config.allow.contains(packet.source)
            && self.is_guarded(seen)
            && match packet.transport {
                Transport::Tcp { to, flags, .. } => self.suspect_tcp(seen, to, flags),
                Transport::Udp { from, to } => self.suspect_udp(seen, from, to),
                Transport::Hidden | Transport::Other(_) => false,
            }
    }

    fn is_guarded(&self, seen: &Seen) -> bool {
        let address = seen.packet.destination;
        seen.reach == Reach::One
            && !address.is_multicast()
            && address != IpAddr::V4(Ipv4Addr::BROADCAST)
            && !address.is_unspecified()
            && !seen.packet.source.is_unspecified()
            && (self.protect.is_empty() || self.protect.contains(address))
    }

    fn suspect_tcp(&self, seen: &Seen, to: u16, flags: TcpFlags) -> bool {
        const SYN: u8 = TcpFlags::SYN;
        const ACK: u8 = TcpFlags::ACK;
        let stealth = !flags.any(SYN | TcpFlags::RST | ACK) || flags.0 & (TcpFlags::FIN | SYN) == TcpFlags::FIN | SYN;
        if stealth {
            return self.config.trigger.stealth;
        }
        let answers = flags.any(TcpFlags::RST) || flags.0 & (SYN | ACK) == SYN | ACK;
        let late = !flags.any(SYN) && flags.any(ACK) && to >= CLIENT_PORTS;
        !answers && !late && self.survey.unserved(seen)
    }

    fn suspect_udp(&self, seen: &Seen, from: u16, to: u16) -> bool {
        let answers = to >= CLIENT_PORTS && ((1..CLIENT_PORTS).contains(&from) || ANSWERING.contains(&from));
        !answers && !TRACEROUTE.contains(&to) && self.survey.unserved(seen)
    }
}
