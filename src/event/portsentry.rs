//! What happened, in the words of `PortSentry`, for commands, files and filters that know these. Pure.

use super::Asked;
use crate::detect::Triggers;
use crate::detect::probe::{Kind, Protocol};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_is_stealth_mode_a_decoy_classic_mode_and_any_other_port_advanced_mode() {
        let ports = |port: u16| [port].into_iter().collect();
        let triggers = Triggers { tcp: ports(111), udp: ports(69), udp_decoys: ports(7) };
        let by =
            |protocol, port, kind| mode(&Asked { port, protocol, kind, destination: [192, 0, 2, 1].into() }, &triggers);
        let mode = |protocol, port| by(protocol, port, Kind::Syn);
        assert_eq!((by(Protocol::Tcp, 8080, Kind::Connect), mode(Protocol::Udp, 7)), ("tcp", "udp"));
        assert_eq!((mode(Protocol::Tcp, 111), mode(Protocol::Tcp, 69)), ("stcp", "atcp"));
        assert_eq!((mode(Protocol::Udp, 69), mode(Protocol::Udp, 111)), ("sudp", "audp"));
        assert_eq!(mode(Protocol::Icmp, 0), "atcp");
    }
}
