//! Names of ports, as `/etc/services` gives them. Pure: the text comes from the caller.

use std::collections::BTreeMap;

use super::problem::{Fault, nearest, quoted};

/// Whose ports a list names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// As `/etc/services` and the config write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Tcp => Self::Udp,
            Self::Udp => Self::Tcp,
        }
    }
}

/// The names of ports that this host knows.
#[derive(Debug, Clone, Default)]
pub struct Services {
    tcp: BTreeMap<String, u16>,
    udp: BTreeMap<String, u16>,
    missing: Option<String>,
}

impl Services {
    /// What a `services` file says. The file is the system's, not ours: a line that cannot be read is passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut services = Self::default();
        for line in text.lines() {
            services.add(line);
        }
        services
    }

    /// There is no such file: `why` is told to whoever asks for a name.
    #[must_use]
    pub fn missing(why: impl Into<String>) -> Self {
        Self { missing: Some(why.into()), ..Self::default() }
    }

    /// The port of `name`.
    pub(super) fn port(&self, name: &str, protocol: Protocol) -> Result<u16, Fault> {
        self.names(protocol).get(name).copied().ok_or_else(|| self.unknown(name, protocol))
    }

    /// `name port/protocol alias...`; the first line that gives a name counts, as it does for `getservbyname`.
    fn add(&mut self, line: &str) {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some((name, (port, protocol))) = words.next().zip(words.next().and_then(|word| word.split_once('/')))
        else {
            return;
        };
        let names = match protocol {
            "tcp" => &mut self.tcp,
            "udp" => &mut self.udp,
            _ => return,
        };
        if let Some(port) = port.parse().ok().filter(|port| *port != 0) {
            for name in [name].into_iter().chain(words) {
                names.entry(name.to_owned()).or_insert(port);
            }
        }
    }

    fn names(&self, protocol: Protocol) -> &BTreeMap<String, u16> {
        match protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
        }
    }

    fn unknown(&self, name: &str, protocol: Protocol) -> Fault {
        let shown = quoted(name);
        if let Some(why) = &self.missing {
            let reason = format!("port {shown} cannot be looked up: /etc/services: {why}");
            return Fault::new(reason, "use numbers, or install netbase");
        }
        let other = protocol.other();
        let help = match self.names(other).get(name) {
            Some(port) => {
                format!("{shown} is {} port {port}: write the number, if that is what you mean", other.name())
            }
            None => match nearest(name, self.names(protocol).keys().map(String::as_str)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write a number, a range such as \"40-50\", or a name from /etc/services".to_owned(),
            },
        };
        Fault::new(format!("{shown} is not a {} port in /etc/services", protocol.name()), help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_an_alias_and_the_first_of_two_lines_are_found() {
        let text = "# x\nsunrpc\t111/tcp\tportmapper rpcbind # RPC\r\nsunrpc 112/tcp\nftp-data 20/tcp";
        let services = Services::parse(text);
        for (name, port) in [("sunrpc", 111), ("rpcbind", 111), ("portmapper", 111), ("ftp-data", 20)] {
            assert_eq!(services.port(name, Protocol::Tcp), Ok(port));
        }
        assert!(services.port("RPC", Protocol::Tcp).is_err());
        assert!(services.port("sunrpc", Protocol::Udp).is_err());
    }

    #[test]
    fn lines_that_cannot_be_read_are_passed_over() {
        let services = Services::parse("a\nb 0/tcp\nc 70000/tcp\nd 5/sctp\ne 5tcp\n/ / /\n\u{0}\nok 7/udp");
        assert!(services.tcp.is_empty());
        assert_eq!(services.udp.len(), 1);
    }
}
