//! A small conntrack on the capture's clock: which packets belong to a flow that both sides know. Pure, bounded.
//!
//! Timeouts are the defaults of Linux (`nf_conntrack_proto_tcp.c`, `nf_conntrack_proto_udp.c`). **Who is forgotten first:** the
//! flows that were silent longest; a late packet of one then looks as it does to a host whose conntrack was full.

use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;

use super::recent::Recent;
use super::seen::Seen;
use crate::detect::probe::{Contact, Protocol};
use crate::packet::TcpFlags;
use crate::time::Moment;

/// More than the conntrack of most gateways holds; some 80 bytes each.
pub const MAX_FLOWS: usize = 7 << 16;

const SYN_SENT: Duration = Duration::from_secs(120);
const ESTABLISHED: Duration = Duration::from_secs(5 * 24 * 3600);
/// Of a connection that was not seen to open and has no answer yet.
const UNACKNOWLEDGED: Duration = Duration::from_secs(300);
const CLOSING: Duration = Duration::from_secs(120);
const CLOSED: Duration = Duration::from_secs(10);
const UDP_UNREPLIED: Duration = Duration::from_secs(30);
const UDP_REPLIED: Duration = Duration::from_secs(120);

/// All flows that are alive.
#[derive(Debug)]
pub struct Flows(Recent<Key, Flow>);

/// What conntrack says of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Part of a flow that both sides took part in, or an error about something.
    Known,
    /// The same, and who opened the connection, and completed it, sends data over it.
    Request,
    /// Opens a flow, or repeats what opened it.
    New,
    /// Neither, and opens none: flags that make no sense, or none of a connection that is there.
    Invalid,
}

/// Both ends, the lower one first, so that both directions find the same flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    low: (IpAddr, u16),
    high: (IpAddr, u16),
    protocol: Protocol,
}

#[derive(Debug, Clone, Copy)]
struct Flow {
    opened_by_low: bool,
    replied: bool,
    until: Moment,
    closed: bool,
    handshake: Handshake,
}

/// How far a TCP connection was seen to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handshake {
    /// Not at all, or there is none.
    Unseen,
    /// Its first SYN.
    Begun,
    /// The answer to it.
    Answered,
}

impl Flows {
    /// None yet.
    #[must_use]
    pub fn new(hasher: &RandomState) -> Self {
        Self(Recent::new(MAX_FLOWS, hasher))
    }

    /// Takes in one packet and says what it is.
    pub fn follow(&mut self, now: Moment, seen: &Seen) -> State {
        let (Some(origin), Some(target)) = (seen.origin(), seen.target()) else { return State::New };
        if seen.flags().is_some_and(|flags| !is_possible(flags)) {
            return State::Invalid; // conntrack checks flags before it looks for a flow
        }
        let (key, from_low) = Key::of(origin, target);
        let opening = Flow {
            opened_by_low: from_low,
            replied: false,
            until: now,
            closed: false,
            handshake: Handshake::of(seen.flags()),
        };
        let over = Flow { closed: true, until: Moment::ZERO, ..opening };
        let flow = self.0.entry(key, || over);
        let over = now > flow.until || flow.closed && seen.flags().is_none_or(is_syn);
        if over && !seen.flags().is_none_or(opens) {
            return State::Invalid;
        }
        if over {
            *flow = opening;
        }
        flow.replied |= flow.opened_by_low != from_low;
        let request = flow.shake_hands(flow.opened_by_low == from_low, seen.flags());
        flow.advance(now, seen.flags());
        match (flow.replied, request) {
            (false, _) => State::New,
            (true, false) => State::Known,
            (true, true) => State::Request,
        }
    }
}

impl Handshake {
    fn of(flags: Option<TcpFlags>) -> Self {
        if flags.is_some_and(is_syn) { Self::Begun } else { Self::Unseen }
    }
}

impl Flow {
    /// Follows the handshake; says whether this segment is data of who opened the connection, as the ruleset tells it.
    fn shake_hands(&mut self, from_opener: bool, flags: Option<TcpFlags>) -> bool {
        const SYN_ACK: u8 = TcpFlags::SYN | TcpFlags::ACK;
        const PSH_ACK: u8 = TcpFlags::PSH | TcpFlags::ACK;
        const ALL: u8 = SYN_ACK | PSH_ACK | TcpFlags::FIN | TcpFlags::RST;
        let Some(flags) = flags else { return false };
        if self.handshake == Handshake::Begun && !from_opener && flags.0 & ALL == SYN_ACK {
            self.handshake = Handshake::Answered;
        }
        self.handshake == Handshake::Answered && from_opener && flags.0 & ALL == PSH_ACK
    }

    fn advance(&mut self, now: Moment, flags: Option<TcpFlags>) {
        let timeout = match flags {
            None if self.replied => UDP_REPLIED,
            None => UDP_UNREPLIED,
            Some(flags) if flags.any(TcpFlags::RST) => CLOSED,
            Some(flags) if flags.any(TcpFlags::FIN) => CLOSING,
            Some(_) if self.closed => return, // last segments of a connection that is over
            Some(_) if self.replied => ESTABLISHED,
            Some(flags) if flags.any(TcpFlags::SYN) => SYN_SENT,
            Some(_) => UNACKNOWLEDGED,
        };
        self.closed |= flags.is_some_and(|flags| flags.any(TcpFlags::RST | TcpFlags::FIN));
        self.until = now.plus(timeout);
    }
}

impl Key {
    fn of(origin: Contact, target: Contact) -> (Self, bool) {
        let (from, to) = ((origin.destination, origin.port), (target.destination, target.port));
        let from_low = from <= to;
        let (low, high) = if from_low { (from, to) } else { (to, from) };
        (Self { low, high, protocol: origin.protocol }, from_low)
    }
}

/// A SYN, and not the answer to one.
const fn is_syn(flags: TcpFlags) -> bool {
    flags.0 & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN
}

/// What may open a flow: a SYN, or in mid-stream an ACK (`nf_conntrack_tcp_loose`).
const fn opens(flags: TcpFlags) -> bool {
    let relevant = flags.0 & (TcpFlags::FIN | TcpFlags::SYN | TcpFlags::RST | TcpFlags::ACK);
    relevant == TcpFlags::SYN || relevant == TcpFlags::ACK
}

/// Combinations that conntrack takes (`tcp_valid_flags`), whatever PSH and the ECN bits say.
const fn is_possible(flags: TcpFlags) -> bool {
    const URG: u8 = 0x20;
    const FIN: u8 = TcpFlags::FIN;
    const SYN: u8 = TcpFlags::SYN;
    const RST: u8 = TcpFlags::RST;
    const ACK: u8 = TcpFlags::ACK;
    const SYN_URG: u8 = SYN | URG;
    const SYN_ACK: u8 = SYN | ACK;
    const RST_ACK: u8 = RST | ACK;
    const FIN_ACK: u8 = FIN | ACK;
    const FIN_ACK_URG: u8 = FIN_ACK | URG;
    const ACK_URG: u8 = ACK | URG;
    matches!(
        flags.0 & (FIN | SYN | RST | ACK | URG),
        SYN | RST | ACK | SYN_URG | SYN_ACK | RST_ACK | FIN_ACK | FIN_ACK_URG | ACK_URG
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::samples::{ACK, FIN, PSH, RST, SYN, tcp, udp};

    const CLIENT: &str = "198.51.100.7:40000";
    const SERVER: &str = "192.0.2.1:80";

    fn flows() -> Flows {
        Flows::new(&RandomState::with_seeds(1, 2, 3, 4))
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_connection_is_new_until_it_is_answered_and_known_for_days() {
        let mut flows = flows();
        assert_eq!(flows.follow(at(1), &tcp(CLIENT, SERVER, SYN)), State::New);
        assert_eq!(flows.follow(at(2), &tcp(CLIENT, SERVER, SYN)), State::New);
        assert_eq!(flows.follow(at(2), &tcp(SERVER, CLIENT, SYN | ACK)), State::Known);
        assert_eq!(flows.follow(at(3), &tcp(CLIENT, SERVER, ACK)), State::Known);
        assert_eq!(flows.follow(at(400_000), &tcp(SERVER, CLIENT, ACK)), State::Known);
        assert_eq!(flows.follow(at(4_000_000), &tcp(SERVER, CLIENT, ACK)), State::New);
    }

    #[test]
    fn a_request_is_data_of_who_opened_a_connection_and_completed_it() {
        let mut flows = flows();
        let data = PSH | ACK;
        assert_eq!(flows.follow(at(0), &tcp(CLIENT, SERVER, data)), State::New, "not seen to open");
        assert_eq!(flows.follow(at(0), &tcp(SERVER, CLIENT, data)), State::Known);
        assert_eq!(flows.follow(at(0), &tcp(CLIENT, SERVER, data)), State::Known);
        let other = "198.51.100.7:40001";
        assert_eq!(flows.follow(at(1), &tcp(other, SERVER, SYN)), State::New);
        assert_eq!(flows.follow(at(1), &tcp(other, SERVER, data)), State::New, "nobody has answered");
        assert_eq!(flows.follow(at(1), &tcp(SERVER, other, SYN | ACK)), State::Known);
        assert_eq!(flows.follow(at(1), &tcp(other, SERVER, ACK)), State::Known, "a connect scan ends here");
        assert_eq!(flows.follow(at(1), &tcp(other, SERVER, data)), State::Request);
        assert_eq!(flows.follow(at(1), &tcp(SERVER, other, data)), State::Known);
        assert_eq!(flows.follow(at(1), &tcp(other, SERVER, FIN | data)), State::Known);
    }

    #[test]
    fn a_refused_connection_is_over_and_the_next_syn_is_new() {
        let mut flows = flows();
        assert_eq!(flows.follow(at(1), &tcp(CLIENT, SERVER, SYN)), State::New);
        assert_eq!(flows.follow(at(1), &tcp(SERVER, CLIENT, RST | ACK)), State::Known);
        assert_eq!(flows.follow(at(2), &tcp(CLIENT, SERVER, SYN)), State::New);
    }

    #[test]
    fn impossible_flags_are_invalid_even_within_a_flow() {
        let mut flows = flows();
        assert_eq!(flows.follow(at(0), &tcp(CLIENT, SERVER, SYN)), State::New);
        assert_eq!(flows.follow(at(0), &tcp(SERVER, CLIENT, SYN | ACK)), State::Known);
        for flags in [0, FIN, FIN | 0x28, SYN | FIN, 0x08] {
            assert_eq!(flows.follow(at(1), &tcp(CLIENT, SERVER, flags)), State::Invalid, "{flags:#04x}");
        }
        assert_eq!(flows.follow(at(1), &tcp(CLIENT, "192.0.2.1:81", FIN | ACK)), State::Invalid);
    }

    #[test]
    fn a_udp_answer_is_known_and_a_late_one_is_new() {
        let mut flows = flows();
        assert_eq!(flows.follow(at(0), &udp(CLIENT, SERVER)), State::New);
        assert_eq!(flows.follow(at(29), &udp(SERVER, CLIENT)), State::Known);
        assert_eq!(flows.follow(at(140), &udp(SERVER, CLIENT)), State::Known);
        assert_eq!(flows.follow(at(300), &udp(SERVER, CLIENT)), State::New);
    }
}
