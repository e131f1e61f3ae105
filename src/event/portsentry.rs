//! What happened, in the words of `PortSentry`, for commands, files and filters that know these. Pure.
//!
//! The lines are 1.2's, word for word and blank for blank. Its kinds of scans are fewer than ours: what it never had gets a line of the same
//! build, so that a filter which takes any kind takes these, too.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Asked, Wall};
use crate::detect::Triggers;
use crate::detect::probe::{Kind, Protocol};

/// Said when a probe sent now would be judged.
pub const ACTIVE: &str = "adminalert: nftrap is now active and listening.";
/// Said at the end, both.
pub const SHUTTING_DOWN: [&str; 2] = ["securityalert: nftrap is shutting down", "adminalert: nftrap is shutting down"];

/// Who asked: the address that sent the probe, and the name that it is shown by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    /// The address.
    pub address: IpAddr,
    /// Its name, where it has one: already made harmless.
    pub name: Option<&'a str>,
}

/// The mode of `PortSentry` that would have seen it, as its `$MODE$` says: by a decoy, by a trigger
/// port, or by a port that nobody serves.
#[must_use]
pub fn mode(asked: &Asked, triggers: &Triggers) -> &'static str {
    if asked.kind == Kind::Connect {
        return "tcp";
    }
    match asked.protocol {
        Protocol::Udp if triggers.udp_decoys.contains(asked.port) => "udp",
        Protocol::Udp if triggers.udp.contains(asked.port) => "sudp",
        Protocol::Udp => "audp",
        Protocol::Tcp if triggers.tcp.contains(asked.port) => "stcp",
        Protocol::Tcp | Protocol::Sctp | Protocol::Icmp | Protocol::Number(_) | Protocol::Unknown => "atcp",
    }
}

/// Who asked for what.
#[must_use]
pub fn scan(host: Host<'_>, asked: &Asked) -> String {
    let (kind, protocol) = (scan_type(asked), protocol(asked));
    format!("attackalert: {kind} from host: {host} to {protocol} port: {}", asked.port)
}

/// That it is blocked, and a command that does the same.
#[must_use]
pub fn blocked(address: IpAddr, command: &str) -> String {
    format!("attackalert: Host {address} has been blocked via dropped route using command: \"{command}\"")
}

/// That nothing is done about it.
#[must_use]
pub fn ignored(asked: &Asked) -> String {
    format!("attackalert: Ignoring {} response per configuration file setting.", protocol(asked))
}

/// That it should be blocked, and is not.
#[must_use]
pub fn not_blocked(host: Host<'_>) -> String {
    format!("attackalert: ERROR: Could not block host {host} !!")
}

/// A block, as a line of the files of history and of who is blocked; the time of day is that of `zone`.
#[must_use]
pub fn history(at: Wall, zone: &TimeZone, host: Host<'_>, asked: &Asked) -> String {
    let seconds = i64::try_from(at.to_seconds()).unwrap_or(i64::MAX);
    let time = zone.to_datetime(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX));
    format!(
        "{seconds} - {:02}/{:02}/{:04} {:02}:{:02}:{:02} Host: {host} Port: {} {} Blocked",
        time.month(),
        time.day(),
        time.year(),
        time.hour(),
        time.minute(),
        time.second(),
        asked.port,
        protocol(asked),
    )
}

/// Of a packet with SYN and FIN its other flags are not kept: as scanners send it, it has none.
fn scan_type(asked: &Asked) -> Cow<'static, str> {
    Cow::Borrowed(match asked.kind {
        Kind::Syn => "TCP SYN/Normal scan",
        // The blank in front is 1.2's.
        Kind::Null => " TCP NULL scan",
        Kind::Fin => "TCP FIN scan",
        Kind::Xmas => "TCP XMAS scan",
        Kind::SynFin => "Unknown Type: TCP Packet Flags: SYN: 1 FIN: 1 ACK: 0 PSH: 0 URG: 0 RST: 0",
        Kind::Udp => "UDP scan",
        Kind::Connect => "Connect",
        Kind::Ack => "TCP ACK scan",
        Kind::Maimon => "TCP Maimon scan",
        Kind::Init => "SCTP INIT scan",
        Kind::Echo => "ICMP Echo scan",
        Kind::Hidden => "IP Hidden Header scan",
        Kind::Protocol => match asked.protocol {
            Protocol::Number(number) => return Cow::Owned(format!("IP Protocol {number} scan")),
            Protocol::Tcp | Protocol::Udp | Protocol::Sctp | Protocol::Icmp | Protocol::Unknown => "IP Protocol scan",
        },
    })
}

const fn protocol(asked: &Asked) -> &'static str {
    match asked.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
        Protocol::Icmp => "ICMP",
        Protocol::Number(_) | Protocol::Unknown => "IP",
    }
}

/// The name, or the address in its place, and the address.
impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "{name}/{}", self.address),
            None => write!(f, "{}/{}", self.address, self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(protocol: Protocol, port: u16, kind: Kind) -> Asked {
        Asked { port, protocol, kind, destination: [192, 0, 2, 1].into() }
    }

    fn nameless(address: &str) -> Host<'static> {
        Host { address: address.parse().unwrap(), name: None }
    }

    #[test]
    fn a_trigger_is_stealth_mode_a_decoy_classic_mode_and_any_other_port_advanced_mode() {
        let ports = |port: u16| [port].into_iter().collect();
        let triggers = Triggers { tcp: ports(111), udp: ports(69), udp_decoys: ports(7) };
        let by = |protocol, port, kind| mode(&asked(protocol, port, kind), &triggers);
        let mode = |protocol, port| by(protocol, port, Kind::Syn);
        assert_eq!((by(Protocol::Tcp, 8080, Kind::Connect), mode(Protocol::Udp, 7)), ("tcp", "udp"));
        assert_eq!((mode(Protocol::Tcp, 111), mode(Protocol::Tcp, 69)), ("stcp", "atcp"));
        assert_eq!((mode(Protocol::Udp, 69), mode(Protocol::Udp, 111)), ("sudp", "audp"));
        assert_eq!(mode(Protocol::Icmp, 0), "atcp");
    }

    #[test]
    fn the_scans_that_portsentry_knows_are_told_in_its_words() {
        let line = |kind| scan(nameless("10.9.0.2"), &asked(Protocol::Tcp, 11, kind));
        let told = |kind: &str| format!("attackalert: {kind} from host: 10.9.0.2/10.9.0.2 to TCP port: 11");
        assert_eq!(line(Kind::Syn), told("TCP SYN/Normal scan"));
        assert_eq!(line(Kind::Null), told(" TCP NULL scan"));
        assert_eq!(line(Kind::Fin), told("TCP FIN scan"));
        assert_eq!(line(Kind::Xmas), told("TCP XMAS scan"));
        let flags = "Unknown Type: TCP Packet Flags: SYN: 1 FIN: 1 ACK: 0 PSH: 0 URG: 0 RST: 0";
        assert_eq!(line(Kind::SynFin), told(flags));
        let host = Host { name: Some("scan.example"), ..nameless("10.9.0.2") };
        assert_eq!(
            scan(host, &asked(Protocol::Udp, 69, Kind::Udp)),
            "attackalert: UDP scan from host: scan.example/10.9.0.2 to UDP port: 69"
        );
    }

    #[test]
    fn any_other_scan_has_a_line_of_the_same_build() {
        for (protocol, kind, told) in [
            (Protocol::Tcp, Kind::Ack, "TCP ACK scan from host: 10.9.0.2/10.9.0.2 to TCP port: 0"),
            (Protocol::Tcp, Kind::Maimon, "TCP Maimon scan from host: 10.9.0.2/10.9.0.2 to TCP port: 0"),
            (Protocol::Sctp, Kind::Init, "SCTP INIT scan from host: 10.9.0.2/10.9.0.2 to SCTP port: 0"),
            (Protocol::Icmp, Kind::Echo, "ICMP Echo scan from host: 10.9.0.2/10.9.0.2 to ICMP port: 0"),
            (Protocol::Number(99), Kind::Protocol, "IP Protocol 99 scan from host: 10.9.0.2/10.9.0.2 to IP port: 0"),
            (Protocol::Unknown, Kind::Hidden, "IP Hidden Header scan from host: 10.9.0.2/10.9.0.2 to IP port: 0"),
        ] {
            assert_eq!(scan(nameless("10.9.0.2"), &asked(protocol, 0, kind)), format!("attackalert: {told}"));
        }
    }

    #[test]
    fn what_is_done_is_told_in_its_words_too() {
        let (tcp, udp) = (asked(Protocol::Tcp, 1, Kind::Syn), asked(Protocol::Udp, 1, Kind::Udp));
        assert_eq!(
            blocked([10, 9, 0, 2].into(), "nft do"),
            "attackalert: Host 10.9.0.2 has been blocked via dropped route using command: \"nft do\""
        );
        assert_eq!(ignored(&tcp), "attackalert: Ignoring TCP response per configuration file setting.");
        assert_eq!(ignored(&udp), "attackalert: Ignoring UDP response per configuration file setting.");
        assert_eq!(not_blocked(nameless("10.9.0.2")), "attackalert: ERROR: Could not block host 10.9.0.2/10.9.0.2 !!");
    }

    #[test]
    fn a_line_of_history_has_the_time_since_1970_and_the_local_one() {
        let (at, probe) = (Wall::from_millis(1_795_444_857_999), asked(Protocol::Tcp, 11, Kind::Syn));
        assert_eq!(
            history(at, &TimeZone::UTC, nameless("10.9.0.2"), &probe),
            "1795444857 - 11/23/2026 14:40:57 Host: 10.9.0.2/10.9.0.2 Port: 11 TCP Blocked"
        );
        let kathmandu = TimeZone::posix("<+0545>-5:45").unwrap();
        assert_eq!(
            history(at, &kathmandu, Host { name: Some("a.example"), ..nameless("2001:db8::1") }, &probe),
            "1795444857 - 11/23/2026 20:25:57 Host: a.example/2001:db8::1 Port: 11 TCP Blocked"
        );
        let end = history(Wall::MAX, &kathmandu, nameless("10.9.0.2"), &probe);
        assert!(end.starts_with("253402300799 - "), "{end}");
    }
}
