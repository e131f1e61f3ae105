//! What commands and lines are told of a block. Pure. **Nothing that the network chose can reach a shell:** each value is made of a
//! number, an address, a time or a word of ours, and `Plain` holds nothing else.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::detect::Triggers;
use crate::event::{Asked, Offence, Wall, plain, portsentry};

/// The words of `PortSentry` for its modes, and ours for a block that it does not know.
const MODES: [&str; 7] = ["stcp", "sudp", "atcp", "audp", "tcp", "udp", OPERATOR];
const OPERATOR: &str = "operator";

/// A block, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(super) struct Facts {
    pub(super) prefix: IpNet,
    /// For ever without.
    pub(super) until: Option<Wall>,
    mode: Mode,
    probe: Option<Probe>,
}

/// A word of `MODES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mode(&'static str);

/// The probe that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Probe {
    #[serde(flatten)]
    asked: Asked,
    hits: u8,
    repeat: u32,
}

/// As the ledger has them.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Wall>,
    mode: String,
    #[serde(flatten)]
    probe: Option<Probe>,
}

/// A text without anything that a shell, a program's options or a line's reader would take for more than a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plain(String);

impl Facts {
    /// Of an offence.
    pub(super) fn of(offence: &Offence, triggers: &Triggers) -> Self {
        let Offence { source, probe, hits, until, repeat, .. } = offence;
        let mode = Mode(portsentry::mode(probe, triggers));
        let probe = Some(Probe { asked: *probe, hits: *hits, repeat: *repeat });
        Self { prefix: (*source).into(), until: Some(*until), mode, probe }
    }

    /// Of an operator's block.
    pub(super) const fn operators(prefix: IpNet, until: Option<Wall>) -> Self {
        Self { prefix, until, mode: Mode(OPERATOR), probe: None }
    }

    /// The source: an address, or a network with its length.
    pub(super) fn target(&self) -> Plain {
        Plain::made(plain(&self.prefix))
    }

    /// The port; 0 where there is none.
    pub(super) fn port(&self) -> Plain {
        Plain::made(self.probe.map_or(0, |probe| probe.asked.port))
    }

    pub(super) fn mode(&self) -> Plain {
        Plain::made(self.mode.0)
    }

    /// All that there is to say, by the names of environment variables.
    pub(super) fn variables(&self) -> Vec<(&'static str, Plain)> {
        let until = self.until.map_or_else(|| Plain::made("forever"), Plain::made);
        let mut all = vec![
            ("NFTRAP_SOURCE", self.target()),
            ("NFTRAP_PORT", self.port()),
            ("NFTRAP_MODE", self.mode()),
            ("NFTRAP_UNTIL", until),
        ];
        if let Some(Probe { asked, hits, repeat }) = self.probe {
            all.extend([
                ("NFTRAP_PROTOCOL", Plain::made(asked.protocol)),
                ("NFTRAP_KIND", Plain::made(asked.kind)),
                ("NFTRAP_DESTINATION", Plain::made(asked.destination)),
                ("NFTRAP_HITS", Plain::made(hits)),
                ("NFTRAP_REPEAT", Plain::made(repeat)),
            ]);
        }
        all
    }
}

impl Plain {
    /// What is anything else is left out, though no value of ours has it.
    pub(super) fn made(value: impl fmt::Display) -> Self {
        let text = value.to_string();
        let harmless = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/' | '+' | '-');
        Self(text.trim_start_matches(['-', '+']).chars().filter(harmless).collect())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Facts> for Stored {
    fn from(facts: Facts) -> Self {
        let Facts { prefix, until, mode, probe } = facts;
        Self { source: plain(&prefix), until, mode: mode.0.to_owned(), probe }
    }
}

/// Why a stored row says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither an address nor a network, or no mode that we know")]
pub(super) struct NoFacts;

impl TryFrom<Stored> for Facts {
    type Error = NoFacts;

    fn try_from(stored: Stored) -> Result<Self, NoFacts> {
        let Stored { source, until, mode, probe } = stored;
        let address = source.parse::<IpAddr>().map(IpNet::from).ok();
        let prefix = address.or_else(|| source.parse().ok()).ok_or(NoFacts)?;
        let mode = MODES.into_iter().find(|known| *known == mode).map(Mode).ok_or(NoFacts)?;
        Ok(Self { prefix, until, mode, probe })
    }
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;
    use crate::detect::probe::{Kind, Protocol};
    use crate::detect::source::Source;

    pub(crate) fn offence(source: &str, port: u16) -> Offence {
        let source: Source = source.parse().unwrap();
        let probe = Asked { port, protocol: Protocol::Tcp, kind: Kind::SynFin, destination: [10, 2, 0, 1].into() };
        let until = Wall::from_millis(1_795_499_721_189);
        Offence { source, probe, hits: 1, until, repeat: 2, evidence: Vec::new() }
    }

    pub(crate) fn facts(source: &str) -> Facts {
        let triggers =
            Triggers { tcp: [111].into_iter().collect(), udp: [69].into_iter().collect(), ..Triggers::default() };
        Facts::of(&offence(source, 111), &triggers)
    }
}

#[cfg(test)]
mod tests {
    use super::samples::facts;
    use super::*;
    use crate::detect::probe::{Kind, Protocol};

    #[test]
    fn a_value_is_what_it_says_and_nothing_is_lost_of_it() {
        let facts = facts("2001:db8::/64");
        let shown: Vec<_> = facts.variables().into_iter().map(|(name, value)| format!("{name}={}", value.0)).collect();
        assert_eq!(
            shown,
            [
                "NFTRAP_SOURCE=2001:db8::/64",
                "NFTRAP_PORT=111",
                "NFTRAP_MODE=stcp",
                "NFTRAP_UNTIL=2026-11-24T05:55:21.189Z",
                "NFTRAP_PROTOCOL=tcp",
                "NFTRAP_KIND=syn+fin",
                "NFTRAP_DESTINATION=10.2.0.1",
                "NFTRAP_HITS=1",
                "NFTRAP_REPEAT=2",
            ]
        );
        let whole = Facts::operators("192.0.2.0/24".parse().unwrap(), None);
        let values: Vec<_> = whole.variables().into_iter().map(|(_, value)| value.0).collect();
        assert_eq!(values, ["192.0.2.0/24", "0", "operator", "forever"]);
    }

    #[test]
    fn no_value_of_ours_is_changed_by_being_made_plain() {
        let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp, Protocol::Unknown];
        let words = Kind::ALL.iter().map(ToString::to_string).chain(protocols.iter().map(ToString::to_string));
        let words = words.chain(MODES.map(str::to_owned)).chain([Protocol::Number(255).to_string()]);
        let places = ["255.255.255.255", "fe80::1", "2001:db8::ffff:0:0/64", "::/0", "::ffff:192.0.2.1"];
        for text in words.chain(places.map(str::to_owned)).chain([Wall::MAX.to_string()]) {
            assert_eq!(Plain::made(&text).0, text);
        }
    }

    #[test]
    fn nothing_that_a_shell_or_an_option_is_made_of_stays_in_a_value() {
        for (evil, left) in [
            ("$(reboot)", "reboot"),
            ("`x`;y|z&", "xyz"),
            ("a b\nc\t\"d\"'e'", "abcde"),
            ("--help", "help"),
            ("*?[x]{y}~<>\\!#%^=,", "xy"),
            ("\u{fc}\u{202e}", ""),
        ] {
            assert_eq!(Plain::made(evil).0, left);
        }
    }

    #[test]
    fn what_is_stored_is_read_again_and_what_we_did_not_write_is_refused() {
        for facts in [facts("192.0.2.1"), facts("2001:db8::/64"), Facts::operators("10.0.0.0/8".parse().unwrap(), None)]
        {
            let text = serde_json::to_string(&facts).unwrap();
            assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts, "{text}");
        }
        for text in [r#"{"source":"$(x)","mode":"stcp"}"#, r#"{"source":"192.0.2.1","mode":"$(x)"}"#, "{}"] {
            assert!(serde_json::from_str::<Facts>(text).is_err(), "{text}");
        }
    }
}
