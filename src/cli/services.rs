//! Names of ports, as this host knows them; without its list a port is a number.

use std::collections::HashMap;
use std::fs;

use crate::detect::probe::Protocol;

/// The first name of each port.
#[derive(Debug, Default)]
pub(super) struct Services(HashMap<String, String>);

impl Services {
    #[expect(clippy::disallowed_methods, reason = "the system's list is a file, and an answer is read by people")]
    pub(super) fn of_this_host() -> Self {
        Self::parse(&fs::read_to_string("/etc/services").unwrap_or_default())
    }

    /// Lines of `name port/protocol alias...`.
    pub(super) fn parse(text: &str) -> Self {
        let mut names = HashMap::new();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            if let Some((name, place)) = words.next().zip(words.next()) {
                names.entry(place.to_owned()).or_insert_with(|| name.to_owned());
            }
        }
        Self(names)
    }

    /// A place as people call it: `tcp 111 (sunrpc)`, or `icmp`.
    pub(super) fn place(&self, protocol: Protocol, port: u16) -> String {
        if port == 0 {
            return protocol.to_string();
        }
        let name = self.0.get(&format!("{port}/{protocol}")).map(|name| format!(" ({name})")).unwrap_or_default();
        format!("{protocol} {port}{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_with_the_first_name_that_it_has() {
        let services = Services::parse("# x\nsunrpc\t111/tcp\tportmapper # RPC\nother 111/tcp\nsyslog 514/udp\n\n/");
        for (protocol, port, place) in [
            (Protocol::Tcp, 111, "tcp 111 (sunrpc)"),
            (Protocol::Udp, 111, "udp 111"),
            (Protocol::Udp, 514, "udp 514 (syslog)"),
            (Protocol::Icmp, 0, "icmp"),
        ] {
            assert_eq!(services.place(protocol, port), place);
        }
    }
}
