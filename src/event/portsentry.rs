//! What happened, in the words of `PortSentry`, for commands, files and filters that know these. Pure.

use super::Asked;
use crate::detect::Triggers;
use crate::detect::probe::Protocol;

/// The mode of `PortSentry` that would have seen it, as its `$MODE$` says: by a trigger port, or by a port that nobody serves.
#[must_use]
pub fn mode(asked: &Asked, triggers: &Triggers) -> &'static str {
    match asked.protocol {
        Protocol::Udp if triggers.udp.contains(asked.port) => "sudp",
        Protocol::Udp => "audp",
        Protocol::Tcp if triggers.tcp.contains(asked.port) => "stcp",
        Protocol::Tcp | Protocol::Sctp | Protocol::Icmp | Protocol::Number(_) | Protocol::Unknown => "atcp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::probe::Kind;

    #[test]
    fn a_trigger_is_stealth_mode_and_any_other_port_advanced_mode() {
        let triggers = Triggers { tcp: [111].into_iter().collect(), udp: [69].into_iter().collect() };
        let mode = |protocol, port| {
            mode(&Asked { port, protocol, kind: Kind::Syn, destination: [192, 0, 2, 1].into() }, &triggers)
        };
        assert_eq!((mode(Protocol::Tcp, 111), mode(Protocol::Tcp, 69)), ("stcp", "atcp"));
        assert_eq!((mode(Protocol::Udp, 69), mode(Protocol::Udp, 111)), ("sudp", "audp"));
        assert_eq!(mode(Protocol::Icmp, 0), "atcp");
    }
}
